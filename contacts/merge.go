package contacts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// UndoMergeWithin is how long a merge can be undone.
const UndoMergeWithin = 30 * 24 * time.Hour

// maxOtherPhones bounds how many numbers a contact has beside its phone. The database holds the same.
const maxOtherPhones = 100

// History is what is kept of calls and messages. Package ledger implements it; everything happens in
// the transaction of whoever asks.
type History interface {
	// Still lets no calls and messages be written until tx ends: what is being written now would be for
	// the contacts as they were. It comes before anything else is locked.
	Still(ctx context.Context, tx pgx.Tx) error
	// Move gives a contact's calls and messages to another contact, and remembers which.
	Move(ctx context.Context, tx pgx.Tx, mergeID, from, to string) error
	// MoveBack undoes that, and does the same with those that came from numbers since then. It returns
	// when the last of to's ended; nil: none has.
	MoveBack(ctx context.Context, tx pgx.Tx, mergeID, from, to string, numbers []phone.Number, since time.Time) (last *time.Time, err error)
	// Numbers returns the numbers that contacts' calls and messages came from or went to.
	Numbers(ctx context.Context, tx pgx.Tx, contactIDs []string) ([]phone.Number, error)
	// Forget takes out who it was of contacts' calls and messages, and of those of the numbers that are
	// no contact's, and counts them.
	Forget(ctx context.Context, tx pgx.Tx, id org.ID, contactIDs []string, numbers []phone.Number) (Forgotten, error)
}

// Merge is two contacts that became one.
type Merge struct {
	ID       string  `json:"id"`
	Contact  Contact `json:"contact"`   // the older one, with what both had
	MergedID string  `json:"merged_id"` // the other one, archived now
	// UndoUntil is when the merge can no longer be undone.
	UndoUntil time.Time `json:"undo_until"`
}

// Merge makes one contact of two who are the same person. The older one keeps its id and its phone;
// the other's number becomes one of its other phones, so that calls from it are this person's. Of name
// and e-mail the better source stays (rule 3), tags and notes are put together, history moves.
func (b *Book) Merge(ctx context.Context, id org.ID, history History, contactID, otherID string) (m Merge, err error) {
	one, err := b.Get(ctx, id, contactID)
	if err != nil {
		return m, err
	}
	two, err := b.Get(ctx, id, otherID)
	if err != nil {
		return m, err
	}
	if one.ID == two.ID {
		return m, problem.Invalid("with", "This is the contact itself; name the other one.")
	}
	numbers := append(one.numbers(), two.numbers()...)
	err = b.fenced(ctx, "merge contacts", id, numbers, func(ctx context.Context, tx pgx.Tx) error {
		if err := history.Still(ctx, tx); err != nil {
			return err
		}
		kept, gone, err := lockPair(ctx, tx, id, one, two)
		if err != nil {
			return err
		}
		merged, err := kept.with(gone)
		if err != nil {
			return err
		}
		if m.Contact, err = writeMerged(ctx, tx, kept, merged); err != nil {
			return err
		}
		m.MergedID = gone.ID
		// Also those whom the other one has become: they are found in one step.
		if _, err := tx.Exec(ctx, `
			UPDATE contacts SET archived_at = coalesce(archived_at, now()), merged_into = $2::text::uuid
			WHERE id = $1::text::uuid OR merged_into = $1::text::uuid`, gone.ID, kept.ID); err != nil {
			return err
		}
		var at time.Time
		err = tx.QueryRow(ctx, `
			INSERT INTO contact_merges (org_id, kept_id, merged_id, before, after) VALUES ($1::text::uuid, $2::text::uuid, $3::text::uuid, $4, $5)
			RETURNING id::text, merged_at`, id, kept.ID, gone.ID, kept, m.Contact).Scan(&m.ID, &at)
		if err != nil {
			return err
		}
		m.UndoUntil = at.Add(UndoMergeWithin)
		return history.Move(ctx, tx, m.ID, gone.ID, kept.ID)
	})
	if err != nil {
		return Merge{}, err
	}
	return m, nil
}

