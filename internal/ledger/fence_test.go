package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/wirefault"
)

func TestRule17_TheFenceGoesUpForWhoseHistoryChanges(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	tests := []struct {
		name   string
		change func(*ledger.Event)
		want   bool
	}{
		{"a call begins", func(e *ledger.Event) { e.Status = "ringing" }, false},
		{"is answered", func(e *ledger.Event) { e.Status = "in-progress" }, false},
		{"ends", func(e *ledger.Event) { e.Status = "completed" }, true},
		{"is not answered", func(e *ledger.Event) { e.Status = "no-answer" }, true},
		{"is summed up", func(e *ledger.Event) { e.Summary = "Asked about pricing" }, true},
		{"has a note", func(e *ledger.Event) { e.Note = "Wants a quote" }, true},
		{"is somebody else's", func(e *ledger.Event) { e.Disowned = true }, true},
		{"has a transcript", func(e *ledger.Event) { e.Transcript = &ledger.Transcript{SessionID: "VX1"} }, false},
		{"is nobody's", func(e *ledger.Event) { e.Status, e.Party = "completed", "" }, false},
	}
	for _, test := range tests {
		var f fence
		if err := ledger.Apply(t.Context(), pool, &f, nil, []*ledger.Event{p.inbound("CA1", test.name, test.change)}); err != nil {
			t.Fatal(err)
		}
		want := map[org.ID][]phone.Number{p.org.ID: {alex}}
		if !test.want {
			want = nil
		}
		if diff := cmp.Diff(want, f.raised, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: fenced (-want, +got):\n%s", test.name, diff)
		}
	}
}

// A transaction that may yet commit is fenced once more when it is given up.
func TestRule17_TheFenceGoesUpAgainWhenTheOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	hold(t, pool)
	ctx, cancel := context.WithCancel(t.Context())
	f := fence{told: cancel} // given up as soon as the fence is up
	if err := ledger.Apply(ctx, pool, &f, nil, []*ledger.Event{p.ended("CA1", 60)}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v, want the end of the context", err)
	}
	if diff := cmp.Diff([]phone.Number{alex, alex}, f.raised[p.org.ID]); diff != "" {
		t.Errorf("fenced (-want, +got):\n%s", diff)
	}
}

