package cache_test

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"ringside/cache/redistest"
	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/internal/wirefault"
)

// world is an organisation that other programs and sidecars change while calls come in.
type world struct {
	*tenant
	sidecars []*sidecar
	lines    []*wirefault.Proxy // to the sidecars' listeners
	redis    *redistest.Server  // nil without
	crowd    []*subject         // empty without

	mu      sync.Mutex
	used    int // numbers
	calling []*subject
}

// book is the address book as one of the sidecars writes it.
func (w *world) book(random *rand.Rand) *contacts.Book {
	return contacts.NewBook(w.pool, w.sidecars[random.IntN(len(w.sidecars))].Callers)
}

// sql is a statement of another program.
func (w *world) sql(ctx context.Context, sql string, args ...any) func() error {
	return func() error {
		_, err := w.pool.Exec(ctx, sql, append([]any{string(w.org.ID)}, args...)...)
		return err
	}
}

func newWorld(t *testing.T, sidecars int, withRedis, withCrowd bool) *world {
	t.Helper()
	w := &world{tenant: newTenant(t)}
	w.execute(`INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, 'Spring')`)
	url := ""
	if withRedis {
		w.redis, _ = startRedis(t)
		url = w.redis.URL()
	}
	for range sidecars {
		s, line := startSidecarOnLine(t, w.tenant, url)
		w.sidecars, w.lines = append(w.sidecars, s), append(w.lines, line)
	}
	if withCrowd {
		w.crowd = newCrowd(w.tenant, 3)
	}
	return w
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
