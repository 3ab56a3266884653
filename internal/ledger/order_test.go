package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
)

var statuses = []string{"queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled", "", "paused", "parked"}

// TestRule15_EveryPermutationEndsInTheSameRows applies the events of up to three calls of two people
// one by one in one organisation, and in others shuffled, repeated and split into batches: one
// writer, three at once, and two recorders. The Sids are the same everywhere.
func TestRule15_EveryPermutationEndsInTheSameRows(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	rapid.Check(t, func(t *rapid.T) {
		scene := drawScene(t)
		tellings := []struct {
			name string
			tell func(place, []*ledger.Event) error
		}{
			{"in order, one by one", func(p place, events []*ledger.Event) error {
				return p.write(slices.Collect(slices.Chunk(events, 1)))
			}},
			{"shuffled batches", func(p place, events []*ledger.Event) error {
				return p.write(split(t, deliveries(t, events)))
			}},
			{"three writers at once", func(p place, events []*ledger.Event) error {
				var lots [][][]*ledger.Event
				for range 3 {
					lots = append(lots, split(t, deliveries(t, events)))
				}
				return atOnce(lots, p.write)
			}},
			{"two recorders", func(p place, events []*ledger.Event) error {
				return atOnce([][]*ledger.Event{deliveries(t, events), deliveries(t, events)}, p.record)
			}},
		}
		var want rows
		for i, telling := range tellings {
			p := newPlace(t, pool)
			if err := telling.tell(p, scene.events(t, p)); err != nil {
				t.Fatalf("%s: %v", telling.name, err)
			}
			got := p.rows(t)
			if i == 0 {
				want = got
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%s (-in order, +now):\n%s", telling.name, diff)
			}
		}
	})
}

// write applies batches one after the other.
func (p place) write(batches [][]*ledger.Event) error {
	for _, batch := range batches {
		if err := ledger.Apply(context.Background(), p.pool, contacts.NoFence{}, nil, batch); err != nil {
			return err
		}
	}
	return nil
}

