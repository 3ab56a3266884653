package voice_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/simulate"
	"ringside/recognize"
)

// An unknown caller is handled exactly as without Ringside, also right after a known one: nothing of
// an earlier caller is in the answer or on the socket.
func TestRule10_NothingOfAnEarlierCallerLeaks(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	known, session := e.answered(callSID("known"), jane, 1)
	setup, _ := session.Setup()
	if !setup.Caller.Known {
		t.Fatalf("Jane was not known: %s", setup.Raw)
	}
	for i, from := range []string{stranger, "anonymous", "+266696687", "client:jane", "sip:+14155550123@example.com", "4155550123", dialled} {
		sid := callSID("stranger" + string(rune('a'+i)))
		answer := e.post("/twilio/voice", inbound(sid, from)).body
		s := e.open(sid, from, readConnect(t, answer).Token)
		theirs, _ := e.session(2 + i).Setup()
		got := answer + string(theirs.Raw)
		for _, leak := range []string{"Jane", "acme.io", "morning", "vip", "Doe"} {
			if strings.Contains(got, leak) {
				t.Errorf("%q leaked to %q: %s", leak, from, got)
			}
		}
		want := simulate.Caller{Tags: []string{}, History: []simulate.PastContact{}, Campaign: json.RawMessage("null")}
		if diff := cmp.Diff(want, theirs.Caller); diff != "" {
			t.Errorf("caller of %q (-want +got):\n%s", from, diff)
		}
		s.shut(1000, "")
	}
	known.shut(1000, "")
}

// History holds what ended before this call began: not this call, nor one that is still going on,
// nor one of somebody else.
func TestRule11_HistoryEndedBeforeTheCallBegan(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{behaviour: summarise})
	call := func(word string, hangUp bool) *simulate.AgentSession {
		s, session := e.answered(callSID(word), jane, len(e.runtime.Sessions())+1)
		s.send(`{"type":"prompt","voicePrompt":"about ` + word + `","lang":"en-US","last":true}`)
		must(session.Await(within(t), func(m simulate.Message) bool { return m.Type == "ringside.result" }))(t)
		if hangUp {
			s.shut(1000, "")
			form := with(inbound(callSID(word), jane), "CallStatus", "completed", "CallDuration", "42")
			if a := e.post("/twilio/voice/status", form); a.status != http.StatusNoContent {
				t.Fatalf("status answered %d", a.status)
			}
		}
		return session
	}
	call("first", true)
	call("ongoing", false)
	last, _ := call("second", true).Setup()
	if n := len(last.Caller.History); n != 1 {
		t.Fatalf("history = %+v", last.Caller.History)
	}
	got := last.Caller.History[0]
	if got.Summary != "about first" || got.Kind != "call" || got.Direction != "inbound" || got.DurationS != 42 {
		t.Errorf("history = %+v", got)
	}
	if !strings.Contains(last.CustomParameters["caller_context"], "about first") {
		t.Errorf("caller_context = %q", last.CustomParameters["caller_context"])
	}
}

// summarise is an agent that has what the caller says as its summary.
func summarise(s *simulate.AgentSession, m simulate.Message) {
	if m.Type == "prompt" {
		s.Tool("ringside.summary", map[string]any{"summary": m.VoicePrompt})
	}
}

