package simulate_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
)

const setupOfStranger = `{"type":"setup","callSid":"CA2","customParameters":{"caller_known":"false"},"caller":{"known":false}}`

// reception starts a receptionist and sends the setup message.
func reception(tb testing.TB, setup string) *wire {
	tb.Helper()
	x := dial(tb, startRuntime(tb, simulate.RuntimeOptions{Behaviour: simulate.Receptionist}), nil)
	x.send(setup)
	return x
}

// asks says something as the caller.
func (x *wire) asks(text string) {
	b, err := json.Marshal(map[string]any{"type": "prompt", "voicePrompt": text, "lang": "en-US", "last": true})
	if err != nil {
		x.tb.Fatal(err)
	}
	x.send(string(b))
}

func TestReceptionistKnowsTheCaller(t *testing.T) {
	t.Parallel()
	const late = `{"type":"ringside.context","caller":{"known":true,"name":"Jamie Lee","email":"","notes":"","history":[]}}`
	onlyParameters := `{"type":"setup","customParameters":{"caller_name":"Alex Chen","caller_notes":"Prefers morning calls."}}`
	for name, test := range map[string]struct {
		messages []string
		asked    string
		want     string
	}{
		"all":        {[]string{setupWithCaller}, "Who am I?", "You are Alex Chen. Your e-mail address is alex@acme.io. My notes say: Prefers morning calls. Our last call was on 20 November 2026: Asked about pricing. All of this came with your call."},
		"parameters": {[]string{onlyParameters}, "What do you know about me?", "You are Alex Chen. My notes say: Prefers morning calls."},
		"stranger":   {[]string{setupOfStranger}, "Do you know me?", "I do not know you yet. What is your name, and what is your e-mail address?"},
		"late":       {[]string{setupOfStranger, late}, "Do you remember me?", "You are Jamie Lee."},
		"other":      {[]string{setupWithCaller}, "I would like a table.", "I have understood: I would like a table. Ask me what I know about you, or tell me your name and your e-mail address."},
		"bye":        {[]string{`{"type":"setup"}`, `{"type":"prompt","voicePrompt":"Who","last":false}`}, "Who am I?", "I do not know you yet. What is your name, and what is your e-mail address?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := reception(t, test.messages[0])
			for _, m := range test.messages[1:] {
				x.send(m)
			}
			x.asks(test.asked)
			if got := x.hears(); got != test.want {
				t.Errorf("answer = %q, want %q", got, test.want)
			}
		})
	}
}

func TestReceptionistCaptures(t *testing.T) {
	t.Parallel()
	const said = "My name is Sam Lee and my e-mail is sam at example dot com."
	tool := map[string]any{"type": "ringside.capture_contact", "id": "1", "name": "Sam Lee", "email": "sam@example.com"}
	for name, test := range map[string]struct{ result, want string }{
		"saved":       {`{"type":"ringside.result","id":"1","ok":true,"saved":["name","email"]}`, "Thank you, Sam Lee. I have your e-mail address as sam@example.com."},
		"read back":   {`{"type":"ringside.result","id":"1","ok":true,"needs_readback":true}`, "Thank you, Sam Lee. I have your e-mail address as sam@example.com. Is that right?"},
		"kept":        {`{"type":"ringside.result","id":"1","ok":true,"saved":["name"],"kept":["email"]}`, "Thank you, Sam Lee. I have another e-mail address for you, which stays as it is."},
		"bad address": {`{"type":"ringside.result","id":"1","ok":false,"needs_readback":true,"code":"invalid_email"}`, "I may have misheard your e-mail address: sam@example.com. Could you say it again?"},
		"not saved":   {`{"type":"ringside.result","id":"1","ok":false,"message":"pq: syntax error"}`, "I am sorry, I could not write that down. Could you say it again later?"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := reception(t, setupOfStranger)
			x.asks(said)
			if diff := cmp.Diff(tool, x.read()); diff != "" {
				t.Errorf("tool (-want +got):\n%s", diff)
			}
			x.send(`{"type":"ringside.result","id":"other","ok":true}`) // nobody's: must not be answered
			x.send(test.result)
			if got := x.hears(); got != test.want {
				t.Errorf("answer = %q, want %q", got, test.want)
			}
			x.send(test.result) // a repeat neither
			x.asks("Who am I?")
			if got, known := x.hears(), strings.Contains(test.result, `"ok":true`) && !strings.Contains(test.result, "kept"); strings.Contains(got, "sam@example.com") != known {
				t.Errorf("afterwards the agent says %q", got)
			}
		})
	}
}

