package contacts

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// lockLimit returns the plan's limit, nil for none, and makes whoever adds to the organisation take
// turns until the transaction ends, so that what [withinLimit] counts is exact. Auto-fill, which only
// refers to the organisation, is left alone.
func lockLimit(ctx context.Context, tx pgx.Tx, id org.ID) (limit *int, err error) {
	err = tx.QueryRow(ctx, `SELECT contact_limit FROM orgs WHERE id = $1::text::uuid FOR NO KEY UPDATE`, id).Scan(&limit)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.NotFound("There is no organisation %s; `ringside org list` shows those there are.", id)
	}
	return limit, err
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

// countActive returns how many contacts count against the plan.
func countActive(ctx context.Context, tx pgx.Tx, id org.ID) (used int, err error) {
	err = tx.QueryRow(ctx, `SELECT count(*) FROM contacts WHERE org_id = $1::text::uuid AND archived_at IS NULL`, id).Scan(&used)
	return used, err
}

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
		SELECT o.contact_limit, (SELECT count(*) FROM contacts c WHERE c.org_id = o.id AND c.archived_at IS NULL)
		FROM orgs o WHERE o.id = $1::text::uuid`, id).Scan(&u.Limit, &u.Used)
	if err != nil {
		return Usage{}, fmt.Errorf("read usage: %w", err)
	}
	if u.Limit != nil {
		u.Over = max(0, u.Used-*u.Limit)
	}
	return u, nil
}
