package voice_test

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/simulate"
	"ringside/voice"
)

// result is the answer to a tool.
type result struct {
	Type          string          `json:"type"`
	ID            json.RawMessage `json:"id"`
	OK            bool            `json:"ok"`
	Saved         []string        `json:"saved"`
	Kept          []string        `json:"kept"`
	ContactID     string          `json:"contact_id"`
	NeedsReadback bool            `json:"needs_readback"`
	Code          string          `json:"code"`
	Message       string          `json:"message"`
}

// ask sends a tool message from the runtime and returns its result.
func (w *wired) ask(message string) (r result) {
	w.tb.Helper()
	w.runtime.send(message)
	check(w.tb, json.Unmarshal([]byte(w.runtime.next()), &r))
	if r.Type != "ringside.result" || r.Message == "" {
		w.tb.Errorf("%s was answered %+v", message, r)
	}
	return r
}

// hangUp ends the call as Twilio does, with its webhooks.
func (w *wired) hangUp(sid, from string) {
	w.tb.Helper()
	w.twilio.shut(1000, "")
	w.runtime.ending()
	w.AwaitIdle(within(w.tb))
	w.after("/twilio/voice/after", sid, from, "SessionStatus", "completed", "CallStatus", "completed")
	form := with(inbound(sid, from), "CallStatus", "completed", "CallDuration", "7")
	if a := w.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
		w.tb.Errorf("status was answered %d", a.status)
	}
	w.flush()
}

// person is a contact as the address book has it.
type person struct{ Name, Email, Notes string }

func (e *edge) person(number string) (p person) {
	e.tb.Helper()
	err := e.pool.QueryRow(e.tb.Context(), `SELECT name, coalesce(email, ''), notes FROM contacts WHERE phone = $1 AND archived_at IS NULL`, number).
		Scan(&p.Name, &p.Email, &p.Notes)
	if err != nil {
		e.tb.Errorf("read the contact %s: %v", number, err)
	}
	return p
}

// A stranger gives a name and an e-mail: they are captured, and the next call knows them.
func TestCaptureOfAStranger(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{noContact: true})
	w.callFrom(callSID("first"), stranger)
	r := w.ask(`{"type":"ringside.capture_contact","id":"a1","name":"Robin Park","email":"robin@example.com","notes":"Wants a quote"}`)
	if !r.OK || string(r.ID) != `"a1"` || !slices.Equal(r.Saved, []string{"name", "email", "notes"}) || r.ContactID == "" || r.NeedsReadback {
		t.Errorf("result = %+v", r)
	}
	// The same again, under another id, is the first result and changes nothing.
	again := w.ask(`{"type":"ringside.capture_contact","id":2,"name":"Robin Park","email":"robin@example.com","notes":"Wants a quote"}`)
	if diff := cmp.Diff(result{r.Type, json.RawMessage("2"), r.OK, r.Saved, r.Kept, r.ContactID, r.NeedsReadback, r.Code, r.Message}, again); diff != "" {
		t.Errorf("the second result (-first +second):\n%s", diff)
	}
	w.hangUp(callSID("first"), stranger)
	if diff := cmp.Diff(person{"Robin Park", "robin@example.com", "Wants a quote"}, w.person(stranger)); diff != "" {
		t.Errorf("contact (-want +got):\n%s", diff)
	}
	if n := value[int](w.edge, `SELECT count(*) FROM contacts`); n != 1 {
		t.Errorf("%d contacts", n)
	}
	if got := w.ring(callSID("second"), stranger).Greeting; got != "Hello Robin Park, how can I help?" {
		t.Errorf("the second call was greeted with %q", got)
	}
	if n := w.metric(`ringside_tool_messages_total{type="ringside.capture_contact"}`); n != 2 {
		t.Errorf("%d captures were counted", n)
	}
}

// What a person has written into the address book is never overwritten.
func TestCaptureKeepsAPersonsEdit(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{})
	r := w.ask(`{"type":"ringside.capture_contact","id":"1","name":"Janet","email":"other@example.com"}`)
	if !r.OK || len(r.Saved) != 0 || !slices.Equal(r.Kept, []string{"name", "email"}) {
		t.Errorf("result = %+v", r)
	}
	if diff := cmp.Diff(person{"Jane Doe", "jane@acme.io", "Prefers morning calls"}, w.person(jane)); diff != "" {
		t.Errorf("contact (-want +got):\n%s", diff)
	}
}

