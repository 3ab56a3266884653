package recognize_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5/pgxpool"
	"pgregory.net/rapid"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/recognize"
)

// office is a database of its own, with one organisation in it.
type office struct {
	*recognize.Database
	pool *pgxpool.Pool
	org  org.ID
}

func newOffice(t *testing.T) office {
	t.Helper()
	pool := pgtest.New(t)
	o := office{Database: recognize.NewDatabase(pool), pool: pool}
	o.org = org.ID(o.insert(t, `INSERT INTO orgs (name, country) VALUES ('Acme', 'US') RETURNING id::text`))
	return o
}

// insert runs a statement that returns an id.
func (o office) insert(t interface {
	Helper()
	Fatalf(string, ...any)
	Context() context.Context
}, sql string, args ...any) (id string) {
	t.Helper()
	if err := o.pool.QueryRow(t.Context(), sql, args...).Scan(&id); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return id
}

func (o office) contact(t *testing.T, n phone.Number, name string) (id string) {
	t.Helper()
	return o.insert(t, `INSERT INTO contacts (org_id, phone, name, email, tags, notes) VALUES ($1::text::uuid, $2, $3, 'alex@acme.io', '{vip}', 'Likes tea') RETURNING id::text`,
		o.org, n, name)
}

func (o office) campaignPerson(t *testing.T, campaign string, n phone.Number, name string, calledAt *time.Time) {
	t.Helper()
	o.insert(t, `WITH c AS (INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, $2) ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name RETURNING id)
		INSERT INTO campaign_people (org_id, campaign_id, phone, name, notes, result, called_at)
		SELECT $1::text::uuid, id, $3, $4, 'Wants a quote', 'Call back', $5 FROM c RETURNING id::text`, o.org, campaign, n, name, calledAt)
}

// interaction is a call as the ledger keeps it. Its fields have the values of an ordinary call that
// ended, unless they are set.
type interaction struct {
	sid       string
	contact   string // id, or "" for nobody's
	party     phone.Number
	began     int // minutes
	endedAt   *time.Time
	summary   string
	details   string
	untrusted bool
	disowned  bool
}

func (o office) interaction(t *testing.T, i interaction) {
	t.Helper()
	if i.details == "" {
		i.details = "{}"
	}
	if i.party == "" {
		i.party = alexNumber
	}
	o.insert(t, `INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, contact_id, status, state_rank, started_at, ended_at,
			duration_s, summary, details, trusted, disowned)
		VALUES ($1::text::uuid, $2, 'call', 'inbound', $3::text, '+12125550199', $3, nullif($4, '')::uuid, 'completed', 9, $5, $6, 60, $7, $8::text::jsonb, $9, $10) RETURNING id::text`,
		o.org, i.sid, i.party, i.contact, when(i.began), i.endedAt, i.summary, i.details, !i.untrusted, i.disowned)
}

// summaries decides a call and returns what the agent is told of earlier ones.
func (o office) summaries(t *testing.T, n phone.Number) (told []string) {
	t.Helper()
	for _, h := range o.decide(t, n).Caller.History {
		told = append(told, h.Summary)
	}
	return told
}

func (o office) decide(t *testing.T, n phone.Number) *recognize.Decision {
	t.Helper()
	call := callFrom(n.String())
	call.Org.ID = o.org
	return decide(t, o, call)
}

