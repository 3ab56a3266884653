package ledger_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	line = phone.Number("+12125550199") // the organisation's
	alex = phone.Number("+14155551200")
	jo   = phone.Number("+12025550133")
)

// noon is when calls begin here.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func after(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }

// failer is what a test and a check of a property have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// place is an organisation with one voice agent.
type place struct {
	pool  *pgxpool.Pool
	org   org.Org
	agent org.Agent
}

func newPlace(tb failer, pool *pgxpool.Pool) place {
	tb.Helper()
	none := 0 // the plan allows no contact at all: nothing here may ask it (rule 4)
	store := org.NewStore(pool)
	o, err := store.CreateOrg(context.Background(), org.Org{Name: "Acme", Country: "US", ContactLimit: &none})
	if err != nil {
		tb.Fatal(err)
	}
	a, err := store.CreateAgent(context.Background(), org.Agent{OrgID: o.ID, Name: "Reception", Greeting: "Hello", RuntimeURL: "ws://localhost:9000"})
	if err != nil {
		tb.Fatal(err)
	}
	return place{pool, o, a}
}

// inbound returns an event of alex's call, changed as said.
func (p place) inbound(sid, name string, change func(*ledger.Event)) *ledger.Event {
	e := &ledger.Event{OrgID: p.org.ID, SID: sid, Name: name, At: noon, Kind: "call", Direction: "inbound",
		From: string(alex), To: string(line), Party: alex, AgentID: p.agent.ID, StartedAt: noon}
	if change != nil {
		change(e)
	}
	return e
}

// status returns the event of a status callback at the given second of the call.
func (p place) status(sid, status string, second int) *ledger.Event {
	return p.inbound(sid, "status:"+status, func(e *ledger.Event) {
		e.Status, e.At = status, after(second)
		if ledger.Final(status) {
			e.EndedAt, e.DurationS = e.At, second
		}
	})
}

// ended returns the event that completes alex's call at the given second.
func (p place) ended(sid string, second int) *ledger.Event { return p.status(sid, "completed", second) }

// addContact puts a person into the address book as another program would.
func (p place) addContact(tb failer, n phone.Number, name string) (id string) {
	tb.Helper()
	return one[string](tb, p.pool, `INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, $2, $3) RETURNING id::text`, p.org.ID, n, name)
}

// addCampaignPerson records somebody whom a campaign called at the given time, or has not called.
func (p place) addCampaignPerson(tb failer, campaign string, n phone.Number, name string, calledAt *time.Time) {
	tb.Helper()
	exec(tb, p.pool, `
		WITH c AS (INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, $2) RETURNING org_id, id)
		INSERT INTO campaign_people (org_id, campaign_id, phone, name, called_at) SELECT org_id, id, $3, $4, $5 FROM c`,
		p.org.ID, campaign, n, name, calledAt)
}

// apply writes events in one transaction.
func (p place) apply(tb failer, events ...*ledger.Event) {
	tb.Helper()
	if err := ledger.Apply(context.Background(), p.pool, contacts.NoFence{}, nil, events); err != nil {
		tb.Fatal(err)
	}
}

// row is an interaction as it is compared: what it refers to is told by phone and name.
type row struct {
	SID, Kind, Direction, From, To, Party string
	Contact, Agent                        string
	Status                                string
	Rank                                  int
	StartedAt                             time.Time
	EndedAt                               *time.Time
	Duration                              *int
	Trusted, Disowned                     bool
	Reason, Summary                       string
	SummaryAt                             *time.Time
	Recognition, Details                  any
}

// person is a contact as it is compared.
type person struct {
	Phone, Name   string
	LastContacted *time.Time
	Archived      bool
}

// rows is everything that events leave in an organisation.
type rows struct {
	Interactions []row
	People       []person
	Transcripts  any
	Events       any
}

