package voice_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
	"ringside/voice"
)

// call is what the ledger has of how a call went. Times are seconds after a moment of the test's.
type call struct {
	Status, Direction, Party, Contact string
	Duration                          int
	Started                           int
	Ended, LastContacted              *int
}

func (e *edge) call(sid string, since time.Time) (c call) {
	e.tb.Helper()
	err := e.pool.QueryRow(e.tb.Context(), `
		SELECT i.status, i.direction, coalesce(i.party, ''), coalesce(c.phone, ''), coalesce(i.duration_s, -1),
			extract(epoch FROM i.started_at - $2)::int, extract(epoch FROM i.ended_at - $2)::int, extract(epoch FROM c.last_contacted_at - $2)::int
		FROM interactions i LEFT JOIN contacts c ON c.id = i.contact_id WHERE i.sid = $1`, sid, since).
		Scan(&c.Status, &c.Direction, &c.Party, &c.Contact, &c.Duration, &c.Started, &c.Ended, &c.LastContacted)
	if err != nil {
		e.tb.Errorf("read the call %s: %v", sid, err)
	}
	return c
}

// hourAgo is a whole second in the past, and as Twilio writes it.
func hourAgo() (time.Time, string) {
	at := time.Now().Add(-time.Hour).UTC().Truncate(time.Second)
	return at, at.Format(time.RFC1123Z)
}

// Every sample of a status callback: durable before it is acknowledged, and read for what it says.
func TestStatusSamples(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{noContact: true})
	at, stamp := hourAgo()
	now := 0
	for file, want := range map[string]call{
		"status_inbound_completed.form":  {"completed", "inbound", jane, jane, 94, -94, &now, &now},
		"status_outbound_initiated.form": {"initiated", "outbound", jane, "", -1, 0, nil, nil},
		"status_outbound_ringing.form":   {"ringing", "outbound", jane, "", -1, 0, nil, nil},
		"status_outbound_answered.form":  {"in-progress", "outbound", jane, "", -1, 0, nil, nil},
		"status_outbound_completed.form": {"completed", "outbound", jane, jane, 65, -65, &now, &now},
		"status_outbound_busy.form":      {"busy", "outbound", jane, "", 0, 0, &now, nil},
		"status_outbound_failed.form":    {"failed", "outbound", jane, "", 0, 0, &now, nil},
		"status_outbound_no_answer.form": {"no-answer", "outbound", jane, "", 0, 0, &now, nil},
		"status_outbound_canceled.form":  {"canceled", "outbound", jane, "", 0, 0, &now, nil},
	} {
		t.Run(file, func(t *testing.T) {
			e.exec(`DELETE FROM contacts`)
			form := with(sampleForm(t, file), "CallSid", callSID(strings.NewReplacer("status_", "", ".form", "", "_", "").Replace(file)), "Timestamp", stamp)
			for range 2 { // Twilio repeats
				if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent || a.body != "" {
					t.Fatalf("answered %d %q", a.status, a.body)
				}
			}
			if diff := cmp.Diff(want, e.call(form.Get("CallSid"), at)); diff != "" {
				t.Errorf("call (-want +got):\n%s", diff)
			}
			if n := value[int](e, `SELECT count(*) FROM contacts`); (n == 1) != (want.Contact != "") {
				t.Errorf("%d contacts", n)
			}
		})
	}
}

// The samples of the <Connect action>, each once and again.
func TestAfterSamples(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]struct {
		twiml  string
		status string
	}{
		"cr_action_completed.form": {"<Response/>", "completed"},
		"cr_action_ended.form":     {"<Hangup/>", "in-progress"},
		"cr_action_failed.form":    {"<ConversationRelay", "in-progress"},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			e := newEdge(t, parts{})
			form := sampleForm(t, file)
			for range 2 {
				if a := e.post("/twilio/voice/after", form); a.status != 200 || !strings.Contains(a.body, want.twiml) {
					t.Errorf("answered %d %s, want %s", a.status, a.body, want.twiml)
				}
			}
			e.flush()
			sid := form.Get("CallSid")
			if got := e.row(sid).Status; got != want.status {
				t.Errorf("status = %q, want %q", got, want.status)
			}
			if got := value[string](e, `SELECT details::text FROM interactions WHERE sid = $1`, sid); !strings.Contains(got, form.Get("SessionDuration")) {
				t.Errorf("details = %s", got)
			}
		})
	}
}

