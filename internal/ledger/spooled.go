package ledger

import (
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
	PutOff(r spool.Record)
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

// errHung is of a disk that does not answer.
var errHung = errors.New("the disk does not answer")

// keepBriefly puts an event into the spool, and gives up waiting for a disk that hangs.
func (r *Recorder) keepBriefly(p *pending) error {
	select {
	case err := <-r.keepSoon(p):
		return err
	case <-time.After(retryMax):
		return errHung
	}
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
		if err == nil {
			return !p.spooled.Load(), nil
		}
		return r.lastly(p, err)
	case <-timer.C:
	case <-ctx.Done():
	}
	select {
	case err := <-r.keepSoon(p):
		if err == nil {
			return false, nil
		}
		err = r.withoutSpool(ctx, p, err)
		return err == nil && !p.spooled.Load(), err
	case err := <-p.result:
		if err == nil {
			return !p.spooled.Load(), nil
		}
	case <-ctx.Done():
	}
	r.refused.Add(1)
	return false, unavailable(context.DeadlineExceeded)
}

// lastly is for an event of which the writer has nothing more to say than that it is not kept: on its way to the
// disk, or when the recorder ends. The disk is asked once more.
func (r *Recorder) lastly(p *pending, cause error) (written bool, err error) {
	if r.keepBriefly(p) == nil {
		return false, nil
	}
	r.refused.Add(1)
	return false, cause
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
