package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres"
	"ringside/internal/problem"
	"ringside/internal/seal"
	"ringside/internal/simulate"
	"ringside/internal/wirefault"
)

// The people who call the shop.
const (
	shopNumber = "+12125550199"
	alex       = "+14155551200" // in the address book
	jamie      = "+12025550133" // too
	maria      = "+13125550142" // only in a campaign
	stranger   = "+12065550177"
)

const (
	greeting      = "Hello {{NAME}}, this is Acme. How can I help you?"
	greetsAlex    = "Hello Alex Chen, this is Acme. How can I help you?"
	greetsUnknown = "Hello, this is Acme. How can I help you?"
)

// shop is an organisation on a database, with its people, its Twilio account and its agent.
type shop struct {
	t              *testing.T
	db             *pgxpool.Pool
	org            org.Org
	runtime        *simulate.Runtime
	account, token string
}

// openShop seeds the database at url.
func openShop(t *testing.T, url string) *shop {
	t.Helper()
	s := &shop{t: t, account: simulate.NewSID("AC"), token: simulate.NewSID("")}
	s.runtime = receptionist(t)
	var err error
	if s.db, err = postgres.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.db.Close)
	store, book := org.NewStore(s.db).WithKeys(seal.Plain), contacts.NewBook(s.db, contacts.NoFence{})
	s.org, err = store.CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	must(t, err)
	agent, err := store.CreateAgent(t.Context(), org.Agent{OrgID: s.org.ID, Name: "Reception", Greeting: greeting, RuntimeURL: s.runtime.URL(), KeepTranscript: true})
	must(t, err)
	_, err = store.AddNumber(t.Context(), org.Number{OrgID: s.org.ID, Phone: shopNumber, AgentID: agent.ID, AccountSID: s.account}, s.token)
	must(t, err)
	for _, person := range []contacts.Draft{
		{Name: "Alex Chen", Phone: alex, Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls"},
		{Name: "Jamie Lee", Phone: jamie},
	} {
		_, err = book.Add(t.Context(), s.org, person)
		must(t, err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// receptionist is an agent runtime that answers by simple rules.
func receptionist(t *testing.T) *simulate.Runtime {
	t.Helper()
	runtime, err := simulate.StartRuntime(simulate.RuntimeOptions{Behaviour: simulate.Receptionist})
	must(t, err)
	t.Cleanup(runtime.Close)
	return runtime
}

// twilio is the shop's account, calling a sidecar that is reached at base.
func (s *shop) twilio(base string) *simulate.Twilio {
	return &simulate.Twilio{BaseURL: base, AccountSID: s.account, AuthToken: s.token}
}

// call places a call that must go well.
func (s *shop) call(base, from string, script ...simulate.Step) *simulate.Outcome {
	s.t.Helper()
	return place(s.t, s.twilio(base), simulate.Call{From: from, To: shopNumber, Script: script})
}

// rings sends the webhook of a call that comes in, and nothing more of it, and returns the TwiML.
func (s *shop) rings(base, callSID, from string) []byte {
	s.t.Helper()
	return rings(s.t, s.twilio(base), callSID, from)
}

func rings(t *testing.T, twilio *simulate.Twilio, callSID, from string) []byte {
	t.Helper()
	form := simulate.VoiceForm(simulate.Call{SID: callSID, AccountSID: twilio.AccountSID, From: from, To: shopNumber})
	response, err := twilio.Post(t.Context(), "/twilio/voice", form)
	must(t, err)
	if response.Status != http.StatusOK {
		t.Fatalf("the webhook of a call from %s was answered %d %s", from, response.Status, response.Body)
	}
	return response.Body
}

func place(t *testing.T, twilio *simulate.Twilio, call simulate.Call) *simulate.Outcome {
	t.Helper()
	outcome, err := twilio.Place(t.Context(), call)
	if err != nil {
		t.Fatalf("a call from %s: %v", call.From, err)
	}
	return outcome
}

// session waits for the n-th session of the shop's agent and its setup.
func (s *shop) session(n int) (*simulate.AgentSession, simulate.AgentSetup) {
	s.t.Helper()
	return agentSession(s.t, s.runtime, n)
}

func agentSession(t *testing.T, runtime *simulate.Runtime, n int) (*simulate.AgentSession, simulate.AgentSetup) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), eventually)
	defer cancel()
	session, err := runtime.AwaitSession(ctx, n)
	must(t, err)
	_, err = session.Await(ctx, func(m simulate.Message) bool { return m.Type == "setup" })
	must(t, err)
	setup, _ := session.Setup()
	return session, setup
}

// ended waits until the ledger has a call as completed and somebody's.
func (s *shop) ended(callSID string) ledger.Interaction {
	s.t.Helper()
	var call ledger.Interaction
	until(s.t, "the call "+callSID+" is in the ledger, completed and tied to a contact", func() bool {
		var err error
		call, err = ledger.NewReader(s.db).Find(s.t.Context(), s.org.ID, callSID)
		if err != nil {
			if _, known := problem.From(err); !known {
				s.t.Fatal(err)
			}
			return false
		}
		return call.Status == "completed" && call.ContactID != "" && call.EndedAt != nil
	})
	return call
}

// promptly fails the test if a caller waited longer than the budget and what a busy machine adds.
func promptly(t *testing.T, outcome *simulate.Outcome, budget time.Duration) {
	t.Helper()
	if most := budget + 1500*time.Millisecond; outcome.VoiceLatency > most {
		t.Errorf("the caller waited %s for an answer, more than %s", outcome.VoiceLatency, most)
	}
}

// faulty puts a proxy in front of the Postgres at url, and returns the URL that goes through it.
func faulty(t *testing.T, url string) (*wirefault.Proxy, string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	must(t, err)
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	proxy := wirefault.New(t, network, address)
	return proxy, fmt.Sprintf("postgres://%s@%s/%s?sslmode=disable", config.User, proxy.Addr(), config.Database)
}

// balancer is what stands in front of several sidecars: it passes each request on to the sidecar
// that pick names for its path, and keeps the Host.
type balancer struct {
	URL string

	mu   sync.Mutex
	pick func(path string) string
}

func balance(t *testing.T, pick func(path string) string) *balancer {
	t.Helper()
	b := &balancer{pick: pick}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			b.mu.Lock()
			defer b.mu.Unlock()
			target, err := url.Parse(b.pick(r.In.URL.Path))
			if err != nil {
				t.Error(err)
			}
			r.SetURL(target)
			r.Out.Host = r.In.Host
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	})
	t.Cleanup(server.Close)
	b.URL = server.URL
	return b
}

// to changes where requests go from now on.
func (b *balancer) to(pick func(path string) string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pick = pick
}

// always passes every request on to one sidecar.
func always(base string) func(string) string { return func(string) string { return base } }

// wait returns when done is closed or ctx ends. As a Twilio's Sleep it makes a caller wait for the
// test.
func wait(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
