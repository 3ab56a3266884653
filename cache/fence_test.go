package cache_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/cache"
	"ringside/cache/redistest"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/wirefault"
	"ringside/recognize"
)

// versions is a directory in fake time whose one caller changes, and whose next read can be held up
// between reading and returning.
type versions struct {
	mu   sync.Mutex
	name string
	hold time.Duration
}

func (v *versions) set(name string, holdNext time.Duration) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.name, v.hold = name, holdNext
}

func (v *versions) Find(context.Context, org.ID, phone.Number) (recognize.Finding, error) {
	v.mu.Lock()
	name, hold := v.name, v.hold
	v.hold = 0
	v.mu.Unlock()
	time.Sleep(hold)
	return recognize.Finding{Record: &recognize.Record{Contact: &recognize.Contact{Name: name}}}, nil
}

func TestRule17_AFillInFlightCannotPutAnOldValueBackInTheProcess(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	notify := func(payload string) func(*cache.Callers) {
		return func(c *cache.Callers) { c.Notified(ctx, payload) }
	}
	raise := func(c *cache.Callers) { c.Raise(ctx, "org", number(1)) }
	nothing := func(*cache.Callers) {}
	const ms, s = time.Millisecond, time.Second
	for _, tt := range []struct {
		name          string
		before, after func(*cache.Callers) // the commit
		// When the read takes place, from the fence; how long after it the commit comes; how
		// long the result is held up.
		read, commit, hold time.Duration
	}{
		{"our own writer's fence, read before it", raise, nothing, -100 * ms, 10 * ms, 200 * ms},
		{"our own writer's fence, read behind it", raise, nothing, 10 * ms, 10 * ms, 200 * ms},
		{"our own writer is as slow as may be", raise, nothing, 3*s - 20*ms, 19 * ms, 2*s - 1},
		{"the result comes when the fence is gone", raise, nothing, 3*s - 20*ms, 19 * ms, 2*s + 20*ms},
		{"the result comes late and the fence is gone for long", raise, nothing, 2 * s, 900 * ms, 4900 * ms},
		{"announced", nothing, notify("org " + string(number(1))), -100 * ms, 200 * ms, 400 * ms},
		{"announced with others", nothing, notify("org " + string(number(2)) + " " + string(number(1))), -100 * ms, 200 * ms, 400 * ms},
		{"announced for the organisation", nothing, notify("org *"), -100 * ms, 200 * ms, 400 * ms},
		{"announced for all", nothing, notify("*"), -100 * ms, 200 * ms, 400 * ms},
		{"missed", nothing, func(c *cache.Callers) { c.Connected(ctx) }, -100 * ms, 200 * ms, 400 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &versions{name: "old"}
				c := cache.NewCallers(d, nil, func() bool { return true })
				find := func() string {
					finding, err := c.Find(t.Context(), "org", number(1))
					if err != nil {
						t.Error(err)
					}
					return nameOf(finding.Record)
				}
				d.set("old", tt.hold)
				if tt.read > 0 {
					tt.before(c)
					time.Sleep(tt.read)
				}
				var reading sync.WaitGroup
				reading.Go(func() { find() })
				synctest.Wait() // it has read the old value
				if tt.read < 0 {
					time.Sleep(-tt.read)
					tt.before(c)
				}
				time.Sleep(tt.commit)
				d.set("new", 0)
				tt.after(c)
				committed := time.Now()
				reading.Wait()
				for time.Since(committed) < 12*time.Second {
					synctest.Wait() // what was found is held by now, if it ever is
					if got := find(); got != "new" {
						t.Fatalf("%s after the commit the caller is %q", time.Since(committed), got)
					}
					time.Sleep(250 * ms)
				}
			})
		})
	}
}

func TestRule17_WhoComesAfterAFenceDoesNotWaitForAnOldRead(t *testing.T) {
	t.Parallel()
	for name, fence := range map[string]func(*cache.Callers){
		"our own writer's":           func(c *cache.Callers) { c.Raise(context.Background(), "org", number(1)) },
		"announced":                  func(c *cache.Callers) { c.Notified(context.Background(), "org "+string(number(1))) },
		"announced for everybody":    func(c *cache.Callers) { c.Notified(context.Background(), "org *") },
		"of a listener that is back": func(c *cache.Callers) { c.Connected(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := &versions{}
				d.set("old", time.Minute)
				c := cache.NewCallers(d, nil, func() bool { return true })
				go func() { _, _ = c.Find(t.Context(), "org", number(1)) }()
				synctest.Wait()
				fence(c)
				d.set("new", 0)
				began := time.Now()
				finding, err := c.Find(t.Context(), "org", number(1))
				if got := nameOf(finding.Record); got != "new" || err != nil || time.Since(began) != 0 {
					t.Errorf("after %s the caller is %q, %v", time.Since(began), got, err)
				}
				time.Sleep(time.Hour)
			})
		})
	}
}

