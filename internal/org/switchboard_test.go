package org_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
)

func load(t *testing.T, s *org.Switchboard) {
	t.Helper()
	if err := s.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestSwitchboardLoad(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	ours, theirs := newOffice(t, pool, "Ours"), newOffice(t, pool, "Theirs")
	ours.mustAddNumber(t, number, account, "our token")
	theirs.mustAddNumber(t, otherNumber, otherAccount, "their token")
	s := org.NewSwitchboard(pool)
	load(t, s)

	want := &org.Route{Phone: number, AccountSID: account, Org: &ours.org, Agent: &ours.agent}
	if diff := cmp.Diff(want, s.Route(t.Context(), number)); diff != "" {
		t.Errorf("our number leads to (-want, +got):\n%s", diff)
	}
	if got := s.Route(t.Context(), otherNumber); got == nil || got.Org.ID != theirs.org.ID || got.Agent.ID != theirs.agent.ID {
		t.Errorf("their number leads to %+v", got)
	}
	ourAccount := &org.Account{SID: account, OrgID: ours.org.ID, AuthToken: "our token"}
	theirAccount := &org.Account{SID: otherAccount, OrgID: theirs.org.ID, AuthToken: "their token"}
	if diff := cmp.Diff(ourAccount, s.Account(t.Context(), account)); diff != "" {
		t.Errorf("our account (-want, +got):\n%s", diff)
	}
	if diff := cmp.Diff([]*org.Account{theirAccount, ourAccount}, s.Accounts()); diff != "" {
		t.Errorf("accounts, the newest first (-want, +got):\n%s", diff)
	}
	for _, owns := range []struct {
		who  office
		n    phone.Number
		want bool
	}{{ours, number, true}, {ours, otherNumber, false}, {theirs, otherNumber, true}, {theirs, number, false}, {ours, "+12125550197", false}, {ours, "", false}} {
		if got := s.Owns(owns.who.org.ID, owns.n); got != owns.want {
			t.Errorf("%s owns %s: %t, want %t", owns.who.org.Name, owns.n, got, owns.want)
		}
	}
}

func TestSwitchboardLoadShowsWhatHasChanged(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o := newOffice(t, pool, "Acme")
	o.mustAddNumber(t, number, account, "token")
	s := org.NewSwitchboard(pool)
	load(t, s)
	before := s.Route(t.Context(), number)
	for _, sql := range []string{`UPDATE voice_agents SET greeting = 'Welcome'`, `UPDATE twilio_accounts SET auth_token = 'new'`, `UPDATE orgs SET contact_limit = 5`} {
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Route(t.Context(), number); got != before {
		t.Error("a route that is known was looked up again")
	}
	load(t, s)
	if got := s.Route(t.Context(), number); got.Agent.Greeting != "Welcome" || *got.Org.ContactLimit != 5 {
		t.Errorf("after a load, the agent is %+v of %+v", got.Agent, got.Org)
	}
	if got := s.Account(t.Context(), account).AuthToken; got != "new" {
		t.Errorf("after a load, the token is %q", got)
	}
	if before.Agent.Greeting != o.agent.Greeting {
		t.Error("a call that is being answered saw its agent change")
	}
	if err := o.Delete(t.Context(), o.org.ID); err != nil {
		t.Fatal(err)
	}
	load(t, s)
	if s.Route(t.Context(), number) != nil || s.Account(t.Context(), account) != nil || len(s.Accounts()) != 0 || s.Owns(o.org.ID, number) {
		t.Error("an organisation that was deleted is still there")
	}
}

// counted returns a pool that counts the batches sent through it: each load is one.
func counted(t *testing.T) (*pgxpool.Pool, *atomic.Int64) {
	t.Helper()
	c := &loadCounter{}
	pool, err := postgres.Open(t.Context(), pgtest.URL(t), func(config *pgxpool.Config) { config.ConnConfig.Tracer = c })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool, &c.loads
}

type loadCounter struct{ loads atomic.Int64 }

func (c *loadCounter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	c.loads.Add(1)
	return ctx
}
func (*loadCounter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*loadCounter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}
func (*loadCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (*loadCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func TestSwitchboardFindsWhatWasAddedAMomentAgo(t *testing.T) {
	t.Parallel()
	pool, loads := counted(t)
	o := newOffice(t, pool, "Acme")
	s := org.NewSwitchboard(pool)
	load(t, s)
	o.mustAddNumber(t, number, account, "token")
	s.Forget()
	if got := s.Route(t.Context(), number); got == nil || got.Agent.ID != o.agent.ID {
		t.Errorf("the new number leads to %+v", got)
	}
	if got := s.Account(t.Context(), account); got == nil || got.AuthToken != "token" {
		t.Errorf("the new account is %+v", got)
	}
	if got := loads.Load(); got != 2 {
		t.Errorf("%d loads, want the first and one for the miss", got)
	}
}

// A flood of forged requests must not become a flood of queries.
func TestSwitchboardMissesLoadOnceASecond(t *testing.T) {
	t.Parallel()
	pool, loads := counted(t)
	s := org.NewSwitchboard(pool)
	began := time.Now()
	var flood sync.WaitGroup
	for range 50 {
		flood.Go(func() {
			for range 20 {
				if s.Route(t.Context(), number) != nil || s.Account(t.Context(), account) != nil || s.Account(t.Context(), "") != nil {
					t.Error("there is nothing to be found")
				}
			}
		})
	}
	flood.Wait()
	most := 1 + int64(time.Since(began)/time.Second)
	if got := loads.Load(); got < 1 || got > most {
		t.Errorf("%d loads for 3000 misses in %v, want at most %d", got, time.Since(began), most)
	}
	s.Forget()
	before := loads.Load()
	if s.Route(t.Context(), "") != nil || loads.Load() != before {
		t.Error("no number at all is looked for")
	}
}

// Whoever misses while the switchboard is being loaded waits for that load.
func TestSwitchboardMissWaitsForTheLoadUnderWay(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o := newOffice(t, pool, "Acme")
	o.mustAddNumber(t, number, account, "token")
	s := org.NewSwitchboard(pool)
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback(context.Background()) }()
	if _, err := lock.Exec(t.Context(), `LOCK TABLE phone_numbers IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	loaded := make(chan error, 1)
	go func() { loaded <- s.Load(context.Background()) }()
	waitForLock(t, pool)
	began := time.Now()
	found := make(chan *org.Route, 1)
	go func() { found <- s.Route(context.Background(), number) }()
	select {
	case got := <-found: // out of patience, on a very slow machine
		found <- got
		if took := time.Since(began); took < org.MissPatience {
			t.Errorf("a miss was answered after %v, while the load was under way", took)
		}
	case <-time.After(org.MissPatience / 10):
	}
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-found:
		if got == nil && time.Since(began) < org.MissPatience {
			t.Error("a miss did not see what the load had brought")
		}
	case <-time.After(30 * time.Second):
		t.Error("a miss waits for ever")
	}
}

func waitForLock(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(time.Millisecond) {
		var waits bool
		err := pool.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
		if err != nil {
			t.Fatal(err)
		}
		if waits {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for the lock")
		}
	}
}

// A Postgres that hangs holds up neither the calls that are known nor, for long, anybody else.
func TestSwitchboardMissIsBoundedWhilePostgresHangs(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o := newOffice(t, pool, "Acme")
	o.mustAddNumber(t, number, account, "token")
	s := org.NewSwitchboard(pool)
	load(t, s)
	lock, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lock.Rollback(context.Background()) }()
	if _, err := lock.Exec(t.Context(), `LOCK TABLE phone_numbers IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	s.Forget()
	if s.Route(context.Background(), otherNumber) != nil { // it would wait for ever
		t.Error("a number that does not exist leads somewhere")
	}
	if s.Route(t.Context(), number) == nil {
		t.Error("a number that was known is not any more")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	stuck := make(chan error, 1)
	long, giveUp := context.WithCancel(t.Context())
	go func() { stuck <- s.Load(long) }()
	waitForLock(t, pool)
	if err := s.Load(ctx); err == nil {
		t.Error("a load did not wait for the one before")
	}
	giveUp()
	if err := <-stuck; err == nil {
		t.Error("a load succeeded although the numbers are locked")
	}
	if s.Route(t.Context(), number) == nil {
		t.Error("a load that failed took what was known with it")
	}
}

func TestSwitchboardKeepsItsStateWhilePostgresIsAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Stoppable(t)
	pool, err := postgres.Open(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	o := newOffice(t, pool, "Acme")
	o.mustAddNumber(t, number, account, "token")
	s := org.NewSwitchboard(pool)
	load(t, s)
	server.Stop()

	if err := s.Load(t.Context()); err == nil {
		t.Error("no error although Postgres is away")
	}
	s.Forget()
	if s.Route(t.Context(), otherNumber) != nil {
		t.Error("a number that does not exist leads somewhere")
	}
	if got := s.Route(t.Context(), number); got == nil || got.Agent.ID != o.agent.ID || !s.Owns(o.org.ID, number) {
		t.Errorf("the number leads to %+v", got)
	}
	if got := s.Account(t.Context(), account); got == nil || got.AuthToken != "token" {
		t.Errorf("the account is %+v", got)
	}

	server.Start()
	o.mustAddNumber(t, otherNumber, account, "token")
	load(t, s)
	if s.Route(t.Context(), otherNumber) == nil {
		t.Error("a number that was added after the outage leads nowhere")
	}
}
