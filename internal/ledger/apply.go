package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
)

// applySQL applies a batch of events in one statement. Only events that are new reach people and
// interactions: a replay cannot bring back a contact that was archived meanwhile.
//
// A statement can change a row once, so the events of one interaction are merged before they are
// written, by the same rules as they are merged into what is held. Every rule is symmetric: where
// two events contradict each other, the greater value stays, whichever came first. The one
// exception is the contact: whom the recognition found stays, even if a later contact has the number.
//
// Rows are written in one order, events before contacts before interactions and each by their key,
// so that two recorders with events of the same calls wait for each other and never deadlock.
//
// Of whoever was erased, what is late is kept without saying who it was, and makes nobody a contact: a
// call that began before the erasure, known by the hash of the number, and one that was erased itself.
// A trigger takes out what is personal of a row with erased_at.
//
// What an event announces to the agents' programs goes to their outbox (package outbox) in the same
// transaction: it is told if and only if it is kept, and once.
//
// The result announces those whose history has changed though no event of the batch raised a fence
// for them: a call's beginning raises none, and may come after its end; and the history of somebody
// with several numbers is the same under each.
var applySQL = `
WITH input AS (
	SELECT * FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
		$9::text[], $10::text[]::uuid[], $11::text[]::uuid[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::int[],
		$16::bool[], $17::bool[], $18::text[], $19::text[], $20::text[]::jsonb[], $21::text[]::jsonb[], $22::timestamptz[],
		$23::text[], $24::text[]::jsonb[], $25::bool[], $26::bytea[], $27::text[], $28::text[]::jsonb[], $29::text[],
		$30::text[], $31::text[]::json[])
	AS t (org_id, sid, event, at, kind, direction, from_address, to_address, party, agent_id, contact_id, state,
		started_at, ended_at, duration_s, untrusted, disowned, reason, summary, recognition, detail, arrived_at,
		session_id, lines, fenced, person, words, media, consent, announced_as, announcement)
), fresh AS (
	INSERT INTO interaction_events (org_id, sid, event, at)
	SELECT org_id, sid, event, at FROM input ORDER BY org_id, sid, event
	ON CONFLICT DO NOTHING RETURNING org_id, sid, event
), live AS (
	SELECT *, bool_or(EXISTS (SELECT FROM erased_people e WHERE e.org_id = input.org_id AND e.person = input.person AND e.erased_at >= input.started_at)
		OR EXISTS (SELECT FROM interactions i WHERE i.org_id = input.org_id AND i.sid = input.sid AND i.erased_at IS NOT NULL))
		OVER (PARTITION BY org_id, sid) AS forgotten
	FROM input WHERE ((org_id, sid, event) IN (SELECT org_id, sid, event FROM fresh)) IS TRUE -- hashed, for the same reason
), arrivals AS (
	SELECT org_id, party AS phone, max(arrived_at) AS at FROM live WHERE arrived_at IS NOT NULL AND NOT forgotten GROUP BY org_id, party
), ` + contacts.AutoFillSQL + `, said AS (
	INSERT INTO transcripts (org_id, sid, session_id, lines)
	SELECT org_id, sid, session_id, lines FROM live WHERE session_id IS NOT NULL AND NOT forgotten
	ON CONFLICT DO NOTHING
), refused AS (
	INSERT INTO opt_outs AS held (org_id, phone, opted_out_at, opted_in_at)
	SELECT org_id, party, max(at) FILTER (WHERE consent = 'out'), max(at) FILTER (WHERE consent = 'in') FROM live
	WHERE consent IS NOT NULL AND party IS NOT NULL GROUP BY org_id, party
	ORDER BY org_id, party
	ON CONFLICT (org_id, phone) DO UPDATE SET
		opted_out_at = greatest(held.opted_out_at, excluded.opted_out_at), opted_in_at = greatest(held.opted_in_at, excluded.opted_in_at)
), known AS (
	-- A map, since the planner takes a batch for ten rows and would join it to people row by row.
	SELECT coalesce(jsonb_object_agg(org_id || phone, id), '{}') AS ids FROM people
), merged AS (
	SELECT org_id, sid, max(kind) AS kind, max(direction) AS direction,
		max(from_address) AS from_address, max(to_address) AS to_address, max(party) AS party,
		max((SELECT a.id::text FROM voice_agents a WHERE a.org_id = live.org_id AND a.id = live.agent_id) COLLATE "C")::uuid AS agent_id,
		max((SELECT coalesce(c.merged_into, c.id)::text FROM contacts c WHERE c.org_id = live.org_id AND c.id = live.contact_id) COLLATE "C")::uuid AS contact_id,
		max(state COLLATE "C") AS state, min(started_at) AS started_at, max(ended_at) AS ended_at, max(duration_s) AS duration_s,
		bool_or(untrusted) AS untrusted, bool_or(disowned) AS disowned, max(reason) AS reason,
		max(at) FILTER (WHERE summary <> '') AS summary_at,
		(array_agg(recognition) FILTER (WHERE recognition IS NOT NULL))[1] AS recognition,
		max(words) AS words, (array_agg(media ORDER BY event) FILTER (WHERE media IS NOT NULL))[1] AS media,
		jsonb_object_agg(event, detail) FILTER (WHERE detail IS NOT NULL) AS details,
		bool_or(arrived_at IS NOT NULL) AS arrived, bool_or(forgotten) AS forgotten
	FROM live GROUP BY org_id, sid
), written AS (
	INSERT INTO interactions AS held (org_id, sid, kind, direction, from_address, to_address, party, contact_id, agent_id, status, state_rank,
		started_at, ended_at, duration_s, trusted, disowned, reason, summary, summary_at, recognition, details, erased_at, text, media)
	SELECT m.org_id, m.sid, m.kind, m.direction, m.from_address, m.to_address, m.party,
		coalesce(m.contact_id, CASE WHEN m.arrived THEN (known.ids ->> (m.org_id || m.party))::uuid END), m.agent_id,
		substr(m.state, 4), left(m.state, 2)::smallint, m.started_at, m.ended_at, m.duration_s, NOT m.untrusted, m.disowned, m.reason,
		CASE WHEN m.summary_at IS NULL THEN ''
			ELSE (SELECT max(l.summary) FROM live l WHERE l.org_id = m.org_id AND l.sid = m.sid AND l.at = m.summary_at) END,
		m.summary_at, m.recognition, coalesce(m.details, '{}'), CASE WHEN m.forgotten THEN now() END,
		m.words, m.media
	FROM merged m, known
	ORDER BY m.org_id, m.sid
	ON CONFLICT (org_id, sid) DO UPDATE SET
		kind = greatest(held.kind, excluded.kind),
		direction = greatest(held.direction, excluded.direction),
		from_address = greatest(held.from_address, excluded.from_address),
		to_address = greatest(held.to_address, excluded.to_address),
		party = greatest(held.party, excluded.party),
		contact_id = CASE WHEN excluded.recognition IS NULL THEN coalesce(held.contact_id, excluded.contact_id)
			ELSE coalesce(excluded.contact_id, held.contact_id) END,
		agent_id = greatest(held.agent_id, excluded.agent_id),
		status = CASE WHEN (excluded.state_rank, excluded.status COLLATE "C") > (held.state_rank, held.status) THEN excluded.status ELSE held.status END,
		state_rank = greatest(held.state_rank, excluded.state_rank),
		started_at = least(held.started_at, excluded.started_at),
		ended_at = greatest(held.ended_at, excluded.ended_at),
		duration_s = greatest(held.duration_s, excluded.duration_s),
		trusted = held.trusted AND excluded.trusted,
		disowned = held.disowned OR excluded.disowned,
		reason = greatest(held.reason, excluded.reason),
		summary = CASE WHEN held.summary_at IS NULL OR (excluded.summary_at, excluded.summary) > (held.summary_at, held.summary)
			THEN excluded.summary ELSE held.summary END,
		summary_at = greatest(held.summary_at, excluded.summary_at),
		recognition = coalesce(held.recognition, excluded.recognition),
		details = held.details || excluded.details,
		erased_at = coalesce(held.erased_at, excluded.erased_at),
		text = greatest(held.text, excluded.text), media = coalesce(held.media, excluded.media)
	RETURNING org_id, sid, party, contact_id, ended_at
), announced AS (
	-- After written, which has everybody else with events of these calls wait: no two announce the same.
	INSERT INTO runtime_events (org_id, type, at, sid, agent_id, party, contact_id, payload)
	SELECT l.org_id, l.announced_as, l.at, l.sid, l.agent_id, l.party, (w.contacts ->> (l.org_id || l.sid))::uuid, l.announcement
	FROM live l, (SELECT coalesce(jsonb_object_agg(org_id || sid, contact_id), '{}') AS contacts FROM written) w
	WHERE l.announced_as IS NOT NULL AND NOT l.forgotten
	ORDER BY l.at, l.org_id, l.sid, l.event
	ON CONFLICT DO NOTHING
)
SELECT ringside_announce(org_id, array_agg(DISTINCT number)) FROM (
	SELECT org_id, party AS number FROM written
	WHERE ended_at IS NOT NULL AND party IS NOT NULL AND (org_id, party) NOT IN (SELECT org_id, party FROM input WHERE fenced)
	UNION ALL
	SELECT w.org_id, number FROM written w, LATERAL (SELECT phone || other_phones AS numbers FROM contacts WHERE id = w.contact_id OFFSET 0) c, unnest(c.numbers) number
	WHERE w.ended_at IS NOT NULL AND c.numbers <> ARRAY[w.party]
) changed GROUP BY org_id`

