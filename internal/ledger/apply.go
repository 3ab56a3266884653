package ledger

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
)

// applySQL applies a batch of events in one statement. No two rows of its input may concern the
// same interaction or the same party (see rounds), since a statement cannot update a row twice.
//
// Only events that are new reach people and interactions: a replay cannot bring back a contact
// that was archived meanwhile.
const applySQL = `
WITH input AS (
	SELECT * FROM unnest($1::text[]::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
		$9::text[], $10::text[]::uuid[], $11::text[]::uuid[], $12::text[], $13::int[], $14::timestamptz[], $15::timestamptz[], $16::int[],
		$17::bool[], $18::bool[], $19::text[], $20::text[], $21::text[]::jsonb[], $22::text[]::jsonb[], $23::timestamptz[],
		$24::text[], $25::text[]::jsonb[])
	AS t (org_id, sid, event, at, kind, direction, from_address, to_address, party, agent_id, contact_id, status, state_rank,
		started_at, ended_at, duration_s, untrusted, disowned, reason, summary, recognition, detail, arrived_at, session_id, lines)
), fresh AS (
	INSERT INTO interaction_events (org_id, sid, event, at)
	SELECT org_id, sid, event, at FROM input ORDER BY org_id, sid, event
	ON CONFLICT DO NOTHING RETURNING org_id, sid, event
), live AS (
	SELECT input.* FROM input JOIN fresh USING (org_id, sid, event)
), arrivals AS (
	SELECT org_id, party AS phone, arrived_at AS at FROM live WHERE arrived_at IS NOT NULL
), ` + contacts.AutoFillSQL + `, said AS (
	INSERT INTO transcripts (org_id, sid, session_id, lines)
	SELECT org_id, sid, session_id, lines FROM live WHERE session_id IS NOT NULL
	ON CONFLICT DO NOTHING
)
INSERT INTO interactions AS held (org_id, sid, kind, direction, from_address, to_address, party, contact_id, agent_id, status, state_rank,
	started_at, ended_at, duration_s, trusted, disowned, reason, summary, summary_at, recognition, details)
SELECT l.org_id, l.sid, l.kind, l.direction, l.from_address, l.to_address, l.party,
	coalesce(p.id, (SELECT c.id FROM contacts c WHERE c.org_id = l.org_id AND c.id = l.contact_id)),
	(SELECT a.id FROM voice_agents a WHERE a.org_id = l.org_id AND a.id = l.agent_id),
	l.status, l.state_rank, l.started_at, l.ended_at, l.duration_s, NOT l.untrusted, l.disowned, l.reason, l.summary,
	CASE WHEN l.summary <> '' THEN l.at END, l.recognition,
	CASE WHEN l.detail IS NULL THEN '{}'::jsonb ELSE jsonb_build_object(l.event, l.detail) END
FROM live l LEFT JOIN people p ON p.org_id = l.org_id AND p.phone = l.party
ORDER BY l.org_id, l.sid
ON CONFLICT (org_id, sid) DO UPDATE SET
	from_address = coalesce(nullif(held.from_address, ''), excluded.from_address),
	to_address = coalesce(nullif(held.to_address, ''), excluded.to_address),
	party = coalesce(held.party, excluded.party),
	contact_id = coalesce(held.contact_id, excluded.contact_id),
	agent_id = coalesce(held.agent_id, excluded.agent_id),
	status = CASE WHEN excluded.state_rank > held.state_rank THEN excluded.status ELSE held.status END,
	state_rank = greatest(held.state_rank, excluded.state_rank),
	started_at = least(held.started_at, excluded.started_at),
	ended_at = greatest(held.ended_at, excluded.ended_at),
	duration_s = greatest(held.duration_s, excluded.duration_s),
	trusted = held.trusted AND excluded.trusted,
	disowned = held.disowned OR excluded.disowned,
	reason = greatest(held.reason, excluded.reason),
	summary = CASE WHEN (excluded.summary_at, excluded.summary) > (held.summary_at, held.summary) OR held.summary_at IS NULL
		AND excluded.summary_at IS NOT NULL THEN excluded.summary ELSE held.summary END,
	summary_at = greatest(held.summary_at, excluded.summary_at),
	recognition = coalesce(held.recognition, excluded.recognition),
	details = held.details || excluded.details`

