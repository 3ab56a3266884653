package contacts

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// CampaignPerson is somebody whom a campaign calls: known by phone, not necessarily a contact.
type CampaignPerson struct {
	ID       string
	Campaign string // the campaign's name; it is made if the organisation has none of this name
	// CampaignID is the campaign, in the place of its name, which may change meanwhile. It is not made.
	CampaignID string
	Phone      string // as a person writes it
	Name       string
	Notes      string
	// CalledAt is when the campaign called them. Zero: not yet, and so they are not recognised
	// by this campaign (rule 8).
	CalledAt time.Time
	// Variables are what else is known of them, for the campaign's greeting.
	Variables map[string]string
}

// AddCampaignPerson records that a campaign has called somebody. A person the campaign already has
// is brought up to date: blanks replace nothing, a placeholder does not replace a real name, variables
// are added to those there are, and CalledAt only moves forward. It returns the person as stored.
func (b *Book) AddCampaignPerson(ctx context.Context, o org.Org, p CampaignPerson) (CampaignPerson, error) {
	for _, f := range []struct{ name, text string }{{"name", p.Name}, {"notes", p.Notes}} {
		if err := storable(f.name, f.text); err != nil {
			return p, err
		}
	}
	if p.CampaignID == "" {
		campaign, err := campaignName(p.Campaign)
		if wrong, ok := errors.AsType[*problem.Error](err); ok {
			wrong.Field = "campaign"
			return p, wrong
		}
		p.Campaign = campaign
	}
	p.Name, p.Notes = tidy(p.Name), strings.TrimSpace(p.Notes)
	n, err := phone.Parse(p.Phone, o.Country)
	switch {
	case err != nil:
		return p, problem.Invalid("phone", "%s", err)
	case utf8.RuneCountInString(p.Name) > MaxName:
		return p, problem.Invalid("name", "The name is longer than %d characters.", MaxName)
	case utf8.RuneCountInString(p.Notes) > MaxNotes:
		return p, problem.Invalid("notes", "The notes are longer than %d characters.", MaxNotes)
	}
	p.Phone = n.String()
	if p.Variables, err = checkedVariables(p.Variables); err != nil {
		return p, err
	}
	more := len(p.Variables) > 0
	err = b.fenced(ctx, "add campaign person", o.ID, []phone.Number{n}, func(ctx context.Context, tx pgx.Tx) error {
		if err := refuseOwn(ctx, tx, o.ID, n); err != nil {
			return err
		}
		campaignID, err := b.campaignOf(ctx, tx, o.ID, p)
		if err != nil {
			return err
		}
		var calledAt *time.Time
		if !p.CalledAt.IsZero() {
			calledAt = &p.CalledAt
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO campaign_people (org_id, campaign_id, phone, name, notes, called_at, variables)
			VALUES ($1::text::uuid, $2::text::uuid, $3, $4, $5, $6, $7)
			ON CONFLICT (campaign_id, phone) DO UPDATE SET
				name = CASE WHEN ringside_real_name(excluded.name) OR campaign_people.name = '' THEN excluded.name ELSE campaign_people.name END,
				notes = coalesce(nullif(excluded.notes, ''), campaign_people.notes),
				variables = campaign_people.variables || excluded.variables,
				changed_at = now(),
				called_at = greatest(campaign_people.called_at, excluded.called_at)
			RETURNING id::text, name, notes, called_at, variables`, o.ID, campaignID, n, p.Name, p.Notes, calledAt, p.Variables).Scan(&p.ID, &p.Name, &p.Notes, &calledAt, &p.Variables)
		if calledAt != nil {
			p.CalledAt = *calledAt
		}
		if err == nil && more {
			err = fewVariables(p.Variables)
		}
		return err
	})
	return p, err
}

// campaignOf returns the id of the campaign that somebody is for, and makes one that is named.
func (b *Book) campaignOf(ctx context.Context, tx pgx.Tx, id org.ID, p CampaignPerson) (campaignID string, err error) {
	if p.CampaignID != "" {
		err = tx.QueryRow(ctx, `SELECT id::text FROM campaigns WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, p.CampaignID).Scan(&campaignID)
		if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
			err = problem.NotFound("There is no campaign %s.", p.CampaignID)
		}
		return campaignID, err
	}
	// The empty update makes an existing row come back; campaigns are few and rarely added.
	err = tx.QueryRow(ctx, `
		INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, $2)
		ON CONFLICT (org_id, name) DO UPDATE SET name = excluded.name RETURNING id::text`, id, p.Campaign).Scan(&campaignID)
	return campaignID, err
}
