package voice_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/voice"
)

// protocol is docs/agent-protocol.md.
type protocol struct {
	tb   testing.TB
	text string
}

func readProtocol(tb testing.TB) protocol {
	tb.Helper()
	return protocol{tb, string(must(os.ReadFile("../docs/agent-protocol.md"))(tb))}
}

var jsonBlock = regexp.MustCompile("<!-- ([a-z_]+: [a-z_]+) -->\n```json\n(?s:(.*?))```")

// example returns the JSON under a comment such as "example: note".
func (p protocol) example(name string) string {
	p.tb.Helper()
	for _, block := range jsonBlock.FindAllStringSubmatch(p.text, -1) {
		if block[1] == name {
			return block[2]
		}
	}
	p.tb.Fatalf("the page has no %s", name)
	return ""
}

// column returns the words in backquotes in the first column of the table whose first heading is head.
func (p protocol) column(head string) (words []string) {
	p.tb.Helper()
	_, table, found := strings.Cut(p.text, "\n| "+head+" |")
	if !found {
		p.tb.Fatalf("the page has no table that begins with %q", head)
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	for line := range strings.Lines(table[strings.Index(table, "\n| ---")+1:]) {
		cells := strings.Split(line, "|")
		if len(cells) < 3 {
			break
		}
		for _, word := range quoted.FindAllStringSubmatch(cells[1], -1) {
			words = append(words, word[1])
		}
	}
	slices.Sort(words)
	return words
}

// shape is a JSON value with its values replaced by their types, so that two can be compared for
// what a program can rely on.
func shape(tb testing.TB, text string) any {
	tb.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return shapeOf(v)
}

func shapeOf(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = shapeOf(v[name])
		}
		return v
	case []any:
		for i := range v {
			v[i] = shapeOf(v[i])
		}
		return v
	}
	return fmt.Sprintf("%T", v)
}

// The page's examples are what is really sent and answered.
func TestProtocolPageTellsTheTruth(t *testing.T) {
	t.Parallel()
	page := readProtocol(t)
	w := newWired(t, parts{noContact: true})
	const alex = "+14155551200"
	w.addContact(contacts.Draft{Name: "Alex Chen", Phone: alex, Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls"})
	// The page's history is of a day that may lie ahead of this machine's clock: it counts as ended.
	w.exec(`INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, contact_id, status, state_rank, started_at, ended_at, duration_s, summary)
		SELECT org_id, 'CAearlier', 'call', 'inbound', phone, '', phone, id, 'completed', 14, $1::timestamptz, least($1::timestamptz + interval '184 s', now() - interval '1 s'), 184, 'Asked about pricing' FROM contacts`,
		time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC))
	w.callFrom("CA00000000000000000000000000000001", alex)
	want := page.example("example: setup")
	if diff := cmp.Diff(shape(t, want), shape(t, string(w.setupRaw))); diff != "" {
		t.Errorf("setup (-page +sent):\n%s", diff)
	}
	var example struct {
		CustomParameters map[string]string `json:"customParameters"`
		Caller           json.RawMessage   `json:"caller"`
	}
	check(t, json.Unmarshal([]byte(want), &example))
	var got map[string]json.RawMessage
	check(t, json.Unmarshal(w.setupRaw, &got))
	if diff := cmp.Diff(compact(t, string(example.Caller)), string(got["caller"])); diff != "" {
		t.Errorf("caller (-page +sent):\n%s", diff)
	}
	example.CustomParameters["ringside"] = w.setup.CustomParameters["ringside"]
	if diff := cmp.Diff(example.CustomParameters, w.setup.CustomParameters); diff != "" {
		t.Errorf("custom parameters (-page +sent):\n%s", diff)
	}

	// A stranger's call, so that there is something to capture.
	w.callFrom(callSID("stranger"), stranger)
	for _, tool := range []string{"capture", "note", "summary", "not_me"} {
		w.runtime.send(page.example("example: " + tool))
		if diff := cmp.Diff(shape(t, page.example("result: "+tool)), shape(t, w.runtime.next())); diff != "" {
			t.Errorf("result of %s (-page +received):\n%s", tool, diff)
		}
	}
	if diff := cmp.Diff(compact(t, page.example("example: context")), w.runtime.next()); diff != "" {
		t.Errorf("context (-page +received):\n%s", diff)
	}
}

// compact returns JSON without the spaces that a page has for its readers.
func compact(tb testing.TB, text string) string {
	tb.Helper()
	var b bytes.Buffer
	check(tb, json.Compact(&b, []byte(strings.TrimSpace(text))))
	return b.String()
}

// The page's tables name exactly what there is, and its limits are the real ones.
func TestProtocolPageIsComplete(t *testing.T) {
	t.Parallel()
	page := readProtocol(t)
	w := newWired(t, parts{})
	w.call(callSID("complete"))
	var sent struct {
		CustomParameters map[string]any `json:"customParameters"`
		Caller           map[string]any `json:"caller"`
	}
	check(t, json.Unmarshal(w.setupRaw, &sent))
	for head, members := range map[string]map[string]any{"custom parameter": sent.CustomParameters, "`caller`": sent.Caller} {
		var names []string
		for name := range members {
			names = append(names, name)
		}
		slices.Sort(names)
		if diff := cmp.Diff(names, page.column(head)); diff != "" {
			t.Errorf("%s (-sent +page):\n%s", head, diff)
		}
	}
	// See TestToolFloodIsAnsweredBusy, the tools' own tests, and those of the events socket.
	codes := []string{"busy", "unavailable", "invalid_cursor", "not_found", "opted_out", "unverified", "twilio_refused", "conflict"}
	w.callFrom(callSID("withheld"), "anonymous")
	for _, message := range []string{`{"type":"ringside.capture_contact"}`, `{"type":"ringside.capture_contact","email":"x"}`, `{"type":"ringside.capture_contact","name":"Robin","other_phone":"1"}`,
		`{"type":"ringside.capture_contact","name":"Robin","other_phone":"` + dialled + `"}`, `{"type":"ringside.capture_contact","name":"Robin"}`, `{"type":"ringside.note","note":1}`, `{"type":"ringside.x"}`,
		`{"type":"ringside.send_sms"}`, `{"type":"ringside.send_sms","text":"` + strings.Repeat("x", 1601) + `"}`, `{"type":"ringside.send_sms","text":"Hi","to":"+12125550123"}`} {
		codes = append(codes, w.ask(message).Code)
	}
	slices.Sort(codes)
	if diff := cmp.Diff(codes, page.column("code")); diff != "" {
		t.Errorf("codes (-answered +page):\n%s", diff)
	}
	seconds := func(d time.Duration) string { return fmt.Sprintf("%d seconds", int(d.Seconds())) }
	timing := w.Timing()
	for _, limit := range []string{
		fmt.Sprintf("| a message, either way | %d MiB;", voice.MessageLimit>>20),
		fmt.Sprintf("| %d; more are answered `busy`", voice.ToolsInFlight),
		fmt.Sprintf("| connections of one call | %d |", voice.MaxAttempts),
		"within " + seconds(timing.Dial), "one comes every " + seconds(timing.Ping),
		"| a message that you do not read | " + seconds(timing.Write), "| silence, with no answer to pings | " + seconds(timing.Silence),
	} {
		if !strings.Contains(page.text, limit) {
			t.Errorf("the page does not say: %s", limit)
		}
	}
}
