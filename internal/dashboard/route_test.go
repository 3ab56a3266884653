package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"ringside/internal/member"
)

// concrete makes a path with rows of Acme out of a route's, for each path that names one. The test
// file of each page adds its own.
var concrete = map[string]func(*site) string{}

func rows(path string, of func(*site) string) bool {
	concrete[path] = of
	return true
}

// noOrg are paths whose wildcard names no row of an organisation.
var noOrg = []string{"/welcome/{token}"}

// address is a path that can be asked for.
func (s *site) address(r route) string {
	if make := concrete[r.path]; make != nil {
		return make(s)
	}
	return strings.TrimSuffix(r.path, "{$}")
}

func (r route) names() bool { return strings.Contains(strings.TrimSuffix(r.path, "{$}"), "{") }

func (r route) changes() bool { return r.method != http.MethodGet }

// everyRoute has the demo's paths, too.
func everyRoute(t *testing.T) *site {
	return open(t, func(d *Dashboard) { d.Demo, d.Desk, d.Numbers = quietDemo{}, &outbox{}, &console{} })
}

func TestEveryPathHasItsGuard(t *testing.T) {
	t.Parallel()
	s := everyRoute(t)
	below := map[member.Role]member.Role{member.Owner: member.Editor, member.Editor: member.Viewer}
	for _, r := range s.dashboard.routes() {
		if r.role == "" {
			continue
		}
		at := s.address(r)
		if a := s.nobody().do(r.method, at, url.Values{}); a.status != http.StatusSeeOther || !strings.HasPrefix(a.location, "/signin") {
			t.Errorf("%s %s without signing in: %d to %q", r.method, r.path, a.status, a.location)
		}
		if less, ok := below[r.role]; ok {
			if a := s.as(less).do(r.method, at, url.Values{}); a.status != http.StatusForbidden {
				t.Errorf("%s %s as a %s: %d instead of 403", r.method, r.path, less, a.status)
			}
		}
	}
}

func TestEveryChangeIsProtected(t *testing.T) {
	t.Parallel()
	s := everyRoute(t)
	for _, r := range s.dashboard.routes() {
		if !r.changes() {
			if r.action != "" {
				t.Errorf("GET %s has an action: a page that is only looked at must change nothing", r.path)
			}
			continue
		}
		if r.role != "" && r.action == "" {
			t.Errorf("%s %s has no action for the audit log", r.method, r.path)
		}
		at := s.address(r)
		for _, from := range [][]string{{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Sec-Fetch-Site", "", "Origin", "https://evil.example"}} {
			if a := s.as(member.Owner).do(r.method, at, url.Values{}, from...); a.status != http.StatusForbidden {
				t.Errorf("%s %s from another site (%v): %d instead of 403", r.method, r.path, from, a.status)
			}
		}
		readable := false
		for _, other := range s.dashboard.routes() {
			readable = readable || other.path == r.path && !other.changes()
		}
		if a := s.as(member.Owner).get(at); !readable && a.status != http.StatusNotFound && a.status != http.StatusMethodNotAllowed {
			// A pattern with a wildcard may take the path: then it must be a page that is looked at.
			if len(a.body) == 0 || a.status >= 500 {
				t.Errorf("GET %s: %d", r.path, a.status)
			}
		}
	}
}

func TestNoRowOfAnotherOrganisationIsReached(t *testing.T) {
	t.Parallel()
	s := everyRoute(t)
	skip := map[string]bool{}
	for _, path := range noOrg {
		skip[path] = true
	}
	for _, r := range s.dashboard.routes() {
		if !r.names() || skip[r.path] {
			continue
		}
		if concrete[r.path] == nil {
			t.Errorf("%s names a row: the test of its page has to say which (rows)", r.path)
			continue
		}
		at := s.address(r)
		if a := s.elsewhere().do(r.method, at, url.Values{}); a.status != http.StatusNotFound {
			t.Errorf("%s %s by another organisation: %d instead of 404\n%s", r.method, r.path, a.status, a.body)
		}
	}
}

func TestMissingPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.as(member.Viewer).get("/no/such/page").wants(t, http.StatusNotFound, "There is no page at this address.", "To the overview")
	s.nobody().get("/metrics").wants(t, http.StatusNotFound, "There is no page at this address.", "Sign in")
	if a := s.nobody().get("/v1/nothing"); strings.Contains(a.body, "<html") {
		t.Errorf("a program gets a page: %s", a.body)
	}
}

func TestHeadersOfPages(t *testing.T) {
	t.Parallel()
	h := open(t).as(member.Viewer).get("/calls").wants(t, http.StatusOK).header
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Referrer-Policy": "same-origin"} {
		if got := h.Get(name); got != want {
			t.Errorf("%s: %q instead of %q", name, got, want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"} {
		if !strings.Contains(policy, part) {
			t.Errorf("the policy lacks %q: %s", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy allows what is unsafe: %s", policy)
	}
}

func TestLocal(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"/contacts?q=alex": "/contacts?q=alex", "": "/", "contacts": "/", "//evil.example": "/", "https://evil.example/": "/",
		`/\evil.example`: "/", "/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/",
	} {
		if got := local(path); got != want {
			t.Errorf("local(%q) = %q instead of %q", path, got, want)
		}
	}
}
