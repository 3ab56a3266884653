package contacts_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/problem"
)

// example is the file of the manual.
const example = `name,phone,email,tags,notes
Alex Chen,+14155551200,alex@acme.io,"vip, returning",Prefers morning calls
Jamie Lee,(202) 555-0133,,,
`

func file(text string) contacts.ImportFile {
	return contacts.ImportFile{Name: "people.csv", Content: strings.NewReader(text)}
}

func (s shelf) mustImport(t *testing.T, text string) contacts.ImportReport {
	t.Helper()
	report, err := s.Import(t.Context(), s.org, file(text))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// counts are the figures of a report: rows, created, known, archived, repeated, invalid, left out.
func counts(r contacts.ImportReport) [7]int {
	return [7]int{r.Rows, r.Created, r.Known, r.Archived, r.Repeated, r.Invalid, r.LeftOut}
}

// dump is the whole book, but for ids and times.
func (s shelf) dump(t *testing.T) string {
	t.Helper()
	return one[string](t, s, `SELECT coalesce(string_agg(concat_ws('|', phone, name, email, tags, notes, name_source, source, archived_at IS NULL), E'\n' ORDER BY phone, name), '') FROM contacts`)
}

func TestRule6_TheExampleImportsAndImportsAgainWithoutChange(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	if got := counts(s.mustImport(t, example)); got != [7]int{2, 2, 0, 0, 0, 0, 0} {
		t.Errorf("the first time %v", got)
	}
	before := s.dump(t)
	if want := "+12025550133|Jamie Lee|{}||import|import|t\n+14155551200|Alex Chen|alex@acme.io|{vip,returning}|Prefers morning calls|import|import|t"; before != want {
		t.Errorf("the book is\n%s\nwant\n%s", before, want)
	}
	if got := counts(s.mustImport(t, example)); got != [7]int{2, 0, 2, 0, 0, 0, 0} {
		t.Errorf("the second time %v", got)
	}
	if after := s.dump(t); after != before {
		t.Errorf("the second time changed the book to\n%s", after)
	}
	if got := s.names(t, contacts.Query{Text: "chen", Tag: "vip", Source: contacts.SourceImport}); len(got) != 1 {
		t.Errorf("the search finds %q", got)
	}
}

func TestRule6_BadRowsAreReportedWithLineValueAndReason(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.ownNumber(t, "+12125550199")
	archived := s.mustAdd(t, contacts.Draft{Name: "Gone", Phone: "+13125550100"})
	if err := s.Archive(t.Context(), s.org.ID, archived.ID); err != nil {
		t.Fatal(err)
	}
	s.mustAdd(t, contacts.Draft{Name: "Here", Phone: "+13125550101"})
	report := s.mustImport(t, "Full Name;Mobile;E-mail;Shoe size\n"+
		"Alex Chen;415 555 1200;alex@acme.io;42\n"+
		";415 555 1201;;\n"+
		"Nobody;;;\n"+
		"Odd;12;;\n"+
		"Mail;415 555 1202;nobody;\n"+
		"Own;+1 212 555 0199;;\n"+
		"Twice;+14155551200;;\n"+
		"Here;+13125550101;;\n"+
		"Gone;+13125550100;;\n")
	if got := counts(report); got != [7]int{9, 1, 2, 1, 1, 5, 0} {
		t.Errorf("counted %v", got)
	}
	type wrong struct {
		line          int
		column, value string
	}
	var got []wrong
	for _, p := range report.Problems {
		got = append(got, wrong{p.Line, p.Column, p.Value})
		if len(p.Reason) < 10 {
			t.Errorf("line %d: the reason is %q", p.Line, p.Reason)
		}
	}
	want := []wrong{{3, "Full Name", ""}, {4, "Mobile", ""}, {5, "Mobile", "12"}, {6, "E-mail", "nobody"}, {7, "Mobile", "+1 212 555 0199"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(wrong{})); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	if len(report.UnknownColumns) != 1 || report.UnknownColumns[0] != "Shoe size" || report.Delimiter != ";" {
		t.Errorf("understood %+v", report)
	}
	if c, err := s.Get(t.Context(), s.org.ID, archived.ID); err != nil || c.ArchivedAt == nil {
		t.Errorf("the archived contact is %+v, %v", c, err)
	}

	// Mended, the rejected rows import.
	var rejected bytes.Buffer
	if err := s.WriteRejected(t.Context(), s.org.ID, report.ID, &rejected); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(rejected.String(), "\r\n"); lines != 6 || !strings.Contains(rejected.String(), "Full Name,Mobile,E-mail,Shoe size,Problem") {
		t.Errorf("rejected:\n%s", rejected.String())
	}
	mended := strings.NewReplacer("\r\n,", "\r\nSomebody,", ",12,", ",415 555 1203,", "Nobody,,", "Nobody,415 555 1204,", ",nobody,", ",nobody@acme.io,").Replace(rejected.String())
	if got := counts(s.mustImport(t, mended)); got != [7]int{5, 4, 0, 0, 0, 1, 0} {
		t.Errorf("mended %v:\n%s", got, mended)
	}
}

// A dry run writes nothing, and its plan does what it said or says what differs.
func TestAPlanIsCarriedOutAsItWasShown(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	plan, err := s.PlanImport(t.Context(), s.org, file(example))
	if err != nil {
		t.Fatal(err)
	}
	if got := counts(plan); got != [7]int{2, 2, 0, 0, 0, 0, 0} || plan.State != contacts.ImportPlanned || s.dump(t) != "" {
		t.Errorf("planned %v, %s; the book: %s", got, plan.State, s.dump(t))
	}
	if diff := cmp.Diff([]contacts.ImportRow{{2, "Alex Chen", "+14155551200"}, {3, "Jamie Lee", "+12025550133"}}, plan.First["created"]); diff != "" {
		t.Errorf("the first rows (-want +got):\n%s", diff)
	}
	s.mustAdd(t, contacts.Draft{Name: "J. Lee", Phone: "+12025550133"})
	_, err = s.ApplyImport(t.Context(), s.org, plan.ID, nil)
	if p := refused(t, err, problem.CodeConflict); !strings.Contains(p.Detail, "1 instead of 2 created, 1 instead of 0 known") {
		t.Errorf("the book has moved: %s", p.Detail)
	}
	if got := one[int](t, s, `SELECT count(*) FROM contacts`); got != 1 {
		t.Errorf("%d contacts after a plan that was refused", got)
	}
	done, err := s.ApplyImport(t.Context(), s.org, plan.ID, nil)
	if err != nil || counts(done) != [7]int{2, 1, 1, 0, 0, 0, 0} || done.State != contacts.ImportDone {
		t.Errorf("carried out %+v, %v", done, err)
	}
	_, err = s.ApplyImport(t.Context(), s.org, plan.ID, nil)
	refused(t, err, problem.CodeConflict)
	if kept, err := s.ImportReport(t.Context(), s.org.ID, plan.ID); err != nil || counts(kept) != counts(done) || kept.State != contacts.ImportDone {
		t.Errorf("kept %+v, %v", kept, err)
	}
	other := newOrg(t, s.pool, nil)
	_, err = s.ApplyImport(t.Context(), other, plan.ID, nil)
	refused(t, err, problem.CodeNotFound)
	_, err = s.UndoImport(t.Context(), other.ID, plan.ID)
	refused(t, err, problem.CodeNotFound)
	refused(t, s.WriteRejected(t.Context(), other.ID, plan.ID, &bytes.Buffer{}), problem.CodeNotFound)
	refused(t, s.WriteLeftOut(t.Context(), other.ID, plan.ID, &bytes.Buffer{}), problem.CodeNotFound)
}

// An import stops exactly at the limit, says how many it left out, and gives them back (rules 4 and 6).
func TestRule6_AnImportStopsAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `UPDATE orgs SET contact_limit = 3`)
	s.mustAdd(t, contacts.Draft{Name: "First", Phone: "+14155551000"})
	var text strings.Builder
	text.WriteString("name,phone\n")
	for i := range 5 {
		fmt.Fprintf(&text, "Person %d,+1415555100%d\n", i, i) // the first is known
	}
	report := s.mustImport(t, text.String())
	if got := counts(report); got != [7]int{5, 2, 1, 0, 0, 0, 2} {
		t.Errorf("counted %v", got)
	}
	if u, err := s.Usage(t.Context(), s.org.ID); err != nil || u.Used != 3 || u.Over != 0 {
		t.Errorf("usage %+v, %v", u, err)
	}
	var left bytes.Buffer
	if err := s.WriteLeftOut(t.Context(), s.org.ID, report.ID, &left); err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, `UPDATE orgs SET contact_limit = NULL`)
	if got := counts(s.mustImport(t, left.String())); got != [7]int{2, 2, 0, 0, 0, 0, 0} {
		t.Errorf("what was left out imports as %v:\n%s", got, left.String())
	}
}

