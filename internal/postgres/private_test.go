package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

func TestPrivateServerKeepsItsDataOverRestarts(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	var urls []string
	for round := range 3 {
		server := start(t, dataDir)
		urls = append(urls, server.URL(""))
		if round == 0 {
			execute(t, server.URL(""), `CREATE TABLE rounds (round int)`)
		}
		execute(t, server.URL(""), `INSERT INTO rounds VALUES ($1)`, round)
		if got := value[int](t, server.URL(""), `SELECT count(*) FROM rounds`); got != round+1 {
			t.Errorf("round %d finds %d rows, want %d", round, got, round+1)
		}
		stop(t, server)
		stop(t, server) // changes nothing
		if isUp(t, server.URL("")) {
			t.Fatalf("round %d: the server outlives its only user", round)
		}
	}
	if urls[0] != urls[1] || urls[1] != urls[2] {
		t.Errorf("the URL changes: %q", urls)
	}
}

func TestPrivateServerStopsWithItsLastUser(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	users := []*user{startUser(t, dataDir), startUser(t, dataDir), startUser(t, dataDir)} // all at once
	url := users[0].url()
	for _, u := range users[1:] {
		if got := u.url(); got != url {
			t.Errorf("another process uses %s, want %s", got, url)
		}
	}
	pid := value[int](t, url, postmasterPIDQuery)
	ours := start(t, dataDir)
	for _, u := range users {
		u.leave()
		if got := value[int](t, url, postmasterPIDQuery); got != pid {
			t.Fatalf("the server is process %d, was %d", got, pid)
		}
	}
	stop(t, ours)
	if isUp(t, url) {
		t.Error("the server outlives its last user")
	}
}

func TestPrivateServerIsTakenOverAfterAKill(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	u := startUser(t, dataDir)
	url := u.url()
	pid := value[int](t, url, postmasterPIDQuery)
	u.kill()
	ours := start(t, dataDir)
	if got := value[int](t, ours.URL(""), postmasterPIDQuery); got != pid {
		t.Errorf("the server is process %d, want the orphan %d", got, pid)
	}
	if log := serverLog(t, dataDir); strings.Contains(log, "lock file") {
		t.Errorf("a second server was tried:\n%s", log)
	}
	stop(t, ours)
	if isUp(t, url) {
		t.Error("the orphan outlives the user who took it over")
	}
}

