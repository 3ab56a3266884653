package cache

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ringside/recognize"
)

// flight is one look-up that several callers may wait for.
type flight struct {
	began  time.Time
	done   chan struct{}
	record *recognize.Record
	err    error
	// stale is an entry that could not be believed, in case nothing better comes in time.
	stale atomic.Pointer[recognize.Record]
	old   bool // record is such an entry
	held  bool // record is at hand for whoever asks next; to be read once the look-up has ended

	mu    sync.Mutex
	steps []recognize.Step
}

func newFlight() *flight { return &flight{began: time.Now(), done: make(chan struct{})} }

func (f *flight) note(steps ...recognize.Step) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, steps...)
}

// progress returns the steps so far.
func (f *flight) progress() []recognize.Step {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.steps)
}

func (f *flight) land(r *recognize.Record, err error) {
	f.record, f.err = r, err
	close(f.done)
}

// flights are the look-ups under way, one a caller.
type flights struct {
	mu      sync.Mutex
	running map[callerKey]*flight
}

// join returns the flight for key, started if there is none young enough.
func (fs *flights) join(key callerKey, start func(callerKey, *flight)) *flight {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.running[key]; f != nil && time.Since(f.began) < joinWithin {
		return f
	}
	f := newFlight()
	fs.running[key] = f
	go start(key, f)
	return f
}

// retire takes a flight off the list, unless a newer one has its place.
func (fs *flights) retire(key callerKey, f *flight) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.running[key] == f {
		delete(fs.running, key)
	}
}

// forget makes the next caller start afresh, since what is under way may have read the old value.
func (fs *flights) forget(key callerKey) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.running, key)
}

func (fs *flights) forgetAll() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	clear(fs.running)
}
