package voice_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/twilio"
)

// row is what the ledger has of a call, and to whom it leads.
type row struct {
	Status, Direction, From, To, Party string
	Contact, Rule                      string
	Trusted                            bool
}

func (e *edge) row(sid string) (r row) {
	e.tb.Helper()
	err := e.pool.QueryRow(e.tb.Context(), `
		SELECT i.status, i.direction, i.from_address, i.to_address, coalesce(i.party, ''), coalesce(c.name, ''), coalesce(i.recognition->>'rule', ''), i.trusted
		FROM interactions i LEFT JOIN contacts c ON c.id = i.contact_id WHERE i.sid = $1`, sid).
		Scan(&r.Status, &r.Direction, &r.From, &r.To, &r.Party, &r.Contact, &r.Rule, &r.Trusted)
	if err != nil {
		e.tb.Fatalf("read the ledger's row of %s: %v", sid, err)
	}
	return r
}

// Every sample of a voice webhook, through the router, signed as its sender signs.
func TestVoiceSamples(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for file, want := range map[string]struct {
		greeting string
		row      row
	}{
		"voice_inbound_known.form":              {greetedJane, row{Party: jane, Contact: "Jane Doe", Rule: "contact_name", Trusted: true}},
		"voice_inbound_diverted.form":           {greetedJane, row{Party: jane, Contact: "Jane Doe", Rule: "contact_name", Trusted: true}},
		"voice_fallback.form":                   {greetedJane, row{Party: jane, Contact: "Jane Doe", Rule: "contact_name", Trusted: true}},
		"voice_inbound_minimal.form":            {greetedAny, row{Party: stranger, Rule: "unknown_number", Trusted: true}},
		"voice_inbound_failed_attestation.form": {greetedAny, row{Party: jane, Rule: "attestation_failed"}},
		"voice_inbound_anonymous_word.form":     {greetedAny, row{Rule: "not_a_persons_number", Trusted: true}},
		"voice_inbound_anonymous_digits.form":   {greetedAny, row{Rule: "not_a_persons_number", Trusted: true}},
		"voice_inbound_blank_from.form":         {greetedAny, row{Rule: "not_a_persons_number", Trusted: true}},
	} {
		t.Run(file, func(t *testing.T) {
			form := sampleForm(t, file)
			path := "/twilio/voice"
			if strings.HasPrefix(file, "voice_fallback") {
				path = "/twilio/voice/fallback"
			}
			a := e.send(signed(path, sample(t, file), form))
			if a.status != 200 || a.header.Get("Content-Type") != twilio.ContentType {
				t.Fatalf("answered %d %q", a.status, a.header.Get("Content-Type"))
			}
			got := readConnect(t, a.body)
			action := publicURL + "/twilio/voice/after"
			if !want.row.Trusted {
				action += "?unverified=1"
			}
			expected := connectOf{Action: action, URL: "wss://sidecar.example.com/twilio/relay", Greeting: want.greeting, Token: got.Token,
				Attributes: map[string]string{"url": "wss://sidecar.example.com/twilio/relay", "welcomeGreeting": want.greeting, "language": "en-US"}}
			if diff := cmp.Diff(expected, got); diff != "" {
				t.Errorf("TwiML (-want +got):\n%s", diff)
			}
			for _, secret := range []string{form.Get("From"), "Jane", "jane@acme.io"} {
				if secret != "" && strings.Contains(got.Token+got.Action, secret) {
					t.Errorf("%q is in the parameters", secret)
				}
			}
			e.settle()
			want.row.Status, want.row.Direction = "ringing", "inbound"
			want.row.From, want.row.To = form.Get("From"), form.Get("To")
			if diff := cmp.Diff(want.row, e.row(form.Get("CallSid"))); diff != "" {
				t.Errorf("row (-want +got):\n%s", diff)
			}
		})
	}
	if n := e.rows(); n != 8 {
		t.Errorf("%d rows of 8 calls", n)
	}
}

// A call to nothing that can be dialled, as an app of the Voice SDK may place: the caller hears that
// it leads nowhere, and nothing is kept.
func TestCallToNoNumber(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for _, to := range []string{"", "+12125550100", "client:somebody", "sip:desk@example.com", " " + dialled, "12125550199"} {
		form := sampleForm(t, "voice_inbound_client.form")
		form.Set("To", to)
		a := e.post("/twilio/voice", form)
		if a.status != 200 || !strings.Contains(a.body, "not in service") || !strings.Contains(a.body, "<Hangup/>") {
			t.Errorf("To=%q: answered %d %s", to, a.status, a.body)
		}
	}
	e.settle()
	if n := e.rows(); n != 0 {
		t.Errorf("%d rows for calls to nobody", n)
	}
	if n := e.counted("/twilio/voice", "not_in_service"); n != 6 {
		t.Errorf("not_in_service was counted %d times", n)
	}
}

