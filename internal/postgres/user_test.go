package postgres_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/postgres"
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

func execute(t *testing.T, url, sql string, args ...any) {
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

func value[T any](t *testing.T, url, sql string) (got T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&got); err != nil {
		t.Fatal(err)
	}
	return got
}

const postmasterPIDQuery = `SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int`

func serverLog(t *testing.T, dataDir string) string {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(dataDir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

func isUp(t *testing.T, url string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		return false
	}
	conn.Close(t.Context())
	return true
}
