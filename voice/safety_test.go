package voice_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/simulate"
	"ringside/internal/twilio"
	"ringside/recognize"
	"ringside/voice"
)

var webhookPaths = []string{"/twilio/voice", "/twilio/voice/fallback", "/twilio/voice/status", "/twilio/voice/after"}

// Another organisation's account, in the same sidecar.
const (
	otherAccount = "AC00000000000000000000000000000002"
	otherToken   = "another_auth_token"
	otherNumber  = "+12125550144"
)

// addOther connects a number of another organisation.
func (e *edge) addOther() org.Agent {
	e.tb.Helper()
	o := must(e.store.CreateOrg(e.tb.Context(), org.Org{Name: "Other", Country: "US"}))(e.tb)
	a := must(e.store.CreateAgent(e.tb.Context(), org.Agent{OrgID: o.ID, Name: "Other", Greeting: greeting, RuntimeURL: e.runtime.URL(), RuntimeSecret: bearer}))(e.tb)
	e.addNumber(a, otherNumber, otherAccount, otherToken)
	check(e.tb, e.lines.Load(e.tb.Context()))
	return a
}

func TestRule19_OnlyTwilioIsHeard(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	e.addOther()
	form := with(sampleForm(t, "status_inbound_completed.form"), "SessionStatus", "failed")
	sign := func(token, url string, params url.Values) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(twilio.SignatureHeader, twilio.Sign(token, url, params)) }
	}
	for name, forgery := range map[string]struct {
		form    url.Values
		change  func(path string, form url.Values) func(*http.Request)
		counted string
	}{
		"no signature": {form, func(string, url.Values) func(*http.Request) {
			return func(r *http.Request) { r.Header.Del(twilio.SignatureHeader) }
		}, "signature"},
		"empty signature": {form, func(string, url.Values) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set(twilio.SignatureHeader, "") }
		}, "signature"},
		"another token": {form, func(path string, form url.Values) func(*http.Request) {
			return sign(otherToken, publicURL+path, form)
		}, "signature"},
		"empty token": {form, func(path string, form url.Values) func(*http.Request) {
			return sign("", publicURL+path, form)
		}, "signature"},
		"signed for another URL": {form, func(path string, form url.Values) func(*http.Request) {
			return sign(authToken, "https://elsewhere.example.com"+path, form)
		}, "signature"},
		"signed for another path": {form, func(path string, form url.Values) func(*http.Request) {
			return sign(authToken, publicURL+path+"/x", form)
		}, "signature"},
		"a parameter added": {form, func(path string, form url.Values) func(*http.Request) {
			return sign(authToken, publicURL+path, with(form, "Added", "1"))
		}, "signature"},
		"unknown account": {with(form, "AccountSid", "AC000000000000000000000000000000ff"), func(path string, form url.Values) func(*http.Request) {
			return sign(authToken, publicURL+path, form)
		}, "unknown_account"},
		"no account": {with(form, "AccountSid", ""), func(path string, form url.Values) func(*http.Request) {
			return sign(authToken, publicURL+path, form)
		}, "unknown_account"},
		"the account of another organisation": {with(form, "AccountSid", otherAccount), func(path string, form url.Values) func(*http.Request) {
			return sign(otherToken, publicURL+path, form)
		}, "foreign_account"},
	} {
		for _, path := range webhookPaths {
			before := e.counted(path, forgery.counted)
			a := e.post(path, forgery.form, forgery.change(path, forgery.form))
			if a.status != http.StatusForbidden {
				t.Errorf("%s: %s answered %d %s", name, path, a.status, a.body)
			}
			if strings.Contains(a.body, authToken) || strings.Contains(a.body, "<Response") {
				t.Errorf("%s: %s says too much: %s", name, path, a.body)
			}
			if got := e.counted(path, forgery.counted) - before; got != 1 {
				t.Errorf("%s: %s was counted %d times as %s", name, path, got, forgery.counted)
			}
		}
	}
	e.settle()
	if n := e.rows(); n != 0 {
		t.Errorf("forged webhooks left %d rows", n)
	}
	if n := value[int](e, `SELECT count(*) FROM contacts WHERE last_contacted_at IS NOT NULL`); n != 0 {
		t.Error("forged webhooks moved last_contacted_at")
	}
	// And the same, signed as it should be, is heard.
	if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
		t.Errorf("the honest webhook was answered %d", a.status)
	}
}

// An account may have several numbers, and each organisation hears its own only.
func TestRule19_EachAccountHasItsOwnNumbers(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	e.addOther()
	form := with(inbound(callSID("other"), jane), "AccountSid", otherAccount, "To", otherNumber)
	a := e.post("/twilio/voice", form, func(r *http.Request) {
		r.Header.Set(twilio.SignatureHeader, twilio.Sign(otherToken, publicURL+"/twilio/voice", form))
	})
	if a.status != 200 {
		t.Fatalf("answered %d", a.status)
	}
	// Jane is in the first organisation's address book, not in this one's.
	if got := readConnect(t, a.body).Greeting; got != greetedAny {
		t.Errorf("another organisation's caller is greeted with %q", got)
	}
}

// broken is a directory that fails as it is told.
type broken struct{ fail func() error }

func (b broken) Find(context.Context, org.ID, phone.Number) (recognize.Finding, error) {
	return recognize.Finding{}, b.fail()
}

// shaky is a recorder that panics.
type shaky struct{}

func (shaky) Record(context.Context, *ledger.Event) error { panic("recorder: secret detail") }
func (shaky) Later(*ledger.Event)                         { panic("recorder: secret detail") }

