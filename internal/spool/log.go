package spool

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Options bound a log. Zero values take the defaults.
type Options struct {
	SegmentBytes int64 // when another file is begun; default 8 MiB
	MaxBytes     int64 // of all files together; default 1 GiB
	MaxWaiting   int   // appends that wait for one fsync; default 20,000
	// Now is the clock of the records; nil is the time.
	Now func() time.Time
	// Synced is told how long each fsync took that somebody waited for; may be nil.
	Synced func(time.Duration)
}

// Log is a spool. Its methods may be used from several goroutines at once.
type Log struct {
	fs      FS
	options Options

	wake chan struct{}
	done chan struct{}

	mu           sync.Mutex
	waiting      []*appending
	waitingBytes int64
	segments     []*segment // the last one is written
	next         uint64
	bytes        int64 // of the segments
	aside        int64
	asideBytes   int64
	asideSizes   map[string]int64 // by file
	unreadable   map[uint64]bool  // records that are left out
	turns        uint64           // how often a record was put off
	appended     int64
	failed       error
	full         bool // the last that came had no room
	closed       bool
	writing      bool // the last segment is being written

	current File // of the writer alone

	setting sync.Mutex // one at a time sets aside and puts back
}

// segment is a file, with its records that are not done.
type segment struct {
	name    string
	size    int64
	records []entry
	sealed  bool // nothing more is written to it
}

// appending are records that somebody waits for.
type appending struct {
	data   [][]byte
	bytes  int64
	result chan error
}

// maxWaitingBytes bounds what waits for one fsync, in bytes.
const maxWaitingBytes = 64 << 20

// Open opens the log in a folder, cuts torn tails, and begins a file of its own: what a crash has left is not written
// to again.
func Open(folder FS, o Options) (*Log, Found, error) {
	l := &Log{fs: folder, options: o, next: 1, wake: make(chan struct{}, 1), done: make(chan struct{}), asideSizes: map[string]int64{}, unreadable: map[uint64]bool{}}
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

// Append keeps records, and returns once they are on the disk: nil means that they outlive a crash of the machine. Whoever
// appends at the same time shares one fsync.
func (l *Log) Append(data ...[]byte) error {
	if len(data) == 0 {
		return nil
	}
	a := &appending{data: data, result: make(chan error, 1)}
	for _, d := range data {
		if len(d) > MaxData {
			return fmt.Errorf("%w: a record has at most %d bytes", ErrFull, MaxData)
		}
		a.bytes += int64(headerSize + len(d))
	}
	if err := l.enqueue(a); err != nil {
		return err
	}
	l.signal()
	return <-a.result
}

func (l *Log) enqueue(a *appending) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.failed != nil:
		return l.failed
	case l.closed:
		return ErrClosed
	case len(l.waiting) >= l.options.MaxWaiting, l.waitingBytes > 0 && l.waitingBytes+a.bytes > maxWaitingBytes,
		l.bytes+l.asideBytes+l.waitingBytes+a.bytes > l.options.MaxBytes:
		l.full = true
		return ErrFull
	}
	l.waiting = append(l.waiting, a)
	l.waitingBytes += a.bytes
	return nil
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
		l.waiting, l.waitingBytes = nil, 0
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
	l.full = errors.Is(err, ErrFull)
	if err != nil && !errors.Is(err, ErrFull) {
		if l.failed == nil {
			l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
		}
		err = l.failed
		for _, late := range l.waiting {
			late.result <- err
		}
		l.waiting, l.waitingBytes = nil, 0
	}
	l.mu.Unlock()
	for _, a := range batch {
		a.result <- err
	}
}

// keep writes a batch to the disk.
func (l *Log) keep(batch []*appending) error {
	buf, entries, err := l.format(batch)
	if err != nil {
		return err
	}
	s, err := l.segment()
	if err != nil {
		return err
	}
	if _, err := l.current.Write(buf); err != nil {
		return l.undo(s, err)
	}
	began := time.Now()
	if err := l.current.Sync(); err != nil { // what is on the disk is not known any more, and asking again would not tell
		return err
	}
	if l.options.Synced != nil {
		l.options.Synced(time.Since(began))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next += uint64(len(entries))
	l.appended += int64(len(entries))
	for _, e := range entries {
		e.offset += s.size
		s.records = append(s.records, e)
	}
	s.size += int64(len(buf))
	l.bytes += int64(len(buf))
	return nil
}

// format makes records of a batch, with their places relative to its beginning.
func (l *Log) format(batch []*appending) (buf []byte, entries []entry, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed != nil {
		return nil, nil, l.failed
	}
	l.writing = true
	var size int64
	for _, a := range batch {
		size += a.bytes
	}
	at, buf := l.options.Now(), make([]byte, 0, size)
	for _, a := range batch {
		for _, data := range a.data {
			e := entry{seq: l.next + uint64(len(entries)), at: at.UnixNano(), offset: int64(len(buf)), size: headerSize + len(data)}
			entries = append(entries, e)
			buf = appendRecord(buf, Record{Seq: e.seq, At: at, Data: data})
		}
	}
	return buf, entries, nil
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
