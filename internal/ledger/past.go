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

// Move implements [contacts.History].
func (Past) Move(ctx context.Context, tx pgx.Tx, mergeID, from, to string) error {
	_, err := tx.Exec(ctx, `
		WITH moved AS (UPDATE interactions SET contact_id = $3::text::uuid WHERE contact_id = $2::text::uuid RETURNING id)
		INSERT INTO moved_interactions (merge_id, interaction_id) SELECT $1::text::uuid, id FROM moved`, mergeID, from, to)
	return err
}

// MoveBack implements [contacts.History].
func (Past) MoveBack(ctx context.Context, tx pgx.Tx, mergeID, from, to string, numbers []phone.Number, since time.Time) error {
	_, err := tx.Exec(ctx, `
		UPDATE interactions SET contact_id = $3::text::uuid WHERE contact_id = $2::text::uuid
			AND (id IN (SELECT interaction_id FROM moved_interactions WHERE merge_id = $1::text::uuid) OR party = ANY ($4) AND started_at >= $5)`,
		mergeID, from, to, numbers, since)
	return err
}

// Forget implements [contacts.History]. The rows stay, without who it was and what was said; the
// sidecars are told to forget their traces.
func (Past) Forget(ctx context.Context, tx pgx.Tx, id org.ID, contactIDs []string, numbers []phone.Number) (f contacts.Forgotten, err error) {
	err = tx.QueryRow(ctx, `
		WITH theirs AS (
			UPDATE interactions SET
				from_address = CASE direction WHEN 'inbound' THEN '' ELSE from_address END,
				to_address = CASE direction WHEN 'outbound' THEN '' ELSE to_address END,
				party = NULL, contact_id = NULL, summary = '', recognition = NULL, details = '{}', erased_at = now()
			WHERE org_id = $1::text::uuid AND (contact_id = ANY ($2::text[]::uuid[]) OR contact_id IS NULL AND party = ANY ($3))
			RETURNING sid
		), said AS (
			DELETE FROM transcripts WHERE org_id = $1::text::uuid AND sid IN (SELECT sid FROM theirs) RETURNING sid
		)
		SELECT (SELECT coalesce(array_agg(sid), '{}') FROM theirs), (SELECT count(*) FROM said)`, id, contactIDs, numbers).Scan(&f.SIDs, &f.Transcripts)
	if err != nil {
		return f, err
	}
	const announced = 100 // a payload holds under 8000 bytes
	_, err = tx.Exec(ctx, `
		SELECT pg_notify($3, $1 || ' ' || string_agg(sid, ' ')) FROM unnest($2::text[]) WITH ORDINALITY AS t (sid, n) GROUP BY (n - 1) / $4::int`,
		id, f.SIDs, ChannelErased, announced)
	return f, err
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
