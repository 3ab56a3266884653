// Package idempotency keeps the answers to requests that bear an Idempotency-Key
// (draft-ietf-httpapi-idempotency-key-header), so that a request sent again is not carried out again. It
// holds the table api_idempotency; what a request and an answer are is package api's.
package idempotency

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Header is the request's header.
const Header = "Idempotency-Key"

// MaxBody is the longest body of an answer that is kept, in bytes.
const MaxBody = 1 << 20

// Answer is what a request was answered with.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte
}

// Store keeps answers in Postgres for 24 hours, apart for each organisation.
type Store struct{ pool *pgxpool.Pool }

// NewStore returns a store on the given pool.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// ValidKey reports whether a text can be a key: 1 to 255 visible ASCII characters.
func ValidKey(key string) bool {
	for _, c := range []byte(key) {
		if c < '!' || c > '~' {
			return false
		}
	}
	return key != "" && len(key) <= 255
}

// Lease is the right to carry a request out. It ends with [Lease.Keep] or [Lease.Free], or by itself
// after a minute, so that whoever was killed blocks nobody: the request may be carried out again then,
// even if it had been. What must not happen twice is for the domain's own rules to refuse.
type Lease struct {
	pool         *pgxpool.Pool
	id           org.ID
	key, attempt string
}

// tidied is how many old answers a new request takes away: more than it adds.
const tidied = 10

// Begin returns a lease for a request that is to be carried out, or the answer that it got before. While
// another one is carrying it out, it is a conflict that says when to ask again; another request under
// the same key is an idempotency_key_reused problem.
func (s *Store) Begin(ctx context.Context, id org.ID, key string, fingerprint [sha256.Size]byte) (*Lease, *Answer, error) {
	const attempts = 3 // a key may become free between the two looks at it
	for range attempts {
		lease, err := s.take(ctx, id, key, fingerprint)
		if err != nil || lease != nil {
			return lease, nil, err
		}
		answer, err := s.find(ctx, id, key, fingerprint)
		if !errors.Is(err, pgx.ErrNoRows) {
			return nil, answer, err
		}
	}
	return nil, nil, running()
}

// take returns a lease if the key is free. Old answers go in the same statement, but for the key's own,
// which one statement cannot both delete and take.
func (s *Store) take(ctx context.Context, id org.ID, key string, fingerprint [sha256.Size]byte) (*Lease, error) {
	l := &Lease{pool: s.pool, id: id, key: key}
	err := s.pool.QueryRow(ctx, `
		WITH old AS (
			DELETE FROM api_idempotency WHERE (org_id, key) IN (
				SELECT org_id, key FROM api_idempotency WHERE expires_at <= now() AND (org_id, key) <> ($1::text::uuid, $2)
				ORDER BY expires_at LIMIT $4 FOR UPDATE SKIP LOCKED))
		INSERT INTO api_idempotency AS held (org_id, key, fingerprint) VALUES ($1::text::uuid, $2, $3)
		ON CONFLICT (org_id, key) DO UPDATE SET fingerprint = excluded.fingerprint, attempt = excluded.attempt, leased_until = excluded.leased_until,
			expires_at = excluded.expires_at, status = NULL, content_type = NULL, body = NULL
			WHERE held.expires_at <= now() OR held.status IS NULL AND held.leased_until <= now() AND held.fingerprint = excluded.fingerprint
		RETURNING attempt::text`, id, key, fingerprint[:], tidied).Scan(&l.attempt)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("take an idempotency key: %w", err)
	}
	return l, nil
}

// find returns the answer that a request got, or why there is none. pgx.ErrNoRows: the key is free.
func (s *Store) find(ctx context.Context, id org.ID, key string, fingerprint [sha256.Size]byte) (*Answer, error) {
	var (
		a        Answer
		of       []byte
		answered bool
	)
	err := s.pool.QueryRow(ctx, `
		SELECT fingerprint, status IS NOT NULL, coalesce(status, 0), coalesce(content_type, ''), coalesce(body, '') FROM api_idempotency
		WHERE org_id = $1::text::uuid AND key = $2`, id, key).Scan(&of, &answered, &a.Status, &a.ContentType, &a.Body)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("read an idempotency key: %w", err)
	case !bytes.Equal(of, fingerprint[:]):
		p := problem.New(problem.CodeIdempotencyKeyReused, "This Idempotency-Key was sent with another request. Make a new one for each thing to be done, and send the same request again with the same one only.")
		p.Field = Header
		return nil, p
	case !answered:
		return nil, running()
	}
	return &a, nil
}

// running is the problem of a request that is being carried out.
func running() error {
	p := problem.New(problem.CodeConflict, "A request with this Idempotency-Key is being carried out. Send it again in a moment for its answer.")
	p.Field, p.RetryAfter = Header, time.Second
	return p
}

// Keep ends the lease with the answer to give from now on, and reports whether it is kept: not if it is
// longer than [MaxBody], or if the lease had run out and somebody else has it.
func (l *Lease) Keep(ctx context.Context, a Answer) (bool, error) {
	if len(a.Body) > MaxBody {
		return false, nil
	}
	tag, err := l.pool.Exec(ctx, `UPDATE api_idempotency SET status = $4, content_type = $5, body = $6 WHERE org_id = $1::text::uuid AND key = $2 AND attempt = $3::text::uuid`,
		l.id, l.key, l.attempt, a.Status, a.ContentType, a.Body)
	if err != nil {
		return false, fmt.Errorf("keep an answer: %w", err)
	}
	return tag.RowsAffected() > 0, nil
}

// Free ends the lease without an answer: the request may be sent again, and is carried out then.
func (l *Lease) Free(ctx context.Context) error {
	_, err := l.pool.Exec(ctx, `DELETE FROM api_idempotency WHERE org_id = $1::text::uuid AND key = $2 AND attempt = $3::text::uuid AND status IS NULL`, l.id, l.key, l.attempt)
	if err != nil {
		return fmt.Errorf("free an idempotency key: %w", err)
	}
	return nil
}
