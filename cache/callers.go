package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/recognize"
)

// The times of the fence; doc.go argues with them.
const (
	fenceLife   = 5 * time.Second
	fillAge     = 2 * time.Second
	processLife = time.Second // of an entry in the process, beside Redis
)

// How long entries are believed, and how long those of people who are known are kept, in case Postgres is away when they
// call again. What keeps them true is the fence, not these.
const (
	knownLife   = 10 * time.Minute
	unknownLife = 2 * time.Minute
	keptLife    = 24 * time.Hour
)

// believed is how long an entry is as good as Postgres.
func believed(r *recognize.Record) time.Duration {
	if r.Known() {
		return knownLife
	}
	return unknownLife
}

// kept is how long an entry is there.
func kept(r *recognize.Record) time.Duration {
	if r.Known() {
		return keptLife
	}
	return unknownLife
}

const (
	joinWithin   = 500 * time.Millisecond // a look-up older than this is not joined
	lookUpBudget = 5 * time.Second        // of a look-up that nobody may be waiting for any more
	awayFor      = 500 * time.Millisecond // Postgres failed this recently: serve what there is
	capacity     = 100_000                // callers held in the process
)

type callerKey struct {
	org    org.ID
	number phone.Number
}

// Callers is a directory in front of another: the cache.
type Callers struct {
	next   recognize.Directory
	shelf  *shelf[callerKey, *recognize.Record]
	remote *remote // nil without Redis
	// current reports whether the listener has heard of every recent change.
	current func() bool
	// Timed is told of every place that was asked and how long it took, those too that nobody waited
	// for to the end. It may be nil, and is not to be changed once callers are looked up.
	Timed     func(recognize.Step)
	flights   flights
	refresher refresher
	away      atomic.Int64 // until when Postgres counts as away; nanoseconds since shelf.start
}

// NewCallers returns a cache in front of next: in Redis as well as in the process if memory is a
// shared one. current is [postgres.Listener.Current], whose notifications must go to
// [Callers.Notified] and whose connects to [Callers.Connected].
func NewCallers(next recognize.Directory, memory *Redis, current func() bool) *Callers {
	c := &Callers{next: next, shelf: newShelf[callerKey, *recognize.Record](capacity), current: current}
	c.flights.running = map[callerKey]*flight{}
	if memory != nil {
		c.remote = memory.remote
	}
	return c
}

// Find returns the caller from the nearest place that may be believed. It ends when ctx does; the
// look-up then goes on by itself, so that the next one finds its result.
func (c *Callers) Find(ctx context.Context, id org.ID, n phone.Number) (recognize.Finding, error) {
	key, began := callerKey{id, n}, time.Now()
	// Asked before looking: the fences of what is proven to have been heard of are up by now, so
	// what is then found may be believed. The other way round, the proof could come in between.
	current := c.current()
	record, age, state := c.shelf.get(key)
	step := recognize.Step{Tier: recognize.TierProcess, Micros: time.Since(began).Microseconds()}
	c.timed(step)
	switch {
	case state == slotHeld && current && age < believed(record):
		step.Outcome, step.AgeMS = outcome(record), age.Milliseconds()
		return recognize.Finding{Record: record, Steps: []recognize.Step{step}}, nil
	case state == slotHeld && c.postgresAway():
		step.Outcome, step.AgeMS = "served although Postgres is away", age.Milliseconds()
		return recognize.Finding{Record: record, Steps: []recognize.Step{step}, Stale: true}, nil
	case state == slotHeld && current:
		step.Outcome = "too old"
	case state == slotHeld:
		step.Outcome = "distrusted"
	case state == slotFenced:
		step.Outcome = "fenced"
	default:
		step.Outcome = "miss"
	}
	f := c.flights.join(key, c.lookUp)
	var found *recognize.Record
	var err error
	select {
	case <-f.done:
		found, err = f.record, f.err
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			c.noteAway()
		}
		found, err = f.stale.Load(), fmt.Errorf("find caller: %w", ctx.Err())
	}
	finding := recognize.Finding{Record: found, Steps: append([]recognize.Step{step}, f.progress()...)}
	if found == nil && state == slotHeld {
		finding.Record = record
	}
	if finding.Record == nil {
		return finding, err
	}
	finding.Stale = err != nil || f.old
	if err != nil { // an old name beats none
		finding.Steps = append(finding.Steps, recognize.Step{Tier: recognize.TierPostgres, Outcome: "no answer: what was held is served"})
	}
	return finding, nil
}

func outcome(r *recognize.Record) string {
	if r.Known() {
		return "hit"
	}
	return "hit: unknown caller"
}

