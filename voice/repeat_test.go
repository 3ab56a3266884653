package voice_test

import (
	"net/http"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"ringside/cache/redistest"
	"ringside/internal/phone"
	"ringside/internal/simulate"
	"ringside/recognize"
)

// A webhook that comes several times at once, and its fallback later, get the same bytes, whatever
// has changed meanwhile; the ledger has the call once.
func TestRepeatsGetTheSameBytes(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	form := sampleForm(t, "voice_inbound_known.form")
	answers := make([]string, 6)
	var together sync.WaitGroup
	for i := range 5 {
		together.Go(func() { answers[i] = e.post("/twilio/voice", form).body })
	}
	together.Wait()
	e.exec(`UPDATE contacts SET name = 'Somebody Else', email = 'else@example.com'`)
	e.exec(`UPDATE voice_agents SET greeting = 'Good day.', language = 'de-DE'`)
	check(t, e.lines.Load(t.Context()))
	fallback := sampleForm(t, "voice_fallback.form")
	fallback.Set("CallSid", form.Get("CallSid"))
	answers[5] = e.post("/twilio/voice/fallback", fallback).body
	for i, a := range answers {
		if a != answers[0] {
			t.Errorf("answer %d differs:\n%s\n%s", i, a, answers[0])
		}
	}
	if got := readConnect(t, answers[0]).Greeting; got != greetedJane {
		t.Errorf("greeted with %q", got)
	}
	if n := e.metric(`ringside_recognitions_total{rule="contact_name"}`); n != 1 {
		t.Errorf("one call counts as %d recognitions", n)
	}
	e.settle()
	if n := e.rows(); n != 1 {
		t.Errorf("%d rows", n)
	}
	if n := value[int](e, `SELECT count(*) FROM interaction_events WHERE sid = $1`, form.Get("CallSid")); n != 1 {
		t.Errorf("%d events of one webhook", n)
	}
}

// The token of a repeated request saves the look-up, and decides nothing: a call with another's token is another call, and
// the same call without it is the same.
func TestTheTokenOfARepeatIsAHint(t *testing.T) {
	t.Parallel()
	directory := &gated{asked: make(chan phone.Number, 10), open: make(chan struct{})}
	close(directory.open)
	e := newEdge(t, parts{directory: func(d recognize.Directory) recognize.Directory { directory.Directory = d; return directory }})
	rings := func(sid, from, token string) string {
		return readConnect(t, e.post("/twilio/voice", inbound(sid, from), func(r *http.Request) { r.Header.Set(simulate.IdempotencyHeader, token) }).body).Greeting
	}
	if heard := rings(callSID("1"), jane, "token"); heard != greetedJane {
		t.Errorf("heard %q", heard)
	}
	// What is held of her is not believed any more: she would be looked up again.
	check(t, e.book.Archive(t.Context(), e.org.ID, value[string](e, `SELECT id::text FROM contacts WHERE phone = $1`, jane)))
	if heard := rings(callSID("1"), jane, "token"); heard != greetedJane || len(directory.asked) != 1 {
		t.Errorf("a repeat heard %q after %d look-ups", heard, len(directory.asked))
	}
	if heard := rings(callSID("1"), jane, "another"); heard != greetedJane {
		t.Errorf("a repeat by another token heard %q", heard)
	}
	if heard := rings(callSID("2"), stranger, "token"); heard == greetedJane || heard == "" {
		t.Errorf("another call with the same token heard %q", heard)
	}
	if n := e.metric(`ringside_webhook_repeats_total{path="/twilio/voice"}`); n != 2 {
		t.Errorf("%d repeats are counted", n)
	}
	e.settle()
	if n := e.rows(); n != 2 {
		t.Errorf("%d rows of two calls", n)
	}
}