func TestRule20_AFailureIsNeverHeardAsAnError(t *testing.T) {
	t.Parallel()
	const detail = "secret detail"
	find := func(fail func() error) func(*voice.Config) {
		return func(c *voice.Config) { c.Recognizer = recognize.NewRecognizer(broken{fail}, recognize.DefaultBudget) }
	}
	for name, test := range map[string]struct {
		config func(*voice.Config)
		agent  func(*org.Agent)
		heard  string // in the answer
	}{
		"directory fails":        {find(func() error { return errors.New(detail) }), nil, `welcomeGreeting="` + greetedAny + `"`},
		"directory panics":       {find(func() error { panic(detail) }), nil, "<Say"},
		"recorder panics":        {func(c *voice.Config) { c.Recorder = shaky{} }, nil, "<Say"},
		"panic, own apology":     {find(func() error { panic(detail) }), func(a *org.Agent) { a.Apology = "Bitte rufen Sie später an."; a.Language = "de-DE" }, `<Say language="de-DE">Bitte rufen Sie später an.</Say><Hangup/>`},
		"panic, fallback number": {find(func() error { panic(detail) }), func(a *org.Agent) { a.FallbackNumber = otherNumber }, "<Dial><Number>" + otherNumber + "</Number></Dial>"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, parts{config: test.config, agent: test.agent})
			for _, path := range []string{"/twilio/voice", "/twilio/voice/fallback"} {
				a := e.post(path, inbound(callSID("failing"+strconv.Itoa(len(path))), jane))
				if a.status != 200 || a.header.Get("Content-Type") != twilio.ContentType || !strings.Contains(a.body, test.heard) {
					t.Errorf("%s answered %d %s, want %s", path, a.status, a.body, test.heard)
				}
				must(simulate.ParseTwiML([]byte(a.body)))(t)
				if strings.Contains(a.body, "secret") || strings.Contains(a.body, "panic") {
					t.Errorf("%s tells the caller about the error: %s", path, a.body)
				}
			}
		})
	}
}

// Without a CallSid a call cannot be told from others, but somebody is on the line.
func TestRule20_ACallWithoutSidHearsAnApology(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for _, sid := range []string{"", strings.Repeat("C", 65)} {
		form := with(inbound(callSID("x"), jane), "CallSid", sid)
		for _, path := range []string{"/twilio/voice", "/twilio/voice/fallback", "/twilio/voice/after"} {
			if a := e.post(path, form); a.status != 200 || !strings.Contains(a.body, "<Say") {
				t.Errorf("%s, CallSid %q: answered %d %s", path, sid, a.status, a.body)
			}
		}
		if a := e.post("/twilio/voice/status", form); a.status != http.StatusBadRequest {
			t.Errorf("status without a usable CallSid: answered %d", a.status)
		}
	}
	e.settle()
	if n := e.rows(); n != 0 {
		t.Errorf("%d rows", n)
	}
}

// A panic while a socket is set up ends that call's socket, not the process.
func TestRule20_APanicEndsOneSocketOnly(t *testing.T) {
	t.Parallel()
	var fail bool
	e := newEdge(t, parts{config: func(c *voice.Config) {
		c.Recognizer = recognize.NewRecognizer(broken{func() error {
			if fail {
				panic("secret detail")
			}
			return errors.New("away")
		}}, recognize.DefaultBudget)
		c.Calls = lossy{c.Calls}
	}})
	token := e.ring(callSID("panic"), jane).Token
	fail = true
	s := e.open(callSID("panic"), jane, token)
	if code, _ := s.ending(); code != 1006 {
		t.Errorf("closed with %d", code)
	}
	if !strings.Contains(e.log.String(), "panicked") {
		t.Errorf("nothing is logged:\n%s", e.log)
	}
}

// lossy has lost every decision, as a sidecar without Redis after another one died.
type lossy struct{ voice.Calls }

func (lossy) Decided(context.Context, org.ID, string) *recognize.Decision { return nil }

// A whole call, with everything logged that can be logged, leaves nobody's number, name or words.
func TestRule21_NothingPersonalIsLogged(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: simulate.Receptionist})
	e.place(simulate.Call{From: jane, StirVerstat: "TN-Validation-Passed-A", CallerName: "DOE JANE", Script: []simulate.Step{
		simulate.Say("What do you know about me?"),
		simulate.Say("My email is jane dot doe at example dot com."),
		simulate.Say("Sorry, I am not Jane."),
		simulate.Say("My name is Sam Secret."),
		simulate.Say("Goodbye."),
	}})
	e.place(simulate.Call{From: stranger, Script: []simulate.Step{simulate.Say("Goodbye.")}})
	form := inbound(callSID("forged"), jane)
	e.post("/twilio/voice", form, func(r *http.Request) { r.Header.Set(twilio.SignatureHeader, "forged") })
	e.post("/twilio/voice", with(form, "To", "+12125550100"))
	e.runtime.Refuse(503)
	e.place(simulate.Call{From: jane})
	e.settle()

	log := e.log.String()
	if strings.Count(log, "\n") < 5 || !strings.Contains(log, "decided who is calling") || !strings.Contains(log, "cannot be reached") {
		t.Fatalf("too little is logged for this test to say anything:\n%s", log)
	}
	for _, secret := range []string{jane, jane[1:], stranger[1:], "2125550100", "Jane", "JANE", "jane@acme.io", "jane.doe", "Sam", "morning", "Goodbye",
		authToken, bearer, secretKey} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log:\n%s", secret, log)
		}
	}
}
