package ledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/problem"
)

// Bounds of the recorder.
const (
	maxBatch = 256
	// maxWaiting bounds the events of each kind that wait for Postgres in memory. Past it an event
	// that somebody waits for is refused, and one that nobody waits for is dropped and counted.
	maxWaiting = 20_000
	// paceLater spaces out batches that hold nothing but events nobody waits for: a flood of calls
	// that begin must not keep Postgres from what has to be durable.
	paceLater = 200 * time.Millisecond
	retryMin  = 50 * time.Millisecond
	retryMax  = time.Second
)

// Recorder writes events in group commits: while one transaction commits, the events of all other
// requests gather and go in the next one. There is no timer, so that a lone event goes at once.
//
// While Postgres is away, events wait in memory, oldest first, and are written when it is back.
type Recorder struct {
	pool  *pgxpool.Pool
	fence contacts.Fence
	log   *slog.Logger

	mu     sync.Mutex
	urgent []*pending // somebody waits for them
	later  []*pending // nobody does
	closed bool
	wake   chan struct{}
	done   chan struct{}

	written, dropped, refused atomic.Int64
}

type pending struct {
	event *Event
	// result receives the outcome once; nil for an event that nobody waits for.
	result chan error
}

// NewRecorder returns a recorder and starts its writer; [Recorder.Close] ends it.
func NewRecorder(pool *pgxpool.Pool, fence contacts.Fence, log *slog.Logger) *Recorder {
	r := &Recorder{pool: pool, fence: fence, log: log, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go r.run()
	return r
}

// Record writes an event and returns once it is committed: nil means durable. If ctx ends first
// the event is not acknowledged, but may still be written; since applying it twice changes nothing,
// the sender may repeat it.
func (r *Recorder) Record(ctx context.Context, e *Event) error {
	p := &pending{event: e, result: make(chan error, 1)}
	if !r.enqueue(p) {
		r.refused.Add(1)
		return problem.New(problem.CodeUnavailable, "Too many events are waiting for the database. Send this again in a moment.")
	}
	select {
	case err := <-p.result:
		return err
	case <-ctx.Done():
		return problem.New(problem.CodeUnavailable, "The database did not confirm this in time. Send it again; nothing is counted twice.")
	}
}

// Later writes an event when it can. It never blocks; past its bounds the event is dropped and
// counted, which only the record of a call that is still running can be.
func (r *Recorder) Later(e *Event) {
	if !r.enqueue(&pending{event: e}) {
		r.dropped.Add(1)
	}
}

// Stats are the recorder's counters since it started, and how many events wait now.
type Stats struct{ Written, Dropped, Refused, Waiting int64 }

// Stats returns the counters.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{Written: r.written.Load(), Dropped: r.dropped.Load(), Refused: r.refused.Load(), Waiting: int64(len(r.urgent) + len(r.later))}
}

// Close writes what waits, as long as ctx allows, and ends the writer. What cannot be written is
// counted as dropped and logged.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.signal()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		r.log.Error("events were still waiting for Postgres at the end", "waiting", r.Stats().Waiting)
		return ctx.Err()
	}
}

func (r *Recorder) enqueue(p *pending) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	queue := &r.later
	if p.result != nil {
		queue = &r.urgent
	}
	if r.closed || len(*queue) >= maxWaiting {
		return false
	}
	*queue = append(*queue, p)
	if p.result != nil || len(r.later) == 1 {
		r.signal()
	}
	return true
}

func (r *Recorder) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run is the writer.
func (r *Recorder) run() {
	defer close(r.done)
	var lastLater time.Time
	for {
		batch, closed := r.take(time.Since(lastLater) >= paceLater)
		switch {
		case len(batch) > 0:
			if batch[0].result == nil {
				lastLater = time.Now()
			}
			r.write(batch)
		case closed:
			return
		default:
			r.sleep(lastLater)
		}
	}
}

// sleep waits for an event, or until the next unhurried batch is due.
func (r *Recorder) sleep(lastLater time.Time) {
	r.mu.Lock()
	waiting := len(r.later) > 0
	r.mu.Unlock()
	if !waiting {
		<-r.wake
		return
	}
	due := time.NewTimer(time.Until(lastLater.Add(paceLater)))
	defer due.Stop()
	select {
	case <-r.wake:
	case <-due.C:
	}
}

// take removes the oldest events, up to a batch: first those that somebody waits for, and with them
// as many of the others as there is room for. The others alone go only when they are due.
func (r *Recorder) take(laterDue bool) (batch []*pending, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	batch = drain(&r.urgent, batch)
	if len(batch) > 0 || laterDue || r.closed {
		batch = drain(&r.later, batch)
	}
	return batch, r.closed
}

// drain moves events from the head of a queue to a batch until it is full.
func drain(queue *[]*pending, batch []*pending) []*pending {
	n := min(len(*queue), maxBatch-len(batch))
	batch = append(batch, (*queue)[:n]...)
	clear((*queue)[:n])
	*queue = (*queue)[n:]
	return batch
}

// write writes a batch, again and again while Postgres is away. An event that Postgres refuses for
// what it is, is set aside by itself, so that it cannot hold up the others.
func (r *Recorder) write(batch []*pending) {
	for wait := retryMin; ; wait = min(2*wait, retryMax) {
		err := r.try(batch)
		switch {
		case err == nil:
			r.written.Add(int64(len(batch)))
			answer(batch, nil)
			return
		case refusedData(err) && len(batch) > 1:
			for i := range batch {
				r.write(batch[i : i+1])
			}
			return
		case refusedData(err):
			r.dropped.Add(1)
			r.log.Error("Postgres refused an event; it is dropped", "sid", batch[0].event.SID, "event", batch[0].event.Name, "error", err)
			answer(batch, err)
			return
		}
		if wait == retryMin {
			r.log.Warn("events cannot be written and wait in memory", "events", len(batch), "error", err)
		}
		if r.isClosed() {
			r.dropped.Add(int64(len(batch)))
			answer(batch, err)
			return
		}
		time.Sleep(wait)
	}
}

func (r *Recorder) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

func (r *Recorder) try(batch []*pending) error {
	events := make([]*Event, len(batch))
	for i, p := range batch {
		events[i] = p.event
	}
	return apply(context.Background(), r.pool, r.fence, events)
}

func answer(batch []*pending, err error) {
	for _, p := range batch {
		if p.result != nil {
			p.result <- err
		}
	}
}

// refusedData reports whether Postgres refused the data itself (SQLSTATE classes 21, 22 and 23),
// which no repetition will change.
func refusedData(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && len(pgErr.Code) == 5 && (pgErr.Code[:2] == "21" || pgErr.Code[:2] == "22" || pgErr.Code[:2] == "23")
}
