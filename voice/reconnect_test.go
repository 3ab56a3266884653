package voice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/simulate"
	"ringside/voice"
)

// after asks what comes next in a call whose session ended so.
func (e *edge) after(action, callSID, from string, pairs ...string) answer {
	e.tb.Helper()
	form := with(inbound(callSID, from), "CallStatus", "in-progress", "SessionId", "VX"+callSID[2:], "SessionDuration", "7")
	return e.post(strings.TrimPrefix(action, publicURL), with(form, pairs...))
}

// A call whose runtime is lost goes on in a new session: with a fresh token, without a second
// greeting, and with the same context.
func TestLostRuntimeIsReconnected(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: crashOn("crash")})
	out := e.place(simulate.Call{From: jane, Script: []simulate.Step{
		simulate.Say("hello"), simulate.Say("crash").WithoutWaiting(), simulate.AwaitEnd(patience), simulate.Say("and on"),
	}})
	if want := []string{greetedJane, "You said: hello", "You said: and on"}; !cmp.Equal(want, out.Heard) {
		t.Errorf("heard %q, want %q", out.Heard, want)
	}
	if len(out.Sessions) != 2 || out.Sessions[0].Status != "failed" || out.Sessions[0].CloseCode != 1011 || out.Sessions[1].Status != "completed" {
		t.Errorf("sessions = %+v", out.Sessions)
	}
	second := readConnect(t, string(out.Answers("/twilio/voice/after")[0]))
	first := readConnect(t, string(out.Answers("/twilio/voice")[0]))
	if second.Greeting != "" || second.Token == first.Token || second.Action != publicURL+"/twilio/voice/after?attempt=1" {
		t.Errorf("reconnected with %+v", second)
	}
	setup, _ := e.session(2).Setup()
	if !setup.Caller.Known || setup.Caller.Name != "Jane Doe" || setup.CallSID != out.CallSID {
		t.Errorf("the new session was told %s", setup.Raw)
	}
	e.settle()
	if got := e.row(out.CallSID); got.Status != "completed" || got.Contact != "Jane Doe" {
		t.Errorf("row = %+v", got)
	}
	if n := value[int](e, `SELECT count(*) FROM transcripts WHERE sid = $1`, out.CallSID); n != 2 {
		t.Errorf("%d transcripts of two sessions", n)
	}
}

// crashOn is an agent that repeats what it hears, and is killed by a word.
func crashOn(word string) simulate.Behaviour {
	return func(s *simulate.AgentSession, m simulate.Message) {
		switch {
		case m.Type == "prompt" && m.VoicePrompt == word:
			s.Crash()
		case m.Type == "prompt":
			s.Reply("You said: " + m.VoicePrompt)
		}
	}
}

// Twilio's side may be the one that is lost.
func TestLostTwilioSocketIsReconnected(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: crashOn("never")})
	out := e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.Say("hello"), simulate.DropSocket(), simulate.Say("and on")}})
	if want := []string{greetedJane, "You said: hello", "You said: and on"}; !cmp.Equal(want, out.Heard) {
		t.Errorf("heard %q, want %q", out.Heard, want)
	}
	if code, reason := closedBy(t, e.session(1)); code != 1001 || reason != "the call's connection was lost" {
		t.Errorf("the runtime was closed with %d %q", code, reason)
	}
}

// A runtime that is lost again and again is given up: the caller hears an apology.
func TestAttemptsAreBounded(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: func(s *simulate.AgentSession, m simulate.Message) { s.Crash() }})
	out := e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.AwaitEnd(patience), simulate.AwaitEnd(patience),
		simulate.AwaitEnd(patience), simulate.AwaitEnd(patience), simulate.AwaitEnd(patience)}})
	if len(out.Sessions) != 4 {
		t.Errorf("connected %d times", len(out.Sessions))
	}
	if want := []string{"Sorry, we cannot take your call right now. Please try again in a little while. Goodbye."}; !cmp.Equal(want, out.Spoken) {
		t.Errorf("spoken %q, want %q", out.Spoken, want)
	}
	e.settle()
	if got := value[string](e, `SELECT reason FROM interactions WHERE sid = $1`, out.CallSID); got != "runtime_lost" {
		t.Errorf("reason = %q", got)
	}
}

