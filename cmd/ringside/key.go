package main

import (
	"context"
	"fmt"
	"strings"

	"ringside/internal/org"
)

type keyCommands struct {
	Create keyCreate `cmd:"" help:"Create an API key. It is printed this once."`
	List   keyList   `cmd:"" help:"List the keys in use, without the keys themselves."`
	Revoke keyRevoke `cmd:"" help:"End a key for good."`
}

type keyCreate struct {
	orgFlag
	Name   string   `required:"" help:"Who uses the key."`
	Scopes []string `help:"What it may be used for, with commas between: read, write, tools. Left out, all of it." placeholder:"read,write,tools"`
	jsonFlag
}

func (c *keyCreate) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		key, plain, err := store.CreateKey(ctx, o.ID, c.Name, c.Scopes...)
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

type keyList struct {
	orgFlag
	jsonFlag
}

func (c *keyList) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		keys, err := store.Keys(ctx, o.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(a, map[string]any{"keys": keys})
		}
		if len(keys) == 0 {
			fmt.Fprintln(a.out, "There is no key in use: `ringside key create --name N` makes one.")
		}
		for _, k := range keys {
			fmt.Fprintf(a.out, "%s  %s  %s\n", k.ID, strings.Join(k.Scopes, ","), k.Name)
		}
		return nil
	})
}

type keyRevoke struct {
	ID string `arg:"" help:"The key's id, as key list shows it."`
	orgFlag
	jsonFlag
}

func (c *keyRevoke) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		if err := store.RevokeKey(ctx, o.ID, c.ID); err != nil {
			return err
		}
		return c.print(a, map[string]string{"id": c.ID}, "Revoked the key %s.", c.ID)
	})
}
