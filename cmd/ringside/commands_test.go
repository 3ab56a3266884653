package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"

	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
	"ringside/internal/simulate"
)

// leaves returns every command, as the words that name it.
func leaves(t *testing.T) []*kong.Node {
	t.Helper()
	parser, err := kong.New(&commands{})
	must(t, err)
	return parser.Model.Leaves(false)
}

func TestHelpOfEveryCommand(t *testing.T) {
	t.Parallel()
	var names []string
	for _, command := range leaves(t) {
		words := strings.Fields(command.FullPath())[1:]
		name := strings.Join(words, " ")
		names = append(names, name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Settings that are wrong do not keep anybody from reading the help.
			var out, errs bytes.Buffer
			status := run(t.Context(), append(words, "--help"), []string{"RINGSIDE_LISTEN=wrong"}, &out, &errs)
			if status != 0 || errs.Len() > 0 {
				t.Fatalf("ended with %d and said %q", status, errs.String())
			}
			for _, want := range append([]string{"Usage: ringside " + name, command.Help}, flags(t, command)...) {
				if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
					t.Errorf("the help lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
	want := []string{"serve", "demo", "simulate call", "simulate sms", "simulate stream", "simulate outbound", "doctor", "explain", "migrate", "org create", "org list", "org limit", "agent create", "agent list", "agent test",
		"number add", "number sync", "key create", "key list", "key rotate", "key revoke",
		"member invite", "member list", "member role", "member link", "member remove", "contact add", "import", "campaign list", "campaign show", "campaign set", "campaign start", "campaign pause", "campaign resume", "campaign stop", "campaign add-person", "spool list", "spool retry", "spool export", "secrets rotate", "config print", "healthcheck"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("the commands (-want +got):\n%s", diff)
	}
}

// flags returns the flags of a command, each of which has to say what it is.
func flags(t *testing.T, command *kong.Node) (names []string) {
	t.Helper()
	for _, flag := range command.Flags {
		if flag.Help == "" {
			t.Errorf("--%s of %s says nothing", flag.Name, command.Path())
		}
		names = append(names, "--"+flag.Name)
	}
	return names
}

func TestVersionAndHelpOfTheProgram(t *testing.T) {
	t.Parallel()
	if status, out, errs := command(t, nil, "--version"); status != 0 || out != version+"\n" || errs != "" {
		t.Errorf("--version: %d %q %q", status, out, errs)
	}
	status, out, errs := command(t, nil, "--help")
	if status != 0 || !strings.HasPrefix(out, "Usage: ringside <command>") || errs != "" {
		t.Errorf("--help: %d %q %q", status, out, errs)
	}
}

// The command lines that people and scripts rely on are understood; whether they can be carried out
// is another matter.
func TestContractedCommandLines(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"serve", "demo", "demo --once", "migrate", "spool list", "spool retry", "spool export", "secrets rotate", "config print", "healthcheck", "explain +14155551200 --json", "agent test ID --org ID --json",
		"org create --name N --country US --contact-limit 500 --json",
		"agent create --org ID --name N --greeting G --transport conversationrelay --runtime-url ws://localhost:9000/agent --language en-US --min-attestation A --json",
		"number add +12125550199 --org ID --agent ID --account-sid AC1 --auth-token-file F --json",
		"key create --org ID --name N --json",
		"contact add --org ID --name N --phone P --email E --tags T --notes N --json",
		"campaign add-person --org ID --campaign C --phone P --name N --notes N --json",
		"simulate call --from +14155551200 --to +12125550199 --url http://127.0.0.1:8080 --auth-token-file F --say Hello --say Goodbye",
	} {
		if parsed, status := parse(strings.Fields(line), io.Discard, io.Discard); parsed == nil {
			t.Errorf("ringside %s: status %d", line, status)
		}
	}
}

// What is wrong is said in one line, without a stack of wrapped errors, and with a status.
func TestBadInput(t *testing.T) {
	t.Parallel()
	database := pgtest.URL(t)
	settings := []string{"DATABASE_URL=" + database}
	if status, out, errs := command(t, settings, "contact", "add", "--name", "N", "--phone", "+14155551200"); status != exitFailed || out != "" ||
		errs != "ringside: There is no organisation yet: `ringside org create --name N --country US` makes one.\n" {
		t.Errorf("without an organisation: %d %q %q", status, out, errs)
	}
	acme := id(t, settings, "org", "create", "--name", "Acme", "--country", "US", "--contact-limit", "1")
	agent := id(t, settings, "agent", "create", "--name", "Reception", "--greeting", greeting, "--runtime-url", "ws://localhost:9000/")
	token, empty := file(t, "token"), file(t, "\n")
	const sid = "AC00000000000000000000000000000001"
	id(t, settings, "number", "add", shopNumber, "--agent", agent, "--account-sid", sid, "--auth-token-file", token)
	id(t, settings, "contact", "add", "--name", "Alex Chen", "--phone", alex)

	agentCreate := func(more ...string) []string {
		return append([]string{"agent", "create", "--org", acme, "--name", "N", "--greeting", "G", "--runtime-url", "ws://h/"}, more...)
	}
	numberAdd := func(number string, more ...string) []string {
		return append([]string{"number", "add", number, "--org", acme, "--agent", agent, "--account-sid", sid, "--auth-token-file", token}, more...)
	}
	contactAdd := func(more ...string) []string {
		return append([]string{"contact", "add", "--org", acme, "--name", "N", "--phone", stranger}, more...)
	}
	if status, out, errs := command(t, settings, "org", "limit", "0"); status != 0 || out != "Acme has 1 contacts; its limit is 0.\n" {
		t.Errorf("org limit ended with %d: %s%s", status, out, errs)
	}
	if usage := object(t, settings, "org", "limit", "1"); usage["limit"] != 1. || usage["over"] != 0. {
		t.Errorf("org limit --json: %v", usage)
	}
	const none = "00000000-0000-0000-0000-000000000000"
	for _, tt := range []struct {
		args   []string
		status int
		want   string // what is said begins like this
	}{
		{nil, exitUsage, `expected one of "serve"`},
		{[]string{"sevre"}, exitUsage, `unexpected argument sevre, did you mean "serve"?`},
		{[]string{"serve", "--port", "1"}, exitUsage, "unknown flag --port"},
		{[]string{"org", "create", "--name", "N"}, exitUsage, "missing flags: --country=US"},
		{[]string{"org", "create", "--name", "N", "--country", "US", "--contact-limit", "many"}, exitUsage, "--contact-limit: expected a valid 64 bit int"},
		{[]string{"org", "limit", "many"}, exitFailed, "contacts: Give a number, or none for no limit."},
		{[]string{"org", "limit", "--org", none, "5"}, exitFailed, "There is no organisation " + none},
		{[]string{"org", "create", "--name", "N", "--country", "ZZ"}, exitFailed, `country: "ZZ" is not a country: give its two-letter ISO code`},
		{[]string{"org", "create", "--name", " ", "--country", "US"}, exitFailed, "name: An organisation needs a name."},
		{[]string{"org", "create", "--name", "N", "--country", "US", "--contact-limit=-1"}, exitFailed, "contact_limit: The contact limit "},
		{agentCreate("--org", none), exitFailed, "There is no organisation " + none + "; `ringside org list` shows those there are."},
		{agentCreate("--org", "acme"), exitFailed, "There is no organisation acme; `ringside org list` shows those there are."},
		{agentCreate("--greeting", "Hello {{NAM}}"), exitFailed, `greeting: the greeting has a token "{{NAM}}" that means nothing`},
		{agentCreate("--greeting", "Hello {{NAME"), exitFailed, `greeting: the greeting has an opening "{{" without a closing "}}"`},
		{agentCreate("--unknown-greeting", "Hello {{}}"), exitFailed, `unknown_greeting: the greeting has a token "{{}}"`},
		{agentCreate("--runtime-url", "http://localhost"), exitFailed, `runtime_url: "http://localhost" is not a WebSocket address`},
		{agentCreate("--transport", "smoke"), exitFailed, `transport: "smoke" is not a transport`},
		{agentCreate("--language", "English please"), exitFailed, `language: "English please" is not a language tag`},
		{agentCreate("--min-attestation", "D"), exitFailed, `min_attestation: "D" is not an attestation level`},
		{agentCreate("--fallback-number", "555"), exitFailed, "fallback_number: "},
		{agentCreate("--set", "dtmfDetection=perhaps"), exitFailed, "dtmfDetection"},
		{agentCreate("--set", "loudness=11"), exitFailed, `relay_settings: "loudness" is not an attribute of ConversationRelay`},
		{agentCreate("--runtime-secret-file", "/nonexistent"), exitFailed, "runtime_secret: The secret cannot be read: open /nonexistent: no such file or directory."},
		{[]string{"number", "add"}, exitUsage, "missing flags: --agent=ID"},
		{numberAdd("12"), exitFailed, "phone: "},
		{numberAdd(shopNumber), exitFailed, "The number " + shopNumber + " is already connected to a voice agent."},
		{numberAdd("+12125550198", "--account-sid", "AC1"), exitFailed, `account_sid: "AC1" is not a Twilio account SID`},
		{numberAdd("+12125550198", "--agent", none), exitFailed, "The organisation has no voice agent " + none},
		{numberAdd("+12125550198", "--agent", "reception"), exitFailed, "The id of the organisation or of the voice agent is malformed"},
		{numberAdd("+12125550198", "--auth-token-file", "/nonexistent"), exitFailed, "auth_token_file: The secret cannot be read: open /nonexistent: no such file or directory."},
		{numberAdd("+12125550198", "--auth-token-file", empty), exitFailed, "auth_token_file: The secret cannot be read: the file " + empty + " must hold the secret on one line."},
		{[]string{"number", "add", "+12125550198", "--agent", agent}, exitFailed, "auth_token_file: Give the account's auth token in a file, or in TWILIO_AUTH_TOKEN"},
		{[]string{"key", "create", "--name", ""}, exitFailed, "name: A key needs a name that says who uses it."},
		{contactAdd("--phone", alex), exitFailed, "phone: A contact with this phone number already exists."},
		{contactAdd("--phone", shopNumber), exitFailed, "phone: " + shopNumber + " is one of the organisation's own numbers"},
		{contactAdd("--phone", "12345"), exitFailed, "phone: "},
		{contactAdd("--phone", "+266696687"), exitFailed, "phone: "},
		{contactAdd("--phone", "１２３４５６７８"), exitFailed, "phone: "},
		{contactAdd("--email", "alex at acme"), exitFailed, "email: "},
		{contactAdd("--name", ""), exitFailed, "name: A contact needs a name."},
		{contactAdd(), exitFailed, "The plan's limit of 1 contacts is reached."},
		{[]string{"campaign", "add-person", "--campaign", " ", "--name", "N", "--phone", maria}, exitFailed, "campaign: "},
		{[]string{"campaign", "add-person", "--campaign", "C", "--name", "N", "--phone", "no"}, exitFailed, "phone: "},
		{[]string{"campaign", "add-person", "--campaign", "C", "--name", "N", "--phone", maria, "--called-at", "yesterday"}, exitUsage, "--called-at: "},
		{[]string{"explain"}, exitUsage, `expected "<number>"`},
		{[]string{"explain", alex, "--to", "+12125550100"}, exitFailed, "The number +12125550100 leads to no voice agent of this organisation."},
		{[]string{"explain", alex, "--to", "x"}, exitFailed, "to: "},
		{[]string{"explain", alex, "--org", none}, exitFailed, "There is no organisation " + none},
		{[]string{"simulate", "call", "--from", alex, "--to", shopNumber, "--url", "localhost:8080", "--auth-token-file", token}, exitFailed, `url: "localhost:8080" is not the sidecar's address`},
		{[]string{"simulate", "call", "--from", alex, "--to", shopNumber, "--url", "http://" + nobody}, exitFailed, "auth_token_file: Give the account's auth token"},
		{[]string{"healthcheck", "--url", "http://" + nobody}, exitFailed, "no sidecar answers: "},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			status, out, errs := command(t, settings, tt.args...)
			if tt.status == exitUsage {
				var hinted bool
				if errs, hinted = strings.CutSuffix(errs, "Try `ringside --help`.\n"); !hinted {
					t.Errorf("no hint: %q", errs)
				}
			}
			if status != tt.status || !strings.HasPrefix(errs, "ringside: "+tt.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("status %d, want %d; said %q, want one line that begins with %q", status, tt.status, errs, "ringside: "+tt.want)
			}
			if out != "" || strings.Contains(errs, "SQLSTATE") {
				t.Errorf("printed %q, said %q", out, errs)
			}
		})
	}
}

func TestErrorsTakeOneLine(t *testing.T) {
	t.Parallel()
	refused := problem.Invalid("phone", "It is too short.")
	away := errors.New("connection refused")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("open the database: %w", away), "open the database: connection refused"},
		{fmt.Errorf("add contact: %w", refused), "phone: It is too short."}, // its own sentence, not how it got here
		{errors.Join(refused, away), "phone: It is too short.; connection refused"},
		{errors.Join(nil, errors.Join(away, fmt.Errorf("stop: %w", away))), "connection refused; stop: connection refused"},
		{errors.Join(fmt.Errorf("add contact: %w", refused)), "phone: It is too short."},
		{fmt.Errorf("close: %w", errors.Join(away, away)), "close: connection refused; connection refused"},
		{fmt.Errorf("%w: %w", away, away), "connection refused: connection refused"},
	} {
		if got := oneLine(tt.err); got != tt.want {
			t.Errorf("oneLine(%q) = %q, want %q", tt.err, got, tt.want)
		}
	}
}