// silently changes a caller as our own writer does behind a fence that every sidecar sees: Postgres
// announces nothing. between runs when the fence stands.
func (n *tenant) silently(writer *sidecar, number phone.Number, name string, between func()) {
	n.t.Helper()
	shared := false
	raise := func(ctx context.Context) bool {
		shared = writer.Raise(ctx, n.org.ID, number)
		return shared
	}
	err := postgres.Fenced(n.t.Context(), n.pool, raise, func(ctx context.Context, tx pgx.Tx) error {
		between()
		_, err := tx.Exec(ctx, `UPDATE contacts SET name = $2 WHERE phone = $1`, number, name)
		return err
	})
	if err != nil || !shared {
		n.t.Fatalf("our own writer: %v; its fence is shared: %t", err, shared)
	}
}

func TestRule17_AFillInFlightCannotPutAnOldValueBackInRedis(t *testing.T) {
	t.Parallel()
	nothing := func() {}
	for _, tt := range []struct {
		name string
		// tried: what is read under a fence is not even sent.
		tried bool
		// write changes the caller while read's result is held up.
		write func(n *tenant, in *inspector, writer *sidecar, read func())
	}{
		{"our own writer's fence, read before it", true, func(n *tenant, _ *inspector, writer *sidecar, read func()) {
			read()
			n.silently(writer, number(1), "new", nothing)
		}},
		{"our own writer's fence, read behind it", false, func(n *tenant, _ *inspector, writer *sidecar, read func()) {
			n.silently(writer, number(1), "new", read)
		}},
		{"the fence is gone, and the read too old", true, func(n *tenant, in *inspector, writer *sidecar, read func()) {
			read()
			began := time.Now()
			n.silently(writer, number(1), "new", nothing)
			await(n.t, "a read's time is up", func() bool { return time.Since(began) > 2*time.Second })
			in.must(in.Del(n.t.Context(), callerKey(n, number(1))).Err())
		}},
		{"announced", true, func(n *tenant, in *inspector, _ *sidecar, read func()) {
			read()
			n.rename(number(1), "new")
			await(n.t, "the listener has put up a fence", func() bool { return in.entry(n, number(1)) == "!" })
		}},
		{"announced for the organisation", true, func(n *tenant, in *inspector, _ *sidecar, read func()) {
			n.execute(`INSERT INTO contacts (org_id, phone, name) SELECT $1::text::uuid, '+1212555' || 1000 + i, 'one of many' FROM generate_series(1, 100) i`)
			key := epochKey + ":" + string(n.org.ID)
			epoch := in.Get(n.t.Context(), key).Val()
			read()
			n.execute(`UPDATE contacts SET name = 'new' WHERE org_id = $1::text::uuid`)
			await(n.t, "the organisation's epoch moves on", func() bool { return in.Get(n.t.Context(), key).Val() != epoch })
		}},
		{"missed", true, func(n *tenant, in *inspector, writer *sidecar, read func()) {
			read()
			n.silently(writer, number(1), "new", nothing)
			in.must(in.Del(n.t.Context(), callerKey(n, number(1))).Err())
			writer.Connected(n.t.Context())
		}},
		{"Redis is emptied", true, func(n *tenant, in *inspector, writer *sidecar, read func()) {
			read()
			n.silently(writer, number(1), "new", nothing)
			in.must(in.FlushAll(n.t.Context()).Err())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, in := startRedis(t)
			n := newTenant(t)
			n.add(number(1), "old")
			reading, writing := startSidecar(t, n, server.URL()), startSidecar(t, n, server.URL())
			n.fillRedis(in, reading, number(2)) // the organisation's epoch is there
			held, release := reading.reader.holdNext(t)
			var read sync.WaitGroup
			tt.write(n, in, writing, func() {
				read.Go(func() { _, _ = reading.Find(t.Context(), n.org.ID, number(1)) })
				<-held.read
			})
			committed := time.Now()
			scripts := in.scripts()
			release()
			read.Wait()
			if tt.tried {
				await(t, "the fill has been tried", func() bool { return in.scripts() > scripts })
			}
			if entry := in.entry(n, number(1)); strings.Contains(entry, "old") {
				t.Errorf("in Redis there is %q", entry)
			}
			// The reading process may hold what it read for a second from then.
			for _, s := range []*sidecar{writing, reading} {
				await(t, "it finds the new value", func() bool {
					began := time.Now()
					got := nameOf(s.find(t, n, number(1)).Record)
					if got != "new" && began.Sub(committed) > time.Second {
						t.Fatalf("%s after the commit the caller is %q", began.Sub(committed), got)
					}
					return got == "new"
				})
			}
		})
	}
}

