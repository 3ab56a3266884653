package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/outbox"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

func TestConsumersHearWhatHappens(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	other := postOn(t, p.pool)
	p.record(t, p.event("CA1", "voice", "call.started", alex))
	now, all := p.join(t, "now"), p.join(t, "all", fromBeginning)
	stranger := other.join(t, "all", fromBeginning)
	p.record(t, p.event("CA1", "status:completed", "call.completed", alex), p.event("CA2", "voice", "call.started", jo))
	if diff := cmp.Diff([]string{"call.completed CA1", "call.started CA2"}, p.all(t, now, now.Acked)); diff != "" {
		t.Errorf("from now on (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"call.started CA1", "call.completed CA1", "call.started CA2"}, p.all(t, all, 0)); diff != "" {
		t.Errorf("from the beginning (-want +got):\n%s", diff)
	}
	if told := other.all(t, stranger, 0); told != nil {
		t.Errorf("another organisation is told %q", told)
	}
	// What is acknowledged does not come again, whatever connection asks; the cursor never moves back.
	for _, ack := range []int64{2, 1} {
		if err := p.Ack(t.Context(), all, ack); err != nil {
			t.Fatal(err)
		}
	}
	again := p.join(t, "all", fromBeginning)
	if again.Acked != 2 {
		t.Errorf("the cursor is %d, want 2", again.Acked)
	}
	if diff := cmp.Diff([]string{"call.started CA2"}, p.all(t, again, again.Acked)); diff != "" {
		t.Errorf("after a reconnect (-want +got):\n%s", diff)
	}
}

func TestALaterConnectionTakesOver(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	earlier := p.join(t, "crm")
	later := p.join(t, "crm")
	if _, _, err := p.Next(t.Context(), earlier, 0, 10); !errors.Is(err, outbox.ErrTakenOver) {
		t.Errorf("the earlier connection reads: %v", err)
	}
	if err := p.Ack(t.Context(), earlier, 5); !errors.Is(err, outbox.ErrTakenOver) {
		t.Errorf("the earlier connection acknowledges: %v", err)
	}
	if _, _, err := p.Next(t.Context(), later, 0, 10); err != nil {
		t.Errorf("the later connection reads: %v", err)
	}
}

func TestConsumersOfOneVoiceAgent(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	const ours, theirs = "5f0c3a52-4b0e-4d0c-9f7a-0f3f7f2f6a11", "5f0c3a52-4b0e-4d0c-9f7a-0f3f7f2f6a12"
	c := p.join(t, "front-desk", func(j *outbox.Joining) { j.AgentID = ours })
	for i, agent := range []string{ours, theirs, "", ours} {
		e := p.event(fmt.Sprint("CA", i), "voice", "call.started", alex)
		e.AgentID = agent
		p.record(t, e)
	}
	p.exec(t, `INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, $2, 'Alex')`, p.org.ID, alex)
	if diff := cmp.Diff([]string{"call.started CA0", "call.started CA3", "contact.changed created"}, p.all(t, c, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	// What is not for it is passed, too.
	if events, upTo, err := p.Next(t.Context(), c, 1, 1); err != nil || len(events) != 1 || upTo != 4 {
		t.Errorf("a page: %v up to %d, %v", events, upTo, err)
	}
	if events, upTo, err := p.Next(t.Context(), c, 5, 1); err != nil || len(events) != 0 || upTo != 5 {
		t.Errorf("at the end: %v up to %d, %v", events, upTo, err)
	}
}

func TestWhatCannotBeJoined(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	for _, name := range []string{"", " ", "a b", "é", strings.Repeat("x", 101), "a\x00"} {
		if _, err := p.Join(t.Context(), outbox.Joining{OrgID: p.org.ID, Name: name}); code(err) != problem.CodeInvalid {
			t.Errorf("the name %q: %v", name, err)
		}
	}
	if _, err := p.Join(t.Context(), outbox.Joining{OrgID: p.org.ID, Name: "x", AgentID: "reception"}); code(err) != problem.CodeNotFound {
		t.Errorf("an agent that is no id: %v", err)
	}
	p.exec(t, `INSERT INTO runtime_consumers (org_id, name, acked, holder) SELECT $1::text::uuid, 'c' || n, 0, gen_random_uuid() FROM generate_series(1, 100) n`, p.org.ID)
	if _, err := p.Join(t.Context(), outbox.Joining{OrgID: p.org.ID, Name: "one-too-many"}); code(err) != problem.CodeConflict {
		t.Errorf("the hundred and first: %v", err)
	}
	p.join(t, "c7") // one that there is may come back
}

func code(err error) problem.Code {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p.Code
	}
	return ""
}

// Nobody waits for the beginning of a call to be written, so its end may be first. It is told first
// all the same, and nothing later of the same person comes between.
func TestACallBeginsBeforeItEnds(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	c := p.join(t, "crm")
	p.record(t, p.event("CA1", "status:completed", "call.completed", alex), p.event("SM1", "received", "sms.received", alex),
		p.event("CA2", "voice", "call.started", jo))
	if diff := cmp.Diff([]string{"call.started CA2"}, p.all(t, c, 0)); diff != "" {
		t.Errorf("while the beginning may still come (-want +got):\n%s", diff)
	}
	p.record(t, p.event("CA1", "voice", "call.started", alex))
	if diff := cmp.Diff([]string{"call.started CA1", "call.completed CA1", "sms.received SM1"}, p.all(t, c, 1)); diff != "" {
		t.Errorf("when it came (-want +got):\n%s", diff)
	}
	// Without a beginning, the end waits for a moment only, and then the beginning is left out.
	p.record(t, p.event("CA3", "status:busy", "call.completed", alex))
	p.exec(t, `UPDATE runtime_events SET created_at = created_at - interval '2 seconds' WHERE sid = 'CA3'`)
	if diff := cmp.Diff([]string{"call.completed CA3"}, p.all(t, c, 4)); diff != "" {
		t.Errorf("without a beginning (-want +got):\n%s", diff)
	}
	p.record(t, p.event("CA3", "voice", "call.started", alex), p.event("CA4", "voice", "call.started", alex))
	if diff := cmp.Diff([]string{"call.started CA4"}, p.all(t, c, 5)); diff != "" {
		t.Errorf("after its end (-want +got):\n%s", diff)
	}
}

// Many write at the same time, in transactions that end in any order, and readers come and go: nobody
// misses anything, and everybody hears of each person in the order in which it happened.
func TestNothingIsSkipped(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	const writers, each, readers = 6, 40, 3
	consumers := make([]outbox.Consumer, readers)
	for i := range consumers {
		consumers[i] = p.join(t, fmt.Sprint("reader", i))
	}
	writing, written := context.WithCancel(t.Context())
	var writes, reads sync.WaitGroup
	for w := range writers {
		recorder := p.recorder(t)
		writes.Go(func() {
			for i := range each {
				party := phone.Number(fmt.Sprintf("+1415555%04d", w))
				if err := recorder.Record(t.Context(), p.event(fmt.Sprintf("CA-%d-%d", w, i), "voice", "call.started", party)); err != nil {
					t.Error(err)
				}
				if i%4 != 0 {
					continue
				}
				// A transaction that ends long after it has taken its id.
				_, err := p.pool.Exec(t.Context(), `WITH e AS (INSERT INTO runtime_events (org_id, type, sid, payload) VALUES ($1::text::uuid, 'x', $2, json_build_object('call_sid', $2::text)) RETURNING 1)
					SELECT pg_sleep($3) FROM e`, p.org.ID, fmt.Sprintf("SL-%d-%d", w, i), rand.Float64()/50)
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	heard := make([][]string, readers)
	for i, c := range consumers {
		reads.Go(func() {
			var cursor int64
			for last := false; ; {
				events, upTo, err := p.Next(t.Context(), c, cursor, 1+rand.IntN(20))
				if err != nil {
					t.Error(err)
					return
				}
				for _, e := range events {
					heard[i] = append(heard[i], short(t, e))
				}
				cursor = upTo
				if len(events) > 0 {
					last = false
					continue
				}
				if last {
					return
				}
				last = writing.Err() != nil
			}
		})
	}
	writes.Wait()
	written()
	reads.Wait()
	for i := range heard {
		if want := writers * each * 5 / 4; len(heard[i]) != want {
			t.Errorf("reader %d heard of %d events, want %d", i, len(heard[i]), want)
		}
		for w := range writers {
			var theirs []string
			for _, sid := range heard[i] {
				if strings.HasPrefix(sid, fmt.Sprintf("CA-%d-", w)) {
					theirs = append(theirs, sid)
				}
			}
			want := make([]string, each)
			for n := range want {
				want[n] = fmt.Sprintf("CA-%d-%d", w, n)
			}
			if diff := cmp.Diff(want, theirs); diff != "" {
				t.Errorf("reader %d, caller %d (-want +got):\n%s", i, w, diff)
			}
		}
		if !slices.Equal(heard[i], heard[0]) {
			t.Errorf("reader %d heard another order than reader 0", i)
		}
	}
}

func TestUpkeep(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	left := func() (sids string) {
		t.Helper()
		if err := p.Upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.pool.QueryRow(t.Context(), `SELECT coalesce(string_agg(sid, ' ' ORDER BY id), '') FROM runtime_events`).Scan(&sids); err != nil {
			t.Fatal(err)
		}
		return sids
	}
	for i, days := range []int{31, 8, 8, 1} {
		sid := fmt.Sprint("CA", i)
		p.record(t, p.event(sid, "voice", "call.started", alex))
		p.exec(t, `UPDATE runtime_events SET created_at = now() - make_interval(days => $2) WHERE sid = $1`, sid, days)
	}
	c := p.join(t, "crm", fromBeginning)
	if got := left(); got != "CA1 CA2 CA3" {
		t.Errorf("left are %q: what a consumer does not have stays for 30 days", got)
	}
	if err := p.Ack(t.Context(), c, 2); err != nil {
		t.Fatal(err)
	}
	if got := left(); got != "CA2 CA3" {
		t.Errorf("left are %q: what everybody has goes after 7 days", got)
	}
	p.exec(t, `UPDATE runtime_consumers SET last_seen = now() - interval '31 days'`)
	if got := left(); got != "CA3" {
		t.Errorf("left are %q once nobody listens any more", got)
	}
	if _, _, err := p.Next(t.Context(), c, 0, 10); !errors.Is(err, outbox.ErrTakenOver) {
		t.Errorf("a consumer that was removed reads: %v", err)
	}
}

// Days of events, which nobody listened to, are passed by who begins now.
func TestJoiningAfterALongTime(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.exec(t, `INSERT INTO runtime_events (org_id, type, sid) SELECT $1::text::uuid, 'call.started', 'CA' || n FROM generate_series(1, 1700) n`, p.org.ID)
	if c := p.join(t, "crm"); c.Acked != 1700 {
		t.Errorf("it begins after %d events, want 1700", c.Acked)
	}
}
