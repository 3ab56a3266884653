package recognize

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/gather"
	"ringside/internal/org"
	"ringside/internal/phone"
)

// historyRead is how many interactions are read, more than the agent is told: those that ended
// after the call began are left out when the call is decided (rule 11).
const historyRead = 12

// findSQL finds contact, last campaign and recent history of several callers ($1 their organisations,
// $2 their numbers) in one round trip, each by index. The contact is whoever has the number as their
// phone, else whoever has it among the numbers of contacts merged into theirs. The history is the contact's; of somebody who
// is no contact it is the number's, without what belongs to a contact that was archived: that was
// somebody else.
//
// The arrays are read through sub-selects so that the planner does not see how long they are: it
// would find each length worth a plan of its own, and planning costs more than the look-up.
var findSQL = `
SELECT asked.nth, found.contact, found.campaign, found.history
FROM unnest((SELECT $1::text[]::uuid[]), (SELECT $2::text[])) WITH ORDINALITY AS asked (org_id, phone, nth)
CROSS JOIN LATERAL (
	WITH contact AS (
		SELECT id, name, email, tags, notes, blocked_at, greet_by_name FROM contacts WHERE id = ` + contacts.HolderSQL("asked.org_id", "asked.phone") + `
	), history AS (
		SELECT * FROM (
			SELECT i.sid, i.started_at, i.ended_at, i.kind, i.direction, i.duration_s, i.summary, i.details, i.text
			FROM interactions i
			WHERE (i.org_id = asked.org_id) IS TRUE -- not by an index of the organisation's
				AND i.contact_id = (SELECT id FROM contact) AND i.ended_at IS NOT NULL AND i.trusted AND NOT i.disowned
			ORDER BY i.ended_at DESC LIMIT $3
		) theirs
		UNION ALL
		SELECT * FROM (
			SELECT i.sid, i.started_at, i.ended_at, i.kind, i.direction, i.duration_s, i.summary, i.details, i.text
			FROM interactions i
			WHERE i.org_id = asked.org_id AND i.party = asked.phone AND i.contact_id IS NULL AND i.ended_at IS NOT NULL
				AND i.trusted AND NOT i.disowned AND NOT EXISTS (SELECT FROM contact)
			ORDER BY i.ended_at DESC LIMIT $3
		) nobodys
	)
	SELECT
		(SELECT json_build_object('id', id, 'name', name, 'email', coalesce(email, ''), 'tags', tags, 'notes', notes, 'blocked', blocked_at IS NOT NULL, 'unnamed', NOT greet_by_name) FROM contact) AS contact,
		(SELECT json_build_object('campaign', c.name, 'name', p.name, 'notes', p.notes, 'result', p.result, 'called_at', p.called_at)
			FROM campaign_people p JOIN campaigns c ON c.id = p.campaign_id
			WHERE p.org_id = asked.org_id AND p.phone = asked.phone AND p.called_at IS NOT NULL ORDER BY p.called_at DESC LIMIT 1) AS campaign,
		(SELECT json_agg(json_build_object('sid', sid, 'at', started_at, 'ended_at', ended_at, 'kind', kind, 'direction', direction,
				'duration_s', coalesce(duration_s, 0), 'summary', coalesce(nullif(summary, ''), nullif(left(text, 1000), ''),
					(SELECT string_agg(e.value->>'note', '; ' ORDER BY e.value->>'at', e.key) FROM jsonb_each(details) e), ''))
			ORDER BY ended_at DESC, sid) FROM history) AS history
) found`

// Round trips to Postgres at once, callers in each, and how long one may take.
const (
	findTrips  = 4
	findMost   = 32
	findWithin = 5 * time.Second
)

// Database is the directory that asks Postgres. Callers who are looked up at the same time share a
// round trip.
type Database struct {
	pool *pgxpool.Pool
	line *gather.Line[callerKey, *Record]
}

// callerKey names a caller.
type callerKey struct {
	org    org.ID
	number phone.Number
}

// NewDatabase returns the directory on the given pool.
func NewDatabase(pool *pgxpool.Pool) *Database {
	d := &Database{pool: pool}
	d.line = gather.NewLine(findTrips, findMost, d.find)
	return d
}

// Find asks Postgres, in one round trip. It ends when ctx does, or after five seconds.
func (d *Database) Find(ctx context.Context, id org.ID, n phone.Number) (Finding, error) {
	began := time.Now()
	record, err := d.line.Ask(ctx, callerKey{id, n})
	step := Step{Tier: TierPostgres, Outcome: "failed", Micros: time.Since(began).Microseconds()}
	switch {
	case err != nil:
		return Finding{Steps: []Step{step}}, fmt.Errorf("find caller: %w", err)
	case record.Known():
		step.Outcome = "hit"
	default:
		step.Outcome = "miss"
	}
	return Finding{Record: record, Steps: []Step{step}}, nil
}

// find looks several callers up.
func (d *Database) find(callers []callerKey) ([]*Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), findWithin)
	defer cancel()
	orgs, numbers := make([]string, len(callers)), make([]string, len(callers))
	for i, c := range callers {
		orgs[i], numbers[i] = string(c.org), string(c.number)
	}
	rows, err := d.pool.Query(ctx, findSQL, orgs, numbers, historyRead)
	if err != nil {
		return nil, err
	}
	records := make([]*Record, len(callers))
	var nth int
	var contact, campaign, history []byte
	_, err = pgx.ForEachRow(rows, []any{&nth, &contact, &campaign, &history}, func() error {
		records[nth-1], err = readRecord(contact, campaign, history)
		return err
	})
	return records, err
}

// readRecord reads what Postgres found of a caller; what is absent is nil.
func readRecord(contact, campaign, history []byte) (*Record, error) {
	record := &Record{}
	for _, part := range []struct {
		raw  []byte
		into any
	}{{contact, &record.Contact}, {campaign, &record.Campaign}, {history, &record.History}} {
		if part.raw == nil {
			continue
		}
		if err := json.Unmarshal(part.raw, part.into); err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
	}
	return record, nil
}

// Known reports whether the number is anybody's.
func (r *Record) Known() bool { return r != nil && (r.Contact != nil || r.Campaign != nil) }
