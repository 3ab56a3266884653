package contacts

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"ringside/contacts/sheet"
	"ringside/internal/org"
)

// exportColumns are the columns of an export, which an import reads again.
var exportColumns = []string{"name", "phone", "email", "tags", "notes"}

// Export writes the contacts that a query finds, all of them and in its order, as CSV for
// spreadsheets and for [Book.Import].
func (b *Book) Export(ctx context.Context, id org.ID, q Query, to io.Writer) error {
	q.Cursor, q.Limit = "", 0
	if _, err := q.check(); err != nil {
		return err
	}
	where, args := q.where(id)
	sort := sortKeys[q.Sort]
	return b.writePeople(ctx, to, fmt.Sprintf(`SELECT name, phone, coalesce(email, ''), tags, notes FROM contacts WHERE %s ORDER BY %s %s, id %[3]s`,
		where, sort.key, sort.direction), args...)
}

// writePeople writes what a query finds under exportColumns.
func (b *Book) writePeople(ctx context.Context, to io.Writer, sql string, args ...any) error {
	rows, err := b.pool.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("read contacts: %w", err)
	}
	defer rows.Close()
	w := sheet.NewWriter(to, sheet.WriterOptions{BOM: true})
	if err := w.Write(exportColumns...); err != nil {
		return fmt.Errorf("write contacts: %w", err)
	}
	var name, phone, email, notes string
	var tags []string
	_, err = pgx.ForEachRow(rows, []any{&name, &phone, &email, &tags, &notes}, func() error {
		return w.Write(name, phone, email, sheet.JoinTags(tags), notes)
	})
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return fmt.Errorf("write contacts: %w", err)
	}
	return nil
}

// problemColumn is what a file of rejected rows has behind the file's own columns.
const problemColumn = "Problem"

// WriteRejected writes the rows of an import that could not be read, as they came and each with what
// is wrong with it, to be mended and imported again.
func (b *Book) WriteRejected(ctx context.Context, id org.ID, importID string, to io.Writer) error {
	report, err := b.ImportReport(ctx, id, importID)
	if err == nil {
		err = report.rowsKept()
	}
	if err != nil {
		return err
	}
	var header []string
	for _, c := range report.Columns {
		header = append(header, c.Name)
	}
	rows, err := b.pool.Query(ctx, `
		SELECT cells, problem->>'column', problem->>'reason' FROM contact_import_rows
		WHERE import_id = $1::text::uuid AND verdict = 'invalid' ORDER BY line`, importID)
	if err != nil {
		return fmt.Errorf("read rejected rows: %w", err)
	}
	defer rows.Close()
	if i := slices.Index(header, problemColumn); i >= 0 { // of an earlier round; it is the last
		header = header[:i]
	}
	columns := len(header)
	w := sheet.NewWriter(to, sheet.WriterOptions{BOM: true})
	if err := w.Write(append(header, problemColumn)...); err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	var cells []string
	var column, reason string
	_, err = pgx.ForEachRow(rows, []any{&cells, &column, &reason}, func() error {
		row := append(cells, make([]string, max(0, columns-len(cells)))...)[:columns:columns]
		return w.Write(append(row, strings.TrimPrefix(column+": "+reason, ": "))...)
	})
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return fmt.Errorf("write rejected rows: %w", err)
	}
	return nil
}

// WriteLeftOut writes the rows for which the plan had no room, to be imported when it has.
func (b *Book) WriteLeftOut(ctx context.Context, id org.ID, importID string, to io.Writer) error {
	report, err := b.ImportReport(ctx, id, importID)
	if err == nil {
		err = report.rowsKept()
	}
	if err != nil {
		return err
	}
	return b.writePeople(ctx, to, `
		SELECT name, phone, coalesce(email, ''), coalesce(tags, '{}'), coalesce(notes, '') FROM contact_import_rows
		WHERE import_id = $1::text::uuid AND verdict = 'left_out' ORDER BY line`, importID)
}
