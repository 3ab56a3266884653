package ledger_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
)

func TestRule03_WhatACallLeavesInTheAddressBook(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	long, lately := noon.AddDate(-1, 0, 0), noon.AddDate(0, 0, -3)
	type called struct {
		campaign, name string
		at             *time.Time
	}
	tests := []struct {
		name      string
		known     string // the name in the address book, if they are in it
		campaigns []called
		want      string // the name after the call
	}{
		{name: "a stranger is named by the number", want: string(alex)},
		{name: "somebody whom a campaign called has its name", campaigns: []called{{"Winter", "Maria Gomez", &lately}}, want: "Maria Gomez"},
		{name: "the later campaign counts", campaigns: []called{{"Spring", "M. Gomez", &long}, {"Winter", "Maria Gomez", &lately}}, want: "Maria Gomez"},
		{name: "of real names", campaigns: []called{{"Spring", "Maria Gomez", &long}, {"Winter", "customer", &lately}}, want: "Maria Gomez"},
		{name: "a campaign that has not called yet says nothing", campaigns: []called{{"Winter", "Maria Gomez", nil}}, want: string(alex)},
		{name: "a placeholder is no name", campaigns: []called{{"Winter", "Unknown Caller", &lately}}, want: string(alex)},
		{name: "nor is a number", campaigns: []called{{"Winter", "+1 415 555 1200", &lately}}, want: string(alex)},
		{name: "a real name stays", known: "Alex Chen", campaigns: []called{{"Winter", "Maria Gomez", &lately}}, want: "Alex Chen"},
		{name: "also against nothing better", known: "Alex Chen", want: "Alex Chen"},
		{name: "a person's placeholder is a person's edit", known: "Unknown", campaigns: []called{{"Winter", "Maria Gomez", &lately}}, want: "Unknown"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPlace(t, pool)
			if test.known != "" {
				p.addContact(t, alex, test.known)
			}
			for _, c := range test.campaigns {
				p.addCampaignPerson(t, c.campaign, alex, c.name, c.at)
			}
			p.apply(t, p.ended("CA1", 60))
			end := after(60)
			if diff := cmp.Diff([]person{{Phone: string(alex), Name: test.want, LastContacted: &end}}, p.rows(t).People); diff != "" {
				t.Errorf("(-want, +got):\n%s", diff)
			}
		})
	}
}

func TestRule03_ACallChangesNothingElseOfAContact(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	p.addContact(t, alex, "Alex Chen")
	exec(t, p.pool, `UPDATE contacts SET email = 'alex@acme.io', notes = 'Prefers mornings', tags = '{vip}'`)
	const all = `SELECT (to_jsonb(c) - 'last_contacted_at')::text FROM contacts c`
	before := one[string](t, p.pool, all)
	p.apply(t, p.ended("CA1", 60))
	if got := one[string](t, p.pool, all); got != before {
		t.Errorf("the contact was\n%s\nand is now\n%s", before, got)
	}
}

func TestRule03_WhatFillsItselfYieldsToAnyoneElse(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	p.apply(t, p.ended("CA1", 60))
	got := one[string](t, p.pool, `SELECT concat_ws(' ', name_source, email_source, tags_source, notes_source) FROM contacts`)
	if got != "auto auto auto auto" {
		t.Errorf("sources %q, want auto for each", got)
	}
	if wins := one[bool](t, p.pool, `SELECT ringside_wins('import', '2000-01-01', name_source, name_at) FROM contacts`); !wins {
		t.Error("an import does not replace the name that a call left")
	}
}

func TestRule03_LastContactedOnlyMovesForward(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	last := func() time.Time {
		return one[time.Time](t, p.pool, `SELECT last_contacted_at FROM contacts WHERE org_id = $1::text::uuid`, p.org.ID)
	}
	for _, step := range []struct {
		sid  string
		end  int
		want int
	}{{"CA1", 600, 600}, {"CA0", 60, 600}, {"CA2", 900, 900}, {"CA3", 899, 900}} {
		p.apply(t, p.ended(step.sid, step.end))
		if got := last(); !got.Equal(after(step.want)) {
			t.Errorf("after a call that ended at second %d, last contacted at %v, want second %d", step.end, got, step.want)
		}
	}
}

