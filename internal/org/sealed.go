package org

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/seal"
)

// WithKeys returns the same store with keys for secrets: auth tokens and the secrets of runtimes. A store without
// keys refuses to write one, and reads a sealed one as "".
func (s *Store) WithKeys(keys *seal.Ring) *Store { return &Store{pool: s.pool, keys: keys} }

// errNoKeys is a mistake in wiring.
var errNoKeys = errors.New("a secret cannot be kept: this store was given no keys")

func (s *Store) seal(at seal.Place, plain string) (string, error) {
	if s.keys == nil && plain != "" {
		return "", errNoKeys
	}
	if plain == "" {
		return "", nil
	}
	return s.keys.Seal(at, plain), nil
}

func (s *Store) open(at seal.Place, stored string) (string, error) {
	return openWith(s.keys, at, stored)
}

func openWith(keys *seal.Ring, at seal.Place, stored string) (string, error) {
	if keys == nil && seal.Sealed(stored) {
		return "", nil
	}
	return keys.Open(at, stored)
}

func tokenAt(accountSID string) seal.Place {
	return seal.Place{Table: "twilio_accounts", Column: "auth_token", Row: accountSID}
}

func secretAt(agentID string) seal.Place {
	return seal.Place{Table: "voice_agents", Column: "runtime_secret", Row: agentID}
}

// newID returns a random UUID (version 4), for a row whose secret is sealed before there is one.
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// erasureAt is where the key lies under which erased people are remembered. It has to outlive every
// rotation: the hashes of the erased cannot be made anew.
var erasureAt = seal.Place{Table: "sealed_values", Column: "value", Row: "erasure_key"}

// HasSealed reports whether the database holds something that a key was used for.
func HasSealed(ctx context.Context, pool *pgxpool.Pool) (has bool, err error) {
	if err := pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM sealed_values)`).Scan(&has); err != nil {
		return false, fmt.Errorf("look for sealed values: %w", err)
	}
	return has, nil
}

// Unlock makes sure that the keys are those of this database, and returns the key under which erased people are
// remembered. The first time, that is the given secret, as it was before there was sealing. Secrets that
// lie there in plain, from before or written by another program, are sealed.
//
// It returns a *[seal.Error] where something does not open.
func Unlock(ctx context.Context, pool *pgxpool.Pool, keys *seal.Ring, secret []byte) (erasureKey []byte, err error) {
	// Of two that come at once, both read what the first has written.
	if _, err := pool.Exec(ctx, `INSERT INTO sealed_values (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`,
		erasureAt.Row, keys.Seal(erasureAt, string(secret))); err != nil {
		return nil, fmt.Errorf("keep the erasure key: %w", err)
	}
	var stored string
	if err := pool.QueryRow(ctx, `SELECT value FROM sealed_values WHERE name = $1`, erasureAt.Row).Scan(&stored); err != nil {
		return nil, fmt.Errorf("read the erasure key: %w", err)
	}
	plain, err := keys.Open(erasureAt, stored)
	if err != nil {
		return nil, err
	}
	if _, err := reseal(ctx, pool, keys, seal.Sealed); err != nil {
		return nil, err
	}
	return []byte(plain), nil
}

// Reseal seals everything under the key that seals now, and returns how many values it has changed. It may be
// interrupted at any time, and run again; sidecars that have both keys go on working meanwhile.
func Reseal(ctx context.Context, pool *pgxpool.Pool, keys *seal.Ring) (changed int, err error) {
	return reseal(ctx, pool, keys, keys.Current)
}

// sealedColumns are the columns that hold sealed values: the row's id as text, and the value.
var sealedColumns = []struct{ table, id, column string }{
	{"twilio_accounts", "account_sid", "auth_token"},
	{"voice_agents", "id", "runtime_secret"},
	{"sealed_values", "name", "value"},
}

// reseal seals what is not done yet.
func reseal(ctx context.Context, pool *pgxpool.Pool, keys *seal.Ring, done func(stored string) bool) (changed int, err error) {
	for _, c := range sealedColumns {
		rows, _ := pool.Query(ctx, fmt.Sprintf(`SELECT %[2]s::text, %[3]s FROM %[1]s WHERE %[3]s <> '' ORDER BY 1`, c.table, c.id, c.column)) // what Query reports, the rows report again
		type value struct{ ID, Stored string }
		values, err := pgx.CollectRows(rows, pgx.RowToStructByPos[value])
		if err != nil {
			return changed, fmt.Errorf("read %s.%s: %w", c.table, c.column, err)
		}
		for _, v := range values {
			if done(v.Stored) {
				continue
			}
			at := seal.Place{Table: c.table, Column: c.column, Row: v.ID}
			plain, err := keys.Open(at, v.Stored)
			if err != nil {
				return changed, err
			}
			// Not where somebody has set another meanwhile: that is sealed already, or will be.
			tag, err := pool.Exec(ctx, fmt.Sprintf(`UPDATE %[1]s SET %[3]s = $3 WHERE %[2]s::text = $1 AND %[3]s = $2`, c.table, c.id, c.column),
				v.ID, v.Stored, keys.Seal(at, plain))
			if err != nil {
				return changed, fmt.Errorf("seal %s.%s: %w", c.table, c.column, err)
			}
			changed += int(tag.RowsAffected())
		}
	}
	return changed, nil
}
