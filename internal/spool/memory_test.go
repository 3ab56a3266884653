package spool_test

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"

	"ringside/internal/spool"
)

// memory is a folder whose machine can lose its power: what was not synced is gone then, or part of it, or there is something
// else in its place.
type memory struct {
	mu      sync.Mutex
	files   map[string]*content
	durable map[string]*content // the names that outlive a loss of power
	// fault may fail an operation: "write", "sync", "create", "rename", "remove", "truncate", "sync dir".
	fault func(operation string) error
	// cut, of a write that fails, is how much of it arrives.
	cut   func(n int) int
	syncs int // of files
}

// content is a file's, and how much of it outlives a loss of power.
type content struct {
	data   []byte
	synced int
}

func newMemory() *memory {
	return &memory{files: map[string]*content{}, durable: map[string]*content{}}
}

func (m *memory) fails(operation string) error {
	if m.fault == nil {
		return nil
	}
	return m.fault(operation)
}

// losePower returns the folder as it is found afterwards.
func (m *memory) losePower(r *rand.Rand) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemory()
	names := slices.Sorted(maps.Keys(m.files))
	names = append(names, slices.Sorted(maps.Keys(m.durable))...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		held := m.durable[name]
		if r.IntN(2) == 0 { // the folder was written meanwhile, as it may be at any time
			held = m.files[name]
		}
		if held == nil {
			continue
		}
		tail := slices.Clone(held.data[held.synced:])
		tail = tail[:r.IntN(len(tail)+1)]
		if len(tail) > 0 && r.IntN(3) == 0 { // pages arrive in any order, and some not at all
			from := r.IntN(len(tail))
			to := from + r.IntN(len(tail)-from+1)
			clear(tail[from:to])
		}
		kept := append(slices.Clone(held.data[:held.synced]), tail...)
		next.files[name] = &content{data: kept, synced: len(kept)}
	}
	next.durable = maps.Clone(next.files)
	return next
}

// killed returns the folder as the next program finds it when only this one has died: all that was written is there.
func (m *memory) killed() *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := newMemory()
	for name, held := range m.files {
		next.files[name] = &content{data: slices.Clone(held.data), synced: held.synced}
	}
	for name, held := range m.durable {
		if now, ok := next.files[name]; ok && m.files[name] == held {
			next.durable[name] = now
		} else {
			next.durable[name] = &content{data: slices.Clone(held.data), synced: held.synced}
		}
	}
	return next
}

func (m *memory) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files)), nil
}

func (m *memory) Read(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.files[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return slices.Clone(held.data), nil
}

func (m *memory) ReadAt(name string, p []byte, offset int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	held, ok := m.files[name]
	if !ok || offset+int64(len(p)) > int64(len(held.data)) {
		return fs.ErrNotExist
	}
	copy(p, held.data[offset:])
	return nil
}

func (m *memory) Append(name string) (spool.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails("create"); err != nil {
		return nil, err
	}
	if m.files[name] == nil {
		m.files[name] = &content{}
	}
	return &memoryFile{m, m.files[name]}, nil
}

func (m *memory) Truncate(name string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails("truncate"); err != nil {
		return err
	}
	held := m.files[name]
	held.data = held.data[:size:size]
	held.synced = len(held.data)
	return nil
}

func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails("rename"); err != nil {
		return err
	}
	if m.files[from] == nil {
		return fs.ErrNotExist
	}
	m.files[to] = m.files[from]
	delete(m.files, from)
	return nil
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails("remove"); err != nil {
		return err
	}
	delete(m.files, name)
	return nil
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fails("sync dir"); err != nil {
		return err
	}
	m.durable = maps.Clone(m.files)
	return nil
}

// memoryFile is a file that is written.
type memoryFile struct {
	folder *memory
	held   *content
}

func (f *memoryFile) Write(p []byte) (int, error) {
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	if err := f.folder.fails("write"); err != nil {
		n := 0
		if f.folder.cut != nil {
			n = f.folder.cut(len(p))
		}
		f.held.data = append(f.held.data, p[:n]...)
		return n, err
	}
	f.held.data = append(f.held.data, p...)
	return len(p), nil
}

func (f *memoryFile) Sync() error {
	f.folder.mu.Lock()
	defer f.folder.mu.Unlock()
	f.folder.syncs++
	if err := f.folder.fails("sync"); err != nil {
		// The kernel reports the failure once, and takes what was not written for written.
		return err
	}
	f.held.synced = len(f.held.data)
	return nil
}

func (f *memoryFile) Close() error { return nil }

var (
	errNoSpace = error(syscall.ENOSPC)
	errBroken  = errors.New("input/output error")
)

// set changes what fails.
func (m *memory) set(fault func(string) error, cut func(int) int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault, m.cut = fault, cut
}

// failing fails operations of one kind.
func failing(kind string, err error) func(string) error {
	return func(operation string) error {
		if operation == kind {
			return err
		}
		return nil
	}
}
