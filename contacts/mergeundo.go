package contacts

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// UndoMerge makes two contacts again of one, and returns them: the one that was kept and the one that
// was merged into it, with their calls and messages. What somebody has changed of the kept one since
// stays changed. It counts against the plan's limit as a restore does.
func (b *Book) UndoMerge(ctx context.Context, id org.ID, history History, mergeID string) (kept, restored Contact, err error) {
	m, err := b.merge(ctx, id, mergeID)
	if err != nil {
		return kept, restored, err
	}
	numbers := slices.Concat(m.after.numbers(), m.kept.numbers(), m.gone.numbers())
	err = b.fenced(ctx, "undo merge", id, numbers, func(ctx context.Context, tx pgx.Tx) error {
		if err := history.Still(ctx, tx); err != nil {
			return err
		}
		limit, err := lockLimit(ctx, tx, id)
		if err != nil {
			return err
		}
		// What a contact was is not kept longer than it can be needed.
		tag, err := tx.Exec(ctx, `UPDATE contact_merges SET undone_at = now(), before = '{}', after = '{}' WHERE id = $1::text::uuid AND undone_at IS NULL`, mergeID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return undoneAlready(mergeID)
		}
		if kept, restored, err = b.part(ctx, tx, id, m); err != nil {
			return err
		}
		last, err := history.MoveBack(ctx, tx, mergeID, kept.ID, restored.ID, m.gone.numbers(), m.at)
		if err != nil {
			return err
		}
		restored, err = readContact(tx.QueryRow(ctx, `
			UPDATE contacts SET last_contacted_at = greatest(last_contacted_at, $2) WHERE id = $1::text::uuid RETURNING `+contactColumns, restored.ID, last))
		if err != nil {
			return err
		}
		return withinLimit(ctx, tx, id, limit)
	})
	return kept, restored, err
}

// part makes two contacts of a merge again, if both are still as they were read.
func (b *Book) part(ctx context.Context, tx pgx.Tx, id org.ID, m storedMerge) (kept, restored Contact, err error) {
	rows, err := tx.Query(ctx, `SELECT `+contactColumns+` FROM contacts WHERE id = ANY ($1::text[]::uuid[]) ORDER BY phone FOR UPDATE`, []string{m.kept.ID, m.gone.ID})
	if err != nil {
		return kept, restored, err
	}
	now, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Contact, error) { return readContact(row) })
	if err != nil {
		return kept, restored, err
	}
	for _, c := range now {
		was := m.gone
		if c.ID == m.kept.ID {
			was, kept = m.kept, c
		}
		if !slices.Equal(c.numbers(), was.numbers()) || (c.ArchivedAt == nil) != (was.ArchivedAt == nil) {
			return kept, restored, movedOn(c.ID)
		}
	}
	if kept, err = writeMerged(ctx, tx, kept, kept.without(m.before, m.after)); err != nil {
		return kept, restored, err
	}
	if err := b.freeFor(ctx, tx, id, m.gone.Phone, m.gone.ID); err != nil {
		return kept, restored, err
	}
	restored, err = readContact(tx.QueryRow(ctx, `
		UPDATE contacts SET archived_at = NULL, merged_into = NULL WHERE id = $1::text::uuid RETURNING `+contactColumns, m.gone.ID))
	if err != nil {
		return kept, restored, err
	}
	_, err = tx.Exec(ctx, `
		UPDATE contacts SET merged_into = $2::text::uuid WHERE merged_into = $1::text::uuid
			AND id IN (SELECT merged_id FROM contact_merges WHERE kept_id = $2::text::uuid AND undone_at IS NULL)`, kept.ID, restored.ID)
	return kept, restored, err
}

// storedMerge is a merge as it is kept, with both contacts as they are now.
type storedMerge struct {
	before, after Contact // the kept one, around the merge
	kept, gone    Contact // both as they are now
	at            time.Time
}

