package voice_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"ringside/internal/agent"
	"ringside/recognize"
	"ringside/voice"
)

// FuzzRelayFrames: whatever comes over a socket, it is read without harm. A message is for Ringside
// if, and only if, it is JSON whose type says so; a transcript stays bounded and can be stored.
func FuzzRelayFrames(f *testing.F) {
	for _, frame := range oddFrames(f, "cr_") {
		f.Add([]byte(frame.Data), true)
		f.Add([]byte(frame.Data), false)
	}
	for _, message := range []string{`{"type":"ringside.capture_contact","id":"1","name":"Robin","email":"robin@example.com"}`, `{"type":"ringside.note","note":5,"id":[1]}`,
		`{"TYPE":"ringside.x"}`, `{"type":"\u0072ingside.note"}`, `{"type":"ringside.note","type":"text","token":"x"}`, `[{"type":"ringside.note"}]`, "{\"type\":\"ringside.\xff\"}"} {
		f.Add([]byte(message), false)
	}
	f.Fuzz(func(t *testing.T, frame []byte, fromCaller bool) {
		before := slices.Clone(frame)
		m, ours, err := agent.ParseMessage(frame)
		var head struct {
			Type string `json:"type"`
		}
		if want := json.Unmarshal(frame, &head) == nil && strings.HasPrefix(head.Type, "ringside."); ours != want {
			t.Errorf("%q: ours = %t", frame, ours)
		}
		if ours && m.Type != head.Type {
			t.Errorf("%q: type %q, want %q", frame, m.Type, head.Type)
		}
		if !ours && (err != nil || m.Type != "") {
			t.Errorf("%q is not ours, but came as %+v, %v", frame, m, err)
		}
		if ours && !json.Valid(agent.Busy(m)) {
			t.Errorf("%q is answered with what is no JSON: %s", frame, agent.Busy(m))
		}
		if added, err := agent.AddCaller(frame, recognize.Unknown()); err == nil && json.Valid(frame) && !json.Valid(added) {
			t.Errorf("%q with a caller is no JSON: %q", frame, added)
		}
		lines := voice.TranscriptOf(voice.Heard{FromCaller: fromCaller, Message: frame}, voice.Heard{Message: []byte(`{"type":"text","token":"and","last":true}`)},
			voice.Heard{FromCaller: !fromCaller, Message: frame}, voice.Heard{FromCaller: fromCaller, Message: frame})
		for _, l := range lines {
			if l.Text == "" || !utf8.ValidString(l.Text) || strings.ContainsRune(l.Text, 0) || len(l.Text) > 4010 || l.Who != "caller" && l.Who != "agent" {
				t.Errorf("%q: line %+v", frame, l)
			}
		}
		if !bytes.Equal(before, frame) {
			t.Errorf("the frame was changed from %q to %q", before, frame)
		}
	})
}
