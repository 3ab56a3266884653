package contacts

import (
	"context"
	"fmt"
	"time"

	"ringside/internal/problem"
)

// ImportRowsKept is how long the rows of an imported file are kept, for those who mend and import them
// again. The report stays.
const ImportRowsKept = 30 * 24 * time.Hour

// readingWithin is how long the reading of a file may take; one that takes longer was killed.
const readingWithin = 24 * time.Hour

// upkeepStep is how many rows are removed at a time.
const upkeepStep = 10_000

// Upkeep removes what is kept for a while only: the rows of old imports and what their reports show of
// them, files whose reading was killed, and what undoing a merge would need once it can no longer be undone. Several programs may do it at
// the same time.
func (b *Book) Upkeep(ctx context.Context) error {
	for _, job := range []struct {
		what, sql string
		args      []any
	}{
		{"unread imports", `DELETE FROM contact_imports WHERE id IN (SELECT id FROM contact_imports WHERE state = 'reading' AND created_at < $2 LIMIT $1)`,
			[]any{time.Now().Add(-readingWithin)}},
		{"files that were not imported", `DELETE FROM import_files WHERE id IN (SELECT id FROM import_files WHERE created_at < $2 LIMIT $1)`,
			[]any{time.Now().Add(-KeptFilesFor)}},
		{"rows of old imports", `
			WITH old AS (
				SELECT i.id FROM contact_imports i WHERE i.created_at < $2 AND EXISTS (SELECT FROM contact_import_rows r WHERE r.import_id = i.id) LIMIT 1
			)
			DELETE FROM contact_import_rows WHERE (import_id, line) IN (SELECT import_id, line FROM contact_import_rows WHERE import_id = (SELECT id FROM old) LIMIT $1)`,
			[]any{time.Now().Add(-ImportRowsKept)}},
		{"counts of organisations that are gone", `DELETE FROM contact_counts WHERE ctid IN (
			SELECT c.ctid FROM contact_counts c WHERE $2 AND NOT EXISTS (SELECT FROM orgs o WHERE o.id = c.org_id) LIMIT $1)`, []any{true}},
		{"what reports of old imports show", `
			UPDATE contact_imports SET report = report - 'first' || '{"problems": []}' WHERE id IN (
				SELECT id FROM contact_imports WHERE created_at < $2 AND (report ? 'first' OR report->'problems' <> '[]') LIMIT $1)`,
			[]any{time.Now().Add(-ImportRowsKept)}},
		{"contacts of old merges", `
			UPDATE contact_merges SET before = '{}', after = '{}' WHERE id IN (
				SELECT id FROM contact_merges WHERE merged_at < $2 AND before <> '{}' LIMIT $1)`,
			[]any{time.Now().Add(-UndoMergeWithin)}},
		{"moves of old merges", `
			DELETE FROM moved_interactions WHERE (merge_id, interaction_id) IN (
				SELECT merge_id, interaction_id FROM moved_interactions JOIN contact_merges m ON m.id = merge_id WHERE m.merged_at < $2 LIMIT $1)`,
			[]any{time.Now().Add(-UndoMergeWithin)}},
	} {
		for {
			tag, err := b.pool.Exec(ctx, job.sql, append([]any{upkeepStep}, job.args...)...)
			if err != nil {
				return fmt.Errorf("remove %s: %w", job.what, err)
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	if _, err := b.pool.Exec(ctx, putCountsTogetherSQL, manyCounts); err != nil {
		return fmt.Errorf("put counts together: %w", err)
	}
	return nil
}

// rowsKept refuses to go on with an import whose rows are gone, or are about to be.
func (r *ImportReport) rowsKept() error {
	if time.Since(r.CreatedAt) < ImportRowsKept {
		return nil
	}
	return problem.NotFound("The rows of the import %s were removed after 30 days. Import the file again: what is known is left as it is.", r.ID)
}