// With several organisations, one has to be named; nothing is done to a chance one.
func TestWhichOrganisation(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	first := id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	key := object(t, settings, "key", "create", "--name", "mine")
	if key["org_id"] != first {
		t.Errorf("the only organisation was not taken: %v", key)
	}
	id(t, settings, "org", "create", "--name", "Umbrella", "--country", "GB")
	if status, _, errs := command(t, settings, "key", "create", "--name", "mine"); status != exitFailed ||
		errs != "ringside: org: There are 2 organisations: say which with --org; `ringside org list` shows them.\n" {
		t.Errorf("with two: %d %q", status, errs)
	}
	if key := object(t, settings, "key", "create", "--name", "mine", "--org", strings.ToUpper(first)); key["org_id"] != first {
		t.Errorf("by its id in capitals: %v", key)
	}
	status, out, _ := command(t, settings, "org", "list")
	if lines := strings.Split(out, "\n"); status != 0 || len(lines) != 3 || !strings.HasPrefix(lines[0], first+"  US  Acme") {
		t.Errorf("org list: %d %q", status, out)
	}
	if listed, _ := object(t, settings, "org", "list")["orgs"].([]any); len(listed) != 2 {
		t.Errorf("org list --json lists %v", listed)
	}
	if listed, _ := object(t, settings, "agent", "list", "--org", first)["agents"].([]any); len(listed) != 0 {
		t.Errorf("agent list --json lists %v", listed)
	}
}

