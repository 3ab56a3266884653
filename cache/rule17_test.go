package cache_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringside/cache/redistest"
	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/internal/wirefault"
	"ringside/recognize"
)

// Rule 17: no look-up that begins later than a second after a commit returns what was before.
const ruleSecond = time.Second

// chronicle is all that one number has been, in the order of the commits.
type chronicle struct {
	mu     sync.Mutex
	values []committed
}

type committed struct {
	value string
	at    time.Time // when the commit was known; zero: not yet, or perhaps never
}

// write notes a value before it is written, and when its commit was known.
func (c *chronicle) write(value string, commit func() error) error {
	c.mu.Lock()
	i := len(c.values)
	c.values = append(c.values, committed{value: value})
	c.mu.Unlock()
	err := commit()
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.values[i].at = time.Now()
	}
	return err
}

// check returns what is wrong with a value that a look-up begun at the given time has found.
func (c *chronicle) check(value string, began time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	oldest := 0
	for i, v := range c.values {
		if !v.at.IsZero() && began.Sub(v.at) > ruleSecond {
			oldest = i
		}
	}
	for _, v := range c.values[oldest:] {
		if v.value == value {
			return nil
		}
	}
	return fmt.Errorf("found %q %s after %q was committed", value, began.Sub(c.values[oldest].at), c.values[oldest].value)
}

// subject is a number whose one aspect changes, and how it is read from a record.
type subject struct {
	number phone.Number
	chronicle
	read  func(*recognize.Record) string
	write func(ctx context.Context, w *world, random *rand.Rand, version string) (value string, commit func() error)
}

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

// newContact is a number whose contact comes, is renamed, and goes.
func newContact(n phone.Number) *subject {
	return &subject{number: n, read: nameOf, write: func(ctx context.Context, w *world, random *rand.Rand, version string) (string, func() error) {
		var id string
		_ = w.pool.QueryRow(ctx, `SELECT id::text FROM contacts WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`, string(w.org.ID), n).Scan(&id)
		ours := random.IntN(2) == 0
		switch {
		case id == "" && ours:
			return version, func() error {
				_, err := w.book(random).Add(ctx, w.org, contacts.Draft{Name: version, Phone: string(n)})
				return err
			}
		case id == "":
			return version, w.sql(ctx, `INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, $2, $3)`, n, version)
		case random.IntN(3) > 0:
			return version, w.sql(ctx, `UPDATE contacts SET name = $3 WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`, n, version)
		case ours:
			return "", func() error { return w.book(random).Archive(ctx, w.org.ID, id) }
		case random.IntN(2) == 0:
			return "", w.sql(ctx, `UPDATE contacts SET archived_at = now() WHERE org_id = $1::text::uuid AND phone = $2`, n)
		default:
			return "", w.sql(ctx, `DELETE FROM contacts WHERE org_id = $1::text::uuid AND phone = $2`, n)
		}
	}}
}

// newCampaignPerson is a number whom campaigns call.
func newCampaignPerson(n phone.Number) *subject {
	return &subject{number: n, read: func(r *recognize.Record) string {
		if r.Campaign == nil {
			return ""
		}
		return r.Campaign.Notes
	}, write: func(ctx context.Context, w *world, random *rand.Rand, version string) (string, func() error) {
		switch random.IntN(4) {
		case 0:
			return "", w.sql(ctx, `DELETE FROM campaign_people WHERE org_id = $1::text::uuid AND phone = $2`, n)
		case 1:
			return version, w.sql(ctx, `
				INSERT INTO campaign_people (org_id, campaign_id, phone, notes, called_at)
				SELECT org_id, id, $2, $3, now() FROM campaigns WHERE org_id = $1::text::uuid AND name = 'Spring'
				ON CONFLICT (campaign_id, phone) DO UPDATE SET notes = excluded.notes`, n, version)
		default:
			return version, func() error {
				_, err := w.book(random).AddCampaignPerson(ctx, w.org, contacts.CampaignPerson{
					Campaign: "Spring", Phone: string(n), Name: "Kim", Notes: version, CalledAt: time.Now()})
				return err
			}
		}
	}}
}

