package cache_test

import (
	"errors"
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

// write notes a value before it is written, and when its commit was known. What commit says was lost
// never was a value.
func (c *chronicle) write(value string, commit func() error) error {
	c.mu.Lock()
	i := len(c.values)
	c.values = append(c.values, committed{value: value})
	c.mu.Unlock()
	err := commit()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case err == nil:
		c.values[i].at = time.Now()
	case errors.Is(err, errLost):
		c.values = slices.Delete(c.values, i, i+1)
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

// harm is what befalls a world, one at a time, every now and then.
type harm = func(*world, *rand.Rand)

// life is what a world has, and what befalls it.
type life struct {
	name     string
	sidecars int
	redis    bool
	wires    bool // each sidecar is on Redis by a wire of its own
	crowd    bool // very many are changed at once
	mortal   bool // every other writer dies
	harm     []harm
}

func TestRule17_NobodyIsAnsweredFromAnOldValue(t *testing.T) {
	t.Parallel()
	// As many at a time as there are groups, however many other tests run: a world is busy.
	for name, lives := range map[string][]life{
		"in process": {
			{name: "one sidecar", sidecars: 1},
			{name: "two sidecars, many change at once", sidecars: 2, crowd: true},
			{name: "two sidecars without their listeners", sidecars: 2, harm: []harm{(*world).cutListeners, (*world).killListeners}},
		},
		"on a Redis": {
			{name: "two sidecars", sidecars: 2, redis: true},
			{name: "two sidecars, many change at once", sidecars: 2, redis: true, crowd: true, harm: []harm{(*world).killListeners}},
			{name: "two sidecars without their listeners", sidecars: 2, redis: true, harm: []harm{(*world).cutListeners}},
		},
		"on a bad Redis": {
			{name: "two sidecars whose Redis forgets", sidecars: 2, redis: true, harm: []harm{(*world).loseRedis, (*world).loseRedis, (*world).cutListeners}},
			{name: "three sidecars, one cut off from it", sidecars: 3, redis: true, wires: true, harm: []harm{(*world).partition}},
			{name: "two sidecars on slow wires", sidecars: 2, redis: true, wires: true, harm: []harm{(*world).slowRedis}},
		},
		"where much fails": {
			{name: "two sidecars whose writers die, in process", sidecars: 2, mortal: true},
			{name: "two sidecars whose writers die, one cut off from Redis", sidecars: 2, redis: true, wires: true, mortal: true,
				harm: []harm{(*world).partition, (*world).killListeners}},
			{name: "two sidecars, one cut off from Redis and deaf", sidecars: 2, redis: true, wires: true, harm: []harm{(*world).partitionDeaf}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, tt := range lives {
				t.Run(tt.name, func(t *testing.T) {
					// On a busy machine a world may be all harm: then there is another.
					for attempt := 1; ; attempt++ {
						seed := seed(t)
						w := newWorld(t, tt)
						found := w.live(t, seed, 4*time.Second, func(random *rand.Rand) {
							if len(tt.harm) > 0 {
								tt.harm[random.IntN(len(tt.harm))](w, random)
							}
						})
						f := &w.fates
						if little := found.cached.Load() < 50 || tt.mortal && (f.lost.Load() == 0 || f.committed.Load() == 0); !little || t.Failed() {
							return
						}
						if attempt == 4 {
							t.Errorf("of %d look-ups only %d came from the cache, and of what dying writers wrote, %s: this tests little", found.all.Load(), found.cached.Load(), f)
							return
						}
					}
				})
			}
		})
	}
}

// skewMost is how far off the clocks may be that times of somebody's rows come from. No cache may mind.
const skewMost = time.Hour

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
	write := func(s *subject, skew time.Duration, random *rand.Rand, version int) {
		if w.mortals != nil && random.IntN(2) == 0 {
			if err := w.writeAndDie(s, skew, random, fmt.Sprintf("v%d", version)); err != nil {
				t.Errorf("a writer of %s who dies: %v", string(s.number), err)
			}
			return
		}
		value, commit := s.write(t.Context(), &writer{w, w.pool, skew}, random, fmt.Sprintf("v%d", version))
		if err := s.chronicle.write(value, commit); err != nil {
			t.Errorf("write %q of %s: %v", value, string(s.number), err)
		}
	}
	for range 30 { // numbers at a time
		does(func(random *rand.Rand) {
			s := w.next(random)
			defer w.letGo(s)
			version := 0
			skew := time.Duration(random.Int64N(int64(2*skewMost))) - skewMost
			// Each change meets what was cached before it, or is on the heels of another. Half of them are their number's
			// only one: another's fence would make up for one that it lacks.
			rounds, most := 1, 1
			if random.IntN(2) == 0 {
				rounds, most = 2, 3
			}
			for range rounds {
				between(random, 0, time.Second)
				for range 1 + random.IntN(most) {
					version++
					write(s, skew, random, version)
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
			write(w.crowd[0], 0, random, version)
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
	if w.mortals != nil {
		t.Logf("of what dying writers wrote, %s", &w.fates)
	}
	return &found
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