// What is printed for people says what to do next.
func TestSetUpForPeople(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t), "RINGSIDE_PUBLIC_URL=https://ringside.example.com", "TWILIO_ACCOUNT_SID=AC00000000000000000000000000000001",
		"TWILIO_AUTH_TOKEN=token"}
	says := func(want string, args ...string) {
		t.Helper()
		if status, out, errs := command(t, settings, args...); status != 0 || !strings.Contains(out, want) || errs != "" {
			t.Errorf("ringside %q: %d, %q %q, want %q", args, status, out, errs, want)
		}
	}
	says("There is no organisation yet", "org", "list")
	says("Next: `ringside agent create --org ", "org", "create", "--name", "Acme", "--country", "US")
	says("Next: `ringside number add +1… --org ", "agent", "create", "--name", "Reception", "--greeting", greeting, "--runtime-url", "ws://localhost:9000/")
	says("Reception  \"Hello {{NAME}}, this is Acme. How can I help you?\"", "agent", "list")
	agents, _ := object(t, settings, "agent", "list")["agents"].([]any)
	agent, _ := agents[0].(map[string]any)["id"].(string)
	says("A call comes in         https://ringside.example.com/twilio/voice#ct=2000&rt=3000&rc=1&rp=5xx,ct,rt\n", "number", "add", "(212) 555-0199", "--agent", agent)
	says("Keep it now: it is not shown again.", "key", "create", "--name", "dashboard")
	says("Added Alex Chen, +1 415-555-1200: ", "contact", "add", "--name", "Alex Chen", "--phone", "415 555 1200")
	says("Recorded Maria Gomez, "+maria+", called by Spring offer: ", "campaign", "add-person", "--campaign", "Spring offer", "--name", "Maria Gomez", "--phone", maria)
	says("Spring offer: 1 people, 1 called, not started yet", "campaign", "list")
	says("Calls 10:00 to 20:00 on sat, sun where people are; 7 a minute, 5 at once; 2 further attempts after 60 minutes.",
		"campaign", "set", "spring offer", "--opens", "10:00", "--days", "sun,sat", "--calls-per-minute", "7", "--greeting", "Order {{ORDER}}.", "--hang-up-on-machines")
	says("Spring offer is not started yet: 0 to be called, 0 being called, 0 done.", "campaign", "show", "Spring offer")
	for _, tt := range [][3]string{{"start", "Spring offer", "There is nobody left to call"}, {"pause", "Spring offer", "it is not started yet"}, {"resume", "Autumn", `There is no campaign "Autumn"`}, {"stop", "Spring offer", "not calling"}} {
		if status, _, errs := command(t, settings, "campaign", tt[0], tt[1]); status != exitFailed || !strings.Contains(errs, tt[2]) {
			t.Errorf("%v ended with %d: %q", tt, status, errs)
		}
	}
}

