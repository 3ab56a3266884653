package outgoing_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ours = phone.Number("+12125550199")

// office is an organisation with things to send, and what Twilio has of them.
type office struct {
	t     *testing.T
	pool  *pgxpool.Pool
	store *outgoing.Store
	org   org.ID

	mu    sync.Mutex
	sent  map[string][]string // what was sent, as Sids by number and text
	asked int
	begun []time.Time
	// answer spoils an answer after Twilio has acted, refuse keeps it from acting; nil does neither.
	answer, refuse func(n int) error
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, pool: pgtest.New(t), sent: map[string][]string{}}
	o.store = outgoing.NewStore(o.pool)
	acme, err := org.NewStore(o.pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	o.org = acme.ID
	return o
}

func (o *office) add(i outgoing.Item) *outgoing.Item {
	o.t.Helper()
	i.OrgID, i.From = o.org, ours
	kept, _, err := o.store.Add(o.t.Context(), i)
	if err != nil {
		o.t.Fatal(err)
	}
	return kept
}

// Send is what Twilio does.
func (o *office) Send(ctx context.Context, i *outgoing.Item) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked++
	if o.refuse != nil {
		if err := o.refuse(o.asked); err != nil {
			return "", err
		}
	}
	sid := fmt.Sprintf("SM%d", o.asked)
	name := string(i.To) + " " + i.Text
	o.sent[name] = append(o.sent[name], sid)
	o.begun = append(o.begun, time.Now())
	if o.answer != nil {
		if err := o.answer(o.asked); err != nil {
			return "", err
		}
	}
	return sid, nil
}

// Find is what Twilio lists.
func (o *office) Find(_ context.Context, i *outgoing.Item) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent[string(i.To)+" "+i.Text], nil
}

// dispatch sends until each item is settled.
func (o *office) dispatch(workers int, pace time.Duration) {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	defer cancel()
	var running sync.WaitGroup
	for range 2 { // two sidecars
		d := &outgoing.Dispatcher{Store: o.store, Sender: o, Pace: pace, Workers: workers, Log: slog.New(slog.DiscardHandler)}
		running.Go(func() { d.Run(ctx) })
	}
	o.until(`SELECT count(*) FROM outgoing WHERE state NOT IN ('sent', 'failed')`, 0)
	cancel()
	running.Wait()
}

func (o *office) until(sql string, want int) {
	o.t.Helper()
	for end := time.Now().Add(90 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var n int
		if err := o.pool.QueryRow(o.t.Context(), sql).Scan(&n); err != nil {
			o.t.Fatal(err)
		}
		if n == want {
			return
		}
		if time.Now().After(end) {
			o.t.Fatalf("%s: %d, not %d", sql, n, want)
		}
	}
}

// hurry makes what waits for a time due.
func (o *office) hurry() {
	if _, err := o.pool.Exec(o.t.Context(), `UPDATE outgoing SET due_at = least(due_at, now()), leased_until = NULL WHERE state IN ('waiting', 'unclear')`); err != nil {
		o.t.Error(err)
	}
}

func TestEachIsSentOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n := range 60 {
		o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: fmt.Sprint(n)})
	}
	o.dispatch(4, 0)
	for name, sids := range o.sent {
		if len(sids) != 1 {
			t.Errorf("%q was sent %d times", name, len(sids))
		}
	}
	if len(o.sent) != 60 {
		t.Errorf("%d were sent", len(o.sent))
	}
}

// Answers are lost, requests refused, and Postgres cannot be told: each is sent once all the same.
func TestEachIsSentOnceWhateverFails(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	random := rand.New(rand.NewPCG(1, 2))
	o.answer = func(int) error {
		switch random.IntN(4) {
		case 0:
			return fmt.Errorf("read: %w", outgoing.ErrUnclear)
		case 1:
			return errors.New("something else")
		}
		return nil
	}
	o.refuse = func(int) error {
		if random.IntN(4) == 0 {
			return problem.New(problem.CodeUnavailable, "Twilio is busy.")
		}
		return nil
	}
	const items = 40
	for n := range items {
		o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: fmt.Sprint(n)})
	}
	ctx, stop := context.WithCancel(t.Context())
	var hurrying sync.WaitGroup
	hurrying.Go(func() {
		for ctx.Err() == nil {
			o.hurry()
			time.Sleep(20 * time.Millisecond)
		}
	})
	o.dispatch(3, 0)
	stop()
	hurrying.Wait()
	for name, sids := range o.sent {
		if len(sids) != 1 {
			t.Errorf("%q was sent %d times", name, len(sids))
		}
	}
	o.until(`SELECT count(DISTINCT sid) FROM outgoing WHERE state = 'sent'`, items)
}

