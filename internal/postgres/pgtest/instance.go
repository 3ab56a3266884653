package pgtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"ringside/internal/postgres"
)

// DataDir returns the path of a data folder that does not exist yet, in a place that the server's user
// can reach also when the test runs as root. When the test ends, a server that still runs in it is
// stopped, and the folder removed.
func DataDir(tb testing.TB) string {
	tb.Helper()
	parent := filepath.Join(open(tb).dir, ownDirs)
	if err := os.Mkdir(parent, 0o711); err != nil && !errors.Is(err, os.ErrExist) {
		tb.Fatalf("make a place for data folders: %v", err)
	}
	own, err := os.MkdirTemp(parent, "")
	if err != nil {
		tb.Fatalf("make a place for a data folder: %v", err)
	}
	tb.Cleanup(func() {
		if err := removeOwnDir(own); err != nil {
			tb.Errorf("remove the test's data folder: %v", err)
		}
	})
	if err := os.Chmod(own, 0o711); err != nil {
		tb.Fatalf("let the server's user pass: %v", err)
	}
	return filepath.Join(own, "data")
}

// removeOwnDir removes a folder that DataDir made, once its server is stopped.
func removeOwnDir(own string) error {
	dataDir := filepath.Join(own, "data")
	if _, err := os.Stat(filepath.Join(dataDir, "postgres", "postmaster.pid")); err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
		defer cancel()
		server, err := postgres.StartPrivate(ctx, dataDir, slog.New(slog.DiscardHandler))
		if err != nil {
			return fmt.Errorf("take over the server in %s: %w", dataDir, err)
		}
		if err := server.Stop(ctx); err != nil {
			return err
		}
	}
	return os.RemoveAll(own)
}

// Instance is a server of one test's own. Its methods must be called on the test's goroutine: they
// fail the test when they cannot do what they say.
type Instance struct {
	tb      testing.TB
	dataDir string
	server  *postgres.Server
	url     string
	pid     int
}

// Stoppable returns a running server whose database has the current schema. It costs about a
// second more than [New].
func Stoppable(tb testing.TB) *Instance {
	tb.Helper()
	i := &Instance{tb: tb, dataDir: DataDir(tb)}
	i.Start()
	tb.Cleanup(i.Stop)
	pool, err := postgres.Open(tb.Context(), i.url)
	if err != nil {
		tb.Fatalf("open the database: %v", err)
	}
	defer pool.Close()
	if _, err := postgres.Migrate(tb.Context(), pool); err != nil {
		tb.Fatalf("migrate the database: %v", err)
	}
	return i
}

// URL returns the URL of the server's database. It stays the same through stops and starts.
func (i *Instance) URL() string { return i.url }

// Start starts the server if it is not running, recovering what a kill has left.
func (i *Instance) Start() {
	i.tb.Helper()
	if i.server != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	server, err := postgres.StartPrivate(ctx, i.dataDir, slog.New(slog.DiscardHandler), postgres.NoSync())
	if err != nil {
		i.tb.Fatalf("start the test's Postgres: %v", err)
	}
	i.server, i.url = server, server.URL("")
	if i.pid, err = postmasterPID(ctx, i.url); err != nil {
		i.tb.Fatalf("find the test's Postgres: %v", err)
	}
}

// Stop shuts the server down, cutting off whoever is connected, and returns when it is gone.
func (i *Instance) Stop() {
	i.tb.Helper()
	if i.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := i.server.Stop(ctx); err != nil {
		i.tb.Fatalf("stop the test's Postgres: %v", err)
	}
	i.server = nil
}

// Kill ends the server with SIGKILL, as a crash would.
func (i *Instance) Kill() {
	i.tb.Helper()
	if i.server == nil {
		return
	}
	if err := syscall.Kill(i.pid, syscall.SIGKILL); err != nil {
		i.tb.Fatalf("kill the test's Postgres: %v", err)
	}
	i.Stop() // gives up the locks; there is nothing left to shut down
}

// postmasterPID asks the server for its own process id.
func postmasterPID(ctx context.Context, url string) (pid int, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int`).Scan(&pid)
	return pid, err
}
