package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// Arrival is the last call or message that Twilio has brought to a number: a webhook whose signature
// was right.
type Arrival struct {
	At   time.Time
	Kind string // "call" or "message"
	SID  string
}

// ArrivalsWithin bounds how far [Reader.Arrivals] looks back: a number that nobody calls is looked
// for among everything of that time.
const ArrivalsWithin = 31 * 24 * time.Hour

// Arrivals returns, for each of an organisation's numbers that Twilio has reached it at lately, the
// last time that it did.
func (r *Reader) Arrivals(ctx context.Context, id org.ID, numbers []phone.Number) (map[phone.Number]Arrival, error) {
	rows, err := r.pool.Query(ctx, `
		SELECT asked.number, last.started_at, last.kind, last.sid
		FROM unnest($2::text[]) asked (number) CROSS JOIN LATERAL (
			SELECT i.started_at, i.kind, i.sid FROM interactions i
			WHERE i.org_id = $1::text::uuid AND i.to_address = asked.number AND i.direction = 'inbound' AND i.started_at > $3
			ORDER BY i.started_at DESC LIMIT 1
		) last`, id, numbers, time.Now().Add(-ArrivalsWithin))
	if err != nil {
		return nil, fmt.Errorf("find last arrivals: %w", err)
	}
	arrivals := map[phone.Number]Arrival{}
	var number phone.Number
	var a Arrival
	_, err = pgx.ForEachRow(rows, []any{&number, &a.At, &a.Kind, &a.SID}, func() error {
		arrivals[number] = a
		return nil
	})
	if err != nil && !missing(err) {
		return nil, fmt.Errorf("find last arrivals: %w", err)
	}
	return arrivals, nil
}