func TestFindReadsEverythingInOneRoundTrip(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contact(t, alexNumber, "Alex Chen")
	o.campaignPerson(t, "Autumn", alexNumber, "A. Chen", new(when(-500)))
	o.campaignPerson(t, "Spring", alexNumber, "Alex", new(when(-100)))
	o.campaignPerson(t, "Next", alexNumber, "Alexander", nil)
	o.interaction(t, interaction{sid: "CA7", contact: id, began: -70, endedAt: new(when(-69)), summary: "Asked about pricing"})
	o.interaction(t, interaction{sid: "CA8", contact: id, began: -40, endedAt: new(when(-39)),
		details: `{"note:b": {"at": "2026-03-01T11:22:00Z", "note": "second"}, "note:z": {"at": "2026-03-01T11:21:00Z", "note": "first"}, "status": {"code": 1}}`})
	got, err := o.Find(t.Context(), o.org, alexNumber)
	if err != nil {
		t.Fatal(err)
	}
	want := recognize.Finding{
		Steps: []recognize.Step{{Tier: recognize.TierPostgres, Outcome: "hit"}},
		Record: &recognize.Record{
			Contact:  &recognize.Contact{ID: id, Name: "Alex Chen", Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Likes tea"},
			Campaign: &recognize.Campaign{Campaign: "Spring", Name: "Alex", Notes: "Wants a quote", Result: "Call back", CalledAt: when(-100)},
			History: []recognize.Interaction{
				{SID: "CA8", At: when(-40), EndedAt: when(-39), Kind: "call", Direction: "inbound", DurationS: 60, Summary: "first; second"},
				{SID: "CA7", At: when(-70), EndedAt: when(-69), Kind: "call", Direction: "inbound", DurationS: 60, Summary: "Asked about pricing"},
			},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(recognize.Step{}, "Micros"), cmpopts.EquateApproxTime(0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A number of a contact that was merged into another is that contact's, unless somebody has it as their
// phone; and no longer once the contact is archived.
func TestRule08_AnotherPhoneIsTheContactsToo(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contact(t, alexNumber, "Alex Chen")
	const work, elsewhere = phone.Number("+12025550133"), phone.Number("+12025550134")
	o.insert(t, `UPDATE contacts SET other_phones = ARRAY[$2::text] WHERE id = $1::text::uuid RETURNING id::text`, id, work)
	o.interaction(t, interaction{sid: "CB1", contact: id, endedAt: new(when(-10)), summary: "Asked about pricing"})
	if d := o.decide(t, work); d.Caller.Name != "Alex Chen" || len(d.Caller.History) != 1 {
		t.Errorf("from the other number: %+v", d.Caller)
	}
	if d := o.decide(t, elsewhere); d.Caller.Known {
		t.Errorf("from nobody's number: %+v", d.Caller)
	}
	jo := o.contact(t, work, "Jo")
	if d := o.decide(t, work); d.Caller.Name != "Jo" || len(d.Caller.History) != 0 {
		t.Errorf("whoever has it as their phone goes first: %+v", d.Caller)
	}
	for _, gone := range []string{jo, id} {
		o.insert(t, `UPDATE contacts SET archived_at = now() WHERE id = $1::text::uuid RETURNING id::text`, gone)
	}
	if d := o.decide(t, work); d.Caller.Known {
		t.Errorf("of an archived contact: %+v", d.Caller)
	}
}

func TestFindOfAStrangerIsAFinding(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	got, err := o.Find(t.Context(), o.org, stranger)
	if err != nil || got.Record == nil || got.Record.Known() || got.Record.History != nil || got.Steps[0].Outcome != "miss" {
		t.Errorf("Find = %+v, %v; want an empty record and a miss", got, err)
	}
}

func TestFindThatCannotAskIsAnError(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	got, err := o.Find(gone, o.org, alexNumber)
	if err == nil || got.Record != nil || len(got.Steps) != 1 || got.Steps[0].Outcome != "failed" {
		t.Errorf("Find = %+v, %v; want an error and a step that failed", got, err)
	}
}

// lookalikes are numbers that end alike, or begin alike, or are each other's without a country.
var lookalikes = []phone.Number{
	"+14155551200", "+4155551200", "+444155551200", "+5551200", "+15551200", "+14155551201", "+1415555120", "+141555512000", "+24155551200", "+34155551200",
}

// Random address books of two organisations, with the same numbers and numbers alike. What is
// found is exactly what was put in for that organisation and that number.
func TestRule07_ExactMatchOnlyWithinOneOrganisation(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	type key struct {
		org org.ID
		n   phone.Number
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		var orgs []org.ID
		for range 2 {
			orgs = append(orgs, org.ID(o.insert(t, `INSERT INTO orgs (name, country) VALUES ('Acme', 'US') RETURNING id::text`)))
		}
		contacts, called := map[key]string{}, map[key]string{}
		for i := range rapid.IntRange(0, 12).Draw(rt, "rows") {
			k := key{rapid.SampledFrom(orgs).Draw(rt, "org"), rapid.SampledFrom(lookalikes).Draw(rt, "number")}
			name := fmt.Sprintf("Person %d of round %d", i, round)
			what := office{o.Database, o.pool, k.org}
			switch rapid.SampledFrom([]string{"contact", "archived", "called", "not called"}).Draw(rt, "what") {
			case "contact":
				if contacts[k] == "" {
					contacts[k] = name
					what.contact(t, k.n, name)
				}
			case "archived":
				what.insert(t, `INSERT INTO contacts (org_id, phone, name, archived_at) VALUES ($1::text::uuid, $2, $3, now()) RETURNING id::text`, k.org, k.n, name)
			case "called":
				called[k] = name
				what.campaignPerson(t, name, k.n, name, new(when(-1000+i)))
			case "not called":
				what.campaignPerson(t, name, k.n, name, nil)
			}
		}
		for _, id := range orgs {
			for _, n := range lookalikes {
				k := key{id, n}
				d := (office{o.Database, o.pool, id}).decide(t, n)
				name, source := contacts[k], "contact"
				if name == "" {
					name, source = called[k], "campaign"
				}
				if name == "" {
					source = ""
				}
				campaign := ""
				if d.Caller.Campaign != nil {
					campaign = d.Caller.Campaign.Name
				}
				if d.Caller.Name != name || d.Caller.Source != source || d.Caller.Known != (name != "") || campaign != called[k] {
					rt.Fatalf("%s is %q from %q, campaign %q; want %q from %q, campaign %q", string(n), d.Caller.Name, d.Caller.Source, campaign, name, source, called[k])
				}
			}
		}
	})
}

func TestRule08_OnlyWhomACampaignHasCalledIsKnown(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.campaignPerson(t, "Spring", jamieNumber, "Jamie Lee", nil)
	if d := o.decide(t, jamieNumber); d.Caller.Known {
		t.Errorf("known before the call: %+v", d.Caller)
	}
	o.campaignPerson(t, "Summer", jamieNumber, "Jamie Lee", new(when(-10)))
	o.campaignPerson(t, "Autumn", jamieNumber, "J. Lee", new(when(-20)))
	if d := o.decide(t, jamieNumber); d.Caller.Name != "Jamie Lee" || d.Caller.Campaign.Name != "Summer" || d.Caller.Source != "campaign" || d.ContactID != "" {
		t.Errorf("after it: %+v, campaign %+v; want that of the last call", d.Caller, d.Caller.Campaign)
	}
	id := o.contact(t, jamieNumber, "Jamie Leigh")
	if d := o.decide(t, jamieNumber); d.Caller.Name != "Jamie Leigh" || d.Caller.Source != "contact" || d.ContactID != id || d.Caller.Campaign == nil {
		t.Errorf("as a contact: %+v; want the contact, with the campaign", d.Caller)
	}
}

func TestRule11_HistoryIsThisContactsEndedAndTrustedCalls(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contact(t, alexNumber, "Alex Chen")
	other := office{o.Database, o.pool, org.ID(o.insert(t, `INSERT INTO orgs (name, country) VALUES ('Other', 'US') RETURNING id::text`))}
	for i, call := range []interaction{
		{summary: "second", began: -20, endedAt: new(when(-19))},
		{summary: "third", began: -600, endedAt: new(when(-590))},
		{summary: "first", began: -30, endedAt: new(when(-1))}, // what ended last is first
		{summary: "still going on", began: -10},
		{summary: "ended as this call began", began: -10, endedAt: new(when(0))},
		{summary: "ended since", began: -10, endedAt: new(when(3))},
		{summary: "of a number that failed verification", began: -10, endedAt: new(when(-5)), untrusted: true},
		{summary: "of somebody else on this number", began: -10, endedAt: new(when(-5)), disowned: true},
		{summary: "before the contact was one", contact: "nobody", began: -700, endedAt: new(when(-699))},
	} {
		call.sid = fmt.Sprint("CB", i)
		if call.contact == "nobody" {
			call.contact = ""
		} else {
			call.contact = id
		}
		o.interaction(t, call)
	}
	o.interaction(t, interaction{sid: "CA1", contact: id, summary: "this call itself", began: -1, endedAt: new(when(-1))})
	other.interaction(t, interaction{sid: "CX1", contact: id, summary: "another organisation's", began: -10, endedAt: new(when(-5))})
	if diff := cmp.Diff([]string{"first", "second", "third"}, o.summaries(t, alexNumber)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// What ended since the call began must not push earlier calls out of what is read.
func TestRule11_LaterCallsDoNotHideEarlierOnes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	id := o.contact(t, alexNumber, "Alex Chen")
	var want []string
	for i := range 20 {
		if i < 5 {
			want = append(want, fmt.Sprint("earlier ", i))
		}
		o.interaction(t, interaction{sid: fmt.Sprint("CB", i), contact: id, summary: fmt.Sprint("earlier ", i), began: -60 - i, endedAt: new(when(-50 - i))})
	}
	for i := range 6 {
		o.interaction(t, interaction{sid: fmt.Sprint("CC", i), contact: id, summary: "later", began: -5, endedAt: new(when(1 + i))})
	}
	if diff := cmp.Diff(want, o.summaries(t, alexNumber)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// A number may get a new owner: what belongs to an archived contact is nobody else's.
func TestRule11_ANewContactSeesNothingOfAnArchivedOne(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := o.contact(t, alexNumber, "Alex Chen")
	o.interaction(t, interaction{sid: "CB1", contact: first, summary: "private", began: -100, endedAt: new(when(-99))})
	if diff := cmp.Diff([]string{"private"}, o.summaries(t, alexNumber)); diff != "" {
		t.Fatalf("before (-want +got):\n%s", diff)
	}
	if _, err := o.pool.Exec(t.Context(), `UPDATE contacts SET archived_at = now()`); err != nil {
		t.Fatal(err)
	}
	if d := o.decide(t, alexNumber); encoded(t, d.Caller) != unknownJSON {
		t.Errorf("archived, and told as %s", encoded(t, d.Caller))
	}
	o.campaignPerson(t, "Spring", alexNumber, "Sam Roe", new(when(-50)))
	if told := o.summaries(t, alexNumber); told != nil {
		t.Errorf("a campaign's person is told as having called about %q", told)
	}
	second := o.contact(t, alexNumber, "Sam Roe")
	if told := o.summaries(t, alexNumber); told != nil {
		t.Errorf("the new contact is told as having called about %q", told)
	}
	o.interaction(t, interaction{sid: "CB2", contact: second, summary: "their own", began: -20, endedAt: new(when(-19))})
	if diff := cmp.Diff([]string{"their own"}, o.summaries(t, alexNumber)); diff != "" {
		t.Errorf("the new contact's history (-want +got):\n%s", diff)
	}
}

func TestRule11_TheHistoryOfSomebodyKnownFromACampaignIsTheNumbers(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	other := office{o.Database, o.pool, org.ID(o.insert(t, `INSERT INTO orgs (name, country) VALUES ('Other', 'US') RETURNING id::text`))}
	o.campaignPerson(t, "Spring", jamieNumber, "Jamie Lee", new(when(-500)))
	o.interaction(t, interaction{sid: "CB1", party: jamieNumber, summary: "theirs", began: -100, endedAt: new(when(-99))})
	o.interaction(t, interaction{sid: "CB2", party: jamieNumber, summary: "not trusted", began: -90, endedAt: new(when(-89)), untrusted: true})
	o.interaction(t, interaction{sid: "CB3", party: jamieNumber, summary: "not theirs", began: -90, endedAt: new(when(-89)), disowned: true})
	o.interaction(t, interaction{sid: "CB4", party: "+442025550133", summary: "of a number alike", began: -90, endedAt: new(when(-89))})
	other.interaction(t, interaction{sid: "CB5", party: jamieNumber, summary: "another organisation's", began: -90, endedAt: new(when(-89))})
	if diff := cmp.Diff([]string{"theirs"}, o.summaries(t, jamieNumber)); diff != "" {
		t.Errorf("history (-want +got):\n%s", diff)
	}
}

// A real Postgres that does not answer: the call is answered while it still hangs, and the agent is
// told once it answers.
func TestTheBudgetHoldsWhilePostgresHangs(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.contact(t, alexNumber, "Alex Chen")
	tx, err := o.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), `LOCK TABLE contacts IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	call := callFrom(alexNumber)
	call.Org.ID = o.org
	r := recognize.NewRecognizer(o, 50*time.Millisecond)
	d := r.Decide(t.Context(), call) // would wait for the lock for ever
	if d.Trace.Rule != recognize.RuleOutOfTime || !d.OutOfTime || d.Caller.Known || len(d.Trace.Steps) != 1 || d.Trace.Steps[0].Outcome != "failed" {
		t.Errorf("with Postgres hanging: %+v", d.Trace)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if late, ok := r.Late(t.Context(), call, false); !ok || late.Caller.Name != "Alex Chen" {
		t.Errorf("told late: %v, %+v", ok, late)
	}
}
