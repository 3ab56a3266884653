package member

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// LinkKind is what a link is for.
type LinkKind string

// The kinds of links.
const (
	LinkPassword LinkKind = "password" // whoever has it chooses the member's password, once
	LinkDemo     LinkKind = "demo"     // whoever has it is signed in, until it expires
)

// How long links work.
const (
	inviteLife = 7 * 24 * time.Hour
	demoLife   = 24 * time.Hour
)

// Link is a link that works.
type Link struct {
	Kind       LinkKind
	MemberID   string
	OrgID      org.ID
	Email      string
	Invitation bool // they have no password yet
	ExpiresAt  time.Time
}

// Link returns what a token is good for, without using it up.
func (s *Store) Link(ctx context.Context, token string) (l Link, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT l.kind, m.id::text, m.org_id::text, m.email, m.password_hash = '', l.expires_at FROM member_links l JOIN members m ON m.id = l.member_id
		WHERE l.hash = $1 AND l.expires_at > now()`, hashOf(token)).Scan(&l.Kind, &l.MemberID, &l.OrgID, &l.Email, &l.Invitation, &l.ExpiresAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Link{}, noLink()
	}
	if err != nil {
		return Link{}, fmt.Errorf("look up link: %w", err)
	}
	return l, nil
}

func noLink() error {
	return problem.NotFound("This link does not work any more: it was used, or is too old. Ask an owner of your organisation for a new one.")
}

// NewLink makes a link with which a member chooses a new password. Earlier ones end.
func (s *Store) NewLink(ctx context.Context, id org.ID, memberID string) (m Member, token string, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		m, err = readMember(tx.QueryRow(ctx, `SELECT `+memberColumns+` FROM members WHERE org_id = $1::text::uuid AND id = $2::text::uuid FOR UPDATE`, id, memberID))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM member_links WHERE member_id = $1::text::uuid`, m.ID); err != nil {
			return err
		}
		token, err = addLink(ctx, tx, m.ID, LinkPassword, inviteLife)
		return err
	})
	return m, token, found("make link", err, memberID)
}

// Accept sets the password of the member whom a link is for, and returns them. The link is used up,
// and whoever was signed in as them no longer is.
func (s *Store) Accept(ctx context.Context, token, password string) (m Member, err error) {
	link, err := s.Link(ctx, token)
	if err != nil {
		return m, err
	}
	if link.Kind != LinkPassword {
		return m, noLink()
	}
	hash, err := newHash(ctx, password, link.Email)
	if err != nil {
		return m, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		// The member first, as NewLink locks them.
		if _, err := tx.Exec(ctx, `SELECT FROM members WHERE id = $1::text::uuid FOR UPDATE`, link.MemberID); err != nil {
			return err
		}
		used, err := tx.Exec(ctx, `DELETE FROM member_links WHERE hash = $1 AND expires_at > now()`, hashOf(token))
		if err != nil {
			return err
		}
		if used.RowsAffected() == 0 {
			return noLink()
		}
		m, err = setPassword(ctx, tx, link.MemberID, hash)
		return err
	})
	return m, found("accept link", err, link.MemberID)
}

// UseDemoLink returns whom the demo's link signs in.
func (s *Store) UseDemoLink(ctx context.Context, token string) (Member, error) {
	link, err := s.Link(ctx, token)
	if err != nil {
		return Member{}, err
	}
	if link.Kind != LinkDemo {
		return Member{}, noLink()
	}
	return s.Member(ctx, link.OrgID, link.MemberID)
}

// CreateDemo adds an owner of the demo's organisation, and returns the token that signs them in.
func (s *Store) CreateDemo(ctx context.Context, id org.ID) (token string, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		m, err := readMember(tx.QueryRow(ctx, `INSERT INTO members (org_id, email, name, role) VALUES ($1::text::uuid, $2, 'You', 'owner') RETURNING `+memberColumns,
			id, "you@"+string(id)[:8]+".demo.example"))
		if err != nil {
			return err
		}
		token, err = addLink(ctx, tx, m.ID, LinkDemo, demoLife)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("make the demo's link: %w", err)
	}
	return token, nil
}

func addLink(ctx context.Context, db interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
}, memberID string, kind LinkKind, life time.Duration) (token string, err error) {
	token, hash := newToken()
	_, err = db.Exec(ctx, `INSERT INTO member_links (hash, member_id, kind, expires_at) VALUES ($1, $2::text::uuid, $3, now() + $4::interval)`, hash, memberID, kind, life)
	return token, err
}

// newToken makes a token and what is kept of it.
func newToken() (token string, hash []byte) {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails: crypto/rand
	token = base64.RawURLEncoding.EncodeToString(random)
	return token, hashOf(token)
}

// hashOf is what is kept of a token. It has 256 random bits, so that no slow hash is needed.
func hashOf(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
