// Package pgtest gives tests a real Postgres: a migrated database for each test ([New], [URL]), a
// server that a test may stop and kill ([Stoppable]), a data folder for a program that runs its
// own ([DataDir]).
//
// All test processes of one user and checkout share one private server, with fsync off. It starts
// with the first of them, outlives the last by a few seconds, and takes with it what tests that
// were killed have left. A test never skips for want of a server: it fails and says what to do.
package pgtest

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/postgres"
)

// cleanupLimit bounds each step of giving back what a test was given.
const cleanupLimit = 30 * time.Second

// New returns a pool on a fresh database with the current schema. The pool is closed and the
// database dropped when the test ends; the test must have returned its connections by then.
func New(tb testing.TB) *pgxpool.Pool {
	tb.Helper()
	pool, err := postgres.Open(tb.Context(), URL(tb))
	if err != nil {
		tb.Fatalf("open the test's database: %v", err)
	}
	tb.Cleanup(func() { closePool(tb, pool) })
	return pool
}

// URL returns the URL of a fresh database with the current schema, which is dropped when the test
// ends, whoever is connected to it.
func URL(tb testing.TB) string {
	tb.Helper()
	s := open(tb)
	return s.give(tb, s.template)
}

// EmptyURL is like URL, but no migration has touched the database.
func EmptyURL(tb testing.TB) string {
	tb.Helper()
	return open(tb).give(tb, "template1")
}

// give makes a copy of the template for the test and returns its URL.
func (s *server) give(tb testing.TB, template string) string {
	tb.Helper()
	name, err := s.clone(tb.Context(), template)
	if err != nil {
		tb.Fatalf("make a database for the test: %v", err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
		defer cancel()
		if err := s.drop(ctx, name); err != nil {
			tb.Errorf("drop the test's database: %v", err)
		}
	})
	url, err := s.url(name)
	if err != nil {
		tb.Fatalf("name the test's database: %v", err)
	}
	return url
}

func open(tb testing.TB) *server {
	tb.Helper()
	s, err := shared()
	if err != nil {
		tb.Fatalf("no Postgres for tests: %v", err)
	}
	return s
}

// closePool fails the test rather than wait for ever for a connection that it has not returned.
func closePool(tb testing.TB, pool *pgxpool.Pool) {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		pool.Close()
	}()
	select {
	case <-closed:
	case <-time.After(cleanupLimit):
		tb.Error("the test's pool cannot be closed: a connection, rows or a transaction was not given back")
	}
}

// Tenants returns a second pool on a test's database, as the program has one for what people and API keys
// ask for: see [postgres.Tenants].
func Tenants(tb testing.TB, pool *pgxpool.Pool, of func(context.Context) string) *pgxpool.Pool {
	tb.Helper()
	tenants, err := postgres.Tenants(tb.Context(), pool, of)
	if err != nil {
		tb.Fatalf("open a pool for tenants: %v", err)
	}
	tb.Cleanup(tenants.Close)
	return tenants
}