// record sends events through a recorder of its own. Every other event is waited for.
func (p place) record(events []*ledger.Event) error {
	r := ledger.NewRecorder(p.pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	awaited := func(e *ledger.Event) error { return r.Record(context.Background(), e) }
	var waitFor []*ledger.Event
	for i, e := range events {
		if i%2 == 0 {
			r.Later(e)
		} else {
			waitFor = append(waitFor, e)
		}
	}
	return errors.Join(atOnce(waitFor, awaited), r.Close(context.Background()))
}

// atOnce does something with each value, all at the same time, and returns the errors.
func atOnce[T any](values []T, do func(T) error) error {
	errs := make([]error, len(values))
	var running sync.WaitGroup
	for i, v := range values {
		running.Go(func() { errs[i] = do(v) })
	}
	running.Wait()
	return errors.Join(errs...)
}

// deliveries returns the events in any order, some of them again.
func deliveries(t *rapid.T, events []*ledger.Event) []*ledger.Event {
	again := rapid.SliceOfN(rapid.SampledFrom(events), 0, len(events)).Draw(t, "again")
	return rapid.Permutation(slices.Concat(events, again)).Draw(t, "deliveries")
}

// split cuts events into batches.
func split(t *rapid.T, events []*ledger.Event) (batches [][]*ledger.Event) {
	for len(events) > 0 {
		n := rapid.IntRange(1, len(events)).Draw(t, "batch")
		batches, events = append(batches, events[:n]), events[n:]
	}
	return batches
}

// scene is what is drawn once and then told in several organisations.
type scene struct {
	known     map[phone.Number]string // who is in the address book, and under which name
	archived  []phone.Number          // who was, until all of this was archived
	campaigns map[phone.Number]string // whom a campaign called, and by which name
	calls     []call
}

type call struct {
	sid, direction string
	party          phone.Number // "" if the caller is nobody's number
	recognised     bool         // the event that begins the call names the contact, if there is one
	moments        []moment
}

// moment is one event without what differs between organisations.
type moment struct {
	event         ledger.Event
	agent         bool
	contradictory bool // says otherwise than the rest who was called by whom
}

func drawScene(t *rapid.T) scene {
	s := scene{known: map[phone.Number]string{}, campaigns: map[phone.Number]string{}}
	for _, n := range []phone.Number{alex, jo} {
		switch rapid.SampledFrom([]string{"unknown", "known", "placeholder", "archived"}).Draw(t, "book") {
		case "known":
			s.known[n] = "Alex Chen"
		case "placeholder":
			s.known[n] = "Unknown"
		case "archived":
			s.archived = append(s.archived, n)
		}
		if rapid.Bool().Draw(t, "campaign") {
			s.campaigns[n] = rapid.SampledFrom([]string{"Maria Gomez", "", "customer"}).Draw(t, "campaign's name")
		}
	}
	for i := range rapid.IntRange(1, 3).Draw(t, "calls") {
		s.calls = append(s.calls, drawCall(t, fmt.Sprintf("CA%d", i)))
	}
	return s
}

func drawCall(t *rapid.T, sid string) call {
	c := call{sid: sid, direction: rapid.SampledFrom([]string{"inbound", "outbound"}).Draw(t, "direction"),
		party: rapid.SampledFrom([]phone.Number{alex, jo, ""}).Draw(t, "party"), recognised: rapid.Bool().Draw(t, "recognised")}
	add := func(name string, change func(*ledger.Event)) {
		m := moment{agent: rapid.Bool().Draw(t, "agent"), contradictory: rapid.IntRange(0, 9).Draw(t, "contradictory") == 0}
		m.event = ledger.Event{SID: sid, Name: name, At: drawTime(t), Kind: "call", Direction: c.direction}
		if rapid.Bool().Draw(t, "knows the start") {
			m.event.StartedAt = drawTime(t)
		}
		change(&m.event)
		c.moments = append(c.moments, m)
	}
	if rapid.Bool().Draw(t, "begins") {
		add("voice", func(e *ledger.Event) {
			e.Status, e.Untrusted = "ringing", rapid.Bool().Draw(t, "untrusted")
			e.Recognition = json.RawMessage(fmt.Sprintf(`{"call_sid": %q}`, sid))
		})
	}
	for _, status := range rapid.SliceOfNDistinct(rapid.SampledFrom(statuses), 0, 5, rapid.ID).Draw(t, "statuses") {
		add("status:"+status, func(e *ledger.Event) {
			e.Status = status
			if ledger.Final(status) && rapid.Bool().Draw(t, "knows the end") {
				e.EndedAt, e.DurationS = drawTime(t), rapid.IntRange(0, 300).Draw(t, "duration")
			}
			e.Detail = json.RawMessage(fmt.Sprintf(`{"status": %q}`, status))
		})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "sessions") {
		add(fmt.Sprintf("after:VX%d:ended", i), func(e *ledger.Event) {
			e.Status = rapid.SampledFrom([]string{"in-progress", "completed"}).Draw(t, "status after")
			e.Reason = rapid.SampledFrom([]string{"", "handoff", "runtime_lost"}).Draw(t, "reason")
		})
		add(fmt.Sprintf("transcript:VX%d", i), func(e *ledger.Event) {
			e.Transcript = &ledger.Transcript{SessionID: fmt.Sprint("VX", i), Lines: []ledger.Line{{At: e.At, Who: "caller", Text: "Hello?"}}}
		})
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "remarks") {
		add(fmt.Sprint("note:", i), func(e *ledger.Event) { e.Note = fmt.Sprint("note ", i) })
		add(fmt.Sprint("summary:", i), func(e *ledger.Event) { e.Summary = fmt.Sprint("summary ", i) })
	}
	if rapid.Bool().Draw(t, "not me") {
		add("not_me", func(e *ledger.Event) { e.Disowned = true })
	}
	if len(c.moments) == 0 {
		add("voice", func(*ledger.Event) {})
	}
	return c
}

// drawTime returns one of few times, so that some are equal.
func drawTime(t *rapid.T) time.Time { return after(rapid.IntRange(0, 4).Draw(t, "second") * 30) }

// events sets the scene in an organisation and returns what happens there.
func (s scene) events(t *rapid.T, p place) []*ledger.Event {
	contactIDs := map[phone.Number]string{}
	for n, name := range s.known {
		contactIDs[n] = p.addContact(t, n, name)
	}
	for _, n := range s.archived {
		contactIDs[n] = p.addContact(t, n, "Of Old")
		exec(t, p.pool, `UPDATE contacts SET archived_at = now() WHERE id = $1::text::uuid`, contactIDs[n])
	}
	for n, name := range s.campaigns {
		p.addCampaignPerson(t, "Winter "+string(n), n, name, &noon)
	}
	var events []*ledger.Event
	for _, c := range s.calls {
		for _, m := range c.moments {
			e := m.event
			e.OrgID, e.Party, e.From, e.To = p.org.ID, c.party, string(c.party), string(line)
			if m.agent {
				e.AgentID = p.agent.ID
			}
			if m.contradictory {
				e.From, e.To, e.Party = "", "sip:someone@example.com", ""
			}
			if e.Name == "voice" && c.recognised {
				e.ContactID = contactIDs[c.party]
			}
			events = append(events, &e)
		}
	}
	return events
}
