package pgtest_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"ringside/internal/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// childVariable makes the test binary a process that does a part of a test and then waits for its
// end, by a kill or by that of its parent.
const childVariable = "RINGSIDE_PGTEST_CHILD"

// awaitEnd says one line to the parent and waits.
func awaitEnd(line string) {
	fmt.Println(childMark + line)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
}

const childMark = "child: "

// patience bounds what other processes must do; it never has to pass for a test to succeed.
const patience = time.Minute

// child runs this test again in a process of its own, with more in its environment, and returns the
// first line it prints.
func child(t *testing.T, env ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(append(os.Environ(), childVariable+"=1"), env...)
	cmd.Stderr = t.Output()
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if said, ok := strings.CutPrefix(lines.Text(), childMark); ok {
			return cmd, said
		}
		t.Log(lines.Text())
	}
	t.Fatalf("the child said nothing: %v", cmd.Wait())
	return nil, ""
}

func kill(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
}

func connect(t *testing.T, url string) (*pgx.Conn, error) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		t.Cleanup(func() { conn.Close(context.Background()) })
	}
	return conn, err
}

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	t.Parallel()
	a, b := pgtest.New(t), pgtest.New(t)
	const insert = `INSERT INTO orgs (name, country) VALUES ('Acme', 'US')`
	if _, err := a.Exec(t.Context(), insert); err != nil {
		t.Fatalf("the schema is not there: %v", err)
	}
	var orgs int
	if err := b.QueryRow(t.Context(), `SELECT count(*) FROM orgs`).Scan(&orgs); err != nil {
		t.Fatal(err)
	}
	if orgs != 0 {
		t.Errorf("another test's database has %d rows of ours", orgs)
	}
}

func TestADatabaseGoesWithItsTest(t *testing.T) {
	t.Parallel()
	var url string
	t.Run("a test", func(t *testing.T) {
		url = pgtest.URL(t)
		if _, err := connect(t, url); err != nil {
			t.Fatal(err)
		}
	})
	if _, err := connect(t, url); err == nil {
		t.Error("the database outlives its test")
	}
}

func TestAnEmptyDatabaseIsNotMigrated(t *testing.T) {
	t.Parallel()
	conn, err := connect(t, pgtest.EmptyURL(t))
	if err != nil {
		t.Fatal(err)
	}
	var tables int
	if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	if tables != 0 {
		t.Errorf("it has %d tables", tables)
	}
}

func TestSweepsAKilledTestsDatabaseButNoLiveOne(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) != "" {
		awaitEnd(pgtest.URL(t))
		return
	}
	live := pgtest.URL(t)
	killed, orphan := child(t)
	if _, err := connect(t, orphan); err != nil {
		t.Fatalf("the child's database is not there: %v", err)
	}
	kill(t, killed)
	// Each process sweeps when it joins. One that joins before the server has noticed the death
	// leaves the database to the next.
	for deadline := time.Now().Add(patience); ; {
		sweeper, _ := child(t)
		kill(t, sweeper)
		if _, err := connect(t, orphan); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the killed test's database is still there")
		}
	}
	if _, err := connect(t, live); err != nil {
		t.Errorf("a live test's database was swept: %v", err)
	}
}

func TestNothingOutlivesKilledTestsForLong(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) != "" {
		pgtest.URL(t)
		pgtest.Stoppable(t)
		awaitEnd("ready")
		return
	}
	// A server of the child's own, in a place that it can reach also when it is root's.
	place := filepath.Dir(pgtest.DataDir(t))
	killed, _ := child(t, "TMPDIR="+place)
	kill(t, killed)
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		shared, err := filepath.Glob(filepath.Join(place, "ringside-test-*", "postgres", "postmaster.pid"))
		if err != nil {
			t.Fatal(err)
		}
		own, err := filepath.Glob(filepath.Join(place, "ringside-test-*", "own", "*"))
		if err != nil {
			t.Fatal(err)
		}
		if len(shared)+len(own) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still there: servers %v, folders %v", shared, own)
		}
	}
}

func TestStoppable(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	url := server.URL()
	conn, err := connect(t, url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `INSERT INTO orgs (name, country) VALUES ('Acme', 'US')`); err != nil {
		t.Fatal(err)
	}
	for _, end := range []struct {
		name string
		do   func()
	}{{"Stop", server.Stop}, {"Kill", server.Kill}} {
		end.do()
		end.do() // changes nothing
		if _, err := connect(t, url); err == nil {
			t.Fatalf("after %s the server answers", end.name)
		}
		server.Start()
		server.Start() // changes nothing
		if server.URL() != url {
			t.Errorf("after %s and Start the URL is %s, was %s", end.name, server.URL(), url)
		}
		conn, err := connect(t, url)
		if err != nil {
			t.Fatalf("after %s and Start: %v", end.name, err)
		}
		var orgs int
		if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM orgs`).Scan(&orgs); err != nil {
			t.Fatal(err)
		}
		if orgs != 1 {
			t.Errorf("after %s and Start there are %d rows, want 1", end.name, orgs)
		}
	}
}

func TestDataDirGoesWithItsServer(t *testing.T) {
	t.Parallel()
	var dataDir string
	t.Run("a test", func(t *testing.T) {
		dataDir = pgtest.DataDir(t)
		if _, err := os.Stat(dataDir); !os.IsNotExist(err) {
			t.Errorf("the folder is there already: %v", err)
		}
		if err := os.Mkdir(dataDir, 0o700); err != nil {
			t.Error(err)
		}
	})
	if _, err := os.Stat(filepath.Dir(dataDir)); !os.IsNotExist(err) {
		t.Errorf("the folder outlives its test: %v", err)
	}
}
