package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"ringside/cache/redistest"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// file makes a file with the given content and returns its path.
func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// The way of a newcomer: a sidecar runs, everything is set up by commands beside it, and the next
// call is recognised. Then everything that tells about a call is asked.
func TestFromSetUpToRecognisedCallers(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t), "REDIS_URL=" + redistest.Start(t).URL()}
	side := serve(t, append(settings, "RINGSIDE_LOG_LEVEL=debug")...)
	runtime, err := simulate.StartRuntime(simulate.RuntimeOptions{Behaviour: simulate.Receptionist, Secret: "runtime-secret"})
	must(t, err)
	t.Cleanup(runtime.Close)
	twilio := &simulate.Twilio{BaseURL: side.Listen, AccountSID: simulate.NewSID("AC"), AuthToken: simulate.NewSID("")}

	acme := id(t, settings, "org", "create", "--name", "Acme", "--country", "us", "--contact-limit", "500")
	agent := id(t, settings, "agent", "create", "--org", acme, "--name", "Reception", "--greeting", greeting, "--runtime-url", runtime.URL(),
		"--runtime-secret-file", file(t, "runtime-secret\n"), "--language", "en-GB", "--set", "dtmfDetection=true", "--set", "voice=Amy-Neural")
	id(t, settings, "contact", "add", "--org", acme, "--name", "Alex Chen", "--phone", "(415) 555-1200", "--email", "alex@acme.io", "--tags", "vip, early",
		"--notes", "Prefers morning calls")
	id(t, settings, "campaign", "add-person", "--org", acme, "--campaign", "Spring offer", "--phone", maria, "--name", "Maria Gomez", "--notes", "Asked for the yearly price")
	key, _ := object(t, settings, "key", "create", "--org", acme, "--name", "dashboard")["key"].(string)
	other := id(t, settings, "org", "create", "--name", "Umbrella", "--country", "GB")
	otherKey, _ := object(t, settings, "key", "create", "--org", other, "--name", "theirs")["key"].(string)
	// Last, so that nothing but this command can have made the number work.
	id(t, settings, "number", "add", shopNumber, "--org", acme, "--agent", agent, "--account-sid", twilio.AccountSID, "--auth-token-file", file(t, twilio.AuthToken+"\n"))
	// The sidecar hears of it a moment after the command has ended.
	until(t, "the number works", func() bool {
		first := simulate.VoiceForm(simulate.Call{SID: simulate.NewSID("CA"), AccountSID: twilio.AccountSID, From: "anonymous", To: shopNumber})
		response, err := twilio.Post(t.Context(), "/twilio/voice", first)
		must(t, err)
		return response.Status == http.StatusOK && strings.Contains(string(response.Body), "<ConversationRelay")
	})

	known := place(t, twilio, simulate.Call{From: alex, To: shopNumber, StirVerstat: "TN-Validation-Passed-A",
		Script: []simulate.Step{simulate.Press("1"), simulate.Say("What do you know about me?")}})
	t.Run("a contact is greeted by name, and the agent is told", func(t *testing.T) {
		if known.Greeting != greetsAlex {
			t.Errorf("heard %q, want %q", known.Greeting, greetsAlex)
		}
		session, setup := agentSession(t, runtime, 1)
		c := setup.Caller
		if !c.Known || c.Source != "contact" || c.Name != "Alex Chen" || c.Email != "alex@acme.io" || c.Notes != "Prefers morning calls" ||
			strings.Join(c.Tags, ",") != "vip,early" || !c.GreetedByName || len(c.History) != 0 {
			t.Errorf("the agent was told %+v", c)
		}
		if got := setup.CustomParameters["caller_context"]; !strings.Contains(got, "alex@acme.io") {
			t.Errorf("caller_context = %q", got)
		}
		if digits := session.Messages("dtmf"); len(digits) != 1 || digits[0].Digit != "1" {
			t.Errorf("the agent got the keys %+v, want 1", digits)
		}
		if twiml := string(known.Answers("/twilio/voice")[0]); !strings.Contains(twiml, `voice="Amy-Neural"`) || !strings.Contains(twiml, `language="en-GB"`) {
			t.Errorf("the agent's settings are not in the TwiML: %s", twiml)
		}
	})
	t.Run("somebody whom a campaign has called is greeted by name", func(t *testing.T) {
		outcome := place(t, twilio, simulate.Call{From: maria, To: shopNumber, Script: []simulate.Step{simulate.Say("Hello?")}})
		_, setup := agentSession(t, runtime, 2)
		if !strings.Contains(outcome.Greeting, "Maria Gomez") || setup.Caller.Source != "campaign" || !strings.Contains(setup.CustomParameters["caller_context"], "Spring offer") {
			t.Errorf("heard %q; the agent was told %+v", outcome.Greeting, setup.Caller)
		}
	})
	t.Run("a stranger is captured and then recognised", func(t *testing.T) {
		first := place(t, twilio, simulate.Call{From: stranger, To: shopNumber,
			Script: []simulate.Step{simulate.Say("My name is Robin Park."), simulate.Say("My email is robin@example.com.")}})
		second := place(t, twilio, simulate.Call{From: stranger, To: shopNumber, Script: []simulate.Step{simulate.Say("Hello?")}})
		_, setup := agentSession(t, runtime, 4)
		if first.Greeting != greetsUnknown || !strings.Contains(second.Greeting, "Robin Park") || setup.Caller.Email != "robin@example.com" || len(setup.Caller.History) != 1 {
			t.Errorf("heard %q, then %q; the agent was told %+v", first.Greeting, second.Greeting, setup.Caller)
		}
	})
	t.Run("recognitions over the API", func(t *testing.T) {
		address := side.Listen + "/v1/recognitions/" + known.CallSID
		status, body := get(t, address, "Authorization", "Bearer "+key)
		var trace struct {
			Rule, Attestation string
			Told              []string
			Steps             []struct{ Tier, Outcome string }
		}
		if err := json.Unmarshal([]byte(body), &trace); err != nil || status != http.StatusOK {
			t.Fatalf("answered %d %s", status, body)
		}
		if trace.Rule != "contact_name" || trace.Attestation != "TN-Validation-Passed-A" || strings.Join(trace.Told, " ") != "name email tags notes" || len(trace.Steps) != 3 {
			t.Errorf("the trace is %s", body)
		}
		if status, body := get(t, address); status != http.StatusUnauthorized {
			t.Errorf("without a key: %d %s", status, body)
		}
		if status, body := get(t, address, "Authorization", "Bearer "+otherKey); status != http.StatusNotFound {
			t.Errorf("with another organisation's key: %d %s", status, body)
		}
	})
	t.Run("explain", func(t *testing.T) {
		e := object(t, settings, "explain", "415 555 1200", "--org", acme)
		if e["rule"] != "contact_name" || e["received"] != "415 555 1200" || e["number"] != alex || e["greeting"] != greetsAlex {
			t.Errorf("explain --json of a contact: %v", e)
		}
		status, out, _ := command(t, settings, "explain", "+12135551200", "--org", acme, "--to", shopNumber)
		if status != 0 || !strings.HasPrefix(out, "Not greeted by name: the number +12135551200 is not in the address book, and no campaign has called it.\n") ||
			!regexp.MustCompile(`(?m)^ +near miss +Alex Chen, \+1 415-555-1200, .*another number$`).MatchString(out) {
			t.Errorf("explain of a near miss:\n%s", out)
		}
		e = object(t, settings, "explain", "+12135551200", "--org", acme)
		if near, _ := e["near_misses"].([]any); e["known"] != false || len(near) != 1 {
			t.Errorf("explain --json of a near miss: %v", e)
		}
		status, out, _ = command(t, settings, "explain", "anonymous", "--org", acme)
		if status != 0 || !strings.Contains(out, "no person's number") {
			t.Errorf("explain of a withheld number:\n%s", out)
		}
	})
	t.Run("health and metrics", func(t *testing.T) {
		if status, report := side.ready(); status != http.StatusOK || report != (readiness{Status: "ready", Postgres: "ok", Redis: "ok", Spool: "ok"}) {
			t.Errorf("/readyz: %d %+v", status, report)
		}
		if status, body := get(t, side.Ops+"/healthz"); status != http.StatusOK || body != "ok\n" {
			t.Errorf("/healthz: %d %q", status, body)
		}
		if status, _ := get(t, side.Listen+"/metrics"); status != http.StatusNotFound {
			t.Errorf("/metrics where Twilio calls: %d", status)
		}
		if status, out, errs := command(t, nil, "healthcheck", "--url", side.Ops); status != 0 || out != "ok\n" {
			t.Errorf("healthcheck --url: %d %s%s", status, out, errs)
		}
		if status, out, errs := command(t, []string{"RINGSIDE_OPS_LISTEN=" + strings.TrimPrefix(side.Ops, "http://")}, "healthcheck"); status != 0 || out != "ok\n" {
			t.Errorf("healthcheck: %d %s%s", status, out, errs)
		}
		document, err := os.ReadFile("../../docs/operations.md")
		must(t, err)
		_, figures := get(t, side.Ops+"/metrics")
		for _, want := range []string{`ringside_webhooks_total{outcome="answered",path="/twilio/voice"} 5`, `ringside_recognitions_total{rule="contact_name"} 2`,
			`ringside_relay_sessions{path="/twilio/relay"} 0`, `ringside_cache_current 1`, `ringside_events_dropped_total 0`} {
			if !strings.Contains(figures, "\n"+want+"\n") {
				t.Errorf("the metrics lack %s", want)
			}
		}
		for _, name := range regexp.MustCompile(`(?m)^# TYPE (ringside_\w+)`).FindAllStringSubmatch(figures, -1) {
			if !strings.Contains(string(document), "`"+name[1]) {
				t.Errorf("docs/operations.md does not mention %s", name[1])
			}
		}
	})
	t.Run("rule 21: the log has no number, name or secret", func(t *testing.T) {
		for _, private := range []string{alex, maria, stranger, "Alex Chen", "alex@acme.io", "Robin", twilio.AuthToken, "runtime-secret", key} {
			if strings.Contains(side.stderr.String(), private) {
				t.Errorf("the log has %q", private)
			}
		}
	})
	side.stop()
}

// A request that is not Twilio's is refused and leaves nothing behind.
func TestUnsignedWebhookWritesNothing(t *testing.T) {
	t.Parallel()
	shop := openShop(t, pgtest.URL(t))
	side := serve(t, "DATABASE_URL="+shop.db.Config().ConnString())
	form := simulate.VoiceForm(simulate.Call{SID: simulate.NewSID("CA"), AccountSID: shop.account, From: alex, To: shopNumber})
	impostor := &simulate.Twilio{BaseURL: side.Listen, AuthToken: "guessed"}
	for _, path := range []string{"/twilio/voice", "/twilio/voice/fallback", "/twilio/voice/after", "/twilio/voice/status"} {
		response, err := impostor.Post(t.Context(), path, form)
		must(t, err)
		if response.Status != http.StatusForbidden {
			t.Errorf("%s with a wrong signature answered %d", path, response.Status)
		}
	}
	side.stop()
	var rows int
	must(t, shop.db.QueryRow(t.Context(), `SELECT count(*) FROM interactions`).Scan(&rows))
	if rows != 0 {
		t.Errorf("%d interactions were written", rows)
	}
}
