package contacts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/contacts/sheet"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// ImportFile is a file of people.
type ImportFile struct {
	Name     string
	Content  io.Reader
	Campaign string // the id of the campaign that its people are for; "" is the address book
	Options  sheet.Options
	Progress func(ImportProgress) // called now and then; nil: nobody watches
}

// PlanImport reads a file, keeps what is to become of each row, and writes nothing into the book. The
// plan is carried out by [Book.ApplyImport].
func (b *Book) PlanImport(ctx context.Context, o org.Org, f ImportFile) (ImportReport, error) {
	return b.planImport(ctx, o, f, b.countPlan)
}

// planImport plans a file. Finish completes and keeps the report when all rows are staged.
func (b *Book) planImport(ctx context.Context, o org.Org, f ImportFile, finish func(context.Context, org.ID, *ImportReport) error) (ImportReport, error) {
	s, err := sheet.Open(f.Content, f.Options)
	if err != nil {
		return ImportReport{}, failed("read file", err)
	}
	p := &planner{org: o, sheet: s, own: map[phone.Number]bool{}, seen: map[uint64]struct{}{}, progress: newProgress(f.Progress, true, 0)}
	p.report = ImportReport{State: ImportPlanned, CampaignID: f.Campaign, FileName: cut(tidy(f.Name), 300), Problems: []ImportProblem{}, Encoding: string(s.Encoding()),
		Delimiter: string(s.Delimiter()), UnknownColumns: []string{}}
	p.readColumns(f)
	if err := p.readOwn(ctx, b); err != nil {
		return ImportReport{}, fmt.Errorf("plan import: %w", err)
	}
	err = b.pool.QueryRow(ctx, `INSERT INTO contact_imports (org_id, file_name, campaign_id) VALUES ($1::text::uuid, $2, nullif($3, '')::uuid) RETURNING id::text, created_at`,
		o.ID, p.report.FileName, f.Campaign).Scan(&p.report.ID, &p.report.CreatedAt)
	if err == nil {
		err = p.stage(ctx, b)
	}
	if err == nil {
		p.report.Repairs = p.repairs.Counts()
		err = finish(ctx, o.ID, &p.report)
	}
	if err != nil {
		_, cleanErr := b.pool.Exec(context.WithoutCancel(ctx), `DELETE FROM contact_imports WHERE id = nullif($1, '')::uuid`, p.report.ID)
		return ImportReport{}, failed("plan import", errors.Join(err, cleanErr))
	}
	p.progress.last(p.report.Rows, 0, p.report.Invalid+p.report.Repeated)
	return p.report, nil
}

// readColumns tells what the columns are. What a campaign's people have no field for are variables of
// theirs, but for those that somebody has left out.
func (p *planner) readColumns(f ImportFile) {
	taken := map[string]bool{}
	for i, c := range p.sheet.Columns() {
		column := ImportColumn{Name: c.Name, Field: c.Field}
		if c.Field == sheet.FieldVariable || f.Campaign != "" && (c.Field == sheet.FieldEmail || c.Field == sheet.FieldTags) {
			column.Field = sheet.FieldNone
		}
		_, chosen := f.Options.Columns[c.Name]
		leftOut := chosen && c.Field == sheet.FieldNone
		name := VariableName(c.Name)
		if f.Campaign != "" && column.Field == sheet.FieldNone && !leftOut && name != "" && !taken[name] && len(p.variables) < MaxVariables {
			column.Variable, taken[name] = name, true
			p.variables = append(p.variables, i)
		}
		if column.Field == sheet.FieldNone && column.Variable == "" {
			p.report.UnknownColumns = append(p.report.UnknownColumns, c.Name)
		}
		p.report.Columns = append(p.report.Columns, column)
	}
}

// variablesOf returns a row's variables, nil if it has none. What is too long is cut: it is said, not kept.
func (p *planner) variablesOf(row *sheet.Row) map[string]string {
	var found map[string]string
	for _, i := range p.variables {
		if i >= len(row.Cells) {
			break
		}
		value := cut(tidy(storableText(sheet.Plain(row.Cells[i]))), MaxVariableValue)
		if value == "" {
			continue
		}
		if found == nil {
			found = map[string]string{}
		}
		found[p.report.Columns[i].Variable] = value
	}
	return found
}

// planner turns the rows of a file into rows of the plan.
type planner struct {
	org      org.Org
	sheet    *sheet.Sheet
	own      map[phone.Number]bool // the organisation's own numbers, which are nobody's (rule 5)
	seen     map[uint64]struct{}   // phones of earlier rows
	report   ImportReport
	repairs  sheet.Tally
	progress *progress
	// variables are the columns that are a campaign person's variables.
	variables []int
}

// stagedAtOnce is how many rows are read before they are sent. A connection is taken only for the
// sending, so that an upload that crawls keeps none from callers.
const stagedAtOnce = 5000

