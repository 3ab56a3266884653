package cache_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"ringside/internal/wirefault"
)

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
	cut(lines, silently, shortly(random))
}

// shortly is how long a harm lasts that has an end.
func shortly(random *rand.Rand) time.Duration {
	return time.Duration(random.Int64N(int64(3 * ruleSecond)))
}

// cut cuts lines for a while: refused, or with connections that say nothing.
func cut(lines []*wirefault.Proxy, silently bool, during time.Duration) {
	for _, on := range []bool{true, false} {
		for _, line := range lines {
			if silently {
				line.BlackHole(on)
			} else {
				line.Refuse(on)
			}
		}
		if on {
			time.Sleep(during)
		}
	}
}

// partition keeps one sidecar off Redis for a while, which the others reach.
func (w *world) partition(random *rand.Rand) {
	one := random.IntN(len(w.wires))
	cut(w.wires[one:][:1], random.IntN(2) == 0, shortly(random))
}

// partitionDeaf keeps one sidecar off Redis, and meanwhile one or all of them off what Postgres announces.
func (w *world) partitionDeaf(random *rand.Rand) {
	listening := rand.New(rand.NewPCG(random.Uint64(), 0))
	var both sync.WaitGroup
	both.Go(func() { w.cutListeners(listening) })
	w.partition(random)
	both.Wait()
}

// slowRedis makes the way to Redis slow for a while, for one sidecar or for all: from one that is as good as cut
// to one that is hardly felt.
func (w *world) slowRedis(random *rand.Rand) {
	wires := w.wires
	if random.IntN(2) == 0 {
		wires = wires[random.IntN(len(wires)):][:1]
	}
	rate := int(1000 * math.Pow(200, random.Float64())) // bytes a second
	for _, wire := range wires {
		wire.SetRate(rate)
	}
	time.Sleep(shortly(random))
	for _, wire := range wires {
		wire.SetRate(0)
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
