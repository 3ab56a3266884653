package voice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/cache"
	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/agent/schematest"
	"ringside/internal/ledger"
	"ringside/internal/metrics"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
	"ringside/internal/simulate"
	"ringside/internal/together"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
	"ringside/recognize"
	"ringside/voice"
)

func TestMain(m *testing.M) {
	together.AtLeast(8)
	goleak.VerifyTestMain(m)
}

// The world of the samples.
const (
	publicURL   = "https://sidecar.example.com"
	accountSID  = "AC00000000000000000000000000000001"
	authToken   = "twilio_auth_token"
	dialled     = "+12125550199"
	jane        = "+14155550123" // a contact, unless a test empties the book
	stranger    = "+442079460123"
	greeting    = "Hello {{NAME}}, how can I help?"
	greetedJane = "Hello Jane Doe, how can I help?"
	greetedAny  = "Hello, how can I help?"
	secretKey   = "the same for all sidecars"
	bearer      = "runtime-secret-4711"
)

// edge is the voice edge as the program wires it, behind an HTTP server, with real parts: a Postgres
// of its own with one organisation, agent, number and contact, and an agent runtime.
type edge struct {
	*voice.Service
	tb testing.TB

	pool     *pgxpool.Pool
	store    *org.Store
	lines    *org.Switchboard
	book     *contacts.Book
	recorder *ledger.Recorder
	metrics  *metrics.Metrics
	log      *logbook

	org     org.Org
	agent   org.Agent
	runtime *simulate.Runtime

	mux    *http.ServeMux
	server *httptest.Server
	twilio *simulate.Twilio
}

// parts are what a test replaces before the edge is put together; the zero value replaces nothing.
type parts struct {
	// pool is used instead of a fresh database; it must be seeded unless seeded is nil.
	pool *pgxpool.Pool
	// beside is another edge on the same database: nothing is seeded.
	beside    *edge
	redis     string // URL; "": the calls are remembered in process
	agent     func(*org.Agent)
	directory func(recognize.Directory) recognize.Directory
	config    func(*voice.Config)
	budget    time.Duration // default: 5 s, so that a busy machine changes no answer
	timing    func(*voice.Timing)
	behaviour simulate.Behaviour
	noContact bool
}

func newEdge(tb testing.TB, p parts) *edge {
	tb.Helper()
	e := &edge{tb: tb, log: &logbook{}, metrics: metrics.New()}
	log := slog.New(slog.NewJSONHandler(e.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	switch {
	case p.beside != nil:
		e.pool, e.org, e.agent, e.runtime = p.beside.pool, p.beside.org, p.beside.agent, p.beside.runtime
	case p.pool != nil:
		e.pool = p.pool
	default:
		e.pool = pgtest.New(tb)
	}
	var memory *cache.Redis
	if p.redis != "" {
		memory = must(cache.OpenRedisPatiently(p.redis, log, 5*time.Second))(tb)
		tb.Cleanup(func() { check(tb, memory.Close()) })
	}
	directory := recognize.Directory(recognize.NewDatabase(e.pool))
	if p.directory != nil {
		directory = p.directory(directory)
	}
	callers := cache.NewCallers(directory, memory, func() bool { return true })
	calls := cache.NewCalls(memory)
	e.store, e.lines, e.book = org.NewStore(e.pool).WithKeys(seal.Plain), org.NewSwitchboard(e.pool), contacts.NewBook(e.pool, callers)
	e.recorder = ledger.NewRecorder(e.pool, callers, nil, log)
	tb.Cleanup(e.closeRecorder)
	if p.beside == nil {
		e.seed(p)
	}
	check(tb, e.lines.Load(tb.Context()))
	if p.budget == 0 {
		p.budget = 5 * time.Second
	}
	config := voice.Config{
		Gate:   webhook.NewGate(webhook.Config{PublicURL: must(twilio.ParsePublicURL(publicURL))(tb), Lines: e.lines, Metrics: e.metrics, Log: log}),
		Secret: []byte(secretKey), Calls: calls, Recorder: e.recorder,
		Recognizer:  recognize.NewRecognizer(callers, p.budget),
		Tools:       &agent.Tools{Book: e.book, Recorder: e.recorder, Marks: calls, Log: log},
		Outgoing:    outgoing.NewStore(e.pool),
		Ledger:      ledger.NewReader(e.pool),
		WriteBudget: 10 * time.Second,
	}
	if p.config != nil {
		p.config(&config)
	}
	e.Service = voice.New(config)
	if p.timing != nil {
		p.timing(e.Timing())
	}
	e.mux = http.NewServeMux()
	e.Register(e.mux)
	e.serve(log)
	return e
}

// serve puts the edge behind an HTTP server with the timeouts of the program's.
func (e *edge) serve(log *slog.Logger) {
	e.server = httptest.NewUnstartedServer(e.mux)
	e.server.Config.ReadTimeout = 10 * time.Second
	e.server.Config.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelError)
	e.server.Start()
	e.tb.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		e.Drain(ended) // what a failed test has left open
		e.server.Close()
	})
	e.twilio = &simulate.Twilio{BaseURL: e.server.URL, PublicURL: publicURL, AccountSID: accountSID, AuthToken: authToken,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

func (e *edge) closeRecorder() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	check(e.tb, e.recorder.Close(ctx))
}

