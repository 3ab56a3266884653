package ledger

import (
	"context"
	"fmt"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// EventReply names the event that keeps what a message was answered, as {"reply": "…"}.
const EventReply = "reply"

// OptedOut returns when the person of a number asked for no more messages, or nil if they did not, or
// have come back since.
func (r *Reader) OptedOut(ctx context.Context, id org.ID, n phone.Number) (at *time.Time, err error) {
	if err := r.pool.QueryRow(ctx, `SELECT ringside_opted_out($1::text::uuid, $2)`, id, n).Scan(&at); err != nil {
		return nil, fmt.Errorf("look up whether somebody opted out: %w", err)
	}
	return at, nil
}

// Reply returns what an inbound message was answered at once, or "".
func (r *Reader) Reply(ctx context.Context, id org.ID, sid string) (text string, err error) {
	err = r.pool.QueryRow(ctx, `SELECT coalesce(details->$3->>'reply', '') FROM interactions WHERE org_id = $1::text::uuid AND sid = $2`, id, sid, EventReply).Scan(&text)
	if missing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read what a message was answered: %w", err)
	}
	return text, nil
}