// Many imports and adds at once never pass the limit, nor make a phone twice (rules 1 and 4).
func TestRule4_ImportsAtOnceStopAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const limit, writers = 40, 64 // more than there are connections
	s.mustExec(t, `UPDATE orgs SET contact_limit = $1`, limit)
	_, errs := atOnce(writers, func(w int) (int, error) {
		var text strings.Builder
		text.WriteString("name,phone\n")
		for i := range 20 {
			fmt.Fprintf(&text, "Person,+1415555%04d\n", 1000+(w*7+i)%80)
		}
		r, err := s.Import(t.Context(), s.org, file(text.String()))
		if err == nil && r.Created+r.Known+r.LeftOut != 20 {
			t.Errorf("rows are lost: %v", counts(r))
		}
		return 0, err
	})
	for _, err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	if got := one[int](t, s, `SELECT count(*) FROM contacts`); got != limit {
		t.Errorf("%d contacts, the limit is %d", got, limit)
	}
}

// Nobody carries out what somebody else is carrying out; who was killed lets go after a while.
func TestAnImportIsCarriedOutByOneAtATime(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	plan, err := s.PlanImport(t.Context(), s.org, file(example))
	if err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, `UPDATE contact_imports SET leased_until = now() + interval '1 minute'`)
	_, err = s.ApplyImport(t.Context(), s.org, plan.ID, nil)
	refused(t, err, problem.CodeConflict)
	_, err = s.UndoImport(t.Context(), s.org.ID, plan.ID)
	refused(t, err, problem.CodeConflict)
	s.mustExec(t, `UPDATE contact_imports SET leased_until = now() - interval '1 second'`)
	if done, err := s.ApplyImport(t.Context(), s.org, plan.ID, nil); err != nil || done.Created != 2 {
		t.Errorf("carried out %+v, %v", done, err)
	}
}

