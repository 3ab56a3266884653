package pgtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"ringside/internal/postgres"
)

// The keeper is a process that keeps the shared server running while there are tests, and ends
// with it. It is a test's own binary, started again with keeperVariable set, because a process that
// can be killed at any moment can promise no cleaning up.
const (
	keeperVariable = "RINGSIDE_PGTEST_KEEPER" // the shared folder
	answerURL      = "url "
	answerError    = "error "

	testsLock  = "tests.lock"  // shared by every test process
	keeperLock = "keeper.lock" // held by the one keeper
	ownDirs    = "own"         // data folders of single tests

	idleCheck = 250 * time.Millisecond
	// idleLimit spares the next package of the same `go test` a start of its own.
	idleLimit = 10 * time.Second
	stopLimit = time.Minute
)

func init() {
	if dir := os.Getenv(keeperVariable); dir != "" {
		os.Exit(keep(dir))
	}
}

// keep answers on standard output with one line and, if there is no keeper yet, becomes it.
func keep(dir string) (exitCode int) {
	os.Unsetenv(keeperVariable)
	log := slog.New(slog.DiscardHandler)
	starting, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	server, err := postgres.StartPrivate(starting, dir, log, postgres.NoSync())
	if err != nil {
		answer(answerError, advise(err))
		return 1
	}
	answer(answerURL, server.URL("postgres"))
	held, err := lockFile(dir, keeperLock, syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil {
		return 0 // somebody else keeps the server
	}
	defer held.Close()
	tests, err := awaitIdle(dir)
	if err != nil {
		return 1
	}
	defer tests.Close()
	sweepErr := sweepOwnDirs(dir)
	stopping, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if err := errors.Join(sweepErr, server.Stop(stopping)); err != nil {
		return 1
	}
	return 0
}

func answer(kind, text string) {
	fmt.Printf("%s%s\n", kind, strings.ReplaceAll(text, "\n", " "))
	os.Stdout.Close() // the test's process, or go test itself, may wait for the end of it
}

func advise(err error) string {
	if errors.Is(err, postgres.ErrNoServerPrograms) {
		return err.Error() + ". For tests: run `make test`, which installs it"
	}
	return err.Error()
}

// awaitIdle waits until no test process has lived for a while, and returns with the lock that
// keeps new ones waiting.
func awaitIdle(dir string) (*os.File, error) {
	idleSince := time.Now()
	for {
		tests, err := lockFile(dir, testsLock, syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case errors.Is(err, syscall.EWOULDBLOCK):
			idleSince = time.Now()
		case err != nil:
			return nil, err
		case time.Since(idleSince) >= idleLimit:
			return tests, nil
		default:
			tests.Close()
		}
		time.Sleep(idleCheck)
	}
}

// sweepOwnDirs removes what tests that were killed have left. There must be no test process.
func sweepOwnDirs(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, ownDirs, "*"))
	if err != nil {
		return fmt.Errorf("look for data folders that tests left: %w", err)
	}
	var errs []error
	for _, own := range left {
		errs = append(errs, removeOwnDir(own))
	}
	return errors.Join(errs...)
}
