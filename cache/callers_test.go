package cache_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ringside/cache"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/recognize"
)

func TestFindsInTheProcess(t *testing.T) {
	t.Parallel()
	n := newTenant(t)
	n.add(number(1), "Alex Chen")
	s := startSidecar(t, n, "")
	for _, tt := range []struct {
		number phone.Number
		name   string
		how    []string
	}{
		{number(1), "Alex Chen", []string{"process miss, postgres hit", "process hit", "process hit"}},
		{number(2), "", []string{"process miss, postgres miss", "process hit: unknown caller", "process hit: unknown caller"}},
	} {
		for _, how := range tt.how {
			got := s.find(t, n, tt.number)
			if nameOf(got.Record) != tt.name || got.Record.Known() != (tt.name != "") || outcomes(got) != how {
				t.Errorf("found %q by %q, want %q by %q", nameOf(got.Record), outcomes(got), tt.name, how)
			}
			// The first look-up's answer may be a moment ahead of its fill.
			await(t, "it is held", func() bool { return strings.HasPrefix(outcomes(s.find(t, n, tt.number)), "process hit") })
		}
	}
	if reads := s.reader.reads.Load(); reads != 2 {
		t.Errorf("Postgres was asked %d times for two callers", reads)
	}
}

func TestFindsInRedis(t *testing.T) {
	t.Parallel()
	server, in := startRedis(t)
	n := newTenant(t)
	n.add(number(1), "Alex Chen")
	a, b := startSidecar(t, n, server.URL()), startSidecar(t, n, server.URL())
	for _, tt := range []struct {
		number phone.Number
		name   string
		how    string
	}{
		{number(1), "Alex Chen", "process miss, redis hit"},
		{number(2), "", "process miss, redis hit: unknown caller"},
	} {
		n.fillRedis(in, a, tt.number)
		got := b.find(t, n, tt.number)
		if nameOf(got.Record) != tt.name || outcomes(got) != tt.how {
			t.Errorf("another sidecar found %q by %q, want %q by %q", nameOf(got.Record), outcomes(got), tt.name, tt.how)
		}
	}
	if reads := b.reader.reads.Load(); reads != 0 {
		t.Errorf("the second sidecar asked Postgres %d times", reads)
	}
	for key, most := range map[string]time.Duration{
		callerKey(n, number(1)): 24 * time.Hour, callerKey(n, number(2)): 2 * time.Minute} {
		if life := in.PTTL(t.Context(), key).Val(); life < most-time.Minute || life > most {
			t.Errorf("%s lives %s", key, life)
		}
	}
}

// fillRedis has a sidecar find somebody until they are in Redis: the first look-up of an organisation
// only makes its epoch.
func (n *tenant) fillRedis(in *inspector, s *sidecar, number phone.Number) {
	n.t.Helper()
	await(n.t, "the caller is in Redis", func() bool {
		s.find(n.t, n, number)
		return strings.Contains(in.entry(n, number), "{")
	})
}

// stampede has very many ask for one caller at once, and returns how often Postgres was asked, and
// whether what was held by then was distrusted by one of them.
func stampede(t *testing.T, n *tenant, s *sidecar, number phone.Number) (reads int64, distrusted bool) {
	t.Helper()
	before := s.reader.reads.Load()
	held, release := s.reader.holdNext(t)
	const callers = 200
	var all sync.WaitGroup
	found := make(chan recognize.Finding, callers)
	find := func() { found <- s.find(t, n, number) }
	all.Go(find)
	<-held.read // the rest finds a look-up under way
	for range callers - 1 {
		all.Go(find)
	}
	release()
	all.Wait()
	for range callers {
		f := <-found
		if name := nameOf(f.Record); name != "Alex Chen" {
			t.Errorf("one of the stampede got %q", name)
		}
		distrusted = distrusted || f.Steps[0].Outcome == "distrusted"
	}
	return s.reader.reads.Load() - before, distrusted
}

func TestAStampedeReadsOnce(t *testing.T) {
	t.Parallel()
	server, _ := startRedis(t)
	for _, tt := range []struct{ name, redis string }{{"in the process", ""}, {"with Redis", server.URL()}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t)
			const tries = 10
			for try := range tries {
				n.add(number(try), "Alex Chen") // before the sidecar hears of it
			}
			s := startSidecar(t, n, tt.redis)
			for try := range tries {
				if reads, distrusted := stampede(t, n, s, number(try)); !distrusted {
					if reads != 1 {
						t.Errorf("Postgres was asked %d times", reads)
					}
					return
				}
				// The machine was so busy that the listener could not prove itself in time.
			}
			t.Error("what was held was distrusted every time")
		})
	}
}

