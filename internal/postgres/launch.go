package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	probeTimeout = 2 * time.Second
	// crashLimit is how long what a crashed server left in memory may keep a new one from starting.
	crashLimit = 10 * time.Second
	maxLogSize = 10 << 20
)

// launch starts the server and waits until it accepts connections.
func (s *Server) launch(ctx context.Context, logPath string, settings serverSettings) error {
	dir, err := s.cluster.socketDir()
	if err != nil {
		return err
	}
	s.socketDir = dir
	if err := s.cluster.forgetReusedPID(); err != nil {
		return err
	}
	log, err := openLog(logPath)
	if err != nil {
		return err
	}
	defer log.Close()
	for patience := time.Now().Add(crashLimit); ; {
		said, err := s.run(ctx, log, settings)
		if err == nil {
			s.log.Info("started the private Postgres", "folder", s.cluster.home, "version", s.cluster.programs.major)
			return nil
		}
		// The children of a server that was killed may take a moment to notice.
		if !strings.Contains(said, "is still in use") || time.Now().After(patience) {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// run starts the server once. If it gives up, what it said is returned beside the error.
func (s *Server) run(ctx context.Context, log *os.File, settings serverSettings) (said string, err error) {
	before, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return "", fmt.Errorf("find the end of the server's log: %w", err)
	}
	cmd := s.cluster.account.command(s.cluster.programs.path("postgres"), serverArgs(s.cluster.dir(), s.socketDir, settings)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("run postgres: %w", err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait() // what went wrong is in the log
	}()
	patience := time.Now().Add(silenceLimit)
	for {
		switch s.probe(ctx, s.socketDir) {
		case stateUp:
			return "", nil
		case stateBusy: // recovering from a crash takes as long as it takes
			patience = time.Now().Add(silenceLimit)
		}
		select {
		case <-exited:
			said := logSince(log, before)
			return said, fmt.Errorf("the private Postgres in %s did not start: %s", s.cluster.home, lastLines([]byte(said), 5))
		case <-ctx.Done():
			return "", errors.Join(fmt.Errorf("wait for the private Postgres to start: %w", ctx.Err()), cmd.Process.Signal(os.Interrupt))
		case <-time.After(statePoll):
		}
		if time.Now().After(patience) {
			return "", errors.Join(fmt.Errorf("the private Postgres in %s started but accepts no connection; its log is %s",
				s.cluster.home, log.Name()), cmd.Process.Signal(os.Interrupt))
		}
	}
}

func serverArgs(clusterDir, socketDir string, settings serverSettings) []string {
	args := []string{"-D", clusterDir, "-k", socketDir, "-p", strconv.Itoa(socketPort)}
	set := func(name, value string) { args = append(args, "-c", name+"="+value) }
	set("listen_addresses", "")
	set("unix_socket_permissions", "0700")
	set("cluster_name", "ringside")
	set("logging_collector", "off")
	set("log_destination", "stderr")
	// Details and statements of errors can hold phone numbers (design, rule 21).
	set("log_error_verbosity", "terse")
	set("log_min_error_statement", "panic")
	if settings.noSync {
		set("fsync", "off")
		set("full_page_writes", "off")
		set("max_connections", "400")
	} else {
		set("max_connections", "100")
	}
	return args
}

// openLog opens the server's log, emptied if it has grown large.
func openLog(path string) (*os.File, error) {
	log, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the server's log: %w", err)
	}
	info, err := log.Stat()
	if err == nil && info.Size() > maxLogSize {
		err = log.Truncate(0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("shorten the server's log: %w", err), log.Close())
	}
	return log, nil
}

func logSince(log *os.File, offset int64) string {
	said, err := io.ReadAll(io.NewSectionReader(log, offset, 64<<10))
	if err != nil {
		return "its log " + log.Name() + " says why"
	}
	return string(said)
}

type serverState int

const (
	stateSilent serverState = iota // nothing answers
	stateBusy                      // it answers that it is starting up or shutting down
	stateUp
)

func (s *Server) probe(ctx context.Context, socketDir string) serverState {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, socketURL(socketDir, "postgres"))
	switch {
	case err == nil:
		_ = conn.Close(ctx)
		return stateUp
	case hasCode(err, codeCannotConnectNow), hasCode(err, codeTooManyConnections):
		return stateBusy
	}
	return stateSilent
}
