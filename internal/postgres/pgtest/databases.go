package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"ringside/internal/postgres"
)

// A database is alive while a session holds the advisory lock named after it: exclusively for a
// test's database, shared for a template. Sessions end with their process, so what is not locked is
// left over.
const (
	testPrefix     = "test_"
	templatePrefix = "schema_"
	scratchSuffix  = "_new"
)

// prepareTemplate builds the database that tests' databases are copies of, unless another process
// has. It is built under a scratch name: what bears the template's name is whole.
func (s *server) prepareTemplate(ctx context.Context) error {
	s.template = templatePrefix + postgres.SchemaFingerprint()
	if _, err := s.admin.Exec(ctx, `SELECT pg_advisory_lock_shared(hashtextextended($1, 0))`, s.template); err != nil {
		return fmt.Errorf("mark the template as in use: %w", err)
	}
	scratch := s.template + scratchSuffix
	if _, err := s.admin.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, 0))`, scratch); err != nil {
		return fmt.Errorf("lock the template: %w", err)
	}
	buildErr := s.buildTemplate(ctx, scratch)
	if _, err := s.admin.Exec(ctx, `SELECT pg_advisory_unlock(hashtextextended($1, 0))`, scratch); err != nil {
		return errors.Join(buildErr, fmt.Errorf("unlock the template: %w", err))
	}
	return buildErr
}

func (s *server) buildTemplate(ctx context.Context, scratch string) error {
	var built bool
	if err := s.admin.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, s.template).Scan(&built); err != nil {
		return fmt.Errorf("look for the template: %w", err)
	}
	if built {
		return nil
	}
	if err := s.exec(ctx, `DROP DATABASE IF EXISTS %s WITH (FORCE)`, scratch); err != nil {
		return err
	}
	if err := s.exec(ctx, `CREATE DATABASE %s`, scratch); err != nil {
		return err
	}
	if err := s.migrate(ctx, scratch); err != nil {
		return err
	}
	if err := s.exec(ctx, `ALTER DATABASE %s RENAME TO %s`, scratch, s.template); err != nil {
		return err
	}
	// A database that somebody is connected to cannot be copied.
	return s.exec(ctx, `ALTER DATABASE %s ALLOW_CONNECTIONS false`, s.template)
}

func (s *server) migrate(ctx context.Context, database string) error {
	url, err := s.url(database)
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, url)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err = postgres.Migrate(ctx, pool); err != nil {
		return err
	}
	return postgres.Guard(ctx, pool)
}

// clone makes a test's database and returns its name.
func (s *server) clone(ctx context.Context, template string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := testPrefix + strings.ToLower(rand.Text()[:12])
	if _, err := s.admin.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, 0))`, name); err != nil {
		return "", fmt.Errorf("mark %s as alive: %w", name, err)
	}
	return name, s.exec(ctx, `CREATE DATABASE %s TEMPLATE %s`, name, template)
}

func (s *server) drop(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.exec(ctx, `DROP DATABASE IF EXISTS %s WITH (FORCE)`, name); err != nil {
		return err
	}
	if _, err := s.admin.Exec(ctx, `SELECT pg_advisory_unlock(hashtextextended($1, 0))`, name); err != nil {
		return fmt.Errorf("unmark %s: %w", name, err)
	}
	return nil
}

// sweep drops the databases of tests that were killed, and templates of other schemas that no
// running test uses.
func (s *server) sweep(ctx context.Context) error {
	rows, err := s.admin.Query(ctx, `SELECT datname FROM pg_database
		WHERE (starts_with(datname, $1) OR starts_with(datname, $2)) AND datname <> $3`, testPrefix, templatePrefix, s.template)
	if err != nil {
		return fmt.Errorf("look for databases that tests left: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for databases that tests left: %w", err)
	}
	for _, name := range names {
		var dead bool
		if err := s.admin.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, name).Scan(&dead); err != nil {
			return fmt.Errorf("ask whether %s is in use: %w", name, err)
		}
		if !dead {
			continue
		}
		if err := s.drop(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// exec runs a statement on databases, whose names it quotes.
func (s *server) exec(ctx context.Context, statement string, databases ...string) error {
	var quoted []any
	for _, name := range databases {
		quoted = append(quoted, pgx.Identifier{name}.Sanitize())
	}
	sql := fmt.Sprintf(statement, quoted...)
	if _, err := s.admin.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s: %w", sql, err)
	}
	return nil
}
