package audit_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/audit"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
)

// desk is a log with an organisation.
type desk struct {
	*audit.Log
	t    *testing.T
	pool *pgxpool.Pool
	org  org.Org
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	pool := pgtest.New(t)
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	return &desk{audit.NewLog(pool), t, pool, o}
}

func (d *desk) record(e audit.Entry) {
	d.t.Helper()
	e.OrgID = d.org.ID
	if err := d.Record(d.t.Context(), e); err != nil {
		d.t.Fatal(err)
	}
}

// labels are those of a query's page.
func (d *desk) labels(q audit.Query) (labels []string, next *string) {
	d.t.Helper()
	page, err := d.List(d.t.Context(), d.org.ID, q)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, e := range page.Entries {
		labels = append(labels, e.Label)
	}
	return labels, page.NextCursor
}

func TestList(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 5 {
		actor := audit.Member("m1", "robin@example.com")
		if i%2 == 1 {
			actor = audit.Key("k1", "CRM")
		}
		d.record(audit.Entry{Actor: actor, Action: "contact.add", Subject: fmt.Sprintf("c%d", i/2), Label: fmt.Sprint(i), Details: map[string]any{"fields": []string{"name"}}})
	}
	first, next := d.labels(audit.Query{Limit: 3})
	if strings.Join(first, "") != "432" || next == nil {
		t.Fatalf("the first page is %v, %v", first, next)
	}
	if second, next := d.labels(audit.Query{Limit: 3, Cursor: *next}); strings.Join(second, "") != "10" || next != nil {
		t.Errorf("the second page is %v, %v", second, next)
	}
	if theirs, _ := d.labels(audit.Query{ActorID: "k1"}); strings.Join(theirs, "") != "31" {
		t.Errorf("a key's entries are %v", theirs)
	}
	if of, _ := d.labels(audit.Query{Subject: "c1"}); strings.Join(of, "") != "32" {
		t.Errorf("a row's entries are %v", of)
	}
	for _, q := range []audit.Query{{Limit: -1}, {Limit: audit.MaxPage + 1}, {Cursor: "x"}, {Cursor: "MjAyNiAx"}} {
		if _, err := d.List(t.Context(), d.org.ID, q); err == nil {
			t.Errorf("%+v is asked for", q)
		}
	}
	other, err := d.List(t.Context(), "00000000-0000-4000-8000-000000000000", audit.Query{})
	if err != nil || len(other.Entries) != 0 {
		t.Errorf("another organisation sees %v: %v", other.Entries, err)
	}
}

// Whatever somebody calls themselves, the entry is kept.
func TestOddTexts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.record(audit.Entry{Actor: audit.Key("k", strings.Repeat("é", 1000)), Action: "contact.add", Subject: strings.Repeat("x", 500), Label: "a\x00b\xff"})
	if labels, _ := d.labels(audit.Query{}); len(labels) != 1 || labels[0] != "ab?" {
		t.Errorf("kept %q", labels)
	}
}

// Of a contact who is gone, the log keeps that something was done.
func TestTheLogForgetsWhoIsGone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	book := contacts.NewBook(d.pool, contacts.NoFence{})
	c, err := book.Add(t.Context(), d.org, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	if err != nil {
		t.Fatal(err)
	}
	d.record(audit.Entry{Actor: audit.Operator(), Action: "contact.add", Subject: c.ID, Label: c.Name, Details: map[string]any{"x": "Alex"}})
	d.record(audit.Entry{Actor: audit.Operator(), Action: "contact.add", Subject: "another", Label: "Jamie"})
	if _, err := d.pool.Exec(t.Context(), `DELETE FROM contacts`); err != nil {
		t.Fatal(err)
	}
	page, err := d.List(t.Context(), d.org.ID, audit.Query{})
	if err != nil || len(page.Entries) != 2 || page.Entries[0].Label != "Jamie" || page.Entries[1].Label != "" || len(page.Entries[1].Details) != 0 {
		t.Errorf("the log has %+v: %v", page.Entries, err)
	}
}

func TestUpkeep(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.record(audit.Entry{Actor: audit.Operator(), Action: "old", Label: "old"})
	if _, err := d.pool.Exec(t.Context(), `UPDATE audit_log SET at = now() - interval '401 days'`); err != nil {
		t.Fatal(err)
	}
	d.record(audit.Entry{Actor: audit.Operator(), Action: "new", Label: "new"})
	if err := d.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if labels, _ := d.labels(audit.Query{}); strings.Join(labels, "") != "new" {
		t.Errorf("left are %v", labels)
	}
}
