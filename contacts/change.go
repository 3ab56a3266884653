package contacts

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Get returns a contact, active or archived. Another organisation's is not found.
func (b *Book) Get(ctx context.Context, id org.ID, contactID string) (Contact, error) {
	c, err := readContact(b.pool.QueryRow(ctx, `SELECT `+contactColumns+` FROM contacts WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, contactID))
	return c, failed("read contact", notThere(err, contactID))
}

// notThere turns the absence of a row into a problem.
func notThere(err error, contactID string) error {
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return problem.NotFound("There is no contact %s.", contactID)
	}
	return err
}

// Change is what a person changes of a contact; nil leaves a field as it is. A blank e-mail, no
// tags and blank notes take away what was there.
type Change struct {
	Name  *string
	Phone *string
	Email *string
	Tags  *[]string
	Notes *string
	// Blocked and GreetByName are as in [Contact].
	Blocked, GreetByName *bool
	// Seen is when the contact was last changed as far as whoever changes it knows (UpdatedAt); nil
	// does not care. If somebody else changed it since, nothing is changed: a conflict problem.
	Seen *time.Time
}

// Change changes a contact on a person's behalf, which nothing else overwrites from then on. A phone
// that another active contact has is a duplicate_phone problem.
func (b *Book) Change(ctx context.Context, o org.Org, contactID string, change Change) (Contact, error) {
	held, err := b.Get(ctx, o.ID, contactID)
	if err == nil {
		err = held.notMerged()
	}
	if err != nil {
		return Contact{}, err
	}
	if change.Seen != nil && !change.Seen.Equal(held.UpdatedAt) {
		return Contact{}, movedOn(contactID)
	}
	draft := change.on(held)
	wanted, err := draft.withPhone(held.Phone) // which a call may have left, and the plans may not know
	if err == nil && change.Phone != nil {
		wanted, err = draft.check(o.Country)
	}
	if err != nil {
		return Contact{}, err
	}
	var changed Contact
	err = b.fenced(ctx, "change contact", o.ID, append(held.numbers(), wanted.Phone), func(ctx context.Context, tx pgx.Tx) error {
		if wanted.Phone != held.Phone {
			if err := b.freeFor(ctx, tx, o.ID, wanted.Phone, contactID); err != nil {
				return err
			}
		}
		// What was given counts as said by a person now, also where it is the same as before.
		changed, err = readContact(tx.QueryRow(ctx, `
			UPDATE contacts SET phone = $4,
				-- Of a person with several numbers, another becomes the first.
				other_phones = CASE WHEN $4 = ANY (other_phones) THEN array_replace(other_phones, $4, phone) ELSE other_phones END,
				name = CASE WHEN $9 THEN $5 ELSE name END, name_source = CASE WHEN $9 THEN 'person' ELSE name_source END, name_at = CASE WHEN $9 THEN now() ELSE name_at END,
				email = CASE WHEN $10 THEN nullif($6, '') ELSE email END, email_source = CASE WHEN $10 THEN 'person' ELSE email_source END, email_at = CASE WHEN $10 THEN now() ELSE email_at END,
				tags = CASE WHEN $11 THEN $7 ELSE tags END, tags_source = CASE WHEN $11 THEN 'person' ELSE tags_source END, tags_at = CASE WHEN $11 THEN now() ELSE tags_at END,
				notes = CASE WHEN $12 THEN $8 ELSE notes END, notes_source = CASE WHEN $12 THEN 'person' ELSE notes_source END, notes_at = CASE WHEN $12 THEN now() ELSE notes_at END,
				blocked_at = CASE WHEN $14::boolean IS NULL THEN blocked_at WHEN $14 THEN coalesce(blocked_at, now()) END, greet_by_name = coalesce($15, greet_by_name)
			WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND phone || other_phones = $3 AND ($13::timestamptz IS NULL OR updated_at = $13)
			RETURNING `+contactColumns,
			o.ID, contactID, held.numbers(), wanted.Phone, wanted.Name, wanted.Email, wanted.Tags, wanted.Notes,
			change.Name != nil, change.Email != nil, change.Tags != nil, change.Notes != nil, change.Seen, change.Blocked, change.GreetByName))
		if errors.Is(err, pgx.ErrNoRows) { // the fence was for a number that it no longer has, or it is not as it was seen
			return movedOn(contactID)
		}
		return err
	})
	return changed, err
}

// notMerged refuses to do anything with a contact that is a part of another one.
func (c *Contact) notMerged() error {
	if c.MergedInto == nil {
		return nil
	}
	return problem.New(problem.CodeConflict, "The contact %s was merged into %s: undo the merge to have it back.", c.ID, *c.MergedInto)
}

func movedOn(contactID string) error {
	return problem.New(problem.CodeConflict, "The contact %s was changed at the same moment; try again.", contactID)
}

// Draft returns what is given, for a contact that is new.
func (c Change) Draft() Draft { return c.on(Contact{}) }

// on returns the draft that a change makes of a contact.
func (c Change) on(held Contact) Draft {
	d := Draft{Name: held.Name, Phone: string(held.Phone), Email: held.Email, Notes: held.Notes, Tags: slices.Clone(held.Tags)}
	for _, f := range []struct{ from, to *string }{{c.Name, &d.Name}, {c.Phone, &d.Phone}, {c.Email, &d.Email}, {c.Notes, &d.Notes}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if c.Tags != nil {
		d.Tags = *c.Tags
	}
	return d
}

// freeFor refuses a number that is the organisation's own or another active contact's. A new contact's id
// is "".
func (b *Book) freeFor(ctx context.Context, tx pgx.Tx, id org.ID, n phone.Number, contactID string) error {
	if err := refuseOwn(ctx, tx, id, n); err != nil {
		return err
	}
	taken, err := holder(ctx, tx, id, n)
	if err != nil || taken == "" || taken == contactID {
		return err
	}
	return b.duplicate(ctx, tx, id, n)
}

// Archive takes a contact out of the book without losing it: its phone is free again.
func (b *Book) Archive(ctx context.Context, id org.ID, contactID string) error {
	held, err := b.Get(ctx, id, contactID)
	if err != nil {
		return err
	}
	if held.ArchivedAt != nil {
		return problem.NotFound("There is no active contact %s.", contactID)
	}
	return b.fenced(ctx, "archive contact", id, held.numbers(), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `UPDATE contacts SET archived_at = now() WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND phone || other_phones = $3 AND archived_at IS NULL`, id, contactID, held.numbers())
		if err == nil && tag.RowsAffected() == 0 {
			return movedOn(contactID)
		}
		return err
	})
}

// Restore brings an archived contact back. It counts against the plan's limit as an add does, and
// is a duplicate_phone problem where another active contact has the phone by now. An active contact
// is returned as it is.
func (b *Book) Restore(ctx context.Context, id org.ID, contactID string) (Contact, error) {
	held, err := b.Get(ctx, id, contactID)
	if err != nil || held.ArchivedAt == nil {
		return held, err
	}
	if err := held.notMerged(); err != nil {
		return Contact{}, err
	}
	var restored Contact
	err = b.fenced(ctx, "restore contact", id, held.numbers(), func(ctx context.Context, tx pgx.Tx) error {
		limit, err := lockLimit(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := b.freeFor(ctx, tx, id, held.Phone, contactID); err != nil {
			return err
		}
		restored, err = readContact(tx.QueryRow(ctx, `
			UPDATE contacts SET archived_at = NULL WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND phone || other_phones = $3 AND merged_into IS NULL RETURNING `+contactColumns,
			id, contactID, held.numbers()))
		if errors.Is(err, pgx.ErrNoRows) {
			return movedOn(contactID)
		}
		if err != nil {
			return err
		}
		return withinLimit(ctx, tx, id, limit)
	})
	return restored, err
}

// contactColumns are what [readContact] reads, in its order.
const contactColumns = `id::text, name, phone, other_phones, coalesce(email, ''), tags, notes, source, last_contacted_at, created_at, updated_at, archived_at,
	merged_into::text, blocked_at IS NOT NULL, greet_by_name, ringside_opted_out(org_id, phone), coalesce(phone_source, source), coalesce(phone_at, created_at), name_source, name_at, email_source, email_at, tags_source, tags_at, notes_source, notes_at`

// readContact reads a row of contactColumns.
func readContact(row pgx.Row) (Contact, error) {
	var c Contact
	f := make([]Origin, len(originFields))
	err := row.Scan(&c.ID, &c.Name, &c.Phone, &c.OtherPhones, &c.Email, &c.Tags, &c.Notes, &c.Source, &c.LastContactedAt, &c.CreatedAt, &c.UpdatedAt, &c.ArchivedAt, &c.MergedInto, &c.Blocked, &c.GreetByName, &c.OptedOutAt,
		&f[0].Source, &f[0].At, &f[1].Source, &f[1].At, &f[2].Source, &f[2].At, &f[3].Source, &f[3].At, &f[4].Source, &f[4].At)
	if err != nil {
		return Contact{}, err
	}
	c.Origins = map[string]Origin{}
	for i, name := range originFields {
		c.Origins[name] = f[i]
	}
	return c, nil
}

// numbers are all numbers by which a contact is recognised.
func (c *Contact) numbers() []phone.Number { return append([]phone.Number{c.Phone}, c.OtherPhones...) }

// originFields are the fields whose origin is kept, in the order of contactColumns.
var originFields = []string{"phone", "name", "email", "tags", "notes"}
