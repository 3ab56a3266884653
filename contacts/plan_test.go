package contacts_test

import (
	"fmt"
	"strings"
	"testing"
)

// However little Postgres knows of the table, one phone is found by the index of phones: of an address
// book that was just filled nobody has gathered statistics.
func TestAPhoneIsFoundByItsIndexWithoutStatistics(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `ALTER TABLE contacts SET (autovacuum_enabled = false)`)
	s.mustExec(t, `INSERT INTO contacts (org_id, name, phone, other_phones) VALUES ($1::text::uuid, 'Alex', '+14155551200', '{+12025550133}')`, s.org.ID)
	for _, rows := range []int{2000, 20000} {
		s.mustExec(t, `INSERT INTO contacts (org_id, name, phone) SELECT $1::text::uuid, 'Person ' || n, '+1' || 4150000000 + $2::int + n FROM generate_series(1, $2::int) n`, s.org.ID, rows)
		for _, state := range []string{"IS NULL", "IS NOT NULL"} {
			plan := s.plan(t, fmt.Sprintf(`SELECT id FROM contacts WHERE org_id = '%s' AND phone = '+14150000007' AND archived_at %s`, s.org.ID, state))
			if !strings.Contains(plan, "(phone = '+14150000007'") || !strings.Contains(plan, "Index Cond") || strings.Contains(plan, "Filter") {
				t.Errorf("of %d contacts, archived_at %s, one is found by\n%s", rows, state, plan)
			}
		}
		plan := s.plan(t, fmt.Sprintf(`SELECT id FROM contacts WHERE ringside_other_numbers(org_id, other_phones) @> ARRAY['%s' || '+12025550133'] AND other_phones <> '{}' AND archived_at IS NULL`, s.org.ID))
		if !strings.Contains(plan, "contacts_other_phones") {
			t.Errorf("of %d contacts, one is found by another phone by\n%s", rows, plan)
		}
	}
}

// plan returns how Postgres would carry out a query.
func (s shelf) plan(t *testing.T, sql string) string {
	t.Helper()
	rows, err := s.pool.Query(t.Context(), "EXPLAIN (COSTS OFF) "+sql)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		plan.WriteString(line + "\n")
	}
	return plan.String()
}