// Whoever rings a number that leads nowhere is logged once a minute for each number, not each time.
func TestUnknownToIsLoggedOnceAMinute(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	for range 5 {
		for _, to := range []string{"+12125550100", "+12125550101"} {
			form := inbound(callSID("nowhere"), jane)
			form.Set("To", to)
			e.post("/twilio/voice", form)
		}
	}
	if n := strings.Count(e.log.String(), "leads to no voice agent"); n != 2 {
		t.Errorf("logged %d times for two numbers:\n%s", n, e.log)
	}
}

// The agent's ConversationRelay settings pass through to the TwiML, in a fixed order.
func TestRelaySettingsPassThrough(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{agent: func(a *org.Agent) {
		a.Language = "es-ES"
		a.RelaySettings = map[string]string{"voice": "UgBBYS2sOqTuMpoF3BR0", "dtmfDetection": "true", "hints": `Acme, "Ringside"`, "interruptible": "speech"}
	}})
	form := inbound(callSID("settings"), jane)
	first := e.post("/twilio/voice", form)
	got := readConnect(t, first.body)
	want := map[string]string{"url": got.URL, "welcomeGreeting": greetedJane, "language": "es-ES", "voice": "UgBBYS2sOqTuMpoF3BR0",
		"dtmfDetection": "true", "hints": `Acme, "Ringside"`, "interruptible": "speech"}
	if diff := cmp.Diff(want, got.Attributes); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	const order = `language="es-ES" voice="UgBBYS2sOqTuMpoF3BR0" interruptible="speech" dtmfDetection="true" hints="Acme, &quot;Ringside&quot;"`
	if !strings.Contains(first.body, order) {
		t.Errorf("the attributes stand in another order than %s: %s", order, first.body)
	}
}

// A name is said as text, whatever is in it (rule 9).
func TestRule09_NameIsEscapedForXML(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	const name = `O'Brien & "Söhne" <b>`
	e.exec(`UPDATE contacts SET name = $1`, name)
	if got := e.ring(callSID("escaped"), jane).Greeting; got != "Hello "+name+", how can I help?" {
		t.Errorf("greeted with %q", got)
	}
}

// A caller hears the greeting for callers without a name, if there is one.
func TestUnknownGreeting(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{agent: func(a *org.Agent) { a.UnknownGreeting = "Welcome to Acme." }})
	if got := e.ring(callSID("known"), jane).Greeting; got != greetedJane {
		t.Errorf("a known caller hears %q", got)
	}
	if got := e.ring(callSID("unknown"), stranger).Greeting; got != "Welcome to Acme." {
		t.Errorf("an unknown caller hears %q", got)
	}
}

// The trace tells what was decided, and is kept with the call.
func TestTraceIsKept(t *testing.T) {
	t.Parallel()
	e := newEdge(t, parts{})
	form := sampleForm(t, "voice_inbound_known.form")
	before := time.Now()
	e.post("/twilio/voice", form)
	e.settle()
	sid := form.Get("CallSid")
	if got := value[string](e, `SELECT recognition->>'received' FROM interactions WHERE sid = $1`, sid); got != jane {
		t.Errorf("received = %q", got)
	}
	if got := value[[]string](e, `SELECT array(SELECT jsonb_array_elements_text(recognition->'told')) FROM interactions WHERE sid = $1`, sid); !cmp.Equal(got, []string{"name", "email", "tags", "notes"}) {
		t.Errorf("told = %q", got)
	}
	if at := value[time.Time](e, `SELECT started_at FROM interactions WHERE sid = $1`, sid); at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("started_at = %s", at)
	}
	if got := value[string](e, `SELECT agent_id::text FROM interactions WHERE sid = $1`, sid); got != e.agent.ID {
		t.Errorf("agent_id = %q, want %q", got, e.agent.ID)
	}
}

// with returns a copy of a form with some values changed; "" stays as an empty value.
func with(form url.Values, pairs ...string) url.Values {
	changed := url.Values{}
	for name, values := range form {
		changed[name] = append([]string(nil), values...)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		changed.Set(pairs[i], pairs[i+1])
	}
	return changed
}
