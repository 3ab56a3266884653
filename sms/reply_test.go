package sms_test

import (
	"context"
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"ringside/cache"
	"ringside/sms"
)

// reply answers a message as soon as its webhook waits.
func (e *edge) reply(sid, text string) {
	e.t.Helper()
	for end := time.Now().Add(eventually); !e.Reply(e.org.ID, sid, text); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			e.t.Errorf("nobody waits for an answer to %s", sid)
			return
		}
	}
}

// messages reads what an answer sends.
func messages(t *testing.T, twiml string) (texts []string, status string) {
	t.Helper()
	var response struct {
		Messages []struct {
			Text   string `xml:",chardata"`
			Status string `xml:"statusCallback,attr"`
		} `xml:"Message"`
	}
	if err := xml.Unmarshal([]byte(twiml), &response); err != nil {
		t.Fatalf("%s: %v", twiml, err)
	}
	for _, m := range response.Messages {
		texts, status = append(texts, m.Text), m.Status
	}
	return texts, status
}

func TestARuntimeAnswersInTheWebhook(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.runtime.connect()
	const said = "Of course & <gladly> 🙂"
	go e.reply("SM1", said)
	w := e.post("/twilio/sms", form("SM1", jane, "Can you call me?"))
	texts, status := messages(t, w.Body.String())
	if w.Code != http.StatusOK || len(texts) != 1 || texts[0] != said {
		t.Fatalf("answered %d %s", w.Code, w.Body)
	}
	// The reply's own row has its text.
	path, found := strings.CutPrefix(status, publicURL)
	if !found {
		t.Fatalf("the state is told to %q", status)
	}
	for end := time.Now().Add(eventually); must[string](t)(e.ledger.Reply(t.Context(), e.org.ID, "SM1")) == ""; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the answer is not kept")
		}
	}
	e.tell(path, url.Values{"MessageSid": {"SM2"}, "AccountSid": {accountSID}, "From": {ours}, "To": {jane}, "MessageStatus": {"sent"}})
	if row := e.row("SM2"); row.Text != said || row.Direction != "outbound" || row.ContactName != "Jane Doe" {
		t.Errorf("kept %+v", row)
	}
	if e.Reply(e.org.ID, "SM1", "Again") {
		t.Error("a second answer was taken")
	}
}

func TestTheSameMessageIsAnsweredTheSame(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.runtime.connect()
	answers := make([]string, 8)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = e.post("/twilio/sms", form("SM1", jane, "Hello")).Body.String() })
	}
	e.reply("SM1", "Hello Jane")
	all.Wait()
	for _, a := range append(answers, e.post("/twilio/sms", form("SM1", jane, "Hello")).Body.String()) {
		if texts, _ := messages(t, a); len(texts) != 1 || texts[0] != "Hello Jane" || a != answers[0] {
			t.Errorf("answered %s", a)
		}
	}
}

// watched tells what is claimed in a memory.
type watched struct {
	sms.Memory
	claimed chan string
}

func (w *watched) Once(ctx context.Context, name string) bool {
	first := w.Memory.Once(ctx, name)
	w.claimed <- name
	return first
}

// Twilio asks another sidecar again, to which the runtime is connected: what it answers is not lost.
func TestARuntimeAnswersAtTheOtherSidecar(t *testing.T) {
	t.Parallel()
	memory := &watched{Memory: cache.NewCalls(nil), claimed: make(chan string, 2)}
	shared := func(c *sms.Config) { c.Memory = memory }
	first := newEdge(t, shared)
	second := beside(t, first, shared)
	first.runtime.connect() // of another program of theirs, which says nothing
	second.runtime.connect()
	waiting := make(chan string, 1)
	go func() { waiting <- first.post("/twilio/sms", form("SM1", jane, "Hello")).Body.String() }()
	<-memory.claimed // the first has it
	go second.reply("SM1", "Hello Jane")
	again := second.post("/twilio/sms", form("SM1", jane, "Hello")).Body.String()
	if texts, _ := messages(t, again); len(texts) != 1 || texts[0] != "Hello Jane" {
		t.Errorf("the other sidecar answers %s", again)
	}
	first.reply("SM1", "Hello Jane")
	<-waiting
}

func TestNobodyWaitsForARuntimeThatIsNotThere(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.receive(form("SM1", jane, "Hello")) // returns at once
	e.runtime.connect()
	e.receive(form("SM1", jane, "Hello")) // also now: it has been answered
	if e.Reply(e.org.ID, "SM1", "Hello") {
		t.Error("a late answer was taken")
	}
}

func TestALateAnswerIsNotTaken(t *testing.T) {
	t.Parallel()
	e := newEdge(t, func(c *sms.Config) { c.ReplyBudget = time.Millisecond })
	e.runtime.connect()
	e.receive(form("SM1", jane, "Hello"))
	if e.Reply(e.org.ID, "SM1", "Hello") {
		t.Error("a late answer was taken")
	}
}

func TestRuntimesHearNothingOfKeywordsAndBlockedPeople(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	e.runtime.connect()
	if _, err := e.pool.Exec(t.Context(), `UPDATE contacts SET blocked_at = now() WHERE phone = $1`, jane); err != nil {
		t.Fatal(err)
	}
	for sid, text := range map[string]string{"SM1": "Hello", "SM2": "STOP", "SM3": "help"} {
		from := stranger
		if sid == "SM1" {
			from = jane
		}
		e.receive(form(sid, from, text))
	}
}

func TestEverySampleOfAStateIsKept(t *testing.T) {
	t.Parallel()
	e := newEdge(t)
	for _, name := range []string{"sms_status_delivered", "sms_status_queued", "sms_status_sent"} {
		e.tell("/twilio/sms/status", sample(t, name))
	}
	sid := sample(t, "sms_status_delivered").Get("MessageSid")
	if row := e.row(sid); row.Status != "delivered" || row.Direction != "outbound" || row.Kind != "message" || row.ContactName != "Jane Doe" {
		t.Errorf("kept %+v", row)
	}
	failed := sample(t, "sms_status_undelivered")
	failed.Set("To", stranger)
	failed.Set("MessageSid", "SMfailed")
	e.tell("/twilio/sms/status", failed)
	if row := e.row("SMfailed"); row.Status != "undelivered" {
		t.Errorf("kept %+v", row)
	}
	if e.people()[stranger] != "" {
		t.Error("somebody whom no message reached became a contact")
	}
	if w := e.post("/twilio/sms/status", url.Values{"AccountSid": {accountSID}, "MessageStatus": {"sent"}}); w.Code != http.StatusBadRequest {
		t.Errorf("without a Sid: %d", w.Code)
	}
}