// Undone, only what nobody has touched since is taken back.
func TestUndo(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	own := s.mustAdd(t, contacts.Draft{Name: "Own", Phone: "+14155550100"})
	report := s.mustImport(t, "name,phone\nUntouched,+14155550101\nEdited,+14155550102\nCaller,+14155550103\nOwn,+14155550100\n")
	edited := one[string](t, s, `SELECT id::text FROM contacts WHERE name = 'Edited'`)
	if _, err := s.Change(t.Context(), s.org, edited, contacts.Change{Notes: ptr("A friend")}); err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, `UPDATE contacts SET last_contacted_at = now() WHERE name = 'Caller'`)
	u, err := s.UndoImport(t.Context(), s.org.ID, report.ID)
	if err != nil || u.Removed != 1 || u.KeptCount != 2 || len(u.Kept) != 2 || u.Kept[0].Name != "Caller" || u.Kept[1].Name != "Edited" {
		t.Errorf("undone %+v, %v", u, err)
	}
	if got := s.names(t, contacts.Query{}); strings.Join(got, " ") != "Caller Edited Own" {
		t.Errorf("the book has %q", got)
	}
	if _, err := s.Get(t.Context(), s.org.ID, own.ID); err != nil {
		t.Error(err)
	}
	plan, err := s.PlanImport(t.Context(), s.org, file(example))
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.UndoImport(t.Context(), s.org.ID, plan.ID)
	refused(t, err, problem.CodeConflict)
}

