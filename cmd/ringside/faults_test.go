package main

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringside/cache/redistest"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
	"ringside/internal/wirefault"
)

// What fails, and what the caller notices: the table of the design, against the program.

// askAgent is a conversation that needs the agent to answer.
var askAgent = []simulate.Step{simulate.Say("What do you know about me?"), simulate.Say("Goodbye.")}

// defaultBudget is how long callers wait to be recognised where nothing else is set.
const defaultBudget = "RINGSIDE_RECOGNITION_BUDGET=150ms"

// answered fails the test if the agent left something that the caller said without an answer.
func answered(t *testing.T, outcome *simulate.Outcome) {
	t.Helper()
	if len(outcome.Turns) == 0 || slices.ContainsFunc(outcome.Turns, func(turn simulate.Turn) bool { return !turn.Answered }) {
		t.Errorf("the agent did not answer: %+v", outcome.Turns)
	}
}

func TestRule18_CallsAreAnsweredTheSameWithoutRedis(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(*wirefault.Proxy)
	}{
		{"absent", nil},
		{"refused", func(p *wirefault.Proxy) { p.Refuse(true) }},
		{"black-holed", func(p *wirefault.Proxy) { p.BlackHole(true) }},
		{"slow", func(p *wirefault.Proxy) { p.SetDelay(2 * time.Second) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			shop := openShop(t, url)
			settings := []string{"DATABASE_URL=" + url}
			var proxy *wirefault.Proxy
			if tt.spoil != nil {
				proxy = wirefault.New(t, "tcp", redistest.Start(t).Addr())
				settings = append(settings, "REDIS_URL=redis://"+proxy.Addr()+"/0")
			}
			side := serve(t, settings...)
			if outcome := shop.call(side.Listen, jamie, askAgent...); outcome.Greeting != "Hello Jamie Lee, this is Acme. How can I help you?" {
				t.Errorf("before: heard %q", outcome.Greeting)
			}
			if proxy != nil {
				tt.spoil(proxy)
			}
			for n := range 3 { // the first finds it out, the others know
				outcome := shop.call(side.Listen, alex, askAgent...)
				_, setup := shop.session(n + 2)
				if outcome.Greeting != greetsAlex || setup.Caller.Email != "alex@acme.io" || len(setup.Caller.History) != n {
					t.Errorf("call %d: heard %q; the agent was told %+v", n, outcome.Greeting, setup.Caller)
				}
				promptly(t, outcome, 0)
				answered(t, outcome)
				shop.ended(outcome.CallSID)
			}
			side.stop()
		})
	}
}

func TestCallsWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	database := pgtest.Stoppable(t)
	shop := openShop(t, database.URL())
	side := serve(t, "DATABASE_URL="+database.URL(), defaultBudget, "RINGSIDE_WRITE_BUDGET=300ms")
	side.awaitCurrent()
	// A call that has not ended: the end of one changes the caller's history, and with it what is cached.
	if twiml := shop.rings(side.Listen, simulate.NewSID("CA"), alex); !strings.Contains(string(twiml), greetsAlex) {
		t.Errorf("before: %s", twiml)
	}

	database.Stop()
	known := shop.call(side.Listen, alex, askAgent...)
	if known.Greeting != greetsAlex {
		t.Errorf("a known caller heard %q", known.Greeting)
	}
	unknown := shop.call(side.Listen, jamie, askAgent...)
	if unknown.Greeting != greetsUnknown {
		t.Errorf("a caller who was not cached heard %q", unknown.Greeting)
	}
	for _, outcome := range []*simulate.Outcome{known, unknown} {
		promptly(t, outcome, 150*time.Millisecond)
		answered(t, outcome)
		if got := outcome.Statuses("/twilio/voice/status"); !slices.Equal(got, []int{http.StatusNoContent}) {
			t.Errorf("a status callback that the disk keeps was answered %v, want 204", got)
		}
	}
	if status, report := side.ready(); status != http.StatusOK || report.Status != "degraded" || report.Postgres != "away" || report.Spooled < 2 || report.Spool != "ok" {
		t.Errorf("/readyz: %d %+v", status, report)
	}

	database.Start()
	shop.db.Reset()
	for _, outcome := range []*simulate.Outcome{known, unknown} {
		shop.ended(outcome.CallSID)
	}
	until(t, "nothing waits any more", func() bool {
		status, report := side.ready()
		return status == http.StatusOK && report.Status == "ready" && report.Waiting == 0 && report.Spooled == 0
	})
	if outcome := shop.call(side.Listen, jamie, askAgent...); outcome.Greeting != "Hello Jamie Lee, this is Acme. How can I help you?" {
		t.Errorf("afterwards Jamie heard %q", outcome.Greeting)
	}
	side.stop()
}