// The phone is the call's, whatever a model says in passing; only other_phone is another one.
func TestCaptureTakesThePhoneFromTheCall(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{noContact: true})
	if r := w.ask(`{"type":"ringside.capture_contact","name":"Robin Park","phone":"+12125550177"}`); !r.OK || r.ID != nil {
		t.Errorf("result = %+v", r)
	}
	if got := w.person(jane).Name; got != "Robin Park" {
		t.Errorf("the caller's contact is %q", got)
	}
	if r := w.ask(`{"type":"ringside.capture_contact","name":"Robin's Office","other_phone":"(212) 555-0178"}`); !r.OK {
		t.Errorf("result = %+v", r)
	}
	if got := w.person("+12125550178").Name; got != "Robin's Office" {
		t.Errorf("the other number's contact is %q", got)
	}
	if r := w.ask(`{"type":"ringside.capture_contact","name":"X Y","other_phone":"555"}`); r.OK || r.Code != "invalid_phone" {
		t.Errorf("result = %+v", r)
	}
	if n := value[int](w.edge, `SELECT count(*) FROM contacts`); n != 2 {
		t.Errorf("%d contacts", n)
	}
}

// A withheld caller is nobody in the address book; what they say is kept with the call.
func TestCaptureOfAWithheldCaller(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{noContact: true})
	w.callFrom(callSID("withheld"), "anonymous")
	r := w.ask(`{"type":"ringside.capture_contact","id":"1","name":"Robin Park","email":"robin@example.com"}`)
	if r.OK || r.Code != "no_number" {
		t.Errorf("result = %+v", r)
	}
	w.hangUp(callSID("withheld"), "anonymous")
	if n := value[int](w.edge, `SELECT count(*) FROM contacts`); n != 0 {
		t.Errorf("%d contacts of a withheld caller", n)
	}
	if got := value[string](w.edge, `SELECT details::text FROM interactions WHERE sid = $1`, callSID("withheld")); !strings.Contains(got, "robin@example.com") {
		t.Errorf("kept with the call: %s", got)
	}
}

// A caller whose number failed verification changes nobody's details, whichever number they name.
func TestRule12_CaptureOfAnUnverifiedCaller(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	sid := callSID("forged")
	form := with(inbound(sid, jane), "StirVerstat", "TN-Validation-Failed-A")
	w.connect(sid, jane, readConnect(t, w.post("/twilio/voice", form).body).Token)
	w.exec(`UPDATE contacts SET email = NULL, email_source = 'auto'`) // free for the taking, otherwise
	for _, other := range []string{"", `,"other_phone":"` + jane + `"`, `,"other_phone":"415-555-0123"`, `,"other_phone":"+12125550177"`} {
		r := w.ask(`{"type":"ringside.capture_contact","name":"Mallory","email":"mallory@example.com"` + other + `}`)
		if !r.OK || r.ContactID != "" || len(r.Saved) != 0 || !strings.Contains(r.Message, "not in the address book") {
			t.Errorf("other phone %q: result = %+v", other, r)
		}
	}
	w.hangUp(sid, jane)
	if got := w.person(jane); got != (person{"Jane Doe", "", "Prefers morning calls"}) {
		t.Errorf("contact = %+v", got)
	}
	if n := value[int](w.edge, `SELECT count(*) FROM contacts`); n != 1 {
		t.Errorf("%d contacts", n)
	}
	// Nor is the call part of Jane's history.
	w.callFrom(callSID("honest"), jane)
	if h := w.setup.Caller.History; len(h) != 0 {
		t.Errorf("history = %+v", h)
	}
}