// What should be looked at in a greeting is said, and the agent made all the same.
func TestAgentCreateAdvises(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	status, out, errs := command(t, settings, "agent", "create", "--name", "Reception", "--greeting", "Hello, is this {{NAME}}?", "--runtime-url", "ws://localhost:9000/", "--tell", "name,tags", "--json")
	if status != 0 || !strings.Contains(out, `"tell":["name","tags"]`) || !strings.Contains(errs, "“Hello, is this?”") {
		t.Errorf("ended with %d: %q %q", status, out, errs)
	}
	if status, _, errs := command(t, settings, "agent", "create", "--name", "N", "--greeting", "G", "--runtime-url", "ws://h/", "--tell", "password"); status != exitFailed || !strings.Contains(errs, `tell: "password" is nothing that an agent is told`) {
		t.Errorf("ended with %d: %q", status, errs)
	}
}

func TestAgentTest(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	runtime, err := simulate.StartRuntime(simulate.RuntimeOptions{Secret: "s3cret"})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.Close()
	with := func(more ...string) string {
		return id(t, settings, append([]string{"agent", "create", "--name", "N", "--greeting", greeting, "--runtime-url", runtime.URL()}, more...)...)
	}
	good, bad := with("--runtime-secret-file", file(t, "s3cret")), with()
	if status, out, errs := command(t, settings, "agent", "test", good); status != 0 || !strings.Contains(out, "Calls can be connected to it.") || !strings.Contains(out, "Answer to a ping") {
		t.Errorf("ended with %d: %q %q", status, out, errs)
	}
	if status, out, errs := command(t, settings, "agent", "test", bad); status != exitFailed || !strings.Contains(out, "failed") || !strings.Contains(errs, "It probably expects a secret") {
		t.Errorf("without the secret: %d: %q %q", status, out, errs)
	}
	if status, out, _ := command(t, settings, "agent", "test", bad, "--json"); status != exitFailed || !strings.Contains(out, `{"ok":false,"text":"The program refuses`) {
		t.Errorf("as JSON: %d: %q", status, out)
	}
	if status, _, errs := command(t, settings, "agent", "test", "reception"); status != exitFailed || !strings.Contains(errs, "no voice agent reception") {
		t.Errorf("one that is not there: %d: %q", status, errs)
	}
}