func TestRule12_AttestationDecidesFromEndToEnd(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{agent: func(a *org.Agent) { a.MinAttestation = "B" }})
	for i, test := range []struct {
		verstat string
		trusted bool
		rule    string
	}{
		{"TN-Validation-Passed-A", true, "contact_name"},
		{"TN-Validation-Passed-B", true, "contact_name"},
		{"TN-Validation-Passed-B-Diverted", true, "contact_name"},
		{"TN-Validation-Passed-C", false, "attestation_below_threshold"},
		{"TN-Validation-Failed-A", false, "attestation_failed"},
		{"TN-Validation-Failed", false, "attestation_failed"},
		{"No-TN-Validation", false, "attestation_below_threshold"},
		{"", false, "attestation_below_threshold"},
		{"TN-Validation-Passed-Z", false, "attestation_below_threshold"},
	} {
		sid := callSID("attest" + string(rune('a'+i)))
		got := readConnect(t, e.post("/twilio/voice", with(inbound(sid, jane), "StirVerstat", test.verstat)).body)
		s := e.open(sid, jane, got.Token)
		setup, _ := e.session(1 + i).Setup()
		greeted := got.Greeting == greetedJane
		if greeted != test.trusted || setup.Caller.Known != test.trusted || (setup.CustomParameters["caller_email"] == "jane@acme.io") != test.trusted {
			t.Errorf("%q: greeted with %q, the agent was told %s", test.verstat, got.Greeting, setup.Raw)
		}
		s.shut(1000, "")
		e.settle()
		if r := e.row(sid); r.Rule != test.rule || r.Trusted != test.trusted {
			t.Errorf("%q: row = %+v", test.verstat, r)
		}
	}
}

// The number of a call that failed verification is not trusted either once its decision is lost, as
// after the sidecar that made it was killed: the call itself carries the verdict.
func TestRule12_DistrustSurvivesTheSidecar(t *testing.T) {
	t.Parallel()
	first := newEdge(t, parts{})
	second := newEdge(t, parts{beside: first}) // remembers nothing of the first
	for i, verstat := range []string{"TN-Validation-Failed-A", "TN-Validation-Passed-A"} {
		trusted := i == 1
		sid := callSID("survives" + string(rune('a'+i)))
		form := with(inbound(sid, jane), "StirVerstat", verstat)
		got := readConnect(t, first.post("/twilio/voice", form).body)

		// The first socket comes to the other sidecar already.
		s := second.open(sid, jane, got.Token)
		setup, _ := second.session(2*i + 1).Setup()
		if setup.Caller.Known != trusted || setup.Caller.GreetedByName { // nobody knows any more what they heard
			t.Errorf("%s: the agent was told %+v", verstat, setup.Caller)
		}
		s.cut()

		// And so does the reconnect.
		after := with(inbound(sid, jane), "CallStatus", "in-progress", "SessionStatus", "failed", "SessionId", "VX1")
		again := readConnect(t, second.post(strings.TrimPrefix(got.Action, publicURL), after).body)
		s = second.open(sid, jane, again.Token)
		setup, _ = second.session(2*i + 2).Setup()
		if setup.Caller.Known != trusted {
			t.Errorf("%s: after the reconnect the agent was told %+v", verstat, setup.Caller)
		}
		s.shut(1000, "")
	}
}

// What a caller said about who they are not holds also for the sidecar that takes the call on when another was killed.
func TestNotMeSurvivesTheSidecar(t *testing.T) {
	t.Parallel()
	first := newEdge(t, parts{})
	second := newEdge(t, parts{beside: first}) // remembers nothing of the first
	sid := callSID("survives")
	got := first.ring(sid, jane)
	s := first.open(sid, jane, got.Token)
	_, _ = first.session(1).Setup()
	must(first.session(1).Tool("ringside.not_me", nil))(t)
	must(first.session(1).Await(within(t), func(m simulate.Message) bool { return m.Type == "ringside.context" }))(t)
	s.cut()
	after := with(inbound(sid, jane), "CallStatus", "in-progress", "SessionStatus", "failed", "SessionId", "VX1")
	again := readConnect(t, second.post(strings.TrimPrefix(got.Action, publicURL), after).body)
	s = second.open(sid, jane, again.Token)
	setup, _ := second.session(2).Setup()
	if setup.Caller.Known {
		t.Errorf("the agent was told %+v", setup.Caller)
	}
	second.exec(`UPDATE contacts SET notes = '', notes_source = 'auto'`)
	must(second.session(2).Tool("ringside.capture_contact", map[string]any{"notes": "Is Sam"}))(t)
	s.shut(1000, "")
	second.settle()
	if notes := value[string](second, `SELECT notes FROM contacts WHERE phone = $1`, jane); notes != "" {
		t.Errorf("what they said of themselves went to her contact: %q", notes)
	}
}

