package ledger

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
)

// ChannelErased announces calls whose caller was erased: "<org> <sid> <sid> …". Whoever keeps what was
// decided about them forgets it.
const ChannelErased = "ringside_erased"

// Past is what the ledger has of people, for the address book, which merges and erases them.
type Past struct{}

var _ contacts.History = Past{}

// Still implements [contacts.History].
func (Past) Still(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, stillLock)
	return err
}

// Move implements [contacts.History].
func (Past) Move(ctx context.Context, tx pgx.Tx, mergeID, from, to string) error {
	_, err := tx.Exec(ctx, `
		WITH moved AS (UPDATE interactions SET contact_id = $3::text::uuid WHERE contact_id = $2::text::uuid RETURNING id)
		INSERT INTO moved_interactions (merge_id, interaction_id) SELECT $1::text::uuid, id FROM moved`, mergeID, from, to)
	return err
}

// MoveBack implements [contacts.History].
func (Past) MoveBack(ctx context.Context, tx pgx.Tx, mergeID, from, to string, numbers []phone.Number, since time.Time) (last *time.Time, err error) {
	_, err = tx.Exec(ctx, `
		UPDATE interactions SET contact_id = $3::text::uuid WHERE contact_id = $2::text::uuid
			AND (id IN (SELECT interaction_id FROM moved_interactions WHERE merge_id = $1::text::uuid)
				OR party = ANY ($4) AND (created_at >= $5 OR ended_at >= $5))`, mergeID, from, to, numbers, since)
	if err == nil {
		err = tx.QueryRow(ctx, `SELECT max(ended_at) FROM interactions WHERE contact_id = $1::text::uuid`, to).Scan(&last)
	}
	return last, err
}

// Forget implements [contacts.History]. Triggers do the rest: see ringside_interaction_erased.
func (Past) Forget(ctx context.Context, tx pgx.Tx, id org.ID, contactIDs []string, numbers []phone.Number) (f contacts.Forgotten, err error) {
	const theirs = `org_id = $1::text::uuid AND (contact_id = ANY ($2::text[]::uuid[]) OR contact_id IS NULL AND party = ANY ($3))`
	err = tx.QueryRow(ctx, `
		WITH theirs AS (SELECT sid FROM interactions WHERE `+theirs+`)
		SELECT (SELECT count(*) FROM transcripts WHERE org_id = $1::text::uuid AND sid IN (SELECT sid FROM theirs)),
			(SELECT count(*) FROM captures WHERE org_id = $1::text::uuid AND sid IN (SELECT sid FROM theirs))`, id, contactIDs, numbers).Scan(&f.Transcripts, &f.Captures)
	if err != nil {
		return f, err
	}
	tag, err := tx.Exec(ctx, `UPDATE interactions SET erased_at = now() WHERE `+theirs, id, contactIDs, numbers)
	f.Interactions = int(tag.RowsAffected())
	return f, err
}

// Numbers implements [contacts.History].
func (Past) Numbers(ctx context.Context, tx pgx.Tx, contactIDs []string) ([]phone.Number, error) {
	rows, err := tx.Query(ctx, `SELECT DISTINCT party FROM interactions WHERE contact_id = ANY ($1::text[]::uuid[]) AND party IS NOT NULL`, contactIDs)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[phone.Number])
}

// ErasedCall names a call or message whose other party was erased.
type ErasedCall struct {
	OrgID org.ID
	SID   string
}

// Erased returns the calls and messages that were made anonymous since then.
func Erased(ctx context.Context, pool *pgxpool.Pool, since time.Time) ([]ErasedCall, error) {
	rows, err := pool.Query(ctx, `SELECT org_id::text, sid FROM interactions WHERE erased_at >= $1`, since)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[ErasedCall])
}
