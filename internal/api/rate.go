package api

import (
	"sync"
	"time"

	"golang.org/x/time/rate"

	"ringside/internal/problem"
)

// Rate is how often each key may ask this sidecar; the zero value sets no bound.
type Rate struct {
	PerSecond float64
	Burst     int // that may come at once
}

// limiters hold a limiter for each key that has asked a moment ago. Only keys that exist get one.
type limiters struct {
	rate Rate

	mu    sync.Mutex
	byKey map[string]*rate.Limiter
	swept time.Time
}

func newLimiters(r Rate) *limiters {
	return &limiters{rate: r, byKey: map[string]*rate.Limiter{}, swept: time.Now()}
}

// admit counts a request of a key, or returns a rate_limited problem that says when to come back.
func (l *limiters) admit(keyID string) error {
	if l.rate.PerSecond <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	reserved := l.of(keyID, now).ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	reserved.CancelAt(now) // who is refused has not used anything up
	p := problem.New(problem.CodeRateLimited, "This key asks more than %g times a second, beyond a burst of %d. Wait for the seconds in Retry-After, then send this again, with fewer requests at once.",
		l.rate.PerSecond, l.rate.Burst)
	p.RetryAfter = wait
	return p
}

// of returns a key's limiter. The mutex is held.
func (l *limiters) of(keyID string, now time.Time) *rate.Limiter {
	l.sweep(now)
	limiter := l.byKey[keyID]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Limit(l.rate.PerSecond), l.rate.Burst)
		l.byKey[keyID] = limiter
	}
	return limiter
}

// sweep drops the limiters that are full again, which are as good as new ones. It looks once in the
// time that the emptiest takes to fill.
func (l *limiters) sweep(now time.Time) {
	full := time.Duration(float64(l.rate.Burst) / l.rate.PerSecond * float64(time.Second))
	if now.Sub(l.swept) < full {
		return
	}
	l.swept = now
	for keyID, limiter := range l.byKey {
		if limiter.TokensAt(now) >= float64(l.rate.Burst) {
			delete(l.byKey, keyID)
		}
	}
}
