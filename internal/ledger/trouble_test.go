package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/spool"
)

func within(d time.Duration, holds func() bool) bool {
	for deadline := time.Now().Add(d); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return true
		}
	}
	return holds()
}

// fillLog puts ended calls into the log.
func fillLog(t *testing.T, log *spool.Log, p place, n int) {
	t.Helper()
	var all [][]byte
	for i := range n {
		raw, err := ledger.EncodeEvent(p.ended(fmt.Sprintf("CA %04d", i), 60))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	if err := log.Append(all...); err != nil {
		t.Fatal(err)
	}
}

// A Postgres that takes 20 ms for a call is slow, and well: it takes 50 a second. 256 at once take more than the 2 s of a
// fenced commit, every time.
func TestDrainIntoASlowPostgres(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END $$`)
	exec(t, pool, `CREATE TRIGGER slow BEFORE INSERT ON interactions FOR EACH ROW EXECUTE FUNCTION slow()`)
	log, _, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{})
	fillLog(t, log, p, 300)
	r := spooling(pool, log, 250*time.Millisecond)
	if !within(25*time.Second, func() bool { return r.Stats().Spool.Records == 0 }) {
		t.Errorf("after 25 s, in which there is time for 1250: %d of 300 in Postgres, stats %+v", one[int](t, pool, `SELECT count(*)::int FROM interactions`), r.Stats())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Close(ctx)
	end()
}

// Another program's trigger refuses one call. Nothing behind it may wait for that.
func TestARefusalOfAnotherClassDoesNotStopTheDrain(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.sid = 'CA 0003' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$`)
	exec(t, pool, `CREATE TRIGGER no BEFORE INSERT ON interactions FOR EACH ROW EXECUTE FUNCTION no()`)
	log, _, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{})
	fillLog(t, log, p, 600)
	r := spooling(pool, log, 250*time.Millisecond)
	if !within(8*time.Second, func() bool { return r.Stats().Spool.Records <= 1 }) {
		t.Errorf("after 8 s: %d of 599 in Postgres, stats %+v", one[int](t, pool, `SELECT count(*)::int FROM interactions`), r.Stats())
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = r.Close(ctx)
	end()
}

