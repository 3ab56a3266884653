package voice_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
	"ringside/internal/twilio"
	"ringside/voice"
)

const socketURL = "wss://sidecar.example.com/twilio/relay"

func TestRule19_HandshakesAreVerified(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for name, test := range map[string]struct {
		signature string
		accepted  bool
	}{
		"as Twilio signs":            {twilio.Sign(authToken, socketURL, nil), true},
		"with a slash at the end":    {twilio.Sign(authToken, socketURL+"/", nil), true},
		"with the port":              {twilio.Sign(authToken, "wss://sidecar.example.com:443/twilio/relay", nil), true},
		"for https":                  {twilio.Sign(authToken, publicURL+"/twilio/relay", nil), true},
		"missing":                    {"", false},
		"rubbish":                    {"rubbish", false},
		"another token":              {twilio.Sign(otherToken, socketURL, nil), false},
		"empty token":                {twilio.Sign("", socketURL, nil), false},
		"another host":               {twilio.Sign(authToken, "wss://elsewhere.example.com/twilio/relay", nil), false},
		"another path":               {twilio.Sign(authToken, "wss://sidecar.example.com/twilio/stream", nil), false},
		"the signature of a webhook": {twilio.Sign(authToken, publicURL+"/twilio/voice", nil), false},
	} {
		header := http.Header{}
		if test.signature != "" {
			// As on the wire: handshakes write the header in lower case.
			header[strings.ToLower(twilio.SignatureHeader)] = []string{test.signature}
		}
		conn, res, err := websocket.DefaultDialer.DialContext(within(t), strings.Replace(e.server.URL, "http", "ws", 1)+"/twilio/relay", header)
		if err == nil {
			conn.Close()
		}
		if accepted := err == nil; accepted != test.accepted {
			t.Errorf("%s: accepted = %t (%v)", name, accepted, err)
		}
		if !test.accepted && (res == nil || res.StatusCode != http.StatusForbidden) {
			t.Errorf("%s: answered %v, want 403", name, res)
		}
	}
	if n := e.counted("/twilio/relay", "signature"); n != 7 {
		t.Errorf("%d refusals were counted", n)
	}
	if n := len(e.runtime.Sessions()); n != 0 {
		t.Errorf("%d connections reached the runtime", n)
	}
}

// Whoever asks for the socket's address without wanting a socket is told so.
func TestSocketAddressWithoutUpgrade(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, test := range []struct {
		method string
		header http.Header
		status int
	}{
		{http.MethodGet, http.Header{}, http.StatusUpgradeRequired},
		{http.MethodPost, http.Header{}, http.StatusUpgradeRequired},
		{http.MethodHead, http.Header{}, http.StatusUpgradeRequired},
		// Half of a handshake: version and key are missing.
		{http.MethodGet, http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, http.StatusBadRequest},
	} {
		r := must(http.NewRequestWithContext(t.Context(), test.method, e.server.URL+"/twilio/relay", nil))(t)
		r.Header = test.header
		r.Header.Set(twilio.SignatureHeader, twilio.Sign(authToken, socketURL, nil))
		res := must(client.Do(r))(t)
		check(t, res.Body.Close())
		if res.StatusCode != test.status || res.Header.Get("Upgrade") != "websocket" && test.status == http.StatusUpgradeRequired {
			t.Errorf("%s %v: answered %d, Upgrade: %q", test.method, test.header, res.StatusCode, res.Header.Get("Upgrade"))
		}
	}
	if n, m := e.counted("/twilio/relay", "no_upgrade"), e.counted("/twilio/relay", "upgrade"); n != 3 || m != 1 {
		t.Errorf("counted %d times without upgrade, %d times with half of one", n, m)
	}
}

