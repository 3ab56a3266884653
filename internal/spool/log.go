package spool

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Options bound a log. Zero values take the defaults.
type Options struct {
	SegmentBytes int64 // when another file is begun; default 8 MiB
	MaxBytes     int64 // of all segments together; default 1 GiB
	MaxWaiting   int   // records that wait for one fsync; default 20,000
	// Now is the clock of the records; nil is the time.
	Now func() time.Time
}

// Found is what was found in the folder at the start.
type Found struct {
	Records int // from before
	Cut     int // torn tails that were cut, of records that nobody was told are kept
	Damaged int // places where something else stood between records: the disk has lost something
}

// Log is a spool. Its methods may be used from several goroutines at once.
type Log struct {
	fs      FS
	options Options

	wake chan struct{}
	done chan struct{}

	mu       sync.Mutex
	waiting  []*appending
	segments []*segment // the last one is written
	next     uint64
	bytes    int64
	failed   error
	closed   bool
	writing  bool // the last segment is being written

	current File // of the writer alone

	aside sync.Mutex // for what is set aside
}

// segment is a file, with its records that are not done.
type segment struct {
	name    string
	size    int64
	records []entry
	sealed  bool // nothing more is written to it
}

// appending is a record that somebody waits for.
type appending struct {
	data   []byte
	result chan error
}

const segmentSuffix = ".spool"

// Open opens the log in a folder, cuts torn tails, and begins a file of its own: what a crash has left is not written
// to again.
func Open(folder FS, o Options) (*Log, Found, error) {
	l := &Log{fs: folder, options: o, next: 1, wake: make(chan struct{}, 1), done: make(chan struct{})}
	for _, limit := range []struct {
		field *int64
		value int64
	}{{&l.options.SegmentBytes, 8 << 20}, {&l.options.MaxBytes, 1 << 30}} {
		if *limit.field <= 0 {
			*limit.field = limit.value
		}
	}
	if l.options.MaxWaiting <= 0 {
		l.options.MaxWaiting = 20_000
	}
	if l.options.Now == nil {
		l.options.Now = time.Now
	}
	found, err := l.load()
	if err != nil {
		return nil, found, fmt.Errorf("open the spool: %w", err)
	}
	go l.run()
	return l, found, nil
}

// load reads what is there.
func (l *Log) load() (found Found, err error) {
	names, err := l.fs.List()
	if err != nil {
		return found, err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, segmentSuffix) {
			continue
		}
		content, err := l.fs.Read(name)
		if err != nil {
			return found, err
		}
		records, good, damaged := scan(content)
		if good < int64(len(content)) {
			found.Cut++
			if err := l.fs.Truncate(name, good); err != nil {
				return found, fmt.Errorf("cut a torn tail: %w", err)
			}
		}
		found.Damaged += damaged
		found.Records += len(records)
		l.bytes += good
		l.segments = append(l.segments, &segment{name: name, size: good, records: records, sealed: true})
		for _, r := range records {
			l.next = max(l.next, r.seq+1)
		}
		if n := number(name); n >= l.next {
			l.next = n + 1
		}
	}
	return found, l.sweep()
}

func nameOf(first uint64) string { return fmt.Sprintf("%016x%s", first, segmentSuffix) }

func number(name string) (n uint64) {
	_, _ = fmt.Sscanf(strings.TrimSuffix(name, segmentSuffix), "%x", &n) // another's name has none
	return n
}

// Append keeps a record, and returns once it is on the disk: nil means that it outlives a crash of the machine. Records that
// come at the same time share one fsync.
func (l *Log) Append(data []byte) error {
	if len(data) > MaxData {
		return fmt.Errorf("%w: a record has at most %d bytes", ErrFull, MaxData)
	}
	a := &appending{data: data, result: make(chan error, 1)}
	l.mu.Lock()
	switch {
	case l.failed != nil:
		l.mu.Unlock()
		return l.failed
	case l.closed:
		l.mu.Unlock()
		return ErrClosed
	case len(l.waiting) >= l.options.MaxWaiting || l.bytes+int64(len(data)+headerSize) > l.options.MaxBytes:
		l.mu.Unlock()
		return ErrFull
	}
	l.waiting = append(l.waiting, a)
	l.mu.Unlock()
	l.signal()
	return <-a.result
}