// beforeSQL makes Postgres keep its plan of applySQL: left alone it plans anew for each length of the
// arrays, which takes longer than a small batch itself. And it waits for whoever is being merged or
// erased ([Past.Still]), so that applySQL, whose snapshot comes after, sees them as they are then.
const beforeSQL = `SELECT set_config('plan_cache_mode', 'force_generic_plan', true), pg_advisory_xact_lock_shared($1)`

// stillLock is held shared by those who write events, and alone by those who must not be written past.
const stillLock = 0x72696e6773696465 // "ringside"

// apply writes a batch in one transaction and one round trip. The fence goes up before, but only once there is a
// connection: while Postgres is away nothing is committed, and callers who are held may be served as they are.
func apply(ctx context.Context, pool *pgxpool.Pool, fence contacts.Fence, key contacts.ErasureKey, batch []*Event) error {
	conn, err := postgres.Acquire(ctx, pool)
	if err != nil { // also where Postgres says so: a password that it refuses is no word on an event
		return fmt.Errorf("write %d events: %w: %w", len(batch), errUnsent, err)
	}
	defer conn.Release()
	began := time.Now() // of the fence of whoever comes first
	shared := raise(ctx, fence, batch)
	bounded, cancel := context.WithTimeout(ctx, postgres.FencedCommit)
	defer cancel()
	// A pipeline without explicit BEGIN is one transaction up to its end.
	var statements pgx.Batch
	statements.Queue(postgres.FencedSQL, postgres.OnOff(shared))
	statements.Queue(beforeSQL, stillLock)
	statements.Queue(applySQL, columns(distinct(batch), key)...)
	err = conn.SendBatch(bounded, &statements).Close()
	if err != nil || time.Since(began) > postgres.FencedCommit {
		raise(context.WithoutCancel(ctx), fence, batch) // it may have been committed, or may yet be
	}
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		err = errors.Join(errInTime, err)
	}
	if err != nil {
		return fmt.Errorf("write %d events: %w", len(batch), err)
	}
	return nil
}

// raise fences everybody whose history the batch changes. It reports whether all sidecars see it.
func raise(ctx context.Context, fence contacts.Fence, batch []*Event) (shared bool) {
	people := touched(batch)
	shared = true
	for id, numbers := range people {
		shared = fence.Raise(ctx, id, numbers...) && shared
	}
	return shared && len(people) > 0
}

// touched returns everybody whose history the batch changes.
func touched(batch []*Event) map[org.ID][]phone.Number {
	people := map[org.ID][]phone.Number{}
	for _, e := range batch {
		if e.changesHistory() {
			people[e.OrgID] = append(people[e.OrgID], e.Party)
		}
	}
	return people
}

// distinct leaves out what repeats within a batch: of the same event, the first delivery counts.
func distinct(batch []*Event) []*Event {
	type key struct {
		org       org.ID
		sid, name string
	}
	seen := make(map[key]bool, len(batch))
	first := make([]*Event, 0, len(batch))
	for _, e := range batch {
		k := key{e.OrgID, e.SID, e.Name}
		if !seen[k] {
			seen[k] = true
			first = append(first, e)
		}
	}
	return first
}
