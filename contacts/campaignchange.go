package contacts

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// RenameCampaign gives a campaign another name. One that another campaign of the organisation has is a
// conflict problem with that campaign's id.
func (b *Book) RenameCampaign(ctx context.Context, id org.ID, campaignID, name string) (c Campaign, err error) {
	if err := b.hasCampaign(ctx, id, campaignID); err != nil {
		return c, err
	}
	if name, err = campaignName(name); err != nil {
		return c, err
	}
	// A trigger announces it: the name is told to agents when people call back.
	_, err = b.pool.Exec(ctx, `UPDATE campaigns SET name = $3 WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, campaignID, name)
	if isConstraint(err, "campaigns_org_id_name_key") {
		err = b.nameTaken(ctx, id, name)
	}
	if err != nil {
		return c, failed("rename campaign", err)
	}
	return b.Campaign(ctx, id, campaignID)
}

// DeleteCampaign deletes a campaign for good, with its people, what came of their calls, and the
// reports and rows of files that were imported into it. Contacts stay. While people are imported into
// it, it is a conflict problem. One that breaks off has deleted some of the people: it is simply done again.
func (b *Book) DeleteCampaign(ctx context.Context, id org.ID, campaignID string) error {
	if err := b.hasCampaign(ctx, id, campaignID); err != nil {
		return err
	}
	var calling, busy bool
	err := b.pool.QueryRow(ctx, `
		SELECT (SELECT state IN ('running', 'paused') FROM campaigns WHERE id = $1::text::uuid),
			EXISTS (SELECT FROM contact_imports WHERE campaign_id = $1::text::uuid AND leased_until > now())`, campaignID).Scan(&calling, &busy)
	if err != nil {
		return failed("delete campaign", err)
	}
	switch {
	case calling:
		return problem.New(problem.CodeConflict, "This campaign is calling its people. Stop it before you delete it.")
	case busy:
		return problem.New(problem.CodeConflict, "People are being imported into this campaign just now. Delete it when that is done.")
	}
	// Step by step, so that nobody who calls meanwhile waits; the campaign takes the last ones with it.
	for _, sql := range []string{
		`DELETE FROM contact_import_rows WHERE (import_id, line) IN (
			SELECT r.import_id, r.line FROM contact_import_rows r JOIN contact_imports i ON i.id = r.import_id WHERE i.campaign_id = $1::text::uuid LIMIT $2)`,
		`DELETE FROM campaign_people WHERE id IN (SELECT id FROM campaign_people WHERE campaign_id = $1::text::uuid LIMIT $2)`,
	} {
		for {
			tag, err := b.pool.Exec(ctx, sql, campaignID, importStep)
			if err != nil {
				return failed("delete campaign's people", err)
			}
			if tag.RowsAffected() == 0 {
				break
			}
		}
	}
	err = b.pool.QueryRow(ctx, `DELETE FROM campaigns WHERE org_id = $1::text::uuid AND id = $2::text::uuid RETURNING id::text`, id, campaignID).Scan(&campaignID)
	if errors.Is(err, pgx.ErrNoRows) { // somebody else was quicker
		return nil
	}
	return failed("delete campaign", err)
}
