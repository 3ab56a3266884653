package contacts

import (
	"context"
	"fmt"
	"time"

	"ringside/internal/org"
)

// Gained counts the contacts that were made from one time until before another, by what made them.
// Those that were archived since do not count.
func (b *Book) Gained(ctx context.Context, id org.ID, from, before time.Time) (map[Source]int, error) {
	rows, err := b.pool.Query(ctx, `
		SELECT source, count(*) FROM contacts WHERE org_id::text = $1 AND archived_at IS NULL AND created_at >= $2 AND created_at < $3 GROUP BY source`, id, from, before)
	if err != nil {
		return nil, fmt.Errorf("count contacts gained: %w", err)
	}
	defer rows.Close()
	gained := map[Source]int{}
	for rows.Next() {
		var source Source
		var n int
		if err := rows.Scan(&source, &n); err != nil {
			return nil, fmt.Errorf("count contacts gained: %w", err)
		}
		gained[source] = n
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("count contacts gained: %w", err)
	}
	return gained, nil
}
