package cache_test

import (
	"math/rand/v2"
	"time"
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
