package layers_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module = "ringside/"
	root   = "../.."
)

// arrow is an import that the design allows.
type arrow struct{ to, why string }

// layer is a package and what it may import of ours.
type layer struct {
	name   string
	arrows []arrow
}

// design has the packages from the top to the ground: arrows point down. Programs (package main) are
// not in it: they wire everything, and nobody can import them.
var design = []layer{
	// The edges: where requests come in.
	{"voice", []arrow{
		{"internal/agent", "what the runtime is told and may ask for on the relay"},
		{"recognize", "who is calling decides what the TwiML says"},
		{"internal/ledger", "each webhook is an event"},
		{"internal/webhook", "lets in what Twilio has signed"},
		{"internal/org", "where a number leads"},
		{"internal/outgoing", "what Twilio tells of was sent by it"},
		{"internal/twilio", "forms and TwiML"},
		{"internal/reach", "which runtimes may be dialled"},
		{"internal/phone", "Twilio's From is classified"},
	}},
	{"sms", []arrow{
		{"internal/agent", "what runtimes are told of a message"},
		{"internal/webhook", "lets in what Twilio has signed"},
		{"recognize", "who wrote"},
		{"internal/ledger", "each webhook is an event"},
		{"internal/org", "where a number leads"},
		{"internal/outgoing", "what Twilio tells of was sent by it"},
		{"internal/twilio", "forms and TwiML"},
		{"internal/phone", "Twilio's From is classified"},
	}},
	{"internal/api", []arrow{
		{"recognize", "a recognition's trace is what it serves"},
		{"internal/ledger", "calls and messages are what it lists"},
		{"internal/agent", "a tool over HTTP is the tool of the relay"},
		{"contacts", "the address book is what it serves most"},
		{"contacts/sheet", "how large a file may be"},
		{"internal/outgoing", "calls and messages are sent by it"},
		{"internal/campaign", "how campaigns call"},
		{"internal/idempotency", "a request that is sent again gets the answer it got"},
		{"internal/audit", "what a key has changed is written down"},
		{"internal/org", "a key belongs to an organisation"},
		{"internal/phone", "the document says what a number looks like"},
		{"internal/problem", "errors become problem documents"},
	}},
	{"internal/dashboard", []arrow{
		{"recognize", "why a caller was recognised, in words"},
		{"internal/ledger", "calls and messages are what it shows"},
		{"internal/outgoing", "people are written to and called from it"},
		{"internal/campaign", "how campaigns call is set in it"},
		{"internal/numbers", "what is set at Twilio is shown and set in it"},
		{"contacts", "the address book is kept in it"},
		{"contacts/sheet", "how large a file may be, and what its columns are"},
		{"internal/audit", "who changed what"},
		{"internal/member", "people sign in to it"},
		{"internal/org", "a page is one organisation's"},
		{"internal/phone", "numbers are shown as people write them"},
		{"internal/problem", "errors become pages"},
		{"internal/twilio", "the public URL says where browsers reach it"},
	}},
	{"internal/numbers", []arrow{
		{"internal/org", "which numbers, and the tokens of their accounts"},
		{"internal/twilio/rest", "Twilio is asked by it"},
		{"internal/twilio", "what has to be set"},
		{"internal/phone", "the number that is asked for"},
		{"internal/problem", "why Twilio does not tell, in words"},
	}},
	{"internal/webhook", []arrow{
		{"internal/org", "the switchboard says whose number was called and who signed"},
		{"internal/twilio", "forms and signatures"},
		{"internal/metrics", "every answer is counted"},
		{"internal/phone", "only a number leads anywhere"},
	}},
	{"internal/campaign", []arrow{
		{"internal/outgoing", "calls are placed by it"},
		{"contacts", "whom a campaign calls, and what came of it"},
		{"recognize", "a campaign's greeting"},
		{"internal/org", "from whose number, and who talks"},
		{"internal/phone", "where somebody is, by their number"},
		{"internal/problem", "what cannot be is refused in words"},
	}},
	{"internal/outgoing", []arrow{
		{"internal/ledger", "what was sent is an event"},
		{"contacts", "nothing is sent to whoever is blocked"},
		{"internal/org", "what is sent goes out from one organisation's number"},
		{"internal/twilio/rest", "Twilio is asked by it"},
		{"internal/twilio", "where Twilio tells what becomes of it"},
		{"internal/phone", "to whom"},
		{"internal/problem", "what is not sent is refused in words"},
	}},
	{"internal/agent/events", []arrow{
		{"internal/agent", "the tools are those of the relay"},
		{"internal/ledger", "the call or message that a tool is about"},
		{"internal/outbox", "what it delivers"},
		{"internal/metrics", "sockets and messages are counted"},
		{"internal/org", "a key opens its organisation's events"},
		{"internal/problem", "a handshake that is refused is refused in words"},
	}},
	{"internal/agent", []arrow{
		{"recognize", "the caller that the runtime is told of"},
		{"internal/ledger", "notes and summaries are events"},
		{"contacts", "what a caller says of themselves is captured"},
		{"internal/org", "a capture is one organisation's"},
		{"internal/phone", "a capture is under the call's number"},
		{"internal/problem", "why a message is not sent is told in words"},
	}},

	// What wraps a decision's look-up. It knows nothing of the edges.
	{"cache", []arrow{
		{"recognize", "it is a recognize.Directory in front of another, and keeps decisions"},
		{"internal/org", "an entry is one organisation's"},
		{"internal/phone", "and one number's"},
		{"internal/gather", "callers who ask Redis at the same time share a round trip"},
	}},

	// Decisions and records.
	{"recognize", []arrow{
		{"contacts", "whether a name is a real one"},
		{"internal/org", "the agent's greeting and threshold"},
		{"internal/phone", "only a person's number is looked up"},
		{"internal/gather", "callers who ask Postgres at the same time share a round trip"},
	}},
	{"internal/outbox", []arrow{
		{"internal/org", "a stream is one organisation's"},
		{"internal/problem", "a consumer that cannot be is refused in words"},
	}},
	{"internal/ledger", []arrow{
		{"contacts", "a call that ends fills the address book in the same transaction"},
		{"internal/org", "an event is one organisation's"},
		{"internal/phone", "the other party of a call"},
		{"internal/postgres", "what changes a cached caller is written behind a fence"},
		{"internal/spool", "what Postgres does not take in time is kept on the disk"},
		{"internal/problem", "an event that cannot be kept is refused in words"},
	}},

	// The substance: address book, tenants.
	{"contacts", []arrow{
		{"contacts/sheet", "an import reads people from the files they have"},
		{"internal/org", "a book is an organisation's, and its limit"},
		{"internal/phone", "what a person writes becomes a number"},
		{"internal/postgres", "what changes a cached caller is written behind a fence"},
		{"internal/problem", "what a person got wrong is said in words"},
	}},
	{"contacts/sheet", []arrow{
		{"internal/phone", "the phone of a row becomes a number"},
		{"internal/problem", "what is wrong with a file is said in words"},
	}},
	{"internal/idempotency", []arrow{
		{"internal/org", "a key is one organisation's"},
		{"internal/problem", "a key that cannot be used is said in words"},
	}},
	{"internal/member", []arrow{
		{"internal/org", "a member belongs to an organisation"},
		{"internal/problem", "why somebody cannot sign in is said in words"},
	}},
	{"internal/audit", []arrow{
		{"internal/org", "a log is one organisation's"},
		{"internal/problem", "what cannot be asked is said in words"},
	}},
	{"internal/org", []arrow{
		{"internal/seal", "auth tokens and runtimes' secrets are sealed"},
		{"internal/phone", "numbers are kept as E.164"},
		{"internal/problem", "what a person got wrong is said in words"},
	}},

	// The ground.
	{"internal/simulate/restapi", []arrow{
		{"internal/simulate", "Twilio's webhooks about what was made are played by it"},
	}},
	{"internal/simulate", []arrow{
		{"internal/twilio", "the signature; all else it sees over the wire only, as Twilio does"},
	}},
	{"configs", []arrow{
		{"internal/twilio", "the public URL must be one that Twilio can sign"},
		{"internal/reach", "the hosts of runtimes must be hosts"},
		{"internal/problem", "the reason why it is not"},
	}},
	{"internal/postgres", nil},
	{"internal/twilio/rest", []arrow{
		{"internal/phone", "who calls whom"},
		{"internal/problem", "what Twilio refuses is said in words"},
	}},
	{"internal/twilio", []arrow{
		{"internal/problem", "settings that Twilio would refuse are refused in words"},
	}},
	{"internal/gather", nil},
	{"internal/seal", nil},
	{"internal/spool", nil},
	{"internal/reach", nil},
	{"internal/metrics", nil},
	{"internal/phone", nil},
	{"internal/problem", nil},

	// Equipment for tests.
	{"internal/postgres/pgtest", []arrow{{"internal/postgres", "the private server is what it starts"}}},
	{"cache/redistest", nil},
	{"internal/dashboard/browsertest", nil},
	{"internal/wirefault", nil},
	{"internal/agent/schematest", nil},
	{"internal/together", nil},
	{"internal/layers", nil},
}

