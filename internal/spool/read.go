package spool

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// Oldest returns the oldest records that are not done, at most so many, and of at most so many bytes together but always
// one if there is any. They come again until they are done. Those that were put off come once nothing else is left, in the
// order in which they were.
//
// A record that cannot be read any more is left out from then on, and err says so, once: its file stays, and is
// looked at again at the next start.
func (l *Log) Oldest(most, bytes int) (records []Record, err error) {
	var failures []error
	var lost []uint64
	defer func() { l.leaveOut(lost) }()
	for _, p := range l.pick(most, bytes) {
		raw := make([]byte, p.size)
		err := l.fs.ReadAt(p.file, raw, p.offset)
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) { // which says nothing of the disk, and passes
			return records, errors.Join(append(failures, fmt.Errorf("read the spool: %w", err))...)
		}
		if err != nil {
			lost, failures = append(lost, p.seq), append(failures, fmt.Errorf("read record %d of the spool: %w", p.seq, err))
			continue
		}
		r, _, ok := readRecord(raw)
		if !ok || r.Seq != p.seq {
			lost, failures = append(lost, p.seq), append(failures, fmt.Errorf("record %d of the spool is damaged", p.seq))
			continue
		}
		r.PutOff = p.turn > 0
		records = append(records, r)
	}
	return records, errors.Join(failures...)
}

// place is where a record is, with its file.
type place struct {
	entry
	file string
}

func (l *Log) pick(most, bytes int) []place {
	l.mu.Lock()
	defer l.mu.Unlock()
	first, putOff := selection{most: most, bytes: bytes}, []place(nil)
	for _, s := range l.segments {
		for _, e := range s.records {
			switch {
			case l.unreadable[e.seq]:
			case e.turn > 0:
				putOff = append(putOff, place{e, s.name})
			case !first.add(place{e, s.name}):
				return first.places
			}
		}
	}
	if len(first.places) > 0 {
		return first.places
	}
	slices.SortFunc(putOff, func(a, b place) int { return cmp.Compare(a.turn, b.turn) })
	for _, p := range putOff {
		if !first.add(p) {
			break
		}
	}
	return first.places
}

// selection is of as many records as may be.
type selection struct {
	places      []place
	most, bytes int
}

// add reports whether there was room for a record.
func (s *selection) add(p place) bool {
	if len(s.places) >= s.most || len(s.places) > 0 && p.size > s.bytes {
		return false
	}
	s.places = append(s.places, p)
	s.bytes -= p.size
	return true
}

// PutOff has all other records come before this one, until the log is opened again.
func (l *Log) PutOff(r Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.turns++
	for _, s := range l.segments {
		for i := range s.records {
			if s.records[i].seq == r.Seq {
				s.records[i].turn = l.turns
				return
			}
		}
	}
}

// leaveOut has records left out that cannot be read.
func (l *Log) leaveOut(lost []uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seq := range lost {
		l.unreadable[seq] = true
	}
}

// Done says that records are where they belong. Files of which all records are done are removed; after a crash, records that
// were done in a file that is still there come again.
func (l *Log) Done(records ...Record) error {
	if len(records) == 0 {
		return nil
	}
	done := make(map[uint64]bool, len(records))
	first, last := records[0].Seq, records[0].Seq
	for _, r := range records {
		done[r.Seq] = true
		first, last = min(first, r.Seq), max(last, r.Seq)
	}
	l.mu.Lock()
	for _, s := range l.segments {
		if n := len(s.records); n > 0 && s.records[0].seq <= last && s.records[n-1].seq >= first {
			s.records = slices.DeleteFunc(s.records, func(e entry) bool { return done[e.seq] })
		}
	}
	left := 0
	for _, s := range l.segments {
		left += len(s.records)
	}
	l.full = l.full && left > 0 // there is nothing to make room for, and the next that comes may find some
	if n := len(l.segments); n > 0 && !l.writing && len(l.segments[n-1].records) == 0 && l.segments[n-1].size > 0 {
		l.segments[n-1].sealed = true // the next record begins another file, of another name
	}
	l.mu.Unlock()
	return l.sweep()
}

// sweep removes the files of which nothing is needed. The one that is written stays.
func (l *Log) sweep() error {
	l.mu.Lock()
	var gone []*segment
	l.segments = slices.DeleteFunc(l.segments, func(s *segment) bool {
		if len(s.records) > 0 || !s.sealed {
			return false
		}
		gone = append(gone, s)
		l.bytes -= s.size
		l.full = false
		return true
	})
	l.mu.Unlock()
	for _, s := range gone {
		if err := l.fs.Remove(s.name); err != nil {
			return err
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return l.fs.Sync()
}

// Stats returns how the log stands.
func (l *Log) Stats() (s Stats) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s = Stats{Bytes: l.bytes + l.asideBytes, SetAside: l.aside + int64(len(l.unreadable)), Appended: l.appended, Full: l.full, Failed: l.failed}
	for _, segment := range l.segments {
		s.Records += int64(len(segment.records))
		if s.Oldest.IsZero() { // they are in the order in which they came
			for _, e := range segment.records {
				if !l.unreadable[e.seq] {
					s.Oldest = time.Unix(0, e.at)
					break
				}
			}
		}
	}
	s.Records -= int64(len(l.unreadable))
	return s
}
