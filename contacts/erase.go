package contacts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// ErasureKey is the secret under which erased people are remembered without saying who they are.
type ErasureKey []byte

// Person returns what stands for a number of an organisation: its HMAC-SHA256 under the key. Whoever
// has the database alone cannot try all numbers there are. It is nil without a key or a number.
func (k ErasureKey) Person(id org.ID, n phone.Number) []byte {
	if len(k) == 0 || n == "" {
		return nil
	}
	mac := hmac.New(sha256.New, k)
	_, _ = fmt.Fprintf(mac, "erased %s %s", id, n) // a hash takes everything
	return mac.Sum(nil)
}

// Forgotten counts what [History] has removed.
type Forgotten struct{ Interactions, Transcripts, Captures int }

// Erasure is the receipt of an erasure. It says nothing of who it was.
type Erasure struct {
	ID        string    `json:"id"`
	ContactID string    `json:"contact_id"`
	ErasedAt  time.Time `json:"erased_at"`
	Removed   Removed   `json:"removed"`
	// Hashes are what stays: the person's numbers under the program's secret, so that a call from
	// before that is written late does not make them a contact again.
	Hashes []string `json:"hashes"`
	// SameNumber are archived contacts that have one of the numbers: other people, unless you know
	// better and erase them too.
	SameNumber []string `json:"same_number"`
}

// Removed counts what an erasure has removed.
type Removed struct {
	Contacts       int `json:"contacts"`     // the contact, and those merged into it
	Interactions   int `json:"interactions"` // calls and messages that stay without saying whose they were
	Transcripts    int `json:"transcripts"`
	Captures       int `json:"captures"`
	CampaignPeople int `json:"campaign_people"`
	ImportRows     int `json:"import_rows"`
}

// Erase removes a person for good: the contact and those merged into it, who it was of their calls and
// messages, transcripts and traces, their entries in campaigns, and their rows in files that were
// imported. What counts calls stays. A number that another active contact has by now is theirs. The
// receipt is kept.
func (b *Book) Erase(ctx context.Context, id org.ID, history History, key ErasureKey, contactID string) (e Erasure, err error) {
	held, err := b.Get(ctx, id, contactID)
	if err != nil {
		return e, err
	}
	var known person
	err = pgx.BeginFunc(ctx, b.pool, func(tx pgx.Tx) (err error) {
		known, err = b.personOf(ctx, tx, id, history, contactID)
		return err
	})
	if err != nil {
		return e, failed("erase contact", err)
	}
	// Copies go first, since that may take longer than callers can be kept from what is cached. Whoever
	// is stopped behind it begins anew.
	rows, err := b.eraseCopies(ctx, id, known)
	if err != nil {
		return e, fmt.Errorf("erase copies: %w", err)
	}
	numbers := append(held.numbers(), known.numbers...) // also earlier ones, which campaigns may have called
	err = b.fenced(ctx, "erase contact", id, numbers, func(ctx context.Context, tx pgx.Tx) error {
		if err := history.Still(ctx, tx); err != nil {
			return err
		}
		now, err := b.personOf(ctx, tx, id, history, contactID)
		if err != nil {
			return err
		}
		if !now.equals(known) {
			return movedOn(contactID)
		}
		e = Erasure{ContactID: contactID, Removed: Removed{ImportRows: rows}, Hashes: []string{}}
		return b.erase(ctx, tx, id, history, key, now, &e)
	})
	if err != nil {
		return Erasure{}, err
	}
	return e, nil
}

// person is somebody whom several contacts may be, merged into one.
type person struct {
	ids     []string       // the contact's first
	numbers []phone.Number // those that nobody else has by now, also earlier ones
	emails  []string       // in lower case
}

func (p person) equals(other person) bool {
	return slices.Equal(p.ids, other.ids) && slices.Equal(p.numbers, other.numbers) && slices.Equal(p.emails, other.emails)
}

