package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/agent/events"
	"ringside/internal/agent/schematest"
	"ringside/internal/ledger"
	"ringside/internal/metrics"
	"ringside/internal/org"
	"ringside/internal/outbox"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
	"ringside/recognize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	jane    = phone.Number("+14155550123")
	dialled = "+12125550199"
	patient = 20 * time.Second
)

// desk is the socket as a sidecar has it, behind an HTTP server, on a database with one organisation.
type desk struct {
	*events.Service
	tb       testing.TB
	pool     *pgxpool.Pool
	store    *org.Store
	org      org.Org
	agent    org.Agent
	key      string // with all scopes
	keyID    string
	recorder *ledger.Recorder
	tools    *agent.Tools
	marks    sync.Map
	sent     chan agent.SMS
	sending  func(agent.SMS) (agent.SentSMS, error)
	server   *httptest.Server
}

// newDesk returns the socket; beside is another sidecar on the same database.
func newDesk(tb testing.TB, beside *desk, change ...func(*events.Timing)) *desk {
	tb.Helper()
	d := &desk{tb: tb, sent: make(chan agent.SMS, 100)}
	log := slog.New(slog.DiscardHandler)
	if beside != nil {
		d.pool, d.store, d.org, d.agent, d.key, d.keyID = beside.pool, beside.store, beside.org, beside.agent, beside.key, beside.keyID
	} else {
		d.pool = pgtest.New(tb)
		d.store = org.NewStore(d.pool)
		d.org = must(d.store.CreateOrg(tb.Context(), org.Org{Name: "Acme", Country: "US"}))(tb)
		d.agent = must(d.store.CreateAgent(tb.Context(), org.Agent{OrgID: d.org.ID, Name: "Reception", Greeting: "Hello", RuntimeURL: "ws://localhost:9000"}))(tb)
		d.key, d.keyID = d.newKey(d.org.ID)
	}
	d.recorder = ledger.NewRecorder(d.pool, contacts.NoFence{}, nil, log)
	tenants := pgtest.Tenants(tb, d.pool, org.Of) // as the program gives it to the socket
	d.tools = &agent.Tools{Book: contacts.NewBook(tenants, contacts.NoFence{}), Recorder: d.recorder, Marks: d, Messages: d, Log: log}
	d.Service = events.New(events.Config{Keys: d.store, Orgs: org.NewStore(tenants), Outbox: outbox.New(tenants), Ledger: ledger.NewReader(tenants), Tools: d.tools,
		Metrics: metrics.New(), Log: log})
	d.Timing().Poll, d.Timing().Close = 50*time.Millisecond, 200*time.Millisecond
	for _, c := range change {
		c(d.Timing())
	}
	mux := http.NewServeMux()
	d.Register(mux)
	d.server = httptest.NewUnstartedServer(mux)
	d.server.Config.ReadTimeout = 10 * time.Second // as the program has it
	d.server.Start()
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		d.Close(ctx)
		d.server.Close()
		if err := d.recorder.Close(ctx); err != nil {
			tb.Error(err)
		}
	})
	return d
}

func (d *desk) newKey(id org.ID, scopes ...string) (plain, keyID string) {
	d.tb.Helper()
	k, plain, err := d.store.CreateKey(d.tb.Context(), id, "test", scopes...)
	if err != nil {
		d.tb.Fatal(err)
	}
	return plain, k.ID
}

// follow has the notifications of Postgres reach the socket, as in the program.
func (d *desk) follow() {
	d.tb.Helper()
	listener := postgres.NewListener(d.pool, slog.New(slog.DiscardHandler), outbox.Channel)
	listener.Notified = func(_ context.Context, _, payload string) { d.Notified(payload) }
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { listener.Run(ctx) })
	d.tb.Cleanup(func() {
		cancel()
		running.Wait()
	})
	for !listener.Current() {
		time.Sleep(time.Millisecond)
	}
}

func (d *desk) Mark(_ context.Context, name, value string) { d.marks.Store(name, value) }

func (d *desk) Marked(_ context.Context, name string) string {
	value, _ := d.marks.Load(name)
	text, _ := value.(string)
	return text
}

func (d *desk) SendSMS(_ context.Context, m agent.SMS) (agent.SentSMS, error) {
	d.sent <- m
	if d.sending != nil {
		return d.sending(m)
	}
	return agent.SentSMS{SID: "SM9", Status: "queued"}, nil
}

// record writes an event durably.
func (d *desk) record(e *ledger.Event) {
	d.tb.Helper()
	if err := d.recorder.Record(d.tb.Context(), e); err != nil {
		d.tb.Fatal(err)
	}
}

func (d *desk) call(sid string) *ledger.Event {
	return &ledger.Event{OrgID: d.org.ID, SID: sid, At: time.Now(), Kind: "call", Direction: "inbound", From: string(jane), To: dialled, Party: jane,
		AgentID: d.agent.ID, StartedAt: time.Now()}
}

