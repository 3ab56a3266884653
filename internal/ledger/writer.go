package ledger

import (
	"time"

	"ringside/internal/problem"
)

// Times of the writer.
const (
	// paceLater spaces out batches that hold nothing but events nobody waits for: a flood of calls
	// that begin must not keep Postgres from what has to be durable.
	paceLater = 200 * time.Millisecond
	retryMin  = 50 * time.Millisecond
	retryMax  = time.Second
)

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
	waiting := len(r.later.events) > 0
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
	most := r.pace.most()
	batch = r.urgent.moveTo(nil, most)
	if len(batch) > 0 || laterDue || r.closed {
		batch = r.later.moveTo(batch, most)
	}
	r.writing = len(batch)
	return batch, r.closed
}

// write writes a batch, again and again while Postgres is away. A batch that Postgres refuses, or cannot commit in
// time, is halved until the event at fault is by itself, so that it cannot hold up the others.
func (r *Recorder) write(batch []*pending) {
	refusals, moved, wait := 0, false, retryMin
	for {
		if batch = r.withoutSpooled(batch); len(batch) == 0 {
			return
		}
		if r.alive.Err() != nil {
			batch = r.keepLast(batch)
			r.drop(batch, problem.New(problem.CodeUnavailable, "This sidecar stopped before the database confirmed this. Send it again."))
			return
		}
		err := r.apply(eventsOf(batch), &r.pace)
		switch {
		case err == nil:
			r.settle(batch, nil)
			return
		case halved(err) && len(batch) > 1:
			r.pace.slower(err, len(batch))
			r.write(batch[:len(batch)/2])
			r.write(batch[len(batch)/2:])
			return
		case refused(err) && refusals > 0 && r.spool != nil:
			r.keepRefused(batch[0])
			return
		case refused(err) && refusals > 0:
			r.log.Error("Postgres refused an event; it is dropped", "sid", batch[0].event.SID, "event", batch[0].event.Name, "error", err)
			r.drop(batch, err)
			return
		case refused(err): // a row that it refers to may have gone in this very moment: once more
			refusals++
			continue
		case cancelled(err) && r.spool != nil && !moved: // the drain goes on with others while this waits for its rows
			moved = true
			_ = r.keepBriefly(batch[0]) // once more where the disk does not take it
			continue
		}
		if !r.away.Swap(true) { // said once, however many batches come and go
			what := "events cannot be written and wait in memory"
			if r.spool != nil {
				what = "events cannot be written; those that Twilio is told are kept go to this machine's disk"
			}
			r.log.Warn(what, "events", len(batch), "error", err)
		}
		r.pause(wait)
		wait = min(2*wait, retryMax)
	}
}

// withoutSpooled takes out what is on the disk meanwhile, and will be written from there.
func (r *Recorder) withoutSpooled(batch []*pending) (left []*pending) {
	var spooled []*pending
	for _, p := range batch {
		if p.spooled.Load() {
			spooled = append(spooled, p)
		} else {
			left = append(left, p)
		}
	}
	r.settle(spooled, nil)
	return left
}

// keepRefused puts an event into the spool that Postgres refuses: by the spool one that is refused alone is told
// apart, and set aside with the reason.
func (r *Recorder) keepRefused(p *pending) {
	if err := r.keepBriefly(p); err != nil {
		r.log.Error("Postgres refused an event, and the disk does not take it; it is dropped", "sid", p.event.SID, "event", p.event.Name, "error", err)
		r.drop([]*pending{p}, unavailable(err))
		return
	}
	r.settle([]*pending{p}, nil)
}

// keepLast puts what waits at the end into the spool, together, and returns what it does not take.
func (r *Recorder) keepLast(batch []*pending) (left []*pending) {
	if r.spool == nil {
		return batch
	}
	if err := r.keep(eventsOf(batch)...); err != nil {
		return batch
	}
	for _, p := range batch {
		p.spooled.Store(true)
	}
	r.settle(batch, nil)
	return nil
}

func eventsOf(batch []*pending) []*Event {
	events := make([]*Event, len(batch))
	for i, p := range batch {
		events[i] = p.event
	}
	return events
}

// apply writes events, and has callers looked up again whose history they have changed.
func (r *Recorder) apply(events []*Event, pace *pace) error {
	if err := apply(r.alive, r.pool, r.fence, r.key, events); err != nil {
		return err
	}
	if r.away.Swap(false) {
		r.log.Info("events are written again", "events", len(events))
	}
	r.written.Add(int64(len(events)))
	pace.faster(len(events))
	if r.refresher != nil {
		for id, numbers := range touched(events) {
			r.refresher.Refresh(id, numbers...)
		}
	}
	return nil
}

// pause waits, but not past the recorder's end.
func (r *Recorder) pause(d time.Duration) {
	select {
	case <-time.After(d):
	case <-r.alive.Done():
	}
}

func (r *Recorder) drop(batch []*pending, err error) {
	r.dropped.Add(int64(len(batch)))
	r.settle(batch, err)
}

// settle takes events off the count of those that wait, and tells whoever waits for them.
func (r *Recorder) settle(batch []*pending, err error) {
	r.mu.Lock()
	r.writing -= len(batch)
	r.mu.Unlock()
	for _, p := range batch {
		if p.result != nil {
			p.result <- err
		}
	}
}
