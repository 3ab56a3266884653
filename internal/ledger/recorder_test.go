package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/postgres/pgtest"
)

// calls returns the final events of n calls.
func (p place) calls(n int) []*ledger.Event {
	events := make([]*ledger.Event, n)
	for i := range events {
		events[i] = p.ended(fmt.Sprint("CA", i), 60+i)
	}
	return events
}

func TestRecorderAcknowledgesWhatIsCommitted(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := newRecorder(t, pool)
	err := atOnce(p.calls(100), func(e *ledger.Event) error {
		if err := r.Record(context.Background(), e); err != nil {
			return err
		}
		var status string
		err := pool.QueryRow(context.Background(), `SELECT status FROM interactions WHERE org_id = $1::text::uuid AND sid = $2`, p.org.ID, e.SID).Scan(&status)
		if err == nil && status != "completed" {
			err = fmt.Errorf("%s is %q", e.SID, status)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if got, want := r.Stats(), (ledger.Stats{Written: 100}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
}

// While one transaction commits, the events of all others gather and go in the next one.
func TestRecorderCommitsInGroups(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := newRecorder(t, pool)
	const n = 3 * ledger.MaxBatch
	release := hold(t, pool)
	var senders sync.WaitGroup
	for _, e := range p.calls(n) {
		senders.Go(func() {
			if err := r.Record(context.Background(), e); err != nil {
				t.Errorf("record %s: %v", e.SID, err)
			}
		})
	}
	eventually(t, "every event waits", func() bool { return r.Stats().Waiting == n })
	release()
	senders.Wait()
	// The first transaction took what was there when it began; the rest needs three more.
	if got := one[int](t, pool, `SELECT count(DISTINCT xmin::text)::int FROM interaction_events`); got > 4 {
		t.Errorf("%d transactions for %d events, want 4 at most", got, n)
	}
	if got := one[int](t, pool, `SELECT count(*)::int FROM interactions`); got != n {
		t.Errorf("%d calls, want %d", got, n)
	}
}

func TestRule16_LaterNeverBlocks(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := newStuckRecorder(t, pool)
	const extra = 500
	sent := ledger.MaxWaiting + ledger.MaxBatch + extra
	for _, e := range p.calls(sent) { // Postgres answers nothing until they all are sent
		r.Later(e)
	}
	// One batch at most had been taken from the queue when it was full.
	got := r.Stats()
	if got.Dropped < extra || got.Dropped > extra+ledger.MaxBatch || got.Waiting != int64(sent)-got.Dropped {
		t.Errorf("stats %+v after %d events, want %d to %d dropped, and the others waiting", got, sent, extra, extra+ledger.MaxBatch)
	}
}

func TestRecorderBoundsWhatWaitsInBytes(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := newStuckRecorder(t, pool)
	const most, batch = ledger.MaxWaitingBytes >> 20, ledger.MaxBatchBytes >> 20
	large := strings.Repeat("x", 1<<20)
	transcript := func(i int) *ledger.Event {
		return p.inbound(fmt.Sprint("CA", i), "transcript:VX1", func(e *ledger.Event) {
			e.Transcript = &ledger.Transcript{SessionID: "VX1", Lines: []ledger.Line{{Text: large}}}
		})
	}
	for i := range 2 * most {
		r.Later(transcript(i))
	}
	if got := r.Stats().Dropped; got < most-batch || got > most+1 {
		t.Errorf("of %d transcripts of 1 MiB %d were dropped, want %d to %d", 2*most, got, most-batch, most+1)
	}
	// Those that somebody waits for have room of their own.
	ctx, giveUp := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	for i := range 2 * most {
		senders.Go(func() {
			err := r.Record(ctx, transcript(2*most+i))
			if !unavailable(err) {
				t.Errorf("record: %v, want an unavailable problem", err)
			}
		})
	}
	eventually(t, "the queue is full", func() bool { return r.Stats().Refused >= most-batch })
	giveUp()
	senders.Wait()
	if got := r.Stats().Refused; got > most+1 {
		t.Errorf("of %d events of 1 MiB %d were refused, want %d to %d", 2*most, got, most-batch, most+1)
	}
}

// Whatever may be long counts.
func TestSizeOfAnEvent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	for name, e := range map[string]ledger.Event{
		"text":         {Text: long},
		"summary":      {Summary: long},
		"recognition":  {Recognition: []byte(long)},
		"detail":       {Detail: []byte(long)},
		"announcement": {Announce: &ledger.Announcement{Payload: []byte(long)}},
		"a picture":    {Media: []ledger.Media{{URL: long}}},
		"transcript":   {Transcript: &ledger.Transcript{Lines: []ledger.Line{{Text: long}}}},
	} {
		if got := e.Size(); got < len(long) || got > len(long)+1000 {
			t.Errorf("an event with a long %s counts %d bytes", name, got)
		}
	}
}

// newStuckRecorder returns a recorder whose events wait for a lock until the test ends. They are
// given up then.
func newStuckRecorder(t *testing.T, pool *pgxpool.Pool) *ledger.Recorder {
	t.Helper()
	release := hold(t, pool)
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.Close(now); !errors.Is(err, context.Canceled) {
			t.Errorf("close: %v, want that it gave up", err)
		}
		release()
	})
	return r
}

func TestRecorderSetsAsideWhatPostgresRefuses(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	poison := map[string]func(*ledger.Event){
		"an id that is none":       func(e *ledger.Event) { e.AgentID = "reception" },
		"an unknown organisation":  func(e *ledger.Event) { e.OrgID = "00000000-0000-4000-8000-000000000000" },
		"an unknown kind":          func(e *ledger.Event) { e.Kind = "letter" },
		"a NUL":                    func(e *ledger.Event) { e.Summary = "a\x00b" },
		"a NUL in JSON":            func(e *ledger.Event) { e.Detail = []byte(`{"a": "\u0000"}`) },
		"what is no JSON":          func(e *ledger.Event) { e.Recognition = []byte(`{`) },
		"no UTF-8":                 func(e *ledger.Event) { e.From = "\xff" },
		"a Sid without end":        func(e *ledger.Event) { e.SID = strings.Repeat("x", 65) },
		"JSON of a thousand folds": func(e *ledger.Event) { e.Detail = []byte(strings.Repeat("[", 1e5) + strings.Repeat("]", 1e5)) },
	}
	r := newRecorder(t, pool)
	release := hold(t, pool) // so that they meet in one batch
	errs := map[string]error{}
	var mu sync.Mutex
	var senders sync.WaitGroup
	for name, spoil := range poison {
		e := p.ended("CA "+name, 60)
		spoil(e)
		senders.Go(func() {
			err := r.Record(context.Background(), e)
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	const good = 100
	for _, e := range p.calls(good) {
		senders.Go(func() {
			if err := r.Record(context.Background(), e); err != nil {
				t.Errorf("record %s beside refused events: %v", e.SID, err)
			}
		})
	}
	eventually(t, "every event waits", func() bool { return r.Stats().Waiting == int64(good+len(poison)) })
	release()
	senders.Wait()
	for name := range poison {
		if _, ok := errors.AsType[*pgconn.PgError](errs[name]); !ok {
			t.Errorf("%s: %v, want Postgres' error", name, errs[name])
		}
	}
	if got, want := r.Stats(), (ledger.Stats{Written: good, Dropped: int64(len(poison))}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if got := one[int](t, pool, `SELECT count(*)::int FROM interactions`); got != good {
		t.Errorf("%d calls, want %d", got, good)
	}
}

// A contact that is erased at the very moment at which its call ends does not take the call with it.
func TestRecorderOutlivesARowThatGoesMeanwhile(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	id := p.addContact(t, alex, "Alex Chen")
	r := newRecorder(t, pool)
	erasing, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = erasing.Rollback(context.Background()) }()
	if _, err := erasing.Exec(t.Context(), `DELETE FROM contacts`); err != nil {
		t.Fatal(err)
	}
	recorded := make(chan error, 1)
	go func() {
		recorded <- r.Record(context.Background(), p.inbound("CA1", "voice", func(e *ledger.Event) { e.ContactID = id }))
	}()
	eventually(t, "the recorder waits for the contact's row", func() bool {
		return one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`)
	})
	if err := erasing.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-recorded; err != nil {
		t.Fatalf("record: %v", err)
	}
	if got := p.interaction(t, "CA1"); got.Contact != "" {
		t.Errorf("the call is %q's", got.Contact)
	}
}

func TestRecorderReturnsWhenTheSenderGivesUp(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := newRecorder(t, pool)
	release := hold(t, pool)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := r.Record(ctx, p.ended("CA1", 60))
	if !unavailable(err) {
		t.Errorf("record: %v, want an unavailable problem", err)
	}
	release() // what was not acknowledged may still be written
	eventually(t, "the event is written", func() bool { return r.Stats().Written == 1 })
	if got := p.interaction(t, "CA1").Status; got != "completed" {
		t.Errorf("status %q", got)
	}
}

func TestRecorderCloseWritesWhatWaits(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	release := hold(t, pool)
	const n = 3*ledger.MaxBatch + 7
	events := p.calls(n)
	for _, e := range events {
		r.Later(e)
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	eventually(t, "the recorder takes nothing more", func() bool {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = r.Record(ctx, events[0])
		return r.Stats().Refused > 0
	})
	r.Later(events[0])
	release()
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if got := r.Stats(); got.Written < n || got.Dropped != 1 || got.Waiting != 0 {
		t.Errorf("stats %+v, want %d written, and 1 dropped that came too late", got, n)
	}
	if got := one[int](t, pool, `SELECT count(*)::int FROM interactions`); got != n {
		t.Errorf("%d calls, want %d", got, n)
	}
	closeRecorder(t, r) // again
}

func TestRecorderCloseGivesUpInTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	release := hold(t, pool)
	const n = 2 * ledger.MaxBatch
	for _, e := range p.calls(n) {
		r.Later(e)
	}
	recorded := make(chan error, 1)
	go func() { recorded <- r.Record(context.Background(), p.ended("CA awaited", 60)) }()
	eventually(t, "every event waits", func() bool { return r.Stats().Waiting == n+1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := r.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("close: %v, want the deadline", err)
	}
	err := <-recorded
	if !unavailable(err) {
		t.Errorf("record: %v, want an unavailable problem", err)
	}
	if got, want := r.Stats(), (ledger.Stats{Dropped: n + 1}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	release()
}
