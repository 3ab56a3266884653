package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

// campaignNamed is a campaign that is named on the command line.
type campaignNamed struct {
	orgFlag
	Campaign string `arg:"" help:"The campaign's name or id."`
	jsonFlag
}

// with finds the campaign and does something with it.
func (c *campaignNamed) with(a *app, do func(ctx context.Context, db *database, o org.Org, id string) (*campaign.Plan, error)) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := c.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		all, err := contacts.NewBook(db.Pool, contacts.NoFence{}).Campaigns(ctx, o.ID)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(k contacts.Campaign) bool { return k.ID == c.Campaign || strings.EqualFold(k.Name, c.Campaign) })
		if i < 0 {
			return problem.NotFound("There is no campaign %q: `ringside campaign list` shows them.", c.Campaign)
		}
		plan, err := do(ctx, db, o, all[i].ID)
		if err != nil {
			return err
		}
		p := plan.Progress
		var came []string
		for _, outcome := range slices.Sorted(maps.Keys(p.Outcomes)) {
			came = append(came, fmt.Sprintf("%s %d", outcome, p.Outcomes[outcome]))
		}
		return c.print(a, plan, "%s is %s: %d to be called, %d being called, %d done%s.\nCalls %s to %s on %s where people are; %d a minute, %d at once; %d further attempts after %d minutes.",
			all[i].Name, plan.State.Words(), p.Waiting, p.Calling, p.Done, ifAny(came), plan.Opens, plan.Closes, strings.Join(plan.Days, ", "), plan.PerMinute, plan.AtOnce, plan.Retries, plan.RetryMinutes)
	})
}

func ifAny(outcomes []string) string {
	if len(outcomes) == 0 {
		return ""
	}
	return " (" + strings.Join(outcomes, ", ") + ")"
}

type campaignShow struct{ campaignNamed }

func (c *campaignShow) Run(a *app) error {
	return c.with(a, func(ctx context.Context, db *database, o org.Org, id string) (*campaign.Plan, error) {
		return campaign.NewStore(db.Pool).Plan(ctx, o.ID, id)
	})
}

type (
	campaignStart  struct{ campaignNamed }
	campaignPause  struct{ campaignNamed }
	campaignResume struct{ campaignNamed }
	campaignStop   struct{ campaignNamed }
)

func (c *campaignStart) Run(a *app) error  { return c.act(a, campaign.Start) }
func (c *campaignPause) Run(a *app) error  { return c.act(a, campaign.Pause) }
func (c *campaignResume) Run(a *app) error { return c.act(a, campaign.Resume) }
func (c *campaignStop) Run(a *app) error   { return c.act(a, campaign.Stop) }

// act takes an action; a sidecar that runs does the calling.
func (c *campaignNamed) act(a *app, action campaign.Action) error {
	return c.with(a, func(ctx context.Context, db *database, o org.Org, id string) (*campaign.Plan, error) {
		return campaign.NewStore(db.Pool).Act(ctx, &outgoing.Desk{Numbers: org.NewStore(db.Pool)}, o, id, action)
	})
}

type campaignSet struct {
	campaignNamed
	Agent            *string   `help:"Who talks: the voice agent's id; empty is whoever the number leads to." placeholder:"ID"`
	From             *string   `help:"The number that people see; empty is one that leads to the voice agent."`
	Greeting         *string   `help:"What people hear first, with {{NAME}} and the variables of people; empty is the voice agent's greeting."`
	Context          *string   `help:"Why they are called, for the voice agent."`
	CallsPerMinute   *int      `help:"How many calls begin in a minute at most." placeholder:"20"`
	CallsAtOnce      *int      `help:"How many calls there are at any time at most." placeholder:"5"`
	Opens            *string   `help:"When people may be called, where they are." placeholder:"09:00"`
	Closes           *string   `help:"Until when." placeholder:"20:00"`
	Days             *[]string `help:"On which days." placeholder:"mon,tue,wed,thu,fri"`
	TimeZone         *string   `help:"Where people are whose numbers may be in several time zones; empty calls them when it is time in all of them." placeholder:"America/New_York"`
	Retries          *int      `help:"How often those who are busy or do not answer are called again." placeholder:"2"`
	RetryMinutes     *int      `help:"How long after." placeholder:"60"`
	HangUpOnMachines *bool     `help:"Whether a call that a machine answers is ended."`
}

func (c *campaignSet) Run(a *app) error {
	return c.with(a, func(ctx context.Context, db *database, o org.Org, id string) (*campaign.Plan, error) {
		return campaign.NewStore(db.Pool).ChangePlan(ctx, o, id, campaign.Change{AgentID: c.Agent, From: c.From, Greeting: c.Greeting, Context: c.Context, PerMinute: c.CallsPerMinute,
			AtOnce: c.CallsAtOnce, Opens: c.Opens, Closes: c.Closes, Days: c.Days, TimeZone: c.TimeZone, Retries: c.Retries, RetryMinutes: c.RetryMinutes, HangUpOnMachines: c.HangUpOnMachines})
	})
}

type campaignList struct {
	orgFlag
	jsonFlag
}

func (c *campaignList) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := c.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		all, err := contacts.NewBook(db.Pool, contacts.NoFence{}).Campaigns(ctx, o.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a, all)
		}
		for _, k := range all {
			if _, err := fmt.Fprintf(a.out, "%s  %s: %d people, %d called, %s\n", k.ID, k.Name, k.People, k.Called, campaign.State(k.State).Words()); err != nil {
				return err
			}
		}
		return nil
	})
}