// 54000 is also what Postgres says when it takes nothing more at all: transaction ids used up (wraparound), NOTIFY queue
// full. That is Postgres being away, and no reason to set anything aside or to refuse a message.
func TestAPostgresAtItsLimitIsAway(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'too many notifications in the NOTIFY queue' USING ERRCODE = '54000'; END $$`)
	exec(t, pool, `CREATE TRIGGER no BEFORE INSERT ON interaction_events FOR EACH STATEMENT EXECUTE FUNCTION no()`)
	log, folder, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{})
	fillLog(t, log, p, 20)
	r := spooling(pool, log, 250*time.Millisecond)
	if err := r.Record(t.Context(), p.ended("CA new", 60)); err != nil {
		t.Errorf("there is a spool, and the event is not acknowledged: %v", err)
	}
	time.Sleep(time.Second)
	if aside, _ := spool.ReadAside(folder); len(aside) > 0 {
		t.Errorf("%d acknowledged events wait for a person, stats %+v", len(aside), r.Stats())
	}
	exec(t, pool, `DROP TRIGGER no ON interaction_events`)
	if !within(5*time.Second, func() bool { return one[int](t, pool, `SELECT count(*)::int FROM interactions`) == 21 }) {
		t.Errorf("Postgres is well again: it has %d of 21", one[int](t, pool, `SELECT count(*)::int FROM interactions`))
	}
	closeRecorder(t, r)
	end()
}

// hung is a disk whose fsync takes long, as of a volume that is throttled or lost for a while.
type hung struct {
	*spool.Log
	appends atomic.Int64
	release chan struct{}
}

func (h *hung) Append(data ...[]byte) error {
	h.appends.Add(1)
	<-h.release
	return h.Log.Append(data...)
}

// Whoever waits for an event to be durable waits no longer than their context, and is told when Postgres has it.
func TestAHungDisk(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, _, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{})
	h := &hung{Log: log, release: make(chan struct{})}
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler), ledger.WithSpool(h, 20*time.Millisecond))
	release := hold(t, pool)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	result := make(chan error, 1)
	go func() { result <- r.Record(ctx, p.ended("CA held", 60)) }()
	time.Sleep(200 * time.Millisecond)
	release() // Postgres takes it now, within the patience of the webhook
	select {
	case err := <-result:
		t.Logf("recorded: %v", err)
	case <-time.After(5 * time.Second):
		t.Errorf("4.5 s after its context ended Record has not returned, though Postgres has the event: %d", one[int](t, pool, `SELECT count(*)::int FROM interactions`))
	}
	close(h.release)
	eventually(t, "the spool is drained", func() bool { return r.Stats().Spool.Records == 0 && r.Stats().Waiting == 0 })
	closeRecorder(t, r)
	end()
}

// counted counts the appends.
type counted struct {
	*spool.Log
	appends atomic.Int64
}

func (c *counted) Append(data ...[]byte) error {
	c.appends.Add(1)
	return c.Log.Append(data...)
}

// What waits in memory at a stop goes to the disk together, not with an fsync each.
func TestWhatIsLeftSharesAnFsync(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, _, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{})
	c := &counted{Log: log}
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler), ledger.WithSpool(c, 20*time.Millisecond))
	release := hold(t, pool)
	const n = 5000
	for i := range n {
		r.Later(p.inbound(fmt.Sprint("CA", i), "voice", nil))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_ = r.Close(ctx)
	if got := c.appends.Load(); got > n/ledger.MaxBatch*2 {
		t.Errorf("%d events cost %d appends, one fsync after another, and %s", n, got, time.Since(began))
	}
	release()
	end()
}

// refusing is a spool that can set nothing aside.
type refusing struct{ *spool.Log }

func (refusing) SetAside(spool.Record, string) error { return errors.New("read-only file system") }

type lines struct {
	slog.Handler
	n *atomic.Int64
}

func (l lines) Enabled(context.Context, slog.Level) bool { return true }
func (l lines) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "set aside") {
		l.n.Add(1)
	}
	return nil
}

// A fault is logged once, and what is not set aside is not counted as such.
func TestSettingAsideThatFails(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, _, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{})
	poison := p.ended("CA poison", 60)
	poison.Reason = "\x00"
	raw, err := ledger.EncodeEvent(poison)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Append(raw); err != nil {
		t.Fatal(err)
	}
	var n atomic.Int64
	r := ledger.NewRecorder(pool, contacts.NoFence{}, nil, slog.New(lines{slog.DiscardHandler, &n}), ledger.WithSpool(refusing{log}, 20*time.Millisecond))
	time.Sleep(4 * time.Second)
	if got := n.Load(); got > 2 || r.Stats().SetAside > 0 {
		t.Errorf("in 4 s it logged %d lines, and counted %d set aside of none", got, r.Stats().SetAside)
	}
	closeRecorder(t, r)
	end()
}

// What Postgres takes after all is not counted as refused.
func TestWhatIsTakenAfterAllIsNotRefused(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, _, end := openSpool(t, filepath.Join(t.TempDir(), "spool"), spool.Options{MaxBytes: 10})
	r := spooling(pool, log, 20*time.Millisecond)
	release := hold(t, pool)
	time.AfterFunc(300*time.Millisecond, release)
	if err := r.Record(t.Context(), p.ended("CA held", 60)); err != nil {
		t.Fatal(err)
	}
	if got := r.Stats().Refused; got != 0 {
		t.Errorf("acknowledged, and counted as %d not acknowledged", got)
	}
	closeRecorder(t, r)
	end()
}
