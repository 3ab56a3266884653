package postgres_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

// dataDirWith makes a data folder with the given files, names relative to it.
func dataDirWith(t *testing.T, content map[string]string) string {
	t.Helper()
	dataDir := pgtest.DataDir(t)
	for name, text := range content {
		path := filepath.Join(dataDir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dataDir
}

// contents returns what a folder holds, as dataDirWith takes it, without locks.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) == ".lock" {
			return err
		}
		text, err := os.ReadFile(path)
		name, relErr := filepath.Rel(dir, path)
		found[name] = string(text)
		return errors.Join(err, relErr)
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestPrivateServerRefusesAndLeavesAlone(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		data map[string]string
		want []string
	}{
		{
			"another major's cluster",
			map[string]string{"postgres/PG_VERSION": "9\n", "postgres/base/1": "data"},
			[]string{"made by PostgreSQL 9", "Install PostgreSQL 9", "RINGSIDE_DATA_DIR"},
		},
		{
			"a cluster with a damaged version",
			map[string]string{"postgres/PG_VERSION": "nine\n"},
			[]string{`version "nine"`},
		},
		{
			"a folder of somebody else's",
			map[string]string{"postgres/letter.txt": "dear"},
			[]string{"no PostgreSQL cluster", "move it away"},
		},
		{
			"a location that is no path",
			map[string]string{"postgres.location": "somewhere\n"},
			[]string{`full path`, `"somewhere"`},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dataDir := dataDirWith(t, test.data)
			server, err := postgres.StartPrivate(t.Context(), dataDir, quiet())
			if err == nil {
				stop(t, server)
				t.Fatal("started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if diff := cmp.Diff(test.data, contents(t, dataDir)); diff != "" {
				t.Errorf("the folder changed (-before +after):\n%s", diff)
			}
		})
	}
}

func TestPrivateServerIgnoresWhatAnInterruptedInitdbLeft(t *testing.T) {
	t.Parallel()
	dataDir := dataDirWith(t, map[string]string{"postgres.new/PG_VERSION": "9\n"})
	if server := start(t, dataDir); !isUp(t, server.URL("")) {
		t.Error("the server is not up")
	}
}

func TestPrivateServerRefusesALinkForItsSocketFolder(t *testing.T) {
	t.Parallel()
	dataDir := dataDirWith(t, map[string]string{"elsewhere/file": ""})
	if err := os.Symlink(filepath.Join(dataDir, "elsewhere"), filepath.Join(dataDir, "socket")); err != nil {
		t.Fatal(err)
	}
	server, err := postgres.StartPrivate(t.Context(), dataDir, quiet(), postgres.NoSync())
	if err == nil {
		stop(t, server)
		t.Fatal("the socket went where a link led")
	}
	if !strings.Contains(err.Error(), "remove it") {
		t.Errorf("error %q does not say what to do", err)
	}
}

func TestPrivateServerMovesOutOfAClosedFolder(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root's server runs as another user")
	}
	elsewhere := filepath.Join(pgtest.DataDir(t), "clusters")
	dataDir := filepath.Join(t.TempDir(), "data") // root's own, closed to others
	first := start(t, dataDir, postgres.KeepClustersIn(elsewhere))
	execute(t, first.URL(""), `CREATE TABLE kept (n int)`)
	stop(t, first)
	named, err := os.ReadFile(filepath.Join(dataDir, "postgres.location"))
	if err != nil {
		t.Fatal(err)
	}
	home := strings.TrimSpace(string(named))
	if filepath.Dir(home) != elsewhere {
		t.Errorf("the cluster is in %s, want a folder in %s", home, elsewhere)
	}
	again := start(t, dataDir, postgres.KeepClustersIn("/nonexistent"))
	if got := value[int](t, again.URL(""), `SELECT count(*) FROM kept`); got != 0 {
		t.Errorf("%d rows, want none", got)
	}
	stop(t, again)

	// Whoever removes a data folder starts anew; what it had elsewhere stays.
	if err := os.RemoveAll(dataDir); err != nil {
		t.Fatal(err)
	}
	fresh := start(t, dataDir, postgres.KeepClustersIn(elsewhere))
	if got := value[bool](t, fresh.URL(""), `SELECT to_regclass('kept') IS NULL`); !got {
		t.Error("a new data folder has the old one's tables")
	}
	if _, err := os.Stat(filepath.Join(home, "postgres", "PG_VERSION")); err != nil {
		t.Errorf("the old cluster is gone: %v", err)
	}
}

// The tests below change the environment, so they do not run beside others.

func TestServerProgramsThatDoNotWork(t *testing.T) {
	tests := []struct {
		name     string
		programs map[string]string
		want     []string
	}{
		{"none", nil, []string{"PG_BIN", "no postgres"}},
		{"no initdb", map[string]string{"postgres": "echo 'postgres (PostgreSQL) 15.1'"}, []string{"PG_BIN", "no initdb"}},
		{"too old", map[string]string{"postgres": "echo 'postgres (PostgreSQL) 9.6'", "initdb": ""}, []string{"9", "14 or newer"}},
		{"no version", map[string]string{"postgres": "echo hello", "initdb": ""}, []string{`says "hello"`}},
		{
			"initdb fails",
			map[string]string{"postgres": "echo 'postgres (PostgreSQL) 15.1'", "initdb": "echo disk full; exit 1"},
			[]string{"initdb could not make", "disk full"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dataDir := pgtest.DataDir(t)
			bin := filepath.Join(filepath.Dir(dataDir), "bin")
			if err := os.Mkdir(bin, 0o755); err != nil {
				t.Fatal(err)
			}
			for name, script := range test.programs {
				if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PG_BIN", bin)
			server, err := postgres.StartPrivate(t.Context(), dataDir, quiet())
			if err == nil {
				stop(t, server)
				t.Fatal("started")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if left := contents(t, dataDir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestNoServerPrograms(t *testing.T) {
	dataDir := pgtest.DataDir(t)
	t.Setenv("PATH", t.TempDir())
	t.Setenv("PG_BIN", "")
	t.Cleanup(postgres.SearchOnly(filepath.Join(t.TempDir(), "*")))
	_, err := postgres.StartPrivate(t.Context(), dataDir, quiet())
	if !errors.Is(err, postgres.ErrNoServerPrograms) {
		t.Fatalf("error %v, want ErrNoServerPrograms", err)
	}
	for _, want := range []string{"apt-get install postgresql", "dnf install", "brew install", "PG_BIN", "DATABASE_URL"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
