package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

const (
	ours   = "11111111-1111-4111-8111-111111111111"
	theirs = "22222222-2222-4222-8222-222222222222"
)

type orgKey struct{}

// as returns a context of an organisation.
func as(ctx context.Context, org string) context.Context {
	return context.WithValue(ctx, orgKey{}, org)
}

func orgOf(ctx context.Context) string {
	id, _ := ctx.Value(orgKey{}).(string)
	return id
}

// apart returns two pools on a database that two organisations share, with rows in every table.
func apart(t *testing.T) (pool, tenants *pgxpool.Pool, tables []string) {
	t.Helper()
	pool = openURL(t, pgtest.URL(t))
	for i, org := range []string{ours, theirs} {
		pgtest.Furnish(t, pool, org, i+1)
	}
	rows, _ := pool.Query(t.Context(), `SELECT guarded::text FROM ringside_guarded_tables() ORDER BY 1`)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return pool, pgtest.Tenants(t, pool, orgOf), tables
}

func count(t *testing.T, ctx context.Context, pool *pgxpool.Pool, sql string) (n int) {
	t.Helper()
	if err := pool.QueryRow(ctx, sql).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// Without a word of the organisation in the query, an organisation sees its own rows and no others.
func TestRowsOfOthersDoNotExist(t *testing.T) {
	t.Parallel()
	pool, tenants, tables := apart(t)
	for _, table := range append(tables, "org_contacts") {
		all := count(t, t.Context(), pool, `SELECT count(*) FROM `+table)
		if all < 2 {
			t.Errorf("%s has %d rows: this test needs one of each organisation (see pgtest.Furnish)", table, all)
		}
		if got := count(t, as(t.Context(), ours), tenants, `SELECT count(*) FROM `+table); got != all/2 {
			t.Errorf("of the %d rows of %s we see %d", all, table, got)
		}
	}
	if err := tenants.Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "names no organisation") {
		t.Errorf("a context without an organisation: %v", err)
	}
	// The same connection goes from one organisation to the other, and keeps nothing of the first.
	single, err := postgres.Tenants(t.Context(), pool, orgOf)
	if err != nil {
		t.Fatal(err)
	}
	defer single.Close()
	for _, org := range []string{ours, theirs, ours} {
		if got := count(t, as(t.Context(), org), single, `SELECT count(*) FROM orgs WHERE id = '`+org+`'`); got != 1 {
			t.Errorf("%q does not see itself", org)
		}
		if got := count(t, as(t.Context(), org), single, `SELECT count(*) FROM orgs`); got != 1 {
			t.Errorf("%q sees %d organisations", org, got)
		}
	}
}