// stage reads the whole file. While some rows are sent, the next are read.
func (p *planner) stage(ctx context.Context, b *Book) (err error) {
	var sending chan error // of the batch under way; nil: there is none
	sent := func() error {
		if sending == nil {
			return nil
		}
		defer func() { sending = nil }()
		return <-sending
	}
	defer func() { err = errors.Join(err, sent()) }()
	batch, other := make([][]any, 0, stagedAtOnce), make([][]any, 0, stagedAtOnce)
	for {
		row, readErr := p.next()
		if row != nil {
			batch = append(batch, row)
		}
		if len(batch) == stagedAtOnce || readErr != nil && len(batch) > 0 {
			if err := sent(); err != nil {
				return err
			}
			sending = b.sendStaged(ctx, batch)
			batch, other = other[:0], batch
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return readErr
		}
	}
}

// sendStaged sends rows to Postgres; its result comes when they are there.
func (b *Book) sendStaged(ctx context.Context, batch [][]any) chan error {
	sending := make(chan error, 1)
	go func() {
		_, err := b.copies.CopyFrom(ctx, pgx.Identifier{"contact_import_rows"}, stagedColumns, pgx.CopyFromRows(batch))
		sending <- err
	}()
	return sending
}

// stagedColumns are the columns of a planned row, in the order of planner.next.
var stagedColumns = []string{"import_id", "line", "verdict", "name", "phone", "email", "tags", "notes", "cells", "problem", "variables"}

func (p *planner) readOwn(ctx context.Context, b *Book) error {
	rows, err := b.pool.Query(ctx, `SELECT phone FROM phone_numbers WHERE org_id = $1::text::uuid`, p.org.ID)
	if err != nil {
		return err
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[phone.Number])
	for _, n := range numbers {
		p.own[n] = true
	}
	return err
}

// next plans the next row. Its error is that of [sheet.Sheet.Next].
func (p *planner) next() ([]any, error) {
	row, err := p.sheet.Next()
	if err != nil {
		return nil, err
	}
	p.report.Rows++
	p.repairs.Merge(row.Repairs)
	c, wrong := p.read(row)
	var staged []any
	switch {
	case wrong != nil:
		p.report.Invalid++
		wrong.Line = row.Line
		if len(p.report.Problems) < maxProblems {
			p.report.Problems = append(p.report.Problems, *wrong)
		}
		staged = []any{p.report.ID, row.Line, "invalid", nil, nil, nil, nil, nil, storableCells(row.Cells), wrong, nil}
	case p.repeated(c.Phone):
		p.report.Repeated++
		staged = []any{p.report.ID, row.Line, "repeated", c.Name, string(c.Phone), nil, nil, nil, nil, nil, nil}
	default:
		staged = []any{p.report.ID, row.Line, "new", c.Name, string(c.Phone), optional(c.Email), c.Tags, optional(c.Notes), nil, nil, p.variablesOf(row)}
	}
	p.progress.at(p.report.Rows, 0, p.report.Invalid+p.report.Repeated)
	return staged, nil
}

// read reads a row as a contact, or says what is wrong with it.
func (p *planner) read(row *sheet.Row) (Contact, *ImportProblem) {
	if row.Invalid != nil {
		return Contact{}, &ImportProblem{Column: row.Invalid.Column, Value: storableText(row.Invalid.Value), Reason: row.Invalid.Reason}
	}
	n, repair, err := sheet.ReadPhone(row.Phone, p.org.Country)
	if err != nil {
		return Contact{}, &ImportProblem{Column: p.column(sheet.FieldPhone), Value: shown(row.Phone), Reason: err.Error()}
	}
	p.repairs.Add(repair)
	if p.own[n] {
		return Contact{}, &ImportProblem{Column: p.column(sheet.FieldPhone), Value: shown(row.Phone), Reason: "This is one of the organisation's own numbers."}
	}
	c, err := Draft{Name: row.Name, Email: row.Email, Tags: row.Tags, Notes: row.Notes}.withPhone(n)
	if wrong, ok := errors.AsType[*problem.Error](err); ok {
		value := map[string]string{"name": row.Name, "email": row.Email, "notes": row.Notes}[wrong.Field]
		return Contact{}, &ImportProblem{Column: p.column(sheet.Field(wrong.Field)), Value: shown(value), Reason: wrong.Detail}
	}
	return c, nil
}

// column returns the name that the file has for a field.
func (p *planner) column(field sheet.Field) string {
	for _, c := range p.report.Columns {
		if c.Field == field {
			return c.Name
		}
	}
	return string(field)
}

// repeated reports whether an earlier row had the number, and remembers it. A number has at most 15
// digits.
func (p *planner) repeated(n phone.Number) bool {
	digits, _ := strconv.ParseUint(string(n[1:]), 10, 64)
	_, seen := p.seen[digits]
	p.seen[digits] = struct{}{}
	return seen
}

