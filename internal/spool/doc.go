// Package spool keeps records on this machine's disk until they have gone where they belong: an append-only log in
// segments. A record that was accepted is there after a crash of the program or of the machine, and records come out
// oldest first, each at least once.
//
// It is own code rather than an embedded key-value store because of what has to be known of it: that an append is one
// write and a shared fsync, that a failed fsync is never tried again (the kernel may have dropped what it was for), and
// that a torn tail, a damaged record and a full disk each have one answer, which tests hold against a file system that
// loses what was not synced.
package spool

import (
	"errors"
	"time"
)

// ErrFull is returned for a record for which there is no room: the log's own bound, or the disk. It may pass.
var ErrFull = errors.New("the spool is full")

// ErrFailed is returned when the log takes nothing more until the program is started again: a write or fsync has failed, and
// nobody knows what is on the disk.
var ErrFailed = errors.New("the spool has failed and takes nothing more until the program is started again")

// ErrClosed is returned by a log that was closed.
var ErrClosed = errors.New("the spool is closed")

// Record is something that was kept.
type Record struct {
	Seq    uint64    // its place in the log, from 1
	At     time.Time // when it was appended
	Data   []byte
	PutOff bool // it was put off, and nothing else is left
}

// Stats are how a log stands.
type Stats struct {
	Records  int64     // that are not done
	Bytes    int64     // of all segments, and of what is set aside
	Oldest   time.Time // when the oldest that is not done was appended; zero if there is none
	SetAside int64     // records and damaged parts that wait for a person
	Appended int64     // records since the log was opened
	Full     bool      // the last record that came had no room
	Failed   error     // why it takes nothing more; nil if it does
}
