package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
)

// Conversation is what was said in a call, and what the agent made of it.
type Conversation struct {
	Lines    []Line // of all relay sessions, in order; none if transcripts are not kept
	Notes    []Note
	Captures []Capture
}

// Note is something that the agent noted.
type Note struct {
	At   time.Time `json:"at"`
	Text string    `json:"note"`
}

// Capture is what a caller said of themselves, as the agent was answered.
type Capture struct {
	At     time.Time
	Result json.RawMessage
}

// Conversation returns what was said in a call or message of the organisation. One that is not there
// has said nothing.
func (r *Reader) Conversation(ctx context.Context, id org.ID, sid string) (c Conversation, err error) {
	rows, err := r.pool.Query(ctx, `
		SELECT l->>'at', coalesce(l->>'who', ''), coalesce(l->>'text', '') FROM transcripts t, jsonb_array_elements(t.lines) WITH ORDINALITY AS e (l, n)
		WHERE t.org_id = $1::text::uuid AND t.sid = $2 ORDER BY (l->>'at')::timestamptz, t.session_id, n`, id, sid)
	if err == nil {
		c.Lines, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Line, err error) {
			var at string
			if err = row.Scan(&at, &l.Who, &l.Text); err == nil {
				l.At, err = time.Parse(time.RFC3339Nano, at)
			}
			return l, err
		})
	}
	if err != nil {
		return Conversation{}, fmt.Errorf("read transcript: %w", err)
	}
	rows, err = r.pool.Query(ctx, `
		SELECT coalesce(d->>'at', ''), d->>'note' FROM interactions i, jsonb_each(i.details) AS e (name, d)
		WHERE i.org_id = $1::text::uuid AND i.sid = $2 AND jsonb_typeof(d) = 'object' AND d ? 'note' ORDER BY d->>'at', name`, id, sid)
	if err == nil {
		c.Notes, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (n Note, err error) {
			var at string
			if err = row.Scan(&at, &n.Text); err == nil && at != "" {
				n.At, err = time.Parse(time.RFC3339Nano, at)
			}
			return n, err
		})
	}
	if err != nil {
		return Conversation{}, fmt.Errorf("read notes: %w", err)
	}
	rows, err = r.pool.Query(ctx, `SELECT created_at, result FROM captures WHERE org_id = $1::text::uuid AND sid = $2 ORDER BY created_at, digest`, id, sid)
	if err == nil {
		c.Captures, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Capture])
	}
	if err != nil {
		return Conversation{}, fmt.Errorf("read captures: %w", err)
	}
	return c, nil
}