// A writer's fence that goes with all of Redis, between being put up and the commit, must not let
// in what is read after that and before the commit: nobody announces it.
func TestRule17_AFenceLostWithRedisStillCounts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		lose func(*redistest.Server)
	}{{"emptied", (*redistest.Server).Flush}, {"restarted", (*redistest.Server).Restart}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, in := startRedis(t)
			n := newTenant(t)
			n.add(number(1), "old")
			sidecars := []*sidecar{startSidecar(t, n, server.URL()), startSidecar(t, n, server.URL()), startSidecar(t, n, server.URL())}
			n.fillRedis(in, sidecars[0], number(2))
			n.silently(sidecars[0], number(1), "new", func() {
				tt.lose(server)
				for _, s := range sidecars[1:] {
					_, _ = s.Find(t.Context(), n.org.ID, number(2)) // the epochs are made anew
					_ = s.find(t, n, number(1))
				}
				for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline) && in.entry(n, number(1)) == ""; {
				}
			})
			committed := time.Now()
			await(t, "rule 17's second has passed", func() bool { return time.Since(committed) > time.Second })
			for i, s := range sidecars {
				if got := s.find(t, n, number(1)); nameOf(got.Record) != "new" {
					t.Errorf("sidecar %d still finds %q by %q", i, nameOf(got.Record), outcomes(got))
				}
			}
		})
	}
}

func TestRedisIsQuietAfterItsEpochWasMade(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	in := inspect(t, server)
	n := newTenant(t)
	n.add(number(1), "Alex")
	s := startSidecar(t, n, server.URL())
	other := startSidecar(t, n, server.URL())
	for _, lose := range []func(){func() {}, server.Flush} {
		lose()
		lost := time.Now()
		s.find(t, n, number(2))
		// Moving the epoch on neither shortens the time nor begins it anew.
		for _, after := range []time.Duration{time.Second, 2500 * time.Millisecond} {
			await(t, "some of it has passed", func() bool {
				s.find(t, n, number(1))
				return time.Since(lost) > after
			})
			other.Connected(t.Context())
		}
		n.fillRedis(in, s, number(1))
		if quiet := time.Since(lost); quiet < 2900*time.Millisecond || quiet > 5*time.Second {
			t.Errorf("something was stored %s after the epoch was lost, want 3 s", quiet)
		}
	}
}

// A Redis that comes back with an older state has none of the fences since.
func TestRule17_ARestoredRedisIsNotBelieved(t *testing.T) {
	t.Parallel()
	server, in := startRedis(t)
	n := newTenant(t)
	n.add(number(1), "old")
	s := startSidecar(t, n, server.URL())
	n.fillRedis(in, s, number(1))
	snapshot := map[string]string{}
	for _, key := range in.Keys(t.Context(), "*").Val() {
		snapshot[key] = in.Dump(t.Context(), key).Val()
	}
	n.silently(s, number(1), "new", func() {})
	server.Restart()
	for key, value := range snapshot {
		in.must(in.Restore(t.Context(), key, 0, value).Err())
	}
	if entry := in.entry(n, number(1)); !strings.Contains(entry, "old") {
		t.Fatalf("restored was %q", entry)
	}
	fresh := startSidecarWithoutListener(t, n, server.URL())
	for range 3 {
		if got := fresh.find(t, n, number(1)); nameOf(got.Record) != "new" {
			t.Errorf("found %q by %q", nameOf(got.Record), outcomes(got))
		}
	}
}

// A change whose fence Redis did not take is not undone by a Redis that is back.
func TestRule17_AFenceThatCouldNotBePutUp(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		write func(n *tenant, s *sidecar)
	}{
		{"by our own writer", func(n *tenant, s *sidecar) {
			raise := func(ctx context.Context) bool { return s.Raise(ctx, n.org.ID, number(1)) }
			err := postgres.Fenced(n.t.Context(), n.pool, raise, func(ctx context.Context, tx pgx.Tx) error {
				_, err := tx.Exec(ctx, `UPDATE contacts SET name = 'new' WHERE phone = $1`, number(1))
				return err
			})
			if err != nil {
				n.t.Fatal(err)
			}
		}},
		{"by the listener", func(n *tenant, _ *sidecar) { n.rename(number(1), "new") }},
		{"by the listener, for the organisation", func(n *tenant, _ *sidecar) {
			n.execute(`UPDATE contacts SET name = 'new' WHERE org_id = $1::text::uuid`)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, in := startRedis(t)
			proxy := wirefault.New(t, "tcp", server.Addr())
			n := newTenant(t)
			n.add(number(1), "old")
			n.execute(`INSERT INTO contacts (org_id, phone, name) SELECT $1::text::uuid, '+1212555' || 1000 + i, 'one of many' FROM generate_series(1, 100) i`)
			s := startSidecar(t, n, "redis://"+proxy.Addr())
			n.fillRedis(in, s, number(1))
			proxy.Refuse(true)
			tt.write(n, s)
			committed := time.Now()
			// The listener has to hear of it while Redis is away.
			await(t, "the change is known", func() bool { return nameOf(s.find(t, n, number(1)).Record) == "new" })
			proxy.Refuse(false)
			if entry := in.entry(n, number(1)); !strings.Contains(entry, "old") {
				t.Fatalf("the fence was put up after all: %q", entry)
			}
			await(t, "Redis is believed again", func() bool {
				late := time.Since(committed) > time.Second
				got := s.find(t, n, number(1))
				if name := nameOf(got.Record); late && name != "new" {
					t.Fatalf("found %q by %q", name, outcomes(got))
				}
				return late && strings.Contains(outcomes(got), "redis hit")
			})
		})
	}
}
