package contacts

import (
	"context"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Campaign is a list of people whom an organisation calls.
type Campaign struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	People    int       `json:"people"`
	Called    int       `json:"called"` // of the people
	State     string    `json:"state"`  // of its calling: draft, running, paused, stopped or finished
	CreatedAt time.Time `json:"created_at"`
}

// CreateCampaign makes a campaign without people. A name that another campaign of the organisation has
// is a conflict problem with that campaign's id.
func (b *Book) CreateCampaign(ctx context.Context, id org.ID, name string) (c Campaign, err error) {
	if name, err = campaignName(name); err != nil {
		return c, err
	}
	c.Name = name
	err = b.pool.QueryRow(ctx, `
		INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, $2) ON CONFLICT (org_id, name) DO NOTHING RETURNING id::text, state, created_at`,
		id, name).Scan(&c.ID, &c.State, &c.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		err = b.nameTaken(ctx, id, name)
	}
	return c, failed("create campaign", err)
}

// nameTaken is the problem with a name that a campaign of the organisation has.
func (b *Book) nameTaken(ctx context.Context, id org.ID, name string) error {
	p := problem.New(problem.CodeConflict, "A campaign with this name already exists.")
	p.Field = "name"
	err := b.pool.QueryRow(ctx, `SELECT id::text FROM campaigns WHERE org_id = $1::text::uuid AND name = $2`, id, name).Scan(&p.ID)
	if err == nil || errors.Is(err, pgx.ErrNoRows) { // none: it has just been given up
		return p
	}
	return err
}

// campaignName checks a name, and tidies it.
func campaignName(name string) (string, error) {
	if err := storable("name", name); err != nil {
		return "", err
	}
	if name = tidy(name); name == "" || utf8.RuneCountInString(name) > MaxName {
		return "", problem.Invalid("name", "A campaign has a name of 1 to %d characters.", MaxName)
	}
	return name, nil
}

// campaignSQL reads campaigns c of organisation $1; people are counted by the index of a campaign's phones.
const campaignSQL = `
	SELECT c.id::text, c.name, p.people, p.called, c.state, c.created_at FROM campaigns c,
		LATERAL (SELECT count(*) AS people, count(called_at) AS called FROM campaign_people WHERE campaign_id = c.id) p
	WHERE c.org_id = $1::text::uuid`

// Campaigns returns an organisation's campaigns, the newest first.
func (b *Book) Campaigns(ctx context.Context, id org.ID) ([]Campaign, error) {
	rows, err := b.pool.Query(ctx, campaignSQL+` ORDER BY c.created_at DESC, c.id`, id)
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", err)
	}
	campaigns, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Campaign])
	if err != nil {
		return nil, fmt.Errorf("list campaigns: %w", err)
	}
	return campaigns, nil
}

// Campaign returns a campaign, or a not-found problem, also for another organisation's.
func (b *Book) Campaign(ctx context.Context, id org.ID, campaignID string) (c Campaign, err error) {
	err = b.pool.QueryRow(ctx, campaignSQL+` AND c.id = $2::text::uuid`, id, campaignID).Scan(&c.ID, &c.Name, &c.People, &c.Called, &c.State, &c.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return c, problem.NotFound("There is no campaign %s.", campaignID)
	}
	return c, failed("read campaign", err)
}

// hasCampaign is a not-found problem where the organisation has no such campaign.
func (b *Book) hasCampaign(ctx context.Context, id org.ID, campaignID string) error {
	var has bool
	err := b.pool.QueryRow(ctx, `SELECT true FROM campaigns WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, campaignID).Scan(&has)
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return problem.NotFound("There is no campaign %s.", campaignID)
	}
	return failed("read campaign", err)
}
