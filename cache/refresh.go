package cache

import (
	"context"
	"sync"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// Callers whose history has just changed are looked up again as soon as their fence is gone: so whoever calls back
// is at hand, and is greeted by name also while Postgres is away.
const (
	refreshAfter = fenceLife + 500*time.Millisecond
	refreshEvery = 500 * time.Millisecond
	refreshMost  = 10_000 // callers who wait for it; past that they are read when they call
	refreshLanes = 16     // look-ups at once, which share round trips
	refreshTries = 3
)

// refresher holds who is to be looked up again, in the order of their times.
type refresher struct {
	mu    sync.Mutex
	queue []dueCaller
	due   map[callerKey]time.Duration // the last time that was set
}

type dueCaller struct {
	key   callerKey
	at    time.Duration // since shelf.start
	tried int
}

// Refresh has callers looked up again once the fences that were put up for them a moment ago are gone, by
// [Callers.KeepFresh].
func (c *Callers) Refresh(id org.ID, numbers ...phone.Number) {
	for _, n := range numbers {
		c.refresher.add(dueCaller{callerKey{id, n}, c.shelf.now() + refreshAfter, 0})
	}
}

// add puts a caller last, and off if they wait already.
func (r *refresher) add(d dueCaller) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, waits := r.due[d.key]; !waits && len(r.due) >= refreshMost {
		return
	}
	if r.due == nil {
		r.due = map[callerKey]time.Duration{}
	}
	r.due[d.key] = d.at
	r.queue = append(r.queue, d)
}

// take removes those whose time has come. Who was put off since is left in.
func (r *refresher) take(now time.Duration) (due []dueCaller) {
	r.mu.Lock()
	defer r.mu.Unlock()
	passed := 0
	for _, d := range r.queue {
		if d.at > now {
			break
		}
		passed++
		if r.due[d.key] == d.at {
			delete(r.due, d.key)
			due = append(due, d)
		}
	}
	r.queue = r.queue[passed:]
	return due
}

// KeepFresh looks up again whom [Callers.Refresh] has named, until ctx ends. Nobody waits for it, and who cannot be
// looked up, or held, is tried again a little later, and then left alone.
func (c *Callers) KeepFresh(ctx context.Context) {
	tick := time.NewTicker(refreshEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		due := make(chan dueCaller)
		var lanes sync.WaitGroup
		waiting := c.refresher.take(c.shelf.now())
		for range min(refreshLanes, len(waiting)) {
			lanes.Go(func() {
				for d := range due {
					if ctx.Err() == nil {
						c.refresh(d)
					}
				}
			})
		}
		for _, d := range waiting {
			due <- d
		}
		close(due)
		lanes.Wait()
	}
}

// refresh looks a caller up who is not at hand.
func (c *Callers) refresh(d dueCaller) {
	if !c.postgresAway() {
		f := newFlight()
		if c.lookUp(d.key, f); f.held {
			return
		}
	}
	if d.tried++; d.tried < refreshTries {
		d.at = c.shelf.now() + refreshAfter
		c.refresher.add(d)
	}
}
