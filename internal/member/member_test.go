package member_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

const password = "a long enough password"

// club is an organisation with an owner.
type club struct {
	*member.Store
	t     *testing.T
	pool  *pgxpool.Pool
	id    org.ID
	owner member.Member
}

func newClub(t *testing.T) *club {
	t.Helper()
	pool := pgtest.New(t)
	c := &club{Store: member.NewStore(pool), t: t, pool: pool, id: organisation(t, pool)}
	c.owner = c.join("owner@example.com", member.Owner)
	return c
}

func organisation(t *testing.T, pool *pgxpool.Pool) org.ID {
	t.Helper()
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	return o.ID
}

// join invites somebody, who takes the invitation up.
func (c *club) join(email string, role member.Role) member.Member {
	c.t.Helper()
	_, token, err := c.Invite(c.t.Context(), c.id, member.Draft{Email: email, Role: role})
	if err != nil {
		c.t.Fatal(err)
	}
	m, err := c.Accept(c.t.Context(), token, password)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

func (c *club) session(m member.Member) (token string) {
	c.t.Helper()
	token, _, err := c.StartSession(c.t.Context(), m.ID, "a browser", "192.0.2.1")
	if err != nil {
		c.t.Fatal(err)
	}
	return token
}

func (c *club) exec(sql string, args ...any) {
	c.t.Helper()
	if _, err := c.pool.Exec(c.t.Context(), sql, args...); err != nil {
		c.t.Fatal(err)
	}
}

// wants fails unless err is a problem of the code.
func wants(t *testing.T, err error, code problem.Code) {
	t.Helper()
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != code {
		t.Errorf("error %v, want a problem %s", err, code)
	}
}

func TestRoles(t *testing.T) {
	t.Parallel()
	for i, one := range member.Roles {
		for j, other := range member.Roles {
			if one.AtLeast(other) != (i <= j) {
				t.Errorf("%s at least %s: %v", one, other, one.AtLeast(other))
			}
		}
		if one.AtLeast("") || member.Role("").AtLeast(one) || member.Role("root").AtLeast(one) {
			t.Errorf("%s compares with what is no role", one)
		}
	}
}

func TestInvitation(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	m, token, err := c.Invite(t.Context(), c.id, member.Draft{Email: " Robin@Example.com ", Name: " Robin  Park ", Role: member.Editor})
	if err != nil || m.Email != "Robin@Example.com" || m.Name != "Robin Park" || m.HasPassword {
		t.Fatalf("invited %+v: %v", m, err)
	}
	if _, err := c.SignIn(t.Context(), "robin@example.com", "", "192.0.2.9"); err == nil {
		t.Error("somebody without a password signs in")
	}
	link, err := c.Link(t.Context(), token)
	if err != nil || !link.Invitation || link.Email != m.Email || link.Kind != member.LinkPassword {
		t.Errorf("the link is %+v: %v", link, err)
	}
	for _, weak := range []string{"short", "ROBIN@example.com", strings.Repeat("x", 201)} {
		_, err := c.Accept(t.Context(), token, weak)
		wants(t, err, problem.CodeInvalid)
	}
	if _, err := c.Accept(t.Context(), token, password); err != nil {
		t.Fatal(err)
	}
	_, err = c.Accept(t.Context(), token, "another long password")
	wants(t, err, problem.CodeNotFound)
	if in, err := c.SignIn(t.Context(), "ROBIN@example.com", password, "192.0.2.9"); err != nil || in.ID != m.ID {
		t.Errorf("signed in %+v: %v", in, err)
	}
	for _, d := range []member.Draft{{Email: "", Role: member.Viewer}, {Email: "robin", Role: member.Viewer}, {Email: "a@b@c", Role: member.Viewer}, {Email: "a b@c", Role: member.Viewer}, {Email: "x@example.com", Role: "root"}} {
		_, _, err := c.Invite(t.Context(), c.id, d)
		wants(t, err, problem.CodeInvalid)
	}
	_, _, err = c.Invite(t.Context(), organisation(t, c.pool), member.Draft{Email: "robin@example.com", Role: member.Viewer})
	wants(t, err, problem.CodeConflict)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	robin := c.join("robin@example.com", member.Viewer)
	session := c.session(robin)
	_, first, err := c.NewLink(t.Context(), c.id, robin.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := c.NewLink(t.Context(), c.id, robin.ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Link(t.Context(), first) // the later one takes its place
	wants(t, err, problem.CodeNotFound)
	_, err = c.UseDemoLink(t.Context(), second)
	wants(t, err, problem.CodeNotFound)
	if _, err := c.Accept(t.Context(), second, "another long password"); err != nil {
		t.Fatal(err)
	}
	_, err = c.Session(t.Context(), session) // a new password signs out everywhere
	wants(t, err, problem.CodeUnauthorized)
	_, third, err := c.NewLink(t.Context(), c.id, robin.ID)
	if err != nil {
		t.Fatal(err)
	}
	c.exec(`UPDATE member_links SET expires_at = now() - interval '1 second'`)
	_, err = c.Accept(t.Context(), third, password)
	wants(t, err, problem.CodeNotFound)
	_, _, err = c.NewLink(t.Context(), organisation(t, c.pool), robin.ID)
	wants(t, err, problem.CodeNotFound)
}

// Two who use a link at the same moment: one of them has set the password.
func TestALinkIsUsedOnce(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	_, token, err := c.Invite(t.Context(), c.id, member.Draft{Email: "robin@example.com", Role: member.Viewer})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	used := 0
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.Accept(t.Context(), token, password); err == nil {
				mu.Lock()
				used++
				mu.Unlock()
			}
		})
	}
	if all.Wait(); used != 1 {
		t.Errorf("a link was used %d times", used)
	}
}

