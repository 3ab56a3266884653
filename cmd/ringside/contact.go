package main

import (
	"context"
	"strings"

	"ringside/contacts"
	"ringside/internal/org"
)

type contactCommands struct {
	Add contactAdd `cmd:"" help:"Add a contact."`
}

type contactAdd struct {
	orgFlag
	Name  string `required:"" help:"The person's name."`
	Phone string `required:"" help:"Their number; a national one is read with the organisation's country."`
	Email string `help:"Their e-mail address."`
	Tags  string `help:"Tags, with commas between them." placeholder:"vip, returning"`
	Notes string `help:"What the agent should know."`
	jsonFlag
}

func (c *contactAdd) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		o, err := c.find(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		added, err := contacts.NewBook(db.Pool, contacts.NoFence{}).Add(ctx, o, contacts.Draft{
			Name: c.Name, Phone: c.Phone, Email: c.Email, Notes: c.Notes, Tags: strings.Split(c.Tags, ",")})
		if err != nil {
			return err
		}
		return c.print(a, added, "Added %s, %s: %s", added.Name, added.Phone.Readable(), added.ID)
	})
}
