package main

import (
	"context"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// lasting is a call whose caller says nothing more until goOn is called.
type lasting struct {
	wake chan struct{}
	over chan result
}

type result struct {
	*simulate.Outcome
	err error
}

// lasts places a call that lasts, and returns when the agent has answered the caller once.
func (s *shop) lasts(twilio *simulate.Twilio) *lasting {
	s.t.Helper()
	l := &lasting{wake: make(chan struct{}), over: make(chan result, 1)}
	silent := make(chan struct{})
	twilio.Sleep = func(ctx context.Context, _ time.Duration) error {
		close(silent)
		return wait(ctx, l.wake)
	}
	go func() {
		outcome, err := twilio.Place(s.t.Context(), simulate.Call{From: alex, To: shopNumber,
			Script: []simulate.Step{simulate.Say("Hello!"), simulate.Wait(1), simulate.Say("What do you know about me?")}})
		l.over <- result{outcome, err}
	}()
	select {
	case <-silent:
	case r := <-l.over:
		s.t.Fatalf("the call did not last: %v", r.err)
	case <-time.After(eventually):
		s.t.Fatal("the conversation did not begin")
	}
	return l
}

// goOn lets the caller go on, in the same session or, if that has ended, in the next one, and
// returns what became of the call. The error is that of a call that nothing could save.
func (l *lasting) goOn() (*simulate.Outcome, error) {
	close(l.wake)
	r := <-l.over
	return r.Outcome, r.err
}

// goesOn is goOn for a call that must go well.
func (l *lasting) goesOn(t *testing.T) *simulate.Outcome {
	t.Helper()
	outcome, err := l.goOn()
	if err != nil {
		t.Fatalf("the call: %v", err)
	}
	return outcome
}

// takenOn checks a call that lost its session and went on in another one.
func (s *shop) takenOn(outcome *simulate.Outcome) {
	s.t.Helper()
	if len(outcome.Sessions) != 2 || outcome.Sessions[0].Status != simulate.SessionFailed || outcome.Sessions[1].Status != simulate.SessionCompleted {
		s.t.Fatalf("the sessions ended like this: %+v", outcome.Sessions)
	}
	_, setup := s.session(2)
	if !setup.Caller.Known || setup.Caller.Email != "alex@acme.io" || setup.CallSID != outcome.CallSID {
		s.t.Errorf("in the second session the agent was told %+v", setup.Caller)
	}
	if heard := strings.Count(strings.Join(outcome.Heard, "\n"), greetsAlex); heard != 1 {
		s.t.Errorf("greeted %d times: %q", heard, outcome.Heard)
	}
	if last := outcome.Turns[len(outcome.Turns)-1]; !strings.Contains(last.Reply, "alex@acme.io") {
		s.t.Errorf("in the second session the agent said %q", last.Reply)
	}
	s.ended(outcome.CallSID)
}

func TestKilledSidecarIsBackAndTheCallGoesOn(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	settings := []string{"DATABASE_URL=" + url, "RINGSIDE_DATA_DIR=" + t.TempDir()}
	side := serve(t, settings...)
	call := shop.lasts(shop.twilio(side.Listen))
	side.kill()
	again := serve(t, append(settings, "RINGSIDE_LISTEN="+side.address())...)
	shop.takenOn(call.goesOn(t))
	again.stop()
}

// TERM lets the call on the line end by itself, and whoever rings meanwhile is answered.
func TestTermDrains(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	side := serve(t, "DATABASE_URL="+url)
	call := shop.lasts(shop.twilio(side.Listen))
	side.signal(syscall.SIGTERM)
	until(t, "/readyz says that the sidecar is draining", func() bool {
		status, report := side.ready()
		return status == http.StatusServiceUnavailable && report.Status == "draining" && report.Calls == 1
	})
	if status, _ := get(t, side.Ops+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz while draining: %d", status)
	}
	if meanwhile := shop.call(side.Listen, jamie, askAgent...); meanwhile.Greeting != "Hello Jamie Lee, this is Acme. How can I help you?" {
		t.Errorf("a caller who rang meanwhile heard %q", meanwhile.Greeting)
	}
	outcome := call.goesOn(t)
	answered(t, outcome)
	if len(outcome.Sessions) != 1 || outcome.Sessions[0].Status != simulate.SessionCompleted {
		t.Errorf("the call's sessions: %+v", outcome.Sessions)
	}
	if status := side.status(); status != 0 {
		t.Errorf("serve ended with status %d", status)
	}
	// Who has ended has written everything: nothing is waited for here.
	var lines int
	must(t, shop.db.QueryRow(t.Context(), `SELECT jsonb_array_length(lines) FROM transcripts WHERE sid = $1`, outcome.CallSID).Scan(&lines))
	if lines < 4 {
		t.Errorf("the transcript has %d lines", lines)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(second.String(), func(t *testing.T) {
			t.Parallel()
			url := pgtest.URL(t)
			shop := openShop(t, url)
			side := serve(t, "DATABASE_URL="+url, "RINGSIDE_DRAIN_TIMEOUT=1h")
			call := shop.lasts(shop.twilio(side.Listen))
			side.signal(syscall.SIGTERM)
			side.stderr.await(t, "waiting for calls to end", side.ended)
			side.signal(second)
			if status := side.status(); status != exitFailed {
				t.Errorf("serve ended with status %d, want %d", status, exitFailed)
			}
			if !strings.Contains(side.stderr.String(), `level=WARN msg="ending at once" signal=`+second.String()+` open_calls=1`) {
				t.Error("the log does not say that a call was cut off")
			}
			if outcome, err := call.goOn(); err == nil || len(outcome.Sessions) == 0 || outcome.Sessions[0].Status != simulate.SessionFailed {
				t.Errorf("the call's sessions: %+v", outcome.Sessions)
			}
		})
	}
}

// A call that does not end is closed with "service restart" on both sides, and the program ends in order.
func TestDrainTimeout(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	side := serve(t, "DATABASE_URL="+url, "RINGSIDE_DRAIN_TIMEOUT=200ms")
	call := shop.lasts(shop.twilio(side.Listen))
	side.stop()
	outcome, _ := call.goOn() // nobody is left to take it on
	if len(outcome.Sessions) == 0 || outcome.Sessions[0].CloseCode != websocket.CloseServiceRestart {
		t.Errorf("the call's sessions: %+v", outcome.Sessions)
	}
	session, _ := shop.session(1)
	if code, _, closed := session.Closed(); !closed || code != websocket.CloseServiceRestart {
		t.Errorf("the agent's session was closed with %d", code)
	}
}
