package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
)

const jane = phone.Number("+14155550123")

// desk is the tools on a real address book, with what they record and remember kept at hand.
type desk struct {
	*agent.Tools
	tb   testing.TB
	call agent.Call

	mu     sync.Mutex
	events []*ledger.Event
	marks  map[string]string
	fail   error // of the recorder
	log    strings.Builder
}

func newDesk(tb testing.TB) *desk {
	tb.Helper()
	pool := pgtest.New(tb)
	o, err := org.NewStore(pool).CreateOrg(tb.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		tb.Fatal(err)
	}
	d := &desk{tb: tb, marks: map[string]string{}}
	d.call = agent.Call{Org: o, SID: "CA1", Direction: "inbound", From: string(jane), To: "+12125550199", Party: jane, StartedAt: time.Now(), Trusted: true}
	d.Tools = &agent.Tools{Book: contacts.NewBook(pool, contacts.NoFence{}), Recorder: d, Marks: d, Log: slog.New(slog.NewTextHandler(&d.log, nil))}
	return d
}

func (d *desk) Record(ctx context.Context, e *ledger.Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
	return errors.Join(d.fail, ctx.Err())
}

func (d *desk) Mark(_ context.Context, name, value string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.marks[name] = value
}

func (d *desk) Marked(_ context.Context, name string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.marks[name]
}

// answer is what a runtime reads of a result.
type answer struct {
	Type      string          `json:"type"`
	ID        json.RawMessage `json:"id"`
	OK        bool            `json:"ok"`
	Saved     []string        `json:"saved"`
	ContactID string          `json:"contact_id"`
	Code      string          `json:"code"`
	Message   string          `json:"message"`
}

// ask hands a frame to the tools as the relay does, and returns the result and what came with it.
func (d *desk) ask(frame string) (a answer, more [][]byte) {
	d.tb.Helper()
	m, ours, malformed := agent.ParseMessage([]byte(frame))
	if !ours {
		d.tb.Fatalf("%s is not for Ringside", frame)
	}
	replies := d.Handle(d.tb.Context(), &d.call, m, malformed)
	if err := json.Unmarshal(replies[0], &a); err != nil || a.Type != "ringside.result" {
		d.tb.Fatalf("%s is answered %s: %v", frame, replies[0], err)
	}
	return a, replies[1:]
}

// Nothing is said to be saved that is not: the recorder could not, or the database is away.
func TestNothingIsSaidToBeSavedThatIsNot(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.fail = errors.New("away: +14155550123")
	for _, frame := range []string{`{"type":"ringside.note","note":"x"}`, `{"type":"ringside.summary","summary":"x"}`} {
		if a, _ := d.ask(frame); a.OK || a.Code != "unavailable" || strings.Contains(a.Message, "away") {
			t.Errorf("%s: %+v", frame, a)
		}
	}
	d.call.Trusted = false // so that the capture goes to the recorder
	if a, _ := d.ask(`{"type":"ringside.capture_contact","name":"Robin Park"}`); a.OK || a.Code != "unavailable" {
		t.Errorf("capture: %+v", a)
	}
	// not_me holds for the call even so: it is remembered beside the ledger.
	if a, more := d.ask(`{"type":"ringside.not_me"}`); !a.OK || len(more) != 1 || !d.Disowned(t.Context(), &d.call) {
		t.Errorf("not_me: %+v", a)
	}
	d.call.Trusted = true
	d.fail = nil
	ended, cancel := context.WithCancel(t.Context())
	cancel() // what a database that does not answer looks like
	d.marks = map[string]string{}
	replies := d.Handle(ended, &d.call, agent.Message{Type: "ringside.capture_contact", Name: "Robin Park"}, nil)
	if len(replies) != 1 || !strings.Contains(string(replies[0]), `"code":"unavailable"`) {
		t.Errorf("capture without a database: %s", replies)
	}
}

// explosive is a recorder that panics.
type explosive struct{}