// Every order of a call's webhooks, with repeats, ends in the same rows (rule 15).
func TestRule15_AnyOrderOfWebhooksEndsTheSame(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{noContact: true})
	at, stamp := hourAgo()
	var first call
	for i := range 8 {
		e.exec(`DELETE FROM contacts`)
		sid := callSID("order" + string(rune('a'+i)))
		base := with(inbound(sid, stranger), "StirVerstat", "TN-Validation-Passed-A")
		webhooks := []func() answer{
			func() answer { return e.post("/twilio/voice", base) },
			func() answer { return e.post("/twilio/voice/fallback", with(base, "ErrorCode", "11200")) },
			func() answer {
				return e.post("/twilio/voice/after", with(base, "SessionStatus", "completed", "CallStatus", "completed", "SessionId", "VX1", "SessionDuration", "90"))
			},
			func() answer {
				return e.post("/twilio/voice/after", with(base, "SessionStatus", "failed", "CallStatus", "in-progress", "SessionId", "VX0", "SessionDuration", "3"))
			},
			func() answer {
				return e.post("/twilio/voice/status", with(base, "CallStatus", "in-progress", "Timestamp", stamp))
			},
			func() answer {
				return e.post("/twilio/voice/status", with(base, "CallStatus", "completed", "Timestamp", stamp, "CallDuration", "94"))
			},
		}
		for _, j := range append(rand.Perm(len(webhooks)), rand.IntN(len(webhooks))) {
			if a := webhooks[j](); a.status/100 != 2 {
				t.Fatalf("webhook %d was answered %d", j, a.status)
			}
		}
		e.flush()
		got := e.call(sid, at)
		got.Ended, got.LastContacted = nil, nil // the action has no time of its own: it counts when it arrives
		if i == 0 {
			first = got
			if first.Status != "completed" || first.Duration != 94 || first.Contact != stranger || first.Started != -94 {
				t.Errorf("call = %+v", first)
			}
		}
		if diff := cmp.Diff(first, got); diff != "" {
			t.Errorf("another order ends otherwise (-first +this):\n%s", diff)
		}
	}
	if n := e.rows(); n != 8 {
		t.Errorf("%d rows of 8 calls", n)
	}
}

// A call fills the address book: a stranger becomes a contact without a name, a contact keeps what
// it has, and nobody else's call makes one (rules 3 and 5).
func TestRule03_CallsFillTheAddressBook(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	complete := func(word, from, stamp string) {
		t.Helper()
		form := with(inbound(callSID(word), from), "CallStatus", "completed", "CallDuration", "5", "Timestamp", stamp)
		if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
			t.Fatalf("%s: answered %d", from, a.status)
		}
	}
	at, stamp := hourAgo()
	complete("jane", jane, stamp)
	complete("older", jane, at.Add(-time.Hour).Format(time.RFC1123Z))
	complete("stranger", stranger, stamp)
	for i, nobody := range []string{"anonymous", "+266696687", "", "client:bob", "sip:+14155550188@example.com", "12345", "ACME", dialled} {
		complete("nobody"+string(rune('a'+i)), nobody, stamp)
	}
	if got := e.person(jane); got != (person{"Jane Doe", "jane@acme.io", "Prefers morning calls"}) {
		t.Errorf("Jane = %+v", got)
	}
	if got := e.person(stranger).Name; got != stranger {
		t.Errorf("the stranger is called %q", got)
	}
	if got := value[time.Time](e, `SELECT last_contacted_at FROM contacts WHERE phone = $1`, jane); !got.Equal(at) {
		t.Errorf("last contacted %s, want %s: it only moves forward", got, at)
	}
	if n := value[int](e, `SELECT count(*) FROM contacts`); n != 2 {
		t.Errorf("%d contacts", n)
	}
	if n := e.rows(); n != 11 {
		t.Errorf("%d rows of 11 calls", n)
	}
	// And is greeted as nobody: the number is no name.
	if got := e.ring(callSID("again"), stranger).Greeting; got != greetedAny {
		t.Errorf("greeted with %q", got)
	}
}

// Times that cannot be are not believed.
func TestTimestampsAreNotBelievedBlindly(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{noContact: true})
	for i, stamp := range []string{"", "yesterday", "2026-11-22T15:04:05Z", time.Now().Add(time.Hour).UTC().Format(time.RFC1123Z), "Fri, 31 Dec 9999 23:59:59 +0000"} {
		for j, duration := range []string{"", "-5", "x", "99999999999"} {
			before := time.Now()
			sid := callSID(fmt.Sprintf("time%dx%d", i, j))
			form := with(inbound(sid, stranger), "CallStatus", "completed", "Timestamp", stamp, "CallDuration", duration)
			if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
				t.Fatalf("%q: answered %d", stamp, a.status)
			}
			zero := 0
			got := e.call(sid, before)
			if got.Ended == nil || *got.Ended > 30 || got.Started > 30 || got.Started < -1 {
				t.Errorf("%q %q: call = %+v", stamp, duration, got)
			}
			got.Ended, got.LastContacted, got.Started = &zero, &zero, 0
			if diff := cmp.Diff(call{"completed", "inbound", stranger, stranger, 0, 0, &zero, &zero}, got); diff != "" {
				t.Errorf("%q %q (-want +got):\n%s", stamp, duration, diff)
			}
		}
	}
}

