package ledger_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

// BenchmarkRecord measures one durable event, the end of a call of one of a thousand people, with a
// number of senders who each wait for their own: through the recorder, and with a transaction for
// each event. Postgres syncs to disk, as it does in production.
func BenchmarkRecord(b *testing.B) {
	p := newPlace(b, durable(b))
	var sent atomic.Int64
	next := func() *ledger.Event {
		i := sent.Add(1)
		e := p.ended(fmt.Sprint("CA", i), 60)
		e.Party = phone.Number(fmt.Sprintf("+1415555%04d", i%1000))
		return e
	}
	for _, waiters := range []int{1, 32, 64} {
		b.Run(fmt.Sprintf("recorder/waiters=%d", waiters), func(b *testing.B) {
			r := ledger.NewRecorder(p.pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
			defer closeRecorder(b, r)
			measure(b, waiters, func() error { return r.Record(context.Background(), next()) })
		})
		b.Run(fmt.Sprintf("transaction_each/waiters=%d", waiters), func(b *testing.B) {
			measure(b, waiters, func() error {
				return ledger.Apply(context.Background(), p.pool, contacts.NoFence{}, nil, []*ledger.Event{next()})
			})
		})
	}
}

// measure runs do with the given number of callers at once.
func measure(b *testing.B, callers int, do func() error) {
	b.Helper()
	if callers == 1 {
		for b.Loop() {
			if err := do(); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := do(); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// durable returns a pool on a server of its own that syncs to disk.
func durable(b *testing.B) *pgxpool.Pool {
	b.Helper()
	quiet := slog.New(slog.DiscardHandler)
	server, err := postgres.StartPrivate(b.Context(), pgtest.DataDir(b), quiet)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := server.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	})
	pool, err := postgres.Open(b.Context(), server.URL(""))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(pool.Close)
	if _, err := postgres.Migrate(b.Context(), pool); err != nil {
		b.Fatal(err)
	}
	return pool
}
