package outbox_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outbox"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var erasureKey = contacts.ErasureKey("the secret of this program")

const (
	alex = phone.Number("+14155551200")
	jo   = phone.Number("+12025550133")
)

// post is an organisation with an outbox.
type post struct {
	*outbox.Outbox
	pool *pgxpool.Pool
	org  org.Org
}

func newPost(t *testing.T) post { return postOn(t, pgtest.New(t)) }

func postOn(t *testing.T, pool *pgxpool.Pool) post {
	t.Helper()
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	return post{outbox.New(pool), pool, o}
}

func (p post) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := p.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// event returns an event of a call that announces something.
func (p post) event(sid, name, kind string, party phone.Number) *ledger.Event {
	return &ledger.Event{OrgID: p.org.ID, SID: sid, Name: name, At: time.Now(), Kind: "call", Direction: "inbound", From: string(party), Party: party,
		Announce: &ledger.Announcement{Type: kind, Payload: json.RawMessage(fmt.Sprintf(`{"call_sid":%q}`, sid))}}
}

// recorder returns a recorder as a sidecar has one.
func (p post) recorder(t *testing.T) *ledger.Recorder {
	t.Helper()
	r := ledger.NewRecorder(p.pool, contacts.NoFence{}, erasureKey, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

// record writes events, each in a transaction of its own.
func (p post) record(t *testing.T, events ...*ledger.Event) {
	t.Helper()
	r := p.recorder(t)
	for _, e := range events {
		if err := r.Record(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// join makes a consumer, or takes it over.
func (p post) join(t *testing.T, name string, change ...func(*outbox.Joining)) outbox.Consumer {
	t.Helper()
	j := outbox.Joining{OrgID: p.org.ID, Name: name}
	for _, c := range change {
		c(&j)
	}
	c, err := p.Join(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fromBeginning(j *outbox.Joining) { j.FromBeginning = true }

// all returns what there is for a consumer after a cursor, each as "type sid".
func (p post) all(t *testing.T, c outbox.Consumer, after int64) (told []string) {
	t.Helper()
	events, _, err := p.Next(t.Context(), c, after, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		told = append(told, e.Type+" "+short(t, e))
	}
	return told
}

// short is what an event is about.
func short(t *testing.T, e outbox.Event) string {
	t.Helper()
	var said struct {
		CallSID string `json:"call_sid"`
		Change  string `json:"change"`
		Count   int    `json:"count"`
	}
	if err := json.Unmarshal(e.Payload, &said); err != nil {
		t.Fatalf("%s: %v", e.Payload, err)
	}
	if said.Count > 0 {
		return fmt.Sprint(said.Count)
	}
	return said.CallSID + said.Change
}
