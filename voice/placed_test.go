package voice_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/simulate"
	"ringside/recognize"
)

// Whoever is called hears their name, and the agent is told why they are called.
func TestACallThatWasPlaced(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	e.exec(`UPDATE voice_agents SET min_attestation = 'A'`) // is for callers: this number was dialled
	check(t, e.lines.Load(t.Context()))
	for n, to := range []string{jane, stranger} {
		item, _, err := outgoing.NewStore(e.pool).Add(t.Context(), outgoing.Item{OrgID: e.org.ID, Kind: outgoing.KindCall, From: dialled, To: phone.Number(to),
			AgentID: e.agent.ID, Context: "The order\x07 is \"ready\"."})
		check(t, err)
		sid := callSID("placed " + to)
		form := with(inbound(sid, dialled), "To", to, "Direction", "outbound-api", "CallStatus", "in-progress")
		connect := readConnect(t, e.post("/twilio/voice?outgoing="+item.ID, form).body)
		if want := map[string]string{jane: greetedJane, stranger: greetedAny}[to]; connect.Greeting != want {
			t.Errorf("%s hears %q", to, connect.Greeting)
		}
		s, _, err := e.dial(authToken)
		check(t, err)
		s.send(strings.NewReplacer(`"inbound"`, `"outbound-api"`, `"to":"`+dialled, `"to":"`+to).Replace(setupOf(sid, dialled, connect.Token)))
		setup, _ := e.session(n + 1).Setup()
		if setup.Caller.Known != (to == jane) || !strings.Contains(string(setup.Raw), `"call_context":"The order is \"ready\"."`) || !strings.Contains(setup.CustomParameters["caller_context"], "- You called them because of: \"The order is 'ready'.\"") {
			t.Errorf("of %s the agent is told %s", to, setup.Raw)
		}
		s.shut(1000, "")
		if got := value[string](e, `SELECT sid FROM outgoing WHERE id = $1::text::uuid`, item.ID); got != sid {
			t.Errorf("the call is noted as %q", got)
		}
	}
	// An address that names no call of ours changes nothing.
	form := with(inbound(callSID("foreign"), dialled), "To", jane, "Direction", "outbound-api")
	if got := readConnect(t, e.post("/twilio/voice?outgoing=6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11", form).body).Greeting; got != greetedJane {
		t.Errorf("they hear %q", got)
	}
}

// Late context keeps why somebody is called, and an agent's threshold, which is for callers, does not keep it away.
func TestLateContextOfACallThatWasPlaced(t *testing.T) {
	t.Parallel()
	letGo := make(chan struct{})
	release := sync.OnceFunc(func() { close(letGo) })
	defer release()
	e := newEdge(t, parts{budget: time.Millisecond, directory: func(d recognize.Directory) recognize.Directory { return held{d, letGo} }})
	e.exec(`UPDATE voice_agents SET min_attestation = 'A'`)
	check(t, e.lines.Load(t.Context()))
	item, _, err := outgoing.NewStore(e.pool).Add(t.Context(), outgoing.Item{OrgID: e.org.ID, Kind: outgoing.KindCall, From: dialled, To: jane,
		AgentID: e.agent.ID, Context: "The order is ready."})
	check(t, err)
	sid := callSID("placed late")
	form := with(inbound(sid, dialled), "To", jane, "Direction", "outbound-api", "CallStatus", "in-progress")
	connect := readConnect(t, e.post("/twilio/voice?outgoing="+item.ID, form).body)
	s, _, err := e.dial(authToken)
	check(t, err)
	s.send(strings.NewReplacer(`"inbound"`, `"outbound-api"`, `"to":"`+dialled, `"to":"`+jane).Replace(setupOf(sid, dialled, connect.Token)))
	session := e.session(1)
	if setup, _ := session.Setup(); setup.Caller.Known || !strings.Contains(string(setup.Raw), `"call_context":"The order is ready."`) {
		t.Errorf("the agent is told %s", setup.Raw)
	}
	release()
	late := must(session.Await(within(t), func(m simulate.Message) bool { return m.Type == "ringside.context" }))(t)
	if raw := string(late.Raw); !strings.Contains(raw, "Jane Doe") || !strings.Contains(raw, `"call_context":"The order is ready."`) {
		t.Errorf("later it is told %s", raw)
	}
	s.shut(1000, "")
}

// Machine detection tells nothing but the call; the address says whose it is, and what it found is kept with the call,
// whether it comes before or after the rest.
func TestMachineDetectionIsKept(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	form := sampleForm(t, "amd_async.form")
	form.Set("AccountSid", accountSID)
	sid := form.Get("CallSid")
	item, _, err := outgoing.NewStore(e.pool).Add(t.Context(), outgoing.Item{OrgID: e.org.ID, Kind: outgoing.KindCall, From: dialled, To: jane, AgentID: e.agent.ID})
	check(t, err)
	for range 2 {
		if a := e.post("/twilio/voice/status?outgoing="+item.ID, form); a.status != 204 {
			t.Fatalf("answered %d %s", a.status, a.body)
		}
	}
	done := with(inbound(sid, dialled), "To", jane, "Direction", "outbound-api", "CallStatus", "completed", "CallDuration", "4")
	if a := e.post("/twilio/voice/status?outgoing="+item.ID, done); a.status != 204 {
		t.Fatalf("answered %d %s", a.status, a.body)
	}
	e.flush()
	got := value[string](e, `SELECT concat_ws(' ', direction, status, party, details->'answered_by'->>'AnsweredBy', details->'answered_by'->>'MachineDetectionDuration') FROM interactions WHERE sid = $1`, sid)
	if want := "outbound completed " + jane + " machine_end_beep 6120"; got != want {
		t.Errorf("the ledger has %q, want %q", got, want)
	}
}

// A campaign's call has a greeting of its own, with what is known of the person; a variable that they lack vanishes.
func TestACampaignsGreeting(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for n, test := range []struct {
		to        phone.Number
		variables map[string]string
		want      string
	}{
		{jane, map[string]string{"ORDER": `4711 & "more" {{NAME}}`}, `Hello Jane Doe, order 4711 & "more" {{NAME}} is ready.`},
		{jane, nil, "Hello Jane Doe, order is ready."},
		{stranger, map[string]string{"ORDER": "1"}, "Hello, order 1 is ready."},
	} {
		item, _, err := outgoing.NewStore(e.pool).Add(t.Context(), outgoing.Item{OrgID: e.org.ID, Kind: outgoing.KindCall, From: dialled, To: test.to, AgentID: e.agent.ID,
			Greeting: "Hello {{NAME}}, order {{ORDER}} is ready.", Variables: test.variables})
		check(t, err)
		form := with(inbound(callSID("campaign"+string(rune('a'+n))), dialled), "To", string(test.to), "Direction", "outbound-api", "CallStatus", "in-progress")
		if got := readConnect(t, e.post("/twilio/voice?outgoing="+item.ID, form).body).Greeting; got != test.want {
			t.Errorf("they hear %q, want %q", got, test.want)
		}
	}
}
