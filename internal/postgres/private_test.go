package postgres_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
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

// userVariable makes the test binary a process that uses the private server of the data folder
// that it names, until its standard input ends.
const userVariable = "RINGSIDE_POSTGRES_USER"

func TestMain(m *testing.M) {
	if dataDir := os.Getenv(userVariable); dataDir != "" {
		if err := use(dataDir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func use(dataDir string) error {
	server, err := postgres.StartPrivate(context.Background(), dataDir, quiet(), postgres.NoSync())
	if err != nil {
		return err
	}
	fmt.Println(server.URL(""))
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	return server.Stop(context.Background())
}

// user is a process that runs use.
type user struct {
	t     *testing.T
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner
}

func startUser(t *testing.T, dataDir string) *user {
	t.Helper()
	u := &user{t: t, cmd: exec.Command(os.Args[0])}
	u.cmd.Env = append(os.Environ(), userVariable+"="+dataDir)
	u.cmd.Stderr = t.Output()
	stdin, err := u.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := u.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	u.stdin, u.lines = stdin, bufio.NewScanner(stdout)
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return u
}

// url waits until the process has its server.
func (u *user) url() string {
	u.t.Helper()
	if !u.lines.Scan() {
		u.t.Fatalf("the other process has no server: %v", u.cmd.Wait())
	}
	return u.lines.Text()
}

func (u *user) leave() {
	u.t.Helper()
	u.stdin.Close()
	if err := u.cmd.Wait(); err != nil {
		u.t.Errorf("the other process: %v", err)
	}
}

func (u *user) kill() {
	u.t.Helper()
	if err := u.cmd.Process.Kill(); err != nil {
		u.t.Fatal(err)
	}
	_ = u.cmd.Wait() // says that it was killed
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func start(t *testing.T, dataDir string, opts ...postgres.ServerOption) *postgres.Server {
	t.Helper()
	server, err := postgres.StartPrivate(t.Context(), dataDir, quiet(), append(opts, postgres.NoSync())...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, server) })
	return server
}

func stop(t *testing.T, server *postgres.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := server.Stop(ctx); err != nil {
		t.Error(err)
	}
}

func exec1(t *testing.T, url, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func query1[T any](t *testing.T, url, sql string) (value T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

const postmasterPIDQuery = `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int`

func isUp(t *testing.T, url string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return false
	}
	conn.Close(t.Context())
	return true
}

func TestPrivateServerKeepsItsDataOverRestarts(t *testing.T) {
	t.Parallel()
	dataDir := pgtest.DataDir(t)
	var urls []string
	for round := range 3 {
		server := start(t, dataDir)
		urls = append(urls, server.URL(""))
		if round == 0 {
			exec1(t, server.URL(""), `CREATE TABLE rounds (round int)`)
		}
		exec1(t, server.URL(""), `INSERT INTO rounds VALUES ($1)`, round)
		if got := query1[int](t, server.URL(""), `SELECT count(*) FROM rounds`); got != round+1 {
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
	pid := query1[int](t, url, postmasterPIDQuery)
	ours := start(t, dataDir)
	for _, u := range users {
		u.leave()
		if got := query1[int](t, url, postmasterPIDQuery); got != pid {
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
	pid := query1[int](t, url, postmasterPIDQuery)
	u.kill()
	ours := start(t, dataDir)
	if got := query1[int](t, ours.URL(""), postmasterPIDQuery); got != pid {
		t.Errorf("the server is process %d, want the orphan %d", got, pid)
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
	exec1(t, server.URL(""), `CREATE TABLE kept (n int)`)
	exec1(t, server.URL(""), `INSERT INTO kept VALUES (1)`)
	if err := syscall.Kill(query1[int](t, server.URL(""), postmasterPIDQuery), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	again := start(t, dataDir) // while server still counts as a user
	if got := query1[int](t, again.URL(""), `SELECT n FROM kept`); got != 1 {
		t.Errorf("after a crash the row is %d, want 1", got)
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
	dir := query1[string](t, server.URL(""), `SHOW unix_socket_directories`)
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
	t.Cleanup(func() { os.RemoveAll(dir) })
}

func TestPrivateServerListensOnNoPort(t *testing.T) {
	t.Parallel()
	server := start(t, pgtest.DataDir(t))
	if got := query1[string](t, server.URL(""), `SHOW listen_addresses`); got != "" {
		t.Errorf("listens on %q", got)
	}
	if got := query1[string](t, server.URL("postgres"), `SELECT current_database()`); got != "postgres" {
		t.Errorf("URL of another database leads to %s", got)
	}
}

func TestPrivateServerNeverRunsAsRootNorKnowsOurSecrets(t *testing.T) {
	t.Parallel()
	server := start(t, pgtest.DataDir(t))
	proc := filepath.Join("/proc", strconv.Itoa(query1[int](t, server.URL(""), postmasterPIDQuery)))
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
	exec1(t, server.URL(""), `CREATE TABLE people (phone text PRIMARY KEY)`)
	exec1(t, server.URL(""), `INSERT INTO people VALUES ('+14155551200')`)
	conn, err := pgx.Connect(t.Context(), server.URL(""))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), `INSERT INTO people VALUES ('+14155551200')`); err == nil {
		t.Fatal("the number went in twice")
	}
	log, err := os.ReadFile(filepath.Join(dataDir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(log, []byte("duplicate key")) {
		t.Errorf("the log does not have the error:\n%s", log)
	}
	if bytes.Contains(log, []byte("4155551200")) {
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
