package contacts

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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

// Forgotten is what [History] has removed.
type Forgotten struct {
	SIDs        []string // of the calls and messages that were made anonymous
	Transcripts int
}

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
// imported. What counts calls stays. The receipt is kept.
func (b *Book) Erase(ctx context.Context, id org.ID, history History, key ErasureKey, contactID string) (e Erasure, err error) {
	held, err := b.Get(ctx, id, contactID)
	if err != nil {
		return e, err
	}
	if held.MergedInto != nil {
		return e, problem.New(problem.CodeConflict, "The contact %s is a part of %s: erase that one, or undo the merge.", contactID, *held.MergedInto)
	}
	// First, since it may take longer than callers can be kept from what is cached. Whoever is stopped
	// behind it begins anew.
	rows, err := b.eraseImportRows(ctx, id, held)
	if err != nil {
		return e, fmt.Errorf("erase import rows: %w", err)
	}
	err = b.fenced(ctx, "erase contact", id, held.numbers(), func(ctx context.Context, tx pgx.Tx) error {
		e = Erasure{ContactID: contactID, Removed: Removed{ImportRows: rows}, Hashes: []string{}}
		return b.erase(ctx, tx, id, history, key, held, &e)
	})
	if err != nil {
		return Erasure{}, err
	}
	return e, nil
}

func (b *Book) erase(ctx context.Context, tx pgx.Tx, id org.ID, history History, key ErasureKey, held Contact, e *Erasure) error {
	rows, err := tx.Query(ctx, `
		SELECT id::text, phone || other_phones FROM contacts
		WHERE org_id = $1::text::uuid AND (id = $2::text::uuid OR merged_into = $2::text::uuid) ORDER BY id FOR UPDATE`, id, held.ID)
	if err != nil {
		return err
	}
	var ids []string
	numbers := map[phone.Number]bool{}
	var contactID string
	var theirs []phone.Number
	if _, err = pgx.ForEachRow(rows, []any{&contactID, &theirs}, func() error {
		ids = append(ids, contactID)
		for _, n := range theirs {
			numbers[n] = true
		}
		return nil
	}); err != nil {
		return err
	}
	for _, n := range held.numbers() {
		delete(numbers, n)
	}
	if len(numbers) > 0 || len(ids) == 0 { // the fence is for the numbers that it had
		return movedOn(held.ID)
	}
	forgotten, err := history.Forget(ctx, tx, id, ids, held.numbers())
	if err != nil {
		return err
	}
	e.Removed.Interactions, e.Removed.Transcripts, e.Removed.Contacts = len(forgotten.SIDs), forgotten.Transcripts, len(ids)
	for _, r := range []struct {
		count *int
		sql   string
		args  []any
	}{
		{&e.Removed.Captures, `DELETE FROM captures WHERE org_id = $1::text::uuid AND sid = ANY ($2)`, []any{id, forgotten.SIDs}},
		{&e.Removed.CampaignPeople, `DELETE FROM campaign_people WHERE org_id = $1::text::uuid AND phone = ANY ($2)`, []any{id, held.numbers()}},
		// Answers of the API that name them, which are kept for a day.
		{new(int), `DELETE FROM api_idempotency WHERE org_id = $1::text::uuid AND EXISTS (SELECT FROM unnest($2::text[]) i WHERE position(convert_to(i, 'UTF8') IN body) > 0)`, []any{id, ids}},
		{&e.Removed.Contacts, `DELETE FROM contacts WHERE org_id = $1::text::uuid AND id = ANY ($2::text[]::uuid[])`, []any{id, ids}},
	} {
		tag, err := tx.Exec(ctx, r.sql, r.args...)
		if err != nil {
			return err
		}
		*r.count = int(tag.RowsAffected())
	}
	return b.remember(ctx, tx, id, key, held.numbers(), e)
}

// remember leaves the hashes and the receipt.
func (b *Book) remember(ctx context.Context, tx pgx.Tx, id org.ID, key ErasureKey, numbers []phone.Number, e *Erasure) error {
	err := tx.QueryRow(ctx, `
		SELECT now(), coalesce(array_agg(id::text ORDER BY id), '{}') FROM contacts
		WHERE org_id = $1::text::uuid AND phone = ANY ($2) AND archived_at IS NOT NULL`, id, numbers).Scan(&e.ErasedAt, &e.SameNumber)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		person := key.Person(id, n)
		if person == nil {
			return errors.New("no key to remember erased people by")
		}
		e.Hashes = append(e.Hashes, hex.EncodeToString(person))
		_, err := tx.Exec(ctx, `
			INSERT INTO erased_people (org_id, person, erased_at) VALUES ($1::text::uuid, $2, $3)
			ON CONFLICT (org_id, person) DO UPDATE SET erased_at = excluded.erased_at`, id, person, e.ErasedAt)
		if err != nil {
			return err
		}
	}
	err = tx.QueryRow(ctx, `INSERT INTO erasures (org_id, contact_id, receipt, erased_at) VALUES ($1::text::uuid, $2::text::uuid, $3, $4) RETURNING id::text`,
		id, e.ContactID, e, e.ErasedAt).Scan(&e.ID)
	return err
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

// eraseImportRows removes a person's rows of files that were imported, and what the reports show of
// them. Of rows that could not be read, those go that have the e-mail address or the digits of a
// number anywhere: rather one too many than one too few.
func (b *Book) eraseImportRows(ctx context.Context, id org.ID, held Contact) (removed int, err error) {
	endings := []string{} // what a number ends in, however its beginning is written
	for _, n := range held.numbers() {
		endings = append(endings, string(n[max(1, len(n)-8):]))
	}
	err = b.pool.QueryRow(ctx, `
		WITH gone AS (
			DELETE FROM contact_import_rows r USING contact_imports i
			WHERE i.org_id = $1::text::uuid AND r.import_id = i.id AND (r.phone = ANY ($2) OR lower(r.email) = lower(nullif($3, ''))
				OR r.verdict = 'invalid' AND (strpos(lower(array_to_string(r.cells, ' ')), lower(nullif($3, ''))) > 0
					OR regexp_replace(array_to_string(r.cells, ' '), '[^0-9]', '', 'g') LIKE ANY (SELECT '%' || e || '%' FROM unnest($4::text[]) e)))
			RETURNING r.import_id, r.line
		), told AS (
			UPDATE contact_imports i SET report = i.report - 'first' || jsonb_build_object('problems', (
				SELECT coalesce(jsonb_agg(p ORDER BY n), '[]') FROM jsonb_array_elements(i.report->'problems') WITH ORDINALITY AS t (p, n)
				WHERE (p->>'line')::int NOT IN (SELECT line FROM gone WHERE import_id = i.id)))
			WHERE i.id IN (SELECT import_id FROM gone)
		)
		SELECT count(*) FROM gone`, id, held.numbers(), held.Email, endings).Scan(&removed)
	return removed, err
}
