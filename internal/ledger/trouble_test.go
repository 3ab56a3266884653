package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/spool"
)

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
	log, _ := newSpool(t, spool.Options{})
	fillLog(t, log, p, 300)
	r := spooling(pool, log, 250*time.Millisecond)
	eventually(t, "the spool is drained", func() bool { return r.Stats().Spool.Records == 0 })
	closeRecorder(t, r)
}

// Somebody has locked one caller's row and gone to lunch. Nobody else's calls wait for that, and nothing is set aside.
func TestALockedRowHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	p.addContact(t, alex, "Alex Chen")
	log, _ := newSpool(t, spool.Options{})
	r := spooling(pool, log, 20*time.Millisecond)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM contacts FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	record := func(n phone.Number, sids ...string) {
		for _, sid := range sids {
			e := p.ended(sid, 60)
			e.Party = n
			if err := r.Record(t.Context(), e); err != nil {
				t.Errorf("%s is not kept: %v", sid, err)
			}
		}
	}
	written := func(sid string) bool {
		return one[bool](t, pool, `SELECT EXISTS (SELECT FROM interactions WHERE sid = $1)`, sid)
	}
	r.Later(p.ended("CA locked later", 60))
	record(alex, "CA locked 1")
	record(jo, "CA free 1")
	eventually(t, "another caller's call is written", func() bool { return written("CA free 1") })
	record(alex, "CA locked 2")
	record(jo, "CA free 2", "CA free 3")
	eventually(t, "others' calls are written", func() bool { return written("CA free 2") && written("CA free 3") })
	if written("CA locked 1") || written("CA locked 2") {
		t.Fatal("the row is not locked: nothing is tested")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all are written", func() bool {
		return written("CA locked 1") && written("CA locked 2") && written("CA locked later") && r.Stats().Spool.Records == 0
	})
	if got := r.Stats(); got.SetAside != 0 || got.Dropped != 0 {
		t.Errorf("stats %+v", got)
	}
	closeRecorder(t, r)
}

// Another program's trigger refuses one call. Nothing behind it may wait for that.
func TestARefusalOfAnotherClassDoesNotStopTheDrain(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.sid = 'CA 0003' THEN RAISE EXCEPTION 'not this one'; END IF; RETURN NEW; END $$`)
	exec(t, pool, `CREATE TRIGGER no BEFORE INSERT ON interactions FOR EACH ROW EXECUTE FUNCTION no()`)
	log, _ := newSpool(t, spool.Options{})
	fillLog(t, log, p, 600)
	r := spooling(pool, log, 250*time.Millisecond)
	eventually(t, "the others are written", func() bool { return r.Stats().Spool.Records <= 1 })
	closeRecorder(t, r)
}

// 54000 is also what Postgres says when it takes nothing more at all: transaction ids used up (wraparound), NOTIFY queue
// full. That is Postgres being away, and no reason to set anything aside or to refuse a message.
func TestAPostgresAtItsLimitIsAway(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'too many notifications in the NOTIFY queue' USING ERRCODE = '54000'; END $$`)
	exec(t, pool, `CREATE TRIGGER no BEFORE INSERT ON interaction_events FOR EACH STATEMENT EXECUTE FUNCTION no()`)
	log, folder := newSpool(t, spool.Options{})
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
	eventually(t, "a Postgres that is well again has all", func() bool { return one[int](t, pool, `SELECT count(*)::int FROM interactions`) == 21 })
	closeRecorder(t, r)
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
	log, _ := newSpool(t, spool.Options{})
	h := &hung{Log: log, release: make(chan struct{})}
	r := spooling(pool, h, 20*time.Millisecond)
	release := hold(t, pool)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := r.Record(ctx, p.ended("CA given up", 60)); ctx.Err() == nil || !unavailable(err) {
		t.Errorf("neither Postgres nor the disk has it, and it is answered %v, %v", err, ctx.Err())
	}
	ctx, cancel = context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	large := p.ended("CA large", 60)
	large.Text = strings.Repeat("x", ledger.MaxWaitingBytes)
	if err := r.Record(ctx, large); ctx.Err() == nil || !unavailable(err) {
		t.Errorf("what cannot wait in memory is answered %v, %v", err, ctx.Err())
	}
	result := make(chan error, 1)
	go func() { result <- r.Record(t.Context(), p.ended("CA held", 60)) }()
	eventually(t, "the disk is asked for all", func() bool { return h.appends.Load() == 3 })
	release() // Postgres takes them now
	if err := <-result; err != nil {
		t.Errorf("Postgres has it, and it is answered %v", err)
	}
	close(h.release)
	eventually(t, "the spool is drained", func() bool { return r.Stats().Spool.Records == 0 && r.Stats().Waiting == 0 })
	closeRecorder(t, r)
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
	log, _ := newSpool(t, spool.Options{})
	c := &counted{Log: log}
	r := spooling(pool, c, 20*time.Millisecond)
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
	log, _ := newSpool(t, spool.Options{})
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
}

// What Postgres takes after all is not counted as refused.
func TestWhatIsTakenAfterAllIsNotRefused(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	log, _ := newSpool(t, spool.Options{MaxBytes: 10})
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
}

// What Postgres refuses for what is in it is kept with the reason, also while Postgres is well.
func TestWhatIsRefusedIsSetAside(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `ALTER TABLE interactions ADD CONSTRAINT theirs CHECK (sid <> 'CA poison')`)
	log, folder := newSpool(t, spool.Options{})
	r := spooling(pool, log, 10*time.Second)
	if written, err := r.Keep(t.Context(), p.ended("CA poison", 60)); written || err != nil {
		t.Errorf("it is written: %v, %v", written, err)
	}
	eventually(t, "it is set aside", func() bool { aside, _ := spool.ReadAside(folder); return len(aside) == 1 })
	if written, err := r.Keep(t.Context(), p.ended("CA good", 60)); !written || err != nil {
		t.Errorf("the next is written: %v, %v", written, err)
	}
	closeRecorder(t, r)
}

// A login that Postgres refuses says nothing about an event: it is as if Postgres were away.
func TestARefusedLoginIsNoRefusal(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	exec(t, pool, `CREATE ROLE "ledger_login_`+string(p.org.ID)+`" NOLOGIN`)
	config := pool.Config()
	config.ConnConfig.User = "ledger_login_" + string(p.org.ID)
	locked, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(locked.Close)
	log, folder := newSpool(t, spool.Options{})
	r := spooling(locked, log, 20*time.Millisecond)
	for n := range 3 {
		if written, err := r.Keep(t.Context(), p.ended(fmt.Sprint("CA", n), 60)); written || err != nil {
			t.Errorf("it is written: %v, %v", written, err)
		}
	}
	time.Sleep(2 * time.Second)
	if aside, _ := spool.ReadAside(folder); len(aside) > 0 || r.Stats().Spool.Records != 3 {
		t.Errorf("%d events are set aside, stats %+v", len(aside), r.Stats())
	}
	exec(t, pool, `DROP ROLE "ledger_login_`+string(p.org.ID)+`"`)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_ = r.Close(ctx)
}
