package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	defaultDatabase = "ringside"
	statePoll       = 20 * time.Millisecond
	// silenceLimit is how long a server may run without accepting connections or saying why.
	silenceLimit = time.Minute
	// abandonLimit is how long a start that failed may take to stop what it has started.
	abandonLimit = 10 * time.Second
)

// ServerOption changes how [StartPrivate] runs a server that it has to start.
type ServerOption func(*serverSettings)

type serverSettings struct {
	noSync     bool
	systemHome string
}

// NoSync is for tests: the data survives a crash of any process, but not of the machine. It also
// allows more connections, for many tests at once.
func NoSync() ServerOption { return func(s *serverSettings) { s.noSync = true } }

// Server is one user of the private Postgres of a data folder.
//
// Several processes may use one data folder at once, a serve and the commands beside it. Each
// holds a share of users.lock for as long as it lives; the server is started by whoever needs it
// first and stopped by whoever leaves last, both under start.lock. A server that outlived its users,
// because the last was killed, is taken over by the next. It does not stop with the process that
// started it: others may be using it, and it must outlast that process's own shutdown.
type Server struct {
	cluster   *cluster
	socketDir string
	log       *slog.Logger
	start     *fileLock
	users     *fileLock
	stopOnce  sync.Once
	stopErr   error
}

// HasPrivate reports whether a data folder has a private Postgres.
func HasPrivate(dataDir string) bool {
	_, err := os.Stat(filepath.Join(dataDir, clusterName))
	return err == nil
}

// StartPrivate makes sure that the private Postgres of the data folder runs, with a database named
// ringside, and returns a user of it, who must call [Server.Stop]. The first time, it makes the
// data folder and the cluster (about a second). It waits while another process starts or stops the
// same server, and while the server recovers from a crash.
//
// The server listens on a Unix socket in a folder that only its user can enter, and on no port. As
// root it runs as postgres or nobody. It logs to postgres.log in the data folder.
func StartPrivate(ctx context.Context, dataDir string, log *slog.Logger, opts ...ServerOption) (*Server, error) {
	settings := serverSettings{systemHome: systemHome}
	for _, opt := range opts {
		opt(&settings)
	}
	dir, err := openDataDir(dataDir)
	if err != nil {
		return nil, err
	}
	s := &Server{log: log}
	if s.start, err = openLock(filepath.Join(dir, "start.lock")); err != nil {
		return nil, fmt.Errorf("the data folder %s cannot be used: %w", dir, err)
	}
	if s.users, err = openLock(filepath.Join(dir, "users.lock")); err != nil {
		return nil, errors.Join(err, s.start.release())
	}
	if err := s.join(ctx, dir, settings); err != nil {
		return nil, errors.Join(err, s.abandon(ctx))
	}
	return s, s.start.unlock()
}

// abandon gives up what a failed StartPrivate has got hold of.
func (s *Server) abandon(ctx context.Context) error {
	var err error
	if s.socketDir != "" {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonLimit)
		defer cancel()
		err = s.leave(stopping)
	}
	return errors.Join(err, s.users.release(), s.start.release())
}

// join runs under the start lock, which it takes; nobody else starts or stops the server meanwhile.
func (s *Server) join(ctx context.Context, dataDir string, settings serverSettings) error {
	if err := s.start.lockExclusively(ctx); err != nil {
		return err
	}
	if err := s.users.share(ctx); err != nil {
		return err
	}
	var err error
	if s.cluster, err = openCluster(ctx, dataDir, settings); err != nil {
		return err
	}
	running, err := s.takeOver(ctx)
	if err != nil {
		return err
	}
	if !running {
		if err := s.launch(ctx, filepath.Join(dataDir, logName), settings); err != nil {
			return err
		}
	}
	return s.ensureDatabase(ctx)
}

// URL returns the URL of a database on the server; "" stands for the one that StartPrivate makes.
func (s *Server) URL(database string) string {
	if database == "" {
		database = defaultDatabase
	}
	return socketURL(s.socketDir, database)
}

// Stop gives the server up. If nobody else uses it, Stop shuts it down and waits for that until
// ctx ends. Close every connection first: those that are left are cut off. Stop may be called
// again, and then does nothing.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		s.stopErr = errors.Join(s.leave(ctx), s.users.release(), s.start.release())
	})
	return s.stopErr
}

func (s *Server) leave(ctx context.Context) error {
	if err := s.start.lockExclusively(ctx); err != nil {
		return err
	}
	last, err := s.users.tryExclusively()
	if err != nil || !last {
		return err
	}
	postmaster, running, err := s.cluster.runningPostmaster()
	if err != nil || !running {
		return err
	}
	if err := s.cluster.stop(ctx, postmaster); err != nil {
		return err
	}
	if filepath.Dir(s.socketDir) != s.cluster.home {
		_ = os.Remove(s.socketDir) // in the folder for temporary files, where what stays is litter
	}
	s.log.Info("stopped the private Postgres", "folder", s.cluster.home)
	return nil
}

// takeOver joins a server that runs already and reports whether there is one. One that is on its
// way up or down is waited for.
func (s *Server) takeOver(ctx context.Context) (bool, error) {
	patience := time.Now().Add(silenceLimit)
	for {
		postmaster, running, err := s.cluster.runningPostmaster()
		if err != nil || !running {
			return false, err
		}
		if postmaster.socketDir != "" {
			switch s.probe(ctx, postmaster.socketDir) {
			case stateUp:
				s.socketDir = postmaster.socketDir
				return true, nil
			case stateBusy:
				patience = time.Now().Add(silenceLimit)
			}
		}
		if time.Now().After(patience) {
			return false, fmt.Errorf("the private Postgres in %s runs (process %d) but accepts no connection: "+
				"look at its log, and end that process if it hangs", s.cluster.home, postmaster.pid)
		}
		if err := pause(ctx); err != nil {
			return false, err
		}
	}
}

func (s *Server) ensureDatabase(ctx context.Context) (err error) {
	conn, err := pgx.Connect(ctx, socketURL(s.socketDir, "postgres"))
	if err != nil {
		return fmt.Errorf("connect to the private Postgres: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, defaultDatabase).Scan(&exists); err != nil {
		return fmt.Errorf("look for the database %s: %w", defaultDatabase, err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{defaultDatabase}.Sanitize()); err != nil {
		return fmt.Errorf("create the database %s: %w", defaultDatabase, err)
	}
	return nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("wait for the private Postgres: %w", ctx.Err())
	case <-time.After(statePoll):
		return nil
	}
}
