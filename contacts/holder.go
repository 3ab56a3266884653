package contacts

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// HolderSQL is the id of an organisation's active contact that has a number, or NULL: whose phone it is,
// else whose other phone, from a contact that was merged into theirs. Both are expressions, of a uuid and
// a text. The second is not looked for where the first is found; each has an index.
func HolderSQL(org, number string) string {
	return `(
	SELECT id FROM contacts WHERE org_id = ` + org + ` AND phone = ` + number + ` AND archived_at IS NULL
	UNION ALL
	(SELECT id FROM contacts WHERE ringside_other_numbers(org_id, other_phones) @> ARRAY[` + org + ` || ` + number + `] AND other_phones <> '{}' AND archived_at IS NULL
		AND NOT EXISTS (SELECT FROM contacts WHERE org_id = ` + org + ` AND phone = ` + number + ` AND archived_at IS NULL)
	ORDER BY created_at, id LIMIT 1)
	LIMIT 1)`
}

// holderSQL is the contact of organisation $1 that has number $2.
var holderSQL = HolderSQL("$1::text::uuid", "$2::text")

// holder returns the id of the active contact that has the number, or "".
func holder(ctx context.Context, tx pgx.Tx, id org.ID, n phone.Number) (contactID string, err error) {
	err = tx.QueryRow(ctx, `SELECT coalesce(`+holderSQL+`::text, '')`, id, n).Scan(&contactID)
	return contactID, err
}

// ByPhone returns the active contact who has a number, as their phone or another of theirs; nil:
// nobody has.
func (b *Book) ByPhone(ctx context.Context, id org.ID, n phone.Number) (*Contact, error) {
	c, err := readContact(b.pool.QueryRow(ctx, `SELECT `+contactColumns+` FROM contacts WHERE id = (`+HolderSQL("$1::text::uuid", "$2")+`)`, id, n))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("find contact by phone: %w", err)
	}
	return &c, nil
}
