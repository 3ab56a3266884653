package contacts_test

import (
	"io"
	"strings"
	"testing"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/problem"
)

// Rows of files are kept for a month, reports for good, and a file whose reading was killed for a day.
func TestUpkeepRemovesWhatIsKeptForAWhile(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	of := func(name string) contacts.ImportReport {
		t.Helper()
		report, err := s.Import(t.Context(), s.org, contacts.ImportFile{Name: name, Content: strings.NewReader("name,phone\nAlex,+14155551200\nNobody,12\n")})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	old, young := of("old.csv"), of("young.csv")
	s.mustExec(t, `UPDATE contact_imports SET created_at = created_at - interval '31 days', report = jsonb_set(report, '{created_at}', to_jsonb(created_at - interval '31 days')) WHERE id = $1::text::uuid`, old.ID)
	s.mustExec(t, `INSERT INTO contact_imports (org_id, created_at) SELECT $1::text::uuid, now() - age * interval '1 hour' FROM unnest('{1, 25}'::int[]) age`, s.org.ID)
	older, newer := s.pairOf(t, "+12025550133", "+12025550134")
	m := s.merge(t, older, newer)
	s.mustExec(t, `INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at) VALUES ($1::text::uuid, 'CA1', 'call', 'inbound', '', '', '', 0, now())`, s.org.ID)
	s.mustExec(t, `INSERT INTO moved_interactions SELECT $1::text::uuid, id FROM interactions`, m.ID)
	s.mustExec(t, `UPDATE contact_merges SET merged_at = now() - interval '31 days'`)

	for range 2 {
		if err := s.Upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if rows := one[string](t, s, `SELECT string_agg(DISTINCT i.file_name, ' ') FROM contact_import_rows JOIN contact_imports i ON i.id = import_id`); rows != "young.csv" {
		t.Errorf("rows of %q stay", rows)
	}
	if reading := one[int](t, s, `SELECT count(*) FROM contact_imports WHERE state = 'reading'`); reading != 1 {
		t.Errorf("%d files that are being read stay, want the one of an hour ago", reading)
	}
	if moved := one[int](t, s, `SELECT count(*) FROM moved_interactions`); moved != 0 {
		t.Errorf("%d moves of a merge that cannot be undone stay", moved)
	}
	if report, err := s.ImportReport(t.Context(), s.org.ID, old.ID); err != nil || report.Invalid != 1 {
		t.Errorf("the old report is %+v: %v", report, err)
	}
	refused(t, s.WriteRejected(t.Context(), s.org.ID, old.ID, io.Discard), problem.CodeNotFound)
	refused(t, s.WriteLeftOut(t.Context(), s.org.ID, old.ID, io.Discard), problem.CodeNotFound)
	if err := s.WriteRejected(t.Context(), s.org.ID, young.ID, io.Discard); err != nil {
		t.Error(err)
	}
	_, _, err := s.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, m.ID)
	refused(t, err, problem.CodeConflict)
}