func TestCallWhilePostgresIsSlow(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	proxy, slowURL := faulty(t, url)
	side := serve(t, "DATABASE_URL="+slowURL, defaultBudget)
	proxy.SetDelay(time.Second) // a new connection needs several answers, and a look-up may take five seconds

	twilio, told := shop.twilio(side.Listen), make(chan struct{})
	twilio.Sleep = func(ctx context.Context, _ time.Duration) error { return wait(ctx, told) }
	placed := make(chan *simulate.Outcome, 1)
	go func() {
		outcome, err := twilio.Place(t.Context(), simulate.Call{From: alex, To: shopNumber,
			Script: []simulate.Step{simulate.Wait(1), simulate.Say("What do you know about me?")}})
		if err != nil {
			t.Errorf("the call: %v", err)
		}
		placed <- outcome
	}()
	session, setup := shop.session(1)
	if setup.Caller.Known {
		t.Errorf("Postgres was not slow: the agent was told %+v at once", setup.Caller)
	}
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	late, err := session.Await(ctx, func(m simulate.Message) bool { return m.Type == "ringside.context" })
	must(t, err)
	var message struct{ Caller simulate.Caller }
	must(t, late.Decode(&message))
	if c := message.Caller; !c.Known || c.Name != "Alex Chen" || c.Email != "alex@acme.io" || c.GreetedByName {
		t.Errorf("the late context says %+v", c)
	}
	proxy.SetDelay(0)
	close(told)
	outcome := <-placed
	if outcome.Greeting != greetsUnknown {
		t.Errorf("heard %q", outcome.Greeting)
	}
	promptly(t, outcome, 150*time.Millisecond)
	answered(t, outcome)
	shop.ended(outcome.CallSID)
	side.stop()
}

func TestCallWithoutRedisAndPostgres(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	postgres, postgresURL := faulty(t, url)
	redis := wirefault.New(t, "tcp", redistest.Start(t).Addr())
	side := serve(t, "DATABASE_URL="+postgresURL, "REDIS_URL=redis://"+redis.Addr(), defaultBudget, "RINGSIDE_WRITE_BUDGET=300ms")
	postgres.Refuse(true)
	redis.Refuse(true)
	outcome := shop.call(side.Listen, alex, askAgent...)
	if outcome.Greeting != greetsUnknown {
		t.Errorf("heard %q", outcome.Greeting)
	}
	promptly(t, outcome, 150*time.Millisecond)
	answered(t, outcome)
	if status, report := side.ready(); status != http.StatusOK || report.Postgres != "away" || report.Redis != "away" {
		t.Errorf("/readyz: %d %+v", status, report)
	}
	postgres.Refuse(false)
	redis.Refuse(false)
	shop.ended(outcome.CallSID)
	until(t, "everything is back", func() bool {
		_, report := side.ready()
		return report.Status == "ready"
	})
	side.stop()
}

// An agent that cannot be reached is heard as an apology, and the call is kept with the reason.
func TestCallWhileAgentIsGone(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	side := serve(t, "DATABASE_URL="+url)
	shop.runtime.Refuse(http.StatusServiceUnavailable)
	outcome := shop.call(side.Listen, alex, askAgent...)
	if len(outcome.Spoken) != 1 || outcome.Greeting != greetsAlex || outcome.Status != "completed" {
		t.Errorf("heard %q; the call ended as %s", outcome.Heard, outcome.Status)
	}
	shop.ended(outcome.CallSID)
	var reason string
	must(t, shop.db.QueryRow(t.Context(), `SELECT reason FROM interactions WHERE sid = $1`, outcome.CallSID).Scan(&reason))
	if reason != "runtime_unreachable" {
		t.Errorf("the reason is %q", reason)
	}
	side.stop()
}

// A webhook delivered five times at once has one answer, five times, and one row.
func TestWebhooksDeliveredFiveTimes(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	side := serve(t, "DATABASE_URL="+url)
	twilio := shop.twilio(side.Listen)
	twilio.Delivery.Repeat = 5
	outcome := place(t, twilio, simulate.Call{From: alex, To: shopNumber, Script: askAgent})
	answers := outcome.Answers("/twilio/voice")
	if len(answers) != 5 || len(slices.CompactFunc(answers, func(a, b []byte) bool { return string(a) == string(b) })) != 1 {
		t.Errorf("%d answers: %q", len(answers), answers)
	}
	shop.ended(outcome.CallSID)
	var rows, contacts int
	must(t, shop.db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM interactions), (SELECT count(*) FROM contacts)`).Scan(&rows, &contacts))
	if rows != 1 || contacts != 2 {
		t.Errorf("%d interactions and %d contacts, want 1 and 2", rows, contacts)
	}
	side.stop()
}
