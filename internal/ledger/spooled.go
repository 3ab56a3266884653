package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ringside/internal/spool"
)

// Spool keeps events while Postgres does not. Package spool's Log implements it.
type Spool interface {
	Append(data ...[]byte) error
	Oldest(most, bytes int) ([]spool.Record, error)
	Done(records ...spool.Record) error
	SetAside(r spool.Record, reason string) error
	Retry() (taken int, err error)
	Stats() spool.Stats
}

// WithSpool has a recorder keep on this machine's disk what Postgres does not take within budget, and write it
// once Postgres is back, the oldest first. What was left there before is written as well.
func WithSpool(s Spool, budget time.Duration) RecorderOption {
	return func(r *Recorder) { r.spool, r.budget = s, budget }
}

// spoolVersion begins each event in the spool, so that another version knows what it has before it.
const spoolVersion = 1

// encodeEvent writes an event for the spool.
func encodeEvent(e *Event) ([]byte, error) {
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode an event for the spool: %w", err)
	}
	return append([]byte{spoolVersion}, raw...), nil
}

// DecodeSpooled reads an event as it is kept in the spool.
func DecodeSpooled(data []byte) (*Event, error) {
	if len(data) == 0 || data[0] != spoolVersion {
		return nil, errors.New("an event of another version of Ringside: run that one to write it")
	}
	var e Event
	if err := json.Unmarshal(data[1:], &e); err != nil {
		return nil, fmt.Errorf("decode an event of the spool: %w", err)
	}
	for _, raw := range []*json.RawMessage{&e.Recognition, &e.Detail} {
		if string(*raw) == "null" { // nothing, on its way
			*raw = nil
		}
	}
	if e.Announce != nil && string(e.Announce.Payload) == "null" {
		e.Announce.Payload = nil
	}
	return &e, nil
}

// keep puts events into the spool. It returns the spool's error if it has no room or has failed.
func (r *Recorder) keep(events ...*Event) error {
	all := make([][]byte, len(events))
	for i, e := range events {
		var err error
		if all[i], err = encodeEvent(e); err != nil {
			return err
		}
	}
	if err := r.spool.Append(all...); err != nil {
		return err
	}
	r.spooled.Add(int64(len(events)))
	select {
	case r.kept <- struct{}{}:
	default:
	}
	return nil
}

// keepSoon puts an event into the spool, and says when it is there: a disk may hang, for which nobody waits past their time.
func (r *Recorder) keepSoon(p *pending) <-chan error {
	kept := make(chan error, 1)
	go func() {
		err := r.keep(p.event)
		if err == nil {
			p.spooled.Store(true) // the writer need not write it as well; if it does, nothing is counted twice
		}
		kept <- err
	}()
	return kept
}

// Times of the drain.
const (
	drainEvery = time.Second            // how often it is looked for what was left, and for what is to be tried again
	drainPause = 200 * time.Millisecond // between two tries while Postgres is away
)

// drain writes what is in the spool, the oldest first, until nobody waits any longer. What is new goes straight to
// Postgres meanwhile: the order in which events are written does not matter.
func (r *Recorder) drain() {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	told := false
	for {
		before := r.drained.Load()
		taken, err := r.spool.Retry()
		if err != nil {
			r.log.Error("what was set aside of the spool cannot be tried again", "error", err)
		}
		if taken > 0 {
			r.log.Info("records of the spool that were set aside are tried again", "records", taken)
		}
		for more := true; more && r.alive.Err() == nil; {
			more, err = r.drainSome()
			if err != nil && !told {
				r.log.Warn("the spool cannot be drained yet", "records", r.spool.Stats().Records, "error", err)
			}
			told = err != nil
			if err != nil {
				r.pause(drainPause)
			}
		}
		if now := r.drained.Load(); now > before {
			r.log.Info("events that waited on the disk are written", "events", now-before)
		}
		select {
		case <-tick.C:
		case <-r.kept:
		case <-r.alive.Done():
			return
		}
	}
}

// drainSome writes the oldest records of the spool, and reports whether there is more to do.
func (r *Recorder) drainSome() (more bool, err error) {
	records, err := r.spool.Oldest(r.pace.most(), maxBatchBytes)
	if len(records) == 0 {
		return err != nil, err // nothing, or nothing that can be read: what is behind that comes next
	}
	return true, errors.Join(err, r.writeRecords(records))
}

// writeRecords writes records of the spool. One that Postgres refuses while it takes others is set aside, so that it
// holds up nobody.
func (r *Recorder) writeRecords(records []spool.Record) error {
	var events []*Event
	var good []spool.Record
	for _, record := range records {
		e, err := DecodeSpooled(record.Data)
		if err != nil {
			if err := r.setAside(record, err); err != nil {
				return err
			}
			continue
		}
		events, good = append(events, e), append(good, record)
	}
	if len(events) == 0 {
		return nil
	}
	switch err := r.apply(events); {
	case err == nil:
		for _, record := range good {
			delete(r.suspects, record.Seq)
		}
		r.drained.Add(int64(len(events)))
		return r.spool.Done(good...)
	case refused(err) && len(good) > 1:
		half := len(good) / 2
		first := r.writeRecords(good[:half])
		return cmp.Or(first, r.writeRecords(good[half:]))
	case tooSlow(err) && len(good) > 1:
		r.pace.slower(err, len(good))
		return nil // fewer come next
	case refusedData(err), refused(err) && r.othersWritten(good[0].Seq):
		return r.setAside(good[0], err)
	default:
		return err
	}
}

// othersWritten reports whether Postgres has taken other events since this record was refused first: it may be that
// it takes nothing at all. A record that is refused by itself waits until there are others, and holds up nobody.
func (r *Recorder) othersWritten(seq uint64) bool {
	now := r.written.Load()
	before, known := r.suspects[seq]
	if !known {
		r.suspects[seq] = now
	}
	return known && now > before
}

func (r *Recorder) setAside(record spool.Record, cause error) error {
	if err := r.spool.SetAside(record, cause.Error()); err != nil {
		return err
	}
	delete(r.suspects, record.Seq)
	r.setAsides.Add(1)
	r.log.Error("a record of the spool cannot be written and is set aside: see `ringside spool list`", "seq", record.Seq, "error", cause)
	return nil
}

// inTime waits for an event to be written, and keeps it in the spool if Postgres is away or takes too long.
func (r *Recorder) inTime(ctx context.Context, p *pending) (written bool, err error) {
	budget := r.budget
	if r.away.Load() {
		budget = 0 // it would only wait
	}
	timer := time.NewTimer(budget)
	defer timer.Stop()
	select {
	case err := <-p.result:
		if err == nil || refusedData(err) {
			return err == nil, err
		}
	case <-timer.C:
	case <-ctx.Done():
	}
	select {
	case err := <-r.keepSoon(p):
		if err != nil {
			err = r.withoutSpool(ctx, p, err)
			return err == nil, err
		}
		return false, nil
	case err := <-p.result:
		if err == nil || refusedData(err) {
			return err == nil, err
		}
	case <-ctx.Done():
	}
	r.refused.Add(1)
	return false, unavailable(context.DeadlineExceeded)
}

// withoutSpool waits for Postgres after all, where the spool takes nothing.
func (r *Recorder) withoutSpool(ctx context.Context, p *pending, cause error) (err error) {
	select {
	case err = <-p.result:
	case <-ctx.Done():
		err = unavailable(cause)
	}
	if err != nil {
		r.refused.Add(1)
	}
	return err
}
