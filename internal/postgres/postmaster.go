package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// postmaster is a running server, as its cluster's postmaster.pid describes it.
type postmaster struct {
	pid       int
	socketDir string
}

// Lines of postmaster.pid (PostgreSQL's source, miscadmin.h).
const (
	pidLine       = 0
	socketDirLine = 4
)

func (c *cluster) pidFile() string { return filepath.Join(c.dir(), "postmaster.pid") }

// runningPostmaster returns the cluster's server, starting up and shutting down included; false if
// there is none. A server has its pid file before its socket and until after it.
func (c *cluster) runningPostmaster() (postmaster, bool, error) {
	content, err := os.ReadFile(c.pidFile())
	if errors.Is(err, fs.ErrNotExist) {
		return postmaster{}, false, nil
	}
	if err != nil {
		return postmaster{}, false, fmt.Errorf("look for a running server: %w", err)
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[pidLine]))
	if err != nil || pid <= 0 || !c.isPostmaster(pid) {
		return postmaster{}, false, nil
	}
	p := postmaster{pid: pid}
	if len(lines) > socketDirLine {
		p.socketDir = strings.TrimSpace(lines[socketDirLine])
	}
	return p, true, nil
}

// isPostmaster reports whether the process is this cluster's server, and not some other one that
// was given its number after it died. A server works in its cluster's folder.
func (c *cluster) isPostmaster(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if !hasProc() { // all that can be known is that the number is in use
		return true
	}
	cwd, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(pid), "cwd"))
	return err == nil && cwd == c.dir()
}

// forgetReusedPID makes a crashed server's pid file harmless if its number now belongs to a process
// that is no Postgres, as easily happens in a container, where numbers start from 1 again: postgres
// would take that process for the server and refuse to start. It ignores its parent's number, so
// that goes in instead; the rest of the file stays, by which postgres makes sure that no child of
// the crashed server still uses its shared memory.
func (c *cluster) forgetReusedPID() error {
	content, err := os.ReadFile(c.pidFile())
	if errors.Is(err, fs.ErrNotExist) || !hasProc() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the crashed server's pid file: %w", err)
	}
	number, rest, found := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(number))
	if err != nil || !found || isPostgres(pid) {
		return nil // postgres itself knows best
	}
	ours := strconv.Itoa(os.Getpid()) + "\n" + rest
	if err := os.WriteFile(c.pidFile(), []byte(ours), 0o600); err != nil {
		return fmt.Errorf("mark the crashed server's pid file as left over: %w", err)
	}
	return nil
}

func isPostgres(pid int) bool {
	cmdline, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return false
	}
	program, _, _ := bytes.Cut(cmdline, []byte{0})
	return filepath.Base(string(program)) == "postgres" || bytes.HasPrefix(program, []byte("postgres:"))
}

func hasProc() bool {
	_, err := os.Stat("/proc/self/cwd")
	return err == nil
}

// stop asks the server for a fast shutdown, which ends sessions and loses nothing committed, and
// waits until it is gone.
func (c *cluster) stop(ctx context.Context, p postmaster) error {
	if err := syscall.Kill(p.pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ask the private Postgres (process %d) to stop: %w", p.pid, err)
	}
	for {
		now, running, err := c.runningPostmaster()
		if err != nil {
			return err
		}
		if !running || now.pid != p.pid {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the private Postgres (process %d) was asked to stop and is still at it: %w", p.pid, ctx.Err())
		case <-time.After(statePoll):
		}
	}
}