// newStranger is a number of nobody's, with calls.
func newStranger(n phone.Number) *subject {
	return &subject{number: n, read: func(r *recognize.Record) string {
		if len(r.History) == 0 {
			return ""
		}
		return r.History[0].Summary
	}, write: func(ctx context.Context, w *world, random *rand.Rand, version string) (string, func() error) {
		if random.IntN(2) == 0 {
			return version, w.sql(ctx, `
				INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, status, state_rank, started_at, ended_at, summary)
				VALUES ($1::text::uuid, $2 || $3, 'call', 'inbound', $2, '+12125550199', $2, 'completed', 9, clock_timestamp(), clock_timestamp(), $3)`, n, version)
		}
		var sid string
		_ = w.pool.QueryRow(ctx, `SELECT sid FROM interactions WHERE org_id = $1::text::uuid AND party = $2 ORDER BY ended_at DESC LIMIT 1`, string(w.org.ID), n).Scan(&sid)
		if sid == "" {
			return "", func() error { return nil }
		}
		return version, w.sql(ctx, `UPDATE interactions SET summary = $3 WHERE org_id = $1::text::uuid AND sid = $2`, sid, version)
	}}
}

// newCrowd adds very many who are all changed at once, and returns some of them. Writing the first
// writes them all.
func newCrowd(n *tenant, watched int) []*subject {
	n.t.Helper()
	n.execute(`INSERT INTO contacts (org_id, phone, name, tags) SELECT $1::text::uuid, '+1212555' || 1000 + i, 'v0', '{crowd}' FROM generate_series(0, 119) i`)
	var crowd []*subject
	for i := range watched {
		s := &subject{number: phone.Number(fmt.Sprintf("+1212555%d", 1000+40*i)), read: nameOf}
		s.values = []committed{{value: "v0", at: time.Now()}}
		crowd = append(crowd, s)
	}
	crowd[0].write = func(ctx context.Context, w *world, _ *rand.Rand, version string) (string, func() error) {
		commit := w.sql(ctx, `UPDATE contacts SET name = $2 WHERE org_id = $1::text::uuid AND tags = '{crowd}'`, version)
		for _, s := range crowd[1:] {
			inner := commit
			commit = func() error { return s.chronicle.write(version, inner) }
		}
		return version, commit
	}
	return crowd
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

// seed begins a random test, and says how to repeat its choices.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := rand.Uint64()
	if given := os.Getenv("RINGSIDE_TEST_SEED"); given != "" {
		var err error
		if s, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("RINGSIDE_TEST_SEED: %v", err)
		}
	}
	t.Logf("to repeat the choices: RINGSIDE_TEST_SEED=%d", s)
	return s
}

// killListeners ends the listeners' connections; they connect anew at once.
func (w *world) killListeners(random *rand.Rand) {
	w.execute(`
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name LIKE '%listener' AND random() < $2 AND $1 <> ''`, random.Float64())
}

// cutListeners keeps one listener or all of them off for a while, so that they miss what changes:
// refused, or with a connection that says nothing.
func (w *world) cutListeners(random *rand.Rand) {
	lines, silently := w.lines, random.IntN(2) == 0
	if random.IntN(3) == 0 {
		lines = lines[random.IntN(len(lines)):][:1]
	}
	for _, on := range []bool{true, false} {
		for _, line := range lines {
			if silently {
				line.BlackHole(on)
			} else {
				line.Refuse(on)
			}
		}
		if on {
			time.Sleep(time.Duration(random.Int64N(int64(3 * ruleSecond))))
		}
	}
}

// loseRedis empties Redis or starts it anew.
func (w *world) loseRedis(random *rand.Rand) {
	if random.IntN(3) == 0 {
		w.redis.Restart()
	} else {
		w.redis.Flush()
	}
}

