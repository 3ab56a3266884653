package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Interaction is one call or message as the ledger has it.
type Interaction struct {
	SID       string
	Status    string
	ContactID string // "" if it is nobody's
	StartedAt time.Time
	EndedAt   *time.Time // nil while it goes on
	Summary   string
}

// Find returns an interaction of the organisation, or a not-found problem.
func Find(ctx context.Context, pool *pgxpool.Pool, id org.ID, sid string) (Interaction, error) {
	i := Interaction{SID: sid}
	err := pool.QueryRow(ctx, `
		SELECT status, coalesce(contact_id::text, ''), started_at, ended_at, summary FROM interactions
		WHERE org_id = $1::text::uuid AND sid = $2`, id, sid).Scan(&i.Status, &i.ContactID, &i.StartedAt, &i.EndedAt, &i.Summary)
	if missing(err) {
		return Interaction{}, problem.NotFound("There is no call or message %q.", sid)
	}
	if err != nil {
		return Interaction{}, fmt.Errorf("read interaction: %w", err)
	}
	return i, nil
}

// missing reports whether there is no such row: none was found, or none can be, since the key is
// a text that Postgres cannot read (SQLSTATE 22P02, as an id) or hold (22021, at all).
func missing(err error) bool {
	if errors.Is(err, pgx.ErrNoRows) {
		return true
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "22P02" || pgErr.Code == "22021")
}
