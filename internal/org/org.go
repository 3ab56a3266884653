// Package org holds organisations (the tenants) and what they set up by hand: voice agents, Twilio
// accounts and phone numbers, API keys. It also holds the [Switchboard], which answers on the
// webhook path, from memory, whose number was called and which agent answers there.
//
// Contacts and campaigns are not here: see package contacts.
package org

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/seal"
)

// ID identifies an organisation: a UUID in its usual text form. It is a type of its own because
// mixing up tenants is the worst mistake this program can make.
type ID string

// Org is one organisation.
type Org struct {
	ID           ID     `json:"id"`
	Name         string `json:"name"`
	Country      string `json:"country"`                 // ISO 3166-1 alpha-2; how national numbers are read
	ContactLimit *int   `json:"contact_limit,omitempty"` // nil is unlimited
}

// Store keeps organisations and their set-up in Postgres.
type Store struct {
	pool *pgxpool.Pool
	keys *seal.Ring // nil: secrets are neither read nor written
}

// NewStore returns a store on the given pool. It has no keys: see [Store.WithKeys].
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// CreateOrg adds an organisation and returns it with its new id.
func (s *Store) CreateOrg(ctx context.Context, o Org) (Org, error) {
	o.Name = strings.TrimSpace(o.Name)
	o.Country = strings.ToUpper(strings.TrimSpace(o.Country))
	if err := checkName(o.Name, "An organisation needs a name."); err != nil {
		return Org{}, err
	}
	switch {
	case !phone.ValidCountry(o.Country):
		return Org{}, problem.Invalid("country", "%q is not a country: give its two-letter ISO code, such as US, GB or DE.", o.Country)
	}
	if err := checkLimit(o.ContactLimit); err != nil {
		return Org{}, err
	}
	err := s.pool.QueryRow(ctx,
		`INSERT INTO orgs (name, country, contact_limit) VALUES ($1, $2, $3) RETURNING id::text`,
		o.Name, o.Country, o.ContactLimit).Scan(&o.ID)
	if err != nil {
		return Org{}, fmt.Errorf("create organisation: %w", err)
	}
	return o, nil
}

func checkLimit(limit *int) error {
	if limit != nil && (*limit < 0 || *limit > math.MaxInt32) {
		return problem.Invalid("contact_limit", "The contact limit is a number from 0 to %d; leave it out for no limit.", math.MaxInt32)
	}
	return nil
}

// SetContactLimit changes how many contacts people may add; nil is no limit. Whoever is beyond it stays.
func (s *Store) SetContactLimit(ctx context.Context, id ID, limit *int) error {
	if err := checkLimit(limit); err != nil {
		return err
	}
	tag, err := s.pool.Exec(ctx, `UPDATE orgs SET contact_limit = $2 WHERE id = $1::text::uuid`, id, limit)
	if invalidText(err) || err == nil && tag.RowsAffected() == 0 {
		return noOrg(id)
	}
	if err != nil {
		return fmt.Errorf("set contact limit: %w", err)
	}
	return nil
}

// Org returns an organisation, or a not-found problem.
func (s *Store) Org(ctx context.Context, id ID) (Org, error) {
	o := Org{ID: id}
	err := s.pool.QueryRow(ctx, `SELECT name, country, contact_limit FROM orgs WHERE id = $1::text::uuid`, id).
		Scan(&o.Name, &o.Country, &o.ContactLimit)
	if errors.Is(err, pgx.ErrNoRows) || invalidText(err) {
		return Org{}, noOrg(id)
	}
	if err != nil {
		return Org{}, fmt.Errorf("read organisation %s: %w", id, err)
	}
	return o, nil
}

// Orgs returns every organisation, the oldest first.
func (s *Store) Orgs(ctx context.Context) ([]Org, error) {
	// What Query reports, the rows report again.
	rows, _ := s.pool.Query(ctx, `SELECT id::text, name, country, contact_limit FROM orgs ORDER BY created_at, id`)
	orgs, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (o Org, err error) {
		err = row.Scan(&o.ID, &o.Name, &o.Country, &o.ContactLimit)
		return o, err
	})
	if err != nil {
		return nil, fmt.Errorf("list organisations: %w", err)
	}
	return orgs, nil
}

// Delete removes an organisation and everything that belongs to it. There is no way back.
func (s *Store) Delete(ctx context.Context, id ID) error {
	deleted := false
	batch := &pgx.Batch{} // without BEGIN, one transaction
	// Numbers go first: Postgres refuses to remove an agent or account that a number refers to,
	// also where all of them are about to go.
	batch.Queue(`DELETE FROM phone_numbers WHERE org_id = $1::text::uuid`, id)
	batch.Queue(`DELETE FROM orgs WHERE id = $1::text::uuid`, id).Exec(func(tag pgconn.CommandTag) error {
		deleted = tag.RowsAffected() > 0
		return nil
	})
	err := s.pool.SendBatch(ctx, batch).Close()
	switch {
	case invalidText(err) || err == nil && !deleted:
		return noOrg(id)
	case err != nil:
		return fmt.Errorf("delete organisation %s: %w", id, err)
	}
	return nil
}

func noOrg(id ID) error {
	return problem.NotFound("There is no organisation %s; `ringside org list` shows those there are.", id)
}

// maxName is the longest name of anything here, in characters. The database holds the same.
const maxName = 200

func checkName(name, missing string) error {
	switch {
	case name == "":
		return problem.Invalid("name", "%s", missing)
	case utf8.RuneCountInString(name) > maxName:
		return problem.Invalid("name", "The name is longer than %d characters.", maxName)
	}
	return storable("name", name)
}

// storable refuses a text that Postgres cannot hold, as the named field's.
func storable(field, text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return problem.Invalid(field, "The text cannot be stored: it is not valid UTF-8, or holds a NUL character.")
	}
	return nil
}

// invalidText reports whether Postgres refused a text as a value of its type, as it does with an
// id that is no UUID, or as a text at all: no such row can exist.
func invalidText(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "22P02" || pgErr.Code == "22021")
}

// hidden reports whether row-level security has refused a row.
func hidden(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.Code == "42501"
}

// violates reports whether err is a violation of the named constraint.
func violates(err error, constraint string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.ConstraintName == constraint
}
