package simulate_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
)

// record keeps what Twilio sends and answers final prompts.
func record(into chan<- map[string]any) func(*wire) {
	return func(x *wire) {
		defer close(into)
		for m := x.read(); m != nil; m = x.read() {
			into <- m
			if m["type"] == "prompt" && m["last"] == true {
				x.send(`{"type":"text","token":"Sure, I can ","last":false}`)
				x.send(`{"type":"text","token":"move that to","last":true}`)
			}
		}
	}
}

func sampleJSON(tb testing.TB, name string) map[string]any {
	tb.Helper()
	var m map[string]any
	if err := json.Unmarshal(sample(tb, name), &m); err != nil {
		tb.Fatal(err)
	}
	return m
}

// Every step sends what Twilio's samples hold.
func TestSteps(t *testing.T) {
	t.Parallel()
	const on = `dtmfDetection="true" partialPrompts="true"`
	final, part, pressed := sampleJSON(t, "cr_in_prompt_final.json"), sampleJSON(t, "cr_in_prompt_partial.json"), sampleJSON(t, "cr_in_dtmf.json")
	cut := sampleJSON(t, "cr_in_interrupt.json")
	spoken, begun := final["voicePrompt"].(string), part["voicePrompt"].(string)
	german := map[string]any{"type": "prompt", "voicePrompt": "Hallo", "lang": "de-DE", "last": true}
	for name, test := range map[string]struct {
		attributes string
		steps      []simulate.Step
		want       []map[string]any
	}{
		"say":               {"", []simulate.Step{simulate.Say(spoken)}, []map[string]any{final}},
		"say in language":   {"", []simulate.Step{simulate.Say("Hallo").In("de-DE")}, []map[string]any{german}},
		"TwiML's language":  {`language="de-DE"`, []simulate.Step{simulate.Say("Hallo")}, []map[string]any{german}},
		"STT's language":    {`language="en-US" transcriptionLanguage="de-DE"`, []simulate.Step{simulate.Say("Hallo")}, []map[string]any{german}},
		"not waiting":       {"", []simulate.Step{simulate.Say(spoken).WithoutWaiting(), simulate.AwaitReply(1, 0)}, []map[string]any{final}},
		"partial":           {on, []simulate.Step{simulate.Partial(begun)}, []map[string]any{part}},
		"partial unasked":   {"", []simulate.Step{simulate.Partial(begun)}, nil},
		"in parts":          {on, []simulate.Step{simulate.Say("Hi, you").InParts()}, []map[string]any{{"type": "prompt", "voicePrompt": "Hi,", "lang": "en-US", "last": false}, {"type": "prompt", "voicePrompt": "Hi, you", "lang": "en-US", "last": true}}},
		"in parts unasked":  {"", []simulate.Step{simulate.Say(spoken).InParts()}, []map[string]any{final}},
		"press":             {on, []simulate.Step{simulate.Press("1#")}, []map[string]any{pressed, {"type": "dtmf", "digit": "#"}}},
		"press unasked":     {"", []simulate.Step{simulate.Press("1")}, nil},
		"interrupt":         {"", []simulate.Step{simulate.Say(spoken), simulate.Interrupt("")}, []map[string]any{final, cut}},
		"interrupt with":    {`interruptible="speech"`, []simulate.Step{simulate.Interrupt("Sure, I can move that to")}, []map[string]any{cut}},
		"uninterruptible":   {`interruptible="dtmf"`, []simulate.Step{simulate.Interrupt("x")}, nil},
		"raw":               {"", []simulate.Step{simulate.SendRaw(`{"type":"new"}`)}, []map[string]any{{"type": "new"}}},
		"wait":              {"", []simulate.Step{simulate.Wait(time.Hour)}, nil},
		"hang up":           {"", []simulate.Step{simulate.Hangup(), simulate.Say("never")}, nil},
		"nothing to do":     {"", nil, nil},
		"reply never comes": {on, []simulate.Step{simulate.AwaitReply(1, time.Millisecond), simulate.Press("1")}, []map[string]any{pressed}},
		"end never comes":   {on, []simulate.Step{simulate.AwaitEnd(time.Millisecond), simulate.Press("1")}, []map[string]any{pressed}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", twiml(s.connect(test.attributes, "")))
			got := make(chan map[string]any, 10)
			s.onSocket(record(got))
			out := place(t, s.twilio(), test.steps...)
			var messages []map[string]any
			for m := range got {
				if m["type"] == "interrupt" {
					m["durationUntilInterruptMs"] = cut["durationUntilInterruptMs"]
				}
				messages = append(messages, m)
			}
			if diff := cmp.Diff(test.want, messages); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
			if end := out.Sessions[0]; end.Status != simulate.SessionCompleted {
				t.Errorf("session = %+v", end)
			}
		})
	}
}