// A socket is for one call, once, and begins with setup. Each refusal is a close frame that says why.
func TestSocketsAreRefused(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{timing: func(timing *voice.Timing) { timing.Setup = 700 * time.Millisecond }})
	e.addOther()
	ours, theirs := e.ring(callSID("ours"), jane).Token, e.ring(callSID("theirs"), stranger).Token
	change := func(changes map[string]any) string {
		var m map[string]any
		check(t, json.Unmarshal([]byte(setupOf(callSID("ours"), jane, ours)), &m))
		for name, v := range changes {
			m[name] = v
		}
		return string(must(json.Marshal(m))(t))
	}
	for name, test := range map[string]struct {
		first  frame // "" sends nothing
		reason string
	}{
		"nothing comes":        {frame{}, "no setup message"},
		"another type first":   {frame{websocket.TextMessage, sample(t, "cr_in_prompt_final.json")}, "the first message must be setup"},
		"not JSON":             {frame{websocket.TextMessage, "setup"}, "the first message must be setup"},
		"an array":             {frame{websocket.TextMessage, "[]"}, "the first message must be setup"},
		"empty":                {frame{websocket.TextMessage, ""}, "the first message must be setup"},
		"binary":               {frame{websocket.BinaryMessage, setupOf(callSID("ours"), jane, ours)}, "the first message must be setup"},
		"no token":             {frame{websocket.TextMessage, sample(t, "cr_in_setup.json")}, "token not valid"},
		"no parameters":        {frame{websocket.TextMessage, sample(t, "cr_in_setup_no_params.json")}, "token not valid"},
		"a made-up token":      {frame{websocket.TextMessage, setupOf(callSID("ours"), jane, strings.Repeat("A", 24))}, "token not valid"},
		"a token cut short":    {frame{websocket.TextMessage, setupOf(callSID("ours"), jane, ours[:23])}, "token not valid"},
		"a token with a break": {frame{websocket.TextMessage, setupOf(callSID("ours"), jane, ours[:5]+"\n"+ours[5:])}, "token not valid"},
		"the token of another": {frame{websocket.TextMessage, setupOf(callSID("ours"), jane, theirs)}, "token not valid"},
		"no CallSid":           {frame{websocket.TextMessage, setupOf("CA", jane, ours)}, "token not valid"},
		"another account":      {frame{websocket.TextMessage, change(map[string]any{"accountSid": otherAccount})}, "account does not match"},
		"an unknown account":   {frame{websocket.TextMessage, change(map[string]any{"accountSid": "AC000000000000000000000000000000ff"})}, "account does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, err := e.dial(authToken)
			if err != nil {
				t.Fatal(err)
			}
			if test.first != (frame{}) {
				s.sendFrame(test.first)
			}
			if code, reason := s.ending(); code != websocket.ClosePolicyViolation || reason != test.reason {
				t.Errorf("closed with %d %q, want %q", code, reason, test.reason)
			}
			if n := e.counted("/twilio/relay", test.reason); n < 1 {
				t.Errorf("%q was not counted", test.reason)
			}
		})
	}
	if n := len(e.runtime.Sessions()); n != 0 {
		t.Fatalf("%d refused sockets reached the runtime", n)
	}

	// None of that has used up the token; the first good setup does.
	s := e.open(callSID("ours"), jane, ours)
	e.session(1)
	again := e.open(callSID("ours"), jane, ours)
	if code, reason := again.ending(); code != websocket.ClosePolicyViolation || reason != "token used" {
		t.Errorf("a second socket was closed with %d %q", code, reason)
	}
	s.send(`{"type":"prompt","voicePrompt":"still on","last":true}`)
	session := e.session(1)
	must(session.Await(within(t), func(m simulate.Message) bool { return m.VoicePrompt == "still on" }))(t)
	s.shut(1000, "")

	// Another organisation that names the same CallSid gets a token of its own, which uses up no other.
	form := with(inbound(callSID("spied"), jane), "AccountSid", otherAccount, "To", otherNumber)
	foreign := e.post("/twilio/voice", form, func(r *http.Request) {
		r.Header.Set(twilio.SignatureHeader, twilio.Sign(otherToken, publicURL+"/twilio/voice", form))
	})
	if readConnect(t, foreign.body).Token == e.ring(callSID("spied"), jane).Token {
		t.Error("two organisations have the same token for the same CallSid")
	}

	// Nor does a token lead to a number of another organisation.
	elsewhere := e.ring(callSID("elsewhere"), jane).Token
	s, _, err := e.dial(authToken)
	if err != nil {
		t.Fatal(err)
	}
	s.send(strings.Replace(setupOf(callSID("elsewhere"), jane, elsewhere), dialled, otherNumber, 1))
	if code, reason := s.ending(); code != websocket.ClosePolicyViolation || reason != "number not connected" {
		t.Errorf("another organisation's number: closed with %d %q", code, reason)
	}
}

// The runtime gets its own secret, and is told the call in a header; it is not given Twilio's
// signature, which would be worthless on this hop.
func TestRuntimeHandshake(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	w.call(callSID("header"))
	for name, want := range map[string]string{"Authorization": "Bearer " + bearer, "X-Ringside-Call-Sid": callSID("header"), twilio.SignatureHeader: ""} {
		if got := w.runtime.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	w.exec(`UPDATE voice_agents SET runtime_secret = ''`)
	check(t, w.lines.Load(t.Context()))
	w.call(callSID("nosecret"))
	if got, ok := w.runtime.header["Authorization"]; ok {
		t.Errorf("without a secret: Authorization: %q", got)
	}
}

// Twilio's own fields reach the runtime byte for byte, with the caller added.
func TestSetupReachesTheRuntime(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	token := w.ring(callSID("setup"), jane).Token
	s, _, err := w.dial(authToken)
	if err != nil {
		t.Fatal(err)
	}
	setup := setupOf(callSID("setup"), jane, token)
	// A member that does not exist yet, in a spelling of its own.
	setup = strings.Replace(setup, `"type":"setup"`, `"type" : "setup", "newField":{"a":[1, 2.50e1,"\u00e9\/"]}`, 1)
	s.send(setup)
	_, got := w.wire.accept()
	brace := strings.Index(setup, `"}`) + 1 // the end of customParameters
	if !strings.HasPrefix(got, setup[:brace]) || !strings.Contains(got[brace:], setup[brace+1:len(setup)-1]) {
		t.Errorf("Twilio's fields were changed:\nsent     %s\nreceived %s", setup, got)
	}
	var m struct {
		CustomParameters map[string]string `json:"customParameters"`
		Caller           simulate.Caller   `json:"caller"`
	}
	check(t, json.Unmarshal([]byte(got), &m))
	if p := m.CustomParameters; p["caller_known"] != "true" || p["caller_name"] != "Jane Doe" || p["caller_email"] != "jane@acme.io" ||
		p["caller_notes"] != "Prefers morning calls" || !strings.Contains(p["caller_context"], "never instructions") || p["ringside"] != token {
		t.Errorf("customParameters = %q", p)
	}
	if c := m.Caller; !c.Known || c.Source != "contact" || c.Name != "Jane Doe" || !c.GreetedByName || len(c.Tags) != 1 {
		t.Errorf("caller = %+v", c)
	}
	s.shut(1000, "")
}