// still is a directory in fake time: it knows one name and needs as long as it is told.
type still struct {
	name  string
	takes time.Duration
	err   error
	reads atomic.Int64
}

func (d *still) Find(ctx context.Context, _ org.ID, n phone.Number) (recognize.Finding, error) {
	d.reads.Add(1)
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return recognize.Finding{}, ctx.Err()
	}
	if d.err != nil {
		return recognize.Finding{}, d.err
	}
	record := &recognize.Record{}
	if n == number(1) {
		record.Contact = &recognize.Contact{Name: d.name}
	}
	return recognize.Finding{Record: record}, nil
}

// inFakeTime runs a test of a cache in one process, in front of d.
func inFakeTime(t *testing.T, d *still, test func(t *testing.T, c *cache.Callers, current *bool, find func(budget time.Duration, i int) (string, error))) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		current := true
		c := cache.NewCallers(d, nil, func() bool { return current })
		test(t, c, &current, func(budget time.Duration, i int) (string, error) {
			ctx, cancel := context.WithTimeout(t.Context(), budget)
			defer cancel()
			finding, err := c.Find(ctx, "org", number(i))
			synctest.Wait() // what was found is held by now
			return nameOf(finding.Record), err
		})
	})
}

func TestEntriesHaveATime(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, _ *cache.Callers, _ *bool, find func(time.Duration, int) (string, error)) {
		for i, tt := range []struct {
			wait  time.Duration
			reads int
		}{{0, 2}, {2*time.Minute - 1, 2}, {1, 3}, {2 * time.Minute, 4}, {6*time.Minute - 1, 5}, {1, 6}} {
			time.Sleep(tt.wait)
			known, err := find(time.Second, 1)
			if err != nil || known != "Alex" {
				t.Fatalf("found %q, %v", known, err)
			}
			if unknown, err := find(time.Second, 2); err != nil || unknown != "" {
				t.Fatalf("found %q, %v", unknown, err)
			}
			if int(d.reads.Load()) != tt.reads {
				t.Errorf("step %d: Postgres was asked %d times, want %d", i, int(d.reads.Load()), tt.reads)
			}
		}
	})
}

func TestFindEndsWithItsBudgetAndTheLookUpGoesOn(t *testing.T) {
	d := &still{name: "Alex", takes: 400 * time.Millisecond}
	inFakeTime(t, d, func(t *testing.T, _ *cache.Callers, _ *bool, find func(time.Duration, int) (string, error)) {
		began := time.Now()
		if _, err := find(150*time.Millisecond, 1); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 150*time.Millisecond {
			t.Errorf("out of time, it says %v after %s", err, time.Since(began))
		}
		time.Sleep(250 * time.Millisecond)
		if name, err := find(time.Millisecond, 1); name != "Alex" || err != nil {
			t.Errorf("then the caller is %q, %v", name, err)
		}
		if int(d.reads.Load()) != 1 {
			t.Errorf("Postgres was asked %d times", int(d.reads.Load()))
		}
	})
}

func TestALookUpThatHangsIsNotJoinedForLong(t *testing.T) {
	d := &still{name: "Alex", takes: time.Hour}
	inFakeTime(t, d, func(t *testing.T, _ *cache.Callers, _ *bool, find func(time.Duration, int) (string, error)) {
		for range 10 {
			if _, err := find(100*time.Millisecond, 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("it says %v", err)
			}
		}
		if int(d.reads.Load()) != 2 {
			t.Errorf("within a second Postgres was asked %d times, want 2", int(d.reads.Load()))
		}
		d.takes = 0
		time.Sleep(500 * time.Millisecond)
		if name, err := find(time.Millisecond, 1); name != "Alex" || err != nil {
			t.Errorf("when Postgres answers again the caller is %q, %v", name, err)
		}
		time.Sleep(10 * time.Second) // the two that hang give up
	})
}

