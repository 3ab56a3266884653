package contacts

import (
	"context"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// UndoReport says what became of an import's contacts when it was undone.
type UndoReport struct {
	ID      string `json:"id"`
	Removed int    `json:"removed"`
	// Kept are those whom somebody has changed or been in contact with since; the first ones, of KeptCount.
	Kept      []ImportedPerson `json:"kept"`
	KeptCount int              `json:"kept_count"`
}

// ImportedPerson is somebody whom an import has added.
type ImportedPerson struct {
	ID    string       `json:"id"`
	Name  string       `json:"name"`
	Phone phone.Number `json:"phone"`
}

// UndoImport takes back what an import has added, but for those whom somebody has edited, or who have
// called, since.
func (b *Book) UndoImport(ctx context.Context, id org.ID, importID string) (u UndoReport, err error) {
	u = UndoReport{ID: importID, Kept: []ImportedPerson{}}
	err = b.holdImport(ctx, id, importID, func(report ImportReport) error {
		if report.State == ImportPlanned {
			return problem.New(problem.CodeConflict, "The import %s has not been carried out: there is nothing to undo.", importID)
		}
		into := report.into()
		for {
			// Locked, so that whoever is being changed, or called, at this moment is looked at again after that.
			tag, err := b.pool.Exec(ctx, `DELETE FROM `+into.table+` WHERE id IN (`+into.untouched+` LIMIT $3 FOR UPDATE)`, id, importID, importStep)
			if err != nil {
				return err
			}
			if tag.RowsAffected() == 0 {
				break
			}
			u.Removed += int(tag.RowsAffected())
			if _, err := b.lease(ctx, importID, false); err != nil {
				return err
			}
		}
		rows, err := b.pool.Query(ctx, into.added, id, importID)
		if err != nil {
			return err
		}
		defer rows.Close()
		for ; rows.Next(); u.KeptCount++ {
			if len(u.Kept) == maxProblems {
				continue
			}
			var p ImportedPerson
			if err := rows.Scan(&p.ID, &p.Name, &p.Phone); err != nil {
				return err
			}
			u.Kept = append(u.Kept, p)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		_, err = b.pool.Exec(ctx, `UPDATE contact_imports SET state = 'undone' WHERE id = $1::text::uuid`, importID)
		return err
	})
	return u, failed("undo import", err)
}
