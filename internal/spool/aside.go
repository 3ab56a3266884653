package spool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Aside is a record that could not go where it belongs, with why. It waits for a person.
type Aside struct {
	Seq    uint64    `json:"seq"`
	At     time.Time `json:"at"`  // when it was appended
	Set    time.Time `json:"set"` // when it was set aside
	Reason string    `json:"reason"`
	Data   []byte    `json:"data"`
}

const (
	asideName = "aside.jsonl"
	retryName = "retry"
)

// SetAside keeps a record, with the reason, where it holds up nobody, and is done with it.
func (l *Log) SetAside(r Record, reason string) error {
	line, err := json.Marshal(Aside{Seq: r.Seq, At: r.At.UTC(), Set: l.options.Now().UTC(), Reason: reason, Data: r.Data})
	if err != nil {
		return fmt.Errorf("set a record of the spool aside: %w", err)
	}
	l.aside.Lock()
	defer l.aside.Unlock()
	f, err := l.fs.Append(asideName)
	if err != nil {
		return fmt.Errorf("set a record of the spool aside: %w", err)
	}
	// A line that a crash has torn is ended first, so that it spoils no other.
	_, err = f.Write(append(append([]byte{'\n'}, line...), '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), l.fs.Sync()); err != nil {
		return fmt.Errorf("set a record of the spool aside: %w", err)
	}
	return l.Done(r)
}

// ReadAside returns what was set aside in a folder, the oldest first.
func ReadAside(folder FS) (all []Aside, err error) {
	content, err := folder.Read(asideName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was set aside: %w", err)
	}
	for line := range bytes.SplitSeq(content, []byte{'\n'}) {
		var a Aside
		if json.Unmarshal(line, &a) == nil { // a torn line was never acknowledged: its record is in the log
			all = append(all, a)
		}
	}
	return all, nil
}

// AskRetry has whoever runs the log take what was set aside back into it, within a moment.
func AskRetry(folder FS) error {
	f, err := folder.Append(retryName)
	if err != nil {
		return fmt.Errorf("ask for another try: %w", err)
	}
	return errors.Join(f.Sync(), f.Close(), folder.Sync())
}

// Retry takes what was set aside back into the log, if that was asked for, and returns how many records that are. After a crash some
// may be in both.
func (l *Log) Retry() (taken int, err error) {
	names, err := l.fs.List()
	if err != nil {
		return 0, err
	}
	asked := false
	for _, name := range names {
		asked = asked || name == retryName
	}
	if !asked {
		return 0, nil
	}
	l.aside.Lock()
	defer l.aside.Unlock()
	all, err := ReadAside(l.fs)
	if err != nil {
		return 0, err
	}
	for _, a := range all {
		if err := l.Append(a.Data); err != nil {
			return taken, err
		}
		taken++
	}
	if len(all) > 0 {
		err = l.fs.Remove(asideName)
	}
	return taken, errors.Join(err, l.fs.Remove(retryName), l.fs.Sync())
}
