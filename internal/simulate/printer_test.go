package simulate_test

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringside/internal/simulate"
)

// The printer's lines let a newcomer follow the call: each stands once, in this order.
func TestPrinterTellsTheCall(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect(`welcomeGreeting="Hello Jane"`, `<Parameter name="ctx" value="secret-token"/>`)))
	s.onSocket(echo)
	var page bytes.Buffer
	printer := simulate.NewPrinter(&page)
	twilio := s.twilio()
	twilio.Observe = printer.Print
	place(t, twilio, simulate.Say("Hi"))

	rest := page.String()
	for _, want := range []string{
		caller + " calls " + dialled,
		"POST /twilio/voice  answered 200 in ",
		"<ConversationRelay url=",
		"opens ws://",
		"setup: session VX",
		"“Hello Jane”",
		"caller says        “Hi”",
		"caller hears       “You said: Hi”",
		"the caller hung up",
		"POST /twilio/voice/after  answered 200",
		"POST /twilio/voice/status  answered 204",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("%q is missing or out of order in:\n%s", want, page.String())
		}
		rest = after
	}
	if strings.Contains(page.String(), "\x1b") {
		t.Error("colours without a terminal")
	}
}

func TestPrinterCannotBeForged(t *testing.T) {
	t.Parallel()
	for _, verbose := range []bool{false, true} {
		var page bytes.Buffer
		printer := simulate.NewPrinter(&page)
		printer.Verbose = verbose
		printer.Print(simulate.Event{Kind: simulate.KindReply, Text: "a\n  0.000  caller says b\r\x1b[2J\u202e\xff", Raw: "c\nd\x1b"})
		if got, want := strings.Count(page.String(), "\n"), map[bool]int{false: 1, true: 2}[verbose]; got != want {
			t.Errorf("%d lines, want %d: %q", got, want, page.String())
		}
		if strings.ContainsAny(page.String(), "\x1b\r\u202e") {
			t.Errorf("controls in %q", page.String())
		}
	}
}

func TestPrinterDetail(t *testing.T) {
	t.Parallel()
	token := simulate.Event{Kind: simulate.KindToken, Text: "Hel", Raw: `{"type":"text"}`}
	reply := simulate.Event{Kind: simulate.KindReply, Text: "Hello", Took: 1500 * time.Millisecond}
	for name, test := range map[string]struct {
		set  func(*simulate.Printer)
		want []string
		not  []string
	}{
		"plain":   {func(*simulate.Printer) {}, []string{"“Hello”  (1.5s from first to last word)"}, []string{"Hel\n", `{"type"`, "\x1b"}},
		"verbose": {func(p *simulate.Printer) { p.Verbose = true }, []string{"Hel\n", `{"type":"text"}`}, []string{"\x1b"}},
		"colour":  {func(p *simulate.Printer) { p.Color = true }, []string{"\x1b[32m“Hello”"}, nil},
	} {
		var page bytes.Buffer
		printer := simulate.NewPrinter(&page)
		test.set(printer)
		printer.Print(token)
		printer.Print(reply)
		for _, want := range test.want {
			if !strings.Contains(page.String(), want) {
				t.Errorf("%s: %q is not in %q", name, want, page.String())
			}
		}
		for _, not := range test.not {
			if strings.Contains(page.String(), not) {
				t.Errorf("%s: %q is in %q", name, not, page.String())
			}
		}
	}
}

// One call's events come one at a time, in order, with the call's SID and a clock that never goes
// back.
func TestObserveIsNeverCalledTwiceAtOnce(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", "")))
	s.onSocket(echo)
	twilio := s.twilio()
	twilio.Delivery.Repeat = 4
	var inside atomic.Int32
	var last simulate.Event
	twilio.Observe = func(e simulate.Event) {
		if inside.Add(1) != 1 {
			t.Error("Observe is called twice at once")
		}
		if e.At < last.At || e.Time.IsZero() || !strings.HasPrefix(e.CallSID, "CA") {
			t.Errorf("event %+v after %+v", e, last)
		}
		last = e
		inside.Add(-1)
	}
	var script []simulate.Step
	for i := range 20 {
		script = append(script, simulate.Say(fmt.Sprint(i)).WithoutWaiting())
	}
	place(t, twilio, append(script, simulate.AwaitReply(20, 0))...)
}

// Twilio's handshakes carry the signature header in lower case, which net/http hides.
func TestHandshakeHeaderOnTheWire(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	received := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			received <- err.Error()
			return
		}
		defer conn.Close()
		buffer := make([]byte, 4096)
		n, _ := conn.Read(buffer)
		received <- string(buffer[:n])
	}()
	twilio := simulate.Twilio{BaseURL: "http://" + listener.Addr().String(), AuthToken: token}
	if _, err := twilio.OpenRelay(t.Context(), "ws://"+listener.Addr().String()+"/twilio/relay", simulate.Setup{}); err == nil {
		t.Error("OpenRelay succeeded without an answer")
	}
	if got := <-received; !strings.Contains(got, "\r\nx-twilio-signature: ") || strings.Contains(got, "X-Twilio-Signature") {
		t.Errorf("handshake:\n%s", got)
	}
}