// Any end of an inbound call means that they called; of the calls that went out, only those that
// were answered and ended are contact.
func TestWhichEndOfACallIsContact(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	tests := []struct {
		status            string
		inbound, outbound bool
	}{
		{"completed", true, true},
		{"busy", true, false},
		{"no-answer", true, false},
		{"failed", true, false},
		{"canceled", true, false},
		{"in-progress", false, false},
		{"ringing", false, false},
		{"initiated", false, false},
		{"", false, false},
	}
	for _, test := range tests {
		for direction, want := range map[string]bool{"inbound": test.inbound, "outbound": test.outbound} {
			p := newPlace(t, pool)
			e := p.status("CA1", test.status, 60)
			e.Direction = direction
			p.apply(t, e)
			got := p.rows(t)
			if contacted := len(got.People) == 1; contacted != want {
				t.Errorf("%s %q: %d people in the address book, contact %t", direction, test.status, len(got.People), want)
			}
			if theirs := got.Interactions[0].Contact != ""; theirs != want {
				t.Errorf("%s %q: the call is %q's, contact %t", direction, test.status, got.Interactions[0].Contact, want)
			}
		}
	}
}

func TestRule04_TheLimitNeverStopsAutoFill(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	if *p.org.ContactLimit != 0 {
		t.Fatalf("the limit is %d, want 0", *p.org.ContactLimit)
	}
	other := p.ended("CA2", 60)
	other.Party = jo
	p.apply(t, p.ended("CA1", 60), other)
	if n := len(p.rows(t).People); n != 2 {
		t.Errorf("%d people, want both callers", n)
	}
}

func TestRule05_OwnNumbersNeverBecomeContacts(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p, other := newPlace(t, pool), newPlace(t, pool)
	_, err := org.NewStore(pool).WithKeys(seal.Plain).AddNumber(t.Context(), org.Number{OrgID: p.org.ID, Phone: line, AgentID: p.agent.ID,
		AccountSID: "AC00000000000000000000000000000001"}, "token")
	if err != nil {
		t.Fatal(err)
	}
	fromOwn := func(p place) *ledger.Event {
		e := p.ended("CA1", 60)
		e.From, e.Party = string(line), line
		return e
	}
	p.apply(t, fromOwn(p), fromOwn(other))
	got := p.rows(t)
	if len(got.People) != 0 {
		t.Errorf("the organisation's own number is a contact: %+v", got.People)
	}
	if len(got.Interactions) != 1 || got.Interactions[0].Contact != "" || got.Interactions[0].Status != "completed" {
		t.Errorf("the call is not kept as nobody's: %+v", got.Interactions)
	}
	// To anybody else it is a number like any other.
	if people := other.rows(t).People; len(people) != 1 {
		t.Errorf("in another organisation: %+v, want a contact", people)
	}
}

func TestRule05_CallersWithoutANumberAreKeptAsNobodys(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	addresses := []string{"+266696687", "anonymous", "client:alex", "sip:+14155551200@example.com", "12345", "ACME", ""}
	for _, from := range addresses {
		e := p.ended("CA "+from, 60)
		e.From, e.Party = from, phone.Classify(from).Number
		p.apply(t, e)
	}
	got := p.rows(t)
	if len(got.People) != 0 {
		t.Errorf("people without a number: %+v", got.People)
	}
	if len(got.Interactions) != len(addresses) {
		t.Errorf("%d calls are kept, want %d", len(got.Interactions), len(addresses))
	}
	for _, i := range got.Interactions {
		if i.SID != "CA "+i.From || i.Party != "" || i.Contact != "" || i.Status != "completed" {
			t.Errorf("from %q: %+v", i.From, i)
		}
	}
}