// A status callback that cannot be made durable is not acknowledged, and says so in good time; the
// caller on the line notices nothing. When Postgres is back, all of it is there (rules 14 and 16).
func TestRule14_StatusIsDurableBeforeItIsAcknowledged(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool := must(postgres.Open(t.Context(), server.URL()))(t)
	t.Cleanup(pool.Close)
	const budget = 500 * time.Millisecond
	e := newEdge(t, parts{pool: pool, behaviour: summarise, config: func(c *voice.Config) { c.WriteBudget = budget }})
	known := e.ring(callSID("before"), jane) // and so Jane is in the cache
	server.Stop()

	began := time.Now()
	form := with(inbound(callSID("before"), jane), "CallStatus", "completed", "CallDuration", "5")
	a := e.post("/twilio/voice/status", form)
	if took := time.Since(began); a.status != http.StatusServiceUnavailable || took > budget+5*time.Second {
		t.Errorf("without Postgres: answered %d after %s", a.status, took)
	}
	if a.body != "" || strings.Contains(a.body, "SQLSTATE") {
		t.Errorf("the answer tells of the failure: %q", a.body)
	}
	// Calls are answered, connected and ended meanwhile.
	if got := e.ring(callSID("during"), jane); got.Greeting != known.Greeting {
		t.Errorf("without Postgres Jane is greeted with %q", got.Greeting)
	}
	out, err := e.twilio.Place(t.Context(), simulate.Call{SID: callSID("whole"), From: stranger, To: dialled, Script: []simulate.Step{simulate.Say("x").WithoutWaiting()}})
	check(t, err)
	if len(out.Sessions) != 1 || out.Sessions[0].Status != "completed" || out.Greeting != greetedAny {
		t.Errorf("without Postgres a call went %+v", out)
	}

	server.Start()
	if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
		for deadline := time.Now().Add(patience); a.status != http.StatusNoContent && time.Now().Before(deadline); {
			a = e.post("/twilio/voice/status", form) // as Twilio repeats
		}
		if a.status != http.StatusNoContent {
			t.Fatalf("with Postgres back: answered %d", a.status)
		}
	}
	e.settle()
	for _, sid := range []string{callSID("before"), callSID("during"), callSID("whole")} {
		if got := e.row(sid); got.Status == "" {
			t.Errorf("%s is lost", sid)
		}
	}
	if got := e.row(callSID("before")); got.Status != "completed" || got.Contact != "Jane Doe" {
		t.Errorf("row = %+v", got)
	}
	if n := e.rows(); n != 3 {
		t.Errorf("%d rows of 3 calls", n)
	}
}

// While no event can be written, every webhook that a caller waits for is answered all the same; only
// the status callback, for which nobody waits, holds out for its event.
func TestRule16_TheCallerNeverWaitsForAWrite(t *testing.T) {
	t.Parallel()
	letGo := make(chan struct{})
	e := newEdge(t, parts{config: func(c *voice.Config) { c.Recorder = patient{c.Recorder, letGo} }})
	status := make(chan int)
	go func() {
		form := with(inbound(callSID("ended"), jane), "CallStatus", "completed")
		w := httptest.NewRecorder()
		e.mux.ServeHTTP(w, signed("/twilio/voice/status", form.Encode(), form))
		status <- w.Code
	}()
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		e.post("/twilio/voice", inbound(callSID("rings"), jane))
		e.post("/twilio/voice/fallback", inbound(callSID("rings"), jane))
		e.after("/twilio/voice/after", callSID("rings"), jane, "SessionStatus", "failed")
		e.after("/twilio/voice/after", callSID("rings"), jane, "SessionStatus", "completed", "CallStatus", "completed")
	}()
	select {
	case <-answered:
	case <-within(t).Done():
		t.Error("a caller waits for a write")
	}
	select {
	case code := <-status:
		t.Errorf("the status callback was answered %d before its event was written", code)
	default:
	}
	close(letGo)
	if code := <-status; code != http.StatusNoContent {
		t.Errorf("then the status callback was answered %d", code)
	}
}

// A panic in a status callback is not acknowledged either.
func TestStatusPanicIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{config: func(c *voice.Config) { c.Recorder = shaky{} }})
	if a := e.post("/twilio/voice/status", with(inbound(callSID("panic"), jane), "CallStatus", "completed")); a.status != http.StatusServiceUnavailable {
		t.Errorf("answered %d", a.status)
	}
	if a := e.after("/twilio/voice/after", callSID("panic"), jane, "SessionStatus", "failed"); a.status != 200 || !strings.Contains(a.body, "<Say") {
		t.Errorf("the action answered %d %s", a.status, a.body)
	}
}
