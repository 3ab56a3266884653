package cache_test

import (
	"testing"
	"testing/synctest"
	"time"

	"ringside/cache"
	"ringside/internal/org"
	"ringside/recognize"
)

const decades = 50 * 365 * 24 * time.Hour

// inAnotherTime runs something on a clock that is decades behind everybody else's, or as many ahead, and
// that does not move while Redis is waited for.
func inAnotherTime(t *testing.T, ahead bool, run func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if ahead {
			time.Sleep(decades)
		}
		run(t)
	})
}

// Of the clocks of the sidecars nothing depends that they share: what is in Redis has its times by Redis' clock, what
// is in a process by how much time has passed there.
func TestRule17_SidecarsClocksMayDiffer(t *testing.T) {
	t.Parallel()
	for name, ahead := range map[string]bool{"decades behind": false, "decades ahead": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, in := startRedis(t)
			n := &tenant{t: t, org: org.Org{ID: "b35bbb47-e0e5-4d97-8132-1e375d95dbbf"}}
			d := &versions{name: "old"}
			start := func(t *testing.T) *sidecar {
				memory := openRedis(t, server.URL())
				return &sidecar{Callers: cache.NewCallers(d, memory, func() bool { return true }), calls: cache.NewCalls(memory)}
			}
			near := start(t)
			wants := func(t *testing.T, s *sidecar, name, how string) {
				t.Helper()
				got := s.find(t, n, number(1))
				if nameOf(got.Record) != name || outcomes(got) != how {
					t.Errorf("found %q by %q, want %q by %q", nameOf(got.Record), outcomes(got), name, how)
				}
				for _, step := range got.Steps {
					if step.AgeMS > time.Minute.Milliseconds() {
						t.Errorf("what was found is said to be %d ms old", step.AgeMS)
					}
				}
			}

			// What one has stored, the other believes.
			inAnotherTime(t, ahead, func(t *testing.T) { n.t = t; n.fillRedis(in, start(t), number(1)) })
			wants(t, near, "old", "process miss, redis hit")

			// A fence of one hides it from the other, whose fill is refused, and lives as long as it has to.
			near.Raise(t.Context(), n.org.ID, number(1))
			d.set("new", 0)
			inAnotherTime(t, ahead, func(t *testing.T) { wants(t, start(t), "new", "process miss, redis fenced") })
			inAnotherTime(t, ahead, func(t *testing.T) { start(t).Raise(t.Context(), n.org.ID, number(1)) })
			if life := in.PTTL(t.Context(), callerKey(n, number(1))).Val(); in.entry(n, number(1)) != "!" || life < 4*time.Second || life > 5*time.Second {
				t.Errorf("instead of a fence of 5 s there is %q for %s", in.entry(n, number(1)), life)
			}
			wants(t, near, "new", "process fenced, redis fenced")

			// What is in a process grows old there; what is in Redis does so there, whatever passes here meanwhile.
			in.must(in.Del(t.Context(), callerKey(n, number(1))).Err())
			n.t = t
			n.fillRedis(in, start(t), number(1))
			inAnotherTime(t, ahead, func(t *testing.T) {
				s := start(t)
				for _, passes := range []time.Duration{0, time.Second, time.Hour, decades} {
					time.Sleep(passes)
					wants(t, s, "new", "process miss, redis hit")
					synctest.Wait()
					wants(t, s, "new", "process hit")
				}
			})

			// A call's decision has the time at which it was made, and lives as long as any.
			var made time.Time
			inAnotherTime(t, ahead, func(t *testing.T) {
				made = time.Now()
				start(t).calls.Claim(t.Context(), &recognize.Decision{CallSID: "CA1", OrgID: n.org.ID, At: made, Greeting: "Hello"})
			})
			if got := near.calls.Decided(t.Context(), n.org.ID, "CA1"); got == nil || !got.At.Equal(made) || got.Greeting != "Hello" {
				t.Errorf("the other sidecar knows of %+v, which was decided at %s", got, made)
			}
			key := "ringside:decision:" + string(n.org.ID) + ":CA1"
			if life := in.PTTL(t.Context(), key).Val(); life < cache.CallLife-time.Minute || life > cache.CallLife {
				t.Errorf("it is kept for %s", life)
			}
		})
	}
}
