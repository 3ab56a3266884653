package cache

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// How often it is tried to move the epoch on in a Redis that is away.
const (
	payMin = 50 * time.Millisecond
	payMax = time.Second
)

// debt holds why the epoch has to move on before Redis is believed again: fences that could not be
// put up, changes that may have been missed. A move settles only what was owed before it began.
type debt struct {
	due atomic.Bool // whether anything is owed

	mu      sync.Mutex
	reasons uint64 // so far
	paying  bool   // somebody sees to it
	closed  bool
	quit    chan struct{} // closed when closed
	payers  sync.WaitGroup
}

// add adds a reason. pay is true if nobody sees to the debt yet: the caller now does.
func (d *debt) add() (pay bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reasons++
	d.due.Store(true)
	pay = !d.paying && !d.closed
	d.paying = d.paying || pay
	return pay
}

// addIfDue adds a reason to a debt that there is already, and reports whether there is one. Then
// there is no use in trying to put up a fence: the move to come is as good as one.
func (d *debt) addIfDue() bool {
	if !d.due.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.due.Load() {
		return false
	}
	d.reasons++
	return true
}

// owed returns the number of reasons so far.
func (d *debt) owed() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reasons
}

// settle notes that the epoch has moved on since owed returned reasons. It is false if more have come
// since: the epoch has to move again.
func (d *debt) settle(reasons uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.reasons != reasons {
		return false
	}
	d.due.Store(false)
	d.paying = false
	return true
}

// pay tries until the debt is settled or the cache closed.
func (d *debt) pay(try func(context.Context) error, settled func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	d.payers.Go(func() {
		for wait := payMin; ; {
			reasons := d.owed()
			err := try(context.Background())
			switch {
			case err == nil && d.settle(reasons):
				settled()
				return
			case err == nil:
				continue
			}
			select {
			case <-d.quit:
				return
			case <-time.After(wait):
				wait = min(2*wait, payMax)
			}
		}
	})
}

// close ends the attempts; what is owed stays owed.
func (d *debt) close() {
	d.mu.Lock()
	if !d.closed {
		d.closed = true
		close(d.quit)
	}
	d.mu.Unlock()
	d.payers.Wait()
}

// moveEpoch makes every entry in Redis worthless. If that fails, Redis is not believed until it has
// succeeded.
func (r *remote) moveEpoch(ctx context.Context) {
	if !r.debt.add() {
		return // somebody is at it, and has to do it again for this
	}
	for settled := false; !settled; {
		reasons := r.debt.owed()
		if err := r.tryMoveEpoch(context.WithoutCancel(ctx)); err != nil {
			r.restore(err)
			return
		}
		settled = r.debt.settle(reasons)
	}
}

// oblige stops believing Redis until the epoch has moved on.
func (r *remote) oblige(cause error) {
	if r.debt.add() {
		r.restore(cause)
	}
}

// restore sees to it that the epoch moves on, for whoever was told to by debt.add.
func (r *remote) restore(cause error) {
	r.log.Warn("Redis cannot be kept true; it is not believed until its epoch has moved on", "error", cause)
	r.debt.pay(r.tryMoveEpoch, func() { r.log.Info("Redis is believed again") })
}
