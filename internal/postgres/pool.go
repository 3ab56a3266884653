// Package postgres opens the database: the pool, the migrations, the listener that follows changes,
// and the private server that a Ringside without DATABASE_URL runs for itself.
//
// It holds no queries. Each package owns the SQL of the rows it fills.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// defaultMaxConns bounds the pool of one process. The private server takes 100 connections,
	// so a serve, its listener and several commands beside it fit.
	defaultMaxConns = 16
	// connectTimeout bounds one attempt to connect, name look-up and authentication included: four
	// round trips, which a server that answers each after two seconds must not fail at.
	connectTimeout = 10 * time.Second
	// pingTimeout bounds the question whether an idle connection still works.
	pingTimeout = 5 * time.Second
	// startupPatience is how long Open waits for a server that says that it is starting up.
	startupPatience = 10 * time.Second
	startupRetry    = 100 * time.Millisecond
)

// SQLSTATEs of a server that cannot be used, from the manual's appendix "PostgreSQL Error Codes".
const (
	codeCannotConnectNow   = "57P03" // starting up, recovering or shutting down
	codeTooManyConnections = "53300"
	codeInvalidPassword    = "28P01"
	codeInvalidDatabase    = "3D000"
)

// PoolOption changes a setting of the pool that [Open] makes.
type PoolOption func(*pgxpool.Config)

// WithMaxConns bounds the pool at n connections, whatever the URL says.
func WithMaxConns(n int) PoolOption {
	return func(c *pgxpool.Config) { c.MaxConns = int32(n) }
}

// Open returns a pool for the database that url names, after one successful connection.
//
// The pool holds at most 16 connections unless the URL has pool_max_conns; an attempt to connect
// is given up after 10 s unless it has connect_timeout. While the server says that it is starting up, Open
// tries again for 10 s. Its errors name the host and the database, never the password.
func Open(ctx context.Context, url string, opts ...PoolOption) (*pgxpool.Pool, error) {
	config, err := poolConfig(url, opts)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unreachable(config.ConnConfig, err)
	}
	if err := pingPatiently(ctx, pool); err != nil {
		pool.Close()
		return nil, unreachable(config.ConnConfig, err)
	}
	return pool, nil
}

// Beside returns a second pool on the database of the first, of at most so many connections. However many ask it, they take
// none of the first one's.
func Beside(ctx context.Context, pool *pgxpool.Pool, most int32) (*pgxpool.Pool, error) {
	config := pool.Config()
	config.MinConns, config.MinIdleConns, config.MaxConns = 0, 0, most
	beside, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, unreachable(config.ConnConfig, err)
	}
	return beside, nil
}

func poolConfig(url string, opts []PoolOption) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// pgx masks the passwords that it recognises; in a URL that it cannot read, it may not
		// recognise one. So nothing of the URL is repeated.
		return nil, errors.New("the database URL cannot be read: it looks like postgres://user:password@host:5432/database, " +
			"with characters such as @ : / # % in the password percent-encoded")
	}
	given, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("read the database URL's settings: %w", err)
	}
	if _, ok := given.RuntimeParams["pool_max_conns"]; !ok {
		config.MaxConns = defaultMaxConns
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = connectTimeout
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "ringside"
	}
	config.PingTimeout = pingTimeout
	for _, opt := range opts {
		opt(config)
	}
	return config, nil
}

func pingPatiently(ctx context.Context, pool *pgxpool.Pool) error {
	patience, cancel := context.WithTimeout(ctx, startupPatience)
	defer cancel()
	for {
		err := pool.Ping(ctx)
		if err == nil || !hasCode(err, codeCannotConnectNow) {
			return err
		}
		select {
		case <-patience.Done():
			return err
		case <-time.After(startupRetry):
		}
	}
}

func hasCode(err error, code string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == code
}

// unreachableError says in one line why a database could not be opened. pgx's own text, which
// repeats itself over several lines, stays reachable through Unwrap.
type unreachableError struct {
	server, database, reason string
	cause                    error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("cannot open the database %q at %s: %s", e.database, e.server, e.reason)
}

func (e *unreachableError) Unwrap() error { return e.cause }

func unreachable(config *pgx.ConnConfig, cause error) error {
	server := config.Host
	if !isSocketDir(config.Host) {
		server = net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port)))
	}
	return &unreachableError{server: server, database: config.Database, reason: reason(config, cause), cause: cause}
}

func reason(config *pgx.ConnConfig, cause error) string {
	if pgErr, ok := errors.AsType[*pgconn.PgError](cause); ok {
		switch pgErr.Code {
		case codeCannotConnectNow:
			return fmt.Sprintf("the server is not ready (%s); try again in a moment", pgErr.Message)
		case codeTooManyConnections:
			return "the server has no connection left; raise its max_connections or lower pool_max_conns in the URL"
		case codeInvalidPassword:
			return fmt.Sprintf("the server refuses the password of user %q", config.User)
		case codeInvalidDatabase:
			return "there is no such database; create it first"
		}
		return pgErr.Message
	}
	dnsErr, isDNS := errors.AsType[*net.DNSError](cause)
	switch {
	case errors.Is(cause, context.Canceled):
		return "interrupted"
	case isDNS && dnsErr.IsNotFound:
		return "there is no such host"
	case errors.Is(cause, syscall.ECONNREFUSED), errors.Is(cause, syscall.ENOENT):
		return "no server is listening there"
	case errors.Is(cause, context.DeadlineExceeded), isTimeout(cause):
		return fmt.Sprintf("no answer within %s", config.ConnectTimeout)
	}
	return innermost(cause).Error()
}

func isTimeout(err error) bool {
	netErr, ok := errors.AsType[net.Error](err)
	return ok && netErr.Timeout()
}

// innermost follows single wrapping, and the first of several errors, to the one that says what
// happened.
func innermost(err error) error {
	for {
		if several, ok := err.(interface{ Unwrap() []error }); ok && len(several.Unwrap()) > 0 {
			err = several.Unwrap()[0]
			continue
		}
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}

// isSocketDir reports whether a host names a directory of Unix sockets, as libpq tells them apart.
func isSocketDir(host string) bool {
	return len(host) > 0 && (host[0] == '/' || host[0] == '@')
}
