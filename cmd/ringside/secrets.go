package main

import (
	"context"

	"ringside/internal/org"
)

type secretsCommands struct {
	Rotate secretsRotate `cmd:"" help:"Seal all secrets anew under RINGSIDE_SECRET_KEY."`
}

type secretsRotate struct{ jsonFlag }

// Help explains the command beyond its first line.
func (c *secretsRotate) Help() string {
	return "Set the new key as RINGSIDE_SECRET_KEY and the one before as RINGSIDE_SECRET_KEY_PREVIOUS, here and at every sidecar, and start those again. " +
		"Then run this command: afterwards the old key opens nothing and can be forgotten. It may be interrupted and run again."
}

// Run seals anew what is sealed under another key.
func (c *secretsRotate) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		u, err := db.unlock(ctx, a.config)
		if err != nil {
			return err
		}
		changed, err := org.Reseal(ctx, db.Pool, u.keys)
		if err != nil {
			return err
		}
		return c.print(a, map[string]int{"sealed": changed}, "Sealed %d secrets anew. RINGSIDE_SECRET_KEY opens everything now.", changed)
	})
}
