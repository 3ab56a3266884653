package contacts

import (
	"cmp"
	"context"
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
	sum.Blocked, sum.GreetByName = c.Blocked || other.Blocked, c.GreetByName && other.GreetByName
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
			tags = $10, tags_source = $11, tags_at = $12, notes = $13, notes_source = $14, notes_at = $15, phone = $16,
			blocked_at = CASE WHEN $17 THEN coalesce(blocked_at, now()) END, greet_by_name = $18
		WHERE id = $1::text::uuid RETURNING `+contactColumns,
		held.ID, c.OtherPhones, c.LastContactedAt, c.Name, name.Source, name.At, c.Email, email.Source, email.At,
		c.Tags, tags.Source, tags.At, c.Notes, notes.Source, notes.At, c.Phone, c.Blocked, c.GreetByName))
}
