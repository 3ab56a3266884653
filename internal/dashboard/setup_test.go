package dashboard

import (
	"context"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/audit"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
	"ringside/internal/twilio"
)

// site is a dashboard on a real database, with two organisations and a member of each role in both.
type site struct {
	t         *testing.T
	pool      *pgxpool.Pool
	url       string
	dashboard *Dashboard
	// What sees all organisations: the dashboard's own do not.
	orgs  *org.Store
	book  *contacts.Book
	audit *audit.Log

	acme     org.Org // whose pages are looked at
	umbrella org.Org // somebody else's
	log      *strings.Builder
	numbers  int               // given out by another
	tokens   map[string]string // of sessions, by organisation and role
}

// open starts a site. prepare may change the dashboard before it is registered.
func open(t *testing.T, prepare ...func(*Dashboard)) *site {
	t.Helper()
	s := &site{t: t, pool: pgtest.New(t), log: &strings.Builder{}, tokens: map[string]string{}}
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(nil)
	publicURL, err := twilio.ParsePublicURL("http://" + server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s.orgs, s.book, s.audit = org.NewStore(s.pool).WithKeys(seal.Plain), contacts.NewBook(s.pool, contacts.NoFence{}), audit.NewLog(s.pool)
	tenants := pgtest.Tenants(t, s.pool, org.Of) // as the program gives it to the dashboard
	s.dashboard = &Dashboard{PublicURL: publicURL, Orgs: org.NewStore(tenants).WithKeys(seal.Plain), Members: member.NewStore(s.pool), Team: member.NewStore(tenants), Audit: audit.NewLog(tenants),
		Book: contacts.NewBook(tenants, contacts.NoFence{}).Copying(s.pool), Campaigns: campaign.NewStore(tenants), Ledger: ledger.NewReader(tenants), Log: slog.New(slog.NewTextHandler(s.log, nil)), ErasureKey: contacts.ErasureKey("a secret of this test")}
	for _, change := range prepare {
		change(s.dashboard)
	}
	s.dashboard.Register(mux)
	server.Config.Handler = s.dashboard.OrMissing(mux)
	server.Start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log: %s", s.log)
		}
	})
	t.Cleanup(server.Close)
	t.Cleanup(s.dashboard.Close)
	s.url = server.URL
	s.acme, s.umbrella = s.organisation("Acme"), s.organisation("Umbrella")
	return s
}

// password is everybody's here.
const password = "a long enough password"

func (s *site) organisation(name string) org.Org {
	s.t.Helper()
	o, err := s.orgs.CreateOrg(s.t.Context(), org.Org{Name: name, Country: "US"})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, role := range []member.Role{member.Owner, member.Editor, member.Viewer} {
		m, _, err := s.dashboard.Members.Invite(s.t.Context(), o.ID, member.Draft{Email: string(role) + "@" + strings.ToLower(name) + ".example", Name: string(role), Role: role})
		if err != nil {
			s.t.Fatal(err)
		}
		token, _, err := s.dashboard.Members.StartSession(s.t.Context(), m.ID, "a browser", "192.0.2.1")
		if err != nil {
			s.t.Fatal(err)
		}
		s.tokens[name+" "+string(role)] = token
	}
	return o
}

// browser is somebody who looks at the pages.
type browser struct {
	*site
	client *http.Client
}

// as returns the browser of a member of Acme.
func (s *site) as(role member.Role) *browser { return s.browser("Acme " + string(role)) }

// elsewhere returns the browser of an owner of the other organisation.
func (s *site) elsewhere() *browser { return s.browser("Umbrella " + string(member.Owner)) }

// nobody returns a browser that is not signed in.
func (s *site) nobody() *browser { return s.browser("") }

func (s *site) browser(who string) *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if token := s.tokens[who]; token != "" {
		u, _ := url.Parse(s.url)
		jar.SetCookies(u, []*http.Cookie{{Name: sessionCookie, Value: token}})
	}
	return &browser{site: s, client: &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// answer is what came back.
type answer struct {
	status   int
	body     string
	location string
	header   http.Header
}

// get loads a page.
func (b *browser) get(path string) answer { return b.do(http.MethodGet, path, nil) }

// post sends a form.
func (b *browser) post(path string, values url.Values) answer {
	return b.do(http.MethodPost, path, values)
}

// postAnd sends a form that has to be taken, and loads the page that it leads to.
func (b *browser) postAnd(path string, values url.Values) answer {
	b.t.Helper()
	a := b.post(path, values)
	if a.status != http.StatusSeeOther {
		b.t.Fatalf("POST %s: %d instead of 303:\n%s", path, a.status, a.body)
	}
	return b.get(a.location)
}

func (b *browser) do(method, path string, values url.Values, headers ...string) answer {
	b.t.Helper()
	if method == http.MethodPost {
		headers = append([]string{"Content-Type", "application/x-www-form-urlencoded"}, headers...)
	}
	return b.send(method, path, strings.NewReader(values.Encode()), headers...)
}

// send sends a request as a browser does from a page of ours.
func (b *browser) send(method, path string, content io.Reader, headers ...string) answer {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.context(), method, b.url+path, content)
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer{status: response.StatusCode, body: string(body), location: response.Header.Get("Location"), header: response.Header}
}

func (b *browser) context() context.Context { return b.t.Context() }

// wants fails unless the answer has the status and holds each text.
func (a answer) wants(t *testing.T, status int, texts ...string) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("%d instead of %d:\n%s", a.status, status, a.body)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) && !strings.Contains(html.UnescapeString(a.body), text) {
			t.Errorf("%q is missing in:\n%s", text, a.body)
		}
	}
	return a
}

// lacks fails if the answer holds one of the texts.
func (a answer) lacks(t *testing.T, texts ...string) answer {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(a.body, text) {
			t.Errorf("%q is in:\n%s", text, a.body)
		}
	}
	return a
}