// held is a directory that holds every look-up until it is let go.
type held struct {
	recognize.Directory
	letGo chan struct{}
}

func (h held) Find(ctx context.Context, id org.ID, n phone.Number) (recognize.Finding, error) {
	<-h.letGo
	return h.Directory.Find(ctx, id, n)
}

// While the address book is silent the caller is answered within the budget, as unknown; what is
// found later reaches the agent on the socket.
func TestLateContextReachesTheAgent(t *testing.T) {
	t.Parallel()
	const budget = 50 * time.Millisecond
	letGo := make(chan struct{})
	release := sync.OnceFunc(func() { close(letGo) })
	defer release()
	e := newEdge(t, parts{budget: budget, directory: func(d recognize.Directory) recognize.Directory { return held{d, letGo} }})
	began := time.Now()
	got := e.ring(callSID("late"), jane)
	// Generous, for a busy machine; without a budget the answer would never come.
	if took := time.Since(began); took < budget || took > budget+5*time.Second {
		t.Errorf("answered after %s", took)
	}
	if got.Greeting != greetedAny {
		t.Errorf("greeted with %q", got.Greeting)
	}
	s := e.open(callSID("late"), jane, got.Token)
	session := e.session(1)
	setup, _ := session.Setup()
	if setup.Caller.Known {
		t.Errorf("known before it was found: %s", setup.Raw)
	}
	s.send(`{"type":"prompt","voicePrompt":"hello","lang":"en-US","last":true}`) // the conversation goes on meanwhile
	must(session.Await(within(t), func(m simulate.Message) bool { return m.Type == "prompt" }))(t)
	if n := len(session.Contexts()); n != 0 {
		t.Errorf("%d contexts before it was found", n)
	}
	release()
	late := must(session.Await(within(t), func(m simulate.Message) bool { return m.Type == "ringside.context" }))(t)
	var message struct {
		Type   string          `json:"type"`
		Caller simulate.Caller `json:"caller"`
	}
	check(t, late.Decode(&message))
	want := simulate.Caller{Known: true, Source: "contact", Name: "Jane Doe", Email: "jane@acme.io", Tags: []string{"vip"},
		Notes: "Prefers morning calls", Campaign: json.RawMessage("null"), History: []simulate.PastContact{}}
	if diff := cmp.Diff(want, message.Caller); diff != "" {
		t.Errorf("late context (-want +got):\n%s", diff)
	}
	s.shut(1000, "")
	e.settle()
	if n := len(session.Contexts()); n != 1 {
		t.Errorf("%d contexts", n)
	}
	if rule := e.row(callSID("late")).Rule; rule != "out_of_time" {
		t.Errorf("rule = %q", rule)
	}
}

// Late context never undoes not_me.
func TestLateContextAfterNotMe(t *testing.T) {
	t.Parallel()
	letGo := make(chan struct{})
	release := sync.OnceFunc(func() { close(letGo) })
	defer release()
	e := newEdge(t, parts{budget: time.Millisecond, directory: func(d recognize.Directory) recognize.Directory { return held{d, letGo} }})
	s, session := e.answered(callSID("notme"), jane, 1)
	must(session.Tool("ringside.not_me", nil))(t)
	must(session.Await(within(t), func(m simulate.Message) bool { return m.Type == "ringside.context" }))(t)
	release()
	e.log.await(t, "late context is not told")
	// Once a tool after it is answered, everything before has been sent.
	must(session.Tool("ringside.note", map[string]any{"id": "after", "note": "x"}))(t)
	must(session.Await(within(t), func(m simulate.Message) bool { return m.ID == "after" }))(t)
	for _, m := range session.Contexts() {
		if strings.Contains(string(m.Raw), "Jane") {
			t.Errorf("told again who the caller is not: %s", m.Raw)
		}
	}
	s.shut(1000, "")
}