func TestServesWhatIsHeldWhilePostgresIsAway(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, _ *cache.Callers, current *bool, find func(time.Duration, int) (string, error)) {
		_, _ = find(time.Second, 1)
		*current = false
		for _, away := range []struct {
			how   string
			err   error
			takes time.Duration
			first time.Duration // how long the first caller waits
		}{{"refusing", errors.New("connection refused"), 0, 0}, {"hanging", nil, time.Hour, 150 * time.Millisecond}} {
			d.err, d.takes = away.err, away.takes
			for i, wait := range []time.Duration{away.first, 0, 0} {
				began := time.Now()
				if name, err := find(150*time.Millisecond, 1); name != "Alex" || err != nil {
					t.Errorf("%s: a held caller is %q, %v", away.how, name, err)
				}
				if waited := time.Since(began); waited != wait {
					t.Errorf("%s: caller %d waited %s, want %s", away.how, i, waited, wait)
				}
			}
			if _, err := find(150*time.Millisecond, 3); err == nil {
				t.Errorf("%s: of somebody not held nothing is known, and yet there is no error", away.how)
			}
			time.Sleep(10 * time.Second) // what hangs gives up, and Postgres counts as back
		}
	})
}

func TestDistrustsWhatIsHeldWhileNotCurrent(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, c *cache.Callers, current *bool, find func(time.Duration, int) (string, error)) {
		_, _ = find(time.Second, 1)
		*current = false
		for _, name := range []string{"Sam", "Kim"} {
			d.name = name
			time.Sleep(time.Second)
			if got, err := find(time.Second, 1); got != name || err != nil {
				t.Errorf("not current, the caller is %q, %v, want %q", got, err, name)
			}
		}
		d.err = errors.New("connection refused")
		if got, err := find(time.Second, 1); got != "Kim" || err != nil {
			t.Errorf("with Postgres away the caller is %q, %v, want what was read last", got, err)
		}
		d.err = nil
		c.Connected(t.Context())
		*current = true
		d.name = "Robin"
		if got, err := find(time.Second, 1); got != "Robin" || err != nil {
			t.Errorf("after the listener's return the caller is %q, %v: it may have missed a change", got, err)
		}
	})
}

// The listener may come back, and forget everything, between looking and asking whether it is
// current. So what was looked at before is not believed for what is proven after.
func TestBelievesOnlyWhatWasProvenBefore(t *testing.T) {
	t.Parallel()
	server, in := startRedis(t)
	for _, tt := range []struct {
		name, redis string
		asked       int // how often it is asked whether the listener is current by when it comes back
	}{{"in the process", "", 1}, {"in Redis", server.URL(), 2}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t)
			n.add(number(1), "Alex")
			memory := openRedis(t, tt.redis)
			s := &sidecar{reader: &reader{next: recognize.NewDatabase(n.pool)}}
			asked := -1 << 20
			current := func() bool {
				if asked++; asked == tt.asked {
					s.Connected(t.Context())
				}
				return true
			}
			s.Callers = cache.NewCallers(s.reader, memory, current)
			if memory != nil {
				n.fillRedis(in, s, number(1))
				s.Callers = cache.NewCallers(s.reader, memory, current) // with nothing in its process
			} else {
				await(t, "it is held", func() bool { return outcomes(s.find(t, n, number(1))) == "process hit" })
			}
			n.rename(number(1), "Sam") // while there is no listener
			asked = 0
			if got := s.find(t, n, number(1)); nameOf(got.Record) != "Sam" {
				t.Errorf("found %q by %q", nameOf(got.Record), outcomes(got))
			}
		})
	}
}

func TestTakesOnlyAnnouncementsThatItUnderstands(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, c *cache.Callers, _ *bool, find func(time.Duration, int) (string, error)) {
		one, two := string(number(1)), string(number(2))
		_, _ = find(time.Second, 1)
		for _, tt := range []struct {
			payload  string
			fresh    bool // read anew afterwards, once the fence is gone
			fenceFor time.Duration
		}{
			{"", false, 0}, {" ", false, 0}, {"org", false, 0}, {"nonsense", false, 0}, {"org " + two, false, 0}, {"other " + one, false, 0},
			{"org *", true, 0}, {"other *", true, 0}, {"*", true, 0},
			{"org " + one, true, 5 * time.Second}, {"org " + two + " " + one, true, 5 * time.Second},
		} {
			before := int(d.reads.Load())
			c.Notified(t.Context(), tt.payload)
			_, _ = find(time.Second, 1)
			if fresh := int(d.reads.Load()) > before; fresh != tt.fresh {
				t.Errorf("after %q it was read anew: %t", tt.payload, fresh)
			}
			time.Sleep(tt.fenceFor)
			_, _ = find(time.Second, 1)
		}
	})
}