// lockPair returns two contacts as they are now, the older one first, if they are active and have the
// numbers that a fence is up for.
func lockPair(ctx context.Context, tx pgx.Tx, id org.ID, one, two Contact) (kept, gone Contact, err error) {
	rows, err := tx.Query(ctx, `
		SELECT `+contactColumns+` FROM contacts WHERE org_id = $1::text::uuid AND id = ANY ($2::text[]::uuid[]) ORDER BY phone FOR UPDATE`, // as whoever writes calls locks them
		id, []string{one.ID, two.ID})
	if err != nil {
		return kept, gone, err
	}
	pair, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Contact, error) { return readContact(row) })
	if err != nil {
		return kept, gone, err
	}
	for _, c := range pair {
		was := one
		if c.ID == two.ID {
			was = two
		}
		switch {
		case c.MergedInto != nil:
			return kept, gone, problem.New(problem.CodeConflict, "The contact %s was merged into %s already.", c.ID, *c.MergedInto)
		case c.ArchivedAt != nil:
			return kept, gone, problem.New(problem.CodeConflict, "The contact %s is archived: restore it before it is merged.", c.ID)
		case !slices.Equal(c.numbers(), was.numbers()):
			return kept, gone, movedOn(c.ID)
		}
	}
	if len(pair) != 2 {
		return kept, gone, movedOn(one.ID)
	}
	slices.SortFunc(pair, func(a, b Contact) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return pair[0], pair[1], nil
}

// with returns the contact with what another one knows better or besides.
func (c Contact) with(other Contact) (Contact, error) {
	sum := c
	sum.Origins = maps.Clone(c.Origins)
	beats := func(field string) bool {
		theirs, ours := other.Origins[field], c.Origins[field]
		if theirs.Source != ours.Source {
			return theirs.Source.rank() > ours.Source.rank()
		}
		return theirs.At.After(ours.At)
	}
	if RealName(other.Name) && (!RealName(c.Name) || beats("name")) {
		sum.Name, sum.Origins["name"] = other.Name, other.Origins["name"]
	}
	if other.Email != "" && (c.Email == "" || beats("email")) {
		sum.Email, sum.Origins["email"] = other.Email, other.Origins["email"]
	}
	if sum.Tags = CleanTags(slices.Concat(c.Tags, other.Tags)); len(sum.Tags) > len(c.Tags) && beats("tags") {
		sum.Origins["tags"] = other.Origins["tags"]
	}
	if other.Notes != "" {
		if sum.Notes = addLine(c.Notes, other.Notes); sum.Notes != c.Notes && beats("notes") {
			sum.Origins["notes"] = other.Origins["notes"]
		}
	}
	for _, n := range other.numbers() {
		if !slices.Contains(sum.numbers(), n) {
			sum.OtherPhones = append(slices.Clone(sum.OtherPhones), n)
		}
	}
	if other.LastContactedAt != nil && (c.LastContactedAt == nil || other.LastContactedAt.After(*c.LastContactedAt)) {
		sum.LastContactedAt = other.LastContactedAt
	}
	switch {
	case len(sum.Tags) > MaxTags:
		return sum, problem.Invalid("tags", "Together they have more than %d tags; take some away first.", MaxTags)
	case utf8.RuneCountInString(sum.Notes) > MaxNotes:
		return sum, problem.Invalid("notes", "Together their notes are longer than %d characters; shorten them first.", MaxNotes)
	case len(sum.OtherPhones) > maxOtherPhones:
		return sum, problem.Invalid("with", "Together they have more than %d phone numbers.", maxOtherPhones)
	}
	return sum, nil
}

// rank orders the sources; the database has the same in ringside_source_rank.
func (s Source) rank() int {
	return slices.Index([]Source{SourceAuto, SourceImport, SourceCapture, SourcePerson}, s)
}

// writeMerged writes c over held. A field that changes gets a time of its own: one that changes while
// its source and time do not is taken for a person's edit.
func writeMerged(ctx context.Context, tx pgx.Tx, held, c Contact) (Contact, error) {
	origin := func(field string, changed bool) Origin {
		o := c.Origins[field]
		if changed && o == held.Origins[field] {
			o.At = o.At.Add(time.Microsecond)
		}
		return o
	}
	name, email := origin("name", c.Name != held.Name), origin("email", c.Email != held.Email)
	tags, notes := origin("tags", !slices.Equal(c.Tags, held.Tags)), origin("notes", c.Notes != held.Notes)
	return readContact(tx.QueryRow(ctx, `
		UPDATE contacts SET other_phones = $2, last_contacted_at = $3, name = $4, name_source = $5, name_at = $6, email = nullif($7, ''), email_source = $8, email_at = $9,
			tags = $10, tags_source = $11, tags_at = $12, notes = $13, notes_source = $14, notes_at = $15, phone = $16
		WHERE id = $1::text::uuid RETURNING `+contactColumns,
		held.ID, c.OtherPhones, c.LastContactedAt, c.Name, name.Source, name.At, c.Email, email.Source, email.At,
		c.Tags, tags.Source, tags.At, c.Notes, notes.Source, notes.At, c.Phone))
}

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