// MergeInto returns the merge by which a contact became a part of another one, or "" if it can no
// longer be undone, or is a part of none.
func (b *Book) MergeInto(ctx context.Context, id org.ID, contactID string) (mergeID string, err error) {
	err = b.pool.QueryRow(ctx, `
		SELECT coalesce((SELECT id::text FROM contact_merges WHERE org_id = $1::text::uuid AND merged_id = $2::text::uuid AND undone_at IS NULL AND merged_at > $3
			ORDER BY merged_at DESC LIMIT 1), '')`, id, contactID, time.Now().Add(-UndoMergeWithin)).Scan(&mergeID)
	if err != nil && !isInvalidText(err) {
		return "", fmt.Errorf("look up merge: %w", err)
	}
	return mergeID, nil
}

func undoneAlready(mergeID string) error {
	return problem.New(problem.CodeConflict, "The merge %s was undone already.", mergeID)
}

// merge reads a merge that can be undone.
func (b *Book) merge(ctx context.Context, id org.ID, mergeID string) (m storedMerge, err error) {
	var keptID, goneID string
	var undone *time.Time
	var later bool // another contact has been merged into the kept one since
	err = b.pool.QueryRow(ctx, `
		SELECT kept_id::text, merged_id::text, before, after, merged_at, undone_at,
			EXISTS (SELECT FROM contact_merges l WHERE l.kept_id = m.kept_id AND l.undone_at IS NULL AND (l.merged_at, l.id) > (m.merged_at, m.id))
		FROM contact_merges m WHERE org_id = $1::text::uuid AND id = $2::text::uuid`,
		id, mergeID).Scan(&keptID, &goneID, &m.before, &m.after, &m.at, &undone, &later)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || isInvalidText(err):
		return m, problem.NotFound("There is no merge %s.", mergeID)
	case err != nil:
		return m, fmt.Errorf("read merge: %w", err)
	case undone != nil:
		return m, undoneAlready(mergeID)
	case time.Since(m.at) > UndoMergeWithin:
		return m, problem.New(problem.CodeConflict, "The merge %s is older than 30 days and can no longer be undone.", mergeID)
	}
	if later {
		return m, problem.New(problem.CodeConflict, "Another contact has been merged into %s since: undo that first.", keptID)
	}
	if m.kept, err = b.Get(ctx, id, keptID); err != nil {
		return m, err
	}
	if m.kept.MergedInto != nil {
		return m, problem.New(problem.CodeConflict, "The contact %s has been merged into %s since: undo that first.", keptID, *m.kept.MergedInto)
	}
	if m.kept.ArchivedAt != nil {
		return m, problem.New(problem.CodeConflict, "The contact %s is archived: restore it before its merge is undone.", keptID)
	}
	m.gone, err = b.Get(ctx, id, goneID)
	return m, err
}

// without returns the contact with the fields of before that are still as a merge left them.
func (c Contact) without(before, after Contact) Contact {
	sum := c
	sum.Origins = maps.Clone(c.Origins)
	asMerged := func(field string, same bool) bool {
		untouched := same && c.Origins[field].Source == after.Origins[field].Source && c.Origins[field].At.Equal(after.Origins[field].At)
		if untouched {
			sum.Origins[field] = before.Origins[field]
		}
		return untouched
	}
	if asMerged("name", c.Name == after.Name) {
		sum.Name = before.Name
	}
	if asMerged("email", c.Email == after.Email) {
		sum.Email = before.Email
	}
	if asMerged("tags", slices.Equal(c.Tags, after.Tags)) {
		sum.Tags = before.Tags
	}
	if asMerged("notes", c.Notes == after.Notes) {
		sum.Notes = before.Notes
	}
	added := func(n phone.Number) bool {
		return slices.Contains(after.OtherPhones, n) && !slices.Contains(before.OtherPhones, n)
	}
	if i := slices.Index(c.OtherPhones, before.Phone); added(c.Phone) && i >= 0 { // made the first of their numbers since
		sum.Phone, sum.OtherPhones = before.Phone, slices.Delete(slices.Clone(c.OtherPhones), i, i+1)
	}
	sum.OtherPhones = slices.DeleteFunc(slices.Clone(sum.OtherPhones), added)
	return sum
}