func TestDemoLink(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	token, err := c.CreateDemo(t.Context(), c.id)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if m, err := c.UseDemoLink(t.Context(), token); err != nil || m.Role != member.Owner || m.OrgID != c.id {
			t.Errorf("signs in %+v: %v", m, err)
		}
	}
	_, err = c.Accept(t.Context(), token, password)
	wants(t, err, problem.CodeNotFound)
}

// However many owners go at once, one stays.
func TestAnOwnerStays(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	owners := []member.Member{c.owner, c.join("two@example.com", member.Owner), c.join("three@example.com", member.Owner)}
	var all sync.WaitGroup
	for i, m := range owners {
		all.Go(func() {
			var err error
			if i%2 == 0 {
				_, err = c.Remove(t.Context(), c.id, m.ID)
			} else {
				_, err = c.SetRole(t.Context(), c.id, m.ID, member.Viewer)
			}
			if err != nil {
				wants(t, err, problem.CodeConflict)
			}
		})
	}
	all.Wait()
	members, err := c.Members(t.Context(), c.id)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for _, m := range members {
		if m.Role == member.Owner {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d owners are left of %+v", left, members)
	}
	_, err = c.SetRole(t.Context(), organisation(t, c.pool), c.owner.ID, member.Viewer)
	if err == nil {
		t.Error("another organisation changes a role")
	}
}

func TestSessions(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	one, two, three := c.session(c.owner), c.session(c.owner), c.session(c.owner)
	s, err := c.Session(t.Context(), one)
	if err != nil || s.Member.ID != c.owner.ID || s.UserAgent != "a browser" || s.Remote != "192.0.2.1" {
		t.Fatalf("the session is %+v: %v", s, err)
	}
	for _, token := range []string{"", "x", one + "x", strings.ToUpper(one)} {
		_, err := c.Session(t.Context(), token)
		wants(t, err, problem.CodeUnauthorized)
	}
	other := c.join("robin@example.com", member.Viewer)
	wants(t, c.EndSession(t.Context(), other.ID, s.ID), problem.CodeNotFound) // somebody else's
	if err := c.EndSessionToken(t.Context(), two); err != nil {
		t.Fatal(err)
	}
	if n, err := c.EndOtherSessions(t.Context(), c.owner.ID, s.ID); err != nil || n != 1 {
		t.Errorf("%d others ended: %v", n, err)
	}
	for _, token := range []string{two, three} {
		_, err := c.Session(t.Context(), token)
		wants(t, err, problem.CodeUnauthorized)
	}
	// The hash alone is kept.
	var known int
	if err := c.pool.QueryRow(t.Context(), `SELECT count(*) FROM sessions WHERE encode(hash, 'escape') LIKE '%' || $1 || '%'`, one).Scan(&known); err != nil || known != 0 {
		t.Errorf("the token is kept: %v", err)
	}
	for _, old := range []string{`last_seen_at = now() - interval '8 days'`, `expires_at = now() - interval '1 second'`} {
		token := c.session(c.owner)
		c.exec(`UPDATE sessions SET ` + old)
		_, err := c.Session(t.Context(), token)
		wants(t, err, problem.CodeUnauthorized)
		if err := c.Upkeep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if left, err := c.Sessions(t.Context(), c.owner.ID); err != nil || len(left) != 0 {
			t.Errorf("%d sessions are left: %v", len(left), err)
		}
	}
}

// That a session is used is written down, though not each time.
func TestSessionIsSeen(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	token := c.session(c.owner)
	c.exec(`UPDATE sessions SET last_seen_at = now() - interval '2 minutes'`)
	if _, err := c.Session(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	s, err := c.Session(t.Context(), token)
	if err != nil || time.Since(s.LastSeenAt) > time.Minute {
		t.Errorf("last seen %s ago: %v", time.Since(s.LastSeenAt), err)
	}
}

func TestRemovalSignsOut(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	robin := c.join("robin@example.com", member.Editor)
	token := c.session(robin)
	if _, err := c.SetRole(t.Context(), c.id, robin.ID, member.Viewer); err != nil {
		t.Fatal(err)
	}
	if s, err := c.Session(t.Context(), token); err != nil || s.Member.Role != member.Viewer {
		t.Errorf("the role is %s: %v", s.Member.Role, err)
	}
	if _, err := c.Remove(t.Context(), c.id, robin.ID); err != nil {
		t.Fatal(err)
	}
	_, err := c.Session(t.Context(), token)
	wants(t, err, problem.CodeUnauthorized)
	_, err = c.SignIn(t.Context(), "robin@example.com", password, "192.0.2.9")
	wants(t, err, problem.CodeUnauthorized)
}

func TestChangingThePassword(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	token := c.session(c.owner)
	wants(t, c.ChangePassword(t.Context(), c.owner.ID, "wrong", "another long password", "192.0.2.1"), problem.CodeInvalid)
	wants(t, c.ChangePassword(t.Context(), c.owner.ID, password, "short", "192.0.2.1"), problem.CodeInvalid)
	if _, err := c.Session(t.Context(), token); err != nil {
		t.Errorf("a change that failed signs out: %v", err)
	}
	if err := c.ChangePassword(t.Context(), c.owner.ID, password, "another long password", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Session(t.Context(), token)
	wants(t, err, problem.CodeUnauthorized)
	if _, err := c.SignIn(t.Context(), "owner@example.com", "another long password", "192.0.2.2"); err != nil {
		t.Error(err)
	}
	// Guessing the present one counts as guessing in signing in.
	var last error
	for range 8 {
		last = c.ChangePassword(t.Context(), c.owner.ID, "wrong", "yet another password", "192.0.2.3")
	}
	wants(t, last, problem.CodeRateLimited)
}

func TestByEmail(t *testing.T) {
	t.Parallel()
	c := newClub(t)
	if m, err := c.ByEmail(t.Context(), " OWNER@example.com "); err != nil || m.ID != c.owner.ID {
		t.Errorf("found %+v: %v", m, err)
	}
	for _, nobody := range []string{"", "nobody@example.com", "owner@example.com\x00"} {
		_, err := c.ByEmail(t.Context(), nobody)
		wants(t, err, problem.CodeUnauthorized)
	}
}
