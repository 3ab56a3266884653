package voice_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"ringside/voice"
)

// oddFrames are messages that must pass as they are: known ones, ones that do not exist yet, and ones
// that are no messages at all.
func oddFrames(tb testing.TB, prefix string) (frames []frame) {
	for _, text := range []string{
		"", " ", "null", "[]", `"text"`, "not JSON", `{"type":`, `{"type":7}`, `{"type":"new.one","x":[1,2,{"y":null}]}`,
		"{\n  \"type\" : \"text\" ,\t\"token\":\"spaced\"}", `{"type":"text","token":"twice","token":"the second"}`,
		`{"type":"text","token":"talks of ringside.note and \u0041"}`, `{"token":"\"type\":\"ringside.note\""}`,
		`{"type":"text","token":"` + strings.Repeat("ü", 40_000) + `"}`, `{"a":"<>&\u2028"}`, "\x00\x01",
	} {
		frames = append(frames, frame{websocket.TextMessage, text})
	}
	frames = append(frames, frame{websocket.BinaryMessage, "\x00\xff\xfe"}, frame{websocket.BinaryMessage, ""},
		frame{websocket.BinaryMessage, `{"type":"ringside.note","note":"binary is not for Ringside"}`})
	for _, file := range []string{"dtmf", "error", "info_agent_speaking", "info_client_speaking", "info_tokens_played", "interrupt", "prompt_final", "prompt_partial"} {
		frames = append(frames, frame{websocket.TextMessage, sample(tb, prefix+"in_"+file+".json")})
	}
	for _, file := range []string{"end_handoff", "language", "play", "send_digits", "text_last", "text_partial"} {
		frames = append(frames, frame{websocket.TextMessage, sample(tb, prefix+"out_"+file+".json")})
	}
	return frames
}

// Messages pass both ways at once, in order and unchanged.
func TestMessagesPassUnchanged(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{})
	frames := oddFrames(t, "cr_")
	for i := range 200 {
		frames = append(frames, frame{websocket.TextMessage, fmt.Sprintf(`{"type":"text","token":"%d "}`, i)})
	}
	var both sync.WaitGroup
	for _, way := range []struct {
		name     string
		from, to *socket
	}{{"to the runtime", w.twilio, w.runtime}, {"to Twilio", w.runtime, w.twilio}} {
		both.Go(func() {
			for _, f := range frames {
				if way.from.WriteMessage(f.Kind, []byte(f.Data)) != nil {
					return // the reader says so
				}
			}
		})
		both.Go(func() {
			for i, want := range frames {
				kind, data, err := way.to.ReadMessage()
				if err != nil {
					t.Errorf("%s: frame %d: %v", way.name, i, err)
					return
				}
				if diff := cmp.Diff(want, frame{kind, string(data)}); diff != "" {
					t.Errorf("%s: frame %d (-sent +received):\n%s", way.name, i, diff)
					return
				}
			}
		})
	}
	both.Wait()
	w.twilio.shut(1000, "")
	w.ended("caller")
}

// A message in fragments is one message.
func TestFragmentedMessage(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{})
	for _, way := range [][2]*socket{{w.twilio, w.runtime}, {w.runtime, w.twilio}} {
		message := strings.Repeat("0123456789", 3000)
		writer := must(way[0].NextWriter(websocket.TextMessage))(t)
		for part := message; part != ""; part = part[1000:] {
			must(writer.Write([]byte(part[:1000])))(t)
		}
		check(t, writer.Close())
		if got := way[1].frame(); got != (frame{websocket.TextMessage, message}) {
			t.Errorf("received kind %d of %d bytes, want %d", got.Kind, len(got.Data), len(message))
		}
	}
}

// A message of the largest size passes; a byte more ends the connection of whoever sent it, and the
// other side is told that it was lost.
func TestMessageLimit(t *testing.T) {
	t.Parallel()
	const limit = 1 << 20
	for name, test := range map[string]struct {
		ends       func(w *wired) (from, to *socket)
		by         string
		code       int
		wantReason string
	}{
		"from Twilio":      {func(w *wired) (*socket, *socket) { return w.twilio, w.runtime }, "caller_lost", 1001, "the call's connection was lost"},
		"from the runtime": {func(w *wired) (*socket, *socket) { return w.runtime, w.twilio }, "runtime_lost", 1011, "the agent's connection was lost"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWiredCall(t, parts{})
			from, to := test.ends(w)
			largest := frame{websocket.TextMessage, strings.Repeat("x", limit)}
			from.sendFrame(largest)
			if got := to.frame(); got != largest {
				t.Errorf("the largest message came as kind %d of %d bytes", got.Kind, len(got.Data))
			}
			_ = from.WriteMessage(websocket.TextMessage, []byte(largest.Data+"x")) // cut off in the middle
			if code, _ := from.ending(); code != websocket.CloseMessageTooBig && code != websocket.CloseAbnormalClosure {
				t.Errorf("the sender was closed with %d", code)
			}
			if code, reason := to.ending(); code != test.code || reason != test.wantReason {
				t.Errorf("the other side was closed with %d %q, want %d %q", code, reason, test.code, test.wantReason)
			}
			w.ended(test.by)
		})
	}
}

// A runtime that does not read makes Twilio's writes block: nothing piles up in between. When it
// reads on, everything is there, in order.
func TestSlowRuntimeHoldsTwilioBack(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{timing: func(timing *voice.Timing) { timing.Write = patience }})
	const size = 64 << 10
	filler := strings.Repeat("x", size-8)
	sent := 0
	for ; ; sent++ {
		check(t, w.twilio.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		if err := w.twilio.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%08d%s", sent, filler)); err != nil {
			break
		}
		if sent*size > 64<<20 { // far more than the kernel's buffers of two connections
			t.Fatalf("%d MB were taken from Twilio while the runtime read nothing", sent*size>>20)
		}
	}
	for i := range sent {
		if got := w.runtime.next(); got != fmt.Sprintf("%08d%s", i, filler) {
			t.Fatalf("message %d came as %.20s… of %d bytes", i, got, len(got))
		}
	}
	w.twilio.cut()
	w.runtime.ending()
	w.ended("caller_lost")
}

// A runtime that takes nothing for longer than a message may take is lost; the call goes on.
func TestRuntimeThatStopsReadingIsLost(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{timing: func(timing *voice.Timing) { timing.Write = 200 * time.Millisecond }})
	go func() {
		message := []byte(strings.Repeat("x", 256<<10))
		for w.twilio.WriteMessage(websocket.TextMessage, message) == nil {
		}
	}()
	if code, reason := w.twilio.ending(); code != 1011 || reason != "the agent's connection was lost" {
		t.Errorf("Twilio was closed with %d %q", code, reason)
	}
	w.ended("runtime_lost")
}

// Likewise a Twilio that takes nothing.
func TestTwilioThatStopsReadingIsLost(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{timing: func(timing *voice.Timing) { timing.Write = 200 * time.Millisecond }})
	go func() {
		message := []byte(strings.Repeat("x", 256<<10))
		for w.runtime.WriteMessage(websocket.TextMessage, message) == nil {
		}
	}()
	if code, reason := w.runtime.ending(); code != 1001 || reason != "the call's connection was lost" {
		t.Errorf("the runtime was closed with %d %q", code, reason)
	}
	w.ended("caller_lost")
}
