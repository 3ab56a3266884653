package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// FS is the folder of a log, as far as a log needs one.
type FS interface {
	// List returns the names of the files, in order.
	List() ([]string, error)
	// Read returns all of a file.
	Read(name string) ([]byte, error)
	// ReadAt reads len(p) bytes of a file from an offset.
	ReadAt(name string, p []byte, offset int64) error
	// Append opens a file for writing at its end, and makes it if there is none.
	Append(name string) (File, error)
	// Truncate cuts a file, for good.
	Truncate(name string, size int64) error
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes what was created, renamed or removed last.
	Sync() error
}

// File is a file that is written at its end.
type File interface {
	io.WriteCloser
	Sync() error
}

// Dir is a folder of this machine. Only one program can have it.
type Dir struct {
	path string
	lock *os.File
}

// OpenDir opens a folder for a log, and makes it, for its owner alone, if there is none. One that cannot be written, or that
// another program has, is an error that says so.
func OpenDir(path string) (*Dir, error) {
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("the spool needs a folder that can be written: %w", err)
	}
	d := LookAt(path)
	lock, err := os.OpenFile(d.in(lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the spool needs a folder that can be written: %w", err)
	}
	d.lock = lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = fmt.Errorf("another sidecar has the spool in %s: give each a RINGSIDE_DATA_DIR of its own", path)
		}
		return nil, errors.Join(err, lock.Close())
	}
	if err := d.probe(); err != nil && !full(err) { // what is there already can be drained
		return nil, errors.Join(fmt.Errorf("the spool needs a folder that can be written: %w", err), lock.Close())
	}
	return d, nil
}

// LookAt returns a folder that another program may have: to read it, and to rename what is set aside.
func LookAt(path string) *Dir { return &Dir{path: path} }

func makeDir(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // others may pass: a private Postgres has a user of its own
		return err
	}
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return errors.Join(err, LookAt(filepath.Dir(path)).Sync())
}

// probe writes something, so that a folder on a read-only disk is found out at start.
func (d *Dir) probe() error {
	f, err := d.Append(probeName)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("x"))
	return errors.Join(err, f.Sync(), f.Close(), d.Remove(probeName), d.Sync())
}

const (
	lockName  = "lock"
	probeName = "probe"
)

// Close gives the folder up.
func (d *Dir) Close() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Close()
}

func (d *Dir) in(name string) string { return filepath.Join(d.path, name) }

// List implements [FS].
func (d *Dir) List() (names []string, err error) {
	entries, err := os.ReadDir(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // nothing was ever kept
	}
	for _, e := range entries {
		if e.Type().IsRegular() && e.Name() != lockName {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, err
}

// Read implements [FS].
func (d *Dir) Read(name string) ([]byte, error) { return os.ReadFile(d.in(name)) }

// ReadAt implements [FS].
func (d *Dir) ReadAt(name string, p []byte, offset int64) error {
	f, err := os.Open(d.in(name))
	if err != nil {
		return err
	}
	_, err = f.ReadAt(p, offset)
	return errors.Join(err, f.Close())
}

// Append implements [FS].
func (d *Dir) Append(name string) (File, error) {
	return os.OpenFile(d.in(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// Truncate implements [FS].
func (d *Dir) Truncate(name string, size int64) error {
	f, err := os.OpenFile(d.in(name), os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(size), f.Sync(), f.Close())
}

// Rename implements [FS].
func (d *Dir) Rename(from, to string) error { return os.Rename(d.in(from), d.in(to)) }

// Remove implements [FS].
func (d *Dir) Remove(name string) error {
	err := os.Remove(d.in(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Sync implements [FS].
func (d *Dir) Sync() error {
	f, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// full reports whether an error says that the disk, or a quota, has no room.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }
