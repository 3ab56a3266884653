package recognize_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/recognize"
)

// unknownJSON is what an agent gets of somebody unknown (docs/agent-protocol.md).
const unknownJSON = `{"known":false,"source":"","name":"","email":"","tags":[],"notes":"","campaign":null,"history":[],"greeted_by_name":false}`

// provisionalJSON is what it gets of somebody who could not be looked up in time.
const provisionalJSON = `{"known":false,"source":"","name":"","email":"","tags":[],"notes":"","campaign":null,"history":[],"greeted_by_name":false,"provisional":true}`

func encoded(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestADecisionOnAContact(t *testing.T) {
	t.Parallel()
	got := decide(t, book{alexNumber: alex()}, callFrom(alexNumber))
	want := &recognize.Decision{
		CallSID: "CA1", OrgID: "org-1", AgentID: "agent-1", Number: alexNumber, ContactID: "c1", At: when(0), Trusted: true,
		Greeting: "Hello Alex Chen, how can I help?",
		Caller: recognize.Caller{
			Known: true, Source: "contact", Name: "Alex Chen", Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls",
			Campaign: &recognize.CampaignInfo{Name: "Spring sale", Notes: "Wants a quote", Result: "Call back in June", CalledAt: when(-5000)},
			History: []recognize.HistoryItem{
				{At: when(-60), Kind: "call", Direction: "inbound", DurationS: 184, Summary: "Asked about pricing"},
				{At: when(-90), Kind: "message", Direction: "outbound"},
			},
			GreetedByName: true,
		},
		Trace: recognize.Trace{
			CallSID: "CA1", At: when(0), Received: alexNumber, Class: phone.ClassNumber, Number: alexNumber,
			Steps: []recognize.Step{{Tier: recognize.TierProcess, Outcome: "hit"}}, BudgetMS: 60000, Known: true, Source: "contact", ContactID: "c1",
			GreetedByName: true, Rule: recognize.RuleContactName, Why: `Greeted by name: the number +14155551200 is that of the contact "Alex Chen".`,
			Told: []string{"name", "email", "tags", "notes", "campaign", "history"},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(recognize.Trace{}, "TookMicros")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheCallerAsTheAgentGetsIt(t *testing.T) {
	t.Parallel()
	d := decide(t, book{alexNumber: alex()}, callFrom(alexNumber))
	want := `{"known":true,"source":"contact","name":"Alex Chen","email":"alex@acme.io","tags":["vip"],"notes":"Prefers morning calls",` +
		`"campaign":{"name":"Spring sale","notes":"Wants a quote","result":"Call back in June","called_at":"2026-02-26T00:40:00Z"},` +
		`"history":[{"at":"2026-03-01T11:00:00Z","kind":"call","direction":"inbound","duration_s":184,"summary":"Asked about pricing"},` +
		`{"at":"2026-03-01T10:30:00Z","kind":"message","direction":"outbound","duration_s":0,"summary":""}],"greeted_by_name":true}`
	if diff := cmp.Diff(want, encoded(t, d.Caller)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Every rule is reached, and says why.
func TestTheTraceSaysWhy(t *testing.T) {
	t.Parallel()
	people := book{alexNumber: alex(), jamieNumber: jamie(),
		"+13125550111": {Contact: &recognize.Contact{ID: "c2", Name: "+13125550111"}},
		"+13125550112": {Contact: &recognize.Contact{ID: "c3", Name: "Unknown caller"}, Campaign: &recognize.Campaign{Campaign: "Spring sale", Name: "Sam Roe"}},
		"+13125550113": {Campaign: &recognize.Campaign{Campaign: "Spring sale"}},
	}
	broken := finder(func(context.Context, phone.Number) (recognize.Finding, error) {
		return recognize.Finding{}, errors.New("the directory is broken")
	})
	no := false
	for _, tt := range []struct {
		directory recognize.Directory
		raw       string
		change    func(c *recognize.Call)
		rule      recognize.Rule
		why       string
		greeting  string
	}{
		{people, alexNumber, nil, recognize.RuleContactName, `+14155551200 is that of the contact "Alex Chen"`, "Hello Alex Chen, how can I help?"},
		{people, "whatsapp:" + alexNumber, nil, recognize.RuleContactName, `contact "Alex Chen"`, "Hello Alex Chen, how can I help?"},
		{people, jamieNumber, nil, recognize.RuleCampaignName, `the campaign "Spring sale" called the number +12025550133 as "Jamie Lee"`, "Hello Jamie Lee, how can I help?"},
		{people, "+13125550112", nil, recognize.RuleCampaignName, `as "Sam Roe"`, "Hello Sam Roe, how can I help?"},
		{people, "+13125550111", nil, recognize.RuleNoRealName, "without a real name", "Hello, how can I help?"},
		{people, "+13125550113", nil, recognize.RuleNoRealName, "without a real name", "Hello, how can I help?"},
		{people, stranger, nil, recognize.RuleUnknownNumber, "+13125550100 is not in the address book", "Hello, how can I help?"},
		{people, alexNumber, func(c *recognize.Call) { c.Agent.Greeting = "Welcome to Acme." }, recognize.RuleNoPlaceForName, "the greeting has no {{NAME}}", "Welcome to Acme."},
		{people, alexNumber, func(c *recognize.Call) { c.Agent.Greeting = "Welcome {{NAM}} to Acme." }, recognize.RuleNoPlaceForName, "the greeting has no {{NAME}}", "Welcome NAM to Acme."},
		{people, alexNumber, func(c *recognize.Call) { c.Agent.UnknownGreeting = "Who is there?" }, recognize.RuleContactName, "Alex Chen", "Hello Alex Chen, how can I help?"},
		{people, stranger, func(c *recognize.Call) { c.Agent.UnknownGreeting = "Hi {{NAME}}! Who is there?" }, recognize.RuleUnknownNumber, "not in the address book", "Hi! Who is there?"},
		{people, "+13125550111", func(c *recognize.Call) { c.Agent.UnknownGreeting = "Who is there?" }, recognize.RuleNoRealName, "without a real name", "Who is there?"},
		{people, alexNumber, func(c *recognize.Call) { c.Own = true }, recognize.RuleOwnNumber, "one of the organisation's own numbers", "Hello, how can I help?"},
		{people, alexNumber, func(c *recognize.Call) { c.Attestation = "TN-Validation-Failed-A" }, recognize.RuleAttestationFailed, "failed verification (TN-Validation-Failed-A)", "Hello, how can I help?"},
		{people, alexNumber, func(c *recognize.Call) { c.Judged = &no }, recognize.RuleAttestationFailed, "could not be trusted when the call began", "Hello, how can I help?"},
		{people, alexNumber, func(c *recognize.Call) { c.Agent.MinAttestation = "A"; c.Attestation = "TN-Validation-Passed-B" }, recognize.RuleAttestationBelow,
			`asks for attestation A, and the call had "TN-Validation-Passed-B"`, "Hello, how can I help?"},
		{broken, alexNumber, nil, recognize.RuleLookupFailed, "could not be asked", "Hello, how can I help?"},
	} {
		call := callFrom(tt.raw)
		if tt.change != nil {
			tt.change(&call)
		}
		d := decide(t, tt.directory, call)
		named := tt.rule == recognize.RuleContactName || tt.rule == recognize.RuleCampaignName
		prefix := map[bool]string{true: "Greeted by name: ", false: "Not greeted by name: "}[named]
		if d.Trace.Rule != tt.rule || !strings.HasPrefix(d.Trace.Why, prefix) || !strings.Contains(d.Trace.Why, tt.why) || d.Greeting != tt.greeting {
			t.Errorf("%s: rule %s, %q, says %q; want %s, %q, %q", tt.raw, d.Trace.Rule, d.Trace.Why, d.Greeting, tt.rule, tt.why, tt.greeting)
		}
		if d.Caller.GreetedByName != named || d.Trace.GreetedByName != named {
			t.Errorf("%s, %s: greeted by name is %v to the agent and %v in the trace, want %v", tt.raw, tt.rule, d.Caller.GreetedByName, d.Trace.GreetedByName, named)
		}
		if d.Trace.Known != d.Caller.Known || d.Trace.Source != d.Caller.Source || d.Trace.ContactID != d.ContactID {
			t.Errorf("%s, %s: the trace has known %v, source %q, contact %q; the decision %v, %q, %q", tt.raw, tt.rule,
				d.Trace.Known, d.Trace.Source, d.Trace.ContactID, d.Caller.Known, d.Caller.Source, d.ContactID)
		}
	}
}

func TestTheTraceTellsWhatWasReceived(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		" 14155551200":           " 14155551200", // a plus that became a space has to be seen
		"client:alex":            "client:alex",
		"a\x00b\n\u202ec\xff":    "a\uFFFDb\uFFFD\uFFFDc\uFFFD",
		strings.Repeat("x", 1e5): strings.Repeat("x", 256),
	} {
		if d := decide(t, book{}, callFrom(raw)); d.Trace.Received != want || d.Trace.Class != phone.Classify(raw).Class {
			t.Errorf("%.40q is traced as %.40q (%s), want %.40q", raw, d.Trace.Received, d.Trace.Class, want)
		}
	}
	call := callFrom(alexNumber)
	call.Attestation = "TN-Validation-Passed-A-Diverted"
	if d := decide(t, book{}, call); d.Trace.Attestation != call.Attestation {
		t.Errorf("the attestation is traced as %q", d.Trace.Attestation)
	}
}

func TestRule05_OnlyAPersonsNumberIsLookedUp(t *testing.T) {
	t.Parallel()
	asked := finder(func(_ context.Context, n phone.Number) (recognize.Finding, error) {
		t.Errorf("%q was looked up", string(n))
		return recognize.Finding{Record: alex()}, nil
	})
	check := func(call recognize.Call, rule recognize.Rule) {
		t.Helper()
		d := decide(t, asked, call)
		if d.Trace.Rule != rule || d.Number != "" || d.ContactID != "" || d.OutOfTime || encoded(t, d.Caller) != unknownJSON {
			t.Errorf("%q: %s, number %q, contact %q, caller %s", call.Party.Raw, d.Trace.Rule, string(d.Number), d.ContactID, encoded(t, d.Caller))
		}
		if late, ok := recognize.NewRecognizer(asked, 0).Late(t.Context(), call, false); ok || late != nil {
			t.Errorf("%q is told late: %+v", call.Party.Raw, late)
		}
	}
	for _, raw := range []string{
		"", "anonymous", "Restricted", "+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+464", "262966", "SUPPORT",
		"client:" + alexNumber, "client:alex", "sip:" + alexNumber + "@example.com", "sips:alex@example.com", "sim:HS1", "rcs:acme",
		"messenger:1", "whatsapp:BR.1", " 14155551200", "14155551200", "+1 415 555 1200", alexNumber + "\n",
	} {
		check(callFrom(raw), recognize.RuleNotANumber)
	}
	own := callFrom(alexNumber)
	own.Own = true
	check(own, recognize.RuleOwnNumber)
}

func TestRule08_ContactFirstThenCampaign(t *testing.T) {
	t.Parallel()
	both := func(contact, campaign string) *recognize.Record {
		return &recognize.Record{Contact: &recognize.Contact{ID: "c1", Name: contact}, Campaign: &recognize.Campaign{Campaign: "Spring sale", Name: campaign, CalledAt: when(-1)}}
	}
	for _, tt := range []struct {
		record       *recognize.Record
		source, name string
		rule         recognize.Rule
	}{
		{both("Alex Chen", "Jamie Lee"), "contact", "Alex Chen", recognize.RuleContactName},
		{both("Alex Chen", ""), "contact", "Alex Chen", recognize.RuleContactName},
		{both(alexNumber, "Jamie Lee"), "contact", "Jamie Lee", recognize.RuleCampaignName},
		{both("Unknown", "Jamie Lee"), "contact", "Jamie Lee", recognize.RuleCampaignName},
		{both("Unknown", "anonymous"), "contact", "", recognize.RuleNoRealName},
		{jamie(), "campaign", "Jamie Lee", recognize.RuleCampaignName},
		{&recognize.Record{}, "", "", recognize.RuleUnknownNumber},
		{nil, "", "", recognize.RuleUnknownNumber},
	} {
		d := decide(t, book{alexNumber: tt.record}, callFrom(alexNumber))
		if d.Caller.Source != tt.source || d.Caller.Name != tt.name || d.Trace.Rule != tt.rule || (d.ContactID != "") != (tt.source == "contact") {
			t.Errorf("%s: source %q, name %q, rule %s, contact %q; want %q, %q, %s", encoded(t, tt.record), d.Caller.Source, d.Caller.Name, d.Trace.Rule, d.ContactID,
				tt.source, tt.name, tt.rule)
		}
	}
}

// A name is what would be said: what cannot be seen makes no name of a placeholder.
func TestRule09_OnlyARealNameIsSaid(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Alex Chen": "Alex Chen", " Alex\tChen ": "Alex Chen", "Alex\u202eChen": "AlexChen", "Ana\x00María": "Ana María",
		"": "", "\u200b\u2060": "", "\u202eUnknown": "", "Unknown\u00a0Caller": "", "\u3000": "", "N/A\n": "", "+1 415 555 1200": "", "{\u200b{NAME}}": "",
		"{{NAME}}": "", "<<NAME>>": "",
		strings.Repeat("é", 150): strings.Repeat("é", 150),
	} {
		record := &recognize.Record{Contact: &recognize.Contact{ID: "c1", Name: name}}
		d := decide(t, book{alexNumber: record}, callFrom(alexNumber))
		greeting := "Hello, how can I help?"
		if want != "" {
			spoken := want
			if len([]rune(want)) > 100 {
				spoken = string([]rune(want)[:99]) + "…"
			}
			greeting = "Hello " + spoken + ", how can I help?"
		}
		if d.Caller.Name != want || d.Greeting != greeting || d.Caller.GreetedByName != (want != "") {
			t.Errorf("%.20q is told as %.20q and said in %.60q, want %.20q and %.60q", name, d.Caller.Name, d.Greeting, want, greeting)
		}
	}
}

func TestRule10_NothingOfAnEarlierCallerLeaks(t *testing.T) {
	t.Parallel()
	people := book{alexNumber: alex(), jamieNumber: jamie()}
	r := recognize.NewRecognizer(people, 1<<40)
	noTimes := cmpopts.IgnoreFields(recognize.Trace{}, "TookMicros")
	before := r.Decide(t.Context(), callFrom(stranger))
	if got := encoded(t, before.Caller); got != unknownJSON {
		t.Errorf("an unknown caller is told as %s", got)
	}
	if before.Greeting != "Hello, how can I help?" || before.ContactID != "" || len(before.Trace.Told) != 0 || before.Caller.Context() != "" {
		t.Errorf("an unknown caller: %+v, context %q", before, before.Caller.Context())
	}
	for _, known := range []string{alexNumber, jamieNumber} {
		d := r.Decide(t.Context(), callFrom(known))
		if !d.Caller.Known {
			t.Fatalf("%s is not known", known)
		}
		d.Caller.Tags = append(d.Caller.Tags, "left over")
		d.Caller.History = append(d.Caller.History, recognize.HistoryItem{Summary: "left over"})
		if diff := cmp.Diff(before, r.Decide(t.Context(), callFrom(stranger)), noTimes); diff != "" {
			t.Errorf("after %s (-before +after):\n%s", known, diff)
		}
	}
	// A campaign's person after a contact, who has more fields.
	fresh := decide(t, book{jamieNumber: jamie()}, callFrom(jamieNumber))
	r.Decide(t.Context(), callFrom(alexNumber))
	if diff := cmp.Diff(fresh.Caller, r.Decide(t.Context(), callFrom(jamieNumber)).Caller); diff != "" {
		t.Errorf("after a contact (-alone +after):\n%s", diff)
	}
	if diff := cmp.Diff(alex(), people[alexNumber]); diff != "" {
		t.Errorf("deciding changed the record, which is shared (-want +got):\n%s", diff)
	}
}

func TestRule11_HistoryEndedBeforeThisCallBegan(t *testing.T) {
	t.Parallel()
	at := func(sid string, ended int) recognize.Interaction {
		return recognize.Interaction{SID: sid, At: when(ended - 1), EndedAt: when(ended), Kind: "call", Direction: "inbound", Summary: sid}
	}
	exactly := at("exactly then", 0)
	moment := at("just before", 0)
	moment.EndedAt = moment.EndedAt.Add(-1)
	record := alex()
	record.History = []recognize.Interaction{at("later", 3), exactly, moment, at("CA1", -1), at("a", -2), at("b", -3), at("c", -4), at("d", -5), at("e", -6)}
	var told []string
	for _, h := range decide(t, book{alexNumber: record}, callFrom(alexNumber)).Caller.History {
		told = append(told, h.Summary)
	}
	if diff := cmp.Diff([]string{"just before", "a", "b", "c", "d"}, told); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

func TestRule12_AttestationAgainstTheAgentsThreshold(t *testing.T) {
	t.Parallel()
	const a, b, c, none, failed = 3, 2, 1, 0, -1
	levels := map[string]int{
		"TN-Validation-Passed-A": a, "TN-Validation-Passed-A-Diverted": a, "TN-Validation-Passed-A-Passthrough": a,
		"TN-Validation-Passed-B": b, "TN-Validation-Passed-B-Diverted": b,
		"TN-Validation-Passed-C": c, "TN-Validation-Passed-C-Diverted": c,
		"": none, "No-TN-Validation": none, "TN-Validation-Passed": none, "TN-Validation-Passed-": none, "TN-Validation-Passed-D": none,
		"TN-Validation-Passed-Almost": none, "tn-validation-passed-a": none, "A": none, "something new": none,
		"TN-Validation-Failed": failed, "TN-Validation-Failed-A": failed, "TN-Validation-Failed-B": failed, "TN-Validation-Failed-C": failed,
		"TN-Validation-Failed-A-Diverted": failed,
	}
	people := book{alexNumber: alex()}
	for verstat, level := range levels {
		for threshold, least := range map[string]int{"": none, "C": c, "B": b, "A": a} {
			call := callFrom(alexNumber)
			call.Attestation, call.Agent.MinAttestation = verstat, threshold
			d := decide(t, people, call)
			want := recognize.RuleContactName
			switch {
			case level == failed:
				want = recognize.RuleAttestationFailed
			case level < least:
				want = recognize.RuleAttestationBelow
			}
			trusted := want == recognize.RuleContactName
			if d.Trace.Rule != want || d.Trusted != trusted || d.Caller.Known != trusted || (d.ContactID != "") != trusted || len(d.Trace.Steps) > 0 != trusted {
				t.Errorf("%q with threshold %q: %s, trusted %v, known %v, contact %q, steps %v; want %s", verstat, threshold,
					d.Trace.Rule, d.Trusted, d.Caller.Known, d.ContactID, d.Trace.Steps, want)
			}
			if !trusted && (encoded(t, d.Caller) != unknownJSON || d.Greeting != "Hello, how can I help?") {
				t.Errorf("%q with threshold %q is served as %s, %q", verstat, threshold, encoded(t, d.Caller), d.Greeting)
			}
			if _, ok := recognize.NewRecognizer(people, 0).Late(t.Context(), call, false); ok != trusted {
				t.Errorf("%q with threshold %q is told late: %v", verstat, threshold, ok)
			}
			// An earlier verdict holds, whatever is known of the attestation now.
			for _, judged := range []bool{true, false} {
				call.Judged = &judged
				if d := decide(t, people, call); d.Trusted != judged || d.Caller.Known != judged {
					t.Errorf("%q with threshold %q, judged %v: trusted %v, known %v", verstat, threshold, judged, d.Trusted, d.Caller.Known)
				}
			}
		}
	}
}

func TestADecisionSurvivesItsEncoding(t *testing.T) {
	t.Parallel()
	for i, raw := range []string{alexNumber, jamieNumber, stranger, "anonymous"} {
		d := decide(t, book{alexNumber: alex(), jamieNumber: jamie()}, callFrom(raw))
		d.Answer = []byte(fmt.Sprint("<Response/>", i))
		var again recognize.Decision
		if err := json.Unmarshal([]byte(encoded(t, d)), &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, &again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-decided +read):\n%s", raw, diff)
		}
		if encoded(t, again.Caller) != encoded(t, d.Caller) {
			t.Errorf("%s is told as %s after a reconnect, before as %s", raw, encoded(t, again.Caller), encoded(t, d.Caller))
		}
	}
}

// What an agent is not to be told never leaves this package; the greeting still says the name.
func TestOnlyWhatMayBeToldIsTold(t *testing.T) {
	t.Parallel()
	has := map[org.Detail][]string{
		org.DetailName: {`"name":"Alex Chen"`}, org.DetailEmail: {"alex@acme.io"}, org.DetailTags: {"vip"}, org.DetailNotes: {"morning", "Wants a quote"},
		org.DetailCampaign: {"Spring sale", "June"}, org.DetailHistory: {"pricing"},
	}
	rapid.Check(t, func(rt *rapid.T) {
		call := callFrom(alexNumber)
		call.Agent.Tell = nil
		for _, d := range org.Details() {
			if rapid.Bool().Draw(rt, string(d)) {
				call.Agent.Tell = append(call.Agent.Tell, d)
			}
		}
		d := decide(t, book{alexNumber: alex()}, call)
		if d.Greeting != "Hello Alex Chen, how can I help?" || !d.Caller.GreetedByName || !d.Caller.Known || !strings.Contains(d.Trace.Why, "Alex Chen") {
			rt.Errorf("told %v, the caller is greeted %q: %s", call.Agent.Tell, d.Greeting, d.Trace.Why)
		}
		told := []string{}
		packet, err := json.Marshal(d.Caller)
		if err != nil {
			rt.Fatal(err)
		}
		text := string(packet) + d.Caller.Context()
		for _, detail := range org.Details() {
			allowed := call.Agent.Tells(detail)
			if allowed {
				told = append(told, string(detail))
			}
			for i, value := range has[detail] {
				// A campaign's notes are told where both notes and campaigns are.
				want := allowed && (detail != org.DetailNotes || i == 0 || call.Agent.Tells(org.DetailCampaign))
				if got := strings.Contains(text, value); got != want {
					rt.Errorf("told %v: %q in what the agent gets: %t\n%s", call.Agent.Tell, value, got, text)
				}
			}
		}
		if diff := cmp.Diff(told, d.Trace.Told); diff != "" {
			rt.Errorf("the trace (-told +says):\n%s", diff)
		}
	})
}

// Whoever does not want to be greeted by name is told of to the agent all the same.
func TestAContactWhoIsNotToBeGreetedByName(t *testing.T) {
	t.Parallel()
	record := alex()
	record.Contact.Unnamed = true
	d := decide(t, book{alexNumber: record}, callFrom(alexNumber))
	if d.Greeting != "Hello, how can I help?" || d.Caller.GreetedByName || d.Caller.Name != "Alex Chen" || d.Trace.Rule != recognize.RuleNotByName ||
		!strings.Contains(d.Trace.Why, "not to be greeted by name") {
		t.Errorf("decided %+v", d)
	}
	record.Contact.Name = "Unknown"
	record.Campaign = nil
	if d := decide(t, book{alexNumber: record}, callFrom(alexNumber)); d.Trace.Rule != recognize.RuleNoRealName {
		t.Errorf("of somebody without a name the rule is %s", d.Trace.Rule)
	}
}

func TestABlockedContact(t *testing.T) {
	t.Parallel()
	record := alex()
	record.Contact.Blocked = true
	d := decide(t, book{alexNumber: record}, callFrom(alexNumber))
	if !d.Blocked || d.Caller.Known || d.ContactID != "c1" || d.Trace.Rule != recognize.RuleBlocked || len(d.Trace.Told) != 0 || encoded(t, d.Caller) != unknownJSON {
		t.Errorf("decided %+v", d)
	}
	// A number that failed verification may be anybody's.
	call := callFrom(alexNumber)
	call.Attestation = "TN-Validation-Failed-A"
	if d := decide(t, book{alexNumber: record}, call); d.Blocked {
		t.Error("whoever forges the number of a blocked contact is blocked")
	}
}

// A name that is kept as in a directory is said as people say it.
func TestNamesAreSaidAsPeopleSayThem(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Chen, Alex": "Hello Alex Chen!", "Alex Chen, PhD": "Hello Alex Chen!", "Acme, Inc.": "Hello Acme!", "Alex Chen, Sales": "Hello Alex Chen!",
		"van der Berg, Jan": "Hello Jan van der Berg!", "Chen,": "Hello Chen!", ", Alex": "Hello , Alex!", "Alex Chen": "Hello Alex Chen!",
	} {
		call := callFrom(alexNumber)
		agent := *call.Agent
		agent.Greeting, agent.UnknownGreeting = "Hello {{NAME}}!", ""
		call.Agent = &agent
		d := decide(t, book{alexNumber: {Contact: &recognize.Contact{ID: "c1", Name: name}}}, call)
		if d.Greeting != want || d.Caller.Name != name && want != "Hello , Alex!" {
			t.Errorf("%q hears %q, and the agent is told %q", name, d.Greeting, d.Caller.Name)
		}
	}
}
