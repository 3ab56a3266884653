package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ringside/internal/org"
)

type keyCommands struct {
	Create keyCreate `cmd:"" help:"Create an API key. It is printed this once."`
	List   keyList   `cmd:"" help:"List the keys in use, without the keys themselves."`
	Rotate keyRotate `cmd:"" help:"Replace a key by a new one, and let it work for a while yet."`
	Revoke keyRevoke `cmd:"" help:"End a key for good."`
}

type keyCreate struct {
	orgFlag
	Name   string   `required:"" help:"Who uses the key."`
	Scopes []string `help:"What it may be used for, with commas between: read, write, tools, events. Left out, all of it." placeholder:"read,write,tools,events"`
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
		return c.print(a, shownKey{Key: key, Plain: plain}, "%s\nKeep it now: it is not shown again. (id %s)", plain, key.ID)
	})
}

// shownKey is a key on the one occasion that it is shown.
type shownKey struct {
	org.Key
	Plain string   `json:"key"`
	Old   *org.Key `json:"replaces,omitempty"`
}

type keyRotate struct {
	ID    string        `arg:"" help:"The key's id, as key list shows it."`
	Grace time.Duration `default:"24h" help:"How long the old key goes on working; 0s ends it now." placeholder:"24h"`
	orgFlag
	jsonFlag
}

// Help explains the command beyond its first line.
func (c *keyRotate) Help() string {
	return "The new key has the name and the scopes of the old one, and is printed this once. Give it to whoever uses the old one before that ends. If the new one is lost, rotate again, and revoke it."
}

func (c *keyRotate) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store := org.NewStore(db.Pool)
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		key, plain, ends, err := store.RotateKey(ctx, o.ID, c.ID, c.Grace)
		if err != nil {
			return err
		}
		shown := shownKey{Key: key, Plain: plain, Old: &org.Key{ID: c.ID, OrgID: o.ID, Name: key.Name, Scopes: key.Scopes, ExpiresAt: &ends}}
		return c.print(a, shown, "%s\nKeep it now: it is not shown again. (id %s)\nThe old one works until %s.", plain, key.ID, ends.UTC().Format(time.RFC3339))
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
			ends := ""
			if k.ExpiresAt != nil {
				ends = "  (rotated: ends " + k.ExpiresAt.UTC().Format(time.RFC3339) + ")"
			}
			fmt.Fprintf(a.out, "%s  %s  %s%s\n", k.ID, strings.Join(k.Scopes, ","), k.Name, ends)
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
