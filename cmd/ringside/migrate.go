package main

import (
	"errors"
	"fmt"
	"strings"

	"ringside/internal/postgres"
)

type migrateCommand struct{ jsonFlag }

// Run brings the schema up to date. Every command does so by itself; this one is for those who do
// it before a new version starts.
func (c *migrateCommand) Run(a *app) (err error) {
	db := &database{}
	url := string(a.config.DatabaseURL)
	if url == "" {
		if db.server, err = postgres.StartPrivate(a.ctx, a.config.DataDir, a.log); err != nil {
			return fmt.Errorf("start the private Postgres (set DATABASE_URL to use your own): %w", err)
		}
		url = db.server.URL("")
	}
	defer func() { err = errors.Join(err, db.close()) }()
	if db.Pool, err = postgres.Open(a.ctx, url); err != nil {
		return err
	}
	applied, err := postgres.Migrate(a.ctx, db.Pool)
	if err != nil {
		return err
	}
	if applied == nil {
		applied = []string{}
	}
	if len(applied) == 0 {
		return c.print(a, map[string]any{"applied": applied}, "The schema is up to date.")
	}
	return c.print(a, map[string]any{"applied": applied}, "Applied %s.", strings.Join(applied, ", "))
}