func optional(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// shown is a cell as it is shown in a report.
func shown(cell string) string { return cut(tidy(cell), 100) }

// storableText takes out what Postgres cannot hold.
func storableText(text string) string {
	if storable("", text) == nil {
		return text
	}
	return tidy(text)
}

func storableCells(cells []string) []string {
	kept := make([]string, len(cells))
	for i, cell := range cells {
		kept[i] = storableText(cell)
		if utf8.RuneCountInString(kept[i]) > MaxNotes {
			kept[i] = cut(kept[i], MaxNotes)
		}
	}
	return kept
}

// countPlan fills in what the book says of the staged rows: how many are known, and how many there
// is room for.
func (b *Book) countPlan(ctx context.Context, id org.ID, r *ImportReport) error {
	counts, err := b.countStaged(ctx, id, r)
	if err != nil {
		return err
	}
	r.apply(counts)
	if r.First, err = b.firstRows(ctx, id, r, counts.room); err != nil {
		return err
	}
	return b.saveImport(ctx, r)
}

// stagedCounts is what the book says of an import's rows.
type stagedCounts struct {
	fresh, known, archived int
	room                   *int // left of the plan; nil: no limit
}

func (r *ImportReport) apply(c stagedCounts) {
	r.Created, r.Known, r.Archived, r.LeftOut = c.fresh, c.known, c.archived, 0
	if c.room != nil && r.Created > *c.room {
		r.Created, r.LeftOut = *c.room, c.fresh-*c.room
	}
}

func (b *Book) countStaged(ctx context.Context, id org.ID, r *ImportReport) (c stagedCounts, err error) {
	into := r.into()
	err = b.pool.QueryRow(ctx, `
		WITH asked AS (`+into.staged+`)
		SELECT count(*) FILTER (WHERE NOT active AND NOT archived), count(*) FILTER (WHERE active OR archived), count(*) FILTER (WHERE archived AND NOT active),
			(SELECT greatest(0, o.contact_limit - `+activeSQL+`) FROM orgs o
				WHERE o.id = $1::text::uuid AND o.contact_limit IS NOT NULL AND $3) -- greatest takes NULL for nothing
		FROM asked`, id, r.ID, into.limited).Scan(&c.fresh, &c.known, &c.archived, &c.room)
	return c, err
}

// firstRows returns the first rows of each kind that is not a problem.
func (b *Book) firstRows(ctx context.Context, id org.ID, r *ImportReport, room *int) (map[string][]ImportRow, error) {
	first := map[string][]ImportRow{"created": {}, "known": {}, "repeated": {}, "left_out": {}}
	rows, err := b.pool.Query(ctx, `
		WITH asked AS (`+r.into().staged+`
		), known AS (
			SELECT line, name, phone FROM asked WHERE active OR archived ORDER BY line LIMIT $3
		), fresh AS (
			SELECT line, name, phone FROM asked WHERE NOT active AND NOT archived ORDER BY line LIMIT coalesce($4::int, 0) + $3::int
		)
		SELECT 'known', * FROM known
		UNION ALL SELECT CASE WHEN row_number() OVER (ORDER BY line) > $4::int THEN 'left_out' ELSE 'created' END, * FROM fresh
		UNION ALL (SELECT 'repeated', line, name, phone FROM contact_import_rows WHERE import_id = $2::text::uuid AND verdict = 'repeated' ORDER BY line LIMIT $3)
		ORDER BY 2`, id, r.ID, maxFirst, room)
	if err != nil {
		return nil, err
	}
	var kind string
	var row ImportRow
	_, err = pgx.ForEachRow(rows, []any{&kind, &row.Line, &row.Name, &row.Phone}, func() error {
		if len(first[kind]) < maxFirst {
			first[kind] = append(first[kind], row)
		}
		return nil
	})
	return first, err
}

// progress tells whoever watches how far an import is, a few times a second.
type progress struct {
	tell    func(ImportProgress)
	reading bool
	of      int
	began   time.Time
	told    time.Time
}

const progressEvery = 200 * time.Millisecond

func newProgress(tell func(ImportProgress), reading bool, of int) *progress {
	return &progress{tell: tell, reading: reading, of: of, began: time.Now()}
}

func (p *progress) at(rows, created, skipped int) {
	if p.tell == nil || rows%64 != 0 && p.reading || time.Since(p.told) < progressEvery {
		return
	}
	p.told = time.Now()
	now := ImportProgress{Reading: p.reading, Rows: rows, Of: p.of, Created: created, Skipped: skipped}
	if took := time.Since(p.began); took > 0 {
		now.PerSecond = float64(rows) / took.Seconds()
	}
	if p.of > rows && now.PerSecond > 0 {
		now.Remaining = time.Duration(float64(p.of-rows) / now.PerSecond * float64(time.Second))
	}
	p.tell(now)
}

// last tells of the end of reading, or of writing, however short a file is.
func (p *progress) last(rows, created, skipped int) {
	if p.tell != nil {
		p.tell(ImportProgress{Reading: p.reading, Rows: rows, Of: p.of, Created: created, Skipped: skipped, PerSecond: float64(rows) / max(time.Since(p.began).Seconds(), 1e-9)})
	}
}
