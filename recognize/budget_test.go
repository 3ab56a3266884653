package recognize_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"ringside/internal/phone"
	"ringside/recognize"
)

const budget = 150 * time.Millisecond

var errBroken = errors.New("the directory is broken")

// slow answers after a delay, or with ctx's error when that is done first.
func slow(delay time.Duration, record *recognize.Record) finder {
	return func(ctx context.Context, _ phone.Number) (recognize.Finding, error) {
		steps := []recognize.Step{{Tier: recognize.TierPostgres, Outcome: "asked"}}
		select {
		case <-ctx.Done():
			return recognize.Finding{Steps: steps}, ctx.Err()
		case <-time.After(delay):
			return recognize.Finding{Record: record, Steps: steps}, nil
		}
	}
}

func TestTheCallerWaitsNoLongerThanTheBudget(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		directory recognize.Directory
		took      time.Duration
		rule      recognize.Rule
	}{
		{"just in time", slow(budget-1, alex()), budget - 1, recognize.RuleContactName},
		{"just late", slow(budget+1, alex()), budget, recognize.RuleOutOfTime},
		{"never", slow(time.Hour, alex()), budget, recognize.RuleOutOfTime},
		{"fails at once", finder(func(context.Context, phone.Number) (recognize.Finding, error) { return recognize.Finding{}, errBroken }), 0, recognize.RuleLookupFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := recognize.NewRecognizer(tt.directory, budget)
				began := time.Now()
				d := r.Decide(t.Context(), callFrom(alexNumber))
				if took := time.Since(began); took != tt.took || d.Trace.TookMicros != tt.took.Microseconds() || d.Trace.BudgetMS != 150 {
					t.Errorf("it took %s, in the trace %d µs of %d ms; want %s", took, d.Trace.TookMicros, d.Trace.BudgetMS, tt.took)
				}
				found := tt.rule == recognize.RuleContactName
				if d.Trace.Rule != tt.rule || d.Caller.Known != found || d.OutOfTime == found || d.Caller.Provisional == found || d.Trace.OutOfTime != (tt.rule == recognize.RuleOutOfTime) {
					t.Errorf("rule %s, known %v, out of time %v, in the trace %v; want %s", d.Trace.Rule, d.Caller.Known, d.OutOfTime, d.Trace.OutOfTime, tt.rule)
				}
				if !found && (encoded(t, d.Caller) != provisionalJSON || d.Greeting != "Hello, how can I help?" || !d.Trusted || d.Number != alexNumber) {
					t.Errorf("served as %s, %q, trusted %v, number %q", encoded(t, d.Caller), d.Greeting, d.Trusted, string(d.Number))
				}
				if tt.took > 0 && len(d.Trace.Steps) != 1 {
					t.Errorf("the trace has the steps %v, want what was tried", d.Trace.Steps)
				}
			})
		})
	}
}

func TestACallerWhoHangsUpIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, hangUp := context.WithCancel(t.Context())
		time.AfterFunc(10*time.Millisecond, hangUp)
		began := time.Now()
		d := recognize.NewRecognizer(slow(time.Hour, alex()), budget).Decide(ctx, callFrom(alexNumber))
		if took := time.Since(began); took != 10*time.Millisecond || d.Trace.OutOfTime || d.Trace.Rule != recognize.RuleLookupFailed {
			t.Errorf("it took %s, rule %s", took, d.Trace.Rule)
		}
	})
}

func TestLateDeliversWhatWasFoundTooLate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := recognize.NewRecognizer(slow(2*time.Second, alex()), budget)
		call := callFrom(alexNumber)
		if d := r.Decide(t.Context(), call); !d.OutOfTime {
			t.Fatalf("not out of time: %+v", d.Trace)
		}
		began := time.Now()
		d, ok := r.Late(t.Context(), call, false)
		if took := time.Since(began); !ok || took != 2*time.Second {
			t.Fatalf("Late after %s: %v", took, ok)
		}
		want := decide(t, book{alexNumber: alex()}, call).Caller
		want.GreetedByName = false // the greeting had gone out
		if encoded(t, d.Caller) != encoded(t, want) || d.ContactID != "c1" || d.Greeting != "" {
			t.Errorf("told late: %s, greeting %q; want %s", encoded(t, d.Caller), d.Greeting, encoded(t, want))
		}
		if d.Trace.Rule != recognize.RuleOutOfTime || d.Trace.GreetedByName || len(d.Trace.Steps) != 1 {
			t.Errorf("the trace says %s, greeted by name %v, steps %v", d.Trace.Rule, d.Trace.GreetedByName, d.Trace.Steps)
		}
	})
}

func TestLateTriesAgainAndThenGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		failures := 4
		flaky := finder(func(context.Context, phone.Number) (recognize.Finding, error) {
			if failures--; failures >= 0 {
				return recognize.Finding{}, errBroken
			}
			return recognize.Finding{Record: alex()}, nil
		})
		began := time.Now()
		d, ok := recognize.NewRecognizer(flaky, budget).Late(t.Context(), callFrom(alexNumber), false)
		if took := time.Since(began); !ok || d.Caller.Name != "Alex Chen" || took != 1500*time.Millisecond {
			t.Errorf("after four failures: %v after %s, want Alex Chen after 100+200+400+800 ms", ok, took)
		}

		tries := 0
		broken := finder(func(context.Context, phone.Number) (recognize.Finding, error) {
			tries++
			return recognize.Finding{}, errBroken
		})
		began = time.Now()
		if _, ok = recognize.NewRecognizer(broken, budget).Late(t.Context(), callFrom(alexNumber), false); ok || time.Since(began) != 30*time.Second {
			t.Errorf("a directory that stays broken: %v after %s, want to give up after 30 s", ok, time.Since(began))
		}
		if tries > 25 {
			t.Errorf("it asked %d times in 30 s", tries)
		}

		ctx, end := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, end)
		began = time.Now()
		if _, ok = recognize.NewRecognizer(broken, budget).Late(ctx, callFrom(alexNumber), false); ok || time.Since(began) != time.Second {
			t.Errorf("a call that ended: %v after %s, want to stop with it", ok, time.Since(began))
		}
	})
}

func TestLateHasNothingToTellOfAStranger(t *testing.T) {
	t.Parallel()
	if _, ok := recognize.NewRecognizer(book{alexNumber: alex()}, budget).Late(t.Context(), callFrom(stranger), false); ok {
		t.Error("a stranger is told late")
	}
}
