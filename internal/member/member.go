// Package member holds the people who sign in to the dashboard: their roles, passwords, the links
// that invite them, and their sessions in browsers.
//
// A member belongs to one organisation, and an e-mail address to one member. Tokens of links and
// sessions are 256 random bits, of which Postgres keeps the SHA-256 only; passwords are kept as
// argon2id (RFC 9106).
package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Role is what a member may do. Each role may do what those below it may.
type Role string

// The roles, from the most to the least.
const (
	Owner  Role = "owner"  // also members, API keys, Twilio, privacy
	Editor Role = "member" // also changes: contacts, imports, campaigns, voice agents
	Viewer Role = "viewer" // looks
)

// Roles are all roles, from the most to the least.
var Roles = []Role{Owner, Editor, Viewer}

// AtLeast reports whether whoever has role r may do what other may.
func (r Role) AtLeast(other Role) bool {
	mine, others := slices.Index(Roles, r), slices.Index(Roles, other)
	return mine >= 0 && others >= 0 && mine <= others
}

// Member is somebody who may sign in.
type Member struct {
	ID          string     `json:"id"`
	OrgID       org.ID     `json:"org_id"`
	Email       string     `json:"email"`
	Name        string     `json:"name"`
	Role        Role       `json:"role"`
	HasPassword bool       `json:"has_password"` // false until an invitation is taken up
	CreatedAt   time.Time  `json:"created_at"`
	LastSeenAt  *time.Time `json:"last_seen_at"` // nil: never signed in
}

// Store keeps members in Postgres.
type Store struct {
	pool    *pgxpool.Pool
	attempt *attempts
}

// NewStore returns the members on the given pool.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool, attempt: newAttempts(time.Now)} }

// Draft is what is given of somebody who is invited.
type Draft struct {
	Email, Name string
	Role        Role
}

// Limits of what is kept, in characters. The database holds the same.
const (
	maxEmail = 254
	maxName  = 200
)

func (d Draft) check() (Draft, error) {
	d.Email, d.Name = strings.TrimSpace(d.Email), strings.Join(strings.Fields(d.Name), " ")
	at := strings.LastIndexByte(d.Email, '@')
	switch {
	case d.Email == "":
		return d, problem.Invalid("email", "Give the e-mail address that they will sign in with.")
	case at < 1 || at == len(d.Email)-1 || strings.ContainsAny(d.Email, " \t\r\n\x00") || !utf8.ValidString(d.Email) || strings.Count(d.Email, "@") > 1:
		return d, problem.Invalid("email", "This is not an e-mail address: write it like robin@example.com.")
	case utf8.RuneCountInString(d.Email) > maxEmail:
		return d, problem.Invalid("email", "The e-mail address is longer than %d characters.", maxEmail)
	case utf8.RuneCountInString(d.Name) > maxName || !utf8.ValidString(d.Name) || strings.Contains(d.Name, "\x00"):
		return d, problem.Invalid("name", "The name must be text of at most %d characters.", maxName)
	case !slices.Contains(Roles, d.Role):
		return d, problem.Invalid("role", "There is no role %q: use owner, member or viewer.", string(d.Role))
	}
	return d, nil
}

// Invite adds somebody to an organisation, and returns the token of the link with which they choose
// a password. The token is shown this once.
func (s *Store) Invite(ctx context.Context, id org.ID, d Draft) (m Member, token string, err error) {
	if d, err = d.check(); err != nil {
		return m, "", err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		m, err = readMember(tx.QueryRow(ctx, `
			INSERT INTO members (org_id, email, name, role) VALUES ($1::text::uuid, $2, $3, $4) RETURNING `+memberColumns, id, d.Email, d.Name, d.Role))
		if err != nil {
			return err
		}
		token, err = addLink(ctx, tx, m.ID, LinkPassword, inviteLife)
		return err
	})
	switch {
	case violates(err, "members_email"):
		return Member{}, "", problem.New(problem.CodeConflict, "Somebody with this e-mail address is a member already. An address belongs to one organisation.")
	case violates(err, "members_org_id_fkey"), invalidText(err):
		return Member{}, "", problem.NotFound("There is no organisation %s; `ringside org list` shows those there are.", id)
	case err != nil:
		return Member{}, "", fmt.Errorf("invite member: %w", err)
	}
	return m, token, nil
}

