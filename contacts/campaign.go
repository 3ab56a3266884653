package contacts

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/problem"
)

// CampaignPerson is somebody whom a campaign has called: known by phone, not necessarily a contact.
type CampaignPerson struct {
	ID       string
	Campaign string // the campaign's name; it is made if the organisation has none of this name
	Phone    string // as a person writes it
	Name     string
	Notes    string
	CalledAt time.Time // when the campaign called them; only who was called is recognised (rule 8)
}

// AddCampaignPerson records that a campaign has called somebody. A person the campaign already has
// is brought up to date.
func (b *Book) AddCampaignPerson(ctx context.Context, o org.Org, p CampaignPerson) (CampaignPerson, error) {
	p.Campaign, p.Name, p.Notes = strings.TrimSpace(p.Campaign), strings.TrimSpace(p.Name), strings.TrimSpace(p.Notes)
	n, err := phone.Parse(p.Phone, o.Country)
	switch {
	case err != nil:
		return p, problem.Invalid("phone", "%s", err)
	case p.Campaign == "" || utf8.RuneCountInString(p.Campaign) > 200:
		return p, problem.Invalid("campaign", "A campaign has a name of 1 to 200 characters.")
	case utf8.RuneCountInString(p.Name) > MaxName:
		return p, problem.Invalid("name", "The name is longer than %d characters.", MaxName)
	case utf8.RuneCountInString(p.Notes) > MaxNotes:
		return p, problem.Invalid("notes", "The notes are longer than %d characters.", MaxNotes)
	}
	p.Phone = n.String()
	raise := func(ctx context.Context) bool { return b.fence.Raise(ctx, o.ID, n) }
	err = postgres.Fenced(ctx, b.pool, raise, func(ctx context.Context, tx pgx.Tx) error {
		var campaignID string
		// The empty update makes an existing row come back; campaigns are few and rarely added.
		err := tx.QueryRow(ctx, `
			INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, $2)
			ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name RETURNING id::text`, o.ID, p.Campaign).Scan(&campaignID)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `
			INSERT INTO campaign_people (org_id, campaign_id, phone, name, notes, called_at)
			VALUES ($1::text::uuid, $2::text::uuid, $3, $4, $5, $6)
			ON CONFLICT (campaign_id, phone) DO UPDATE SET
				name = coalesce(nullif(excluded.name, ''), campaign_people.name),
				notes = coalesce(nullif(excluded.notes, ''), campaign_people.notes),
				called_at = greatest(campaign_people.called_at, excluded.called_at)
			RETURNING id::text`, o.ID, campaignID, n, p.Name, p.Notes, p.CalledAt).Scan(&p.ID)
	})
	if err != nil {
		return p, fmt.Errorf("add campaign person: %w", err)
	}
	return p, nil
}