// personOf returns who a contact is, and locks what it is made of.
func (b *Book) personOf(ctx context.Context, tx pgx.Tx, id org.ID, history History, contactID string) (p person, err error) {
	rows, err := tx.Query(ctx, `
		SELECT id::text, phone || other_phones, lower(coalesce(email, '')), merged_into::text FROM contacts
		WHERE org_id = $1::text::uuid AND (id = $2::text::uuid OR merged_into = $2::text::uuid)
		ORDER BY id <> $2::text::uuid, id FOR UPDATE`, id, contactID)
	if err != nil {
		return p, err
	}
	var partID, email string
	var numbers, all []phone.Number
	var mergedInto, part *string
	_, err = pgx.ForEachRow(rows, []any{&partID, &numbers, &email, &mergedInto}, func() error {
		if partID == contactID {
			part = mergedInto
		}
		p.ids, all = append(p.ids, partID), append(all, numbers...)
		if email != "" && !slices.Contains(p.emails, email) {
			p.emails = append(p.emails, email)
		}
		return nil
	})
	switch {
	case err != nil:
		return p, err
	case len(p.ids) == 0 || p.ids[0] != contactID:
		return p, notThere(pgx.ErrNoRows, contactID)
	case part != nil:
		return p, problem.New(problem.CodeConflict, "The contact %s is a part of %s: erase that one, or undo the merge.", contactID, *part)
	}
	earlier, err := history.Numbers(ctx, tx, p.ids)
	if err != nil {
		return p, err
	}
	free, err := tx.Query(ctx, `
		SELECT n FROM (SELECT DISTINCT n FROM unnest($2::text[]) n) t
		WHERE coalesce(`+HolderSQL("$1::text::uuid", "n")+`::text = ANY ($3), true) ORDER BY n`, id, append(all, earlier...), p.ids)
	if err != nil {
		return p, err
	}
	p.numbers, err = pgx.CollectRows(free, pgx.RowTo[phone.Number])
	return p, err
}

func (b *Book) erase(ctx context.Context, tx pgx.Tx, id org.ID, history History, key ErasureKey, p person, e *Erasure) error {
	forgotten, err := history.Forget(ctx, tx, id, p.ids, p.numbers)
	if err != nil {
		return err
	}
	e.Removed.Interactions, e.Removed.Transcripts, e.Removed.Captures = forgotten.Interactions, forgotten.Transcripts, forgotten.Captures
	for _, r := range []struct {
		count *int
		sql   string
		args  []any
	}{
		{&e.Removed.Captures, `DELETE FROM captures WHERE org_id = $1::text::uuid AND result->>'contact_id' = ANY ($2)`, []any{id, p.ids}}, // on others' calls
		{&e.Removed.CampaignPeople, `DELETE FROM campaign_people WHERE org_id = $1::text::uuid AND phone = ANY ($2)`, []any{id, p.numbers}},
		{new(int), `DELETE FROM outgoing WHERE org_id = $1::text::uuid AND to_number = ANY ($2)`, []any{id, p.numbers}}, // what was sent is among the interactions
		{&e.Removed.Contacts, `DELETE FROM contacts WHERE org_id = $1::text::uuid AND id = ANY ($2::text[]::uuid[])`, []any{id, p.ids}},
	} {
		tag, err := tx.Exec(ctx, r.sql, r.args...)
		if err != nil {
			return err
		}
		*r.count += int(tag.RowsAffected())
	}
	return b.remember(ctx, tx, id, key, p.numbers, e)
}

// remember leaves the hashes and the receipt.
func (b *Book) remember(ctx context.Context, tx pgx.Tx, id org.ID, key ErasureKey, numbers []phone.Number, e *Erasure) error {
	if len(key) == 0 {
		return errors.New("no key to remember erased people by")
	}
	err := tx.QueryRow(ctx, `
		SELECT now(), coalesce(array_agg(id::text ORDER BY id), '{}') FROM contacts
		WHERE org_id = $1::text::uuid AND phone = ANY ($2) AND archived_at IS NOT NULL AND merged_into IS NULL`, id, numbers).Scan(&e.ErasedAt, &e.SameNumber)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		person := key.Person(id, n)
		e.Hashes = append(e.Hashes, hex.EncodeToString(person))
		_, err := tx.Exec(ctx, `
			INSERT INTO erased_people (org_id, person, erased_at) VALUES ($1::text::uuid, $2, $3)
			ON CONFLICT (org_id, person) DO UPDATE SET erased_at = excluded.erased_at`, id, person, e.ErasedAt)
		if err != nil {
			return err
		}
	}
	return tx.QueryRow(ctx, `INSERT INTO erasures (org_id, contact_id, receipt, erased_at) VALUES ($1::text::uuid, $2::text::uuid, $3, $4) RETURNING id::text`,
		id, e.ContactID, e, e.ErasedAt).Scan(&e.ID)
}

// Erasure returns the receipt of an erasure.
func (b *Book) Erasure(ctx context.Context, id org.ID, erasureID string) (e Erasure, err error) {
	err = b.pool.QueryRow(ctx, `SELECT receipt FROM erasures WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, erasureID).Scan(&e)
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return e, problem.NotFound("There is no erasure %s.", erasureID)
	}
	e.ID = erasureID
	return e, failed("read erasure", err)
}