func TestCaptureAnswersWhatItCannotUse(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{noContact: true})
	for message, want := range map[string]struct {
		code     string
		readback bool
	}{
		`{"type":"ringside.capture_contact","id":"1"}`:                                              {"nothing_to_save", false},
		`{"type":"ringside.capture_contact","id":"1","name":"  ","email":null}`:                     {"nothing_to_save", false},
		`{"type":"ringside.capture_contact","id":"1","email":"robin at example"}`:                   {"invalid_email", true},
		`{"type":"ringside.capture_contact","id":"1","email":42}`:                                   {"invalid", false},
		`{"type":"ringside.capture_contact","id":"1","name":["Robin"]}`:                             {"invalid", false},
		`{"type":"ringside.note","id":"1","note":{"a":1}}`:                                          {"invalid", false},
		`{"type":"ringside.note","id":"1"}`:                                                         {"nothing_to_save", false},
		`{"type":"ringside.summary","id":"1","summary":" \u0000 "}`:                                 {"nothing_to_save", false},
		`{"type":"ringside.capture_contacts","id":"1"}`:                                             {"unknown_type", false},
		`{"type":"ringside.","id":"1"}`:                                                             {"unknown_type", false},
		`{"id":"1","type":"ringside.` + strings.Repeat("x", 5000) + `"}`:                            {"unknown_type", false},
		`{"type":"ringside.capture_contact","id":"1","other_phone":"` + dialled + `","name":"X Y"}`: {"own_number", false},
	} {
		r := w.ask(message)
		if r.OK || r.Code != want.code || r.NeedsReadback != want.readback || string(r.ID) != `"1"` {
			t.Errorf("%.100s: result = %+v, want code %s", message, r, want.code)
		}
		if strings.Contains(r.Message, "Go ") || strings.Contains(r.Message, "json:") || len(r.Message) > 400 {
			t.Errorf("%.100s: message = %q", message, r.Message)
		}
	}
	// An address that looks misheard is kept, and asked to be read back.
	if r := w.ask(`{"type":"ringside.capture_contact","id":"1","email":"robin@gmial.com"}`); !r.OK || !r.NeedsReadback {
		t.Errorf("result = %+v", r)
	}
	// Ids of any kind come back as they were.
	for _, id := range []string{`"x"`, "7", "null", `{"a":[1,2]}`, "1.50", `"\u00e9"`} {
		r := w.ask(`{"type":"ringside.note","note":"n","id":` + id + `}`)
		var same, got any
		check(t, json.Unmarshal([]byte(id), &same))
		check(t, json.Unmarshal(nullIfEmpty(r.ID), &got))
		if !cmp.Equal(same, got) {
			t.Errorf("id %s came back as %s", id, r.ID)
		}
	}
	if n := w.metric(`ringside_tool_messages_total{type="unknown"}`); n != 3 {
		t.Errorf("%d unknown types were counted", n)
	}
}

func nullIfEmpty(id json.RawMessage) json.RawMessage {
	if len(id) == 0 {
		return json.RawMessage("null")
	}
	return id
}

// Notes and the summary are kept with the call; a later summary replaces an earlier one, also if it
// was said before.
func TestNotesAndSummary(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	sid := callSID("notes")
	w.callFrom(sid, jane)
	for _, message := range []string{`{"type":"ringside.note","note":"Has a dog"}`, `{"type":"ringside.note","text":"Likes \u0000tea"}`, `{"type":"ringside.note","note":"Has a dog"}`,
		`{"type":"ringside.summary","summary":"Asked about prices"}`, `{"type":"ringside.summary","text":"Bought"}`, `{"type":"ringside.summary","summary":"Asked about prices"}`} {
		if r := w.ask(message); !r.OK || len(r.Saved) != 1 {
			t.Errorf("%s: %+v", message, r)
		}
	}
	w.hangUp(sid, jane)
	if got := value[string](w.edge, `SELECT summary FROM interactions WHERE sid = $1`, sid); got != "Asked about prices" {
		t.Errorf("summary = %q, want the one that was said last", got)
	}
	notes := value[[]string](w.edge, `SELECT array(SELECT e.value->>'note' FROM interactions, jsonb_each(details) e WHERE sid = $1 AND e.value ? 'note' ORDER BY 1)`, sid)
	if !slices.Equal(notes, []string{"Has a dog", "Likes tea"}) {
		t.Errorf("notes = %q", notes)
	}
	w.callFrom(callSID("next"), jane)
	if h := w.setup.Caller.History; len(h) != 1 || h[0].Summary != "Asked about prices" {
		t.Errorf("history of the next call = %+v", h)
	}
}

// not_me takes back what the agent knows, keeps what comes after it off the contact, also after a
// reconnect, and keeps the call out of the contact's history.
func TestNotMe(t *testing.T) {
	t.Parallel()
	w := newWired(t, parts{})
	sid := callSID("notme")
	w.callFrom(sid, jane)
	if r := w.ask(`{"type":"ringside.not_me","id":"1"}`); !r.OK || string(r.ID) != `"1"` {
		t.Errorf("result = %+v", r)
	}
	const forgotten = `{"type":"ringside.context","caller":{"known":false,"source":"","name":"","email":"","tags":[],"notes":"","campaign":null,"history":[],"greeted_by_name":false}}`
	if got := w.runtime.next(); got != forgotten {
		t.Errorf("then came %s, want %s", got, forgotten)
	}
	w.exec(`UPDATE contacts SET email = NULL, email_source = 'auto', notes = '', notes_source = 'auto'`)
	for _, other := range []string{"", `,"other_phone":"` + jane + `"`} {
		if r := w.ask(`{"type":"ringside.capture_contact","email":"sam@example.com","notes":"Is Sam"` + other + `}`); !r.OK || r.ContactID != "" {
			t.Errorf("capture after not_me: %+v", r)
		}
	}
	// Their own number, said explicitly, is theirs.
	if r := w.ask(`{"type":"ringside.capture_contact","name":"Sam Lee","other_phone":"+12125550177"}`); !r.OK || r.ContactID == "" {
		t.Errorf("capture of another number: %+v", r)
	}
	w.twilio.cut()
	w.runtime.ending()
	again := readConnect(t, w.after("/twilio/voice/after", sid, jane, "SessionStatus", "failed").body)
	w.connect(sid, jane, again.Token)
	if w.setup.Caller.Known {
		t.Errorf("after the reconnect the agent was told %+v", w.setup.Caller)
	}
	w.ask(`{"type":"ringside.summary","summary":"Sam called from Jane's phone"}`)
	w.hangUp(sid, jane)
	if got := w.person(jane); got != (person{"Jane Doe", "", ""}) {
		t.Errorf("Jane = %+v", got)
	}
	if got := w.person("+12125550177").Name; got != "Sam Lee" {
		t.Errorf("Sam = %q", got)
	}
	w.callFrom(callSID("next"), jane)
	if h := w.setup.Caller.History; len(h) != 0 {
		t.Errorf("Jane's history has Sam's call: %+v", h)
	}
	if !w.setup.Caller.Known {
		t.Error("not_me holds for one call only, and Jane is not known in the next")
	}
}

