package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/puddle/v2"
)

// FencedCommit is how long a fenced transaction may take. Package cache relies on it: a fence
// lives 5 s and refuses fills that began more than 2 s ago, so a commit within 3 s of its fence
// can never be overtaken by an old value.
const FencedCommit = 2 * time.Second

// settleEvery is how often a transaction of unknown outcome is asked after. Its fence is put up anew
// each time, so that a commit in between is within FencedCommit of one.
const settleEvery = 500 * time.Millisecond

// Acquire takes a connection of the pool on which a fenced transaction is to run, within FencedCommit. Where
// Postgres is away it fails before the fence goes up, which would take callers away who can be served as they
// were: nothing was committed.
func Acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, FencedCommit)
	defer cancel()
	return pool.Acquire(ctx)
}

// Fenced runs fn in a transaction whose changes concern cached callers. raise is called before the
// transaction begins and reports whether every sidecar sees that fence; if so the triggers need not
// announce the change. When the transaction took too long, or it is unknown whether it committed,
// the fence is raised again; a transaction that the server may commit yet, silently, is followed in
// the background until its outcome is known or pool is closed.
func Fenced(ctx context.Context, pool *pgxpool.Pool, raise func(context.Context) (shared bool), fn func(context.Context, pgx.Tx) error) error {
	conn, err := Acquire(ctx, pool)
	if err != nil {
		return err
	}
	defer conn.Release()
	began := time.Now()
	shared := raise(ctx)
	bounded, cancel := context.WithTimeout(ctx, FencedCommit)
	defer cancel()
	var xid string
	done := false // an error before is certainly no commit
	err = pgx.BeginFunc(bounded, conn, func(tx pgx.Tx) (err error) {
		if err := tx.QueryRow(bounded, fencedXIDSQL, OnOff(shared)).Scan(nil, &xid); err != nil {
			return err
		}
		err = fn(bounded, tx)
		done = err == nil
		return err
	})
	if done && (err != nil || time.Since(began) > FencedCommit) {
		raise(context.WithoutCancel(ctx))
	}
	if done && err != nil && shared {
		go settle(context.WithoutCancel(ctx), pool, xid, raise)
	}
	return err
}

// settle keeps a fence up until the transaction has ended, for one whose COMMIT was sent but not
// answered: it may hang on the server for longer than a fence lives, and then change what no
// announcement tells of.
func settle(ctx context.Context, pool *pgxpool.Pool, xid string, raise func(context.Context) bool) {
	for {
		over, err := hasEnded(ctx, pool, xid)
		if errors.Is(err, puddle.ErrClosedPool) {
			return
		}
		raise(ctx)
		if over {
			return
		}
		time.Sleep(settleEvery)
	}
}

// hasEnded reports whether a transaction is committed or aborted. While that cannot be asked, it is
// not known to be.
func hasEnded(ctx context.Context, pool *pgxpool.Pool, xid string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, settleEvery)
	defer cancel()
	var over bool
	// NULL: so long ago that Postgres has forgotten.
	err := pool.QueryRow(ctx, `SELECT coalesce(pg_xact_status($1::text::xid8), '') <> 'in progress'`, xid).Scan(&over)
	return err == nil && over, err
}

// fencedXIDSQL marks a transaction likewise whose end is the writer's to send, and names it.
const fencedXIDSQL = `SELECT set_config('ringside.fenced', $1, true), pg_current_xact_id()::text`

// FencedSQL marks the transaction it runs in: $1 is 'on' if the writer's fence is seen by every
// sidecar, so that the triggers stay silent.
//
// It is for transactions that are sent whole, with their end: Postgres carries on with those even if the
// writer has died, who then cannot put the fence up again. So each statement that follows may take 1.4 s,
// by Postgres' own clock: two of them are over before old values could be stored, 3 s after the fence.
const FencedSQL = `SELECT set_config('ringside.fenced', $1, true), set_config('statement_timeout', '1400', true), set_config('lock_timeout', '0', true)`

// OnOff returns the text of a boolean setting of Postgres.
func OnOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}
