package main

import (
	"context"
	"fmt"
	"strconv"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/problem"
)

type orgCommands struct {
	Create orgCreate `cmd:"" help:"Create an organisation."`
	List   orgList   `cmd:"" help:"List the organisations."`
	Limit  orgLimit  `cmd:"" help:"Set how many contacts people may add."`
}

type orgCreate struct {
	Name         string `required:"" help:"What it is called."`
	Country      string `required:"" help:"Two-letter ISO code: how national phone numbers are read." placeholder:"US"`
	ContactLimit *int   `help:"The most contacts that people may add; left out, there is no limit." placeholder:"500"`
	jsonFlag
}

func (c *orgCreate) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := org.NewStore(db.Pool).CreateOrg(ctx, org.Org{Name: c.Name, Country: c.Country, ContactLimit: c.ContactLimit})
		if err != nil {
			return err
		}
		return c.print(a, o, "Created the organisation %s: %s\nNext: `ringside agent create --org %s --name … --greeting … --runtime-url ws://…`", o.Name, o.ID, o.ID)
	})
}

type orgList struct{ jsonFlag }

func (c *orgList) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		orgs, err := org.NewStore(db.Pool).Orgs(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a, map[string]any{"orgs": orgs})
		}
		if len(orgs) == 0 {
			fmt.Fprintln(a.out, "There is no organisation yet: `ringside org create --name N --country US` makes one.")
		}
		for _, o := range orgs {
			fmt.Fprintf(a.out, "%s  %s  %s\n", o.ID, o.Country, o.Name)
		}
		return nil
	})
}

type orgLimit struct {
	Contacts string `arg:"" help:"The most contacts, or none for no limit. Contacts beyond it stay; archiving makes room."`
	orgFlag
	jsonFlag
}

func (c *orgLimit) Run(a *app) error {
	var limit *int
	if c.Contacts != "none" {
		n, err := strconv.Atoi(c.Contacts)
		if err != nil {
			return problem.Invalid("contacts", "Give a number, or none for no limit.")
		}
		limit = &n
	}
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		if err := store.SetContactLimit(ctx, o.ID, limit); err != nil {
			return err
		}
		usage, err := contacts.NewBook(db.Pool, contacts.NoFence{}).Usage(ctx, o.ID)
		if err != nil {
			return err
		}
		return c.print(a, usage, "%s has %d contacts; its limit is %s.", o.Name, usage.Used, c.Contacts)
	})
}