// seed sets the world up that the samples speak of.
func (e *edge) seed(p parts) {
	e.tb.Helper()
	ctx := e.tb.Context()
	runtime := must(simulate.StartRuntime(simulate.RuntimeOptions{Secret: bearer, Behaviour: p.behaviour}))(e.tb)
	e.tb.Cleanup(func() {
		runtime.Close()
		followSchemas(e.tb, runtime)
	})
	e.runtime = runtime
	e.org = must(e.store.CreateOrg(ctx, org.Org{Name: "Acme", Country: "US"}))(e.tb)
	a := org.Agent{OrgID: e.org.ID, Name: "Reception", Greeting: greeting, RuntimeURL: runtime.URL(), RuntimeSecret: bearer, KeepTranscript: true}
	if p.agent != nil {
		p.agent(&a)
	}
	e.agent = must(e.store.CreateAgent(ctx, a))(e.tb)
	e.addNumber(e.agent, dialled, accountSID, authToken)
	if !p.noContact {
		// Without a fence, which would keep her out of the cache for seconds.
		must(contacts.NewBook(e.pool, contacts.NoFence{}).Add(ctx, e.org, contacts.Draft{Name: "Jane Doe", Phone: jane,
			Email: "jane@acme.io", Notes: "Prefers morning calls", Tags: []string{"vip"}}))(e.tb)
	}
}

// followSchemas looks whether all that Ringside has said to a runtime of its own is as docs/schemas has it.
func followSchemas(tb testing.TB, runtime *simulate.Runtime) {
	tb.Helper()
	for _, session := range runtime.Sessions() {
		for _, m := range session.Messages() {
			followSchema(tb, m.Raw)
		}
	}
}

// followSchema looks at one message, if it is Ringside's.
func followSchema(tb testing.TB, message []byte) {
	tb.Helper()
	var head struct{ Type, Event string }
	if json.Unmarshal(message, &head) == nil && (head.Event == "start" || slices.Contains([]string{"setup", "ringside.context", "ringside.result"}, head.Type)) {
		schematest.Check(tb, message)
	}
}

func (e *edge) addNumber(a org.Agent, number phone.Number, sid, token string) {
	e.tb.Helper()
	must(e.store.AddNumber(e.tb.Context(), org.Number{OrgID: a.OrgID, Phone: number, AgentID: a.ID, AccountSID: sid}, token))(e.tb)
}

func (e *edge) addContact(d contacts.Draft) contacts.Contact {
	e.tb.Helper()
	return must(e.book.Add(e.tb.Context(), e.org, d))(e.tb)
}

// settle returns when no call is on the relay any more and all that was recorded is in Postgres.
func (e *edge) settle() {
	e.tb.Helper()
	e.AwaitIdle(within(e.tb))
	e.flush()
}