// A batch comes to Postgres whole, COMMIT and all. If its writer dies then, nobody is left who could put the fence up
// again: so a batch that has to wait there is given up before the fence is gone, which stands for 5 s and keeps out
// what was read up to 2 s before.
func TestRule17_NothingIsCommittedWhenTheFenceOfADeadWriterIsGone(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	mortal, wire := onWire(t, pool)
	if err := ledger.Apply(t.Context(), mortal, &fence{}, nil, []*ledger.Event{p.ended("CA1", 60)}); err != nil {
		t.Fatal(err) // Postgres knows the statements now: the next batch is sent whole
	}
	for _, tt := range []struct {
		name string
		lock func(context.Context, pgx.Tx) error
	}{
		{"for the ledger", func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `LOCK TABLE interaction_events IN ACCESS EXCLUSIVE MODE`)
			return err
		}},
		{"for a merge", ledger.Past{}.Still},
	} {
		other, err := pool.Begin(t.Context())
		if err == nil {
			err = tt.lock(t.Context(), other)
		}
		if err != nil {
			t.Fatal(err)
		}
		fenced := make(chan time.Time, 2) // before, and when it is given up
		f := fence{told: func() { fenced <- time.Now() }}
		wrote := make(chan error, 1)
		go func() { wrote <- ledger.Apply(t.Context(), mortal, &f, nil, []*ledger.Event{p.ended("CA2", 60)}) }()
		waits := func() bool {
			return one[bool](t, pool, `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE d.datname = current_database() AND NOT l.granted)`)
		}
		eventually(t, "the batch waits "+tt.name, waits)
		up := <-fenced
		wire.Refuse(true)
		if err := <-wrote; err == nil {
			t.Fatalf("without a line its writer was told that it is written")
		}
		for waits() {
			if time.Since(up) > 3*time.Second {
				t.Errorf("3 s after its fence the batch still waits %s", tt.name)
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		if err := other.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
		wire.Refuse(false)
		mortal.Reset()
	}
	eventually(t, "all that the dead left is over", func() bool {
		return one[int](t, pool, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'mortal'`) == 0
	})
	if n := one[int](t, pool, `SELECT count(*) FROM interactions WHERE sid = 'CA2'`); n > 0 {
		t.Error("it was committed after all")
	}
}

// onWire returns a pool on the same database, of one connection, and the wire that it goes through.
func onWire(t *testing.T, pool *pgxpool.Pool) (*pgxpool.Pool, *wirefault.Proxy) {
	t.Helper()
	config := pool.Config()
	c := config.ConnConfig
	wire := wirefault.New(t, "unix", fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port))
	addr := netip.MustParseAddrPort(wire.Addr())
	c.Host, c.Port, c.Fallbacks = addr.Addr().String(), addr.Port(), nil
	c.RuntimeParams["application_name"], config.MaxConns = "mortal", 1
	on, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(on.Close)
	return on, wire
}

// While Postgres is away nothing is committed: whoever is held in the cache may stay there, and is greeted by name.
func TestNobodyIsFencedWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool := openOwn(t, server)
	p := newPlace(t, pool)
	server.Kill()
	pool.Reset() // a connection may outlive the server it was made to for a moment
	var f fence
	if err := ledger.Apply(t.Context(), pool, &f, nil, []*ledger.Event{p.ended("CA1", 60)}); err == nil {
		t.Fatal("an event was written while Postgres was away")
	}
	if _, err := contacts.NewBook(pool, &f).Add(t.Context(), p.org, contacts.Draft{Name: "Jo", Phone: string(jo)}); err == nil {
		t.Fatal("a contact was added while Postgres was away")
	}
	if len(f.raised) > 0 {
		t.Errorf("fenced %v", f.raised)
	}
	server.Start()
	if err := ledger.Apply(t.Context(), pool, &f, nil, []*ledger.Event{p.ended("CA1", 60)}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]phone.Number{alex}, f.raised[p.org.ID]); diff != "" {
		t.Errorf("fenced when it was back (-want, +got):\n%s", diff)
	}
}

// TestRule17_WhoeverIsNotFencedIsAnnounced: an event that raises no fence may yet change history, if it
// comes after the end of its call. Others in its batch that are fenced stay silent.
func TestRule17_WhoeverIsNotFencedIsAnnounced(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	began := func(e *ledger.Event) {
		e.Status, e.Untrusted, e.Recognition = "ringing", true, json.RawMessage(`{}`)
	}
	tests := []struct {
		name   string
		fence  contacts.Fence
		before func(place) []*ledger.Event
		batch  func(place) []*ledger.Event
		want   []phone.Number
	}{
		{
			name: "an end is fenced", fence: &fence{},
			batch: func(p place) []*ledger.Event { return []*ledger.Event{p.ended("CA1", 60)} },
		},
		{
			name: "unless nobody else sees the fence", fence: contacts.NoFence{},
			batch: func(p place) []*ledger.Event { return []*ledger.Event{p.ended("CA1", 60)} },
			want:  []phone.Number{alex},
		},
		{
			name: "a beginning changes no history", fence: &fence{},
			batch: func(p place) []*ledger.Event {
				return []*ledger.Event{p.inbound("CA1", "voice", began), ofJo(p.ended("CA2", 60))}
			},
		},
		{
			name: "unless it comes after the end", fence: &fence{},
			before: func(p place) []*ledger.Event { return []*ledger.Event{p.ended("CA1", 60)} },
			batch: func(p place) []*ledger.Event {
				return []*ledger.Event{p.inbound("CA1", "voice", began), ofJo(p.ended("CA2", 60))}
			},
			want: []phone.Number{alex},
		},
		{
			name: "or with it, which is fenced", fence: &fence{},
			batch: func(p place) []*ledger.Event {
				return []*ledger.Event{p.inbound("CA1", "voice", began), p.ended("CA1", 60)}
			},
		},
		{
			name: "or with an end that fences somebody else", fence: &fence{},
			batch: func(p place) []*ledger.Event {
				return []*ledger.Event{p.inbound("CA1", "voice", began), ofJo(p.ended("CA1", 60)), ofJo(p.ended("CA2", 60))}
			},
			want: []phone.Number{alex},
		},
	}
	for _, test := range tests {
		p := newPlace(t, pool)
		if test.before != nil {
			p.apply(t, test.before(p)...)
		}
		conn := listen(t, pool.Config().ConnConfig)
		if err := ledger.Apply(t.Context(), pool, test.fence, nil, test.batch(p)); err != nil {
			t.Fatal(err)
		}
		got := announced(t, conn)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: announced (-want, +got):\n%s", test.name, diff)
		}
	}
}

func ofJo(e *ledger.Event) *ledger.Event {
	e.Party = jo
	return e
}

// listen returns a connection that hears of changed callers.
func listen(t *testing.T, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if _, err := conn.Exec(t.Context(), `LISTEN ringside_callers`); err != nil {
		t.Fatal(err)
	}
	return conn
}

// announced returns whom the notifications so far are about, each once: Postgres delivers what is
// committed before it answers the next statement.
func announced(t *testing.T, conn *pgx.Conn) (numbers []phone.Number) {
	t.Helper()
	var payload string
	if err := conn.QueryRow(t.Context(), `SELECT 'the end'`).Scan(&payload); err != nil {
		t.Fatal(err)
	}
	arrived, cancel := context.WithCancel(t.Context())
	cancel() // only what is here
	for {
		n, err := conn.WaitForNotification(arrived)
		if err != nil {
			break
		}
		for _, number := range strings.Fields(n.Payload)[1:] {
			numbers = append(numbers, phone.Number(number))
		}
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