func (p place) rows(tb failer) rows {
	tb.Helper()
	var r rows
	decode(tb, &r.Interactions, one[[]byte](tb, p.pool, `
		SELECT coalesce(jsonb_agg(jsonb_build_object('SID', sid, 'Kind', kind, 'Direction', direction, 'From', from_address, 'To', to_address,
			'Party', party, 'Contact', c.name || ' ' || c.phone || CASE WHEN c.archived_at IS NULL THEN '' ELSE ' (archived)' END, 'Agent', a.name,
			'Status', status, 'Rank', state_rank, 'StartedAt', started_at, 'EndedAt', ended_at, 'Duration', duration_s, 'Trusted', trusted,
			'Disowned', disowned, 'Reason', reason, 'Summary', summary, 'SummaryAt', summary_at, 'Recognition', recognition, 'Details', details)
			ORDER BY sid), '[]')
		FROM interactions i LEFT JOIN contacts c ON c.id = i.contact_id LEFT JOIN voice_agents a ON a.id = i.agent_id
		WHERE i.org_id = $1::text::uuid`, p.org.ID))
	decode(tb, &r.People, one[[]byte](tb, p.pool, `
		SELECT coalesce(jsonb_agg(jsonb_build_object('Phone', phone, 'Name', name, 'LastContacted', last_contacted_at, 'Archived', archived_at IS NOT NULL)
			ORDER BY phone, archived_at NULLS FIRST), '[]')
		FROM contacts WHERE org_id = $1::text::uuid`, p.org.ID))
	decode(tb, &r.Transcripts, one[[]byte](tb, p.pool, `
		SELECT coalesce(jsonb_agg(jsonb_build_object('sid', sid, 'session', session_id, 'lines', lines) ORDER BY sid, session_id), '[]')
		FROM transcripts WHERE org_id = $1::text::uuid`, p.org.ID))
	decode(tb, &r.Events, one[[]byte](tb, p.pool, `
		SELECT coalesce(jsonb_agg(jsonb_build_object('sid', sid, 'event', event, 'at', at) ORDER BY sid, event), '[]')
		FROM interaction_events WHERE org_id = $1::text::uuid`, p.org.ID))
	return r
}

// interaction returns the one interaction of the given Sid.
func (p place) interaction(tb failer, sid string) row {
	tb.Helper()
	for _, r := range p.rows(tb).Interactions {
		if r.SID == sid {
			return r
		}
	}
	tb.Fatalf("there is no interaction %s", sid)
	return row{}
}

func decode(tb failer, into any, text []byte) {
	tb.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		tb.Fatal(err)
	}
}

// one returns the single value of a query.
func one[T any](tb failer, pool *pgxpool.Pool, sql string, args ...any) (value T) {
	tb.Helper()
	if err := pool.QueryRow(context.Background(), sql, args...).Scan(&value); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return value
}

func exec(tb failer, pool *pgxpool.Pool, sql string, args ...any) {
	tb.Helper()
	if _, err := pool.Exec(context.Background(), sql, args...); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
}

// newRecorder returns a recorder that is closed, with time enough, when the test ends.
func newRecorder(tb testing.TB, pool *pgxpool.Pool) *ledger.Recorder {
	tb.Helper()
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	tb.Cleanup(func() { closeRecorder(tb, r) })
	return r
}

func closeRecorder(tb testing.TB, r *ledger.Recorder) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		tb.Errorf("close the recorder: %v", err)
	}
}

// unavailable reports whether a sender is told to send it again.
func unavailable(err error) bool {
	p, ok := problem.From(err)
	return ok && p.Code == problem.CodeUnavailable
}

// eventually waits for something that another goroutine or the server does.
func eventually(tb failer, what string, holds func() bool) {
	tb.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			tb.Fatalf("waited in vain: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// openOwn returns a pool on a server that the test may stop, closed when the test ends.
func openOwn(tb testing.TB, server *pgtest.Instance) *pgxpool.Pool {
	tb.Helper()
	pool, err := postgres.Open(context.Background(), server.URL())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(pool.Close)
	return pool
}

// hold keeps the recorder's transactions waiting, by a lock on the ledger, until release is called.
func hold(tb testing.TB, pool *pgxpool.Pool) (release func()) {
	tb.Helper()
	tx, err := pool.Begin(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := tx.Exec(context.Background(), `LOCK TABLE interaction_events IN ACCESS EXCLUSIVE MODE`); err != nil {
		tb.Fatal(err)
	}
	release = sync.OnceFunc(func() {
		if err := tx.Rollback(context.Background()); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(release)
	return release
}

// fence is a fence that every sidecar sees, and remembers whom it was raised for.
type fence struct {
	mu     sync.Mutex
	raised map[org.ID][]phone.Number
	told   func() // is called when it is up; nil: nobody is
}

func (f *fence) Raise(_ context.Context, id org.ID, numbers ...phone.Number) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.raised == nil {
		f.raised = map[org.ID][]phone.Number{}
	}
	f.raised[id] = append(f.raised[id], numbers...)
	if f.told != nil {
		f.told()
	}
	return true
}
