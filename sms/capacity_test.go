package sms_test

import (
	"net/http"
	"testing"
	"time"

	"ringside/internal/webhook"
	"ringside/sms"
)

// limited is a service that takes few messages at once.
func limited(t *testing.T, kept int64) *edge {
	return newEdge(t, func(c *sms.Config) {
		config := c.Gate.Config
		config.Capacity.Kept = kept
		c.Gate, c.ReplyBudget = webhook.NewGate(config), time.Minute
	})
}

// holdLedger keeps everything from being written, until release.
func (e *edge) holdLedger() (release func()) {
	e.t.Helper()
	tx, err := e.pool.Begin(e.t.Context())
	if err == nil {
		_, err = tx.Exec(e.t.Context(), `LOCK TABLE interaction_events IN ACCESS EXCLUSIVE MODE`)
	}
	if err != nil {
		e.t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(e.t.Context()); err != nil {
			e.t.Error(err)
		}
	}
}

// Past what it can take, a sidecar refuses messages and states at once, so that Twilio's fallback applies, and takes them again afterwards.
func TestTooManyAtOnceAreRefused(t *testing.T) {
	t.Parallel()
	e := limited(t, 1)
	release := e.holdLedger()
	first := make(chan int)
	go func() { first <- e.post("/twilio/sms", form("SM01", jane, "Hello")).Code }()
	for e.recorder.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	if code := e.post("/twilio/sms/status", form("SM99", jane, "")).Code; code != http.StatusServiceUnavailable {
		t.Errorf("one too many was answered %d", code)
	}
	if code := e.post("/twilio/sms", form("SM02", jane, "Hello")).Code; code != http.StatusServiceUnavailable {
		t.Errorf("one too many was answered %d", code)
	}
	release()
	if code := <-first; code != http.StatusOK {
		t.Errorf("the first was answered %d", code)
	}
	e.receive(form("SM02", jane, "Hello"))
}

// Where many come, nobody waits for a runtime: what it answers is sent as a message of its own.
func TestTheHurriedDoNotWaitForAReply(t *testing.T) {
	t.Parallel()
	e := limited(t, 2)
	e.runtime.connect()
	first := make(chan string)
	go func() { first <- e.post("/twilio/sms", form("SM01", jane, "Hello")).Body.String() }()
	sent := func() bool {
		var there bool
		if err := e.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM interactions WHERE sid = 'SM01')`).Scan(&there); err != nil {
			t.Fatal(err)
		}
		return there
	}
	for !sent() {
		time.Sleep(time.Millisecond)
	}
	began := time.Now()
	e.receive(form("SM02", jane, "Hello again"))
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it waited %s", took)
	}
	var rule string
	if err := e.pool.QueryRow(t.Context(), `SELECT recognition->>'rule' FROM interactions WHERE sid = 'SM02'`).Scan(&rule); err != nil || rule != "overloaded" {
		t.Errorf("the sender was looked up: %s, %v", rule, err)
	}
	for !e.Reply(e.org.ID, "SM01", "Hello Jane") {
		time.Sleep(time.Millisecond)
	}
	if said := <-first; said == empty {
		t.Error("the first got no reply")
	}
}