// What comes after a session, by how it ended and how often the call was connected.
func TestAfterDecidesWhatComesNext(t *testing.T) {
	t.Parallel()
	const (
		unreachable = `{"reasonCode":"ringside-runtime-unreachable"}`
		handoff     = `{"reasonCode":"live-agent-handoff","reason":"asked for a person"}`
		dial        = "<Dial><Number>" + otherNumber + "</Number></Dial>"
		empty       = "<Response/>"
	)
	plain := newEdge(t, parts{})
	fallback := newEdge(t, parts{agent: func(a *org.Agent) { a.FallbackNumber = otherNumber }})
	spoken := newEdge(t, parts{agent: func(a *org.Agent) { a.Apology = "Bis später."; a.Language = "de-DE" }})
	sid := func(name string) string { return callSID(strings.NewReplacer(" ", "", ",", "").Replace(name)) }
	tests := map[string]struct {
		edge   *edge
		action string
		form   []string
		want   string // in the answer
		reason string // in the ledger
	}{
		"lost":                             {plain, "/twilio/voice/after", []string{"SessionStatus", "failed"}, `after?attempt=1"`, ""},
		"lost again":                       {plain, "/twilio/voice/after?attempt=1", []string{"SessionStatus", "failed"}, `after?attempt=2"`, ""},
		"lost for the last time":           {plain, "/twilio/voice/after?attempt=3", []string{"SessionStatus", "failed"}, "<Say", "runtime_lost"},
		"lost for the last time, fallback": {fallback, "/twilio/voice/after?attempt=3", []string{"SessionStatus", "failed"}, dial, "runtime_lost"},
		"lost, unverified caller":          {plain, "/twilio/voice/after?attempt=1&unverified=1", []string{"SessionStatus", "failed"}, `after?attempt=2&amp;unverified=1"`, ""},
		"an attempt beyond all":            {plain, "/twilio/voice/after?attempt=99999999999999999999", []string{"SessionStatus", "failed"}, "<Say", "runtime_lost"},
		"a negative attempt":               {plain, "/twilio/voice/after?attempt=-5", []string{"SessionStatus", "failed"}, `after?attempt=1"`, ""},
		"asked again after a pause":        {plain, "/twilio/voice/after", nil, `after?attempt=1"`, ""},
		"unreachable":                      {plain, "/twilio/voice/after", []string{"SessionStatus", "ended", "HandoffData", unreachable}, "<Say", "runtime_unreachable"},
		"unreachable, own apology":         {spoken, "/twilio/voice/after", []string{"SessionStatus", "ended", "HandoffData", unreachable}, `<Say language="de-DE">Bis später.</Say><Hangup/>`, "runtime_unreachable"},
		"unreachable, fallback":            {fallback, "/twilio/voice/after", []string{"SessionStatus", "ended", "HandoffData", unreachable}, dial, "runtime_unreachable"},
		"handed over":                      {fallback, "/twilio/voice/after", []string{"SessionStatus", "ended", "HandoffData", handoff}, dial, "handoff"},
		"handed over to nobody":            {plain, "/twilio/voice/after", []string{"SessionStatus", "ended", "HandoffData", handoff}, "<Hangup/>", ""},
		"ended by the agent":               {fallback, "/twilio/voice/after", []string{"SessionStatus", "ended"}, "<Hangup/>", ""},
		"hung up":                          {fallback, "/twilio/voice/after", []string{"SessionStatus", "completed", "CallStatus", "completed"}, empty, ""},
		"hung up, says the session":        {plain, "/twilio/voice/after", []string{"SessionStatus", "completed"}, empty, ""},
		"a number that leads nowhere":      {plain, "/twilio/voice/after", []string{"SessionStatus", "failed", "To", "+12125550100"}, "<Hangup/>", ""},
	}
	for name, test := range tests {
		a := test.edge.after(test.action, sid(name), stranger, test.form...)
		again := test.edge.after(test.action, sid(name), stranger, test.form...)
		if a.status != 200 || !strings.Contains(a.body, test.want) {
			t.Errorf("%s: answered %d %s, want %s", name, a.status, a.body, test.want)
		}
		if again.body != a.body {
			t.Errorf("%s: a repeat was answered differently: %s", name, again.body)
		}
	}
	for _, e := range []*edge{plain, fallback, spoken} {
		e.flush()
	}
	for name, test := range tests {
		if got := value[string](test.edge, `SELECT reason FROM interactions WHERE sid = $1`, sid(name)); got != test.reason {
			t.Errorf("%s: reason = %q, want %q", name, got, test.reason)
		}
	}
}