func TestReceptionistSaysGoodbye(t *testing.T) {
	t.Parallel()
	x := reception(t, setupWithCaller)
	x.asks("Who am I?")
	x.hears()
	x.asks("Thanks, goodbye!")
	want := map[string]any{"type": "ringside.summary", "id": "1", "summary": "The caller asked what we know."}
	if diff := cmp.Diff(want, x.read()); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
	if got := x.hears(); got != "Goodbye, Alex Chen." {
		t.Errorf("the agent said %q", got)
	}
}

func TestReceptionistForgetsWhoItIsNot(t *testing.T) {
	t.Parallel()
	for _, said := range []string{"That's not me.", "Sorry, I’m not Alex.", "You have the wrong person"} {
		x := reception(t, setupWithCaller)
		x.asks(said)
		if m := x.read(); m["type"] != "ringside.not_me" {
			t.Errorf("%q: the agent sent %v", said, m)
		}
		x.hears()
		x.asks("Who am I?")
		if got := x.hears(); strings.Contains(got, "Alex") || strings.Contains(got, "morning") {
			t.Errorf("%q: the agent still says %q", said, got)
		}
	}
}

func TestReceptionistHandsOver(t *testing.T) {
	t.Parallel()
	x := reception(t, setupOfStranger)
	x.send(`{"type":"dtmf","digit":"0"}`)
	if got := x.hears(); got != "You pressed 0." {
		t.Errorf("the agent said %q", got)
	}
	x.asks("Can I speak to a person?")
	x.hears()
	m := x.read()
	if handoff, ok := m["handoffData"].(string); m["type"] != "end" || !ok || !json.Valid([]byte(handoff)) {
		t.Errorf("the agent sent %v", m)
	}
}

// The two parties talk to each other through a sidecar that passes frames on.
func TestTwilioMeetsRuntime(t *testing.T) {
	t.Parallel()
	runtime := startRuntime(t, simulate.RuntimeOptions{Behaviour: simulate.Receptionist, Secret: "s3cret"})
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect(`welcomeGreeting="Hello Alex"`, "")))
	s.onSocket(func(x *wire) {
		agent := dial(t, runtime, http.Header{"Authorization": {"Bearer s3cret"}})
		agent.send(setupWithCaller)
		done := make(chan struct{})
		go func() {
			defer close(done)
			passOn(agent.Conn, x.Conn)
			x.Close()
		}()
		passOn(x.Conn, agent.Conn)
		agent.Close()
		<-done
	})
	out := place(t, s.twilio(), simulate.Say("Who am I?"), simulate.Say("Bye."))
	if len(out.Heard) != 3 || !strings.HasPrefix(out.Heard[1], "You are Alex Chen.") || out.Heard[2] != "Goodbye, Alex Chen." {
		t.Errorf("Heard = %q, Alerts = %v", out.Heard, out.Alerts)
	}
	if !slices.Equal(codes(out.Alerts), []int{simulate.CodeRelayMessage}) { // the summary: this sidecar passes everything on
		t.Errorf("Alerts = %v", out.Alerts)
	}
	session, err := runtime.AwaitSession(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := url.Parse(runtime.URL()); err != nil || u.Scheme != "ws" || len(session.Messages("prompt")) != 2 {
		t.Errorf("URL = %q; the agent got %d prompts", runtime.URL(), len(session.Messages("prompt")))
	}
}

func passOn(from, to *websocket.Conn) {
	for {
		kind, frame, err := from.ReadMessage()
		if err != nil || to.WriteMessage(kind, frame) != nil {
			return
		}
	}
}
