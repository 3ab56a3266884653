package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
	"github.com/jackc/pgx/v5"

	"ringside/internal/problem"
)

// hashing are the costs of a password's hash: the second choice of RFC 9106 with less memory, as
// OWASP gives it. They are fixed, since the library's own depend on the machine.
var hashing = &argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// hashes bounds how many passwords are hashed at the same time: each takes 19 MiB.
var hashes = make(chan struct{}, 4)

// Bounds of a password, in characters.
const (
	minPassword = 12
	maxPassword = 200
)

// hashWork takes a turn at hashing.
func hashWork(ctx context.Context) (done func(), err error) {
	select {
	case hashes <- struct{}{}:
		return func() { <-hashes }, nil
	case <-ctx.Done():
		return nil, problem.New(problem.CodeUnavailable, "Too many people are signing in just now. Try again in a moment.")
	}
}

// newHash checks a new password and returns its hash.
func newHash(ctx context.Context, password, email string) (string, error) {
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return "", problem.Invalid("password", "The password needs at least %d characters.", minPassword)
	case n > maxPassword:
		return "", problem.Invalid("password", "The password may have at most %d characters.", maxPassword)
	case strings.EqualFold(password, email):
		return "", problem.Invalid("password", "The password must not be the e-mail address.")
	}
	done, err := hashWork(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	hash, err := argon2id.CreateHash(password, hashing)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return hash, nil
}

// someHash is compared with where there is no password, so that it takes as long.
var someHash = sync.OnceValues(func() (string, error) { return argon2id.CreateHash("nobody has this password", hashing) })

// matches compares a password with what is kept; "" matches nothing, in the same time.
func matches(ctx context.Context, password, hash string) (bool, error) {
	done, err := hashWork(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	none := hash == ""
	if none {
		if hash, err = someHash(); err != nil {
			return false, err
		}
	}
	if utf8.RuneCountInString(password) > maxPassword {
		password = ""
	}
	ok, err := argon2id.ComparePasswordAndHash(password, hash)
	return ok && !none, err
}

// errWrong does not tell whether the address or the password is wrong.
func errWrong() error {
	return problem.New(problem.CodeUnauthorized, "The e-mail address or the password is wrong.")
}

// SignIn returns the member with this e-mail address and password. remote is the address that the
// request came from. Wrong passwords make whoever tries from there wait, longer each time: a
// rate_limited problem. Nobody else has to wait, so that nobody can lock a member out.
func (s *Store) SignIn(ctx context.Context, email, password, remote string) (Member, error) {
	email = strings.TrimSpace(email)
	try, err := s.attempt.begin(email, remote)
	if err != nil {
		return Member{}, err
	}
	var hash string
	var m Member
	err = s.pool.QueryRow(ctx, `SELECT `+memberColumns+`, password_hash FROM members WHERE lower(email) = lower($1)`, email).Scan(append(m.targets(), &hash)...)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) && !invalidText(err) {
		return Member{}, fmt.Errorf("look up member: %w", err)
	}
	ok, err := matches(ctx, password, hash)
	if err != nil {
		return Member{}, err
	}
	if !ok {
		return Member{}, errWrong()
	}
	s.attempt.succeeded(try)
	return m, nil
}

// ByEmail returns the member with an e-mail address that somebody else has verified, as an identity
// provider does.
func (s *Store) ByEmail(ctx context.Context, email string) (Member, error) {
	m, err := readMember(s.pool.QueryRow(ctx, `SELECT `+memberColumns+` FROM members WHERE lower(email) = lower($1)`, strings.TrimSpace(email)))
	if errors.Is(err, pgx.ErrNoRows) || invalidText(err) {
		return Member{}, problem.New(problem.CodeUnauthorized, "Nobody with this e-mail address is a member here. Ask an owner of your organisation for an invitation.")
	}
	if err != nil {
		return Member{}, fmt.Errorf("look up member: %w", err)
	}
	return m, nil
}

// ChangePassword sets a member's password, who has to give the present one unless they have none. All
// their sessions end. Wrong ones count as they do in signing in from remote.
func (s *Store) ChangePassword(ctx context.Context, memberID, present, password, remote string) error {
	var hash, email string
	err := s.pool.QueryRow(ctx, `SELECT password_hash, email FROM members WHERE id = $1::text::uuid`, memberID).Scan(&hash, &email)
	if err != nil {
		return found("change password", err, memberID)
	}
	if hash != "" {
		try, err := s.attempt.begin(email, remote)
		if err != nil {
			return err
		}
		ok, err := matches(ctx, present, hash)
		if err != nil {
			return err
		}
		if !ok {
			return problem.Invalid("present", "This is not your present password.")
		}
		s.attempt.succeeded(try)
	}
	if hash, err = newHash(ctx, password, email); err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		_, err := setPassword(ctx, tx, memberID, hash)
		return err
	})
	return found("change password", err, memberID)
}

// setPassword sets a password, and ends the member's sessions and links, but for the demo's, which is no way to a password.
func setPassword(ctx context.Context, tx pgx.Tx, memberID, hash string) (Member, error) {
	for _, old := range []string{`sessions WHERE member_id = $1::text::uuid`, `member_links WHERE member_id = $1::text::uuid AND kind <> 'demo'`} {
		if _, err := tx.Exec(ctx, `DELETE FROM `+old, memberID); err != nil {
			return Member{}, err
		}
	}
	return readMember(tx.QueryRow(ctx, `UPDATE members SET password_hash = $2 WHERE id = $1::text::uuid RETURNING `+memberColumns, memberID, hash))
}
