package postgres

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var embedded embed.FS

const (
	// migrationLock is the advisory lock under which migrations run ("ringside" in ASCII).
	migrationLock int64 = 0x72696e6773696465
	lockRetryMin        = 10 * time.Millisecond
	lockRetryMax        = 250 * time.Millisecond
)

// Migrate brings the database to the schema of this program and returns the names of the files
// it applied, oldest first; none if the database was current, which costs two queries and no lock.
//
// Any number of processes may call it at once: one migrates, under an advisory lock, the others
// wait for it. Each file is a transaction, so a failure leaves the files before it applied.
// Migrations go forward only, and a database that a newer Ringside has migrated is refused.
func Migrate(ctx context.Context, pool *pgxpool.Pool) ([]string, error) {
	return newMigrator(pool, migrations()).run(ctx)
}

// Current reports whether the database has the schema of this program. One that a newer Ringside has
// migrated is an error, as it is to [Migrate]. Nothing is changed.
func Current(ctx context.Context, pool *pgxpool.Pool) (bool, error) {
	m := newMigrator(pool, migrations())
	target, err := m.target()
	if err != nil {
		return false, err
	}
	current, err := currentVersion(ctx, pool)
	if err == nil && current > target {
		err = newerError(current, target)
	}
	return current == target, err
}

// SchemaFingerprint names the content of all migrations: two programs with the same fingerprint
// make the same schema. It is 16 hexadecimal digits.
func SchemaFingerprint() string {
	return fingerprint(migrations())
}

func migrations() fs.FS {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil { // only for an invalid path, and this one is constant
		panic(err)
	}
	return files
}

func fingerprint(files fs.FS) string {
	names, err := fs.Glob(files, "*.sql")
	if err != nil { // only for a malformed pattern
		panic(err)
	}
	sum := sha256.New()
	for _, name := range names {
		content, err := fs.ReadFile(files, name)
		if err != nil { // embedded files are always readable
			panic(err)
		}
		fmt.Fprintf(sum, "%s %d\n", name, len(content))
		sum.Write(content)
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

type migrator struct {
	config *pgx.ConnConfig
	pool   *pgxpool.Pool
	files  fs.FS
}

func newMigrator(pool *pgxpool.Pool, files fs.FS) *migrator {
	return &migrator{config: pool.Config().ConnConfig, pool: pool, files: files}
}

// run works on connections of its own: the pool may be as small as one, and closing them is what
// surely frees the lock, however the work ended.
func (m *migrator) run(ctx context.Context) ([]string, error) {
	target, err := m.target()
	if err != nil {
		return nil, err
	}
	switch current, err := currentVersion(ctx, m.pool); {
	case err != nil:
		return nil, err
	case current == target:
		return nil, nil
	case current > target:
		return nil, newerError(current, target)
	}
	conn, err := pgx.ConnectConfig(ctx, m.config.Copy())
	if err != nil {
		return nil, unreachable(m.config, err)
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), pingTimeout)
		defer cancel()
		_ = conn.Close(closing) // the server frees the lock when it notices
	}()
	if err := lockMigrations(ctx, conn); err != nil {
		return nil, err
	}
	// Whoever held the lock before may have been newer than this program.
	if current, err := currentVersion(ctx, conn); err != nil {
		return nil, err
	} else if current > target {
		return nil, newerError(current, target)
	}
	return m.up(ctx)
}

func (m *migrator) up(ctx context.Context) (applied []string, err error) {
	db := stdlib.OpenDB(*m.config.Copy())
	defer func() { err = errors.Join(err, db.Close()) }()
	provider, err := m.provider(db)
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		return fileNames(partial.Applied), fmt.Errorf("apply the migration %s: %w", path.Base(partial.Failed.Source.Path), partial.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("migrate the database: %w", err)
	}
	return fileNames(results), nil
}

// provider returns goose without a locker of its own: it would create its version table before
// it takes the lock, and wait for whole seconds where two processes meet there.
func (m *migrator) provider(db *sql.DB) (*goose.Provider, error) {
	provider, err := goose.NewProvider(goose.DialectPostgres, db, m.files,
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, fmt.Errorf("read the migrations: %w", err)
	}
	return provider, nil
}

// target returns the version of the newest migration in the program.
func (m *migrator) target() (int64, error) {
	names, err := fs.Glob(m.files, "*.sql")
	if err != nil {
		return 0, fmt.Errorf("list the migrations: %w", err)
	}
	var newest int64
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return 0, fmt.Errorf("read the number of the migration %s: %w", name, err)
		}
		newest = max(newest, version)
	}
	return newest, nil
}

func fileNames(results []*goose.MigrationResult) []string {
	var names []string
	for _, result := range results {
		names = append(names, path.Base(result.Source.Path))
	}
	return names
}

func newerError(current, target int64) error {
	return fmt.Errorf("the database has the schema of a newer Ringside (version %d; this program knows %d): run that Ringside, "+
		"or restore a backup from before the upgrade", current, target)
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// currentVersion returns the newest version that the database has, 0 for one never migrated.
func currentVersion(ctx context.Context, db querier) (int64, error) {
	// Asked first, so that a database's first migration leaves no error in its log.
	var migrated bool
	if err := db.QueryRow(ctx, `SELECT to_regclass('goose_db_version') IS NOT NULL`).Scan(&migrated); err != nil {
		return 0, fmt.Errorf("look for the version of the database's schema: %w", err)
	}
	if !migrated {
		return 0, nil
	}
	var version int64
	err := db.QueryRow(ctx, `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`).Scan(&version)
	if err != nil {
		return 0, fmt.Errorf("read the version of the database's schema: %w", err)
	}
	return version, nil
}

// lockMigrations waits until this session holds the lock. It asks again and again rather than
// once and for long, because a waiting statement would hold a snapshot, and CREATE INDEX
// CONCURRENTLY in the migration that holds the lock would wait for that.
func lockMigrations(ctx context.Context, conn *pgx.Conn) error {
	for wait := lockRetryMin; ; wait = min(2*wait, lockRetryMax) {
		var locked bool
		if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1)`, migrationLock).Scan(&locked); err != nil {
			return fmt.Errorf("lock the database for migration: %w", err)
		}
		if locked {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for another process that is migrating the database: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
}
