package contacts

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// lockLimit returns the plan's limit, nil for none. Where there is one, it makes whoever adds to the
// organisation take turns until the transaction ends, so that what [withinLimit] counts is exact.
// Auto-fill, which only refers to the organisation, is left alone.
func lockLimit(ctx context.Context, tx pgx.Tx, id org.ID) (limit *int, err error) {
	for _, lock := range []string{"", " FOR NO KEY UPDATE"} { // read again: it may change before the lock is had
		err = tx.QueryRow(ctx, `SELECT contact_limit FROM orgs WHERE id = $1::text::uuid`+lock, id).Scan(&limit)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil, problem.NotFound("There is no organisation %s; `ringside org list` shows those there are.", id)
		}
		if err != nil || limit == nil {
			return nil, err
		}
	}
	return limit, nil
}

// withinLimit refuses what this transaction has added if it goes beyond the limit (rule 4).
func withinLimit(ctx context.Context, tx pgx.Tx, id org.ID, limit *int) error {
	if limit == nil {
		return nil
	}
	used, err := countActive(ctx, tx, id)
	if err != nil {
		return err
	}
	if used > *limit {
		return problem.New(problem.CodeContactLimitReached, "The plan's limit of %d contacts is reached. Archive contacts you no longer need, or raise the limit; callers are still added by themselves.", *limit)
	}
	return nil
}

// activeSQL is how many contacts of organisation $1 count against the plan: exact, and kept by triggers.
const activeSQL = `(SELECT coalesce(sum(active), 0)::int FROM contact_counts WHERE org_id = $1::text::uuid)`

// countActive returns how many contacts count against the plan.
func countActive(ctx context.Context, tx pgx.Tx, id org.ID) (used int, err error) {
	var rows int
	err = tx.QueryRow(ctx, `SELECT coalesce(sum(active), 0), count(*) FROM contact_counts WHERE org_id = $1::text::uuid`, id).Scan(&used, &rows)
	if err == nil && rows > manyCounts {
		_, err = tx.Exec(ctx, putCountsTogetherSQL, manyCounts)
	}
	return used, err
}

// manyCounts is how many rows of contact_counts are put together before they take longer to sum up.
const manyCounts = 500

// putCountsTogetherSQL makes one row of those of each organisation that has more than $1. Rows that
// somebody else is putting together are left to them.
const putCountsTogetherSQL = `
	WITH gone AS (
		DELETE FROM contact_counts WHERE ctid IN (
			SELECT ctid FROM contact_counts WHERE org_id IN (SELECT org_id FROM contact_counts GROUP BY org_id HAVING count(*) > $1) FOR UPDATE SKIP LOCKED)
		RETURNING org_id, source, active
	)
	INSERT INTO contact_counts SELECT org_id, source, sum(active) FROM gone GROUP BY org_id, source HAVING sum(active) <> 0`

// Usage is how much of its plan an organisation uses.
type Usage struct {
	Used  int  `json:"used"`  // active contacts
	Limit *int `json:"limit"` // nil: none
	// Over are contacts beyond the limit: callers are added whatever the plan says.
	Over int `json:"over"`
}

// Usage returns the active contacts of an organisation beside its limit.
func (b *Book) Usage(ctx context.Context, id org.ID) (Usage, error) {
	var u Usage
	err := b.pool.QueryRow(ctx, `
		SELECT o.contact_limit, `+activeSQL+`
		FROM orgs o WHERE o.id = $1::text::uuid`, id).Scan(&u.Limit, &u.Used)
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	if u.Limit != nil {
		u.Over = max(0, u.Used-*u.Limit)
	}
	return u, nil
}
