package ledger_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
	"ringside/internal/spool"
)

// openSpool opens a spool in a folder until the test is over, or close is called.
func openSpool(t *testing.T, path string, o spool.Options) (log *spool.Log, folder *spool.Dir, end func()) {
	t.Helper()
	folder, err := spool.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	if log, _, err = spool.Open(folder, o); err != nil {
		t.Fatal(err)
	}
	ended := false
	end = func() {
		if ended {
			return
		}
		ended = true
		if err := log.Close(); err != nil {
			t.Error(err)
		}
		if err := folder.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(end)
	return log, folder, end
}

// newSpool opens an empty spool until the test is over.
func newSpool(t *testing.T, o spool.Options) (log *spool.Log, folder *spool.Dir) {
	t.Helper()
	log, folder, _ = openSpool(t, filepath.Join(t.TempDir(), "spool"), o)
	return log, folder
}

func spooling(pool *pgxpool.Pool, s ledger.Spool, budget time.Duration) *ledger.Recorder {
	return ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler), ledger.WithSpool(s, budget))
}

// No field of an event is lost on its way through the spool, also none that is added later.
func TestEventsSurviveTheSpool(t *testing.T) {
	t.Parallel()
	var e ledger.Event
	fill(t, reflect.ValueOf(&e).Elem(), 0)
	raw, err := ledger.EncodeEvent(&e)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ledger.DecodeSpooled(raw)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&e, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	empty, err := ledger.EncodeEvent(&ledger.Event{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ledger.DecodeSpooled(empty); err != nil || !cmp.Equal(&ledger.Event{}, got) {
		t.Errorf("nothing comes back as %+v, %v", got, err)
	}
	for _, other := range [][]byte{nil, {9, '{', '}'}, []byte("\x01rubbish")} {
		if _, err := ledger.DecodeSpooled(other); err == nil {
			t.Errorf("%q is an event", other)
		}
	}
}

// fill sets every field to something.
func fill(t *testing.T, v reflect.Value, n int) {
	t.Helper()
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, n, 0, 5000, time.UTC)))
		return
	case json.RawMessage:
		v.Set(reflect.ValueOf(json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("+1415555%04d", n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(n + 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n+1)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), n+i+1)
		}
	default:
		t.Fatalf("a field of an event is a %s, which this test cannot fill", v.Kind())
	}
}

// While Postgres is away events are acknowledged from the disk; when it is back they are written, once, also by another
// program that finds them.
func TestSpooledWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool := openOwn(t, server)
	p := newPlace(t, pool)
	path := filepath.Join(t.TempDir(), "spool")
	log, _, end := openSpool(t, path, spool.Options{})
	r := spooling(pool, log, 10*time.Second) // a Postgres that is away is known to be, before that
	if err := r.Record(t.Context(), p.ended("CA before", 60)); err != nil {
		t.Fatal(err)
	}
	if got := r.Stats(); got.Spooled != 0 || got.Spool.Records != 0 {
		t.Errorf("a healthy Postgres has events spooled: %+v", got)
	}
	server.Stop()
	const n = 300
	calls := p.calls(n)
	if err := atOnce(calls, func(e *ledger.Event) error { return r.Record(t.Context(), e) }); err != nil {
		t.Fatal(err)
	}
	for range 2 { // Twilio repeats some
		if err := r.Record(t.Context(), calls[0]); err != nil {
			t.Error(err)
		}
	}
	r.Later(p.ended("CA later", 60))
	if got := r.Stats(); got.Spooled < n || got.Spool.Records < n || got.Spool.Oldest.IsZero() {
		t.Errorf("stats %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := r.Close(ctx); err != nil { // with Postgres away: what waits goes to the disk
		t.Errorf("closing: %v", err)
	}
	end()

	server.Start()
	log, _, end = openSpool(t, path, spool.Options{})
	next := spooling(pool, log, time.Second)
	eventually(t, "the spool is drained", func() bool { return next.Stats().Spool.Records == 0 })
	if got := one[int](t, pool, `SELECT count(*)::int FROM interactions WHERE status = 'completed'`); got != n+2 {
		t.Errorf("%d calls, want %d", got, n+2)
	}
	if got := next.Stats(); got.Drained < n+1 || got.SetAside != 0 {
		t.Errorf("stats %+v", got)
	}
	closeRecorder(t, next)
	end()
}

