package dashboard

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"ringside/internal/member"
	"ringside/internal/problem"
)

var _ = sample(
	&signInPage{frame: frame{Title: "Sign in"}, Next: "/contacts"},
	&signInPage{Form: form{Values: url.Values{"email": {"<worked>"}}, Problem: problem.New(problem.CodeUnauthorized, "Wrong.")}},
	&welcomePage{Token: "token", Link: member.Link{Email: "robin@example.com"}},
)

// invite adds somebody, and returns the token of their link.
func (s *site) invite(email string, role member.Role) string {
	s.t.Helper()
	_, token, err := s.dashboard.Members.Invite(s.t.Context(), s.acme.ID, member.Draft{Email: email, Role: role})
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

var _ = sample(&keptPage{frame: frame{Title: "Your session has ended"}, SignIn: true, Lead: "It is kept.", Path: "/contacts", Typed: []typed{{"name", "<b>"}}},
	&keptPage{frame: frame{Title: "That did not work"}, Lead: "It is kept.", Path: "/contacts", Typed: []typed{{"name", "<b>"}}})

func TestFromInvitationToSigningOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.nobody()
	link := "/welcome/" + s.invite("robin@example.com", member.Editor)

	b.get(link).wants(t, http.StatusOK, "robin@example.com", "Choose a password")
	b.post(link, url.Values{"password": {"short"}}).wants(t, http.StatusUnprocessableEntity, "at least 12 characters", `aria-invalid="true"`).lacks(t, `value="short"`)
	b.postAnd(link, url.Values{"password": {password}}).wants(t, http.StatusOK, "robin@example.com", "Sign out")
	b.get(link).wants(t, http.StatusNotFound, "does not work any more")

	b.postAnd("/signout", nil).wants(t, http.StatusOK, "You are signed out.")
	if a := b.get("/calls?kind=call"); a.location != "/signin?next=%2Fcalls%3Fkind%3Dcall" {
		t.Fatalf("sent to %q", a.location)
	}
	signIn := url.Values{"email": {"ROBIN@example.com"}, "password": {"a wrong password"}, "next": {"/calls?kind=call"}}
	b.post("/signin", signIn).wants(t, http.StatusUnauthorized, "is wrong", "ROBIN@example.com", `role="alert"`).lacks(t, "a wrong password")
	signIn.Set("password", password)
	if a := b.post("/signin", signIn); a.status != http.StatusSeeOther || a.location != "/calls?kind=call" {
		t.Fatalf("%d to %q\n%s", a.status, a.location, a.body)
	}
	signIn.Set("next", "https://evil.example/")
	if a := b.post("/signin", signIn); a.location != "/" {
		t.Errorf("sent to %q", a.location)
	}
}

// Whoever's session ends while they fill in a form signs in, and sends it again.
func TestWhatIsTypedOutlivesASession(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Owner)
	b.postAnd("/signout", nil)
	ended := b.post("/contacts", url.Values{"name": {`Alex "A" Chen`}, "phone": {"+14155551200"}, "tags": {"one", "two"}, "password": {"secret words"}, "auth_token": {"secret words"}})
	ended.wants(t, http.StatusUnauthorized, "Your session has ended", `action="/contacts"`, `name="name" value="Alex &#34;A&#34; Chen"`, `name="tags" value="one"`, `name="tags" value="two"`).lacks(t, "secret words")
	if a := b.post("/contacts", nil); a.location != "/signin" {
		t.Errorf("with nothing typed: %d to %q", a.status, a.location)
	}
}