// Stopped, an import says where; continued, it ends as if it had not been stopped.
func TestAStoppedImportGoesOn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const people = 5000
	var text strings.Builder
	text.WriteString("name,phone\n")
	for i := range people {
		fmt.Fprintf(&text, "Person %d,+1415%07d\n", i, 5550000+i)
	}
	plan, err := s.PlanImport(t.Context(), s.org, file(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped, err := s.ApplyImport(ctx, s.org, plan.ID, func(p contacts.ImportProgress) {
		if p.Created > 0 {
			stop()
		}
	})
	if err != nil || stopped.State != contacts.ImportStopped || stopped.Created == 0 || stopped.Created == people || stopped.StoppedAt != stopped.Created+1 {
		t.Fatalf("stopped %+v, %v", stopped, err)
	}
	if got := one[int](t, s, `SELECT count(*) FROM contacts`); got != stopped.Created {
		t.Errorf("%d contacts, reported %d", got, stopped.Created)
	}
	done, err := s.ApplyImport(t.Context(), s.org, plan.ID, nil)
	if err != nil || counts(done) != [7]int{people, people, 0, 0, 0, 0, 0} || done.State != contacts.ImportDone {
		t.Errorf("continued %+v, %v", done, err)
	}
}

// What is wrong with the file as a whole is said before any row is kept.
func TestFilesThatCannotBeImported(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for name, f := range map[string]contacts.ImportFile{
		"empty":         file(""),
		"without phone": file("name,email\nAlex,alex@acme.io\n"),
		"too many rows": {Content: strings.NewReader(example), Options: sheet.Options{Limits: sheet.Limits{Rows: 1}}},
		"too large":     {Content: strings.NewReader(example), Options: sheet.Options{Limits: sheet.Limits{Bytes: 60}}},
	} {
		report, err := s.Import(t.Context(), s.org, f)
		if _, shown := problem.From(err); err == nil || !shown {
			t.Errorf("%s: %+v, %v", name, report, err)
		}
	}
	if n := one[int](t, s, `SELECT (SELECT count(*) FROM contact_imports) + (SELECT count(*) FROM contact_import_rows) + (SELECT count(*) FROM contacts)`); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// What is exported imports as it was.
func TestExportImports(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustAdd(t, contacts.Draft{Name: "=HYPERLINK(\"http://x\")", Phone: "+14155551200", Notes: "two\nlines, \"quoted\"", Tags: []string{"vip, gold", "@home"}})
	s.mustAdd(t, contacts.Draft{Name: "'t Hooft", Phone: "+31201234567", Email: "t@hooft.nl"})
	var out bytes.Buffer
	if err := s.Export(t.Context(), s.org.ID, contacts.Query{}, &out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), ",=") || strings.Contains(out.String(), "\n=") || strings.Contains(out.String(), ",+") {
		t.Errorf("a formula is exported:\n%s", out.String())
	}
	before := strings.ReplaceAll(s.dump(t), "person", "import")
	s.mustExec(t, `DELETE FROM contacts`)
	if got := counts(s.mustImport(t, out.String())); got != [7]int{2, 2, 0, 0, 0, 0, 0} {
		t.Errorf("imported %v", got)
	}
	if after := s.dump(t); after != before {
		t.Errorf("the book was\n%s\nand is\n%s", before, after)
	}
}
