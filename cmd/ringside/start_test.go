package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringside/internal/postgres/pgtest"
)

// taken returns an address that somebody listens on.
func taken(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

// nobody listens there: the port is that of a service that nobody has run for decades.
const nobody = "127.0.0.1:1"

// otherMajor makes a data folder with the database of a PostgreSQL that nobody has.
func otherMajor(t *testing.T) string {
	t.Helper()
	dir := pgtest.DataDir(t)
	must(t, os.MkdirAll(filepath.Join(dir, "postgres"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "postgres", "PG_VERSION"), []byte("9\n"), 0o644))
	return dir
}

func TestRefusalsToStart(t *testing.T) {
	t.Parallel()
	busy, old := taken(t), otherMajor(t)
	for _, tt := range []struct {
		name     string
		settings []string
		status   int
		want     string // what the one line says
	}{
		{"webhook port taken", []string{"RINGSIDE_LISTEN=" + busy}, exitFailed, "RINGSIDE_LISTEN: listen tcp " + busy + ": bind: address already in use"},
		{"operations port taken", []string{"RINGSIDE_OPS_LISTEN=" + busy}, exitFailed, "RINGSIDE_OPS_LISTEN: listen tcp " + busy + ": bind: address already in use"},
		{"settings", []string{"RINGSIDE_RECOGNITION_BUDGET=150"}, exitUsage, `RINGSIDE_RECOGNITION_BUDGET="150" is not a duration`},
		{"database away", []string{"DATABASE_URL=postgres://me:hunter2@" + nobody + "/ringside"}, exitFailed,
			`cannot open the database "ringside" at ` + nobody + `: no server is listening there`},
		{"database URL", []string{"DATABASE_URL=postgres://me:hunt%er2@db/ringside"}, exitFailed, "the database URL cannot be read"},
		{"no such database", []string{"DATABASE_URL=" + strings.Replace(pgtest.EmptyURL(t), "/test_", "/no_", 1)}, exitFailed, "there is no such database"},
		{"Redis URL", []string{"DATABASE_URL=" + pgtest.URL(t), "REDIS_URL=memcached://:hunter2@cache"}, exitFailed, "REDIS_URL is not a Redis address"},
		{"database of another major version", []string{"RINGSIDE_DATA_DIR=" + old}, exitFailed, "the database in " + filepath.Join(old, "postgres") + " cannot be opened"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, tt.settings, "serve")
			if status := p.status(); status != tt.status {
				t.Errorf("ended with status %d, want %d", status, tt.status)
			}
			said := p.stderr.String()
			if !strings.HasPrefix(said, "ringside: ") || !strings.Contains(said, tt.want) || strings.Count(said, "\n") != 1 {
				t.Errorf("said %q, want one line with %q", said, tt.want)
			}
			if strings.Contains(said, "hunt") {
				t.Errorf("said a password: %q", said)
			}
			if out := p.stdout.String(); out != "" {
				t.Errorf("printed %q", out)
			}
		})
	}
	if version, err := os.ReadFile(filepath.Join(old, "postgres", "PG_VERSION")); err != nil || string(version) != "9\n" {
		t.Errorf("the other version's folder was touched: %q, %v", version, err)
	}
}

// silent is a Postgres that accepts a connection and says nothing; accepted is closed when it has.
func silent(t *testing.T) (url string, accepted <-chan struct{}) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	first := make(chan struct{})
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		context.AfterFunc(t.Context(), func() { conn.Close() })
		close(first)
	}()
	return "DATABASE_URL=postgres://me@" + listener.Addr().String() + "/ringside?sslmode=disable&connect_timeout=3600", first
}

// A program that waits for its database can be stopped by Ctrl-C as well as any other.
func TestStoppedWhileStarting(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		command string
		signal  syscall.Signal
		said    string
	}{
		{"serve", syscall.SIGTERM, "ringside: stopped while starting: terminated signal received\n"},
		{"serve", syscall.SIGINT, "ringside: stopped while starting: interrupt signal received\n"},
		{"serve", syscall.SIGHUP, "ringside: stopped while starting: hangup signal received\n"},
		{"demo --once", syscall.SIGINT, "ringside: stopped while starting: interrupt signal received\n"},
		{"org list", syscall.SIGINT, "ringside: interrupted: interrupt signal received\n"},
	} {
		t.Run(tt.command+" "+tt.signal.String(), func(t *testing.T) {
			t.Parallel()
			url, accepted := silent(t)
			p := start(t, []string{url}, strings.Fields(tt.command)...)
			select {
			case <-accepted:
			case <-p.ended:
				t.Fatal("it ended without asking the database")
			}
			p.signal(tt.signal)
			if status := p.status(); status != exitFailed {
				t.Errorf("ended with status %d, want %d", status, exitFailed)
			}
			if said := p.stderr.String(); said != tt.said {
				t.Errorf("said %q, want %q", said, tt.said)
			}
		})
	}
}

// The sockets are bound before anything else is done: a second sidecar that would take the first
// one's ports does not touch the database.
func TestPortsComeFirst(t *testing.T) {
	t.Parallel()
	url, asked := silent(t)
	p := start(t, []string{url, "RINGSIDE_LISTEN=" + taken(t)}, "serve")
	if status := p.status(); status != exitFailed {
		t.Errorf("ended with status %d", status)
	}
	select {
	case <-asked:
		t.Error("the database was asked")
	default:
	}
}
