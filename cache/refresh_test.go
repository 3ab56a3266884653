package cache_test

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"ringside/cache"
)

// Whoever has called is held in case Postgres is away when they call again: no more than that.
func TestPeopleAreKeptForADay(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, c *cache.Callers, _ *bool, find func(time.Duration, int) (string, error)) {
		_, _ = find(time.Second, 1)
		_, _ = find(time.Second, 2)
		for _, tt := range []struct {
			wait time.Duration
			name string
		}{{time.Hour, "Alex"}, {23*time.Hour - 1, "Alex"}, {1, ""}} {
			time.Sleep(tt.wait)
			d.err = errors.New("connection refused")
			finding, err := c.Find(t.Context(), "org", number(1))
			if name := nameOf(finding.Record); name != tt.name || (err == nil) != (tt.name != "") || finding.Stale != (tt.name != "") {
				t.Errorf("with Postgres away the caller is %q, %v, stale: %v; want %q", name, err, finding.Stale, tt.name)
			}
			if _, err := find(time.Second, 2); err == nil {
				t.Error("of somebody who was nobody's nothing is known, and yet there is no error")
			}
		}
		d.err, d.name = nil, "Sam"
		if name, err := find(time.Second, 1); name != "Sam" || err != nil {
			t.Errorf("with Postgres back the caller is %q, %v", name, err)
		}
	})
}

func TestCallersAreReadAgainAfterTheirFence(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, c *cache.Callers, current *bool, find func(time.Duration, int) (string, error)) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.KeepFresh(ctx)
		}()
		write := func(name string) {
			synctest.Wait()
			c.Raise(t.Context(), "org", number(1))
			d.name = name
			c.Refresh("org", number(1))
		}
		_, _ = find(time.Second, 1)
		write("Sam")
		time.Sleep(3 * time.Second)
		write("Kim") // who is put off
		time.Sleep(3 * time.Second)
		if int(d.reads.Load()) != 1 {
			t.Errorf("Postgres was asked %d times while a fence stood", int(d.reads.Load()))
		}
		time.Sleep(4 * time.Second)
		if int(d.reads.Load()) != 2 {
			t.Errorf("Postgres was asked %d times, want once more after the fence", int(d.reads.Load()))
		}
		synctest.Wait()
		d.err, *current = errors.New("connection refused"), false
		if name, err := find(time.Second, 1); name != "Kim" || err != nil {
			t.Errorf("who calls back while Postgres is away is %q, %v", name, err)
		}
		// Postgres has just failed: it is left alone.
		write("Robin")
		reads := int(d.reads.Load())
		time.Sleep(5 * time.Second)
		_, _ = find(time.Second, 2) // which fails, and is remembered
		time.Sleep(900 * time.Millisecond)
		if int(d.reads.Load()) > reads+2 {
			t.Errorf("Postgres was asked %d times more while it was away", int(d.reads.Load())-reads)
		}
		stop()
		<-ended
	})
}

// No more callers wait for it than there is room for, and there is room again once they were read.
func TestRefreshIsBounded(t *testing.T) {
	d := &still{name: "Alex"}
	inFakeTime(t, d, func(t *testing.T, c *cache.Callers, _ *bool, find func(time.Duration, int) (string, error)) {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			c.KeepFresh(ctx)
		}()
		for i := range 12_000 {
			c.Refresh("org", number(i))
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if reads := d.reads.Load(); reads != 10_000 {
			t.Errorf("%d callers were read again", reads)
		}
		c.Refresh("org", number(20_000))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if reads := d.reads.Load(); reads != 10_001 {
			t.Errorf("%d callers were read again", reads)
		}
		stop()
		<-ended
	})
}

// What is in Redis for longer than it is believed is replaced by what is read, and serves while nothing can be read.
func TestAnOldEntryInRedis(t *testing.T) {
	t.Parallel()
	server, in := startRedis(t)
	n := newTenant(t)
	n.add(number(1), "Alex Chen")
	a, b := startSidecar(t, n, server.URL()), startSidecar(t, n, server.URL())
	n.fillRedis(in, a, number(1))
	key := callerKey(n, number(1))
	read := regexp.MustCompile(`"at":(\d+)`)
	at := func() int64 {
		ms, err := strconv.ParseInt(read.FindStringSubmatch(in.entry(n, number(1)))[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return ms
	}
	before := at() - (11 * time.Minute).Milliseconds()
	aged := read.ReplaceAllString(in.Get(t.Context(), key).Val(), `"at":`+strconv.FormatInt(before, 10))
	if err := in.Set(t.Context(), key, aged, time.Hour).Err(); err != nil {
		t.Fatal(err)
	}
	if got := b.find(t, n, number(1)); nameOf(got.Record) != "Alex Chen" || outcomes(got) != "process miss, redis too old, postgres hit" || got.Stale {
		t.Errorf("found %q by %q, stale: %v", nameOf(got.Record), outcomes(got), got.Stale)
	}
	await(t, "the entry is replaced", func() bool { return at() > before })
	if life := in.PTTL(t.Context(), key).Val(); life < 23*time.Hour {
		t.Errorf("it lives %s", life)
	}
}
