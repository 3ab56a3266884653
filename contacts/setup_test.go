package contacts_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
	"ringside/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shelf is an address book on a database of its own, with one organisation.
type shelf struct {
	*contacts.Book
	pool *pgxpool.Pool
	org  org.Org
}

// newShelf returns an empty address book of an organisation in the United States without a limit.
func newShelf(t *testing.T) shelf {
	t.Helper()
	pool := pgtest.New(t)
	return shelf{contacts.NewBook(pool, contacts.NoFence{}), pool, newOrg(t, pool, nil)}
}

func newOrg(t *testing.T, pool *pgxpool.Pool, limit *int) org.Org {
	t.Helper()
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US", ContactLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func (s shelf) mustAdd(t *testing.T, d contacts.Draft) contacts.Contact {
	t.Helper()
	c, err := s.Add(t.Context(), s.org, d)
	if err != nil {
		t.Fatalf("Add(%+v): %v", d, err)
	}
	return c
}

func (s shelf) mustExec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// one returns the single value of a query.
func one[T any](t *testing.T, s shelf, sql string, args ...any) (value T) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), sql, args...).Scan(&value); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// ownNumber gives the organisation a phone number of its own.
func (s shelf) ownNumber(t *testing.T, n phone.Number) {
	t.Helper()
	store := org.NewStore(s.pool).WithKeys(seal.Plain)
	agent, err := store.CreateAgent(t.Context(), org.Agent{OrgID: s.org.ID, Name: "Reception", Greeting: "Hello!", RuntimeURL: "ws://localhost/"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.AddNumber(t.Context(), org.Number{OrgID: s.org.ID, Phone: n, AgentID: agent.ID, AccountSID: "AC00000000000000000000000000000001"}, "token")
	if err != nil {
		t.Fatal(err)
	}
}

// atOnce calls fn n times, all at the same moment, and returns what the calls returned.
func atOnce[T any](n int, fn func(i int) (T, error)) ([]T, []error) {
	values, errs := make([]T, n), make([]error, n)
	start := make(chan struct{})
	var calls sync.WaitGroup
	for i := range n {
		calls.Go(func() {
			<-start
			values[i], errs[i] = fn(i)
		})
	}
	close(start)
	calls.Wait()
	return values, errs
}

// awaitLock returns when a connection to this database waits for a lock, or a call that was to wait
// has ended instead.
func (s shelf) awaitLock(t *testing.T, call <-chan error) {
	t.Helper()
	for len(call) == 0 && one[int](t, s, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0 {
	}
}

// patiently calls fn again, a few times, when it ran out of the time that a fenced transaction has,
// as it may on a machine with more to do: nothing was written then.
func patiently[T any](fn func() (T, error)) (value T, err error) {
	for range 5 {
		if value, err = fn(); !errors.Is(err, context.DeadlineExceeded) {
			break
		}
	}
	return value, err
}

// refused fails the test unless err is a problem with the given code, and returns it.
func refused(t *testing.T, err error, code problem.Code) *problem.Error {
	t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Code != code {
		t.Fatalf("the error is %v, want a problem with code %s", err, code)
	}
	return p
}
