package outgoing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"ringside/internal/org"
	"ringside/internal/problem"
	"ringside/internal/twilio/rest"
)

// ErrUnclear is wrapped by the error of a [Sender] that does not know whether Twilio has acted.
var ErrUnclear = rest.ErrUnclear

// Sender asks Twilio.
type Sender interface {
	// Send sends an item and returns Twilio's Sid. An error says that Twilio has not acted: a problem that is
	// unavailable or has a RetryAfter passes, any other is for good. One that is [ErrUnclear], or is no
	// problem at all, says nothing of whether it has.
	Send(ctx context.Context, i *Item) (sid string, err error)
	// Find returns the Sids of all that Twilio has which may be this item: of the same kind, between the
	// same numbers, with the same text, since it was Created; the oldest first.
	Find(ctx context.Context, i *Item) (sids []string, err error)
}

// Times of a dispatcher.
const (
	// sendWithin bounds one request, and lease is how long a worker may take for an item in all: a worker
	// that has lost its lease must not be asking any more.
	sendWithin = 20 * time.Second
	lease      = 60 * time.Second
	// findAfter is when an unclear item is looked for, and findUntil for how long after Twilio was asked: what
	// it does not list by then, it has not made.
	findAfter = 5 * time.Second
	findUntil = time.Minute
	// retryMin and retryMax bound the pause before Twilio is asked again, which doubles, and attempts how
	// often: about a quarter of an hour in all.
	retryMin = time.Second
	retryMax = 2 * time.Minute
	attempts = 14
	// lookEvery is how often it is looked for what another sidecar has added.
	lookEvery = time.Second
)

// Dispatcher sends what is in a store, several items at a time. Several dispatchers, of one program or
// of many, may share a store.
type Dispatcher struct {
	Store  *Store
	Sender Sender
	// Pace is the least time between the beginnings of two calls from one number.
	Pace time.Duration
	// Only is the organisation whose items are sent; "" sends everybody's.
	Only org.ID
	// Workers is how many items are sent at once.
	Workers int
	// Settled is told of each item that was sent or has failed, before others see it; nil tells nobody.
	Settled func(ctx context.Context, i *Item)
	Log     *slog.Logger

	wake chan struct{}
	once sync.Once
	away atomic.Bool // Postgres was, the last time
}

func (d *Dispatcher) woken() chan struct{} {
	d.once.Do(func() { d.wake = make(chan struct{}, 1) })
	return d.wake
}

// Wake makes the dispatcher look at once for what was just added.
func (d *Dispatcher) Wake() {
	select {
	case d.woken() <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends. It returns when no worker is at work any more; what was being sent is settled,
// or looked for by whoever comes next.
func (d *Dispatcher) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range max(d.Workers, 1) {
		workers.Go(func() { d.work(ctx) })
	}
	workers.Wait()
}

func (d *Dispatcher) work(ctx context.Context) {
	for ctx.Err() == nil {
		i, err := d.Store.claim(ctx, d.Pace, lease, d.Only)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			if !d.away.Swap(true) { // one worker says so
				d.Log.Warn("what is to be sent cannot be read; it waits", "error", err)
			}
		case i != nil:
			d.away.Store(false)
			d.do(ctx, i)
			d.Wake() // another worker may find the next one
			continue
		default:
			d.away.Store(false)
		}
		d.sleep(ctx)
	}
}

// sleep waits until something may be due.
func (d *Dispatcher) sleep(ctx context.Context) {
	wait := lookEvery
	if at, err := d.Store.next(ctx); err == nil && !at.IsZero() {
		wait = min(max(time.Until(at), 10*time.Millisecond), lookEvery)
	}
	due := time.NewTimer(wait)
	defer due.Stop()
	select {
	case <-due.C:
	case <-d.woken():
	case <-ctx.Done():
	}
}

// do sends an item, or looks for it, and settles it. It goes on for a moment when ctx ends: an answer
// that is on its way must not be lost.
func (d *Dispatcher) do(ctx context.Context, i *Item) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin)
	defer cancel()
	if i.State == Unclear {
		sid, err := d.find(ctx, i)
		d.found(i, sid, err)
	} else if err := d.Store.wanted(ctx, i); err != nil {
		d.sent(i, "", err)
	} else {
		sid, err := d.Sender.Send(ctx, i)
		d.sent(i, sid, err)
	}
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendWithin)
	defer cancel()
	if d.Settled != nil && (i.State == Sent || i.State == Failed) {
		d.Settled(settling, i)
	}
	if err := d.Store.settle(settling, i); err != nil {
		d.Log.Warn("what was sent could not be settled; it is looked for at Twilio before it is sent again", "id", i.ID, "kind", i.Kind, "state", i.State, "error", err)
	}
}

// find looks for an item at Twilio, and returns its Sid, or "". What looks like it and is another item is
// not taken for it.
func (d *Dispatcher) find(ctx context.Context, i *Item) (sid string, err error) {
	sids, err := d.Sender.Find(ctx, i)
	if err != nil || len(sids) == 0 {
		return "", err
	}
	return d.Store.free(ctx, i.OrgID, sids)
}

// sent makes of an item what Twilio's answer says.
func (d *Dispatcher) sent(i *Item, sid string, err error) {
	p, certain := problem.From(err)
	switch {
	case err == nil:
		i.State, i.SID, i.Code, i.Problem = Sent, sid, "", ""
	case errors.Is(err, ErrUnclear) || !certain:
		d.Log.Warn("Twilio's answer was lost: it is looked for before it is sent again", "id", i.ID, "kind", i.Kind, "error", err)
		i.State, i.DueAt = Unclear, time.Now().Add(findAfter)
	case (p.Code == problem.CodeUnavailable || p.RetryAfter > 0) && i.Attempts < attempts:
		i.State, i.DueAt = Waiting, time.Now().Add(max(p.RetryAfter, pause(i.Attempts)))
		i.Code, i.Problem = p.Code, p.Detail+" It is tried again by itself."
	default:
		i.State, i.Code, i.Problem = Failed, p.Code, p.Detail
	}
}

// pause is how long to wait after so many attempts.
func pause(attempts int) time.Duration {
	return min(retryMin<<min(max(attempts-1, 0), 10), retryMax)
}

// found makes of an unclear item what Twilio has of it.
func (d *Dispatcher) found(i *Item, sid string, err error) {
	switch {
	case err != nil:
		d.Log.Warn("Twilio could not be asked whether something was sent", "id", i.ID, "kind", i.Kind, "error", err)
		i.State, i.DueAt = Unclear, time.Now().Add(pause(i.Attempts))
	case sid != "":
		i.State, i.SID, i.Code, i.Problem = Sent, sid, "", ""
	case i.AskedAt != nil && time.Since(*i.AskedAt) < findUntil:
		i.State, i.DueAt = Unclear, time.Now().Add(findAfter)
	default:
		i.State, i.DueAt = Waiting, time.Now()
	}
}
