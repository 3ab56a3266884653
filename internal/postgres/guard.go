package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// UnguardedError says why the database does not keep organisations apart, and what an administrator
// has to do. The program works without: its own queries name the organisation.
type UnguardedError struct{ Reason string }

// Error returns the reason as a sentence.
func (e *UnguardedError) Error() string {
	return "the database does not keep organisations apart (row-level security): " + e.Reason
}

// errNoTenant is a mistake in the program.
var errNoTenant = errors.New("the context names no organisation, and this pool is for what concerns one alone")

// guardLock is the advisory lock under which row-level security is set up ("ringguard" in ASCII, shortened).
const guardLock int64 = 0x72696e6767617264

// Guard sees to it that row-level security is in place and that [Tenants] can work, and sets up what is
// missing: a restored backup has no roles, and a new table no policy. Where this user may not, or a pooler
// is in the way, it returns an *[UnguardedError]. What is in place costs three queries and two connections.
func Guard(ctx context.Context, pool *pgxpool.Pool) error {
	reason, err := unguarded(ctx, pool)
	if err != nil || reason == "" {
		return err
	}
	err = pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, guardLock)
		if err == nil {
			_, err = tx.Exec(ctx, `SELECT ringside_guard()`)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("set up row-level security: %w", err)
	}
	return Guarded(ctx, pool)
}

// Guarded returns an *[UnguardedError] unless row-level security is in place. It changes nothing.
func Guarded(ctx context.Context, pool *pgxpool.Pool) error {
	reason, err := unguarded(ctx, pool)
	if err == nil && reason != "" {
		err = &UnguardedError{reason}
	}
	return err
}

func unguarded(ctx context.Context, pool *pgxpool.Pool) (reason string, err error) {
	if err := pool.QueryRow(ctx, `SELECT coalesce(ringside_unguarded(), '')`).Scan(&reason); err != nil {
		return "", fmt.Errorf("look for row-level security: %w", err)
	}
	if reason != "" {
		return reason, nil
	}
	shared, err := sharesSessions(ctx, pool)
	if shared {
		reason = "a pooler stands in front of Postgres that gives one session to several connections (transaction mode), and with it the role and organisation of another: " +
			"connect Ringside to Postgres itself, or to a pooler in session mode"
	}
	return reason, err
}

// sharesSessions reports whether two connections at once have the same session of Postgres, or one has several.
func sharesSessions(ctx context.Context, pool *pgxpool.Pool) (shared bool, err error) {
	one, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return false, unreachable(pool.Config().ConnConfig, err)
	}
	defer one.Close(context.WithoutCancel(ctx))
	other, err := pgx.ConnectConfig(ctx, pool.Config().ConnConfig)
	if err != nil {
		return false, unreachable(pool.Config().ConnConfig, err)
	}
	defer other.Close(context.WithoutCancel(ctx))
	var sessions [4]int
	for i := range sessions {
		if err := []*pgx.Conn{one, other}[i%2].QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&sessions[i]); err != nil {
			return false, fmt.Errorf("look for a pooler: %w", err)
		}
	}
	return sessions[0] == sessions[1] || sessions[0] != sessions[2] || sessions[1] != sessions[3], nil
}

// Tenants returns a second pool on the database of the first, for what people and API keys ask for. Its
// connections act as the role ringside_app, for the organisation that of finds in a context: rows of
// others do not exist for them. Whoever asks with a context without one gets an error: they would see nothing
// at all, and take it for the truth.
//
// The organisation is set when a connection is taken, for one statement or transaction, and only where it is
// another than the connection had last: with one organisation this costs nothing, else a round trip. The
// pool is half as large as the first.
func Tenants(ctx context.Context, pool *pgxpool.Pool, of func(context.Context) string) (*pgxpool.Pool, error) {
	config := pool.Config()
	config.MinConns, config.MinIdleConns = 0, 0
	config.MaxConns = max(2, config.MaxConns/2)
	afterConnect := config.AfterConnect
	config.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		if afterConnect != nil {
			if err := afterConnect(ctx, conn); err != nil {
				return err
			}
		}
		_, err := conn.Exec(ctx, `SET ROLE ringside_app`)
		return err
	}
	config.PrepareConn = func(ctx context.Context, conn *pgx.Conn) (bool, error) {
		const key = "ringside.org"
		wanted, held := of(ctx), conn.PgConn().CustomData()[key]
		if wanted == "" {
			return true, errNoTenant
		}
		if held == wanted {
			return true, nil
		}
		delete(conn.PgConn().CustomData(), key) // until it is known to be set
		if _, err := conn.Exec(ctx, `SELECT set_config('ringside.org', $1, false)`, wanted); err != nil {
			return false, err
		}
		conn.PgConn().CustomData()[key] = wanted
		return true, nil
	}
	tenants, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unreachable(config.ConnConfig, err)
	}
	return tenants, nil
}
