package contacts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/contacts/sheet"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// KeptFilesFor is how long a file is kept between the trial of an import and the import.
const KeptFilesFor = 24 * time.Hour

// filesKept is how many files of an organisation are kept at the same time.
const filesKept = 10

// filePart is how much of a kept file is in one row, in bytes.
const filePart = 1 << 20

// KeptFile is a file that was uploaded and not yet imported.
type KeptFile struct {
	ID       string
	Name     string
	Campaign string // the campaign that its people are for; "": the address book
	Created  time.Time
}

// KeepFile keeps a file for a day, as it is: it is not read yet. One of more than limit bytes is a
// too_large problem, and nothing is kept. campaign is as in [ImportFile].
func (b *Book) KeepFile(ctx context.Context, id org.ID, name, campaign string, content io.Reader, limit int64) (f KeptFile, err error) {
	f = KeptFile{Name: cut(tidy(name), 300), Campaign: campaign}
	if campaign != "" {
		if err := b.hasCampaign(ctx, id, campaign); err != nil {
			return f, err
		}
	}
	err = b.pool.QueryRow(ctx, `INSERT INTO import_files (org_id, name, campaign_id) VALUES ($1::text::uuid, $2, nullif($3, '')::uuid) RETURNING id::text, created_at`,
		id, f.Name, campaign).Scan(&f.ID, &f.Created)
	if err == nil {
		err = b.keepParts(ctx, f.ID, content, limit)
	}
	if err == nil { // whoever tries many files keeps the last few
		_, err = b.pool.Exec(ctx, `
			DELETE FROM import_files WHERE org_id = $1::text::uuid AND id NOT IN (
				SELECT id FROM import_files WHERE org_id = $1::text::uuid ORDER BY created_at DESC, id LIMIT $2)`, id, filesKept)
	}
	if err != nil {
		_, cleanErr := b.pool.Exec(context.WithoutCancel(ctx), `DELETE FROM import_files WHERE id = nullif($1, '')::uuid`, f.ID)
		return KeptFile{}, failed("keep file", errors.Join(err, cleanErr))
	}
	return f, nil
}

// keepParts stores the content part by part, so that little of it is in memory.
func (b *Book) keepParts(ctx context.Context, fileID string, content io.Reader, limit int64) error {
	part := make([]byte, filePart)
	for n := 0; ; n++ {
		size, err := io.ReadFull(content, part)
		if size > 0 {
			if limit -= int64(size); limit < 0 {
				return problem.New(problem.CodeTooLarge, "The file is too large. Split it into smaller ones, each with the line of column names on top.")
			}
			if _, err := b.pool.Exec(ctx, `INSERT INTO import_file_parts (file_id, n, content) VALUES ($1::text::uuid, $2, $3)`, fileID, n, part[:size]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// KeptFile returns a file of the organisation that is kept.
func (b *Book) KeptFile(ctx context.Context, id org.ID, fileID string) (f KeptFile, err error) {
	err = b.pool.QueryRow(ctx, `
		SELECT id::text, name, coalesce(campaign_id::text, ''), created_at FROM import_files WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND created_at > $3`,
		id, fileID, time.Now().Add(-KeptFilesFor)).Scan(&f.ID, &f.Name, &f.Campaign, &f.Created)
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return f, problem.NotFound("This file is not kept any more. Upload it again.")
	}
	return f, failed("read kept file", err)
}

// KeptColumns returns the columns of a kept file as they would be read, and what is wrong with them,
// if anything is.
func (b *Book) KeptColumns(ctx context.Context, id org.ID, fileID string, o sheet.Options) ([]sheet.Column, error) {
	if _, err := b.KeptFile(ctx, id, fileID); err != nil {
		return nil, err
	}
	s, err := sheet.Open(&keptReader{ctx: ctx, book: b, fileID: fileID}, o)
	if s == nil {
		return nil, failed("read file", err)
	}
	return s.Columns(), failed("read file", err)
}

// PlanKept plans the import of a kept file as [Book.PlanImport] does. An earlier plan of the file goes.
func (b *Book) PlanKept(ctx context.Context, o org.Org, fileID string, options sheet.Options) (ImportReport, error) {
	f, err := b.KeptFile(ctx, o.ID, fileID)
	if err != nil {
		return ImportReport{}, err
	}
	report, err := b.PlanImport(ctx, o, ImportFile{Name: f.Name, Campaign: f.Campaign, Options: options, Content: &keptReader{ctx: ctx, book: b, fileID: f.ID}})
	if err != nil {
		return ImportReport{}, err
	}
	batch := &pgx.Batch{} // without BEGIN, one transaction
	batch.Queue(`DELETE FROM contact_imports WHERE file_id = $1::text::uuid AND state = 'planned'`, f.ID)
	batch.Queue(`UPDATE contact_imports SET file_id = $1::text::uuid WHERE id = $2::text::uuid`, f.ID, report.ID)
	if err := b.pool.SendBatch(ctx, batch).Close(); err != nil {
		return ImportReport{}, fmt.Errorf("keep plan: %w", err)
	}
	report.FileID = f.ID
	return report, nil
}

// keptReader reads a kept file part by part.
type keptReader struct {
	ctx    context.Context
	book   *Book
	fileID string
	next   int
	part   []byte
}

// Read implements [io.Reader].
func (r *keptReader) Read(p []byte) (int, error) {
	if len(r.part) == 0 {
		err := r.book.pool.QueryRow(r.ctx, `SELECT content FROM import_file_parts WHERE file_id = $1::text::uuid AND n = $2`, r.fileID, r.next).Scan(&r.part)
		if errors.Is(err, pgx.ErrNoRows) {
			return 0, io.EOF
		}
		if err != nil {
			return 0, fmt.Errorf("read kept file: %w", err)
		}
		r.next++
	}
	n := copy(p, r.part)
	r.part = r.part[n:]
	return n, nil
}

// Imports returns the latest imports of an organisation that were planned or carried out.
func (b *Book) Imports(ctx context.Context, id org.ID, most int) ([]ImportReport, error) {
	rows, err := b.pool.Query(ctx, `SELECT `+importColumns+` FROM contact_imports WHERE org_id = $1::text::uuid AND state <> 'reading' ORDER BY created_at DESC, id LIMIT $2`, id, most)
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	reports, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ImportReport, error) { return readImport(row) })
	if err != nil {
		return nil, fmt.Errorf("list imports: %w", err)
	}
	return reports, nil
}

// importColumns are what [readImport] reads.
const importColumns = `id::text, report, state, applied_line, created_at, coalesce(file_id::text, ''), leased_until > now()`

func readImport(row pgx.Row) (r ImportReport, err error) {
	var id, fileID string
	var state ImportState
	var line int
	var created time.Time
	var held *bool
	if err = row.Scan(&id, &r, &state, &line, &created, &fileID, &held); err != nil {
		return r, err
	}
	if state == ImportReading { // nothing is known yet
		r = ImportReport{ID: id, CreatedAt: created, Problems: []ImportProblem{}, Columns: []ImportColumn{}, UnknownColumns: []string{}}
	}
	r.State, r.FileID, r.Held = state, fileID, held != nil && *held
	if state == ImportStopped || state == ImportRunning {
		r.StoppedAt = line
	}
	return r, nil
}
