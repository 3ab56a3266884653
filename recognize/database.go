package recognize

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// historyRead is how many interactions are read, more than the agent is told: those that ended
// after the call began are left out when the call is decided (rule 11).
const historyRead = 12

// findSQL finds contact, last campaign and recent history in one round trip, each by index. The
// history is the contact's; of somebody who is no contact it is the number's, without what belongs
// to a contact that was archived: that was somebody else.
const findSQL = `
WITH contact AS (
	SELECT id, name, email, tags, notes FROM contacts WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL
), history AS (
	SELECT * FROM (
		SELECT i.sid, i.started_at, i.ended_at, i.kind, i.direction, i.duration_s, i.summary, i.details
		FROM interactions i
		WHERE i.org_id = $1::text::uuid AND i.contact_id = (SELECT id FROM contact) AND i.ended_at IS NOT NULL AND i.trusted AND NOT i.disowned
		ORDER BY i.ended_at DESC LIMIT $3
	) theirs
	UNION ALL
	SELECT * FROM (
		SELECT i.sid, i.started_at, i.ended_at, i.kind, i.direction, i.duration_s, i.summary, i.details
		FROM interactions i
		WHERE i.org_id = $1::text::uuid AND i.party = $2 AND i.contact_id IS NULL AND i.ended_at IS NOT NULL
			AND i.trusted AND NOT i.disowned AND NOT EXISTS (SELECT FROM contact)
		ORDER BY i.ended_at DESC LIMIT $3
	) nobodys
)
SELECT
	(SELECT json_build_object('id', id, 'name', name, 'email', coalesce(email, ''), 'tags', tags, 'notes', notes) FROM contact),
	(SELECT json_build_object('campaign', c.name, 'name', p.name, 'notes', p.notes, 'result', p.result, 'called_at', p.called_at)
		FROM campaign_people p JOIN campaigns c ON c.id = p.campaign_id
		WHERE p.org_id = $1::text::uuid AND p.phone = $2 AND p.called_at IS NOT NULL ORDER BY p.called_at DESC LIMIT 1),
	(SELECT json_agg(json_build_object('sid', sid, 'at', started_at, 'ended_at', ended_at, 'kind', kind, 'direction', direction,
			'duration_s', coalesce(duration_s, 0), 'summary', coalesce(nullif(summary, ''),
				(SELECT string_agg(e.value->>'note', '; ' ORDER BY e.value->>'at', e.key) FROM jsonb_each(details) e), ''))
		ORDER BY ended_at DESC, sid) FROM history)`

// Database is the directory that asks Postgres.
type Database struct {
	pool *pgxpool.Pool
}

// NewDatabase returns the directory on the given pool.
func NewDatabase(pool *pgxpool.Pool) *Database { return &Database{pool: pool} }

// Find asks Postgres, in one round trip.
func (d *Database) Find(ctx context.Context, id org.ID, n phone.Number) (Finding, error) {
	began := time.Now()
	var contact, campaign, history []byte
	err := d.pool.QueryRow(ctx, findSQL, id, n, historyRead).Scan(&contact, &campaign, &history)
	step := Step{Tier: TierPostgres, Outcome: "failed", Micros: time.Since(began).Microseconds()}
	if err != nil {
		return Finding{Steps: []Step{step}}, fmt.Errorf("find caller: %w", err)
	}
	record := &Record{}
	for _, part := range []struct {
		raw  []byte
		into any
	}{{contact, &record.Contact}, {campaign, &record.Campaign}, {history, &record.History}} {
		if part.raw == nil {
			continue
		}
		if err := json.Unmarshal(part.raw, part.into); err != nil {
			return Finding{Steps: []Step{step}}, fmt.Errorf("find caller: read answer: %w", err)
		}
	}
	step.Outcome = "miss"
	if record.Known() {
		step.Outcome = "hit"
	}
	return Finding{Record: record, Steps: []Step{step}}, nil
}

// Known reports whether the number is anybody's.
func (r *Record) Known() bool { return r != nil && (r.Contact != nil || r.Campaign != nil) }