// rounds splits a batch so that within one round every interaction and every party occurs once.
// Almost always there is one round.
func rounds(batch []*Event) [][]*Event {
	var split [][]*Event
	for len(batch) > 0 {
		taken := map[string]bool{}
		var round, rest []*Event
		for _, e := range batch {
			sid, party := string(e.OrgID)+" "+e.SID, string(e.OrgID)+" "+string(e.Party)
			if taken[sid] || e.Party != "" && taken[party] {
				rest = append(rest, e)
				continue
			}
			taken[sid], taken[party] = true, true
			round = append(round, e)
		}
		split, batch = append(split, round), rest
	}
	return split
}

// apply writes a batch in one transaction and, unless parties repeat in it, one round trip. The
// fence goes up before.
func apply(ctx context.Context, pool *pgxpool.Pool, fence contacts.Fence, batch []*Event) error {
	shared := raise(ctx, fence, batch)
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, postgres.FencedCommit)
	defer cancel()
	// A pipeline without explicit BEGIN is one transaction up to its end.
	var statements pgx.Batch
	statements.Queue(postgres.FencedSQL, postgres.OnOff(shared))
	for _, round := range rounds(batch) {
		statements.Queue(applySQL, columns(round)...)
	}
	err := pool.SendBatch(bounded, &statements).Close()
	if err != nil || time.Since(began) > postgres.FencedCommit {
		raise(ctx, fence, batch) // it may have been committed, or may yet be
	}
	if err != nil {
		return fmt.Errorf("write %d events: %w", len(batch), err)
	}
	return nil
}

// raise fences everybody whose history the batch changes. It reports whether all sidecars see it.
func raise(ctx context.Context, fence contacts.Fence, batch []*Event) (shared bool) {
	touched := map[org.ID][]phone.Number{}
	for _, e := range batch {
		if e.changesHistory() {
			touched[e.OrgID] = append(touched[e.OrgID], e.Party)
		}
	}
	shared = true
	for id, numbers := range touched {
		shared = fence.Raise(ctx, id, numbers...) && shared
	}
	return shared && len(touched) > 0
}

// columns turns events into the arrays that applySQL unnests.
func columns(events []*Event) []any {
	n := len(events)
	var (
		orgs, sids, names, kinds, directions, froms, tos = make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]string, n)
		parties, agents, people, sessions                = make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
		statuses, reasons, summaries                     = make([]string, n), make([]string, n), make([]string, n)
		recognitions, details, lines                     = make([]*string, n), make([]*string, n), make([]*string, n)
		ranks                                            = make([]int, n)
		durations                                        = make([]*int, n)
		ats, starts                                      = make([]time.Time, n), make([]time.Time, n)
		ends, arrivals                                   = make([]*time.Time, n), make([]*time.Time, n)
		untrusted, disowned                              = make([]bool, n), make([]bool, n)
	)
	for i, e := range events {
		orgs[i], sids[i], names[i], kinds[i], directions[i] = string(e.OrgID), e.SID, e.Name, e.Kind, e.Direction
		froms[i], tos[i] = e.From, e.To
		parties[i], agents[i], people[i] = optional(string(e.Party)), optional(e.AgentID), optional(e.ContactID)
		statuses[i], ranks[i], reasons[i], summaries[i] = e.Status, Rank(e.Status), e.Reason, e.Summary
		recognitions[i], details[i] = optional(string(e.Recognition)), optional(string(e.detail()))
		untrusted[i], disowned[i] = e.Untrusted, e.Disowned
		ats[i], starts[i] = e.At, e.StartedAt
		if e.StartedAt.IsZero() {
			starts[i] = e.At
		}
		if e.DurationS > 0 || Final(e.Status) {
			durations[i] = &e.DurationS
		}
		if !e.EndedAt.IsZero() {
			ends[i] = &e.EndedAt
		} else if Final(e.Status) {
			ends[i] = &e.At
		}
		if e.contacted() {
			at := e.arrivedAt()
			arrivals[i] = &at
		}
		if e.Transcript != nil {
			sessions[i], lines[i] = &e.Transcript.SessionID, encoded(e.Transcript.Lines)
		}
	}
	return []any{orgs, sids, names, ats, kinds, directions, froms, tos, parties, agents, people, statuses, ranks, starts, ends, durations,
		untrusted, disowned, reasons, summaries, recognitions, details, arrivals, sessions, lines}
}

// optional returns nil, which Postgres reads as NULL, for an empty text.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func encoded(lines []Line) *string {
	text, err := json.Marshal(lines)
	if err != nil { // times and strings always marshal
		return nil
	}
	s := string(text)
	return &s
}
