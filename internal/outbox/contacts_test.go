package outbox_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
)

func TestContactsThatChange(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	book := contacts.NewBook(p.pool, contacts.NoFence{})
	add := func(name, number string) contacts.Contact {
		t.Helper()
		c, err := book.Add(t.Context(), p.org, contacts.Draft{Name: name, Phone: number})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	known := add("Alex", string(alex)) // while nobody listens
	c := p.join(t, "crm", fromBeginning)
	if told := p.all(t, c, 0); told != nil {
		t.Errorf("told %q, though nobody listened", told)
	}
	add("Jo", string(jo))
	p.exec(t, `UPDATE contacts SET notes = 'Has a dog' WHERE id = $1::text::uuid`, known.ID)
	p.exec(t, `UPDATE contacts SET last_contacted_at = now(), notes = notes`)
	p.exec(t, `UPDATE contacts SET archived_at = now() WHERE id = $1::text::uuid`, known.ID)
	p.exec(t, `UPDATE contacts SET archived_at = NULL WHERE id = $1::text::uuid`, known.ID)
	p.exec(t, `UPDATE contacts SET blocked_at = now() WHERE id = $1::text::uuid`, known.ID)
	p.exec(t, `UPDATE contacts SET archived_at = now(), merged_into = (SELECT id FROM contacts WHERE name = 'Jo') WHERE id = $1::text::uuid`, known.ID)
	p.exec(t, `DELETE FROM contacts WHERE id = $1::text::uuid`, known.ID)
	want := []string{"created", "updated", "archived", "restored", "updated", "merged", "deleted"}
	for i := range want {
		want[i] = "contact.changed " + want[i]
	}
	if diff := cmp.Diff(want, p.all(t, c, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	events, _, err := p.Next(t.Context(), c, 1, 1)
	if err != nil || events[0].ContactID != known.ID {
		t.Errorf("%+v, %v: want the contact %s", events, err, known.ID)
	}
}

func TestManyContactsAtOnce(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	c := p.join(t, "crm")
	insert := `INSERT INTO contacts (org_id, phone, name) SELECT $1::text::uuid, '+1415556' || lpad(n::text, 4, '0'), 'N' || n FROM generate_series($2::int, $3::int) n`
	p.exec(t, insert, p.org.ID, 1, 100)
	if told := p.all(t, c, 0); len(told) != 100 || told[99] != "contact.changed created" {
		t.Errorf("a hundred are told as %d: %.200q", len(told), told)
	}
	p.exec(t, insert, p.org.ID, 101, 201)
	p.exec(t, `UPDATE contacts SET tags = '{vip}'`)
	if diff := cmp.Diff([]string{"contacts.changed 101", "contacts.changed 201"}, p.all(t, c, 100)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An organisation that goes takes everything along, though its contacts change by it.
func TestAnOrganisationThatGoes(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	p.join(t, "crm")
	p.exec(t, `INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, $2, 'Alex')`, p.org.ID, alex)
	p.exec(t, `DELETE FROM orgs WHERE id = $1::text::uuid`, p.org.ID)
	var left int
	if err := p.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM runtime_events) + (SELECT count(*) FROM runtime_consumers) + (SELECT count(*) FROM runtime_streams)`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows are left, %v", left, err)
	}
}

// Nothing personal stays of whoever is erased, whether it has been read or not, and what is written late
// of them is not told. That the contact is gone is told, so that others can forget it, too.
func TestErasedPeopleAreNotTold(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	book := contacts.NewBook(p.pool, contacts.NoFence{})
	contact, err := book.Add(t.Context(), p.org, contacts.Draft{Name: "Alex Quark", Phone: string(alex)})
	if err != nil {
		t.Fatal(err)
	}
	c := p.join(t, "crm")
	started := func(sid, name, kind string) *ledger.Event {
		e := p.event(sid, name, kind, alex)
		e.Announce.Payload = json.RawMessage(`{"call_sid":"` + sid + `","from":"+14155551200","caller":{"name":"Alex Quark"}}`)
		return e
	}
	p.record(t, started("CA1", "voice", "call.started"), p.event("CA2", "voice", "call.started", jo))
	if told := p.all(t, c, 0); len(told) != 2 {
		t.Fatalf("told %q", told)
	}
	p.record(t, started("CA3", "voice", "call.started")) // not numbered yet
	if _, err := book.Erase(t.Context(), p.org.ID, ledger.Past{}, erasureKey, contact.ID); err != nil {
		t.Fatal(err)
	}
	p.record(t, started("CA1", "status:completed", "call.completed"), started("CA3", "status:completed", "call.completed"))
	late := started("CA4", "voice", "call.started")
	late.StartedAt = late.At.AddDate(0, 0, -1)
	p.record(t, late)
	var left string
	if err := p.pool.QueryRow(t.Context(), `SELECT string_agg(e::text, E'\n') FROM runtime_events e`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"Quark", "4155551200", "CA1", "CA3", "CA4"} {
		if strings.Contains(left, word) {
			t.Errorf("%q is left in:\n%s", word, left)
		}
	}
	if diff := cmp.Diff([]string{"call.started CA2", "contact.changed deleted"}, p.all(t, c, 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Calls that an organisation keeps for some days only are not told for longer.
func TestCallsThatAreNotKept(t *testing.T) {
	t.Parallel()
	p := newPost(t)
	days := 3
	if err := org.NewStore(p.pool).SetPrivacy(t.Context(), p.org.ID, org.Privacy{InteractionDays: &days}); err != nil {
		t.Fatal(err)
	}
	old := p.event("CA1", "voice", "call.started", alex)
	old.At = old.At.AddDate(0, 0, -4)
	p.record(t, old, p.event("CA2", "voice", "call.started", alex))
	if err := ledger.Upkeep(t.Context(), p.pool); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"call.started CA2"}, p.all(t, p.join(t, "crm", fromBeginning), 0)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
