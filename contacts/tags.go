package contacts

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
)

// Bounds of the tags that are proposed.
const (
	tagsAmong = 2000 // contacts, so that it is as quick for a million of them
	maxTags   = 50
)

// Tags returns the tags that an organisation uses, for people to choose from: those of the contacts
// that were added last, the most used first. The spelling is the one that most of them have.
func (b *Book) Tags(ctx context.Context, id org.ID) ([]string, error) {
	rows, err := b.pool.Query(ctx, `
		SELECT mode() WITHIN GROUP (ORDER BY tag) FROM (
			SELECT tags FROM contacts WHERE org_id::text = $1 AND archived_at IS NULL ORDER BY created_at DESC, contacts.id DESC LIMIT $2
		) latest, unnest(tags) tag
		GROUP BY ringside_fold(tag) ORDER BY count(*) DESC, ringside_fold(tag) COLLATE "C" LIMIT $3`, id, tagsAmong, maxTags)
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	tags, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list tags: %w", err)
	}
	return tags, nil
}
