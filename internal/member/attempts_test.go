package member

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"ringside/internal/problem"
)

// clock is a time that a test moves.
type clock struct{ now time.Time }

func (c *clock) at() time.Time { return c.now }

// wait is how long the next try from a place has to wait; 0 is not at all. It counts as a try if not.
func (a *attempts) wait(t *testing.T, email, remote string) time.Duration {
	t.Helper()
	_, err := a.begin(email, remote)
	if err == nil {
		return 0
	}
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Code != problem.CodeRateLimited || p.RetryAfter <= 0 {
		t.Fatalf("refused with %v", err)
	}
	return p.RetryAfter
}

func TestWaitsGrow(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	a := newAttempts(c.at)
	for range freeTries {
		if w := a.wait(t, "robin@example.com", "192.0.2.1"); w != 0 {
			t.Fatalf("one of the first tries waits %s", w)
		}
	}
	last := time.Duration(0)
	for range 12 {
		w := a.wait(t, "Robin@Example.com", "192.0.2.1") // the same address
		if w < last || w > longestWait {
			t.Fatalf("after %s the wait is %s", last, w)
		}
		last = w
		c.now = c.now.Add(w)
		if w := a.wait(t, "robin@example.com", "192.0.2.1"); w != 0 {
			t.Fatalf("who has waited waits %s more", w)
		}
	}
	if last != longestWait {
		t.Errorf("the longest wait is %s", last)
	}
}

// Nobody can keep a member out: who guesses waits where they are, and nobody else.
func TestNobodyElseWaits(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	a := newAttempts(c.at)
	for range 100 {
		_, _ = a.begin("robin@example.com", "192.0.2.1") // refused after some
	}
	for _, remote := range []string{"192.0.2.2", "2001:db8::1"} {
		if w := a.wait(t, "robin@example.com", remote); w != 0 {
			t.Errorf("the member waits %s at %s", w, remote)
		}
	}
}

// Guessing one password of many people from one place waits, too; and a network of IPv6 is one place.
func TestOnePlaceForManyAddresses(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	a := newAttempts(c.at)
	for i := range freeFrom {
		if w := a.wait(t, fmt.Sprintf("%d@example.com", i), fmt.Sprintf("2001:db8::%d", i+1)); w != 0 {
			t.Fatalf("try %d waits %s", i, w)
		}
	}
	if w := a.wait(t, "another@example.com", "2001:db8::ffff"); w == 0 {
		t.Error("a network may go on guessing")
	}
	if w := a.wait(t, "another@example.com", "2001:db8:0:1::1"); w != 0 {
		t.Errorf("another network waits %s", w)
	}
	if one, two := placeOf("::ffff:192.0.2.1"), placeOf("192.0.2.1"); one != two {
		t.Errorf("%s and %s are two places", one, two)
	}
}

// An office's slips of a whole day keep nobody there waiting; those of one member's password are not forgiven so.
func TestAPlaceIsForgivenSlowly(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	a := newAttempts(c.at)
	for i := range 4 * freeFrom {
		if w := a.wait(t, fmt.Sprintf("%d@example.com", i), "192.0.2.1"); w != 0 {
			t.Fatalf("slip %d waits %s", i, w)
		}
		c.now = c.now.Add(forgiveEvery)
	}
	waited := false
	for range 4 * freeTries {
		waited = a.wait(t, "robin@example.com", "192.0.2.1") > 0 || waited
		c.now = c.now.Add(forgiveEvery)
	}
	if !waited {
		t.Error("one password may be guessed on and on")
	}
}

// Whoever knows a password of their own gets no free guesses at others' by it.
func TestSuccessForgivesOnlyItself(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	a := newAttempts(c.at)
	refused := 0
	for i := range 5 * freeFrom {
		if keys, err := a.begin("eve@example.com", "192.0.2.1"); err == nil {
			a.succeeded(keys)
		}
		if _, err := a.begin(fmt.Sprintf("%d@example.com", i), "192.0.2.1"); err != nil {
			refused++
		}
	}
	if refused < 3*freeFrom {
		t.Errorf("only %d of %d guesses are refused", refused, 5*freeFrom)
	}
}

func TestMemoryOfAttemptsIsBounded(t *testing.T) {
	t.Parallel()
	c := &clock{now: time.Now()}
	a := newAttempts(c.at)
	for i := range 2 * maxAttempts {
		_, _ = a.begin(fmt.Sprintf("%d@example.com", i), fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	if n := len(a.all); n > maxAttempts+1 {
		t.Errorf("%d places are remembered", n)
	}
}

func TestInWords(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{1500 * time.Millisecond: "2 seconds", time.Minute: "60 seconds", 61 * time.Second: "2 minutes", 15 * time.Minute: "15 minutes"} {
		if got := inWords(d); got != want {
			t.Errorf("%s is %q instead of %q", d, got, want)
		}
	}
}
