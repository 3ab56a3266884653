package contacts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// LeftImport is an import that was begun and neither finished nor stopped, and that nobody works on:
// whoever did was killed, or ended.
type LeftImport struct {
	OrgID org.ID
	ID    string
}

// LeftImports returns imports that can be carried on with [Book.ApplyInBackground], the oldest first.
func (b *Book) LeftImports(ctx context.Context, most int) ([]LeftImport, error) {
	// One that was begun and has no lease is about to get it, unless that was long ago.
	rows, err := b.pool.Query(ctx, `
		SELECT org_id::text, id::text FROM contact_imports
		WHERE state = 'running' AND created_at > $1 AND coalesce(leased_until, created_at + $2::interval) < now() ORDER BY created_at, id LIMIT $3`,
		time.Now().Add(-ImportRowsKept), readingWithin, most)
	if err != nil {
		return nil, fmt.Errorf("look for imports that were left: %w", err)
	}
	left, err := pgx.CollectRows(rows, pgx.RowToStructByPos[LeftImport])
	if err != nil {
		return nil, fmt.Errorf("look for imports that were left: %w", err)
	}
	return left, nil
}

// ApplyInBackground is [Book.ApplyImport] for an import that nobody waits for: if ctx ends first, it is
// not stopped but left, and is found by [Book.LeftImports].
func (b *Book) ApplyInBackground(ctx context.Context, id org.ID, importID string) (ImportReport, error) {
	return b.applyImport(ctx, id, importID, nil, ImportRunning)
}

// CarryOn carries on imports that were left, one after another, until none is left or ctx ends. It
// returns how many it has finished. Several programs may do it at the same time.
func (b *Book) CarryOn(ctx context.Context) (finished int, err error) {
	left, err := b.LeftImports(ctx, leftAtOnce)
	if err != nil {
		return 0, err
	}
	var broken []error
	for _, i := range left {
		if ctx.Err() != nil {
			break
		}
		report, err := b.ApplyInBackground(ctx, i.OrgID, i.ID)
		if p, ok := errors.AsType[*problem.Error](err); ok && p.Code == problem.CodeConflict { // another program was quicker
			continue
		}
		if err != nil {
			broken = append(broken, fmt.Errorf("import %s: %w", i.ID, err))
			if isRefused(err) { // it would be again: people look at it, and continue it once that is mended
				broken = append(broken, b.endImport(context.WithoutCancel(ctx), &ImportReport{ID: i.ID}, ImportStopped))
			}
		} else if report.State == ImportDone {
			finished++
		}
	}
	return finished, errors.Join(broken...)
}

// leftAtOnce is how many imports are looked for at a time.
const leftAtOnce = 20

// isRefused reports whether Postgres does not take what it was given, however often it is asked
// (SQLSTATE classes 22, 23 and 54: bad data, constraints, limits).
func isRefused(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(pgErr.Code, "22") || strings.HasPrefix(pgErr.Code, "23") || strings.HasPrefix(pgErr.Code, "54"))
}