func TestKeyRotate(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	old := object(t, settings, "key", "create", "--name", "dashboard", "--scopes", "read")
	oldID, _ := old["id"].(string)
	fresh := object(t, settings, "key", "rotate", oldID, "--grace", "1h")
	replaced, _ := fresh["replaces"].(map[string]any)
	if fresh["key"] == old["key"] || fresh["key"] == nil || fresh["name"] != "dashboard" || fresh["expires_at"] != nil || replaced["id"] != oldID || replaced["expires_at"] == nil {
		t.Errorf("rotated %v to %v", old, fresh)
	}
	if status, out, errs := command(t, settings, "key", "list"); status != 0 || !strings.Contains(out, oldID+"  read  dashboard  (rotated: ends 20") || !strings.Contains(out, fmt.Sprint(fresh["id"], "  read  dashboard\n")) {
		t.Errorf("listed %d %s%s", status, out, errs)
	}
	if status, out, errs := command(t, settings, "key", "rotate", oldID, "--grace", "0s"); status != 0 || !strings.Contains(out, "Keep it now: it is not shown again.") || !strings.Contains(out, "The old one works until 20") {
		t.Errorf("for people: %d %s%s", status, out, errs)
	}
	if status, _, errs := command(t, settings, "key", "rotate", oldID); status != exitFailed || !strings.Contains(errs, "There is no key "+oldID+" in use; `ringside key list` shows those there are.") {
		t.Errorf("a key that has ended: %d %s", status, errs)
	}
	if status, _, errs := command(t, settings, "key", "rotate", fmt.Sprint(fresh["id"]), "--grace=-1h"); status != exitFailed || !strings.Contains(errs, "grace: The old key may go on for 0s to 8760 hours.") {
		t.Errorf("a grace that is over: %d %s", status, errs)
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.EmptyURL(t)}
	first, _ := object(t, settings, "migrate")["applied"].([]any)
	if len(first) < 4 {
		t.Errorf("applied %v", first)
	}
	if again, ok := object(t, settings, "migrate")["applied"].([]any); !ok || len(again) != 0 {
		t.Errorf("applied again: %v", again)
	}
	if status, out, errs := command(t, settings, "migrate"); status != 0 || out != "The schema is up to date.\n" || errs != "" {
		t.Errorf("%d %q %q", status, out, errs)
	}
	if _, out, _ := command(t, []string{"DATABASE_URL=" + pgtest.EmptyURL(t)}, "migrate"); !strings.HasPrefix(out, "Applied ") || strings.Count(out, "\n") != 1 {
		t.Errorf("for people: %q", out)
	}
}