// begins records the beginning of a call.
func (d *desk) begins(sid string) {
	d.tb.Helper()
	e := d.call(sid)
	e.Name, e.Status = "voice", "ringing"
	e.Announce = agent.CallStarted(e, recognize.Caller{Known: true, Source: "contact", Name: "Jane Doe", Tags: []string{"vip"}, History: []recognize.HistoryItem{}, GreetedByName: true})
	d.record(e)
}

// ends records the end of a call.
func (d *desk) ends(sid string) {
	d.tb.Helper()
	e := d.call(sid)
	e.Name, e.Status, e.EndedAt, e.DurationS = "status:completed", "completed", e.At, 12
	e.Announce = agent.CallCompleted(e)
	d.record(e)
}

// receives records a message.
func (d *desk) receives(sid, text string) {
	d.tb.Helper()
	e := d.call(sid)
	e.Kind, e.Name, e.Status, e.Text, e.EndedAt = "message", "sms", "received", text, e.At
	e.Media = []ledger.Media{{URL: "https://api.twilio.com/media/ME1", Type: "image/jpeg"}}
	e.Announce = agent.SMSReceived(e, recognize.Unknown())
	d.record(e)
}

// program is a program on the socket.
type program struct {
	tb   testing.TB
	conn *websocket.Conn
	// what hello said
	Consumer, Cursor string
}

// dial opens a socket with a query and headers; without any, with the key.
func (d *desk) dial(query string, header http.Header) (*websocket.Conn, *http.Response, error) {
	if header == nil {
		header = http.Header{"Authorization": {"Bearer " + d.key}}
	}
	return websocket.DefaultDialer.DialContext(d.tb.Context(), "ws"+strings.TrimPrefix(d.server.URL, "http")+events.Path+query, header)
}

// listen opens a socket and reads its hello.
func (d *desk) listen(query string) *program {
	d.tb.Helper()
	conn, _, err := d.dial(query, nil)
	if err != nil {
		d.tb.Fatal(err)
	}
	d.tb.Cleanup(func() { conn.Close() })
	p := &program{tb: d.tb, conn: conn}
	hello := p.next()
	if hello.Type != "hello" || hello.Protocol != 1 || hello.OrgID != string(d.org.ID) || hello.InFlight != events.MaxInFlight {
		d.tb.Fatalf("hello is %+v", hello)
	}
	p.Consumer, p.Cursor = hello.Consumer, hello.Cursor
	return p
}

// message is anything that a program receives.
type message struct {
	Type       string           `json:"type"`
	Cursor     string           `json:"cursor"`
	At         time.Time        `json:"at"`
	CallSID    string           `json:"call_sid"`
	MessageSID string           `json:"message_sid"`
	AgentID    string           `json:"agent_id"`
	ContactID  string           `json:"contact_id"`
	From       string           `json:"from"`
	Status     string           `json:"status"`
	DurationS  int              `json:"duration_s"`
	Text       string           `json:"text"`
	Media      []ledger.Media   `json:"media"`
	Caller     recognize.Caller `json:"caller"`
	Change     string           `json:"change"`
	// hello
	Protocol int    `json:"protocol"`
	OrgID    string `json:"org_id"`
	Consumer string `json:"consumer"`
	InFlight int    `json:"max_in_flight"`
	// ringside.result
	ID      json.RawMessage `json:"id"`
	OK      bool            `json:"ok"`
	Code    string          `json:"code"`
	Message string          `json:"message"`
}

// next returns the next message, which is as its schema has it.
func (p *program) next() (m message) {
	p.tb.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patient))
	_, raw, err := p.conn.ReadMessage()
	if err != nil {
		p.tb.Fatalf("read: %v", err)
	}
	schematest.Check(p.tb, raw)
	if err := json.Unmarshal(raw, &m); err != nil {
		p.tb.Fatal(err)
	}
	return m
}

// send sends a message as it is.
func (p *program) send(text string) {
	p.tb.Helper()
	if err := p.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		p.tb.Fatalf("send: %v", err)
	}
}

// say sends a message that has to be as its schema has it.
func (p *program) say(format string, args ...any) {
	p.tb.Helper()
	text := fmt.Sprintf(format, args...)
	schematest.Check(p.tb, []byte(text))
	p.send(text)
}

// ask says something and returns its result.
func (p *program) ask(format string, args ...any) message {
	p.tb.Helper()
	p.say(format, args...)
	m := p.next()
	if m.Type != "ringside.result" {
		p.tb.Fatalf("a %s instead of a result", m.Type)
	}
	return m
}

// ack acknowledges an event, and returns when that is written.
func (p *program) ack(cursor string) {
	p.tb.Helper()
	if m := p.ask(`{"type":"ack","id":"a","cursor":%q}`, cursor); !m.OK {
		p.tb.Fatalf("the acknowledgement is answered %+v", m)
	}
}

// gone reads on until the socket is closed, and returns why.
func (p *program) gone() (code int, reason string) {
	p.tb.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(patient))
	for {
		_, _, err := p.conn.ReadMessage()
		if err == nil {
			continue
		}
		closed, ok := errors.AsType[*websocket.CloseError](err)
		if !ok {
			p.tb.Fatalf("the socket was lost: %v", err)
		}
		return closed.Code, closed.Text
	}
}

func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}
