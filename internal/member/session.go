package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/problem"
)

// How long sessions last: at most, and without being used.
const (
	sessionLife = 30 * 24 * time.Hour
	sessionIdle = 7 * 24 * time.Hour
	// seenEvery is how often it is written down that a session is used.
	seenEvery = time.Minute
)

// Session is a browser in which somebody is signed in.
type Session struct {
	ID         string
	Member     Member
	CreatedAt  time.Time
	LastSeenAt time.Time
	UserAgent  string
	Remote     string // the address from which it was begun
}

// StartSession begins a session of a member, and returns the token that the browser keeps.
func (s *Store) StartSession(ctx context.Context, memberID, userAgent, remote string) (token string, expires time.Time, err error) {
	token, hash := newToken()
	expires = time.Now().Add(sessionLife)
	_, err = s.pool.Exec(ctx, `
		WITH seen AS (UPDATE members SET last_seen_at = now() WHERE id = $2::text::uuid)
		INSERT INTO sessions (hash, member_id, expires_at, user_agent, remote) VALUES ($1, $2::text::uuid, $3, $4, $5)`,
		hash, memberID, expires, bounded(userAgent, 300), bounded(remote, 100))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("begin session: %w", err)
	}
	return token, expires, nil
}

// bounded makes of what a browser sent a text that can be kept.
func bounded(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "")
	if r := []rune(text); len(r) > most {
		text = string(r[:most])
	}
	return text
}

// Session returns the session of a token, or an unauthorized problem. It notes that it is used.
func (s *Store) Session(ctx context.Context, token string) (Session, error) {
	session, err := s.Look(ctx, token)
	if err == nil && time.Since(session.LastSeenAt) > seenEvery {
		_, err = s.pool.Exec(ctx, `
			WITH used AS (UPDATE sessions SET last_seen_at = now() WHERE id = $1::text::uuid RETURNING member_id)
			UPDATE members SET last_seen_at = now() WHERE id = (SELECT member_id FROM used)`, session.ID)
		if err != nil {
			return Session{}, fmt.Errorf("note that a session is used: %w", err)
		}
	}
	return session, err
}

// Look is [Store.Session] without noting it: an open page is no use of a session.
func (s *Store) Look(ctx context.Context, token string) (Session, error) {
	session, err := readSession(s.pool.QueryRow(ctx, `SELECT `+sessionColumns+` FROM sessions s JOIN members m ON m.id = s.member_id WHERE s.hash = $1 AND `+alive,
		hashOf(token), sessionIdle))
	if errors.Is(err, pgx.ErrNoRows) {
		return Session{}, problem.New(problem.CodeUnauthorized, "You are not signed in any more.")
	}
	if err != nil {
		return Session{}, fmt.Errorf("look up session: %w", err)
	}
	return session, nil
}

// Sessions returns a member's sessions, those used last first.
func (s *Store) Sessions(ctx context.Context, memberID string) ([]Session, error) {
	rows, err := s.pool.Query(ctx, `SELECT `+sessionColumns+` FROM sessions s JOIN members m ON m.id = s.member_id WHERE m.id = $1::text::uuid AND `+alive+`
		ORDER BY s.last_seen_at DESC, s.id`, memberID, sessionIdle)
	if err == nil {
		var sessions []Session
		sessions, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Session, error) { return readSession(row) })
		if err == nil {
			return sessions, nil
		}
	}
	return nil, fmt.Errorf("list sessions: %w", err)
}

// EndSession signs a member out in one of their browsers.
func (s *Store) EndSession(ctx context.Context, memberID, sessionID string) error {
	tag, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE member_id = $1::text::uuid AND id = $2::text::uuid`, memberID, sessionID)
	if invalidText(err) || err == nil && tag.RowsAffected() == 0 {
		return problem.NotFound("There is no such session; it may have ended.")
	}
	if err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// EndOtherSessions signs a member out everywhere but in one browser, and returns how many ended.
func (s *Store) EndOtherSessions(ctx context.Context, memberID, sessionID string) (int, error) {
	tag, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE member_id = $1::text::uuid AND id <> $2::text::uuid`, memberID, sessionID)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// EndSessionToken ends the session of a token, if there is one.
func (s *Store) EndSessionToken(ctx context.Context, token string) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE hash = $1`, hashOf(token)); err != nil {
		return fmt.Errorf("end session: %w", err)
	}
	return nil
}

// Upkeep removes sessions and links that have expired.
func (s *Store) Upkeep(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE expires_at < now() OR last_seen_at < now() - $1::interval`, sessionIdle); err != nil {
		return fmt.Errorf("remove expired sessions: %w", err)
	}
	if _, err := s.pool.Exec(ctx, `DELETE FROM member_links WHERE expires_at < now()`); err != nil {
		return fmt.Errorf("remove expired links: %w", err)
	}
	return nil
}

// alive is the condition that a session s goes on; $2 is how long it may be unused.
const alive = `s.expires_at > now() AND s.last_seen_at > now() - $2::interval`

const sessionColumns = `s.id::text, s.created_at, s.last_seen_at, s.user_agent, s.remote,
	m.id::text, m.org_id::text, m.email, m.name, m.role, m.password_hash <> '', m.created_at, m.last_seen_at`

func readSession(row pgx.Row) (s Session, err error) {
	err = row.Scan(append([]any{&s.ID, &s.CreatedAt, &s.LastSeenAt, &s.UserAgent, &s.Remote}, s.Member.targets()...)...)
	return s, err
}
