package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"ringside/internal/org"
)

// The goals of an address book of a million.
const (
	importGoal       = 2.5 // times the wall time of COPY
	importMemoryGoal = 150 << 20
	searchGoal       = 20 * time.Millisecond // p99, of any page
)

// bookResult is what was found of the address book.
type bookResult struct {
	crowd    crowd
	imports  importResult
	searches []searchRow
	writes   []writeRow
}

// bookBench measures the address book of one organisation. Its yardsticks write into a table with the
// columns and indexes of contacts, but neither triggers nor foreign keys.
type bookBench struct {
	*stage
	crowd crowd
	org   org.Org
	file  string
	next  int // who has not been in any book yet
}

// measureBook measures an import beside COPY, and then searches and changes the book that is there.
// What was in contacts is gone after it.
func (s *stage) measureBook(ctx context.Context) (result *bookResult, err error) {
	b := &bookBench{stage: s, crowd: crowd{s.plan.people}, file: filepath.Join(s.dir, "people.csv")}
	b.next = b.crowd.all()
	if b.org, err = org.NewStore(s.pool).CreateOrg(ctx, org.Org{Name: "Book", Country: "US"}); err != nil {
		return nil, fmt.Errorf("make the organisation: %w", err)
	}
	s.say("Book: a file of %d people …", b.crowd.rows)
	if err := b.crowd.write(b.file); err != nil {
		return nil, err
	}
	if err := b.runSQL(ctx, `CREATE TABLE `+yardstickTable+` (LIKE contacts INCLUDING ALL)`); err != nil {
		return nil, err
	}
	result = &bookResult{crowd: b.crowd}
	if result.imports, err = b.measureImports(ctx); err != nil {
		return nil, err
	}
	s.say("Book: vacuuming …")
	if err := b.runSQL(ctx, `VACUUM ANALYZE contacts`, `VACUUM ANALYZE `+yardstickTable, `CHECKPOINT`); err != nil {
		return nil, err
	}
	if result.searches, err = b.measureSearches(ctx); err != nil {
		return nil, err
	}
	if result.writes, err = b.measureWrites(ctx); err != nil {
		return nil, err
	}
	return result, nil
}

// yardstickTable is where the yardsticks write.
const yardstickTable = "bench_contacts"

// runSQL runs statements one after the other, each by itself.
func (b *bookBench) runSQL(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := b.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// columns are what is copied of a person, in the order of bookBench.values.
var columns = []string{"org_id", "import_id", "source", "name", "phone", "email", "tags", "notes",
	"name_source", "email_source", "tags_source", "notes_source", "last_contacted_at"}

// copyPeople copies people into a table. Nobody has been contacted who comes from an import.
func (b *bookBench) copyPeople(ctx context.Context, table string, from, to int, importID *string) error {
	id, err := uuidOf(string(b.org.ID))
	if err != nil {
		return err
	}
	var imported any
	if importID != nil {
		if imported, err = uuidOf(*importID); err != nil {
			return err
		}
	}
	n := from
	source := pgx.CopyFromFunc(func() ([]any, error) {
		if n == to {
			return nil, nil
		}
		p, by := somebody(n), sourceOf(n)
		if importID != nil {
			p.contacted, by = nil, "import"
		}
		if p.tags == nil {
			p.tags = []string{}
		}
		var email *string
		if p.email != "" {
			email = &p.email
		}
		n++
		return []any{id, imported, by, p.name, p.phone, email, p.tags, p.notes, by, by, by, by, p.contacted}, nil
	})
	_, err = b.pool.CopyFrom(ctx, pgx.Identifier{table}, columns, source)
	if err != nil {
		return fmt.Errorf("copy people: %w", err)
	}
	return nil
}

// sourceOf is what made those who were in the book before the import: a few came by themselves.
func sourceOf(n int) string {
	switch n % 100 {
	case 0:
		return "capture"
	case 50, 51, 52:
		return "auto"
	}
	return "person"
}

// uuidOf reads a UUID, so that COPY does not have to for each row.
func uuidOf(text string) (pgtype.UUID, error) {
	var id pgtype.UUID
	if err := id.Scan(text); err != nil {
		return id, fmt.Errorf("read the id %s: %w", text, err)
	}
	return id, nil
}
