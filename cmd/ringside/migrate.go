package main

import (
	"context"
	"strings"
)

type migrateCommand struct{ jsonFlag }

// Run brings the schema up to date. Every command does so by itself; this one is for those who do
// it before a new version starts.
func (c *migrateCommand) Run(a *app) error {
	return a.withDatabase(func(_ context.Context, db *database) error {
		if db.unguarded != nil {
			a.log.Warn(db.unguarded.Error())
		}
		applied := append([]string{}, db.applied...)
		if len(applied) == 0 {
			return c.print(a, map[string]any{"applied": applied}, "The schema is up to date.")
		}
		return c.print(a, map[string]any{"applied": applied}, "Applied %s.", strings.Join(applied, ", "))
	})
}