func TestPrivateServerRecoversFromItsOwnKill(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	server := start(t, dataDir)
	execute(t, server.URL(""), `CREATE TABLE kept (n int)`)
	execute(t, server.URL(""), `INSERT INTO kept VALUES (1)`)
	if err := syscall.Kill(value[int](t, server.URL(""), postmasterPIDQuery), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := start(t, dataDir) // while server still counts as a user
	if got := value[int](t, again.URL(""), `SELECT n FROM kept`); got != 1 {
		t.Errorf("after a crash the row is %d, want 1", got)
	}
}

func TestPrivateServerWaitsForWhatAKilledServerLeft(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	server := start(t, dataDir)
	conn, err := pgx.Connect(t.Context(), server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// A child of the server that does not notice its parent's death, since it does not run.
	child := int(conn.PgConn().PID())
	if err := syscall.Kill(child, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(value[int](t, server.URL(""), postmasterPIDQuery), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	type result struct {
		server *postgres.Server
		err    error
	}
	started := make(chan result)
	go func() {
		again, err := postgres.StartPrivate(t.Context(), dataDir, quiet(), postgres.NoSync())
		started <- result{again, err}
	}()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(serverLog(t, dataDir), "is still in use"); {
		if time.Now().After(deadline) {
			t.Error("a new server did not run into what the killed one left")
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if err := syscall.Kill(child, syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	again := <-started
	if again.err != nil {
		t.Fatal(again.err)
	}
	defer stop(t, again.server)
	if !isUp(t, again.server.URL("")) {
		t.Error("the server is not up")
	}
}

func TestPrivateServerStartsThoughItsOldNumberIsInUse(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		t.Skip("without /proc a process cannot be told from another")
	}
	dataDir := pgtest.DataDir(t)
	server := start(t, dataDir)
	pidFile := filepath.Join(dataDir, "postgres", "postmaster.pid")
	content, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	stop(t, server)

	// A stranger of the server's own user, which postgres cannot tell from a server.
	stranger := exec.Command("sleep", "600")
	owner := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() == 0 {
		stranger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}}
		stranger.Dir = "/"
	}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stranger.Process.Kill()
		_ = stranger.Wait() // says that it was killed
	})
	_, rest, _ := bytes.Cut(content, []byte("\n"))
	stale := fmt.Appendf(nil, "%d\n%s", stranger.Process.Pid, rest)
	if err := os.WriteFile(pidFile, stale, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(pidFile, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	again := start(t, dataDir)
	if !isUp(t, again.URL("")) {
		t.Error("the server is not up")
	}
}

func TestPrivateServerTakesALongPath(t *testing.T) {
	t.Parallel()
	dataDir := filepath.Join(pgtest.DataDir(t), strings.Repeat("long", 30), "data")
	server := start(t, dataDir)
	if !isUp(t, server.URL("")) {
		t.Fatal("the server is not up")
	}
	dir := value[string](t, server.URL(""), `SHOW unix_socket_directories`)
	if strings.HasPrefix(dir, dataDir) || len(dir) > 90 {
		t.Errorf("the socket is in %s, want a short path elsewhere", dir)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode of the socket's folder %o, want 700", info.Mode().Perm())
	}
	stop(t, server)
	if _, err := os.Stat(dir); err == nil {
		t.Errorf("the socket's folder %s is left", dir)
	}
}

func TestPrivateServerListensOnNoPort(t *testing.T) {
	t.Parallel()
	server := start(t, pgtest.DataDir(t))
	if got := value[string](t, server.URL(""), `SHOW listen_addresses`); got != "" {
		t.Errorf("listens on %q", got)
	}
	if got := value[string](t, server.URL("postgres"), `SELECT current_database()`); got != "postgres" {
		t.Errorf("URL of another database leads to %s", got)
	}
}

func TestPrivateServerNeverRunsAsRootNorKnowsOurSecrets(t *testing.T) {
	t.Parallel()
	server := start(t, pgtest.DataDir(t))
	proc := filepath.Join("/proc", strconv.Itoa(value[int](t, server.URL(""), postmasterPIDQuery)))
	info, err := os.Stat(proc)
	if err != nil {
		t.Skip("there is no /proc to look at the process in")
	}
	if info.Sys().(*syscall.Stat_t).Uid == 0 {
		t.Error("the server runs as root")
	}
	environ, err := os.ReadFile(filepath.Join(proc, "environ"))
	if err != nil {
		t.Fatal(err)
	}
	for variable := range strings.SplitSeq(strings.TrimRight(string(environ), "\x00"), "\x00") {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "PATH", "TZ", "LC_ALL", "LD_LIBRARY_PATH":
		default:
			t.Errorf("the server's environment has %s", name)
		}
	}
}

func TestRule21_PrivateServerLogsNoPersonalData(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	server := start(t, dataDir)
	execute(t, server.URL(""), `CREATE TABLE people (phone text PRIMARY KEY)`)
	execute(t, server.URL(""), `INSERT INTO people VALUES ('+14155551200')`)
	conn, err := pgx.Connect(t.Context(), server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `INSERT INTO people VALUES ('+14155551200')`); err == nil {
		t.Fatal("the number went in twice")
	}
	log := serverLog(t, dataDir)
	if !strings.Contains(log, "duplicate key") {
		t.Errorf("the log does not have the error:\n%s", log)
	}
	if strings.Contains(log, "4155551200") {
		t.Errorf("the log has the number:\n%s", log)
	}
}

func TestPrivateServerStartCanBeInterrupted(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	stop(t, start(t, dataDir))
	lock, err := os.Open(filepath.Join(dataDir, "start.lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	server, err := postgres.StartPrivate(ctx, dataDir, quiet())
	if err == nil {
		stop(t, server)
		t.Fatal("started, though another process was starting or stopping the server")
	}
	if !strings.Contains(err.Error(), "start.lock") {
		t.Errorf("error %q does not say what it waited for", err)
	}
}