// A campaign's person is greeted by the name the campaign used, and the agent is told of the
// campaign.
func TestCampaignPersonIsRecognised(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	must(e.book.AddCampaignPerson(t.Context(), e.org, contacts.CampaignPerson{Campaign: "Autumn", Phone: stranger, Name: "Maria Gomez",
		Notes: "Asked for the yearly price", CalledAt: time.Now().Add(-time.Hour)}))(t)
	got := e.ring(callSID("campaign"), stranger)
	if got.Greeting != "Hello Maria Gomez, how can I help?" {
		t.Errorf("greeted with %q", got.Greeting)
	}
	s := e.open(callSID("campaign"), stranger, got.Token)
	setup, _ := e.session(1).Setup()
	if setup.Caller.Source != "campaign" || !strings.Contains(string(setup.Caller.Campaign), `"name":"Autumn"`) || !setup.Caller.GreetedByName {
		t.Errorf("the agent was told %s", setup.Raw)
	}
	s.shut(1000, "")
}

// What an agent is not to be told does not reach its runtime; the caller is greeted by name all the same.
func TestOnlyWhatMayBeToldReachesTheRuntime(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	e.exec(`UPDATE voice_agents SET tell = '{tags}'`)
	check(t, e.lines.Load(t.Context()))
	answer := e.post("/twilio/voice", inbound(callSID("private"), jane)).body
	if !strings.Contains(answer, "Jane") {
		t.Errorf("Jane is not greeted: %s", answer)
	}
	s := e.open(callSID("private"), jane, readConnect(t, answer).Token)
	setup, _ := e.session(1).Setup()
	for _, leak := range []string{"Jane", "acme.io", "morning"} {
		if strings.Contains(string(setup.Raw), leak) {
			t.Errorf("%q reaches the runtime: %s", leak, setup.Raw)
		}
	}
	if c := setup.Caller; !c.Known || !c.GreetedByName || len(c.Tags) != 1 {
		t.Errorf("the runtime is told %+v", c)
	}
	d := e.Calls.Decided(t.Context(), e.org.ID, callSID("private"))
	if diff := cmp.Diff([]string{"tags"}, d.Trace.Told); diff != "" {
		t.Errorf("the trace (-want +got):\n%s", diff)
	}
	s.shut(1000, "")
}

// A call from a blocked contact is rejected before any runtime hears of it, and is in the ledger. When
// the block is gone, the next call is answered.
func TestBlockedContactIsRejected(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	jane, err := e.book.ByPhone(t.Context(), e.org.ID, jane)
	check(t, err)
	block := func(blocked bool) {
		_, err := e.book.Change(t.Context(), e.org, jane.ID, contacts.Change{Blocked: &blocked})
		check(t, err)
	}
	from := jane.Phone.String()
	if answer := e.post("/twilio/voice", inbound(callSID("before"), from)).body; !strings.Contains(answer, "<Connect") {
		t.Fatalf("answered %s", answer)
	}
	block(true)
	first := e.post("/twilio/voice", inbound(callSID("blocked"), from)).body
	if !strings.Contains(first, "<Reject/>") || strings.Contains(first, "Connect") {
		t.Errorf("a blocked caller is answered %s", first)
	}
	block(false)
	if again := e.post("/twilio/voice", inbound(callSID("blocked"), from)).body; again != first {
		t.Errorf("a repeated webhook is answered %s", again)
	}
	if answer := e.post("/twilio/voice", inbound(callSID("after"), from)).body; !strings.Contains(answer, "Hello Jane") {
		t.Errorf("after the block is gone: %s", answer)
	}
	if d := e.Calls.Decided(t.Context(), e.org.ID, callSID("blocked")); d.Trace.Rule != recognize.RuleBlocked || d.ContactID != jane.ID {
		t.Errorf("the trace is %+v", d.Trace)
	}
	if n := len(e.runtime.Sessions()); n != 0 {
		t.Errorf("the runtime heard of %d calls", n)
	}
}
