package member

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"sync"
	"time"

	"ringside/internal/problem"
)

// Bounds of wrong passwords. Whoever forgets theirs has a few tries; a program that guesses has to
// wait ever longer. What counts is where the tries come from, for one address of a member and in
// all: the member, who comes from elsewhere, never waits for somebody who guesses.
const (
	freeTries   = 5   // for one e-mail address from one place
	freeFrom    = 30  // for all e-mail addresses from one place
	freeNet     = 300 // for all from the network that the place is in: of IPv6, a site's (/48)
	firstWait   = 2 * time.Second
	longestWait = 15 * time.Minute
	// forgiveEvery is how often one try is forgiven to a place and a network, where many people may be.
	forgiveEvery = 5 * time.Minute
	maxAttempts  = 20_000 // places that are remembered
)

// attempts remembers wrong passwords, in memory: a restart forgives, which costs a guesser more
// than it gives.
type attempts struct {
	now func() time.Time
	mu  sync.Mutex
	all map[string]*tries
}

// tries are the wrong passwords from one place.
type tries struct {
	count int
	until time.Time // no sooner may the next be tried
	last  time.Time
	since time.Time // from then on tries are forgiven
}

func newAttempts(now func() time.Time) *attempts {
	return &attempts{now: now, all: map[string]*tries{}}
}

// begin counts a try, before its password is looked at, so that tries at the same time count too.
func (a *attempts) begin(email, remote string) (keys []string, err error) {
	place := placeOf(remote)
	sum := sha256.Sum256([]byte(strings.ToLower(email))) // whatever is typed takes the same room
	keys = []string{string(sum[:]) + place, place, "net " + networkOf(remote)}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	for _, key := range keys {
		if t := a.all[key]; t != nil && now.Before(t.until) {
			p := problem.New(problem.CodeRateLimited, "There were too many wrong passwords from here. Try again in %s.", inWords(t.until.Sub(now)))
			p.RetryAfter = t.until.Sub(now)
			return nil, p
		}
	}
	a.tidy(now)
	for i, key := range keys {
		t := a.all[key]
		if t == nil || now.Sub(t.last) > longestWait*2 {
			t = &tries{since: now}
			a.all[key] = t
		}
		if i > 0 { // not to one e-mail address
			forgiven := now.Sub(t.since) / forgiveEvery
			t.count = max(0, t.count-int(forgiven))
			t.since = t.since.Add(forgiven * forgiveEvery)
		}
		t.count++
		t.last = now
		free := [...]int{freeTries, freeFrom, freeNet}[i]
		if over := t.count - free; over >= 0 {
			t.until = now.Add(min(firstWait<<min(over, 16), longestWait))
		}
	}
	return keys, nil
}

// succeeded forgets the tries of somebody who knew the password. The place as a whole gets back this
// one try only, or a guesser with a password of their own could begin anew after each.
func (a *attempts) succeeded(keys []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, keys[0])
	for _, key := range keys[1:] {
		if t := a.all[key]; t != nil {
			t.count--
			t.until = time.Time{}
		}
	}
}

// tidy keeps the memory bounded: it forgets who has not tried for long, and in a flood anybody. It
// makes room for many at once, so that a flood does not have it look through all of them each time.
func (a *attempts) tidy(now time.Time) {
	if len(a.all) < maxAttempts {
		return
	}
	for key, t := range a.all {
		if now.Sub(t.last) > longestWait || !now.Before(t.until) && len(a.all) > maxAttempts/2 { // who waits is kept longest
			delete(a.all, key)
		}
	}
	for key := range a.all {
		if len(a.all) < maxAttempts*3/4 {
			return
		}
		delete(a.all, key)
	}
}

// placeOf is what a remote address counts as: of IPv6, the network that one customer has (/64).
func placeOf(remote string) string {
	ip, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	if ip = ip.Unmap(); ip.Is6() {
		network, _ := ip.WithZone("").Prefix(64) // an IPv6 address has 64 bits
		return network.String()
	}
	return ip.String()
}

// networkOf is the network that a place is in: of IPv6 what one site has (/48), of IPv4 its /24.
func networkOf(remote string) string {
	ip, err := netip.ParseAddr(remote)
	if err != nil {
		return remote
	}
	bits := 48
	if ip = ip.Unmap(); ip.Is4() {
		bits = 24
	}
	network, _ := ip.WithZone("").Prefix(bits) // an address has so many
	return network.String()
}

// inWords writes a wait for people, rounded up.
func inWords(d time.Duration) string {
	if d > time.Minute {
		return fmt.Sprintf("%d minutes", int(math.Ceil(d.Minutes())))
	}
	return fmt.Sprintf("%d seconds", int(math.Ceil(d.Seconds())))
}