// Members returns the members of an organisation, by e-mail address.
func (s *Store) Members(ctx context.Context, id org.ID) ([]Member, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+memberColumns+` FROM members WHERE org_id = $1::text::uuid ORDER BY lower(email)`, id)
	if err == nil {
		var members []Member
		members, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Member, error) { return readMember(row) })
		if err == nil {
			return members, nil
		}
	}
	return nil, fmt.Errorf("list members: %w", err)
}

// Member returns a member of an organisation.
func (s *Store) Member(ctx context.Context, id org.ID, memberID string) (Member, error) {
	m, err := readMember(s.pool.QueryRow(ctx, `SELECT `+memberColumns+` FROM members WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, memberID))
	return m, found("read member", err, memberID)
}

// SetRole changes what a member may do. The last owner stays one.
func (s *Store) SetRole(ctx context.Context, id org.ID, memberID string, role Role) (m Member, err error) {
	if !slices.Contains(Roles, role) {
		return m, problem.Invalid("role", "There is no role %q: use owner, member or viewer.", string(role))
	}
	err = s.keepingAnOwner(ctx, id, func(tx pgx.Tx) error {
		m, err = readMember(tx.QueryRow(ctx, `
			UPDATE members SET role = $3 WHERE org_id = $1::text::uuid AND id = $2::text::uuid RETURNING `+memberColumns, id, memberID, role))
		return err
	})
	return m, found("change role", err, memberID)
}

// Remove takes a member out of an organisation; their sessions and links end with that. The last
// owner stays.
func (s *Store) Remove(ctx context.Context, id org.ID, memberID string) (m Member, err error) {
	err = s.keepingAnOwner(ctx, id, func(tx pgx.Tx) error {
		m, err = readMember(tx.QueryRow(ctx, `DELETE FROM members WHERE org_id = $1::text::uuid AND id = $2::text::uuid RETURNING `+memberColumns, id, memberID))
		return err
	})
	return m, found("remove member", err, memberID)
}

// keepingAnOwner carries out a change unless it leaves the organisation without an owner who can
// sign in. Changes take turns by a lock on the organisation.
func (s *Store) keepingAnOwner(ctx context.Context, id org.ID, change func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM orgs WHERE id = $1::text::uuid FOR NO KEY UPDATE`, id); err != nil {
			return err
		}
		// Who was only invited cannot sign in yet, and perhaps never will.
		count := func() (owners, able int, err error) {
			err = tx.QueryRow(ctx, `
				SELECT count(*), count(*) FILTER (WHERE password_hash <> '' OR last_seen_at IS NOT NULL) FROM members
				WHERE org_id = $1::text::uuid AND role = 'owner'`, id).Scan(&owners, &able)
			return owners, able, err
		}
		_, couldBefore, err := count()
		if err == nil {
			err = change(tx)
		}
		if err != nil {
			return err
		}
		owners, able, err := count()
		if err != nil {
			return err
		}
		if owners == 0 || able == 0 && couldBefore > 0 {
			return problem.New(problem.CodeConflict, "An organisation keeps at least one owner who can sign in. Make somebody else an owner first.")
		}
		return nil
	})
}

// memberColumns are what [readMember] reads.
const memberColumns = `id::text, org_id::text, email, name, role, password_hash <> '', created_at, last_seen_at`

func readMember(row pgx.Row) (m Member, err error) {
	err = row.Scan(m.targets()...)
	return m, err
}

func (m *Member) targets() []any {
	return []any{&m.ID, &m.OrgID, &m.Email, &m.Name, &m.Role, &m.HasPassword, &m.CreatedAt, &m.LastSeenAt}
}

// found turns the absence of a member into a problem, and adds what was being done to other errors.
func found(doing string, err error, memberID string) error {
	if errors.Is(err, pgx.ErrNoRows) || invalidText(err) {
		return problem.NotFound("There is no member %s.", memberID)
	}
	if _, ok := errors.AsType[*problem.Error](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// invalidText reports whether Postgres refused a text as an id, or at all: no such row can exist.
func invalidText(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "22P02" || pgErr.Code == "22021")
}

func violates(err error, constraint string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.ConstraintName == constraint
}