// A page that is filled in stays where a part of it cannot be had; going back wants all of a page.
func TestWhatAScriptIsToldOfErrors(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Owner)
	long := b.do(http.MethodGet, "/contacts?q="+strings.Repeat("x", 300), nil, "HX-Request", "true")
	if long.status < 400 || long.header.Get("HX-Retarget") != "#alert" || long.header.Get("HX-Reselect") != "#alert-text" || strings.Contains(long.body, "<html") || !strings.Contains(long.body, `id="alert-text"`) {
		t.Errorf("a search that cannot be is answered %d %v\n%s", long.status, long.header, long.body)
	}
	b.do(http.MethodGet, "/contacts", nil, "HX-Request", "true", "HX-History-Restore-Request", "true").wants(t, http.StatusOK, "<html", `id="alert"`)
	b.postAnd("/signout", nil)
	ended := b.do(http.MethodGet, "/agents/preview?greeting=Hello", nil, "HX-Request", "true")
	ended.wants(t, http.StatusUnauthorized, "Your session has ended", `href="/signin"`).lacks(t, "<html")
	if ended.header.Get("HX-Redirect") != "" || ended.header.Get("HX-Retarget") != "#alert" {
		t.Errorf("the page is left: %v", ended.header)
	}
}

func TestWhereAVisitorComesFrom(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ peer, forwarded, want string }{
		{"198.51.100.7:1234", "192.0.2.1", "198.51.100.7"}, // no proxy of ours
		{"10.0.0.1:1234", "192.0.2.1", "192.0.2.1"},
		{"10.0.0.1:1234", "203.0.113.9, 192.0.2.1, 10.0.0.2", "192.0.2.1"}, // the first is what the visitor claims
		{"10.0.0.1:1234", "", "10.0.0.1"},
		{"10.0.0.1:1234", "nonsense", "10.0.0.1"},
		{"[::ffff:10.0.0.1]:1234", "2001:db8::1", "2001:db8::1"},
		{"10.0.0.1:1234", "10.0.0.3", "10.0.0.3"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.peer
		r.Header.Set("X-Forwarded-For", c.forwarded)
		v := &visit{Dashboard: &Dashboard{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, r: r}
		if got := v.remote(); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
}

func TestSessionCookie(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.nobody().post("/welcome/"+s.invite("robin@example.com", member.Viewer), url.Values{"password": {password}})
	cookie := a.header.Get("Set-Cookie")
	for _, part := range []string{"ringside_session=", "HttpOnly", "SameSite=Lax", "Path=/"} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie lacks %q: %s", part, cookie)
		}
	}
}

func TestAGuesserWaitsAndNobodyElse(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.nobody().post("/welcome/"+s.invite("robin@example.com", member.Viewer), url.Values{"password": {password}})
	guess := url.Values{"email": {"robin@example.com"}, "password": {"not the password"}}
	var last answer
	for range 8 {
		last = s.nobody().post("/signin", guess)
	}
	last.wants(t, http.StatusTooManyRequests, "too many wrong passwords", "Try again in")
	// The member comes from elsewhere.
	if _, err := s.dashboard.Members.SignIn(t.Context(), "robin@example.com", password, "198.51.100.7"); err != nil {
		t.Errorf("the member cannot sign in from elsewhere: %v", err)
	}
}

// Behind a proxy everybody comes from one address. A browser in which the member has signed in before
// does not wait for somebody who guesses from there; its mark is of no use for anybody else.
func TestAKnownBrowserDoesNotWait(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.nobody().post("/welcome/"+s.invite("sam@example.com", member.Viewer), url.Values{"password": {password}})
	robin := s.nobody()
	robin.post("/welcome/"+s.invite("robin@example.com", member.Viewer), url.Values{"password": {password}})
	robin.postAnd("/signout", nil)
	for range 8 {
		s.nobody().post("/signin", url.Values{"email": {"robin@example.com"}, "password": {"not the password"}})
	}
	right := url.Values{"email": {"robin@example.com"}, "password": {password}}
	s.nobody().post("/signin", right).wants(t, http.StatusTooManyRequests)
	robin.post("/signin", url.Values{"email": {"sam@example.com"}, "password": {"a guess at somebody else"}}).wants(t, http.StatusUnauthorized)
	if a := robin.post("/signin", right); a.status != http.StatusSeeOther {
		t.Errorf("a known browser gets %d\n%s", a.status, a.body)
	}
	// Guesses in it are counted, too.
	robin.postAnd("/signout", nil)
	var last answer
	for range 8 {
		last = robin.post("/signin", url.Values{"email": {"robin@example.com"}, "password": {"not the password"}})
	}
	last.wants(t, http.StatusTooManyRequests)
}
