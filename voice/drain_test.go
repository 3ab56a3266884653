package voice_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
	"ringside/voice"
)

// Drain waits for the calls there are.
func TestDrainWaitsForCalls(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	w.call(callSID("first"))
	first := w.twilio
	w.call(callSID("second"))
	if n := w.OpenCalls(); n != 2 {
		t.Fatalf("%d open calls", n)
	}
	drained := make(chan struct{})
	go func() { w.Drain(t.Context()); close(drained) }()
	first.shut(1000, "")
	// The call that is left is as good as before.
	w.twilio.send("still on")
	if got := w.runtime.next(); got != "still on" {
		t.Errorf("the runtime got %q", got)
	}
	select {
	case <-drained:
		t.Fatal("Drain did not wait for the second call")
	default:
	}
	w.twilio.shut(1000, "")
	select {
	case <-drained:
	case <-within(t).Done():
		t.Fatal("Drain did not end with the last call")
	}
	if n := w.OpenCalls(); n != 0 {
		t.Errorf("%d open calls", n)
	}
	// From here on there is no sidecar: a call that came meanwhile is not begun.
	_, res, err := w.dial(authToken)
	if err == nil || res == nil || res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("after Drain a socket was answered %v, %v", res, err)
	}
}

func TestDrainOfNothing(t *testing.T) {
	t.Parallel()
	newEdge(t, parts{}).Drain(t.Context())
}

// What does not end in time is closed as a restart is, on both sides, and what was said is kept.
func TestDrainClosesWhatIsLeft(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{})
	w.runtime.send(`{"type":"text","token":"One moment.","last":true}`)
	w.twilio.next()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	closed := make(chan websocket.CloseError, 2)
	for _, s := range []*socket{w.twilio, w.runtime} {
		go func() {
			code, reason := s.ending()
			closed <- websocket.CloseError{Code: code, Text: reason}
		}()
	}
	began := time.Now()
	w.Drain(ended)
	if took := time.Since(began); took > patience {
		t.Errorf("took %s", took)
	}
	for range 2 {
		if got := <-closed; got.Code != websocket.CloseServiceRestart || got.Text != "restarting" {
			t.Errorf("closed with %d %q", got.Code, got.Text)
		}
	}
	w.ended("shutdown")
	w.flush()
	if got := value[int](w.edge, `SELECT jsonb_array_length(lines) FROM transcripts`); got != 2 {
		t.Errorf("%d lines are kept of greeting and reply", got)
	}
}

// A call that was just being connected when the rest was closed is closed as well.
func TestDrainClosesWhatIsJustBeginning(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	token := e.ring(callSID("beginning"), jane).Token
	s, _, err := e.dial(authToken) // the socket is open; setup has not come yet
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	e.Drain(ended)
	s.send(setupOf(callSID("beginning"), jane, token))
	if code, _ := s.ending(); code != websocket.CloseServiceRestart {
		t.Errorf("closed with %d", code)
	}
	e.AwaitIdle(within(t))
}

// Peers that do not answer the close are not waited for.
func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{timing: func(timing *voice.Timing) { timing.Close = 200 * time.Millisecond }})
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	w.Drain(ended) // nobody reads either end
	w.ended("shutdown")
}

// A call whose runtime is being waited for, or whose caller is being told that there is none, does
// not hold up the drain.
func TestDrainEndsAnUnreachableCall(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{timing: func(timing *voice.Timing) { timing.Retry = time.Millisecond }})
	e.runtime.Refuse(503)
	s := e.open(callSID("unreachable"), jane, e.ring(callSID("unreachable"), jane).Token)
	s.next() // the end message; Twilio does not close
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	e.Drain(ended)
	if n := e.OpenCalls(); n != 0 {
		t.Errorf("%d open calls", n)
	}
}

// A call that a stopping sidecar has closed waits a moment and asks again: the next sidecar takes it
// on. Here it is another one on the same database, and the caller is greeted once.
func TestStoppingSidecarHandsCallsOn(t *testing.T) {
	t.Parallel()
	stopping := newEdge(t, parts{behaviour: func(s *simulate.AgentSession, m simulate.Message) {
		if m.Type == "prompt" && m.VoicePrompt != "wait" {
			s.Reply("You said: " + m.VoicePrompt)
		}
	}})
	next := newEdge(t, parts{beside: stopping})
	next.twilio.BaseURL = stopping.server.URL
	out := make(chan *simulate.Outcome, 1)
	next.twilio.Sleep = func(ctx context.Context, _ time.Duration) error {
		next.twilio.BaseURL = next.server.URL // what the pause is for
		return ctx.Err()
	}
	go func() {
		o, err := next.twilio.Place(t.Context(), simulate.Call{From: jane, To: dialled, Script: []simulate.Step{
			simulate.Say("hello"), simulate.Say("wait"), simulate.Say("and on")}})
		check(t, err)
		out <- o
	}()
	session := stopping.session(1)
	must(session.Await(within(t), func(m simulate.Message) bool { return m.VoicePrompt == "wait" }))(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	stopping.Drain(ended)
	o := <-out
	if o == nil {
		return
	}
	if len(o.Sessions) != 2 || o.Sessions[0].CloseCode != 1012 {
		t.Errorf("sessions = %+v", o.Sessions)
	}
	if len(o.Heard) < 2 || o.Heard[0] != greetedJane || o.Heard[len(o.Heard)-1] != "You said: and on" || strings.Count(strings.Join(o.Heard, "|"), "Jane") != 1 {
		t.Errorf("heard %q", o.Heard)
	}
	answers := o.Answers("/twilio/voice/after")
	want := `<Response><Pause length="3"/><Redirect>` + publicURL + `/twilio/voice/after</Redirect></Response>`
	if len(answers) < 2 || !strings.HasSuffix(string(answers[0]), want) {
		t.Errorf("asked what comes next: %s", answers)
	}
	if got := readConnect(t, string(answers[1])); got.Action != publicURL+"/twilio/voice/after?attempt=1" {
		t.Errorf("then: %+v", got)
	}
}
