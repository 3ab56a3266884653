package campaign

import (
	"cmp"
	"context"

	"github.com/jackc/pgx/v5"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

// Desk checks calls, and waits for Twilio's answer. Package outgoing's Desk implements it.
type Desk interface {
	Prepare(ctx context.Context, o org.Org, r outgoing.CallRequest) (outgoing.Item, error)
	Await(ctx context.Context, kept *outgoing.Item) (*outgoing.Item, error)
}

// Call places one call of a campaign at once, whatever its hours and pace: to somebody of it, or to somebody who becomes
// one of its people by this. They hear the campaign's greeting; the result is kept as for any of its calls, and the
// campaign does not call them again. Somebody who is being called is a conflict problem.
func (s *Store) Call(ctx context.Context, desk Desk, book *contacts.Book, o org.Org, campaignID string, r outgoing.CallRequest) (*outgoing.Item, error) {
	plan, err := s.Plan(ctx, o.ID, campaignID)
	if err != nil {
		return nil, err
	}
	if r.From == "" && r.AgentID == "" {
		r.From, r.AgentID = string(plan.From), plan.AgentID
	}
	r.Context = cmp.Or(r.Context, plan.Context)
	item, err := desk.Prepare(ctx, o, r)
	if err != nil {
		return nil, err
	}
	person, err := book.AddCampaignPerson(ctx, o, contacts.CampaignPerson{CampaignID: plan.CampaignID, Phone: item.To.String()})
	if err != nil {
		return nil, err
	}
	item.CampaignID, item.PersonID, item.Greeting, item.Variables, item.DetectMachines = plan.CampaignID, person.ID, plan.Greeting, person.Variables, plan.HangUpOnMachines
	var kept *outgoing.Item
	err = s.within(ctx, func(tx pgx.Tx) error {
		var state string
		var out bool
		if err := tx.QueryRow(ctx, `SELECT call_state, ringside_opted_out(org_id, phone) IS NOT NULL FROM campaign_people WHERE id = $1::text::uuid FOR UPDATE`, person.ID).Scan(&state, &out); err != nil {
			return err
		}
		if out {
			p := problem.New(problem.CodeOptedOut, "%s wants no messages or calls of campaigns. They can take it back by writing START.", item.To.Readable())
			p.Field = "to"
			return p
		}
		var added bool
		if kept, added, err = outgoing.Add(ctx, tx, item); err != nil || !added {
			return err
		}
		if state == "calling" {
			p := problem.New(problem.CodeConflict, "The campaign is calling %s just now.", item.To.Readable())
			p.Field = "to"
			return p
		}
		_, err = tx.Exec(ctx, callingSQL, person.ID, kept.ID)
		return err
	})
	if err != nil {
		return nil, failed("place a campaign's call", err)
	}
	return desk.Await(ctx, kept)
}
