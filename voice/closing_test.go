package voice_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
	"ringside/voice"
)

// Close codes and reasons are carried across, from either side.
func TestCloseCodesAreCarriedAcross(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	for _, c := range []struct {
		code   int
		reason string
	}{
		{1000, ""}, {1000, "done"}, {1001, "going away"}, {1003, ""}, {1007, "bad data"}, {1008, "policy"}, {1009, ""}, {1011, "broken"},
		{1012, "restart"}, {1013, "try again"}, {3000, "registered"}, {4321, "grüße – " + strings.Repeat("x", 111)}, {1005, ""},
	} {
		for name, ends := range map[string]func() (from, to *socket){
			"from Twilio":      func() (*socket, *socket) { return w.twilio, w.runtime },
			"from the runtime": func() (*socket, *socket) { return w.runtime, w.twilio },
		} {
			w.call(callSID(fmt.Sprintf("code%dx%d%.6s", c.code, len(c.reason), strings.ReplaceAll(name, " ", ""))))
			from, to := ends()
			message := websocket.FormatCloseMessage(c.code, c.reason)
			check(t, from.WriteControl(websocket.CloseMessage, message, time.Now().Add(patience)))
			if code, reason := to.ending(); code != c.code || reason != c.reason {
				t.Errorf("%d %q %s came as %d %q", c.code, c.reason, name, code, reason)
			}
			// The answer to a close repeats its code (RFC 6455, 5.5.1).
			if code, _ := from.ending(); code != c.code {
				t.Errorf("%d %s was answered with %d", c.code, name, code)
			}
			w.AwaitIdle(within(t))
		}
	}
}

// A connection that ends without a close frame is lost; each side is told so in its own way.
func TestLostConnections(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{})
	w.twilio.cut()
	if code, reason := w.runtime.ending(); code != 1001 || reason != "the call's connection was lost" {
		t.Errorf("the runtime was closed with %d %q", code, reason)
	}
	w.ended("caller_lost")

	w.call(callSID("second"))
	w.runtime.cut()
	if code, reason := w.twilio.ending(); code != 1011 || reason != "the agent's connection was lost" {
		t.Errorf("Twilio was closed with %d %q", code, reason)
	}
	w.ended("runtime_lost")

	// A frame that breaks the protocol is a loss as well: here one without a mask.
	w.call(callSID("third"))
	must(w.twilio.NetConn().Write([]byte{0x81, 0x01, 'x'}))(t)
	if code, _ := w.runtime.ending(); code != 1001 {
		t.Errorf("the runtime was closed with %d", code)
	}
}

// A runtime that closes on purpose is believed, even if the caller speaks in that very moment, when
// what they say cannot be passed on any more: the call ends, and is not taken for lost.
func TestCloseOnPurposeWhileTheCallerSpeaks(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	for i := range 20 {
		sid := callSID("speaking" + string(rune('a'+i)))
		w.call(sid)
		go func(s *socket) {
			for s.WriteMessage(websocket.TextMessage, []byte(`{"type":"prompt","voicePrompt":"and another thing","last":true}`)) == nil {
			}
		}(w.twilio)
		w.runtime.next() // they are speaking
		check(t, w.runtime.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "goodbye"), time.Now().Add(patience)))
		if code, reason := w.twilio.ending(); code != 1000 || reason != "goodbye" {
			t.Errorf("round %d: Twilio was closed with %d %q", i, code, reason)
		}
		w.runtime.ending()
		after := with(inbound(sid, jane), "CallStatus", "in-progress", "SessionStatus", "failed", "SessionId", "VX1", "ErrorCode", "64105")
		if a := w.post("/twilio/voice/after", after); !strings.Contains(a.body, "<Hangup/>") {
			t.Errorf("round %d: after a close on purpose: %s", i, a.body)
		}
	}
}

// And the other way round: a caller who hangs up while the agent speaks has hung up.
func TestHangupWhileTheAgentSpeaks(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	for i := range 20 {
		w.call(callSID("hangup" + string(rune('a'+i))))
		go func(s *socket) {
			for s.WriteMessage(websocket.TextMessage, []byte(`{"type":"text","token":"and so on "}`)) == nil {
			}
		}(w.runtime)
		w.twilio.next()
		check(t, w.twilio.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(patience)))
		if code, reason := w.runtime.ending(); code != 1000 || reason != "bye" {
			t.Errorf("round %d: the runtime was closed with %d %q", i, code, reason)
		}
		w.twilio.ending()
	}
	w.AwaitIdle(within(t))
	if n := w.metric(`ringside_relay_ends_total{by="caller",path="/twilio/relay"}`); n != 20 {
		t.Errorf("%d of 20 calls count as hung up", n)
	}
}

// What the runtime still says when the caller has hung up is kept: a summary is often its last word.
func TestLastWordsAreKept(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	sid := callSID("lastwords")
	w.call(sid)
	// The runtime does not answer the close before it has said what it has to say.
	w.runtime.SetCloseHandler(func(int, string) error { return nil })
	check(t, w.twilio.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)))
	w.twilio.ending()
	if code, _ := w.runtime.ending(); code != 1000 {
		t.Fatalf("the runtime was closed with %d", code)
	}
	w.runtime.send(`{"type":"text","token":"nobody hears this","last":true}`)
	w.runtime.send(`{"type":"ringside.summary","summary":"Hung up in the middle"}`)
	check(t, w.runtime.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)))
	w.AwaitIdle(within(t))
	w.flush()
	if got := value[string](w.edge, `SELECT summary FROM interactions WHERE sid = $1`, sid); got != "Hung up in the middle" {
		t.Errorf("summary = %q", got)
	}
}

// A runtime that never closes its side is not waited for.
func TestRuntimeThatDoesNotClose(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{timing: func(timing *voice.Timing) { timing.Close = 100 * time.Millisecond }, behaviour: func(s *simulate.AgentSession, m simulate.Message) {
		<-s.Context().Done() // reads nothing more, not even the close
	}})
	s := e.open(callSID("deaf"), jane, e.ring(callSID("deaf"), jane).Token)
	e.session(1)
	s.shut(1000, "")
	e.AwaitIdle(within(t))
	if n := e.OpenCalls(); n != 0 {
		t.Errorf("%d sessions are still open", n)
	}
}
