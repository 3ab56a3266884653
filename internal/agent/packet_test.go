package agent_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"ringside/internal/agent"
	"ringside/recognize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// alex is the caller of the design's example.
func alex() recognize.Caller {
	return recognize.Caller{Known: true, Source: "contact", Name: "Alex Chen", Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls",
		History:       []recognize.HistoryItem{{At: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Kind: "call", Direction: "inbound", DurationS: 184, Summary: "Asked about pricing"}},
		GreetedByName: true}
}

// The object of the design, member for member.
const alexObject = `{"known":true,"source":"contact","name":"Alex Chen","email":"alex@acme.io","tags":["vip"],"notes":"Prefers morning calls",` +
	`"campaign":null,"history":[{"at":"2026-11-20T10:00:00Z","kind":"call","direction":"inbound","duration_s":184,"summary":"Asked about pricing"}],` +
	`"greeted_by_name":true}`

const alexParameters = `"caller_known":"true","caller_name":"Alex Chen","caller_email":"alex@acme.io","caller_notes":"Prefers morning calls","caller_context":`

func TestAddCaller(t *testing.T) {
	t.Parallel()
	c := alex()
	context, err := json.Marshal(c.Context())
	if err != nil {
		t.Fatal(err)
	}
	added := alexParameters + string(context)
	for name, test := range map[string]struct{ setup, want string }{
		"with parameters": {`{"type":"setup","customParameters":{"ctx":"k3"},"x":1}`,
			`{"type":"setup","customParameters":{"ctx":"k3",` + added + `},"x":1,"caller":` + alexObject + `}`},
		"with none": {`{"type":"setup","customParameters":{}}`, `{"type":"setup","customParameters":{` + added + `},"caller":` + alexObject + `}`},
		"with spaces": {"{ \"type\" : \"setup\",\n \"customParameters\" : { \"ctx\" : \"k3\" } \n}\n",
			"{ \"type\" : \"setup\",\n \"customParameters\" : { \"ctx\" : \"k3\" ," + added + "} \n,\"caller\":" + alexObject + "}\n"},
		"without the member": {`{"type":"setup"}`, `{"type":"setup","customParameters":{` + added + `},"caller":` + alexObject + `}`},
		"braces in texts": {`{"a":"}{","customParameters":{"}":"\"}"},"z":"}"}`,
			`{"a":"}{","customParameters":{"}":"\"}",` + added + `},"z":"}","caller":` + alexObject + `}`},
		"a member of the same name deeper": {`{"a":{"customParameters":{"x":"y"}},"customParameters":{}}`,
			`{"a":{"customParameters":{"x":"y"}},"customParameters":{` + added + `},"caller":` + alexObject + `}`},
	} {
		got, err := agent.AddCaller([]byte(test.setup), c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(test.want, string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Of a stranger everything is there and empty: a prompt's template never meets a missing variable.
func TestAddUnknownCaller(t *testing.T) {
	t.Parallel()
	got, err := agent.AddCaller([]byte(`{"type":"setup","customParameters":{}}`), recognize.Unknown())
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"type":"setup","customParameters":{"caller_known":"false","caller_name":"","caller_email":"","caller_notes":"","caller_context":""},` +
		`"caller":{"known":false,"source":"","name":"","email":"","tags":[],"notes":"","campaign":null,"history":[],"greeted_by_name":false}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAddCallerToWhatIsNoObject(t *testing.T) {
	t.Parallel()
	for _, setup := range []string{"", " ", "null", "1", `"x"`, "[]", "{", `{"a"`, `{"a":`, `{"a":}`, `{"a":1`, "{}", "setup"} {
		if got, err := agent.AddCaller([]byte(setup), alex()); err == nil {
			t.Errorf("%q became %s", setup, got)
		}
	}
}

// FuzzAddCaller: Twilio's own members stay byte for byte, in their order, and what comes out is JSON
// with the caller in it.
func FuzzAddCaller(f *testing.F) {
	for _, seed := range []string{`{"type":"setup","customParameters":{"ctx":"k3"},"x":1}`, `{"type":"setup"}`, `{"customParameters":null}`, `{"customParameters":[]}`,
		`{"customParameters":{},"customParameters":{"a":"b"}}`, `{"\u0063ustomParameters":{"a":"b"}}`, "{\"a\":\"\\u2028<&>\xff\"}", `{"caller":1}`, `{"a":{"b":{"customParameters":{}}}}`,
		" {\t\"a\" :1.0e5 ,\"customParameters\" : { } } "} {
		f.Add([]byte(seed), "Alex \"Chen\"", "notes\n<b>")
	}
	f.Fuzz(func(t *testing.T, setup []byte, name, notes string) {
		c := recognize.Caller{Known: true, Name: name, Notes: notes, Tags: []string{}, History: []recognize.HistoryItem{}}
		got, err := agent.AddCaller(setup, c)
		if !json.Valid(setup) {
			return
		}
		var sent map[string]json.RawMessage
		if json.Unmarshal(setup, &sent) != nil || len(sent) == 0 {
			if err == nil {
				t.Errorf("%q became %q", setup, got)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", setup, err)
		}
		var received map[string]json.RawMessage
		if err := json.Unmarshal(got, &received); err != nil {
			t.Fatalf("%q became %q: %v", setup, got, err)
		}
		for member, value := range sent {
			if member != "caller" && member != "customParameters" && !bytes.Equal(value, received[member]) {
				t.Errorf("%q: %s became %s", setup, value, received[member])
			}
		}
		// Without what was added, it is what was sent.
		if !subsequence(setup, got) {
			t.Errorf("%q is not all in %q", setup, got)
		}
		var caller recognize.Caller
		if err := json.Unmarshal(received["caller"], &caller); err != nil || !caller.Known || !sameText(caller.Name, name) {
			t.Errorf("caller %q came as %s, %v", name, received["caller"], err)
		}
		var before, after map[string]any
		if err := json.Unmarshal(received["customParameters"], &after); err != nil {
			t.Fatalf("%q: %v", received["customParameters"], err)
		}
		if got, ok := after["caller_notes"].(string); !ok || !sameText(got, notes) {
			t.Errorf("notes %q came as %q", notes, got)
		}
		if json.Unmarshal(sent["customParameters"], &before) == nil {
			for parameter, value := range before {
				if !strings.HasPrefix(parameter, "caller_") && !cmp.Equal(after[parameter], value) {
					t.Errorf("parameter %q: %v became %v", parameter, value, after[parameter])
				}
			}
		}
	})
}

// sameText reports whether JSON carried a text: invalid bytes become U+FFFD each.
func sameText(got, sent string) bool {
	b, err := json.Marshal(sent)
	var want string
	return err == nil && json.Unmarshal(b, &want) == nil && got == want
}

// subsequence reports whether all bytes of part occur in whole, in order.
func subsequence(part, whole []byte) bool {
	for _, c := range whole {
		if len(part) > 0 && part[0] == c {
			part = part[1:]
		}
	}
	return len(part) == 0
}

func TestContextMessage(t *testing.T) {
	t.Parallel()
	got, err := agent.ContextMessage(alex())
	if want := `{"type":"ringside.context","caller":` + alexObject + `}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}

func TestParseMessage(t *testing.T) {
	t.Parallel()
	for frame, want := range map[string]agent.Message{
		`{"type":"ringside.note","id":"7","note":"n"}`:                                             {Type: "ringside.note", ID: json.RawMessage(`"7"`), Note: "n"},
		" {\n\"note\":\"n\",\"id\": 7 ,\"type\":\"ringside.note\"} ":                               {Type: "ringside.note", ID: json.RawMessage("7"), Note: "n"},
		`{"type":"ringside.capture_contact","name":"a","email":"b","notes":"c","other_phone":"d"}`: {Type: "ringside.capture_contact", Name: "a", Email: "b", Notes: "c", OtherPhone: "d"},
		`{"type":"ringside.x","unknown":{"a":1}}`:                                                  {Type: "ringside.x"},
		`{"type":"ringside\u002enote"}`:                                                            {Type: "ringside.note"},
	} {
		m, ours, err := agent.ParseMessage([]byte(frame))
		if !ours || err != nil {
			t.Errorf("%s: ours = %t, %v", frame, ours, err)
		}
		if diff := cmp.Diff(want, m); diff != "" {
			t.Errorf("%s (-want +got):\n%s", frame, diff)
		}
	}
	for _, frame := range []string{"", "ringside.note", `"ringside.note"`, `["ringside.note"]`, `{"token":"ringside.note"}`, `{"type":"text","token":"ringside.note"}`,
		`{"type":"ringside"}`, `{"type":"xringside.note"}`, `{"type":"ringside.note"`, `{"type":["ringside.note"]}`, `{"a":{"type":"ringside.note"}}`} {
		if m, ours, err := agent.ParseMessage([]byte(frame)); ours || err != nil {
			t.Errorf("%s is taken for %+v, %v", frame, m, err)
		}
	}
	m, ours, err := agent.ParseMessage([]byte(`{"type":"ringside.note","id":{"a":1},"note":5}`))
	if !ours || err == nil || err.Error() != `"note" must be a string, and is of type number` {
		t.Errorf("a number for a note: ours = %t, %v", ours, err)
	}
	if diff := cmp.Diff(agent.Message{Type: "ringside.note", ID: json.RawMessage(`{"a":1}`)}, m); diff != "" {
		t.Errorf("malformed (-want +got):\n%s", diff)
	}
}

// An ordinary frame costs no allocation.
func TestOrdinaryFramesCostNothing(t *testing.T) {
	frame := []byte(`{"type":"text","token":"Hello there, how are you today? ","last":false}`)
	n := testing.AllocsPerRun(100, func() {
		if _, ours, err := agent.ParseMessage(frame); ours || err != nil {
			t.Error("taken for ours")
		}
	})
	if n != 0 {
		t.Errorf("%g allocations", n)
	}
}

func BenchmarkAddCaller(b *testing.B) {
	setup := []byte(`{"type":"setup","sessionId":"VX00000000000000000000000000000001","accountSid":"AC00000000000000000000000000000001","callSid":"CA00000000000000000000000000000001","from":"+14155550123","to":"+12125550199","customParameters":{"ringside":"AAGcFYQfnGu1_IuOZ69YhuTd"}}`)
	c := alex()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := agent.AddCaller(setup, c); err != nil {
			b.Fatal(err)
		}
	}
}
