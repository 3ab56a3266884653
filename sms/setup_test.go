package sms_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/cache"
	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/metrics"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
	"ringside/recognize"
	"ringside/sms"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The world of the samples.
const (
	publicURL  = "https://sidecar.example.com"
	accountSID = "AC00000000000000000000000000000001"
	authToken  = "twilio_auth_token"
	ours       = "+12125550199"
	jane       = "+14155550123" // a contact
	stranger   = "+442079460123"
)

// edge is the messaging edge as the program wires it, on a Postgres of its own with one organisation,
// voice agent, number and contact.
type edge struct {
	*sms.Service
	t        *testing.T
	pool     *pgxpool.Pool
	org      org.Org
	agent    org.Agent
	book     *contacts.Book
	ledger   *ledger.Reader
	recorder *ledger.Recorder
	runtime  *listener
	mux      *http.ServeMux
}

func newEdge(t *testing.T, change ...func(*sms.Config)) *edge {
	t.Helper()
	return beside(t, &edge{}, change...)
}

// beside is another sidecar on the same database, if there is one already.
func beside(t *testing.T, first *edge, change ...func(*sms.Config)) *edge {
	t.Helper()
	e := &edge{t: t, pool: first.pool, org: first.org, agent: first.agent, runtime: &listener{}, mux: http.NewServeMux()}
	if e.pool == nil {
		e.pool = pgtest.New(t)
	}
	log := slog.New(slog.DiscardHandler)
	callers := cache.NewCallers(recognize.NewDatabase(e.pool), nil, func() bool { return true })
	e.book, e.ledger = contacts.NewBook(e.pool, callers), ledger.NewReader(e.pool)
	e.recorder = ledger.NewRecorder(e.pool, callers, nil, log)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := e.recorder.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	if first.pool == nil {
		e.seed()
	}
	lines := org.NewSwitchboard(e.pool)
	must[any](t)(nil, lines.Load(t.Context()))
	config := sms.Config{
		Gate:       webhook.NewGate(webhook.Config{PublicURL: must[twilio.PublicURL](t)(twilio.ParsePublicURL(publicURL)), Lines: lines, Metrics: metrics.New(), Log: log}),
		Recognizer: recognize.NewRecognizer(callers, 5*time.Second), Memory: cache.NewCalls(nil), Recorder: e.recorder, Ledger: e.ledger, Runtimes: e.runtime, Outgoing: outgoing.NewStore(e.pool),
		WriteBudget: 10 * time.Second, ReplyBudget: 10 * time.Second,
	}
	for _, c := range change {
		c(&config)
	}
	e.Service = sms.New(config)
	e.Register(e.mux)
	return e
}

func (e *edge) seed() {
	e.t.Helper()
	store := org.NewStore(e.pool).WithKeys(seal.Plain)
	e.org = must[org.Org](e.t)(store.CreateOrg(e.t.Context(), org.Org{Name: "Acme", Country: "US"}))
	e.agent = must[org.Agent](e.t)(store.CreateAgent(e.t.Context(), org.Agent{OrgID: e.org.ID, Name: "Reception", Greeting: "Hello", RuntimeURL: "ws://127.0.0.1:9/agent"}))
	must[org.Number](e.t)(store.AddNumber(e.t.Context(), org.Number{OrgID: e.org.ID, Phone: ours, AgentID: e.agent.ID, AccountSID: accountSID}, authToken))
	must[contacts.Contact](e.t)(e.book.Add(e.t.Context(), e.org, contacts.Draft{Name: "Jane Doe", Phone: jane, Email: "jane@acme.io"}))
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// listener is whether a runtime is connected.
type listener struct {
	mu sync.Mutex
	on bool
}

func (l *listener) Listening(org.ID, string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.on
}

func (l *listener) connect() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = true
}

// sample is one of the sample bodies.
func sample(t *testing.T, name string) url.Values {
	t.Helper()
	return must[url.Values](t)(url.ParseQuery(strings.TrimSpace(string(must[[]byte](t)(os.ReadFile("testdata/" + name + ".form"))))))
}

// form is a message that somebody sends.
func form(sid, from, text string) url.Values {
	return url.Values{"MessageSid": {sid}, "AccountSid": {accountSID}, "From": {from}, "To": {ours}, "Body": {text}, "NumMedia": {"0"}, "SmsStatus": {"received"}}
}

// post posts a form as Twilio does.
func (e *edge) post(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set(twilio.SignatureHeader, twilio.Sign(authToken, publicURL+path, form))
	w := httptest.NewRecorder()
	e.mux.ServeHTTP(w, r)
	return w
}

// empty is the answer that sends nothing.
const empty = `<?xml version="1.0" encoding="UTF-8"?>` + "\n<Response/>"

// receive posts a message that is taken and not answered.
func (e *edge) receive(form url.Values) {
	e.t.Helper()
	if w := e.post("/twilio/sms", form); w.Code != http.StatusOK || w.Body.String() != empty {
		e.t.Fatalf("answered %d %s", w.Code, w.Body)
	}
}

// tell posts a state of a message that was sent.
func (e *edge) tell(path string, form url.Values) {
	e.t.Helper()
	if w := e.post(path, form); w.Code != http.StatusNoContent {
		e.t.Fatalf("answered %d %s", w.Code, w.Body)
	}
}

// row is a message as it was kept.
func (e *edge) row(sid string) ledger.Interaction {
	e.t.Helper()
	return must[ledger.Interaction](e.t)(e.ledger.Find(e.t.Context(), e.org.ID, sid))
}

// optedOut reports whether somebody wants no messages.
func (e *edge) optedOut(n phone.Number) bool {
	e.t.Helper()
	return must[*time.Time](e.t)(e.ledger.OptedOut(e.t.Context(), e.org.ID, n)) != nil
}

// people are the names of the active contacts, by phone.
func (e *edge) people() map[phone.Number]string {
	e.t.Helper()
	page := must[contacts.Page](e.t)(e.book.Search(e.t.Context(), e.org.ID, contacts.Query{}))
	people := map[phone.Number]string{}
	for _, c := range page.Contacts {
		people[c.Phone] = c.Name
	}
	return people
}

// trace is the record of how a sender was recognised.
func (e *edge) trace(sid string) (trace recognize.Trace) {
	e.t.Helper()
	var raw []byte
	if err := e.pool.QueryRow(e.t.Context(), `SELECT recognition FROM interactions WHERE sid = $1`, sid).Scan(&raw); err != nil {
		e.t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &trace); err != nil {
		e.t.Fatal(err)
	}
	return trace
}

// eventually is how long something may take that happens soon.
const eventually = 30 * time.Second