// lookUp carries out a flight: Redis, then Postgres, then the fill. The flight's waiters go on
// before the fill.
func (c *Callers) lookUp(key callerKey, f *flight) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpBudget)
	defer cancel()
	defer c.flights.retire(key, f)
	generation := c.shelf.generation.Load()
	// In this order, as in Find: what is proven to have been heard of is fenced in Redis by now, or
	// Redis is not usable.
	current := c.current()
	// An earlier flight may have landed between the caller's look at the shelf and this one's start.
	if record, age, state := c.shelf.get(key); state == slotHeld && current && age < believed(record) {
		f.note(recognize.Step{Tier: recognize.TierProcess, Outcome: outcome(record), AgeMS: age.Milliseconds()})
		f.held = true
		f.land(record, nil)
		return
	}
	var seen view
	if c.remote != nil && c.remote.usable() {
		began := c.shelf.now()
		var done bool
		if seen, done = c.lookInRedis(ctx, key, f, current); done {
			c.shelf.fill(key, f.record, began, processLife, generation)
			f.held = !f.old
			return
		}
	}
	began := c.shelf.now()
	finding, err := c.next.Find(ctx, key.org, key.number)
	f.note(finding.Steps...)
	c.timed(finding.Steps...)
	if err != nil {
		c.noteAway()
		if stale := f.stale.Load(); stale != nil {
			f.old = true
			f.land(stale, nil)
			return
		}
		f.land(nil, err)
		return
	}
	f.land(finding.Record, nil)
	life := kept(finding.Record)
	if c.remote == nil {
		f.held = c.shelf.fill(key, finding.Record, began, life, generation)
		return
	}
	c.shelf.fill(key, finding.Record, began, processLife, generation)
	if !seen.at.IsZero() && !seen.fenced {
		f.held = c.remote.fill(ctx, key, seen, finding.Record, life) // a cache that is not filled costs a look-up, no more
	}
}

// lookInRedis asks Redis, whose entries are believed if the listener was current before. done means
// that the flight has landed with what was there.
func (c *Callers) lookInRedis(ctx context.Context, key callerKey, f *flight, current bool) (seen view, done bool) {
	began := time.Now()
	seen, err := c.remote.look(ctx, key)
	step := recognize.Step{Tier: recognize.TierRedis, Micros: time.Since(began).Microseconds()}
	switch {
	case err != nil:
		step.Outcome = "failed"
	case seen.record != nil && current && seen.age < believed(seen.record):
		step.Outcome, done = outcome(seen.record), true
	case seen.record != nil && c.postgresAway():
		step.Outcome, done, f.old = "served although Postgres is away", true, true
	case seen.record != nil:
		if step.Outcome = "distrusted"; current {
			step.Outcome = "too old"
		}
		f.stale.Store(seen.record)
	case seen.fenced:
		step.Outcome = "fenced"
	default:
		step.Outcome = "miss"
	}
	if seen.record != nil {
		step.AgeMS = seen.age.Milliseconds()
	}
	f.note(step)
	c.timed(step)
	if done {
		f.land(seen.record, nil)
	}
	return seen, done
}

func (c *Callers) timed(steps ...recognize.Step) {
	if c.Timed == nil {
		return
	}
	for _, step := range steps {
		c.Timed(step)
	}
}

// noteAway remembers that Postgres did not answer in time; postgresAway says whether that was a
// moment ago. Then what is held is served at once rather than after another wait.
func (c *Callers) noteAway()          { c.away.Store(int64(c.shelf.now() + awayFor)) }
func (c *Callers) postgresAway() bool { return int64(c.shelf.now()) < c.away.Load() }

// Raise puts up the fence of a writer, before it commits. See [contacts.Fence].
func (c *Callers) Raise(ctx context.Context, id org.ID, numbers ...phone.Number) (shared bool) {
	keys := make([]callerKey, len(numbers))
	for i, n := range numbers {
		keys[i] = callerKey{id, n}
	}
	return c.raise(ctx, keys)
}

func (c *Callers) raise(ctx context.Context, keys []callerKey) (shared bool) {
	for _, key := range keys {
		c.shelf.raise(key, fenceLife)
		c.flights.forget(key)
	}
	return c.remote != nil && c.remote.raise(ctx, keys)
}

// Channel is the notification channel that [Callers.Notified] understands.
const Channel = "ringside_callers"

// Notified takes a notification of the database: "<org> <phone> …", "<org> *" or "*".
func (c *Callers) Notified(ctx context.Context, payload string) {
	words := strings.Fields(payload)
	switch {
	case len(words) == 1 && words[0] == "*":
		c.Connected(ctx)
	case len(words) == 2 && words[1] == "*":
		c.flights.forgetAll()
		c.shelf.clear()
		if c.remote != nil {
			c.remote.moveOrg(ctx, org.ID(words[0]))
		}
	case len(words) >= 2:
		keys := make([]callerKey, 0, len(words)-1)
		for _, n := range words[1:] {
			keys = append(keys, callerKey{org.ID(words[0]), phone.Number(n)})
		}
		c.raise(ctx, keys)
	}
}

// Connected forgets everything: changes may have been missed.
func (c *Callers) Connected(ctx context.Context) {
	c.flights.forgetAll()
	c.shelf.clear()
	if c.remote != nil {
		c.remote.moveEpoch(ctx)
	}
}
