package ledger

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/spool"
)

// Recorder writes events in group commits: while one transaction commits, the events of all other
// requests gather and go in the next one. There is no timer, so that a lone event goes at once.
//
// While Postgres is away, events wait in memory, oldest first, and are written when it is back; those that somebody waits
// for go to the spool, if there is one: see [WithSpool].
type Recorder struct {
	pool  *pgxpool.Pool
	fence contacts.Fence
	key   contacts.ErasureKey
	log   *slog.Logger

	// alive ends when nobody waits for Close any longer: what is not written then never will be.
	alive  context.Context
	giveUp context.CancelFunc
	wake   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	urgent  queue // somebody waits for them
	later   queue // nobody does
	writing int   // events that were taken from the queues and are not settled yet
	closed  bool

	written, dropped, refused atomic.Int64

	pace      pace
	refresher Refresher // nil: callers are looked up when they call

	// What follows is used with a spool alone.
	spool                       Spool
	budget                      time.Duration // for Postgres, before an event goes into the spool
	away                        atomic.Bool   // Postgres was, the last time
	kept                        chan struct{} // something is in the spool
	drainEnd                    chan struct{}
	drainPace                   pace
	spooled, drained, setAsides atomic.Int64
	suspects                    map[uint64]int64 // of the drain: how many events were written when a record was refused first
}

// RecorderOption changes how a recorder keeps events.
type RecorderOption func(*Recorder)

// Refresher has callers looked up again soon, so that they are at hand when they call back. Package cache's Callers
// implements it.
type Refresher interface {
	Refresh(id org.ID, numbers ...phone.Number)
}

// WithRefresher has callers looked up again whose history has changed.
func WithRefresher(f Refresher) RecorderOption {
	return func(r *Recorder) { r.refresher = f }
}

// NewRecorder returns a recorder and starts its writer; [Recorder.Close] ends it.
// By key it knows erased people again; without one it knows nobody.
func NewRecorder(pool *pgxpool.Pool, fence contacts.Fence, key contacts.ErasureKey, log *slog.Logger, options ...RecorderOption) *Recorder {
	r := &Recorder{pool: pool, fence: fence, key: key, log: log, wake: make(chan struct{}, 1), done: make(chan struct{}),
		kept: make(chan struct{}, 1), drainEnd: make(chan struct{}), suspects: map[uint64]int64{}}
	r.pace.now.Store(maxBatch)
	r.drainPace.now.Store(maxBatch)
	for _, option := range options {
		option(r)
	}
	r.alive, r.giveUp = context.WithCancel(context.Background())
	go r.run()
	if r.spool == nil {
		close(r.drainEnd)
		return r
	}
	go func() {
		defer close(r.drainEnd)
		r.drain()
	}()
	return r
}

// Record writes an event and returns once it is committed, or on this machine's disk if there is a spool and
// Postgres does not take it in time: nil means durable. If ctx ends first
// the event is not acknowledged, but may still be written; since applying it twice changes nothing,
// the sender may repeat it. It is also not acknowledged if too many wait or the recorder is closed:
// these are unavailable problems. Any other error is Postgres refusing the event for what it is, without a spool: with one
// it is kept there, with the reason.
func (r *Recorder) Record(ctx context.Context, e *Event) error {
	_, err := r.Keep(ctx, e)
	return err
}

// Keep is [Recorder.Record], and says whether the event is in Postgres already. Where it is not, nobody hears of what it
// announces before Postgres is back.
func (r *Recorder) Keep(ctx context.Context, e *Event) (written bool, err error) {
	p := &pending{event: e, bytes: e.size(), result: make(chan error, 1)}
	switch queued := r.enqueue(p); {
	case queued && r.spool != nil:
		return r.inTime(ctx, p)
	case queued:
		select {
		case err := <-p.result:
			return err == nil, err
		case <-ctx.Done():
			return false, unavailable(ctx.Err())
		}
	case r.spool != nil:
		select {
		case err := <-r.keepSoon(p):
			if err == nil {
				return false, nil
			}
		case <-ctx.Done():
		}
	}
	r.refused.Add(1)
	return false, problem.New(problem.CodeUnavailable, "No more events can wait for the database just now. Send this again in a moment.")
}

// Later writes an event when it can, and never blocks. Past the recorder's bounds the event is
// dropped and counted. It is for what nobody is promised: the event that ends a call goes through
// [Recorder.Record].
func (r *Recorder) Later(e *Event) {
	if !r.enqueue(&pending{event: e, bytes: e.size()}) {
		r.dropped.Add(1)
	}
}

// Stats are the recorder's counters since it started, how many events are not written yet, and how the spool stands.
type Stats struct {
	Written, Dropped, Refused, Waiting int64
	// Spooled events went to this machine's disk, Drained came from there, SetAside could not be written.
	Spooled, Drained, SetAside int64
	Spool                      spool.Stats
}

// unavailable is what a sender is told whose event is neither in Postgres nor on the disk.
func unavailable(cause error) error {
	detail := "The database did not confirm this in time. Send it again; nothing is counted twice."
	if errors.Is(cause, spool.ErrFull) {
		detail = "The database is away, and the disk of this sidecar is full. Send it again; nothing is counted twice."
	}
	return problem.New(problem.CodeUnavailable, "%s", detail)
}

// Stats returns the counters.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := Stats{Written: r.written.Load(), Dropped: r.dropped.Load(), Refused: r.refused.Load(),
		Waiting: int64(len(r.urgent.events) + len(r.later.events) + r.writing),
		Spooled: r.spooled.Load(), Drained: r.drained.Load(), SetAside: r.setAsides.Load()}
	if r.spool != nil {
		stats.Spool = r.spool.Stats()
	}
	return stats
}

// Close takes no more events, writes those that wait, and ends the writer. Postgres may be away and
// come back as long as ctx allows; what is not written then is dropped, counted and logged, and the
// error is ctx's. It returns when the writer has ended; closing again does no harm.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.signal()
	defer func() {
		r.giveUp()
		<-r.drainEnd // what it has not drained is there the next time
	}()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
	}
	before := r.dropped.Load()
	r.giveUp()
	<-r.done
	lost := r.dropped.Load() - before
	if lost == 0 {
		return nil
	}
	r.log.Error("events were still waiting for Postgres at the end and are lost", "events", lost)
	return ctx.Err()
}

func (r *Recorder) enqueue(p *pending) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	q := &r.later
	if p.result != nil {
		q = &r.urgent
	}
	if r.closed || !q.push(p) {
		return false
	}
	if p.result != nil || len(q.events) == 1 {
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
