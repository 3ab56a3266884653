package postgres_test

import (
	"context"
	"errors"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

func openURL(t *testing.T, url string, opts ...postgres.PoolOption) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), url, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func files(content map[string]string) fs.FS {
	m := fstest.MapFS{}
	for name, sql := range content {
		m[name] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + sql)}
	}
	return m
}

func TestMigrateAppliesEachFileOnce(t *testing.T) {
	t.Parallel()
	pool := openURL(t, pgtest.EmptyURL(t), postgres.WithMaxConns(1))
	want, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	applied, err := postgres.Migrate(t.Context(), pool)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	if applied, err = postgres.Migrate(t.Context(), pool); err != nil || len(applied) != 0 {
		t.Errorf("the second time applied %v, %v; want nothing", applied, err)
	}
}

func TestMigrateFromManyAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		all []string
	)
	for range 8 {
		pool := openURL(t, url)
		wg.Go(func() {
			applied, err := postgres.Migrate(t.Context(), pool)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, applied...)
		})
	}
	wg.Wait()
	want, err := fs.Glob(postgres.Migrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("applied by all together (-want +got):\n%s", diff)
	}
}

func TestMigrateRefusesANewerDatabase(t *testing.T) {
	t.Parallel()
	pool := openURL(t, pgtest.EmptyURL(t))
	newer := files(map[string]string{"00001_a.sql": `CREATE TABLE a ();`, "00002_b.sql": `CREATE TABLE b ();`})
	if _, err := postgres.MigrateFiles(t.Context(), pool, newer); err != nil {
		t.Fatal(err)
	}
	older := files(map[string]string{"00001_a.sql": `CREATE TABLE a ();`})
	_, err := postgres.MigrateFiles(t.Context(), pool, older)
	if err == nil || !strings.Contains(err.Error(), "newer Ringside (version 2; this program knows 1)") {
		t.Errorf("error %v, want one that names both versions", err)
	}
}

func TestMigrateKeepsWhatSucceeded(t *testing.T) {
	t.Parallel()
	pool := openURL(t, pgtest.EmptyURL(t))
	broken := files(map[string]string{
		"00001_a.sql": `CREATE TABLE a ();`,
		"00002_b.sql": "CREATE TABLE b ();\nSELECT 1/0;",
		"00003_c.sql": `CREATE TABLE c ();`,
	})
	applied, err := postgres.MigrateFiles(t.Context(), pool, broken)
	if err == nil || !strings.Contains(err.Error(), "00002_b.sql") || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("error %v, want one that names the file and the reason", err)
	}
	if diff := cmp.Diff([]string{"00001_a.sql"}, applied); diff != "" {
		t.Errorf("applied before the failure (-want +got):\n%s", diff)
	}
	repaired := files(map[string]string{
		"00001_a.sql": `CREATE TABLE a ();`,
		"00002_b.sql": `CREATE TABLE b ();`, // fails if the broken one left half of itself
		"00003_c.sql": `CREATE TABLE c ();`,
	})
	applied, err = postgres.MigrateFiles(t.Context(), pool, repaired)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"00002_b.sql", "00003_c.sql"}, applied); diff != "" {
		t.Errorf("applied after the repair (-want +got):\n%s", diff)
	}
}

// holdLock holds the migration lock on a connection of its own until release is called.
func holdLock(t *testing.T, url string) (release func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, postgres.MigrationLock); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Errorf("release the lock: %v", err)
		}
	}
}

func TestMigrateWaitsForTheLock(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	pool := openURL(t, url)
	release := holdLock(t, url)
	waiting, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := postgres.Migrate(waiting, pool); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with the lock held elsewhere: %v, want to have waited", err)
	}
	done := make(chan error)
	go func() {
		_, err := postgres.Migrate(t.Context(), pool)
		done <- err
	}()
	release()
	if err := <-done; err != nil {
		t.Errorf("after the lock was freed: %v", err)
	}
}

func TestMigrateNeedsNoLockWhenCurrent(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	pool := openURL(t, url)
	defer holdLock(t, url)()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if applied, err := postgres.Migrate(ctx, pool); err != nil || len(applied) != 0 {
		t.Errorf("applied %v, %v; want nothing, at once", applied, err)
	}
}

func TestMigrationsGoForwardOnly(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(postgres.Migrations(), "*")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		pattern := regexp.MustCompile(`^0*` + regexp.QuoteMeta(strconv.Itoa(i+1)) + `_[a-z0-9_]+\.sql$`)
		if len(strings.SplitN(name, "_", 2)[0]) != 5 || !pattern.MatchString(name) {
			t.Errorf("file %d is %s, want NNNNN_name.sql, numbered without gaps", i+1, name)
		}
		content, err := fs.ReadFile(postgres.Migrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), "+goose Down") {
			t.Errorf("%s can be undone; a schema that users have data in only grows", name)
		}
	}
}

func TestSchemaFingerprintNamesTheMigrations(t *testing.T) {
	t.Parallel()
	if got := postgres.SchemaFingerprint(); !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(got) {
		t.Errorf("fingerprint %q, want 16 hexadecimal digits", got)
	}
	seen := make(map[string]map[string]string)
	for _, content := range []map[string]string{
		{"00001_a.sql": `SELECT 1;`},
		{"00001_a.sql": `SELECT 2;`},
		{"00001_b.sql": `SELECT 1;`},
		{"00001_a.sql": `SELECT 1;`, "00002_b.sql": ``},
	} {
		got := postgres.Fingerprint(files(content))
		if other, ok := seen[got]; ok {
			t.Errorf("%v and %v have the same fingerprint", content, other)
		}
		seen[got] = content
		if again := postgres.Fingerprint(files(content)); again != got {
			t.Errorf("%v has the fingerprints %s and %s", content, got, again)
		}
	}
}
