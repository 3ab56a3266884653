package cache_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/wirefault"
)

// mortals is how many writers who die there are in a world that has some; one who has died is born again.
const mortals = 6

// mortal is a writer whose line to Postgres is cut while it writes.
type mortal struct {
	name    string // of its connections
	line    *pgxpool.Pool
	wire    *wirefault.Proxy
	commits chan struct{} // has something when a COMMIT, or what is one by itself, has just set out
}

// TraceQueryStart makes it a [pgx.QueryTracer].
func (m *mortal) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	verb, _, _ := strings.Cut(strings.TrimSpace(data.SQL), " ")
	alone := conn.PgConn().TxStatus() == 'I' && slices.Contains([]string{"INSERT", "UPDATE", "DELETE"}, strings.TrimSpace(verb))
	if verb == "commit" || alone {
		select {
		case m.commits <- struct{}{}:
		default:
		}
	}
	return ctx
}

// TraceQueryEnd makes it a [pgx.QueryTracer].
func (m *mortal) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// fates counts what became of what mortals wrote.
type fates struct{ confirmed, committed, lost atomic.Int64 }

func (f *fates) String() string {
	return fmt.Sprintf("%d confirmed, %d committed unbeknown to their writer, %d lost", f.confirmed.Load(), f.committed.Load(), f.lost.Load())
}

// errLost means that what was written was never committed.
var errLost = errors.New("never committed")

// bear makes the world's mortals.
func (w *world) bear(t *testing.T) {
	t.Helper()
	w.mortals = make(chan *mortal, mortals)
	for i := range mortals {
		m := &mortal{name: fmt.Sprintf("mortal %d", i), commits: make(chan struct{}, 1)}
		m.line, m.wire = w.poolOnLine(t, func(c *pgxpool.Config) {
			c.ConnConfig.RuntimeParams["application_name"], c.ConnConfig.Tracer = m.name, m
		})
		w.mortals <- m
	}
}

// writeAndDie changes somebody over a line that is cut meanwhile: before COMMIT, while it is on its way, or when
// it is done. Afterwards Postgres tells which: the chronicle knows every commit, and that what was lost never was.
func (w *world) writeAndDie(s *subject, skew time.Duration, random *rand.Rand, version string) error {
	m := <-w.mortals
	defer func() { w.mortals <- m }()
	before, err := w.inPostgres(s)
	if err == nil {
		err = m.line.Ping(w.t.Context()) // it dies as it writes, not as it connects
	}
	if err != nil {
		return err
	}
	value, commit := s.write(w.t.Context(), &writer{w, m.line, skew}, random, version)
	err = s.chronicle.write(value, func() error {
		wrote := make(chan struct{})
		cut := m.dieWhile(wrote, random)
		err := commit()
		close(wrote)
		<-cut
		held, unread := w.leftBy(m, s)
		switch {
		case err == nil:
			w.fates.confirmed.Add(1)
			return nil
		case unread != nil:
			return unread
		case held == before:
			w.fates.lost.Add(1)
			return errLost
		case held == value:
			w.fates.committed.Add(1)
			return nil
		}
		return fmt.Errorf("there is %q in the place of %q: %w", held, before, err)
	})
	if errors.Is(err, errLost) {
		return nil
	}
	return err
}

// silence is how long a line may say nothing before it is found to be cut.
const silence = 100 * time.Millisecond

// dieWhile cuts the line, at once or after it has been silent for a while: rather at a COMMIT than before, and at
// the latest when all is written. cut is closed when that is done.
func (m *mortal) dieWhile(wrote <-chan struct{}, random *rand.Rand) (cut chan struct{}) {
	select {
	case <-m.commits: // of a life before
	default:
	}
	at, silent := time.Duration(random.Int64N(int64(time.Millisecond))), random.IntN(3) == 0
	var early <-chan time.Time
	if random.IntN(4) == 0 {
		early = time.After(at)
	}
	cut = make(chan struct{})
	go func() {
		defer close(cut)
		select {
		case <-early:
		case <-wrote:
		case <-m.commits:
			time.Sleep(at)
		}
		if silent {
			m.wire.BlackHole(true)
			defer m.wire.BlackHole(false)
			time.Sleep(silence)
		}
		m.wire.Refuse(true)
	}()
	return cut
}

// leftBy returns what one number is in Postgres when all is over that a dead writer has left there, which then may
// write again.
func (w *world) leftBy(m *mortal, s *subject) (value string, err error) {
	defer func() {
		m.line.Reset()
		m.wire.Refuse(false)
	}()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		var left int
		if err := w.pool.QueryRow(w.t.Context(), `
			SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`, m.name).Scan(&left); err != nil {
			return "", err
		}
		if left == 0 {
			return w.inPostgres(s)
		}
		if time.Now().After(deadline) {
			return "", fmt.Errorf("%d connections of a dead writer are left", left)
		}
	}
}

// inPostgres returns what one number is in Postgres.
func (w *world) inPostgres(s *subject) (string, error) {
	finding, err := w.sidecars[0].reader.next.Find(w.t.Context(), w.org.ID, s.number)
	if err != nil {
		return "", err
	}
	return s.read(finding.Record), nil
}
