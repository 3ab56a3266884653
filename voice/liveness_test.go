package voice_test

import (
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/voice"
)

// answerPings reads a socket until it ends, answering pings as WebSocket libraries do, and returns
// the messages. alive is closed after a number of pings.
func (s *socket) answerPings(enough int) (alive <-chan struct{}, messages func() []string) {
	reached, read := make(chan struct{}), make(chan struct{})
	answer := s.PingHandler()
	var got []string
	pings := 0
	s.SetPingHandler(func(data string) error {
		if pings++; pings == enough {
			close(reached)
		}
		return answer(data)
	})
	go func() {
		defer close(read)
		for {
			_, data, err := s.ReadMessage()
			if err != nil {
				return
			}
			got = append(got, string(data))
		}
	}()
	return reached, func() []string { <-read; return got }
}

// Two sides that say nothing for a long time, but answer pings, stay connected.
func TestSilentCallStaysOpen(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{timing: func(timing *voice.Timing) { timing.Ping, timing.Silence = 20*time.Millisecond, 2*time.Second }})
	const pings = 200 // twice what Silence allows without an answer
	twilioAlive, fromRuntime := w.twilio.answerPings(pings)
	runtimeAlive, fromTwilio := w.runtime.answerPings(pings)
	for _, alive := range []<-chan struct{}{twilioAlive, runtimeAlive} {
		select {
		case <-alive:
		case <-within(t).Done():
			t.Fatal("too few pings came")
		}
	}
	w.twilio.send("still here")
	w.runtime.send("still here too")
	check(t, w.twilio.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(patience)))
	if got := fromTwilio(); len(got) != 1 || got[0] != "still here" {
		t.Errorf("the runtime got %q", got)
	}
	if got := fromRuntime(); len(got) > 1 || len(got) == 1 && got[0] != "still here too" {
		t.Errorf("Twilio got %q", got)
	}
	w.ended("caller")
}

// A caller who says nothing for longer than setup may take is still on the line: the first ping
// comes much later.
func TestCallerMayBeSilentAfterSetup(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{timing: func(timing *voice.Timing) { timing.Setup = 250 * time.Millisecond }})
	<-time.After(600 * time.Millisecond) // what is tested is that this passes and nothing happens
	w.twilio.send("hello at last")
	if got := w.runtime.next(); got != "hello at last" {
		t.Errorf("the runtime got %q", got)
	}
	w.twilio.shut(1000, "")
	w.ended("caller")
}

// A side that neither speaks nor answers pings is lost, and the other one is told.
func TestSilentSideIsLost(t *testing.T) {
	t.Parallel()
	hurry := func(timing *voice.Timing) { timing.Ping, timing.Silence = 50*time.Millisecond, 1500*time.Millisecond }
	t.Run("Twilio", func(t *testing.T) {
		t.Parallel()
		w := newWiredCall(t, parts{timing: hurry})
		// Nobody reads Twilio's end, so nobody answers its pings.
		if code, reason := w.runtime.ending(); code != 1001 || reason != "the call's connection was lost" {
			t.Errorf("the runtime was closed with %d %q", code, reason)
		}
		w.ended("caller_lost")
	})
	t.Run("the runtime", func(t *testing.T) {
		t.Parallel()
		w := newWiredCall(t, parts{timing: hurry})
		if code, reason := w.twilio.ending(); code != 1011 || reason != "the agent's connection was lost" {
			t.Errorf("Twilio was closed with %d %q", code, reason)
		}
		w.ended("runtime_lost")
	})
}

// Pings of a side are answered.
func TestPingsAreAnswered(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(w *wired) *socket{
		"Twilio's":      func(w *wired) *socket { return w.twilio },
		"the runtime's": func(w *wired) *socket { return w.runtime },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := end(newWiredCall(t, parts{}))
			pong := make(chan string, 1)
			s.SetPongHandler(func(data string) error { pong <- data; return nil })
			check(t, s.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(patience)))
			var reading sync.WaitGroup
			reading.Go(func() { s.ending() })
			select {
			case data := <-pong:
				if data != "are you there" {
					t.Errorf("pong %q", data)
				}
			case <-within(t).Done():
				t.Error("no pong came")
			}
			s.cut()
			reading.Wait()
		})
	}
}