// A slow Postgres is not waited for past the budget; what both have is counted once.
func TestSpooledPastTheBudget(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, _ := newSpool(t, spool.Options{})
	r := spooling(pool, log, 20*time.Millisecond)
	release := hold(t, pool)
	if err := r.Record(t.Context(), p.ended("CA held", 60)); err != nil {
		t.Fatal(err)
	}
	if got := r.Stats(); got.Spooled != 1 {
		t.Errorf("stats %+v", got)
	}
	release()
	eventually(t, "the spool is drained", func() bool { return r.Stats().Spool.Records == 0 && r.Stats().Waiting == 0 })
	closeRecorder(t, r)
	if got := one[string](t, pool, `SELECT string_agg(sid || ' ' || (SELECT count(*) FROM interaction_events e WHERE e.sid = i.sid), ',') FROM interactions i`); got != "CA held 1" {
		t.Errorf("the ledger has %s", got)
	}
}

// A record that Postgres refuses is set aside with the reason, holds up no other, and can be tried again.
func TestPoisonInTheSpool(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, folder := newSpool(t, spool.Options{})
	poison := p.ended("CA poison", 60)
	poison.Reason = strings.Repeat("x", 10) + "\x00"
	for _, e := range []*ledger.Event{p.ended("CA one", 60), poison, p.ended("CA two", 60), p.ended("CA three", 60)} {
		raw, err := ledger.EncodeEvent(e)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Append(raw); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Append([]byte("\x63of tomorrow")); err != nil {
		t.Fatal(err)
	}
	r := spooling(pool, log, time.Second)
	eventually(t, "the spool is drained", func() bool { return r.Stats().Spool.Records == 0 })
	if got := one[int](t, pool, `SELECT count(*)::int FROM interactions`); got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
	aside, err := spool.ReadAside(folder)
	if err != nil || len(aside) != 2 || r.Stats().SetAside != 2 {
		t.Fatalf("set aside: %+v, %v", aside, err)
	}
	if n, err := spool.AskRetry(folder); n != 2 || err != nil {
		t.Fatalf("asked for %d: %v", n, err)
	}
	eventually(t, "they are tried again", func() bool { return r.Stats().SetAside == 4 && r.Stats().Spool.Records == 0 })
	if again, err := spool.ReadAside(folder); err != nil || len(again) != 2 {
		t.Errorf("set aside again: %+v, %v", again, err)
	}
	closeRecorder(t, r)
}

// Where neither takes an event, nobody is told that it is kept.
func TestNeitherPostgresNorTheSpool(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool := openOwn(t, server)
	p := newPlace(t, pool)
	log, _ := newSpool(t, spool.Options{MaxBytes: 10})
	r := spooling(pool, log, 20*time.Millisecond)
	server.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	err := r.Record(ctx, p.ended("CA lost", 60))
	if p, ok := problem.From(err); !ok || p.Code != problem.CodeUnavailable || !strings.Contains(p.Detail, "disk of this sidecar is full") {
		t.Errorf("recorded: %v", err)
	}
	if got := r.Stats(); got.Refused != 1 || got.Spooled != 0 {
		t.Errorf("stats %+v", got)
	}
	server.Start()
	eventually(t, "Postgres has it", func() bool { return r.Stats().Waiting == 0 })
	closeRecorder(t, r)
}

// The spool costs nothing while Postgres is well: the same events, with and without.
func BenchmarkRecordWithSpool(b *testing.B) {
	for name, with := range map[string]bool{"without": false, "with": true} {
		b.Run(name, func(b *testing.B) {
			pool := pgtest.New(b)
			p := newPlace(b, pool)
			var options []ledger.RecorderOption
			if with {
				folder, err := spool.OpenDir(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				log, _, err := spool.Open(folder, spool.Options{})
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = log.Close(); _ = folder.Close() }()
				options = append(options, ledger.WithSpool(log, 10*time.Second))
			}
			r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler), options...)
			defer closeRecorder(b, r)
			n := 0
			for b.Loop() {
				n++
				if err := r.Record(b.Context(), p.ended(fmt.Sprint("CA", n), 60)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
