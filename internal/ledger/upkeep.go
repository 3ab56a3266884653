package ledger

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// upkeepStep is how many rows go at once, so that nobody waits long for them.
const upkeepStep = 500

// expireSQL removes what organisations keep for a while only (orgs.transcript_days, interaction_days),
// at most $1 rows at a time, by an index that has the oldest of each first. A call or message takes
// with it what was said, captured, told and applied; a trigger announces to whose history it belonged, so
// that no cache tells of it any more (rule 17).
var expireSQL = []struct{ what, sql string }{
	{"old transcripts", `
		DELETE FROM transcripts WHERE ctid = ANY (ARRAY (
			SELECT old.ctid FROM orgs o CROSS JOIN LATERAL (
				SELECT t.ctid FROM transcripts t WHERE t.org_id = o.id AND t.created_at < now() - make_interval(days => o.transcript_days)
				ORDER BY t.created_at LIMIT $1) old
			WHERE o.transcript_days IS NOT NULL LIMIT $1))`},
	{"old calls and messages", `
		WITH gone AS (
			DELETE FROM interactions WHERE id = ANY (ARRAY (
				SELECT old.id FROM orgs o CROSS JOIN LATERAL (
					SELECT i.id FROM interactions i WHERE i.org_id = o.id
						AND i.started_at < now() - make_interval(days => o.interaction_days) AND coalesce(i.ended_at, i.started_at) < now() - make_interval(days => o.interaction_days)
					ORDER BY i.started_at LIMIT $1) old
				WHERE o.interaction_days IS NOT NULL LIMIT $1))
			RETURNING org_id, sid
		), said AS (
			DELETE FROM transcripts t USING gone WHERE t.org_id = gone.org_id AND t.sid = gone.sid
		), captured AS (
			DELETE FROM captures c USING gone WHERE c.org_id = gone.org_id AND c.sid = gone.sid
		), told AS (
			DELETE FROM runtime_events e USING gone WHERE e.org_id = gone.org_id AND e.sid = gone.sid
		), applied AS (
			DELETE FROM interaction_events e USING gone WHERE e.org_id = gone.org_id AND e.sid = gone.sid
		)
		SELECT FROM gone`},
}

// Upkeep removes transcripts, calls and messages that are past the time for which their organisation
// keeps them. Several processes may do so at the same time.
func Upkeep(ctx context.Context, pool *pgxpool.Pool) error {
	for _, job := range expireSQL {
		for {
			tag, err := pool.Exec(ctx, job.sql, upkeepStep)
			if err != nil {
				return fmt.Errorf("remove %s: %w", job.what, err)
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	return nil
}
