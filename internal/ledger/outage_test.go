package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/postgres/pgtest"
)

// While Postgres is away nothing is acknowledged, nobody waits past their time, and nothing is lost.
func TestRecorderOutlivesAnOutage(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*pgtest.Instance, *pgxpool.Pool){
		"stopped": func(server *pgtest.Instance, _ *pgxpool.Pool) { server.Stop() },
		"killed": func(server *pgtest.Instance, pool *pgxpool.Pool) {
			server.Kill()
			pool.Reset() // a connection may outlive the server it was made to for a moment
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgtest.Stoppable(t)
			pool := openOwn(t, server)
			p := newPlace(t, pool)
			r := newRecorder(t, pool)
			if err := r.Record(t.Context(), p.ended("CA before", 60)); err != nil {
				t.Fatal(err)
			}
			end(server, pool)

			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			awaited := []*ledger.Event{p.ended("CA awaited 1", 60), p.ended("CA awaited 2", 60)}
			err := atOnce(awaited, func(e *ledger.Event) error {
				err := r.Record(ctx, e)
				if !unavailable(err) {
					return fmt.Errorf("record: %v, want an unavailable problem", err)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if ctx.Err() == nil {
				t.Error("an event was answered for before its time was up")
			}
			const n = 1000
			for _, e := range p.calls(n) {
				r.Later(e)
			}
			if got := r.Stats(); got.Waiting != n+2 || got.Dropped != 0 {
				t.Errorf("stats %+v, want %d waiting", got, n+2)
			}

			server.Start()
			eventually(t, "everything is written", func() bool { return r.Stats().Waiting == 0 })
			if got, want := r.Stats(), (ledger.Stats{Written: n + 3}); got != want {
				t.Errorf("stats %+v, want %+v", got, want)
			}
			if got := one[int](t, pool, `SELECT count(*)::int FROM interactions WHERE status = 'completed'`); got != n+3 {
				t.Errorf("%d calls, want %d", got, n+3)
			}
			if err := r.Record(t.Context(), p.ended("CA after", 60)); err != nil {
				t.Errorf("after the outage: %v", err)
			}
		})
	}
}

// Whatever was acknowledged while Postgres was being killed is there when it is back, once.
func TestRecorderKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool := openOwn(t, server)
	p := newPlace(t, pool)
	r := newRecorder(t, pool)
	var mu sync.Mutex
	acknowledged := map[string]bool{}
	stop := make(chan struct{})
	var senders sync.WaitGroup
	for sender := range 8 {
		senders.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				sid := fmt.Sprint("CA", sender, "/", i)
				ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
				if r.Record(ctx, p.ended(sid, 60)) == nil {
					mu.Lock()
					acknowledged[sid] = true
					mu.Unlock()
				}
				cancel()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	for range 3 {
		reached := count() + 50
		eventually(t, "more events are acknowledged", func() bool { return count() >= reached })
		server.Kill()
		server.Start()
	}
	reached := count() + 50
	eventually(t, "events are acknowledged again", func() bool { return count() >= reached })
	close(stop)
	senders.Wait()

	kept := map[string]int{}
	for _, i := range p.rows(t).Interactions {
		kept[i.SID]++
	}
	for sid := range acknowledged {
		if kept[sid] != 1 {
			t.Errorf("%s was acknowledged and is kept %d times", sid, kept[sid])
		}
	}
}

func TestRecorderCloseWaitsForPostgresAsLongAsItMay(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool := openOwn(t, server)
	p := newPlace(t, pool)
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	server.Stop()
	const n = 2*ledger.MaxBatch + 1
	for _, e := range p.calls(n) {
		r.Later(e)
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close(context.Background()) }()
	server.Start()
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	if got, want := r.Stats(), (ledger.Stats{Written: n}); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	if got := one[int](t, pool, `SELECT count(*)::int FROM interactions`); got != n {
		t.Errorf("%d calls, want %d", got, n)
	}
}