// flush returns when all that has been recorded is in Postgres.
func (e *edge) flush() {
	e.tb.Helper()
	// An event that somebody waits for takes along all that came before it.
	check(e.tb, e.recorder.Record(within(e.tb), &ledger.Event{OrgID: e.org.ID, SID: settled, Name: "settled", At: time.Now(), Kind: "message", Direction: "outbound"}))
}

// settled is the Sid of the row that settle leaves.
const settled = "SMsettled"

// answer is a webhook's answer.
type answer struct {
	status int
	header http.Header
	body   string
}

// post posts a form as Twilio does, signed, straight to the router.
func (e *edge) post(path string, form url.Values, change ...func(*http.Request)) answer {
	e.tb.Helper()
	return e.send(signed(path, form.Encode(), form), change...)
}

// signed is a request to path as Twilio makes it: params are what body says.
func signed(path, body string, params url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	r.Header.Set(twilio.SignatureHeader, twilio.Sign(authToken, publicURL+path, params))
	return r
}

// send puts a request to the router.
func (e *edge) send(r *http.Request, change ...func(*http.Request)) answer {
	e.tb.Helper()
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	e.mux.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// inbound is the form of a call that comes in.
func inbound(callSID, from string) url.Values {
	return simulate.VoiceForm(simulate.Call{SID: callSID, AccountSID: accountSID, From: from, To: dialled})
}

// place makes a call that must go well.
func (e *edge) place(call simulate.Call) *simulate.Outcome {
	e.tb.Helper()
	if call.To == "" {
		call.To = dialled
	}
	out, err := e.twilio.Place(e.tb.Context(), call)
	if err != nil {
		e.tb.Fatalf("place a call: %v", err)
	}
	return out
}

// value asks Postgres for one value.
func value[T any](e *edge, sql string, args ...any) (v T) {
	e.tb.Helper()
	if err := e.pool.QueryRow(e.tb.Context(), sql, args...).Scan(&v); err != nil {
		e.tb.Fatalf("%s: %v", sql, err)
	}
	return v
}

// exec runs a statement, as another program on the same Postgres would.
func (e *edge) exec(sql string, args ...any) {
	e.tb.Helper()
	if _, err := e.pool.Exec(e.tb.Context(), sql, args...); err != nil {
		e.tb.Fatalf("%s: %v", sql, err)
	}
}

// rows counts the ledger's interactions, without the one that settle leaves.
func (e *edge) rows() int {
	e.tb.Helper()
	return value[int](e, `SELECT count(*) FROM interactions WHERE sid <> $1`, settled)
}

// counted returns how often an outcome of a webhook was counted.
func (e *edge) counted(path, outcome string) int {
	e.tb.Helper()
	return e.metric(fmt.Sprintf(`ringside_webhooks_total{outcome=%q,path=%q}`, outcome, path))
}

// metric returns a figure as whoever scrapes the metrics sees it; 0 if it is not there.
func (e *edge) metric(name string) int {
	e.tb.Helper()
	w := httptest.NewRecorder()
	e.metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			return must(strconv.Atoi(strings.TrimSpace(text)))(e.tb)
		}
	}
	return 0
}

// sample returns one of the sample bodies.
func sample(tb testing.TB, name string) string {
	tb.Helper()
	return strings.TrimSuffix(string(must(os.ReadFile("testdata/"+name))(tb)), "\n")
}

func sampleForm(tb testing.TB, name string) url.Values {
	tb.Helper()
	return must(url.ParseQuery(sample(tb, name)))(tb)
}

// logbook keeps what was logged.
type logbook struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{} // closed at the next line, if somebody waits
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
	return l.text.Write(p)
}

// await waits until text has been logged.
func (l *logbook) await(tb testing.TB, text string) {
	tb.Helper()
	for {
		l.mu.Lock()
		found := strings.Contains(l.text.String(), text)
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if found {
			return
		}
		select {
		case <-changed:
		case <-within(tb).Done():
			tb.Fatalf("%q was not logged:\n%s", text, l)
		}
	}
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// must unwraps a result or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Error(err)
	}
}
