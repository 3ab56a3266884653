package cache_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ringside/cache"
	"ringside/cache/redistest"
	"ringside/internal/phone"
	"ringside/internal/wirefault"
)

// world is an organisation that other programs and sidecars change while calls come in.
type world struct {
	*tenant
	sidecars []*sidecar
	lines    []*wirefault.Proxy // to the sidecars' listeners
	redis    *redistest.Server  // nil without
	wires    []*wirefault.Proxy // from the sidecars to Redis, one each; empty where they are on it directly
	mortals  chan *mortal       // writers who die, and are born again; nil without
	fates    fates              // of what they wrote
	crowd    []*subject         // empty without

	mu      sync.Mutex
	used    int // numbers
	calling []*subject
}

// newWorld makes what a life is told to have.
func newWorld(t *testing.T, l life) *world {
	t.Helper()
	w := &world{tenant: newTenant(t)}
	w.execute(`INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, 'Spring')`)
	if l.redis {
		w.redis, _ = startRedis(t)
	}
	for range l.sidecars {
		s, line := startSidecarOnLine(t, w.tenant, w.memory(t, l.wires))
		w.sidecars, w.lines = append(w.sidecars, s), append(w.lines, line)
	}
	if l.mortal {
		w.bear(t)
	}
	if l.crowd {
		w.crowd = newCrowd(w.tenant, 3)
	}
	return w
}

// wirePatience is for a Redis at the end of a wire that is made slow: what is found there may be 0.8 s old (see
// [postgres.Listener]), and together with the wait for it no older than rule 17 allows.
const wirePatience = 150 * time.Millisecond

// memory opens a sidecar's cache in Redis, or returns nil without one.
func (w *world) memory(t *testing.T, onAWire bool) *cache.Redis {
	t.Helper()
	switch {
	case w.redis == nil:
		return nil
	case !onAWire:
		return openRedis(t, w.redis.URL())
	}
	wire := wirefault.New(t, "tcp", w.redis.Addr())
	w.wires = append(w.wires, wire)
	memory, err := cache.OpenRedisPatiently("redis://"+wire.Addr(), quiet(), wirePatience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { memory.Close() })
	return memory
}

// next returns a number that was nobody's so far, and has people call from it until it is let go.
func (w *world) next(random *rand.Rand) *subject {
	w.mu.Lock()
	defer w.mu.Unlock()
	kinds := []func(phone.Number) *subject{newContact, newCampaignPerson, newStranger}
	s := kinds[random.IntN(len(kinds))](number(w.used))
	s.values = []committed{{value: "", at: time.Now()}}
	w.used++
	w.calling = append(w.calling, s)
	return s
}

func (w *world) letGo(s *subject) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calling = slices.DeleteFunc(w.calling, func(other *subject) bool { return other == s })
}

// caller returns one of those who call now, more rarely one of the crowd, or nil.
func (w *world) caller(random *rand.Rand) *subject {
	w.mu.Lock()
	defer w.mu.Unlock()
	callers := w.calling
	if len(w.crowd) > 0 && random.IntN(20) == 0 {
		callers = w.crowd
	}
	if len(callers) == 0 {
		return nil
	}
	return callers[random.IntN(len(callers))]
}
