package main

import (
	"context"
	"time"

	"ringside/contacts"
	"ringside/internal/org"
)

type campaignCommands struct {
	List      campaignList      `cmd:"" help:"List an organisation's campaigns."`
	Show      campaignShow      `cmd:"" help:"Show how a campaign calls its people, and how far it is."`
	Set       campaignSet       `cmd:"" help:"Change how a campaign calls its people."`
	Start     campaignStart     `cmd:"" help:"Begin to call a campaign's people, or go on with those who have no result. A running sidecar calls them."`
	Pause     campaignPause     `cmd:"" help:"Call nobody more for now. Whoever is being called is talked to."`
	Resume    campaignResume    `cmd:"" help:"Go on after a pause."`
	Stop      campaignStop      `cmd:"" help:"Call nobody more."`
	AddPerson campaignAddPerson `cmd:"" help:"Record that a campaign has called somebody, who is recognised when they call back."`
}

type campaignAddPerson struct {
	orgFlag
	Campaign string    `required:"" help:"The campaign's name; it is made if there is none of this name."`
	Name     string    `required:"" help:"The person's name."`
	Phone    string    `required:"" help:"Their number; a national one is read with the organisation's country."`
	Notes    string    `help:"What the agent should know."`
	CalledAt time.Time `help:"When the campaign called them; now if left out." placeholder:"2026-11-20T10:00:00Z"`
	jsonFlag
}

func (c *campaignAddPerson) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := c.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		person := contacts.CampaignPerson{Campaign: c.Campaign, Name: c.Name, Phone: c.Phone, Notes: c.Notes, CalledAt: c.CalledAt}
		if person.CalledAt.IsZero() {
			person.CalledAt = time.Now()
		}
		if person, err = contacts.NewBook(db.Pool, contacts.NoFence{}).AddCampaignPerson(ctx, o, person); err != nil {
			return err
		}
		return c.print(a, map[string]string{"id": person.ID, "campaign": person.Campaign, "phone": person.Phone, "name": person.Name},
			"Recorded %s, %s, called by %s: %s", person.Name, person.Phone, person.Campaign, person.ID)
	})
}
