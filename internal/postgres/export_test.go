package postgres

import (
	"context"
	"io/fs"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Migrations returns the program's own migration files.
var Migrations = migrations

// Fingerprint is SchemaFingerprint of other files than the program's.
var Fingerprint = fingerprint

// MigrationLock is the advisory lock under which migrations run.
const MigrationLock = migrationLock

// MigrateFiles is Migrate with other files than the program's.
func MigrateFiles(ctx context.Context, pool *pgxpool.Pool, files fs.FS) ([]string, error) {
	return newMigrator(pool, files).run(ctx)
}

// KeepClustersIn replaces the place for clusters that root's server cannot reach.
func KeepClustersIn(dir string) ServerOption {
	return func(s *serverSettings) { s.systemHome = dir }
}

// SearchOnly replaces the folders in which server programs are looked for, until restore is called.
func SearchOnly(globs ...string) (restore func()) {
	before := installedGlobs
	installedGlobs = globs
	return func() { installedGlobs = before }
}
