package webhook

import (
	"hash/maphash"
	"sync"
)

// repeatHeader is the same on every try of one request (Twilio: webhooks, connection overrides).
const repeatHeader = "I-Twilio-Idempotency-Token"

// repeatsKept is how many of the latest tokens are remembered.
const repeatsKept = 10_000

// repeats remembers the tokens of the latest requests, of which it keeps a hash. That a token was seen is a hint that Twilio
// tries again, and saves work or is counted: another sidecar does not know it, hashes collide, and whoever tried first
// may not have been answered. What counts twice is decided by Sids alone (rule 15).
type repeats struct {
	seed maphash.Seed

	mu     sync.Mutex
	seen   map[uint64]struct{}
	latest []uint64 // in the order they came, around
	next   int
}

func newRepeats() *repeats {
	return &repeats{seed: maphash.MakeSeed(), seen: make(map[uint64]struct{}, repeatsKept), latest: make([]uint64, 0, repeatsKept)}
}

// again reports whether a token was seen, and remembers it. A request without one is taken for the first.
func (r *repeats) again(token string) bool {
	if token == "" {
		return false
	}
	hash := maphash.String(r.seed, token)
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.seen[hash]; known {
		return true
	}
	r.seen[hash] = struct{}{}
	if len(r.latest) < repeatsKept {
		r.latest = append(r.latest, hash)
		return false
	}
	delete(r.seen, r.latest[r.next])
	r.latest[r.next] = hash
	r.next = (r.next + 1) % repeatsKept
	return false
}
