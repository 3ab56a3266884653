package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// What is set aside lies beside the segments, a file each, until a person has looked at it.
const (
	segmentSuffix = ".spool"
	asideSuffix   = ".aside"   // a record, with the reason
	retrySuffix   = ".retry"   // one that is to be put back
	damagedSuffix = ".damaged" // what is on the disk where a record should be
)

// Aside is a record that could not go where it belongs, or a part of the disk that is damaged. It waits for a person.
type Aside struct {
	ID     string    `json:"-"`             // names it
	Seq    uint64    `json:"seq,omitempty"` // 0 for what is damaged, which cannot be tried again
	At     time.Time `json:"at"`            // when it was appended
	Set    time.Time `json:"set"`           // when it was set aside
	Reason string    `json:"reason"`
	Data   []byte    `json:"data"`
}

// SetAside takes a record out of the log that cannot go where it belongs, and keeps it with the reason.
func (l *Log) SetAside(r Record, reason string) error {
	text, err := json.Marshal(Aside{Seq: r.Seq, At: r.At.UTC(), Set: l.options.Now().UTC(), Reason: reason, Data: r.Data})
	if err != nil { // times and texts of ours always marshal
		return err
	}
	l.setting.Lock()
	defer l.setting.Unlock()
	if err := l.replace(numbered(r.Seq, asideSuffix), text); err != nil {
		return fmt.Errorf("set record %d aside: %w", r.Seq, err)
	}
	l.noteAside(numbered(r.Seq, asideSuffix), int64(len(text)))
	return l.Done(r)
}

// Retry appends again what was set aside and is to be tried again ([AskRetry]), and returns how many records there were. One that
// a crash leaves twice is done twice.
func (l *Log) Retry() (taken int, err error) {
	l.setting.Lock()
	defer l.setting.Unlock()
	names, err := l.fs.List()
	if err != nil {
		return 0, err
	}
	l.countAside(names)
	var failures []error
	for _, name := range names {
		if !strings.HasSuffix(name, retrySuffix) {
			continue
		}
		if err := l.takeBack(name); err != nil { // the others are not
			failures = append(failures, fmt.Errorf("take %s back into the spool: %w", name, err))
			continue
		}
		taken++
	}
	if taken > 0 {
		failures = append(failures, l.fs.Sync())
	}
	return taken, errors.Join(failures...)
}

func (l *Log) takeBack(name string) error {
	content, err := l.fs.Read(name)
	if err != nil {
		return err
	}
	var held Aside
	if err := json.Unmarshal(content, &held); err != nil {
		return err
	}
	if err := l.Append(held.Data); err != nil {
		return err
	}
	return l.fs.Remove(name)
}

// noteAside counts a file that was set aside.
func (l *Log) noteAside(name string, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asideBytes += size - l.asideSizes[name]
	l.asideSizes[name] = size
	l.aside = int64(len(l.asideSizes))
}

// countAside leaves out what is not set aside any more: people take it away, or have it tried again.
func (l *Log) countAside(names []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, size := range l.asideSizes {
		if _, there := slices.BinarySearch(names, name); !there {
			delete(l.asideSizes, name)
			l.asideBytes -= size
		}
	}
	l.aside = int64(len(l.asideSizes))
}

// ReadAside returns what is set aside in a folder, which another program may have, oldest first.
func ReadAside(folder FS) (all []Aside, err error) {
	names, err := folder.List()
	if err != nil {
		return nil, fmt.Errorf("read what was set aside: %w", err)
	}
	for _, name := range names {
		id, isRecord := strings.CutSuffix(name, asideSuffix)
		if !isRecord && !strings.HasSuffix(name, damagedSuffix) {
			continue
		}
		content, err := folder.Read(name)
		if errors.Is(err, fs.ErrNotExist) { // it was taken back meanwhile
			continue
		}
		a := Aside{}
		switch {
		case err != nil:
			id, a = name, Aside{Reason: fmt.Sprintf("the file cannot be read: %v", err)}
		case !isRecord:
			id, a = name, Aside{Reason: "the disk has lost what was here", Data: content}
		case json.Unmarshal(content, &a) != nil || a.Seq == 0:
			id, a = name, Aside{Reason: "the file is damaged", Data: content}
		}
		a.ID = id
		all = append(all, a)
	}
	return all, nil
}

// AskRetry has whoever runs the log, now or next, take records that are set aside back into it: those of these IDs, or all of them if none
// is named. It returns how many there are.
func AskRetry(folder FS, ids ...string) (asked int, err error) {
	all, err := ReadAside(folder)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		if a.Seq == 0 || len(ids) > 0 && !slices.Contains(ids, a.ID) {
			continue
		}
		if err := folder.Rename(a.ID+asideSuffix, a.ID+retrySuffix); err != nil {
			return asked, fmt.Errorf("ask for another try of %s: %w", a.ID, err)
		}
		asked++
	}
	return asked, folder.Sync()
}
