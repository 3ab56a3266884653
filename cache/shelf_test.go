package cache

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// evicting is a capacity at which each shard has room for one key.
const evicting = 64

func TestShelfForgetsWhenTheTimeIsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf[string, int](1000)
		s.fill("value", 1, s.now(), time.Minute, s.generation.Load())
		s.raise("fence", fenceLife)
		s.claim("claim", 3, time.Hour)
		s.set("set", 4, 2*time.Hour)
		for _, at := range []struct {
			key   string
			until time.Duration
			state slotState
			value int
		}{{"fence", fenceLife, slotFenced, 0}, {"value", time.Minute, slotHeld, 1}, {"claim", time.Hour, slotHeld, 3}, {"set", 2 * time.Hour, slotHeld, 4}} {
			time.Sleep(at.until - s.now() - 1)
			if value, age, state := s.get(at.key); value != at.value || state != at.state || state == slotHeld && age != at.until-1 {
				t.Errorf("just before its end, %s is %d, %s old, in state %d", at.key, value, age, state)
			}
			time.Sleep(time.Nanosecond)
			if value, _, state := s.get(at.key); value != 0 || state != slotEmpty {
				t.Errorf("after its end, %s is %d in state %d", at.key, value, state)
			}
		}
	})
}

func TestShelfRefusesWhatMayBeOld(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		fill func(s *shelf[string, int])
		want int // what is held afterwards; 0 is nothing
	}{
		{"a fresh read", func(s *shelf[string, int]) {
			s.fill("k", 1, s.now(), time.Minute, s.generation.Load())
		}, 1},
		{"a read that began before a fence", func(s *shelf[string, int]) {
			began := s.now()
			time.Sleep(time.Second)
			s.raise("k", fenceLife)
			time.Sleep(time.Second - 1)
			s.fill("k", 1, began, time.Minute, s.generation.Load())
		}, 0},
		{"a read while a fence stands", func(s *shelf[string, int]) {
			s.raise("k", fenceLife)
			time.Sleep(fenceLife - 1)
			s.fill("k", 1, s.now(), time.Minute, s.generation.Load())
		}, 0},
		{"a read behind a fence that was put up anew", func(s *shelf[string, int]) {
			s.raise("k", fenceLife)
			time.Sleep(fenceLife - 1)
			s.raise("k", fenceLife)
			time.Sleep(fenceLife - 1)
			s.fill("k", 1, s.now(), time.Minute, s.generation.Load())
		}, 0},
		{"a read after the fence", func(s *shelf[string, int]) {
			s.raise("k", fenceLife)
			time.Sleep(fenceLife)
			s.fill("k", 1, s.now(), time.Minute, s.generation.Load())
		}, 1},
		{"a read that outlasts the fence", func(s *shelf[string, int]) {
			began := s.now()
			s.raise("k", fenceLife)
			time.Sleep(fenceLife)
			s.fill("k", 1, began, time.Minute, s.generation.Load())
		}, 0},
		{"a read just young enough", func(s *shelf[string, int]) {
			began := s.now()
			time.Sleep(fillAge - 1)
			s.fill("k", 1, began, time.Minute, s.generation.Load())
		}, 1},
		{"a read too old", func(s *shelf[string, int]) {
			began := s.now()
			time.Sleep(fillAge)
			s.fill("k", 1, began, time.Minute, s.generation.Load())
		}, 0},
		{"a read that began before everything was forgotten", func(s *shelf[string, int]) {
			began, generation := s.now(), s.generation.Load()
			s.clear()
			s.fill("k", 1, began, time.Minute, generation)
		}, 0},
		{"a read longer than its result may live", func(s *shelf[string, int]) {
			began := s.now()
			time.Sleep(processLife)
			s.fill("k", 1, began, processLife, s.generation.Load())
		}, 0},
		{"an older read than what is held", func(s *shelf[string, int]) {
			began := s.now()
			time.Sleep(time.Nanosecond)
			s.fill("k", 2, s.now(), time.Minute, s.generation.Load())
			s.fill("k", 1, began, time.Minute, s.generation.Load())
		}, 2},
		{"a later read than what is held", func(s *shelf[string, int]) {
			s.fill("k", 2, s.now(), time.Minute, s.generation.Load())
			time.Sleep(time.Nanosecond)
			s.fill("k", 1, s.now(), time.Minute, s.generation.Load())
		}, 1},
		{"what was held when everything was forgotten", func(s *shelf[string, int]) {
			s.fill("k", 1, s.now(), time.Minute, s.generation.Load())
			s.clear()
		}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newShelf[string, int](1000)
				tt.fill(s)
				if got, _, _ := s.get("k"); got != tt.want {
					t.Errorf("%d is held, want %d", got, tt.want)
				}
			})
		})
	}
}

func TestShelfKeepsAnEvictedFence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newShelf[int, int](evicting)
		s.raise(0, fenceLife)
		for key := 1; key < 10*evicting; key++ { // some of these push the fence out
			s.fill(key, key, s.now(), time.Minute, s.generation.Load())
		}
		if _, there := s.shard(0).slots[0]; there {
			t.Fatal("the fence was not evicted: this tests nothing")
		}
		time.Sleep(fenceLife - 1)
		s.fill(0, 1, s.now(), time.Minute, s.generation.Load())
		if _, _, state := s.get(0); state == slotHeld {
			t.Error("a value was stored where a fence was evicted")
		}
		time.Sleep(time.Nanosecond)
		s.fill(0, 1, s.now(), time.Minute, s.generation.Load())
		if _, _, state := s.get(0); state != slotHeld {
			t.Error("after the fence's end nothing is stored")
		}
	})
}

