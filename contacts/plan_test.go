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
	for _, rows := range []int{2000, 20000} {
		s.mustExec(t, `INSERT INTO contacts (org_id, name, phone) SELECT $1::text::uuid, 'Person ' || n, '+1' || 4150000000 + $2::int + n FROM generate_series(1, $2::int) n`, s.org.ID, rows)
		for _, state := range []string{"IS NULL", "IS NOT NULL"} {
			plan := s.plan(t, fmt.Sprintf(`SELECT id FROM contacts WHERE org_id = '%s' AND phone = '+14150000007' AND archived_at %s`, s.org.ID, state))
			if !strings.Contains(plan, "(phone = '+14150000007'") || !strings.Contains(plan, "Index Cond") || strings.Contains(plan, "Filter") {
				t.Errorf("of %d contacts, archived_at %s, one is found by\n%s", rows, state, plan)
			}
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
