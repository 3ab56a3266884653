package contacts_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ringside/contacts"
	"ringside/internal/ledger"
)

// However contacts come and go, and whoever changes them at the same time, the kept count is the number
// that there are, in every snapshot.
func TestTheKeptCountIsTheNumberOfActiveContacts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	other := newOrg(t, s.pool, nil)
	const exact = `SELECT coalesce(bool_and(counted = kept), true) FROM (
		SELECT (SELECT count(*) FROM contacts c WHERE c.org_id = o.id AND c.source = s AND archived_at IS NULL) AS counted,
			(SELECT coalesce(sum(active), 0) FROM contact_counts c WHERE c.org_id = o.id AND c.source = s) AS kept
		FROM orgs o, unnest('{person,capture,import,auto}'::text[]) s) t`
	number := func() string { return fmt.Sprintf("+1415555%04d", 1000+rand.IntN(60)) }
	somebody := func(state string) (id string) {
		_ = s.pool.QueryRow(t.Context(), `SELECT id::text FROM contacts WHERE org_id = $1::text::uuid AND archived_at `+state+` ORDER BY random() LIMIT 1`, s.org.ID).Scan(&id)
		return id // "" if there is nobody
	}
	sql := func(text string, args ...any) { _, _ = s.pool.Exec(t.Context(), text, args...) } // a conflict is as good a test
	steps := []func(){
		func() { _, _ = s.Add(t.Context(), s.org, contacts.Draft{Name: "Alex", Phone: number()}) },
		func() { _, _ = s.Add(t.Context(), other, contacts.Draft{Name: "Jo", Phone: number()}) },
		func() { _ = s.Archive(t.Context(), s.org.ID, somebody("IS NULL")) },
		func() { _, _ = s.Restore(t.Context(), s.org.ID, somebody("IS NOT NULL")) },
		func() {
			_, _ = s.Merge(t.Context(), s.org.ID, ledger.Past{}, somebody("IS NULL"), somebody("IS NULL"))
		},
		func() {
			_, _ = s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("name,phone\nSam," + number() + "\nSam," + number() + "\n")})
		},
		func() {
			_, _ = s.Erase(t.Context(), s.org.ID, ledger.Past{}, contacts.ErasureKey("secret"), somebody("IS NULL"))
		},
		func() {
			sql(`INSERT INTO contacts (org_id, name, phone) VALUES ($1::text::uuid, 'Robin', $2) ON CONFLICT DO NOTHING`, s.org.ID, number())
		},
		func() { sql(`UPDATE contacts SET archived_at = now() WHERE phone LIKE '%3' AND archived_at IS NULL`) },
		func() { sql(`UPDATE contacts SET org_id = $1::text::uuid WHERE phone LIKE '%7'`, other.ID) },
		func() { sql(`DELETE FROM contacts WHERE phone LIKE '%4'`) },
		func() { _ = s.Upkeep(t.Context()) },
		func() {
			sql(`WITH gone AS (DELETE FROM contact_counts RETURNING *) INSERT INTO contact_counts SELECT org_id, sum(active) FROM gone GROUP BY org_id`)
		},
	}
	_, errs := atOnce(8, func(int) (int, error) {
		for range 60 {
			steps[rand.IntN(len(steps))]()
			if !one[bool](t, s, exact) {
				return 0, fmt.Errorf("a snapshot has another number than is kept")
			}
		}
		return 0, nil
	})
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	sql(`TRUNCATE contacts CASCADE`)
	s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: number()})
	if usage, err := s.Usage(t.Context(), s.org.ID); err != nil || usage.Used != 1 || !one[bool](t, s, exact) {
		t.Errorf("after emptying the table: %+v, %v", usage, err)
	}
}

// Many changes leave many rows, which are put together without changing their sum.
func TestCountsArePutTogether(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `INSERT INTO contact_counts SELECT $1::text::uuid, 'auto', 1 FROM generate_series(1, 700)`, s.org.ID)
	s.mustExec(t, `INSERT INTO contact_counts SELECT gen_random_uuid(), 'auto', 1`) // an organisation that is gone
	s.mustExec(t, `UPDATE orgs SET contact_limit = 1000`)
	s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	if rows := one[int](t, s, `SELECT count(*) FROM contact_counts WHERE org_id = $1::text::uuid`, s.org.ID); rows != 2 { // one a source
		t.Errorf("an add with a limit leaves %d rows", rows)
	}
	s.mustExec(t, `INSERT INTO contact_counts SELECT $1::text::uuid, 'auto', 1 FROM generate_series(1, 700)`, s.org.ID)
	if err := s.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if rows := one[int](t, s, `SELECT count(*) FROM contact_counts`); rows != 2 {
		t.Errorf("upkeep leaves %d rows", rows)
	}
	if usage, err := s.Usage(t.Context(), s.org.ID); err != nil || usage.Used != 1401 {
		t.Errorf("the usage is %+v: %v", usage, err)
	}
}
