package outbox

import (
	"context"
	"fmt"
)

// How long is kept what, and how many rows go at once. Docs: agent-protocol.md.
const (
	keptDays     = 7  // an event, at least
	keptLongest  = 30 // one that a consumer does not have yet
	consumerDays = 30 // a consumer that nobody has been seen with
	upkeepStep   = 1000
)

// upkeepSQL removes what is past its time, at most $1 rows of it.
var upkeepSQL = []struct{ what, sql string }{
	{"consumers", fmt.Sprintf(`DELETE FROM runtime_consumers WHERE (org_id, name) IN (
		SELECT org_id, name FROM runtime_consumers WHERE last_seen < now() - interval '%d days' LIMIT $1)`, consumerDays)},
	{"events", fmt.Sprintf(`DELETE FROM runtime_events WHERE id = ANY (ARRAY (
		SELECT e.id FROM runtime_events e WHERE e.created_at < now() - interval '%d days'
			AND (e.created_at < now() - interval '%d days'
				OR NOT EXISTS (SELECT FROM runtime_consumers c WHERE c.org_id = e.org_id AND (e.seq IS NULL OR e.seq > c.acked)))
		ORDER BY e.created_at LIMIT $1))`, keptDays, keptLongest)},
}

// Upkeep removes consumers that nobody uses any more, and events that everybody has or that are too old.
// Several processes may do so at the same time.
func (o *Outbox) Upkeep(ctx context.Context) error {
	for _, job := range upkeepSQL {
		for {
			tag, err := o.pool.Exec(ctx, job.sql, upkeepStep)
			if err != nil {
				return fmt.Errorf("remove old %s: %w", job.what, err)
			}
			if tag.RowsAffected() < upkeepStep {
				break
			}
		}
	}
	return nil
}
