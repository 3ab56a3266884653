package cache_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
)

// A writer that dies behind its fence has written nothing, and its fence does not outlive it for long.
func TestRule17_AWriterThatDiesBehindItsFence(t *testing.T) {
	t.Parallel()
	server, _ := startRedis(t)
	for name, redis := range map[string]string{"in the process": "", "with Redis": server.URL()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newTenant(t)
			n.add(number(1), "Alex")
			writing := startSidecar(t, n, redis)
			sidecars := []*sidecar{writing}
			if redis != "" { // another one in a process of its own hears of the fence by Redis alone
				sidecars = append(sidecars, startSidecar(t, n, redis))
			}
			cached := func(s *sidecar) bool {
				got := s.find(t, n, number(1))
				if name := nameOf(got.Record); name != "Alex" {
					t.Fatalf("found %q by %q", name, outcomes(got))
				}
				return got.Steps[len(got.Steps)-1].Outcome == "hit" && !strings.Contains(outcomes(got), "postgres")
			}
			for _, s := range sidecars {
				await(t, "the caller is held", func() bool { return cached(s) })
			}
			line, wire := n.poolOnLine(t, func(*pgxpool.Config) {})
			tx, err := line.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			fenced := time.Now()
			writing.Raise(t.Context(), n.org.ID, number(1))
			if _, err := tx.Exec(t.Context(), `UPDATE contacts SET name = 'never'`); err != nil {
				t.Fatal(err)
			}
			wire.Refuse(true)
			for _, s := range sidecars {
				await(t, "the caller is held again", func() bool { return cached(s) })
				// The other process may hold what it did for a second more.
				if after := time.Since(fenced); s == writing && after < 5*time.Second || after > 8*time.Second {
					t.Errorf("the caller was held again %s after the fence, want 5 s", after)
				}
			}
			_ = tx.Rollback(t.Context())
		})
	}
}

// A COMMIT may hang on the server for longer than a fence lives, here in a trigger of another program, while
// the writer has lost its line to it. Nobody announces it when it is done.
func TestRule17_ACommitThatHangsWithoutItsWriter(t *testing.T) {
	t.Parallel()
	const gate = 17
	server, in := startRedis(t)
	n := newTenant(t)
	n.add(number(1), "old")
	writing, reading := startSidecar(t, n, server.URL()), startSidecar(t, n, server.URL())
	n.fillRedis(in, reading, number(1))
	var id string
	if err := n.pool.QueryRow(t.Context(), `SELECT id::text FROM contacts`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if _, err := n.pool.Exec(t.Context(), `
		CREATE FUNCTION wait_at_gate() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_advisory_xact_lock(17); RETURN NULL; END';
		CREATE CONSTRAINT TRIGGER wait_at_commit AFTER UPDATE ON contacts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_at_gate()`); err != nil {
		t.Fatal(err)
	}
	closed, err := n.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer closed.Release()
	if _, err := closed.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, gate); err != nil {
		t.Fatal(err)
	}
	line, wire := n.poolOnLine(t, func(*pgxpool.Config) {})
	wrote := make(chan error, 1)
	go func() {
		name := "new"
		_, err := contacts.NewBook(line, writing.Callers).Change(context.WithoutCancel(t.Context()), n.org, id, contacts.Change{Name: &name})
		wrote <- err
	}()
	waits := func() (so bool) {
		if err := n.pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND NOT granted
			AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))`, gate).Scan(&so); err != nil {
			t.Fatal(err)
		}
		return so
	}
	inPostgres := func() (name string) {
		if err := n.pool.QueryRow(t.Context(), `SELECT name FROM contacts`).Scan(&name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	await(t, "the COMMIT hangs", waits)
	wire.Refuse(true) // it cannot even tell the server to give up
	if err := <-wrote; err == nil {
		t.Fatal("the writer has an answer without a line")
	}
	cut := time.Now()
	for time.Since(cut) < 6*time.Second {
		for _, s := range []*sidecar{writing, reading} {
			if got := s.find(t, n, number(1)); nameOf(got.Record) != "old" {
				t.Fatalf("before the commit %q was found by %q", nameOf(got.Record), outcomes(got))
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !waits() {
		t.Fatal("the COMMIT did not hang")
	}
	if _, err := closed.Exec(t.Context(), `SELECT pg_advisory_unlock($1)`, gate); err != nil {
		t.Fatal(err)
	}
	await(t, "the commit is done", func() bool { return !waits() && inPostgres() == "new" })
	committed := time.Now()
	await(t, "rule 17's second has passed", func() bool {
		for _, s := range []*sidecar{writing, reading} {
			late := time.Since(committed) > ruleSecond
			if got := s.find(t, n, number(1)); late && nameOf(got.Record) != "new" {
				t.Fatalf("%s after the commit %q was found by %q", time.Since(committed), nameOf(got.Record), outcomes(got))
			}
		}
		return time.Since(committed) > ruleSecond+500*time.Millisecond
	})
}