// What was forgotten in a query that changes something changes nobody else's.
func TestRowsOfOthersCannotBeChanged(t *testing.T) {
	t.Parallel()
	pool, tenants, tables := apart(t)
	for _, table := range tables {
		for _, sql := range []string{`DELETE FROM ` + table, `UPDATE ` + table + ` SET ` + anyColumn(t, pool, table)} {
			tx, err := tenants.Begin(as(t.Context(), ours))
			if err != nil {
				t.Fatal(err)
			}
			tag, err := tx.Exec(t.Context(), sql)
			all := count(t, t.Context(), pool, `SELECT count(*) FROM `+table)
			// A foreign key may keep our own rows; what matters is that no other row was touched.
			if err == nil && int(tag.RowsAffected()) != all/2 {
				t.Errorf("%s touches %d of %d rows", sql, tag.RowsAffected(), all)
			} else if pgErr, ok := errors.AsType[*pgconn.PgError](err); err != nil && (!ok || pgErr.Code != "23503") {
				t.Errorf("%s: %v", sql, err)
			}
			if err := tx.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		// Nor can a row of ours be given to them.
		if slices.Contains(columns(t, pool, table), "org_id") {
			_, err := tenants.Exec(as(t.Context(), ours), fmt.Sprintf(`UPDATE %s SET org_id = '%s'`, table, theirs))
			if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "42501" {
				t.Errorf("a row of %s was given away: %v", table, err)
			}
		}
	}
	for _, sql := range []string{
		`INSERT INTO contacts (org_id, name, phone) VALUES ('` + theirs + `', 'Planted', '+14155550123')`,
		`INSERT INTO orgs (name, country) VALUES ('New', 'US')`,
		`INSERT INTO sessions (hash, member_id, expires_at) VALUES (sha256('x'), '` + theirs + `', now())`,
		`INSERT INTO contact_import_rows (import_id, line, verdict, name, phone) VALUES ('` + theirs + `', 2, 'new', 'N', '+1')`,
		`SELECT * FROM sealed_values`, `SELECT * FROM goose_db_version`, `UPDATE org_contacts SET name = 'x'`,
		`ALTER TABLE contacts DISABLE ROW LEVEL SECURITY`, `DROP POLICY ringside_org ON contacts`,
	} {
		_, err := tenants.Exec(as(t.Context(), ours), sql)
		if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "42501" {
			t.Errorf("%s: %v, want it to be refused", sql, err)
		}
	}
}

func columns(t *testing.T, pool *pgxpool.Pool, table string) []string {
	t.Helper()
	rows, _ := pool.Query(t.Context(), `SELECT attname::text FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '' ORDER BY attnum`, table)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// anyColumn sets a column to what it is.
func anyColumn(t *testing.T, pool *pgxpool.Pool, table string) string {
	name := columns(t, pool, table)[0]
	return name + " = " + name
}

// Every table is guarded, or out of a tenant's reach: also those that are added after this was written.
func TestEveryTableIsGuarded(t *testing.T) {
	t.Parallel()
	pool, _, tables := apart(t)
	rows, _ := pool.Query(t.Context(), `SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f')
		AND (has_table_privilege('ringside_app', oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE') OR relname NOT IN ('goose_db_version', 'sealed_values')) ORDER BY 1`)
	reachable, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	reachable = slices.DeleteFunc(reachable, func(name string) bool { return name == "org_contacts" })
	slices.Sort(tables)
	if !slices.Equal(reachable, tables) {
		t.Errorf("tables %v\nguarded %v", reachable, tables)
	}
	for _, table := range tables {
		if got := count(t, t.Context(), pool, `SELECT count(*) FROM pg_policy WHERE polname = 'ringside_org' AND polrelid = '`+table+`'::regclass`); got != 1 {
			t.Errorf("%s has %d policies", table, got)
		}
	}
}

// A restored backup has no roles, and a new table no policy: both are set up at the next start.
func TestGuardRepairs(t *testing.T) {
	t.Parallel()
	pool, tenants, _ := apart(t)
	for _, sql := range []string{
		`CREATE TABLE newer (id int, org_id uuid)`, `ALTER TABLE contacts DISABLE ROW LEVEL SECURITY`, `DROP POLICY ringside_org ON interactions`,
		`REVOKE ALL ON members FROM ringside_app`, `DROP VIEW org_contacts`, `ALTER TABLE contacts ADD COLUMN newer text`,
		`CREATE POLICY open ON contacts TO ringside_app USING (true)`,
	} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		err := postgres.Guard(t.Context(), pool)
		if strings.HasPrefix(sql, "CREATE POLICY") { // somebody's own: it is not taken away, and not passed over in silence
			if _, ok := errors.AsType[*postgres.UnguardedError](err); !ok || !strings.Contains(err.Error(), "contacts") {
				t.Errorf("after %s: %v", sql, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("after %s: %v", sql, err)
		}
		for _, table := range []string{"contacts", "interactions", "members", "org_contacts"} {
			all := count(t, t.Context(), pool, `SELECT count(*) FROM `+table)
			if got := count(t, as(t.Context(), ours), tenants, `SELECT count(*) FROM `+table); got != all/2 {
				t.Errorf("after %s, of the %d rows of %s we see %d", sql, all, table, got)
			}
		}
	}
}

// An owner who may not make roles is told what an administrator has to do, and goes on without.
func TestGuardWithoutTheRight(t *testing.T) {
	t.Parallel()
	url := pgtest.EmptyURL(t)
	admin := openURL(t, url)
	user := "plain_" + strings.ReplaceAll(admin.Config().ConnConfig.Database, "test_", "")
	for _, sql := range []string{`CREATE ROLE %[1]s LOGIN`, `GRANT CREATE, USAGE ON SCHEMA public TO %[1]s`, `ALTER DATABASE ` + admin.Config().ConnConfig.Database + ` OWNER TO %[1]s`} {
		if _, err := admin.Exec(t.Context(), fmt.Sprintf(sql, user)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_, err := admin.Exec(context.WithoutCancel(t.Context()), fmt.Sprintf(`ALTER DATABASE %s OWNER TO CURRENT_USER; DROP OWNED BY %s; DROP ROLE %[2]s`, admin.Config().ConnConfig.Database, user))
		if err != nil {
			t.Error(err)
		}
	})
	owner := openURL(t, url, func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, `SET SESSION AUTHORIZATION `+user)
			return err
		}
	})
	migrateAs(t, admin, owner, user)
	err := postgres.Guard(t.Context(), owner)
	unguarded, ok := errors.AsType[*postgres.UnguardedError](err)
	if !ok || !strings.Contains(unguarded.Reason, "GRANT ringside_app TO "+user) {
		t.Fatalf("Guard = %v", err)
	}
	if _, err := admin.Exec(t.Context(), `GRANT ringside_app TO `+user); err != nil {
		t.Fatal(err)
	}
	if err := postgres.Guard(t.Context(), owner); err != nil {
		t.Fatalf("after what it asked for was done: %v", err)
	}
	for i, org := range []string{ours, theirs} {
		pgtest.Furnish(t, owner, org, i+1)
	}
	// As the owner, who is no superuser, everything is seen: webhooks, upkeep, and a backup that is whole.
	if got := count(t, t.Context(), owner, `SELECT count(*) FROM contacts`); got != 4 {
		t.Errorf("the owner sees %d contacts", got)
	}
	if _, err := owner.Exec(t.Context(), `SET row_security = off; SELECT count(*) FROM contacts; RESET row_security`); err != nil {
		t.Errorf("a backup by the owner: %v", err)
	}
	tenants := pgtest.Tenants(t, owner, orgOf)
	if got := count(t, as(t.Context(), ours), tenants, `SELECT count(*) FROM contacts`); got != 2 {
		t.Errorf("of four contacts, an organisation sees %d", got)
	}
	if got := count(t, as(t.Context(), ours), tenants, `SELECT count(*) FROM org_contacts`); got != 2 {
		t.Errorf("of four contacts, an organisation sees %d in the view", got)
	}
}

// migrateAs makes a user the owner of the whole schema.
func migrateAs(t *testing.T, admin, owner *pgxpool.Pool, user string) {
	t.Helper()
	if _, err := postgres.Migrate(t.Context(), admin); err != nil {
		t.Fatal(err)
	}
	_, err := admin.Exec(t.Context(), `DO $$ DECLARE o record; BEGIN
		FOR o IN SELECT format('ALTER TABLE %I OWNER TO `+user+`', relname) AS sql FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'p') LOOP EXECUTE o.sql; END LOOP;
	END $$`)
	if err != nil {
		t.Fatal(err)
	}
	if got := count(t, t.Context(), owner, `SELECT count(*) FROM orgs`); got != 0 {
		t.Fatalf("%d organisations in an empty database", got)
	}
}
