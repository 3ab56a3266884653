package spool

import (
	"fmt"
	"strings"
)

// Found is what was found in the folder at the start.
type Found struct {
	Records int // from before
	Cut     int // bytes of a torn tail that was cut: of records that nobody was told are kept
	Damaged int // places where the disk has lost what was there; what they hold is set aside
}

// load reads what is there. Only the last file can end in a torn record: no file is begun before the one before it is whole
// on the disk.
func (l *Log) load() (found Found, err error) {
	names, err := l.fs.List()
	if err != nil {
		return found, err
	}
	var segments []string
	for _, name := range names {
		if n := number(name); n >= l.next {
			l.next = n + 1
		}
		if strings.HasSuffix(name, segmentSuffix) {
			segments = append(segments, name)
		}
	}
	for i, name := range segments {
		s, err := l.loadSegment(name, i == len(segments)-1, &found)
		if err != nil {
			return found, err
		}
		if s == nil {
			continue
		}
		found.Records += len(s.records)
		l.bytes += s.size
		l.segments = append(l.segments, s)
		for _, r := range s.records {
			l.next = max(l.next, r.seq+1)
		}
	}
	aside, err := ReadAside(l.fs)
	if err != nil {
		return found, err
	}
	for _, a := range aside {
		name := a.ID
		if a.Seq != 0 {
			name += asideSuffix
		}
		l.noteAside(name, int64(len(a.Data)))
	}
	return found, l.sweep()
}

// loadSegment reads one file. It returns nil for one that was set aside as a whole.
func (l *Log) loadSegment(name string, last bool, found *Found) (*segment, error) {
	content, err := l.fs.Read(name)
	if err != nil { // what is in the others is not lost for that
		found.Damaged++
		return nil, l.rename(name, strings.TrimSuffix(name, segmentSuffix)+damagedSuffix)
	}
	records, good, damaged := scan(content)
	cut, end := false, good
	if tail := int64(len(content)) - good; tail > 0 {
		switch {
		case last:
			if torn(content[good:]) {
				found.Cut += int(tail)
			} else { // it may have been whole once
				damaged = append(damaged, extent{good, good + tail})
			}
			cut = true
		case len(records) == 0:
			found.Damaged++
			return nil, l.rename(name, strings.TrimSuffix(name, segmentSuffix)+damagedSuffix)
		default:
			damaged = append(damaged, extent{good, good + tail})
			good += tail
		}
	}
	found.Damaged += len(damaged)
	for _, part := range damaged {
		aside := fmt.Sprintf("%s-%d%s", strings.TrimSuffix(name, segmentSuffix), part.from, damagedSuffix)
		if err := l.replace(aside, content[part.from:part.to]); err != nil {
			return nil, fmt.Errorf("set a damaged part aside: %w", err)
		}
	}
	if cut { // only now: what was there is kept
		if err := l.fs.Truncate(name, end); err != nil {
			return nil, fmt.Errorf("cut a torn tail: %w", err)
		}
	}
	return &segment{name: name, size: good, records: records, sealed: true}, nil
}

func (l *Log) rename(from, to string) error {
	if err := l.fs.Rename(from, to); err != nil {
		return err
	}
	return l.fs.Sync()
}

// nameOf names the segment whose first record is this one.
func nameOf(first uint64) string { return numbered(first, segmentSuffix) }

func numbered(n uint64, suffix string) string { return fmt.Sprintf("%016x%s", n, suffix) }

// number is the number that a file is named by; 0 for a file of another kind.
func number(name string) (n uint64) {
	if len(name) < 16 {
		return 0
	}
	if _, err := fmt.Sscanf(name[:16], "%016x", &n); err != nil {
		return 0
	}
	return n
}

// replace writes a file whole: after a crash it has all of this, or what it had before.
func (l *Log) replace(name string, content []byte) (err error) {
	const temporary = "new"
	if err := l.fs.Remove(temporary); err != nil {
		return err
	}
	f, err := l.fs.Append(temporary)
	if err != nil {
		return err
	}
	if _, err = f.Write(content); err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		_ = l.fs.Remove(temporary) // it is written over the next time
		return err
	}
	if err := l.fs.Rename(temporary, name); err != nil {
		return err
	}
	return l.fs.Sync()
}
