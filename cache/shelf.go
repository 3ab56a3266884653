package cache

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
)

// shelf is a bounded map whose entries expire, with fences. When it is full the oldest entry goes.
// It is our own because a fence must never give way early, which no general cache promises.
type shelf[K comparable, V any] struct {
	shards     [64]shard[K, V]
	seed       maphash.Seed
	perShard   int
	start      time.Time
	generation atomic.Uint64
}

type shard[K comparable, V any] struct {
	mu    sync.Mutex
	slots map[K]slot[V]
	order []K // the keys in the order they came, for eviction
	// refuseUntil: a standing fence had to be evicted; until its end nothing is filled here.
	refuseUntil time.Duration
}

type slot[V any] struct {
	value           V
	fence           bool
	stored, expires time.Duration // since start
}

type slotState int

const (
	slotEmpty slotState = iota
	slotHeld
	slotFenced
)

// newShelf returns a shelf for about capacity entries.
func newShelf[K comparable, V any](capacity int) *shelf[K, V] {
	s := &shelf[K, V]{seed: maphash.MakeSeed(), start: time.Now()}
	s.perShard = max(1, capacity/len(s.shards))
	for i := range s.shards {
		s.shards[i].slots = map[K]slot[V]{}
	}
	return s
}

func (s *shelf[K, V]) now() time.Duration { return time.Since(s.start) }

func (s *shelf[K, V]) shard(key K) *shard[K, V] {
	return &s.shards[maphash.Comparable(s.seed, key)%uint64(len(s.shards))]
}

// get returns what is held under key and how long it has been there.
func (s *shelf[K, V]) get(key K) (value V, age time.Duration, state slotState) {
	now, sh := s.now(), s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	held, ok := sh.live(key, now)
	switch {
	case !ok:
		return value, 0, slotEmpty
	case held.fence:
		return value, 0, slotFenced
	}
	return held.value, now - held.stored, slotHeld
}

// live returns the slot under key if it has not expired. The shard is locked.
func (sh *shard[K, V]) live(key K, now time.Duration) (slot[V], bool) {
	held, ok := sh.slots[key]
	return held, ok && now < held.expires
}

// fill stores a value whose read began at began, for life from that moment. It does not if a fence
// or what was read later is there, the read is too old, or the shelf was cleared since generation. It
// reports whether it does.
func (s *shelf[K, V]) fill(key K, value V, began, life time.Duration, generation uint64) bool {
	now, sh := s.now(), s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if held, ok := sh.live(key, now); ok && (held.fence || held.stored >= began) {
		return false
	}
	if now-began >= fillAge || now < sh.refuseUntil || generation != s.generation.Load() || now >= began+life {
		return false
	}
	s.put(sh, key, slot[V]{value: value, stored: began, expires: began + life}, now)
	return true
}

// claim stores value unless one is there, and returns the one that holds. first tells whether it is
// the one given.
func (s *shelf[K, V]) claim(key K, value V, life time.Duration) (held V, first bool) {
	now, sh := s.now(), s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if held, ok := sh.live(key, now); ok {
		return held.value, false
	}
	s.put(sh, key, slot[V]{value: value, stored: now, expires: now + life}, now)
	return value, true
}

// set stores value whatever is there. It is not for fenced shelves.
func (s *shelf[K, V]) set(key K, value V, life time.Duration) {
	now, sh := s.now(), s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.put(sh, key, slot[V]{value: value, stored: now, expires: now + life}, now)
}

// raise replaces what is under key by a fence.
func (s *shelf[K, V]) raise(key K, life time.Duration) {
	now, sh := s.now(), s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.put(sh, key, slot[V]{fence: true, stored: now, expires: now + life}, now)
}

// remove drops what is under key. It is not for fenced shelves.
func (s *shelf[K, V]) remove(key K) {
	sh := s.shard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if _, known := sh.slots[key]; known {
		sh.slots[key] = slot[V]{} // expired: the key keeps its place in the order
	}
}

// put stores a slot and evicts what is too much. The shard is locked.
func (s *shelf[K, V]) put(sh *shard[K, V], key K, new slot[V], now time.Duration) {
	if _, known := sh.slots[key]; !known {
		sh.order = append(sh.order, key)
	}
	sh.slots[key] = new
	for len(sh.slots) > s.perShard {
		oldest := sh.order[0]
		sh.order = sh.order[1:]
		if gone := sh.slots[oldest]; gone.fence && now < gone.expires {
			sh.refuseUntil = max(sh.refuseUntil, gone.expires)
		}
		delete(sh.slots, oldest)
	}
}

// clear drops every value, and refuses fills whose read began before. Fences stay.
func (s *shelf[K, V]) clear() {
	s.generation.Add(1)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		order := sh.order[:0:0]
		for _, key := range sh.order {
			if sh.slots[key].fence {
				order = append(order, key)
			} else {
				delete(sh.slots, key)
			}
		}
		sh.order = order
		sh.mu.Unlock()
	}
}
