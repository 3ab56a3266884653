package contacts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Bounds of a step of an import: short, so that people and callers who are added meanwhile do not
// wait, and that a stop takes effect at once.
const (
	importStep   = 2000 // rows
	importWithin = 30 * time.Second
)

// Import plans a file and carries the plan out at once. If ctx ends first, the import stops after a
// step: the report says where, and no error is returned.
func (b *Book) Import(ctx context.Context, o org.Org, f ImportFile) (ImportReport, error) {
	// Nobody looks at the plan: what the book says of it is not counted. Killed from now on, it is an
	// import that has begun.
	begin := func(ctx context.Context, _ org.ID, r *ImportReport) error {
		r.State = ImportRunning
		return b.saveImport(ctx, r)
	}
	plan, err := b.planImport(ctx, o, f, begin)
	if err != nil {
		return ImportReport{}, err
	}
	return b.ApplyImport(ctx, o, plan.ID, f.Progress)
}

// ApplyImport carries a plan out: exactly that, or, if the book has moved since, nothing: then a
// conflict problem says what differs, and the plan is brought up to date. An import that was stopped
// or killed is continued where it was.
func (b *Book) ApplyImport(ctx context.Context, o org.Org, importID string, tell func(ImportProgress)) (ImportReport, error) {
	return b.applyImport(ctx, o.ID, importID, tell, ImportStopped)
}

// applyImport carries a plan out. cut is the state in which the end of ctx leaves it: stopped, as
// somebody did not want it any longer, or running, for another program to carry on.
func (b *Book) applyImport(ctx context.Context, id org.ID, importID string, tell func(ImportProgress), cut ImportState) (report ImportReport, err error) {
	err = b.holdImport(ctx, id, importID, func(held ImportReport) error {
		report = held
		if report.State == ImportDone || report.State == ImportUndone || report.State == ImportReading {
			return problem.New(problem.CodeConflict, "The import %s is %s already.", importID, report.State)
		}
		if err := report.rowsKept(); err != nil {
			return err
		}
		if report.State == ImportPlanned {
			if err := b.sameAsPlanned(ctx, id, &report); err != nil {
				return err
			}
			report.Created, report.Known, report.Archived, report.LeftOut = 0, 0, 0, 0
		}
		report.First = nil
		lasting := context.WithoutCancel(ctx)
		if err := b.startImport(lasting, &report); err != nil {
			return err
		}
		return b.runImport(lasting, ctx.Done(), id, &report, tell, cut)
	})
	return report, failed("import contacts", err)
}

// holdImport runs fn with the report of an import that nobody else works on meanwhile.
func (b *Book) holdImport(ctx context.Context, id org.ID, importID string, fn func(ImportReport) error) (err error) {
	if _, err := b.ImportReport(ctx, id, importID); err != nil {
		return err
	}
	free, err := b.lease(ctx, importID, true)
	if err != nil {
		return err
	}
	if !free {
		return problem.New(problem.CodeConflict, "The import %s is being worked on just now. One that was killed is free again after a minute.", importID)
	}
	defer func() {
		_, releaseErr := b.pool.Exec(context.WithoutCancel(ctx), `UPDATE contact_imports SET leased_until = CASE WHEN state = 'running' THEN now() END WHERE id = $1::text::uuid`, importID)
		err = errors.Join(err, releaseErr)
	}()
	report, err := b.ImportReport(ctx, id, importID) // as it is now
	if err != nil {
		return err
	}
	return fn(report)
}

// lease keeps others from an import for a minute, twice as long as a step may take. It is no lock of a
// connection: many imports at once would hold all connections there are, and callers wait for one.
func (b *Book) lease(ctx context.Context, importID string, anew bool) (free bool, err error) {
	tag, err := b.pool.Exec(ctx, `
		UPDATE contact_imports SET leased_until = now() + interval '1 minute'
		WHERE id = $1::text::uuid AND (NOT $2 OR leased_until IS NULL OR leased_until < now())`, importID, anew)
	return err == nil && tag.RowsAffected() == 1, err
}

