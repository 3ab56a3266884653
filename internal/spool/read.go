package spool

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Oldest returns the oldest records that are not done, at most so many, and of at most so many bytes together but always
// one if there is any. They come again until they are done.
//
// A record that cannot be read any more is left out from then on, and err says so, once: its file stays, and is
// looked at again at the next start.
func (l *Log) Oldest(most, bytes int) (records []Record, err error) {
	var failures []error
	var lost []uint64
	defer func() { l.leaveOut(lost) }()
	for _, p := range l.pick(most, bytes) {
		raw := make([]byte, p.size)
		if err := l.fs.ReadAt(p.file, raw, p.offset); err != nil {
			lost, failures = append(lost, p.seq), append(failures, fmt.Errorf("read record %d of the spool: %w", p.seq, err))
			continue
		}
		r, _, ok := readRecord(raw)
		if !ok || r.Seq != p.seq {
			lost, failures = append(lost, p.seq), append(failures, fmt.Errorf("record %d of the spool is damaged", p.seq))
			continue
		}
		records = append(records, r)
	}
	return records, errors.Join(failures...)
}

// place is where a record is, with its file.
type place struct {
	entry
	file string
}

func (l *Log) pick(most, bytes int) (places []place) {
	l.mu.Lock()
	defer l.mu.Unlock()
	taken := 0
	for _, s := range l.segments {
		for _, e := range s.records {
			if l.unreadable[e.seq] {
				continue
			}
			if len(places) >= most || len(places) > 0 && taken+e.size > bytes {
				return places
			}
			places = append(places, place{e, s.name})
			taken += e.size
		}
	}
	return places
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
