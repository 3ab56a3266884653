// Package outbox delivers what happens to the programs of voice agents: in order, to each at least once,
// from the table that package ledger, and a trigger on contacts, write in the transaction of what happened.
//
// Rows are written without a number, since of two transactions the one that began first may end last,
// and whoever had read on past it would never see it. Whoever reads an organisation's stream first gives
// numbers to what is visible by then, one reader at a time. A consumer's cursor is such a number.
//
// What goes over the socket, and how, is package internal/agent/events.
package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
)

// Channel announces an organisation that has new events for whoever is connected, or one of whose
// consumers was taken over; the payload is its id.
const Channel = "ringside_events"

// Event is one thing that happened.
type Event struct {
	Seq       int64 // the cursor
	Type      string
	At        time.Time // when it happened
	ContactID string    // "" if it is nobody's
	Payload   json.RawMessage
}

// Outbox is the events of all organisations.
type Outbox struct{ pool *pgxpool.Pool }

// New returns the outbox on the given pool.
func New(pool *pgxpool.Pool) *Outbox { return &Outbox{pool: pool} }

// ErrTakenOver says that a later connection has the consumer now, or that it was removed.
var ErrTakenOver = errors.New("another connection has this consumer")

// Next returns the consumer's events after a cursor, at most limit of them, and the cursor up to which
// there is nothing else for it. It gives numbers to what has none yet.
func (o *Outbox) Next(ctx context.Context, c Consumer, after int64, limit int) (events []Event, upTo int64, err error) {
	var held, unnumbered bool
	err = o.pool.QueryRow(ctx, `
		SELECT holder = $3::text::uuid, EXISTS (SELECT FROM runtime_events e WHERE e.org_id = c.org_id AND e.seq IS NULL),
			coalesce((SELECT last_seq FROM runtime_streams s WHERE s.org_id = c.org_id), 0)
		FROM runtime_consumers c WHERE org_id = $1::text::uuid AND name = $2`, c.OrgID, c.Name, c.holder).Scan(&held, &unnumbered, &upTo)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || err == nil && !held:
		return nil, 0, ErrTakenOver
	case err != nil:
		return nil, 0, fmt.Errorf("look for events: %w", err)
	}
	if limit < 1 {
		return nil, after, nil
	}
	if unnumbered {
		if upTo, err = o.number(ctx, c.OrgID); err != nil {
			return nil, 0, err
		}
	}
	if upTo <= after {
		return nil, after, nil
	}
	// Everything up to upTo is committed: numbers are given by one transaction after the other.
	rows, err := o.pool.Query(ctx, `
		SELECT seq, type, at, coalesce(contact_id::text, ''), payload FROM runtime_events
		WHERE org_id = $1::text::uuid AND seq > $2 AND seq <= $3 AND ($4 = '' OR sid IS NULL OR agent_id = nullif($4, '')::uuid)
		ORDER BY seq LIMIT $5`, c.OrgID, after, upTo, c.AgentID, limit)
	if err == nil {
		events, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read events: %w", err)
	}
	if len(events) == limit {
		upTo = events[limit-1].Seq
	}
	return events, upTo, nil
}

// number numbers an organisation's events in a transaction of its own, and returns the last number.
func (o *Outbox) number(ctx context.Context, id org.ID) (last int64, err error) {
	err = pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) (err error) {
		last, err = number(ctx, tx, id)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("number events: %w", err)
	}
	return last, nil
}

// numberAtOnce bounds how many events are numbered in one transaction.
const numberAtOnce = 500

// awaitStart is how long the end of a call waits for its beginning to be written. Nobody waits for the
// beginning when a call comes in, so the two may come the wrong way round.
const awaitStart = 2 * time.Second

// number gives numbers to the events that have none, by id: what was committed before another
// transaction began has the lower one, and a clock that is set back changes nothing. It returns the
// last number that there is. The stream's row is its lock; what is visible is looked at after it is
// held, in a statement of its own.
//
// A call's beginning comes before its end. The end waits a moment for a beginning that is not there
// yet, and with it everything later of the same person; a beginning that is later still is left out.
// Rows that somebody else is removing are passed over rather than waited for.
func number(ctx context.Context, tx pgx.Tx, id org.ID) (last int64, err error) {
	err = tx.QueryRow(ctx, `
		INSERT INTO runtime_streams AS s (org_id) VALUES ($1::text::uuid)
		ON CONFLICT (org_id) DO UPDATE SET last_seq = s.last_seq RETURNING last_seq`, id).Scan(&last)
	if err != nil {
		return 0, err
	}
	var given int64
	err = tx.QueryRow(ctx, `
		WITH locked AS MATERIALIZED (
			SELECT id, type, sid, party, created_at FROM runtime_events WHERE org_id = $1::text::uuid AND seq IS NULL
			ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
		), late AS (
			DELETE FROM runtime_events WHERE id IN (
				SELECT l.id FROM locked l JOIN runtime_events e ON e.org_id = $1::text::uuid AND e.sid = l.sid AND e.type = 'call.completed' AND e.seq IS NOT NULL
				WHERE l.type = 'call.started')
			RETURNING id
		), waiting AS (
			SELECT * FROM locked WHERE id NOT IN (SELECT id FROM late)
		), held AS (
			SELECT id, sid, party FROM waiting w
			WHERE type = 'call.completed' AND created_at > clock_timestamp() - $4::interval
				AND NOT EXISTS (SELECT FROM runtime_events s WHERE s.org_id = $1::text::uuid AND s.sid = w.sid AND s.type = 'call.started')
		), due AS (
			SELECT id, row_number() OVER (ORDER BY CASE WHEN type = 'call.started'
				THEN least(id, (SELECT c.id FROM waiting c WHERE c.sid = w.sid AND c.type = 'call.completed')) ELSE id END, type = 'call.completed', id) AS n
			FROM waiting w WHERE NOT EXISTS (SELECT FROM held h WHERE h.id <= w.id AND (h.sid = w.sid OR h.party = w.party))
		), numbered AS (
			UPDATE runtime_events e SET seq = $2 + due.n FROM due WHERE e.id = due.id RETURNING e.id
		)
		SELECT count(*) FROM numbered`, id, last, numberAtOnce, awaitStart).Scan(&given)
	if err != nil || given == 0 {
		return last, err
	}
	last += given
	_, err = tx.Exec(ctx, `UPDATE runtime_streams SET last_seq = $2 WHERE org_id = $1::text::uuid`, id, last)
	return last, err
}