// A runtime that cannot be reached: the caller hears the greeting and then an apology, or a person.
func TestUnreachableRuntime(t *testing.T) {
	t.Parallel()
	hurry := func(timing *voice.Timing) { timing.Retry, timing.Dial = time.Millisecond, 300*time.Millisecond }
	for name, breakIt := range map[string]func(e *edge){
		"refuses": func(e *edge) { e.runtime.Refuse(503) },
		"hangs":   func(e *edge) { e.runtime.Hang(true) },
		"is gone": func(e *edge) { e.runtime.Close() },
		"rejects": func(e *edge) {
			e.exec(`UPDATE voice_agents SET runtime_secret = 'wrong'`)
			check(e.tb, e.lines.Load(e.tb.Context()))
		},
		"redirects": func(e *edge) { e.runtime.Refuse(302) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, parts{timing: hurry})
			breakIt(e)
			out := e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.AwaitEnd(patience)}})
			if len(out.Sessions) != 1 || out.Sessions[0].Status != "ended" || !strings.Contains(out.Sessions[0].HandoffData, "ringside-runtime-unreachable") {
				t.Errorf("sessions = %+v", out.Sessions)
			}
			if len(out.Heard) != 2 || out.Heard[0] != greetedJane || !strings.HasPrefix(out.Heard[1], "Sorry, we cannot take your call") {
				t.Errorf("heard %q", out.Heard)
			}
			e.settle()
			if got := value[string](e, `SELECT reason FROM interactions WHERE sid = $1`, out.CallSID); got != "runtime_unreachable" {
				t.Errorf("reason = %q", got)
			}
			if n := e.metric(`ringside_relay_ends_total{by="runtime_unreachable",path="/twilio/relay"}`); n != 1 {
				t.Errorf("counted %d times", n)
			}
			if n := strings.Count(e.log.String(), "cannot be reached"); n != 1 {
				t.Errorf("logged %d times:\n%s", n, e.log)
			}
		})
	}
}

// An address with a password in its query does not reach the log.
func TestUnreachableRuntimeIsLoggedWithoutSecrets(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{timing: func(timing *voice.Timing) { timing.Retry = time.Millisecond },
		agent: func(a *org.Agent) { a.RuntimeURL = "ws://127.0.0.1:1/agent?key=hunter2" }})
	e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.AwaitEnd(patience)}})
	if log := e.log.String(); strings.Contains(log, "hunter2") || !strings.Contains(log, "ws://127.0.0.1:1/agent") {
		t.Errorf("logged:\n%s", log)
	}
}

// A runtime that is being replaced answers the second try.
func TestRuntimeIsTriedTwice(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{timing: func(timing *voice.Timing) { timing.Retry = 500 * time.Millisecond }})
	e.runtime.Refuse(503)
	token := e.ring(callSID("twice"), jane).Token
	s := e.open(callSID("twice"), jane, token)
	<-time.After(100 * time.Millisecond) // between the two tries
	e.runtime.Refuse(0)
	e.session(1)
	s.shut(1000, "")
	e.AwaitIdle(within(t))
	if n := e.metric(`ringside_relay_ends_total{by="caller",path="/twilio/relay"}`); n != 1 {
		t.Error("the call was not connected at the second try")
	}
}

// An agent that closes its socket on purpose has ended the call; one that says it is going away is
// being replaced, and the call goes on.
func TestRuntimeCloseCodes(t *testing.T) {
	t.Parallel()
	for code, goesOn := range map[int]bool{1000: false, 1005: false, 1001: true, 1011: true, 1012: true, 1013: true, 4000: true} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, parts{behaviour: func(s *simulate.AgentSession, m simulate.Message) {
				if m.VoicePrompt == "close" {
					s.CloseWith(code, "")
				}
			}})
			out := e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.Say("close").WithoutWaiting(), simulate.AwaitEnd(patience)}})
			if want := map[bool]int{false: 1, true: 2}[goesOn]; len(out.Sessions) != want {
				t.Errorf("%d sessions, want %d: %s", len(out.Sessions), want, out.Answers("/twilio/voice/after"))
			}
			if len(out.Spoken) != 0 {
				t.Errorf("the caller heard %q", out.Spoken)
			}
		})
	}
}