func TestRule17_NobodyIsAnsweredFromAnOldValue(t *testing.T) {
	t.Parallel()
	type harm = func(*world, *rand.Rand)
	type life struct {
		name         string
		sidecars     int
		redis, crowd bool
		harm         []harm // one at a time, every now and then
	}
	// Two at a time, however many other tests run: a world is busy.
	for name, lives := range map[string][]life{
		"in process": {
			{"one sidecar", 1, false, false, nil},
			{"two sidecars, many change at once", 2, false, true, nil},
			{"two sidecars without their listeners", 2, false, false, []harm{(*world).cutListeners, (*world).killListeners}},
		},
		"on a Redis": {
			{"two sidecars", 2, true, false, nil},
			{"two sidecars, many change at once", 2, true, true, []harm{(*world).killListeners}},
			{"two sidecars without their listeners", 2, true, false, []harm{(*world).cutListeners}},
			{"two sidecars whose Redis forgets", 2, true, false, []harm{(*world).loseRedis, (*world).loseRedis, (*world).cutListeners}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range lives {
				t.Run(tt.name, func(t *testing.T) {
					seed := seed(t)
					w := newWorld(t, tt.sidecars, tt.redis, tt.crowd)
					found := w.live(t, seed, 5*time.Second, func(random *rand.Rand) {
						if len(tt.harm) > 0 {
							tt.harm[random.IntN(len(tt.harm))](w, random)
						}
					})
					if found.cached.Load() < 50 {
						t.Errorf("of %d look-ups only %d came from the cache: this tests little", found.all.Load(), found.cached.Load())
					}
				})
			}
		})
	}
}

// lookUps counts them.
type lookUps struct{ all, cached atomic.Int64 }

// live has everybody read, write and do harm for the given time, each by their own random choices.
func (w *world) live(t *testing.T, seed uint64, during time.Duration, harm func(*rand.Rand)) *lookUps {
	t.Helper()
	end := time.Now().Add(during)
	var everybody sync.WaitGroup
	var found lookUps
	somebody := uint64(0)
	does := func(act func(*rand.Rand)) {
		somebody++
		random := rand.New(rand.NewPCG(seed, somebody))
		everybody.Go(func() {
			for time.Now().Before(end) && !t.Failed() {
				act(random)
			}
		})
	}
	between := func(random *rand.Rand, least, most time.Duration) {
		time.Sleep(least + time.Duration(random.Int64N(int64(most-least))))
	}
	write := func(s *subject, random *rand.Rand, version int) {
		value, commit := s.write(t.Context(), w, random, fmt.Sprintf("v%d", version))
		if err := s.chronicle.write(value, commit); err != nil {
			t.Errorf("write %q of %s: %v", value, string(s.number), err)
		}
	}
	for range 30 { // numbers at a time
		does(func(random *rand.Rand) {
			s := w.next(random)
			defer w.letGo(s)
			version := 0
			// Each change meets what was cached before it, or is on the heels of another.
			for range 2 {
				between(random, 0, time.Second)
				for range 1 + random.IntN(3) {
					version++
					write(s, random, version)
					between(random, 0, 60*time.Millisecond)
				}
			}
			between(random, ruleSecond, 2*ruleSecond)
		})
	}
	if len(w.crowd) > 0 {
		version := 0
		does(func(random *rand.Rand) {
			between(random, time.Second, 2*time.Second)
			version++
			write(w.crowd[0], random, version)
		})
	}
	for _, sidecar := range w.sidecars {
		for range 3 {
			does(func(random *rand.Rand) {
				defer between(random, 0, 2*time.Millisecond)
				s := w.caller(random)
				if s == nil {
					return
				}
				began := time.Now()
				finding := sidecar.find(t, w.tenant, s.number)
				if err := s.check(s.read(finding.Record), began); err != nil {
					t.Errorf("%s: %v, by %q", string(s.number), err, outcomes(finding))
				}
				found.all.Add(1)
				if !strings.Contains(outcomes(finding), "postgres") {
					found.cached.Add(1)
				}
			})
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	for time.Now().Before(end) && !t.Failed() {
		between(random, 0, time.Second)
		harm(random)
	}
	everybody.Wait()
	t.Logf("%d look-ups, %d from the cache", found.all.Load(), found.cached.Load())
	return &found
}
