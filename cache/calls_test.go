package cache_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"ringside/cache"
	"ringside/cache/redistest"
	"ringside/internal/org"
	"ringside/recognize"
)

// Of many who claim a call at once exactly one has won, also where Redis has heard of it before this process.
func TestOneOfManyClaimsHasWon(t *testing.T) {
	t.Parallel()
	memory := openRedis(t, redistest.Start(t).URL())
	for name, calls := range map[string]*cache.Calls{"in process": cache.NewCalls(nil), "in Redis": cache.NewCalls(memory)} {
		for round := range 200 {
			var won atomic.Int64
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					d := &recognize.Decision{CallSID: fmt.Sprint("CA", round), OrgID: "b35bbb47-e0e5-4d97-8132-1e375d95dbbf", At: time.Now()}
					if calls.Claim(t.Context(), d) == d {
						won.Add(1)
					}
				})
			}
			if all.Wait(); won.Load() != 1 {
				t.Fatalf("%s: %d of 8 have won round %d", name, won.Load(), round)
			}
		}
	}
}

// What was decided about a call is forgotten everywhere, and a call that goes on is decided anew.
func TestForgottenCallsAreDecidedAnew(t *testing.T) {
	t.Parallel()
	const acme = org.ID("b35bbb47-e0e5-4d97-8132-1e375d95dbbf")
	decision := func(sid, greeting string) *recognize.Decision {
		return &recognize.Decision{CallSID: sid, OrgID: acme, At: time.Now(), Greeting: greeting}
	}
	memory := openRedis(t, redistest.Start(t).URL())
	for name, sides := range map[string][2]*cache.Calls{
		"in process": func() [2]*cache.Calls { c := cache.NewCalls(nil); return [2]*cache.Calls{c, c} }(),
		"in Redis":   {cache.NewCalls(memory), cache.NewCalls(memory)},
	} {
		sids := map[string]string{"gone": "CA1" + name[:4], "other": "CA2" + name[:4]}
		for _, sid := range sids {
			sides[0].Claim(t.Context(), decision(sid, "Hello Alex"))
			if d := sides[1].Decided(t.Context(), acme, sid); d == nil || d.Greeting != "Hello Alex" {
				t.Fatalf("%s: the other side has %+v", name, d)
			}
		}
		for _, side := range sides { // each is told
			side.Forget(t.Context(), acme, sids["gone"])
		}
		for _, side := range sides {
			if d := side.Decided(t.Context(), acme, sids["gone"]); d != nil {
				t.Errorf("%s: %+v is not forgotten", name, d)
			}
			if d := side.Decided(t.Context(), acme, sids["other"]); d == nil {
				t.Errorf("%s: another call is forgotten too", name)
			}
		}
		if d := sides[0].Claim(t.Context(), decision(sids["gone"], "Hello")); d.Greeting != "Hello" {
			t.Errorf("%s: decided anew as %+v", name, d)
		}
		if d := sides[1].Decided(t.Context(), acme, sids["gone"]); d == nil || d.Greeting != "Hello" {
			t.Errorf("%s: the other side has %+v", name, d)
		}
	}
}