// What a killed worker left is looked for, and two that look alike are told apart.
func TestAKilledWorkerIsFollowed(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	first := o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: "Hello"})
	o.dispatch(1, 0)
	second := o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: "Hello"})
	if _, err := o.pool.Exec(t.Context(), `UPDATE outgoing SET state = 'sending', asked_at = now() - interval '1 hour', leased_until = now() - interval '1 minute' WHERE id = $1::text::uuid`, second.ID); err != nil {
		t.Fatal(err)
	}
	o.dispatch(1, 0) // Twilio has not acted
	a, b := o.get(first.ID), o.get(second.ID)
	if a.SID != "SM1" || b.SID != "SM2" || o.asked != 2 {
		t.Errorf("sent as %s and %s, %d times asked", a.SID, b.SID, o.asked)
	}
	third := o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: "Hello"})
	o.sent["+14155550123 Hello"] = append(o.sent["+14155550123 Hello"], "SM9") // it had
	if _, err := o.pool.Exec(t.Context(), `UPDATE outgoing SET state = 'sending', asked_at = now(), leased_until = now() - interval '1 minute' WHERE id = $1::text::uuid`, third.ID); err != nil {
		t.Fatal(err)
	}
	o.dispatch(1, 0)
	if c := o.get(third.ID); c.SID != "SM9" || o.asked != 2 {
		t.Errorf("sent as %s, %d times asked", c.SID, o.asked)
	}
}

func (o *office) get(id string) *outgoing.Item {
	o.t.Helper()
	i, err := o.store.Get(o.t.Context(), o.org, id)
	if err != nil {
		o.t.Fatal(err)
	}
	return i
}

func TestCallsFromOneNumberArePaced(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for n := range 6 {
		o.add(outgoing.Item{Kind: outgoing.KindCall, To: phone.Number(fmt.Sprintf("+1415555012%d", n))})
	}
	const pace = 100 * time.Millisecond
	o.dispatch(4, pace)
	// Each begins after its turn was taken, and turns are at least the pace apart.
	if took := o.begun[len(o.begun)-1].Sub(o.begun[0]); took < 4*pace {
		t.Errorf("6 calls began within %s", took)
	}
}

// Whoever asks for no more messages while one waits for them gets none.
func TestNothingIsSentToWhoHasOptedOutMeanwhile(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	item := o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155551200", Text: "Hello"})
	if _, err := o.pool.Exec(t.Context(), `INSERT INTO opt_outs (org_id, phone, opted_out_at) VALUES ($1::text::uuid, '+14155551200', now())`, o.org); err != nil {
		t.Fatal(err)
	}
	o.dispatch(1, 0)
	o.until(`SELECT count(*)::int FROM outgoing WHERE state = 'failed'`, 1)
	if got := o.get(item.ID); got.Code != problem.CodeOptedOut || got.SID != "" {
		t.Errorf("it is %+v", got)
	}
}

func TestWhatTwilioRefusesFails(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.refuse = func(int) error { return problem.Invalid("to", "This is no number that can be called.") }
	i := o.add(outgoing.Item{Kind: outgoing.KindCall, To: "+15005550001"})
	o.dispatch(1, 0)
	if got := o.get(i.ID); got.State != outgoing.Failed || got.Code != problem.CodeInvalid || got.Problem != "This is no number that can be called." || o.asked != 1 {
		t.Errorf("%+v after %d requests", got, o.asked)
	}
}

func TestTheSameKeyIsTheSame(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	item := outgoing.Item{OrgID: o.org, Kind: outgoing.KindMessage, From: ours, To: "+14155550123", Text: "Hello", Key: "k"}
	ids := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			kept, _, err := o.store.Add(t.Context(), item)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[kept.ID]++
		})
	}
	all.Wait()
	if len(ids) != 1 {
		t.Errorf("one key is %d items", len(ids))
	}
	item.Text = "Something else"
	_, _, err := o.store.Add(t.Context(), item)
	if p, ok := problem.From(err); !ok || p.Code != problem.CodeIdempotencyKeyReused {
		t.Errorf("another text under the key: %v", err)
	}
	item.Kind = outgoing.KindCall // a key is one kind's
	if _, added, err := o.store.Add(t.Context(), item); err != nil || !added {
		t.Errorf("a call under the key: %v", err)
	}
}

func TestAWebhookTellsTheSid(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	i := o.add(outgoing.Item{Kind: outgoing.KindCall, To: "+14155550123", Context: "They asked for a call."})
	for range 2 {
		bound, err := o.store.Bind(t.Context(), o.org, i.ID, "CA1")
		if err != nil || bound.SID != "CA1" || bound.State != outgoing.Sent || bound.Context != "They asked for a call." {
			t.Errorf("%+v, %v", bound, err)
		}
	}
	for name, bind := range map[string]func() (*outgoing.Item, error){
		"another Sid": func() (*outgoing.Item, error) { return o.store.Bind(t.Context(), o.org, i.ID, "CA2") },
		"another org": func() (*outgoing.Item, error) {
			return o.store.Bind(t.Context(), "6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11", i.ID, "CA1")
		},
		"no id": func() (*outgoing.Item, error) { return o.store.Bind(t.Context(), o.org, "x", "CA1") },
	} {
		if _, err := bind(); err == nil {
			t.Errorf("%s was bound", name)
		}
	}
	o.dispatch(1, 0)
	if o.asked != 0 {
		t.Error("it was sent again")
	}
}

func TestWhatIsLongSettledGoes(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	old, fresh := o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: "old"}), o.add(outgoing.Item{Kind: outgoing.KindMessage, To: "+14155550123", Text: "fresh"})
	o.dispatch(1, 0)
	if _, err := o.pool.Exec(t.Context(), `UPDATE outgoing SET settled_at = now() - interval '31 days' WHERE id = $1::text::uuid`, old.ID); err != nil {
		t.Fatal(err)
	}
	if err := o.store.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.get(fresh.ID)
	if _, err := o.store.Get(t.Context(), o.org, old.ID); err == nil {
		t.Error("it is still there")
	}
}
