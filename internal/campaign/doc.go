// Package campaign calls the people of campaigns: at their pace, at hours that suit the callee, each until
// there is a result.
//
// All of its work is in Postgres, in small steps that are whole or not at all: a [Caller] takes somebody
// whose turn it is and hands the call to package outgoing in the same transaction, and gives them a result
// from what the ledger has of the call. So whoever is killed has called nobody twice and forgets nobody, and
// several programs may share the work. A queue of jobs beside it would know less: such a queue promises at
// least once, and a call must be placed at most once.
package campaign

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/problem"
)

// Store keeps how campaigns call, in Postgres.
type Store struct{ pool *pgxpool.Pool }

// NewStore returns the store on the given pool.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// within runs a change in a transaction. What it changes of people is no part of what is known of them as
// callers, so that no cache has to hear of it.
func (s *Store) within(ctx context.Context, change func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT set_config('ringside.fenced', 'on', true)`); err != nil {
			return err
		}
		return change(tx)
	})
}

// failed says what could not be done; problems stay what they are.
func failed(doing string, err error) error {
	if _, ok := errors.AsType[*problem.Error](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// notThere turns the absence of a campaign into a problem.
func notThere(err error, campaignID string) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "22P02" || errors.Is(err, pgx.ErrNoRows) {
		return problem.NotFound("There is no campaign %s.", campaignID)
	}
	return err
}
