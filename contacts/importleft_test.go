package contacts_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"ringside/contacts"
)

// many is a file of more rows than an import writes in one step.
func many(rows int) string {
	var text strings.Builder
	text.WriteString("name,phone\n")
	for i := range rows {
		fmt.Fprintf(&text, "Person %d,+1212%07d\n", i, 5550000+i)
	}
	return text.String()
}

// mustPlan plans the import of a file.
func (s shelf) mustPlan(t *testing.T, text string) contacts.ImportReport {
	t.Helper()
	plan, err := s.PlanImport(t.Context(), s.org, file(text))
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func (s shelf) stateOf(t *testing.T, importID string) contacts.ImportState {
	t.Helper()
	report, err := s.ImportReport(t.Context(), s.org.ID, importID)
	if err != nil {
		t.Fatal(err)
	}
	return report.State
}

// finishes has imports carried on that were left, and fails unless as many are finished.
func (s shelf) finishes(t *testing.T, want int, when string) {
	t.Helper()
	if finished, err := s.CarryOn(t.Context()); err != nil || finished != want {
		t.Errorf("%s: %d imports are finished, want %d: %v", when, finished, want, err)
	}
}

// An import in the background that its program could not finish is finished by another one, each row
// written once.
func TestImportsThatWereLeftAreCarriedOn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	plan := s.mustPlan(t, many(4500))
	s.finishes(t, 0, "planned only")

	// The program ends as soon as the first rows are in the book.
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := s.ApplyInBackground(ctx, s.org.ID, plan.ID)
		ended <- err
	}()
	for one[int](t, s, `SELECT applied_line FROM contact_imports`) == 0 {
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if state := s.stateOf(t, plan.ID); state != contacts.ImportRunning && state != contacts.ImportDone {
		t.Errorf("the import is %s", state)
	}
	if s.stateOf(t, plan.ID) == contacts.ImportRunning { // it was not quicker than its end
		s.finishes(t, 1, "left")
	}
	if state := s.stateOf(t, plan.ID); state != contacts.ImportDone {
		t.Errorf("the import is %s after it was carried on", state)
	}
	report, err := s.ImportReport(t.Context(), s.org.ID, plan.ID)
	if n := one[int](t, s, `SELECT count(*) FROM contacts`); err != nil || n != 4500 || report.Created != 4500 {
		t.Errorf("there are %d contacts, and the report says %d: %v", n, report.Created, err)
	}
	s.finishes(t, 0, "done")
}

func TestOnlyImportsThatWereLeftAreCarriedOn(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, set string
		want      int
	}{
		{"killed", `state = 'running', leased_until = now() - interval '1 second'`, 1},
		{"somebody works on it", `state = 'running', leased_until = now() + interval '1 minute'`, 0},
		{"about to begin", `state = 'running', leased_until = NULL`, 0},
		{"killed before it began", `state = 'running', leased_until = NULL, created_at = now() - interval '25 hours'`, 1},
		{"stopped by its client", `state = 'stopped', leased_until = NULL`, 0},
		{"done", `state = 'done', leased_until = now() - interval '1 minute'`, 0},
		{"too old to have its rows", `state = 'running', leased_until = now() - interval '1 day', created_at = now() - interval '31 days'`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			plan := s.mustPlan(t, example)
			s.mustExec(t, `UPDATE contact_imports SET report = report || '{"created": 0, "known": 0}', `+tt.set)
			s.finishes(t, tt.want, tt.name)
			if n := one[int](t, s, `SELECT count(*) FROM contacts`); n != 2*tt.want {
				t.Errorf("%d contacts were made, want %d", n, 2*tt.want)
			}
			if done := s.stateOf(t, plan.ID) == contacts.ImportDone; done != (tt.want == 1 || tt.name == "done") {
				t.Errorf("the import is %s", s.stateOf(t, plan.ID))
			}
		})
	}
}

// Two programs that look at the same moment do not both write.
func TestAnImportIsCarriedOnByOne(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustPlan(t, many(2500))
	s.mustExec(t, `UPDATE contact_imports SET state = 'running', leased_until = now(), report = report || '{"created": 0, "known": 0}'`)
	finished, errs := atOnce(3, func(int) (int, error) { return s.CarryOn(t.Context()) })
	sum := 0
	for i, n := range finished {
		if errs[i] != nil {
			t.Error(errs[i])
		}
		sum += n
	}
	if n := one[int](t, s, `SELECT (report->>'created')::int FROM contact_imports`); sum != 1 || n != 2500 {
		t.Errorf("%d have finished it, and %d contacts were made; want 1 and 2500", sum, n)
	}
}

// Rows that Postgres does not take stop an import: it is not tried again and again.
func TestAnImportThatCannotGoOnIsStopped(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	plan := s.mustPlan(t, example)
	s.mustExec(t, `UPDATE contact_import_rows SET name = repeat('x', 1000) WHERE line = 3`)
	s.mustExec(t, `UPDATE contact_imports SET state = 'running', leased_until = now(), report = report || '{"created": 0, "known": 0}'`)
	if finished, err := s.CarryOn(t.Context()); finished != 0 || err == nil {
		t.Errorf("%d imports are finished, %v", finished, err)
	}
	if state := s.stateOf(t, plan.ID); state != contacts.ImportStopped {
		t.Errorf("the import is %s", state)
	}
	s.finishes(t, 0, "stopped")
}
