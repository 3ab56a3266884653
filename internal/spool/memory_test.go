package spool_test

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"time"

	"ringside/internal/spool"
)

// memory is a folder that forgets at a power loss what was not synced, but for a random part of it.
type memory struct {
	mu    sync.Mutex
	files map[string]*memoryFile
	// durable are the names as they were at the last sync of the folder.
	durable map[string]*memoryFile
	random  *rand.Rand

	room   int // bytes that may still be written; negative: no end
	faulty bool
	syncs  int
	slow   time.Duration // what a sync takes
}

type memoryFile struct {
	data   []byte
	synced int
}

func newMemory(random *rand.Rand) *memory {
	return &memory{files: map[string]*memoryFile{}, durable: map[string]*memoryFile{}, random: random, room: -1}
}

// crash loses the power: files that were not synced into the folder may be gone, those that were removed may be back, and of
// what was written and not synced a random part is there, sometimes spoiled.
func (m *memory) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string]*memoryFile{}
	for name, f := range m.durable {
		if _, there := m.files[name]; there || m.random.IntN(2) == 0 {
			files[name] = f
		}
	}
	for name, f := range m.files {
		if m.durable[name] == nil && m.random.IntN(2) == 0 {
			files[name] = f
		}
	}
	for _, f := range files {
		if tail := len(f.data) - f.synced; tail > 0 {
			kept := m.random.IntN(tail + 1)
			f.data = slices.Clone(f.data[:f.synced+kept])
			if kept > 0 && m.random.IntN(3) == 0 {
				f.data[f.synced+m.random.IntN(kept)] ^= 0x55
			}
		}
		f.synced = len(f.data)
	}
	m.files, m.durable, m.room, m.faulty = files, maps.Clone(files), -1, false
}

func (m *memory) List() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.files)), nil
}

func (m *memory) find(name string) (*memoryFile, error) {
	if f := m.files[name]; f != nil {
		return f, nil
	}
	return nil, fs.ErrNotExist
}

func (m *memory) Read(name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Clone(f.data), nil
}

func (m *memory) ReadAt(name string, p []byte, offset int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find(name)
	if err != nil {
		return err
	}
	if copy(p, f.data[offset:]) < len(p) {
		return errors.New("short")
	}
	return nil
}

func (m *memory) Append(name string) (spool.File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.files[name] == nil {
		if m.room == 0 {
			return nil, syscall.ENOSPC
		}
		m.files[name] = &memoryFile{}
	}
	return &handle{m, m.files[name]}, nil
}

func (m *memory) Truncate(name string, size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find(name)
	if err != nil {
		return err
	}
	f.data = f.data[:size]
	f.synced = len(f.data) // the real one syncs
	return nil
}

func (m *memory) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, err := m.find(from)
	if err == nil {
		m.files[to] = f
		delete(m.files, from)
	}
	return err
}

func (m *memory) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memory) Sync() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.faulty {
		return syscall.EIO
	}
	m.durable = maps.Clone(m.files)
	return nil
}

type handle struct {
	m *memory
	f *memoryFile
}

func (h *handle) Write(p []byte) (int, error) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	n := len(p)
	if h.m.room >= 0 {
		n = min(n, h.m.room)
		h.m.room -= n
	}
	h.f.data = append(h.f.data, p[:n]...)
	if n < len(p) {
		return n, syscall.ENOSPC
	}
	return n, nil
}

func (h *handle) Sync() error {
	time.Sleep(h.m.slow)
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	h.m.syncs++
	if h.m.faulty {
		return syscall.EIO
	}
	h.f.synced = len(h.f.data)
	return nil
}

func (h *handle) Close() error { return nil }