func TestSetupIsTwilios(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", `<Parameter name="ctx" value="k3v9Qh2mT0aZ"/>`)))
	setups := make(chan map[string]any, 1)
	s.onSocket(func(x *wire) { setups <- x.setup; hold(x) })
	out, err := s.twilio().Place(t.Context(), simulate.Call{SID: "CA00000000000000000000000000000001", From: caller, To: dialled})
	if err != nil {
		t.Fatal(err)
	}
	want := sampleJSON(t, "cr_in_setup.json")
	want["sessionId"] = out.SessionIDs[0]
	if diff := cmp.Diff(want, <-setups); diff != "" {
		t.Errorf("setup (-Twilio +simulated):\n%s", diff)
	}
}

// What the sidecar does to a session decides how it ends and what the action is told.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	ten := func(x *wire) {
		for range 10 {
			x.send(`{"type":"ringside.result"}`)
		}
		for x.read() != nil {
		}
	}
	reset := func(x *wire) { x.NetConn().Close() }
	for name, test := range map[string]struct {
		session   func(*wire)
		status    string
		code      int
		closeCode int
		handoff   string
	}{
		"end":     {func(x *wire) { x.send(string(sample(t, "cr_out_end.json"))); hold(x) }, "ended", 0, 0, ""},
		"handoff": {func(x *wire) { x.send(string(sample(t, "cr_out_end_handoff.json"))); hold(x) }, "ended", 0, 0, sampleForm(t, "cr_action_ended.form").Get("HandoffData")},
		"lost":    {reset, "failed", simulate.CodeRelayNetwork, 0, ""},
		"closed": {func(x *wire) {
			x.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(1011, "agent gone"))
			hold(x)
		}, "failed", simulate.CodeRelayClosed, 1011, ""},
		"ten unknown": {ten, "failed", simulate.CodeRelayClosed, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSidecar(t)
			s.on("/twilio/voice", twiml(s.connect("", "")))
			s.on("/twilio/voice/after", twiml(`<Response><Say>After</Say></Response>`))
			s.onSocket(test.session)
			out := place(t, s.twilio(), simulate.AwaitEnd(time.Minute))
			end := out.Sessions[0]
			if end.Status != test.status || end.ErrorCode != test.code || end.CloseCode != test.closeCode || end.HandoffData != test.handoff {
				t.Errorf("session = %+v", end)
			}
			form := s.got("/twilio/voice/after")[0].Form
			if form.Get("SessionStatus") != test.status || form.Get("HandoffData") != test.handoff || form.Get("CallStatus") != "in-progress" ||
				(test.code != 0 && form.Get("ErrorCode") != fmt.Sprint(test.code)) {
				t.Errorf("after = %v", form)
			}
			if !slices.Equal(out.Spoken, []string{"After"}) {
				t.Errorf("Spoken = %q", out.Spoken)
			}
		})
	}
}

func TestSocketRefused(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", "")))
	s.on("/twilio/relay", status(403))
	out := place(t, s.twilio(), simulate.Say("Hi"))
	if !slices.Equal(codes(out.Alerts), []int{simulate.CodeRelayConnect}) || out.Alerts[0].Status != 403 || out.StepsLeft != 1 {
		t.Errorf("Alerts = %v, StepsLeft = %d", out.Alerts, out.StepsLeft)
	}
	if form := s.got("/twilio/voice/after")[0].Form; form.Get("SessionStatus") != "failed" || form.Get("ErrorCode") != "64102" {
		t.Errorf("after = %v", form)
	}
}

