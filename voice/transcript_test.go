package voice_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/org"
)

// said is one line of a transcript.
type said struct{ Who, Text string }

// transcript returns what is kept of a call's sessions, in the order of their ids.
func (e *edge) transcript(sid string) (lines []said) {
	e.tb.Helper()
	raw := value[string](e, `SELECT coalesce(jsonb_agg(line ORDER BY session_id, at), '[]')::text
		FROM transcripts, jsonb_array_elements(lines) WITH ORDINALITY AS l(line, at) WHERE sid = $1`, sid)
	var kept []ledger.Line
	check(e.tb, json.Unmarshal([]byte(raw), &kept))
	last := time.Time{}
	for _, l := range kept {
		if l.At.Before(last.Add(-time.Second)) || time.Since(l.At) > time.Minute {
			e.tb.Errorf("line %+v is out of time", l)
		}
		last = l.At
		lines = append(lines, said{l.Who, l.Text})
	}
	return lines
}

func TestTranscriptIsKept(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	sid := callSID("kept")
	w.call(sid)
	// One side after the other, so that the order is certain.
	fromTwilio := func(text string) { w.twilio.send(text); w.runtime.next() }
	fromRuntime := func(text string) { w.runtime.send(text); w.twilio.next() }
	fromTwilio(`{"type":"prompt","voicePrompt":"Hi, I'd like","lang":"en-US","last":false}`)
	fromTwilio(`{"type":"prompt","voicePrompt":"Hi, I'd like to move my appointment.","lang":"en-US","last":true}`)
	for _, token := range []string{"Sure", ", ", "I can ", "do that. "} {
		fromRuntime(`{"type":"text","token":"` + token + `"}`)
	}
	fromRuntime(`{"type":"text","token":"","last":true}`)
	fromRuntime(`{"type":"text","token":"Which day suits you best?","last":true}`)
	fromTwilio(`{"type":"interrupt","utteranceUntilInterrupt":"Which day","durationUntilInterruptMs":460}`)
	fromTwilio(`{"type":"prompt","voicePrompt":"Friday.","lang":"en-US"}`) // without last it is whole
	fromRuntime(`{"type":"text","token":"Friday \u0000it "}`)
	fromRuntime(`{"type":"text","token":"is","last":false}`)
	fromTwilio(`{"type":"dtmf","digit":"1"}`)
	fromRuntime(`{"type":"play","source":"https://example.com/text.mp3"}`)
	fromTwilio(`{"type":"prompt","voicePrompt":"  ","last":true}`)
	fromRuntime(`{"type":"text","token":`)
	fromTwilio(`{"type":"info","name":"tokensPlayed","value":"prompt \"prompt\""}`)
	w.hangUp(sid, jane)
	want := []said{{"agent", greetedJane}, {"caller", "Hi, I'd like to move my appointment."}, {"agent", "Sure, I can do that."},
		{"agent", "Which day —"}, {"caller", "Friday."}, {"agent", "Friday it is"}}
	if diff := cmp.Diff(want, w.transcript(sid)); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

// What the caller heard of an interrupted utterance takes its place; what cannot be found is left.
func TestTranscriptOfInterruptions(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	for i, test := range []struct {
		said, heard string
		want        []said
	}{
		{`{"type":"text","token":"One two three","last":true}`, "One two", []said{{"agent", "One two —"}}},
		{`{"type":"text","token":"One two three"}`, "One", []said{{"agent", "One —"}}}, // in the middle of a talk cycle
		{`{"type":"text","token":"One two three","last":true}`, "Something else", []said{{"agent", "One two three"}}},
		{`{"type":"text","token":"One two three","last":true}`, "", []said{{"agent", "One two three"}}},
		{`{"type":"text","token":"One two three","last":true}`, "One two three", []said{{"agent", "One two three —"}}},
		{`{"type":"play","source":"x"}`, "Hello", nil}, // the greeting itself is interrupted
	} {
		sid := callSID("cut" + string(rune('a'+i)))
		w.call(sid)
		w.runtime.send(test.said)
		w.twilio.next()
		w.twilio.send(fmt.Sprintf(`{"type":"interrupt","utteranceUntilInterrupt":%q,"durationUntilInterruptMs":1}`, test.heard))
		w.runtime.next()
		w.hangUp(sid, jane)
		got := w.transcript(sid)
		want := append([]said{{"agent", greetedJane}}, test.want...)
		if test.want == nil {
			want[0].Text = test.heard + " —"
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s heard as %q (-want +got):\n%s", test.said, test.heard, diff)
		}
	}
}

// Without keep_transcript nothing of what was said is kept.
func TestTranscriptSwitchedOff(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{agent: func(a *org.Agent) { a.KeepTranscript = false }})
	sid := callSID("off")
	w.call(sid)
	w.twilio.send(sample(t, "cr_in_prompt_final.json"))
	w.runtime.next()
	w.runtime.send(sample(t, "cr_out_text_last.json"))
	w.twilio.next()
	w.twilio.send(sample(t, "cr_in_interrupt.json"))
	w.runtime.next()
	w.hangUp(sid, jane)
	if n := value[int](w.edge, `SELECT count(*) FROM transcripts`); n != 0 {
		t.Errorf("%d transcripts", n)
	}
	if got := value[string](w.edge, `SELECT jsonb_agg(to_jsonb(i))::text FROM interactions i WHERE sid = $1`, sid); strings.Contains(got, "appointment") {
		t.Errorf("what was said is kept elsewhere: %s", got)
	}
}

// However much is said, a transcript stays bounded.
func TestTranscriptIsBounded(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	sid := callSID("bounded")
	w.call(sid)
	long := strings.Repeat("ü", 3000)
	w.twilio.send(`{"type":"prompt","voicePrompt":"` + long + `","last":true}`)
	w.runtime.next()
	for range 3 {
		w.runtime.send(`{"type":"text","token":"` + long + `"}`)
		w.twilio.next()
	}
	go func() {
		for range 2500 {
			if w.twilio.WriteMessage(1, []byte(`{"type":"prompt","voicePrompt":"x","last":true}`)) != nil {
				return
			}
		}
	}()
	for range 2500 {
		w.runtime.next()
	}
	w.hangUp(sid, jane)
	lines := w.transcript(sid)
	if len(lines) != 2000 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if len(l.Text) > 4000 || !strings.HasPrefix(long, l.Text) && l.Text != "x" && l.Text != greetedJane {
			t.Fatalf("a line of %d bytes: %.40s…", len(l.Text), l.Text)
		}
	}
}