// equipment is for tests and must not be part of the program.
var equipment = []string{"internal/postgres/pgtest", "cache/redistest", "internal/dashboard/browsertest", "internal/wirefault", "internal/agent/schematest", "internal/together", "testing", "internal/layers"}

// libraries are the modules of others whose use is the business of few packages, so that replacing
// one changes these alone. docs/dependencies.md says what each is for.
var libraries = map[string][]string{
	"github.com/alecthomas/kong":      {"cmd/ringside"},
	"github.com/alexedwards/argon2id": {"internal/member"},
	"github.com/caarlos0/env":         {"configs"},
	"github.com/chromedp":             {"internal/dashboard/browsertest"},
	"github.com/danielgtaylor/huma":   {"internal/api"},
	"github.com/coreos/go-oidc":       {"internal/dashboard"},
	"golang.org/x/oauth2":             {"internal/dashboard"},
	"golang.org/x/time":               {"internal/api"},
	"github.com/gorilla/websocket":    {"voice", "internal/simulate", "internal/agent/events"}, // the two ends of Twilio's socket, and ours
	"github.com/jackc/pgx/v5/stdlib":  {"internal/postgres"},                                   // goose wants database/sql
	"github.com/joho/godotenv":        {"configs"},
	"github.com/nyaruka/phonenumbers": {"internal/phone"},
	"github.com/pressly/goose":        {"internal/postgres"},
	"github.com/prometheus":           {"internal/metrics"},
	"github.com/redis/go-redis":       {"cache"},
	// The packages that own SQL, and the program, which hands them the pool.
	"github.com/jackc/pgx/v5":               {"contacts", "internal/campaign", "internal/audit", "internal/idempotency", "internal/ledger", "internal/member", "internal/org", "internal/outbox", "internal/outgoing", "internal/postgres", "internal/postgres/pgtest", "recognize", "cmd/ringside"},
	"github.com/santhosh-tekuri/jsonschema": {"internal/agent/schematest"},
	// Only tests compare with these and look for leaks.
	"github.com/getkin/kin-openapi": nil,
	"github.com/google/go-cmp":      nil,
	"github.com/twilio/twilio-go":   {"internal/twilio/rest"},
	"go.uber.org/goleak":            nil,
	"pgregory.net/rapid":            nil,
}

