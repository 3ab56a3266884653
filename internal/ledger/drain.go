package ledger

import (
	"cmp"
	"errors"
	"time"

	"ringside/internal/spool"
)

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
	told, untaken := false, false
	for {
		before := r.drained.Load()
		taken, err := r.spool.Retry()
		if err != nil && !untaken {
			r.log.Error("what was set aside of the spool cannot be tried again", "error", err)
		}
		untaken = err != nil
		if taken > 0 {
			r.log.Info("records of the spool that were set aside are tried again", "records", taken)
		}
		for more := true; more && r.alive.Err() == nil; {
			if more, err = r.drainSome(); err == nil {
				continue
			}
			if !told {
				r.log.Warn("the spool cannot be drained yet", "records", r.spool.Stats().Records, "error", err)
			}
			told = true
			r.pause(drainPause)
		}
		if r.spool.Stats().Records == 0 {
			told = false
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

// drainSome writes the oldest records of the spool, and reports whether there is more to do now.
func (r *Recorder) drainSome() (more bool, err error) {
	records, err := r.spool.Oldest(r.drainPace.most(), maxBatchBytes)
	if len(records) == 0 {
		return err != nil, err // nothing, or nothing that can be read: what is behind that comes next
	}
	err = errors.Join(err, r.writeRecords(records))
	return err == nil || !records[0].PutOff, err
}

// writeRecords writes records of the spool. One that Postgres does not take by itself is put off, so that it holds up
// nobody: somebody may hold its rows. If it is still refused when others were written, it is set aside.
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
	switch err := r.apply(events, &r.drainPace); {
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
		r.drainPace.slower(err, len(good))
		return nil // fewer come next
	case refusedData(err), refused(err) && r.othersWritten(good[0].Seq):
		return r.setAside(good[0], err)
	case refused(err), cancelled(err):
		r.spool.PutOff(good[0])
		return err
	default:
		return err
	}
}

// othersWritten reports whether Postgres has taken other events since this record was refused first: it may be that
// it takes nothing at all.
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
