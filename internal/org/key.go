package org

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/problem"
)

// keyPrefix marks an API key, so that people and secret scanners know one when they see it.
const keyPrefix = "rsk_"

// Key is an API key as it is kept: without the key itself.
type Key struct {
	ID     string   `json:"id"`
	OrgID  ID       `json:"org_id"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes"`
	// ExpiresAt is when a key that was rotated ends; nil: it works until it is revoked.
	ExpiresAt *time.Time `json:"expires_at"`
}

// Scopes are what a key may be used for: reading, changing, what agents ask for during calls, and hearing
// what happens.
var Scopes = []string{"read", "write", "tools", "events"}

// CreateKey makes an API key for an organisation with the given scopes, or all of them if none are
// given. The plain key is returned this once; Postgres
// keeps only its SHA-256 (the key has 256 random bits, so no slow hash is needed).
func (s *Store) CreateKey(ctx context.Context, id ID, name string, scopes ...string) (k Key, plain string, err error) {
	name = strings.TrimSpace(name)
	if len(scopes) == 0 {
		scopes = Scopes
	}
	for _, scope := range scopes {
		if !slices.Contains(Scopes, scope) {
			return Key{}, "", problem.Invalid("scopes", "There is no scope %q; there are %s.", scope, strings.Join(Scopes, ", "))
		}
	}
	if err := checkName(name, "A key needs a name that says who uses it."); err != nil {
		return Key{}, "", err
	}
	plain, hash := newKey()
	k = Key{OrgID: id, Name: name}
	err = s.pool.QueryRow(ctx,
		`INSERT INTO api_keys (org_id, name, hash, scopes) VALUES ($1::text::uuid, $2, $3, $4) RETURNING id::text, scopes`,
		id, name, hash, scopes).Scan(&k.ID, &k.Scopes)
	switch {
	case violates(err, "api_keys_org_id_fkey") || invalidText(err):
		return Key{}, "", noOrg(id)
	case err != nil:
		return Key{}, "", fmt.Errorf("create key: %w", err)
	}
	return k, plain, nil
}

// newKey makes a key and its hash.
func newKey() (plain string, hash []byte) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails: crypto/rand
	plain = keyPrefix + base64.RawURLEncoding.EncodeToString(random)
	sum := sha256.Sum256([]byte(plain))
	return plain, sum[:]
}

// maxGrace is the longest that a rotated key may go on.
const maxGrace = 365 * 24 * time.Hour

// RotateKey makes a new key with the name and scopes of one in use, which works for as long as the grace
// beside it, so that whoever uses it can change over; a grace never lengthens an earlier one. The plain
// key is returned this once, and when the old one ends.
func (s *Store) RotateKey(ctx context.Context, id ID, keyID string, grace time.Duration) (k Key, plain string, ends time.Time, err error) {
	if grace < 0 || grace > maxGrace {
		return Key{}, "", ends, problem.Invalid("grace", "The old key may go on for 0s to %d hours.", int(maxGrace.Hours()))
	}
	plain, hash := newKey()
	k.OrgID = id
	err = s.pool.QueryRow(ctx, `
		WITH old AS (
			UPDATE api_keys SET expires_at = least(expires_at, now() + $3::interval) WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND `+inUse+`
			RETURNING org_id, name, scopes, expires_at)
		INSERT INTO api_keys (org_id, name, hash, scopes) SELECT org_id, name, $4, scopes FROM old
		RETURNING id::text, name, scopes, (SELECT expires_at FROM old)`, id, keyID, grace, hash).Scan(&k.ID, &k.Name, &k.Scopes, &ends)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || invalidText(err):
		return Key{}, "", ends, noKey(keyID)
	case err != nil:
		return Key{}, "", ends, fmt.Errorf("rotate key: %w", err)
	}
	return k, plain, ends, nil
}

// inUse is the condition that a key can be used.
const inUse = `revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())`

func noKey(keyID string) error {
	return problem.NotFound("There is no key %s in use; `ringside key list` shows those there are.", keyID)
}

// Keys returns the keys of an organisation that are in use, the oldest first.
func (s *Store) Keys(ctx context.Context, id ID) ([]Key, error) {
	rows, err := s.pool.Query(ctx, `SELECT id::text, org_id::text, name, scopes, expires_at FROM api_keys WHERE org_id = $1::text::uuid AND `+inUse+` ORDER BY created_at, id`, id)
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	keys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Key])
	if err != nil {
		return nil, fmt.Errorf("list keys: %w", err)
	}
	return keys, nil
}

// RevokeKey ends a key for good: the next request with it is refused.
func (s *Store) RevokeKey(ctx context.Context, id ID, keyID string) error {
	tag, err := s.pool.Exec(ctx, `UPDATE api_keys SET revoked_at = now() WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND `+inUse, id, keyID)
	if invalidText(err) || err == nil && tag.RowsAffected() == 0 {
		return noKey(keyID)
	}
	if err != nil {
		return fmt.Errorf("revoke key: %w", err)
	}
	return nil
}

// Authenticate returns the key that the plain text is, or an unauthorized problem. The look-up is
// by hash, so its time tells nothing about how much of a guess was right.
func (s *Store) Authenticate(ctx context.Context, plain string) (Key, error) {
	unauthorized := problem.New(problem.CodeUnauthorized, "This API key is not valid. Send `Authorization: Bearer rsk_…` with a key from `ringside key create`.")
	if !strings.HasPrefix(plain, keyPrefix) {
		return Key{}, unauthorized
	}
	hash := sha256.Sum256([]byte(plain))
	var k Key
	err := s.pool.QueryRow(ctx,
		`SELECT id::text, org_id::text, name, scopes, expires_at FROM api_keys WHERE hash = $1 AND `+inUse, hash[:]).
		Scan(&k.ID, &k.OrgID, &k.Name, &k.Scopes, &k.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Key{}, unauthorized
	}
	if err != nil {
		return Key{}, fmt.Errorf("look up API key: %w", err)
	}
	return k, nil
}
