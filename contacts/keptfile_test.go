package contacts_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// keep keeps a file of the organisation.
func (s shelf) keep(t *testing.T, text string) contacts.KeptFile {
	t.Helper()
	f, err := s.KeepFile(t.Context(), s.org.ID, "people.csv", "", strings.NewReader(text), 100<<20)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// nothingKept fails if a file is kept, or a part of one.
func (s shelf) nothingKept(t *testing.T, when string) {
	t.Helper()
	if n := one[int](t, s, `SELECT (SELECT count(*) FROM import_files) + (SELECT count(*) FROM import_file_parts)`); n != 0 {
		t.Errorf("%s: %d files and parts are kept", when, n)
	}
}

// A kept file is tried with other columns as often as needed, and imported once.
func TestAKeptFileIsTriedAgainAndImported(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	f := s.keep(t, "Wer,Handy,Fax\nAlex Chen,+14155551200,1\n")
	_, err := s.PlanKept(t.Context(), s.org, f.ID, sheet.Options{})
	refused(t, err, problem.CodeInvalid)
	columns, err := s.KeptColumns(t.Context(), s.org.ID, f.ID, sheet.Options{})
	refused(t, err, problem.CodeInvalid)
	if len(columns) != 3 || columns[0].Name != "Wer" {
		t.Errorf("the columns are %+v", columns)
	}
	first, err := s.PlanKept(t.Context(), s.org, f.ID, sheet.Options{Columns: map[string]sheet.Field{"Wer": sheet.FieldName, "Handy": sheet.FieldPhone}})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.PlanKept(t.Context(), s.org, f.ID, sheet.Options{Columns: map[string]sheet.Field{"Wer": sheet.FieldName, "Handy": sheet.FieldPhone, "Fax": sheet.FieldNotes}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.ImportReport(t.Context(), s.org.ID, first.ID)
	refused(t, err, problem.CodeNotFound) // the second plan took its place
	if listed, err := s.Imports(t.Context(), s.org.ID, 10); err != nil || len(listed) != 1 || listed[0].ID != second.ID || listed[0].FileID != f.ID || listed[0].FileName != "people.csv" {
		t.Errorf("the imports are %+v: %v", listed, err)
	}
	if _, err := s.ApplyImport(t.Context(), s.org, second.ID, nil); err != nil {
		t.Fatal(err)
	}
	if notes := one[string](t, s, `SELECT notes FROM contacts`); notes != "1" {
		t.Errorf("the notes are %q", notes)
	}
	s.nothingKept(t, "imported")
	_, err = s.PlanKept(t.Context(), s.org, f.ID, sheet.Options{})
	refused(t, err, problem.CodeNotFound)
}

// A file is read as it came, however many parts it is kept in.
func TestALargeFileIsKeptInParts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const rows = 3000
	text := strings.ReplaceAll(many(rows), "name,phone\n", "name,notes,phone\n")
	text = strings.ReplaceAll(text, ",+1212", ","+strings.Repeat("ä", 500)+",+1212") // which falls across the ends of parts
	f := s.keep(t, text)
	if parts := one[int](t, s, `SELECT count(*) FROM import_file_parts`); parts != len(text)>>20+1 {
		t.Errorf("%d bytes are kept in %d parts", len(text), parts)
	}
	plan, err := s.PlanKept(t.Context(), s.org, f.ID, sheet.Options{})
	if err != nil || plan.Created != rows || plan.Invalid != 0 {
		t.Errorf("the plan is %+v: %v", counts(plan), err)
	}
	if whole := one[int](t, s, `SELECT count(*) FROM contact_import_rows WHERE notes = repeat('ä', 500)`); whole != rows {
		t.Errorf("the notes of %d rows are whole", whole)
	}
}

func TestFilesThatAreNotKept(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	broken := errors.New("the line broke")
	for _, tt := range []struct {
		name, campaign string
		content        io.Reader
		code           problem.Code // "": no problem of the file's
	}{
		{"too large", "", strings.NewReader(strings.Repeat("x", 3<<20)), problem.CodeTooLarge},
		{"broken off", "", io.MultiReader(strings.NewReader(strings.Repeat("x", 1<<20)), iotest.ErrReader(broken)), ""},
		{"no such campaign", "00000000-0000-0000-0000-000000000000", strings.NewReader(example), problem.CodeNotFound},
	} {
		_, err := s.KeepFile(t.Context(), s.org.ID, "people.csv", tt.campaign, tt.content, 2<<20)
		if tt.code != "" {
			refused(t, err, tt.code)
		} else if !errors.Is(err, broken) {
			t.Errorf("%s: %v", tt.name, err)
		}
		s.nothingKept(t, tt.name)
	}
	if _, err := s.KeepFile(t.Context(), s.org.ID, "people.csv", "", strings.NewReader(strings.Repeat("x", 2<<20)), 2<<20); err != nil {
		t.Errorf("a file of just the limit: %v", err)
	}
}

// Another organisation's file cannot be reached, nor one of yesterday; Upkeep removes the latter.
func TestWhoseAndHowOldAKeptFileIs(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	f := s.keep(t, example)
	elsewhere := newOrg(t, s.pool, nil)
	missing := func(id org.ID, fileID string) {
		t.Helper()
		_, err := s.KeptFile(t.Context(), id, fileID)
		refused(t, err, problem.CodeNotFound)
		_, err = s.KeptColumns(t.Context(), id, fileID, sheet.Options{})
		refused(t, err, problem.CodeNotFound)
		_, err = s.PlanKept(t.Context(), org.Org{ID: id, Country: "US"}, fileID, sheet.Options{})
		refused(t, err, problem.CodeNotFound)
	}
	missing(elsewhere.ID, f.ID)
	missing(s.org.ID, "nonsense")
	if got, err := s.KeptFile(t.Context(), s.org.ID, f.ID); err != nil || got.Name != "people.csv" {
		t.Errorf("it is %+v: %v", got, err)
	}
	if err := s.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := one[int](t, s, `SELECT count(*) FROM import_files`); n != 1 {
		t.Error("a file of today is removed")
	}
	s.mustExec(t, `UPDATE import_files SET created_at = now() - interval '25 hours'`)
	missing(s.org.ID, f.ID)
	if err := s.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.nothingKept(t, "a day later")
}