// Twilio answers what is not valid with an error message and goes on.
func TestSessionRefusesMessages(t *testing.T) {
	t.Parallel()
	valid := []string{`{"type":"text","token":"","last":true,"new":1}`, `{"type":"hints","hints":"x"}`, `{"type":"config"}`}
	for _, name := range []string{"cr_out_text_last", "cr_out_text_partial", "cr_out_play", "cr_out_send_digits", "cr_out_language"} {
		valid = append(valid, string(sample(t, name+".json")))
	}
	invalid := []string{
		`{"type":"text"}`, `{"type":"text","token":null}`, `{"type":"text","token":1}`, `{"type":"text","token":"a","last":"true"}`,
		`{"type":"text","token":"a","interruptible":"any"}`, `{"type":"play"}`, `{"type":"play","source":"x","loop":"1"}`,
		`{"type":"sendDigits","digits":"12a"}`, `{"type":"sendDigits"}`, `{"type":"language"}`, `{"type":"end","handoffData":{}}`,
		`{"type":"Text","token":"a"}`, `{"Type":"text","token":"a"}`, `{"type":"ringside.capture_contact"}`, `{}`, `[]`, `null`, `hello`, ``, "\"\xff\"",
	}
	s := newSidecar(t)
	complaints := make(chan int, 1)
	s.onSocket(func(x *wire) {
		n := 0
		for i, frame := range invalid {
			x.send(frame)
			if m := x.read(); m["type"] == "error" && strings.HasPrefix(m["description"].(string), "Invalid message received: ") {
				n++
			}
			x.send(valid[i%len(valid)]) // ends the row of unidentified messages
		}
		x.WriteMessage(websocket.BinaryMessage, []byte(`{"type":"text","token":"a","last":true}`))
		if m := x.read(); m["type"] == "error" {
			n++
		}
		complaints <- n
		x.say("done")
		hold(x)
	})
	session, err := s.twilio().OpenRelay(t.Context(), strings.Replace(s.URL, "http", "ws", 1)+"/twilio/relay", simulate.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Hangup()
	if got, want := <-complaints, len(invalid)+1; got != want {
		t.Errorf("%d of %d messages refused", got, want)
	}
	if replies, err := session.AwaitReplies(t.Context(), 7); err != nil || replies[len(replies)-1].Text != "done" {
		t.Errorf("replies = %+v, %v", replies, err)
	}
	if got, want := len(session.Frames()), 2*len(invalid)+2; got != want {
		t.Errorf("%d frames kept, want %d", got, want)
	}
	for _, a := range session.Alerts() {
		if a.Code != simulate.CodeRelayMessage {
			t.Errorf("alert = %v", a)
		}
	}
}

func TestOpenRelay(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.onSocket(echo)
	target := strings.Replace(s.URL, "http", "ws", 1) + "/twilio/relay"
	session, err := s.twilio().OpenRelay(t.Context(), target, simulate.Setup{CallSID: "CA1", CustomParameters: map[string]string{"ctx": "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Prompt("Hi", "en-US"); err != nil {
		t.Fatal(err)
	}
	if replies, err := session.AwaitReplies(t.Context(), 1); err != nil || replies[0].Text != "You said: Hi" || replies[0].Tokens != 1 {
		t.Errorf("replies = %+v, %v", replies, err)
	}
	if err := session.Send(map[string]any{"type": "prompt", "voicePrompt": "Bye", "last": true}); err != nil {
		t.Fatal(err)
	}
	if replies, err := session.AwaitReplies(t.Context(), 2); err != nil || replies[1].Text != "You said: Bye" {
		t.Errorf("replies = %+v, %v", replies, err)
	}
	session.Hangup()
	if err := session.Prompt("Still there?", "en-US"); !errors.Is(err, simulate.ErrSessionOver) {
		t.Errorf("Prompt after the end: %v", err)
	}
	if _, err := session.AwaitReplies(t.Context(), 3); !errors.Is(err, simulate.ErrSessionOver) {
		t.Errorf("AwaitReplies after the end: %v", err)
	}
	if end, over := session.End(); !over || end.Status != simulate.SessionCompleted || end.SessionID != session.Setup.SessionID {
		t.Errorf("End = %+v, %v", end, over)
	}
}

func TestOpenRelayForged(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.onSocket(echo)
	target := strings.Replace(s.URL, "http", "ws", 1) + "/twilio/relay"
	for name, mod := range map[string]simulate.Mod{
		"forged":   simulate.WithHeader(simulate.SignatureHeader, "AAAA"),
		"unsigned": simulate.WithoutHeader(simulate.SignatureHeader),
	} {
		session, err := s.twilio().OpenRelay(t.Context(), target, simulate.Setup{}, mod)
		failure, ok := errors.AsType[*simulate.Error](err)
		if session != nil || !ok || failure.Code != simulate.CodeRelayConnect || failure.Status != 403 {
			t.Errorf("%s: OpenRelay = %v, %v", name, session, err)
		}
	}
}

// The end of the context is a network loss, during the handshake and after it.
func TestOpenRelayEndsWithContext(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.onSocket(hold)
	target := strings.Replace(s.URL, "http", "ws", 1) + "/twilio/relay"
	ctx, cancel := context.WithCancel(t.Context())
	session, err := s.twilio().OpenRelay(ctx, target, simulate.Setup{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	<-session.Done()
	if end, _ := session.End(); end.ErrorCode != simulate.CodeRelayNetwork {
		t.Errorf("End = %+v", end)
	}

	ctx, cancel = context.WithCancel(t.Context())
	s.on("/twilio/slow", func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	s.onSocket(nil)
	if _, err := s.twilio().OpenRelay(ctx, strings.Replace(target, "relay", "slow", 1), simulate.Setup{}); err == nil {
		t.Error("the handshake outlived its context")
	}
}

func TestSilenceIsTold(t *testing.T) {
	t.Parallel()
	s := newSidecar(t)
	s.on("/twilio/voice", twiml(s.connect("", "")))
	s.onSocket(hold)
	twilio := s.twilio()
	twilio.ReplyTimeout = time.Millisecond
	var kinds []simulate.Kind
	twilio.Observe = func(e simulate.Event) { kinds = append(kinds, e.Kind) }
	out := place(t, twilio, simulate.Say("Anybody?"), simulate.Say("Hello?").Within(2*time.Millisecond))
	if len(out.Turns) != 2 || out.Turns[0].Answered || out.Turns[1].Answered || len(out.Replies) != 0 {
		t.Errorf("Turns = %+v", out.Turns)
	}
	if n := len(slices.DeleteFunc(kinds, func(k simulate.Kind) bool { return k != simulate.KindSilence })); n != 2 {
		t.Errorf("%d silences told, want 2", n)
	}
}
