package main

import (
	"context"

	"ringside/internal/org"
)

type keyCommands struct {
	Create keyCreate `cmd:"" help:"Create an API key. It is printed this once."`
}

type keyCreate struct {
	orgFlag
	Name string `required:"" help:"Who uses the key."`
	jsonFlag
}

func (c *keyCreate) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		key, plain, err := store.CreateKey(ctx, o.ID, c.Name)
		if err != nil {
			return err
		}
		shown := struct {
			org.Key
			Plain string `json:"key"`
		}{key, plain}
		return c.print(a, shown, "%s\nKeep it now: it is not shown again. (id %s)", plain, key.ID)
	})
}