func TestShelfHoldsNoMoreThanItsCapacity(t *testing.T) {
	t.Parallel()
	const capacity = 64 * 4
	s := newShelf[int, int](capacity)
	for key := range 20 * capacity {
		s.set(key%(3*capacity), key, time.Hour)
		s.raise(-key, fenceLife)
	}
	for i := range s.shards {
		sh := &s.shards[i]
		if len(sh.slots) > capacity/64 || len(sh.order) != len(sh.slots) {
			t.Fatalf("shard %d holds %d slots and the order of %d, want at most %d", i, len(sh.slots), len(sh.order), capacity/64)
		}
	}
}

// shelfModel is what a shelf may hold: the same without a bound, for keys 0 to keys.
type shelfModel struct {
	values map[int]modelSlot
	// spare are the values that lose against one that was read later. A shelf that forgets, and that
	// then takes no fill for a while, may hold them: they are as true, since no fence came in between.
	spare      map[int][]modelSlot
	fenced     map[int]time.Duration // until when
	generation uint64
}

type modelSlot struct {
	value         int
	read, expires time.Duration
}

func TestShelfFollowsItsModel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name           string
		capacity, keys int
		forgets        bool // may hold less than the model
	}{
		{"room for all", 64 * 8, 8, false},
		{"evicting", evicting, 200, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// Without a Deadline, which a bubble's test must not ask for.
				rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
					followModel(rt, newShelf[int, int](tt.capacity), tt.keys, tt.forgets)
				})
			})
		})
	}
}

func followModel(t *rapid.T, s *shelf[int, int], keys int, forgets bool) {
	m := &shelfModel{values: map[int]modelSlot{}, spare: map[int][]modelSlot{}, fenced: map[int]time.Duration{}}
	anyKey := rapid.IntRange(0, keys-1)
	written := 0
	t.Repeat(map[string]func(*rapid.T){
		"": func(t *rapid.T) { m.compare(t, s, keys, forgets) },
		"fill": func(t *rapid.T) {
			written++
			key := anyKey.Draw(t, "key")
			began := s.now() - time.Duration(rapid.Int64Range(0, int64(fillAge+fillAge/4)).Draw(t, "age"))
			life := rapid.SampledFrom([]time.Duration{processLife, 3 * time.Second, time.Minute}).Draw(t, "life")
			generation := m.generation - uint64(rapid.IntRange(0, 1).Draw(t, "generations ago"))
			s.fill(key, written, began, life, generation)
			held, now := m.values[key], s.now()
			if now < m.fenced[key] || now-began >= fillAge || now-began >= life || generation != m.generation {
				return
			}
			fill := modelSlot{value: written, read: began, expires: began + life}
			if now < held.expires && held.read >= began {
				m.spare[key] = append(m.spare[key], fill)
				return
			}
			m.spare[key] = append(m.spare[key], held)
			m.values[key] = fill
		},
		"raise": func(t *rapid.T) {
			key := anyKey.Draw(t, "key")
			s.raise(key, fenceLife)
			m.fenced[key] = s.now() + fenceLife
			delete(m.values, key)
			delete(m.spare, key)
		},
		"clear": func(*rapid.T) {
			s.clear()
			m.generation++
			clear(m.values)
			clear(m.spare)
		},
		"wait": func(t *rapid.T) {
			time.Sleep(time.Duration(rapid.Int64Range(1, int64(fenceLife)).Draw(t, "for")))
		},
	})
}

func (m *shelfModel) compare(t *rapid.T, s *shelf[int, int], keys int, forgets bool) {
	now := s.now()
	for key := range keys {
		value, age, state := s.get(key)
		want, wantState := m.values[key], slotEmpty
		if forgets && state == slotHeld {
			for _, fill := range m.spare[key] {
				if fill.value == value {
					want = fill
				}
			}
		}
		switch {
		case now < m.fenced[key]:
			wantState = slotFenced
		case now < want.expires:
			wantState = slotHeld
		}
		if state != wantState && !(forgets && state == slotEmpty) {
			t.Fatalf("at %s key %d is in state %d, want %d", now, key, state, wantState)
		}
		if state == slotHeld && (value != want.value || age != now-want.read) {
			t.Fatalf("at %s key %d holds %d, read %s ago; want %d, %s", now, key, value, age, want.value, now-want.read)
		}
	}
}

func TestShelfFencesAreSeenByEveryGoroutine(t *testing.T) {
	t.Parallel()
	s := newShelf[int, int](evicting) // evicts all the time
	var writers, fillers sync.WaitGroup
	stop := make(chan struct{})
	const keys = 64
	for key := range keys {
		writers.Go(func() {
			for range 50 {
				s.raise(key, fenceLife)
				if value, _, state := s.get(key); state == slotHeld {
					t.Errorf("behind the fence of key %d there is %d", key, value)
				}
				if key == 0 {
					s.clear()
				}
			}
		})
	}
	for filler := range 4 {
		fillers.Go(func() {
			for n := filler; ; n++ {
				select {
				case <-stop:
					return
				default:
					s.fill(n%keys, n, s.now(), time.Minute, s.generation.Load())
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	fillers.Wait()
}
