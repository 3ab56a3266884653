package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/problem"
)

// FencedCommit is how long a fenced transaction may take. Package cache relies on it: a fence
// lives 5 s and refuses fills that began more than 2 s ago, so a commit within 3 s of its fence
// can never be overtaken by an old value. The margin covers a commit that is under way when the
// client gives up.
const FencedCommit = 2 * time.Second

// Fenced runs fn in a transaction whose changes concern cached callers. raise is called before the
// transaction begins and reports whether every sidecar sees that fence; if so the triggers need not
// announce the change. When it is unknown whether the transaction committed, or it took too long,
// the fence is raised again.
func Fenced(ctx context.Context, pool *pgxpool.Pool, raise func(context.Context) (shared bool), fn func(context.Context, pgx.Tx) error) error {
	began := time.Now()
	shared := raise(ctx)
	bounded, cancel := context.WithTimeout(ctx, FencedCommit)
	defer cancel()
	err := pgx.BeginFunc(bounded, pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(bounded, FencedSQL, OnOff(shared)); err != nil {
			return err
		}
		return fn(bounded, tx)
	})
	if _, refused := problem.From(err); err != nil && !refused || time.Since(began) > FencedCommit {
		raise(context.WithoutCancel(ctx))
	}
	return err
}

// FencedSQL marks the transaction it runs in: $1 is 'on' if the writer's fence is seen by every
// sidecar, so that the triggers stay silent.
const FencedSQL = `SELECT set_config('ringside.fenced', $1, true)`

// OnOff returns the text of a boolean setting of Postgres.
func OnOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