// listed is a package as `go list` knows it.
type listed struct {
	ImportPath, Name string
	Imports          []string
}

func (p listed) name() string { return strings.TrimPrefix(p.ImportPath, module) }

func goList(t *testing.T, args ...string) (packages []listed) {
	t.Helper()
	lookAtSources(t)
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Name,Imports"}, args...)...)
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatalf("read what go list says: %v", err)
		}
		packages = append(packages, p)
	}
}

// lookAtSources looks into every folder, so that `go test` knows what the result depends on: it would
// take an old one from its cache otherwise, not seeing what `go list` reads.
func lookAtSources(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() && path != root && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return err
	})
	if err != nil {
		t.Fatalf("look at the sources: %v", err)
	}
}

func TestArrows(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	for _, p := range goList(t, "./...") {
		if p.Name == "main" {
			continue
		}
		i := slices.IndexFunc(design, func(l layer) bool { return l.name == p.name() })
		if i < 0 {
			t.Errorf("%s has no place in the design: put it into the table, with its arrows", p.name())
			continue
		}
		used[p.name()] = true
		for _, imported := range p.Imports {
			to, ours := strings.CutPrefix(imported, module)
			if !ours {
				continue
			}
			used[p.name()+" → "+to] = true
			if !slices.ContainsFunc(design[i].arrows, func(a arrow) bool { return a.to == to }) {
				t.Errorf("%s imports %s, and the design has no such arrow", p.name(), to)
			}
		}
	}
	for _, l := range design {
		if !used[l.name] {
			t.Errorf("the design has %s, and there is no such package", l.name)
		}
		for _, a := range l.arrows {
			if !used[l.name+" → "+a.to] {
				t.Errorf("the design has an arrow %s → %s that nobody uses: take it out", l.name, a.to)
			}
		}
	}
}

func TestArrowsPointDown(t *testing.T) {
	t.Parallel()
	for i, from := range design {
		if slices.ContainsFunc(design[:i], func(l layer) bool { return l.name == from.name }) {
			t.Errorf("%s is in the table twice", from.name)
		}
		for _, a := range from.arrows {
			down := design[i+1:]
			if slices.Contains(equipment, from.name) {
				down = design
			}
			if !slices.ContainsFunc(down, func(l layer) bool { return l.name == a.to }) {
				t.Errorf("the arrow %s → %s does not point down", from.name, a.to)
			}
			if a.why == "" {
				t.Errorf("the arrow %s → %s has no reason", from.name, a.to)
			}
		}
	}
}

func TestLibrariesHaveFewUsers(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "./...") {
		if p.Name == "main" && p.name() != "cmd/ringside" {
			continue // a tool of ours, such as the benchmarks
		}
		for _, imported := range p.Imports {
			for library, users := range libraries {
				if strings.HasPrefix(imported+"/", library+"/") && !slices.Contains(users, p.name()) {
					t.Errorf("%s imports %s, which only %v should", p.name(), imported, users)
				}
			}
		}
	}
}

func TestProgramHasNoTestEquipment(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "-deps", "./cmd/ringside") {
		if slices.Contains(equipment, p.name()) {
			t.Errorf("the program contains %s", p.name())
		}
	}
}

// A package is named after what it is about, not after what kind of thing is in it.
func TestNoPackageOfOddsAndEnds(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "./...") {
		for word := range strings.SplitSeq(p.name(), "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "model", "models", "type", "types", "misc", "shared", "lib", "pkg"}, word) {
				t.Errorf("%s: no package is called %s", p.name(), word)
			}
		}
	}
}