func (l *Log) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close writes what waits and ends the log. Records that are not done are there the next time.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.signal()
	<-l.done
	if l.current == nil {
		return nil
	}
	return l.current.Close()
}

// run is the writer.
func (l *Log) run() {
	defer close(l.done)
	for {
		l.mu.Lock()
		batch, closed := l.waiting, l.closed
		l.waiting = nil
		l.mu.Unlock()
		switch {
		case len(batch) > 0:
			l.write(batch)
		case closed:
			return
		default:
			<-l.wake
		}
	}
}

// write keeps a batch: one write, one fsync, and then everybody is told.
func (l *Log) write(batch []*appending) {
	err := l.keep(batch)
	l.mu.Lock()
	l.writing = false
	if err != nil && !errors.Is(err, ErrFull) {
		l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		err = l.failed
		for _, late := range l.waiting {
			late.result <- err
		}
		l.waiting = nil
	}
	l.mu.Unlock()
	for _, a := range batch {
		a.result <- err
	}
}

// keep writes a batch to the disk.
func (l *Log) keep(batch []*appending) error {
	l.mu.Lock()
	if l.failed != nil {
		defer l.mu.Unlock()
		return l.failed
	}
	l.writing = true
	at, size := l.options.Now(), 0
	for _, a := range batch {
		size += headerSize + len(a.data)
	}
	entries, buf := make([]entry, len(batch)), make([]byte, 0, size)
	for i, a := range batch {
		entries[i] = entry{seq: l.next + uint64(i), at: at.UnixNano(), offset: int64(len(buf)), size: headerSize + len(a.data)}
		buf = appendRecord(buf, Record{Seq: entries[i].seq, At: at, Data: a.data})
	}
	l.mu.Unlock()
	s, err := l.segment()
	if err != nil {
		return err
	}
	if _, err := l.current.Write(buf); err != nil {
		return l.undo(s, err)
	}
	if err := l.current.Sync(); err != nil { // what is on the disk is not known any more, and asking again would not tell
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next += uint64(len(batch))
	for _, e := range entries {
		e.offset += s.size
		s.records = append(s.records, e)
	}
	s.size += int64(len(buf))
	l.bytes += int64(len(buf))
	return nil
}

// undo takes back what a failed write may have left. On a full disk that is all: there may be room later.
func (l *Log) undo(s *segment, cause error) error {
	if !full(cause) {
		return cause
	}
	if err := l.fs.Truncate(s.name, s.size); err != nil {
		return errors.Join(cause, err)
	}
	return fmt.Errorf("%w: %w", ErrFull, cause)
}

// segment returns the file that is written: another one when the last is large, or is from before.
func (l *Log) segment() (*segment, error) {
	l.mu.Lock()
	if n := len(l.segments); n > 0 && !l.segments[n-1].sealed && l.segments[n-1].size < l.options.SegmentBytes {
		defer l.mu.Unlock()
		return l.segments[n-1], nil
	}
	name := nameOf(l.next)
	l.mu.Unlock()
	if l.current != nil {
		if err := l.current.Close(); err != nil {
			return nil, err
		}
		l.current = nil
	}
	file, err := l.fs.Append(name)
	if err == nil {
		err = l.fs.Sync()
	}
	if err != nil {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
		if full(err) {
			return nil, fmt.Errorf("%w: %w", ErrFull, err)
		}
		return nil, err
	}
	l.current = file
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.segments {
		s.sealed = true
	}
	s := &segment{name: name}
	l.segments = append(l.segments, s)
	return s, nil
}
