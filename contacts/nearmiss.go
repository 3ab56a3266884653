package contacts

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// NearMiss is an active contact whose number ends like another one.
type NearMiss struct {
	ContactID string       `json:"contact_id"`
	Name      string       `json:"name"`
	Phone     phone.Number `json:"phone"`
}

// NearMisses returns up to five active contacts whose last seven digits are those of n, but who
// have another number. It is a hint for people who ask why a caller was not recognised;
// recognition itself matches the whole number or nothing (rule 7).
func (b *Book) NearMisses(ctx context.Context, id org.ID, n phone.Number) ([]NearMiss, error) {
	rows, err := b.pool.Query(ctx, `
		SELECT id::text, name, phone FROM contacts
		WHERE org_id = $1::text::uuid AND right(phone, 7) = right($2, 7) AND phone <> $2 AND archived_at IS NULL
		ORDER BY name, id LIMIT 5`, id, n)
	if err != nil {
		return nil, fmt.Errorf("look for near misses: %w", err)
	}
	near, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m NearMiss, err error) {
		err = row.Scan(&m.ContactID, &m.Name, &m.Phone)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("look for near misses: %w", err)
	}
	return near, nil
}