func TestConfigPrint(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=postgres://me:hunter2@db/ringside", "TWILIO_AUTH_TOKEN=hunter2", "RINGSIDE_SECRET_KEY=hunter2hunter2hunter2", "RINGSIDE_DATA_DIR=/data"}
	printed := object(t, settings, "config", "print")
	want := map[string]any{"DATABASE_URL": "[redacted]", "REDIS_URL": "", "RINGSIDE_LISTEN": "127.0.0.1:0", "RINGSIDE_OPS_LISTEN": "127.0.0.1:0", "RINGSIDE_PUBLIC_URL": "",
		"RINGSIDE_DATA_DIR": "/data", "TWILIO_ACCOUNT_SID": "", "TWILIO_AUTH_TOKEN": "[redacted]", "RINGSIDE_SECRET_KEY": "[redacted]", "RINGSIDE_SECRET_KEY_PREVIOUS": "", "RINGSIDE_RECOGNITION_BUDGET": "5s",
		"RINGSIDE_WRITE_BUDGET": "250ms", "RINGSIDE_SPOOL_MAX_BYTES": "268435456", "RINGSIDE_REPLY_BUDGET": "5s", "TWILIO_API_URL": "https://api.twilio.com", "RINGSIDE_CALL_PACE": "1s", "RINGSIDE_DRAIN_TIMEOUT": "1m0s", "RINGSIDE_IMPORT_BYTES": "268435456", "RINGSIDE_IMPORT_ROWS": "1000000", "RINGSIDE_IMPORT_FIELD": "20000",
		"RINGSIDE_API_RATE": "50", "RINGSIDE_API_BURST": "100", "RINGSIDE_RUNTIME_HOSTS": "", "RINGSIDE_RUNTIME_PRIVATE": "true",
		"RINGSIDE_TRUSTED_PROXIES": "", "RINGSIDE_OIDC_ISSUER": "", "RINGSIDE_OIDC_CLIENT_ID": "", "RINGSIDE_OIDC_CLIENT_SECRET": "", "RINGSIDE_LOG_LEVEL": "INFO", "RINGSIDE_LOG_FORMAT": "text"}
	if diff := cmp.Diff(want, printed); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	status, out, _ := command(t, settings, "config", "print")
	if status != 0 || !strings.HasPrefix(out, "DATABASE_URL=[redacted]\nREDIS_URL=\nRINGSIDE_LISTEN=127.0.0.1:0\n") || strings.Contains(out, "hunter2") {
		t.Errorf("for people: %d\n%s", status, out)
	}
	status, out, errs := command(t, []string{"RINGSIDE_LISTEN=8080", "RINGSIDE_LOG_FORMAT=xml"}, "config", "print")
	if lines := strings.Split(errs, "\n"); status != exitUsage || out != "" || len(lines) != 3 || !strings.HasPrefix(lines[0], "ringside: RINGSIDE_LISTEN=") || !strings.HasPrefix(lines[1], "ringside: RINGSIDE_LOG_FORMAT=") {
		t.Errorf("two mistakes: %d %q", status, errs)
	}
}

// Everything with --json prints one JSON object on one line, text that looks like markup as it is.
func TestJSONIsPrintedPlainly(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	_, out, _ := command(t, settings, "org", "create", "--name", "Smith & <Sons>", "--country", "US", "--json")
	var made map[string]any
	if err := json.Unmarshal([]byte(out), &made); err != nil || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"name":"Smith & <Sons>"`) {
		t.Errorf("printed %q (%v)", out, err)
	}
}
