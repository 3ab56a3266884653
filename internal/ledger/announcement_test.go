package ledger_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/postgres/pgtest"
)

// announcing returns the event with something to announce.
func announcing(kind string, e *ledger.Event) *ledger.Event {
	e.Announce = &ledger.Announcement{Type: kind, Payload: json.RawMessage(fmt.Sprintf(`{"event":%q}`, e.Name))}
	return e
}

// announced is what the outbox has, in order.
func (p place) announced(tb failer) (told []string) {
	tb.Helper()
	return one[[]string](tb, p.pool, `SELECT coalesce(array_agg(concat_ws(' ', type, sid, payload->>'event') ORDER BY id), '{}') FROM runtime_events WHERE org_id = $1::text::uuid`, p.org.ID)
}

func TestAnEventIsAnnouncedOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	for range 2 { // whatever comes again
		p.apply(t, announcing("call.started", p.inbound("CA1", "voice", nil)), p.inbound("CA2", "voice", nil))
		p.apply(t, announcing("call.completed", p.status("CA1", "busy", 5)), announcing("call.completed", p.ended("CA1", 6)))
		p.apply(t, announcing("call.completed", p.status("CA1", "failed", 7)))
	}
	if diff := cmp.Diff([]string{"call.started CA1 voice", "call.completed CA1 status:busy"}, p.announced(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// Also when it is long since it was told.
	exec(t, p.pool, `DELETE FROM runtime_events`)
	p.apply(t, announcing("call.started", p.inbound("CA1", "voice", nil)))
	if told := p.announced(t); len(told) != 0 {
		t.Errorf("a replay is announced: %q", told)
	}
}

// A message is announced as a call is, with the contact that it has made.
func TestAMessageIsAnnouncedWithItsContact(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	e := announcing("sms.received", p.inbound("SM1", "received", func(e *ledger.Event) { e.Kind, e.Status = "message", "completed" }))
	e.Announce.Payload = json.RawMessage(`{"text":"a\u0000b \ud83d"}`) // what jsonb would refuse
	p.apply(t, e)
	got := one[string](t, p.pool, `
		SELECT concat_ws(' ', e.type, e.party, c.phone, e.agent_id = $1::text::uuid, e.payload::text) FROM runtime_events e JOIN contacts c ON c.id = e.contact_id`, p.agent.ID)
	if want := `sms.received +14155551200 +14155551200 t {"text":"a\u0000b \ud83d"}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	p.apply(t, p.inbound("SM2", "received", func(e *ledger.Event) { e.Announce = &ledger.Announcement{Type: "sms.received"} }))
	if got := one[string](t, p.pool, `SELECT payload::text FROM runtime_events WHERE sid = 'SM2'`); got != "{}" {
		t.Errorf("without a payload: %s", got)
	}
}

// Sidecars that hear of the ends of the same calls at the same time tell of each once, and do not
// hinder each other.
func TestManySidecarsAnnounceOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	const calls = 20
	var sidecars sync.WaitGroup
	for s, final := range []string{"completed", "busy", "no-answer", "failed"} {
		sidecars.Go(func() {
			var batch []*ledger.Event
			for i := range calls {
				sid := fmt.Sprintf("CA%d", (i*7+s*5)%calls)
				batch = append(batch, announcing("call.completed", p.status(sid, final, (i*3+s)%calls)))
			}
			for range 3 {
				if err := ledger.Apply(t.Context(), p.pool, contacts.NoFence{}, nil, batch); err != nil {
					t.Error(err)
				}
			}
		})
	}
	sidecars.Wait()
	if told := p.announced(t); len(told) != calls {
		t.Errorf("%d events are announced, want %d: %q", len(told), calls, told)
	}
}

// An event that is large because of what it announces counts as such.
func TestAnnouncementsCountAsWaiting(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	r := newRecorder(t, p.pool)
	release := hold(t, p.pool)
	defer release()
	e := announcing("sms.received", p.inbound("SM1", "received", nil))
	e.Announce.Payload = make([]byte, ledger.MaxWaitingBytes+1)
	r.Later(e)
	if dropped := r.Stats().Dropped; dropped != 1 {
		t.Errorf("%d events are dropped, want the one that is too large", dropped)
	}
}