// Nothing of what is said to Ringside reaches Twilio, and nothing of what Ringside says does.
func TestToolsNeverReachTwilio(t *testing.T) {
	t.Parallel()
	w := newWiredCall(t, parts{})
	for _, message := range []string{`{"type":"ringside.note","note":"x"}`, `{"type":"ringside.unknown"}`, `{"type":"ringside.not_me"}`,
		"{\n\"note\":\"x\", \"type\" : \"ringside.note\"}", `{"type":"ringside\u002enote","note":"hidden"}`, `{"type":"\u0072ingside.note","note":"hidden"}`,
		`{"type":"text","type":"ringside.note","note":"twice"}`, `{"type":"ringside.note","note":5}`} {
		w.runtime.send(message)
	}
	w.runtime.send(`{"type":"text","token":"Hello.","last":true}`)
	if got := w.twilio.next(); got != `{"type":"text","token":"Hello.","last":true}` {
		t.Errorf("Twilio got %s", got)
	}
	for range 9 { // eight results and a context
		if got := w.runtime.next(); !strings.HasPrefix(got, `{"type":"ringside.`) {
			t.Errorf("the runtime got %s", got)
		}
	}
}

// patient is a recorder that waits to be let go.
type patient struct {
	voice.Recorder
	letGo chan struct{}
}

func (p patient) Record(ctx context.Context, e *ledger.Event) error {
	<-p.letGo
	return p.Recorder.Record(ctx, e)
}

// A runtime that asks for too much at once is told so, and the conversation goes on meanwhile.
func TestToolFloodIsAnsweredBusy(t *testing.T) {
	t.Parallel()
	letGo := make(chan struct{})
	release := sync.OnceFunc(func() { close(letGo) })
	t.Cleanup(release)
	w := newWiredCall(t, parts{config: func(c *voice.Config) { c.Tools.Recorder = patient{c.Recorder, letGo} }})
	const asked = 40
	for range asked {
		w.runtime.send(`{"type":"ringside.note","id":"n","note":"flood"}`)
	}
	w.runtime.send(`{"type":"text","token":"Still here.","last":true}`)
	if got := w.twilio.next(); got != `{"type":"text","token":"Still here.","last":true}` {
		t.Errorf("Twilio got %s", got)
	}
	release()
	busy, saved := 0, 0
	for range asked {
		var r result
		check(t, json.Unmarshal([]byte(w.runtime.next()), &r))
		switch {
		case r.OK:
			saved++
		case r.Code == "busy" && string(r.ID) == `"n"`:
			busy++
		default:
			t.Errorf("result = %+v", r)
		}
	}
	if busy == 0 || saved < 16 {
		t.Errorf("%d saved, %d busy", saved, busy)
	}
}

// The demo's agent, a real conversation: what it captures is there on the next call.
func TestReceptionistKnowsTheCallerNextTime(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: simulate.Receptionist, noContact: true})
	e.place(simulate.Call{From: stranger, Script: []simulate.Step{simulate.Say("My name is Robin Park."), simulate.Say("My email is robin at example dot com."), simulate.Say("Goodbye.")}})
	e.settle()
	out := e.place(simulate.Call{From: stranger, Script: []simulate.Step{simulate.Say("What do you know about me?")}})
	if out.Greeting != "Hello Robin Park, how can I help?" || len(out.Turns) != 1 || !strings.Contains(out.Turns[0].Reply, "robin@example.com") {
		t.Errorf("greeted with %q, told %+v", out.Greeting, out.Turns)
	}
}
