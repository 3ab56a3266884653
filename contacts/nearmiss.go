package contacts

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// maxNearMisses is how many near misses are worth reading.
const maxNearMisses = 5

// NearMiss is an active contact whose number ends like the one asked for, but is another number.
type NearMiss struct {
	ContactID string       `json:"contact_id"`
	Name      string       `json:"name"`
	Phone     phone.Number `json:"phone"`
}

// nearMissSQL has right(phone, 7), the expression of the index contacts_last_digits.
const nearMissSQL = `
SELECT id::text, name, phone FROM contacts
WHERE org_id = $1::text::uuid AND right(phone, 7) = right($2, 7) AND phone <> $2 AND archived_at IS NULL
ORDER BY phone LIMIT $3`

// NearMisses returns the organisation's active contacts whose number has the same last seven digits
// as n, at most five, in the order of their numbers. They are a hint for a person who asks why n is
// not recognised: a country code that was guessed, a digit too many. Recognition never uses them
// (rule 7).
func (b *Book) NearMisses(ctx context.Context, id org.ID, n phone.Number) ([]NearMiss, error) {
	rows, err := b.pool.Query(ctx, nearMissSQL, id, n, maxNearMisses)
	if err != nil {
		return nil, fmt.Errorf("find near misses: %w", err)
	}
	near, err := pgx.CollectRows(rows, pgx.RowToStructByPos[NearMiss])
	if err != nil {
		return nil, fmt.Errorf("find near misses: %w", err)
	}
	return near, nil
}