// ImportReport returns the report of an import.
func (b *Book) ImportReport(ctx context.Context, id org.ID, importID string) (ImportReport, error) {
	r, err := readImport(b.pool.QueryRow(ctx, `SELECT `+importColumns+` FROM contact_imports WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, importID))
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return ImportReport{}, problem.NotFound("There is no import %s.", importID)
	}
	return r, failed("read import", err)
}

// sameAsPlanned refuses a plan that the book has moved away from.
func (b *Book) sameAsPlanned(ctx context.Context, id org.ID, report *ImportReport) error {
	counts, err := b.countStaged(ctx, id, report)
	if err != nil {
		return err
	}
	now := *report
	now.apply(counts)
	var differs []string
	for _, d := range []struct {
		what      string
		plan, now int
	}{{"created", report.Created, now.Created}, {"known", report.Known, now.Known}, {"left out", report.LeftOut, now.LeftOut}} {
		if d.plan != d.now {
			differs = append(differs, fmt.Sprintf("%d instead of %d %s", d.now, d.plan, d.what))
		}
	}
	if len(differs) == 0 {
		return nil
	}
	if err := b.countPlan(ctx, id, &now); err != nil {
		return err
	}
	return problem.New(problem.CodeConflict, "The address book has changed since the plan was made: it would now be %s. Nothing was imported; look at the plan again.", strings.Join(differs, ", "))
}

// runImport writes the rows that are not yet written, step by step, until done is closed, which leaves
// the import in the state cut.
func (b *Book) runImport(ctx context.Context, done <-chan struct{}, id org.ID, report *ImportReport, tell func(ImportProgress), cut ImportState) error {
	p := newProgress(tell, false, report.Rows)
	line, written := report.StoppedAt, report.Invalid+report.Repeated
	for {
		select {
		case <-done:
			report.StoppedAt = line
			if cut == ImportRunning {
				return nil
			}
			return b.endImport(ctx, report, cut)
		default:
		}
		s, err := b.importStep(ctx, id, report, line)
		if err != nil {
			return fmt.Errorf("after line %d: %w", line, err)
		}
		if s.line == nil {
			break
		}
		line = *s.line
		report.Created += s.created
		report.Known += s.fresh - s.created - s.leftOut
		report.Archived += s.archived
		report.LeftOut += s.leftOut
		if err := b.analyze(ctx, report.into().table, written, written+s.fresh); err != nil {
			return err
		}
		written += s.fresh
		p.at(written, report.Created, written-report.Created)
	}
	p.last(report.Rows, report.Created, report.Rows-report.Created)
	report.StoppedAt = 0
	return b.endImport(ctx, report, ImportDone)
}

// analyze has Postgres look at the table anew when an import has gone from before to after rows, with
// the first step and each time that there are eight times as many: whoever has a plan for an empty
// book makes a new one, and does not look for callers by reading all of it until Postgres looks by
// itself, which is after a minute.
func (b *Book) analyze(ctx context.Context, table string, before, after int) error {
	for at := 1; at <= after; at *= 8 {
		if at > before && at >= importStep/8 {
			_, err := b.pool.Exec(ctx, `ANALYZE `+table)
			return err
		}
	}
	return nil
}

// step is what became of some rows.
type step struct {
	line                              *int // the last; nil: there was none left
	fresh, created, archived, leftOut int
}

// importStep writes the rows after a line, together with the note of how far it came, so that
// whoever is killed has written all of a step or nothing.
func (b *Book) importStep(ctx context.Context, id org.ID, report *ImportReport, after int) (s step, err error) {
	into := report.into()
	ctx, cancel := context.WithTimeout(ctx, importWithin)
	defer cancel()
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) error {
		var limit *int
		if into.limited {
			if limit, err = lockLimit(ctx, tx, id); err != nil {
				return err
			}
		}
		var room *int
		if limit != nil {
			used, err := countActive(ctx, tx, id)
			if err != nil {
				return err
			}
			left := max(0, *limit-used)
			room = &left
		}
		// A plan that was made for an empty book must not be kept for a full one: the statement is not
		// prepared. plan_cache_mode would have the checks of foreign keys planned for each row.
		return tx.QueryRow(ctx, into.step, pgx.QueryExecModeCacheDescribe, id, report.ID, after, importStep, room).Scan(&s.line, &s.fresh, &s.created, &s.archived, &s.leftOut)
	})
	return s, err
}

// saveImport keeps the report of an import that is not yet carried out.
func (b *Book) saveImport(ctx context.Context, report *ImportReport) error {
	_, err := b.pool.Exec(ctx, `UPDATE contact_imports SET state = $2, report = $3 WHERE id = $1::text::uuid`, report.ID, string(report.State), report)
	return err
}

// startImport notes that rows are written from now on. The report itself is left to the steps, and to
// whoever is erased meanwhile.
func (b *Book) startImport(ctx context.Context, report *ImportReport) error {
	_, err := b.pool.Exec(ctx, `
		UPDATE contact_imports SET state = 'running', report = report - 'first' ||
			CASE state WHEN 'planned' THEN '{"created": 0, "known": 0, "archived": 0, "left_out": 0}'::jsonb ELSE '{}' END
		WHERE id = $1::text::uuid`, report.ID)
	if err == nil && report.FileID != "" { // its rows are staged
		_, err = b.pool.Exec(ctx, `DELETE FROM import_files WHERE id = $1::text::uuid`, report.FileID)
	}
	report.State, report.FileID = ImportRunning, ""
	return err
}

// endImport notes how an import ended.
func (b *Book) endImport(ctx context.Context, report *ImportReport, state ImportState) error {
	_, err := b.pool.Exec(ctx, `UPDATE contact_imports SET state = $2, finished_at = now() WHERE id = $1::text::uuid`, report.ID, string(state))
	report.State = state
	return err
}