func (explosive) Record(context.Context, *ledger.Event) error { panic("secret detail") }

func TestPanicIsAnsweredUnavailable(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.Tools.Recorder = explosive{}
	if a, _ := d.ask(`{"type":"ringside.note","id":"7","note":"x"}`); a.OK || a.Code != "unavailable" || string(a.ID) != `"7"` || strings.Contains(a.Message, "secret") {
		t.Errorf("answer = %+v", a)
	}
	if !strings.Contains(d.log.String(), "panicked") {
		t.Errorf("logged: %s", d.log.String())
	}
}

// Another number is another one only if it is: the call's own, in any spelling, is the call's.
func TestOtherPhoneThatIsTheCallsOwn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.ask(`{"type":"ringside.not_me"}`)
	for _, own := range []string{"+14155550123", "(415) 555-0123", "1-415-555-0123"} {
		m, _ := json.Marshal(map[string]string{"type": "ringside.capture_contact", "name": "Sam Lee", "other_phone": own})
		if a, _ := d.ask(string(m)); !a.OK || a.ContactID != "" || len(a.Saved) != 0 {
			t.Errorf("other_phone %q: %+v", own, a)
		}
	}
	if a, _ := d.ask(`{"type":"ringside.capture_contact","name":"Sam Lee","other_phone":"+14155550199"}`); a.ContactID == "" {
		t.Errorf("another number: %+v", a)
	}
}

// Events are named by what they say: repeating a note is the same event, repeating a summary is news.
func TestEventNames(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, frame := range []string{`{"type":"ringside.note","id":1,"note":"a"}`, `{"type":"ringside.note","id":2,"note":" a "}`, `{"type":"ringside.note","id":1,"note":"b"}`,
		`{"type":"ringside.summary","summary":"a"}`, `{"type":"ringside.summary","summary":"a"}`, `{"type":"ringside.not_me"}`, `{"type":"ringside.not_me"}`} {
		if a, _ := d.ask(frame); !a.OK {
			t.Errorf("%s: %+v", frame, a)
		}
	}
	names := map[string]int{}
	for _, e := range d.events {
		names[e.Name]++
		if len(e.Name) > 200 || e.SID != "CA1" || e.Party != jane || e.OrgID != d.call.Org.ID {
			t.Errorf("event = %+v", e)
		}
	}
	var counts []int
	for _, n := range names {
		counts = append(counts, n)
	}
	slices.Sort(counts)
	if !slices.Equal(counts, []int{1, 1, 1, 2, 2}) {
		t.Errorf("names = %v", names)
	}
}

// Whatever a model sends, what is recorded can be stored and is bounded.
func TestWhatIsRecordedCanBeStored(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	rapid.Check(t, func(t *rapid.T) {
		d.events = nil
		text := rapid.String().Draw(t, "text") + strings.Repeat("ü\x00", rapid.IntRange(0, 3000).Draw(t, "length"))
		kind := rapid.SampledFrom([]string{"ringside.note", "ringside.summary"}).Draw(t, "type")
		replies := d.Handle(context.Background(), &d.call, agent.Message{Type: kind, Text: text}, nil)
		if len(replies) != 1 || !json.Valid(replies[0]) {
			t.Fatalf("answered %s", replies)
		}
		for _, e := range d.events {
			kept := e.Note + e.Summary
			if kept == "" || !utf8.ValidString(kept) || strings.ContainsRune(kept, 0) || utf8.RuneCountInString(kept) > 2000 || !utf8.ValidString(e.Name) {
				t.Fatalf("recorded %q as %q", kept, e.Name)
			}
		}
	})
}

// What may stand in a log or a metric of a message's type is one of a few words.
func TestKind(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{"ringside.capture_contact": "ringside.capture_contact", "ringside.note": "ringside.note",
		"ringside.summary": "ringside.summary", "ringside.not_me": "ringside.not_me", "ringside.+14155550123": "unknown", "": "unknown"} {
		if got := (agent.Message{Type: given}).Kind(); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}