// Two sidecars on one Redis answer alike, and what one has used up the other refuses.
func TestTwoSidecarsAnswerAlike(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	first := newEdge(t, parts{redis: redis.URL()})
	second := newEdge(t, parts{redis: redis.URL(), beside: first})
	form := inbound(callSID("shared"), jane)
	one := first.post("/twilio/voice", form)
	first.exec(`UPDATE contacts SET name = 'Somebody Else'`)
	two := second.post("/twilio/voice/fallback", form)
	if one.status != 200 || one.body != two.body {
		t.Errorf("the answers differ:\n%s\n%s", one.body, two.body)
	}
	if got := readConnect(t, two.body).Greeting; got != greetedJane {
		t.Errorf("greeted with %q", got)
	}

	// The socket may come to either, once.
	token := readConnect(t, one.body).Token
	s := second.open(callSID("shared"), jane, token)
	setup, _ := second.session(1).Setup()
	if setup.Caller.Name != "Jane Doe" {
		t.Errorf("the agent was told %+v", setup.Caller)
	}
	again := first.open(callSID("shared"), jane, token)
	if code, reason := again.ending(); code != 1008 || reason != "token used" {
		t.Errorf("the other sidecar took a used token: %d %q", code, reason)
	}
	s.shut(1000, "")
	first.settle()
	second.settle()
	if n := first.rows(); n != 1 {
		t.Errorf("%d rows", n)
	}
}

// Five deliveries at once over two sidecars are one answer.
func TestDeliveriesOverTwoSidecars(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	edges := [2]*edge{}
	edges[0] = newEdge(t, parts{redis: redis.URL()})
	edges[1] = newEdge(t, parts{redis: redis.URL(), beside: edges[0]})
	form := inbound(callSID("race"), jane)
	answers := make([]string, 6)
	var together sync.WaitGroup
	for i := range answers {
		together.Go(func() { answers[i] = edges[i%2].post("/twilio/voice", form).body })
	}
	together.Wait()
	for i, a := range answers {
		if a != answers[0] || a == "" {
			t.Errorf("answer %d differs:\n%s\n%s", i, a, answers[0])
		}
	}
}

// Rubbish in Redis where the decision should be is no answer (rule 18).
func TestRule18_RubbishInRedisIsNoAnswer(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	e := newEdge(t, parts{redis: redis.URL()})
	client := goredis.NewClient(must(goredis.ParseURL(redis.URL()))(t))
	defer client.Close()
	for i, rubbish := range []string{"rubbish", "{}", "null", `{"call_sid":"` + callSID("rubbish2") + `"}`, `[1]`,
		`{"call_sid":"` + callSID("rubbish5") + `","org_id":"` + string(e.org.ID) + `"}`} {
		sid := callSID("rubbish" + string(rune('0'+i)))
		check(t, client.Set(t.Context(), "ringside:decision:"+string(e.org.ID)+":"+sid, rubbish, 0).Err())
		if got := e.ring(sid, jane).Greeting; got != greetedJane {
			t.Errorf("with %s in Redis Jane was greeted with %q", rubbish, got)
		}
	}
}

// A whole call, every webhook of which is sent three times, is one call.
func TestRepeatedWholeCall(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: simulate.Receptionist})
	e.twilio.Delivery.Repeat = 3
	out := e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.Say("Goodbye.")}})
	for _, path := range []string{"/twilio/voice", "/twilio/voice/after", "/twilio/voice/status"} {
		answers := out.Answers(path)
		if len(answers) != 3 || string(answers[1]) != string(answers[0]) || string(answers[2]) != string(answers[0]) {
			t.Errorf("%s: the answers to three copies: %q", path, answers)
		}
	}
	e.settle()
	if n := e.rows(); n != 1 {
		t.Errorf("%d rows", n)
	}
	if got := e.row(out.CallSID); got.Status != "completed" || got.Contact != "Jane Doe" {
		t.Errorf("row = %+v", got)
	}
	if n := value[int](e, `SELECT count(*) FROM contacts`); n != 1 {
		t.Errorf("%d contacts", n)
	}
}
