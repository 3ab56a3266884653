package ledger

import (
	"context"
	"encoding/json"
	"fmt"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Recognition returns the trace of a call's recognition as it was recorded, or a not-found problem,
// also for a call of another organisation.
func (r *Reader) Recognition(ctx context.Context, id org.ID, sid string) (json.RawMessage, error) {
	var trace json.RawMessage
	err := r.pool.QueryRow(ctx, `
		SELECT recognition FROM interactions WHERE org_id = $1::text::uuid AND sid = $2 AND recognition IS NOT NULL`, id, sid).Scan(&trace)
	if missing(err) {
		return nil, problem.NotFound("There is no recognition of a call %q.", sid)
	}
	if err != nil {
		return nil, fmt.Errorf("read recognition: %w", err)
	}
	return trace, nil
}
