package org_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
	"ringside/internal/seal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	account      = "AC00000000000000000000000000000001"
	otherAccount = "AC00000000000000000000000000000002"
	number       = phone.Number("+12125550199")
	otherNumber  = phone.Number("+12125550198")
	nowhere      = "00000000-0000-4000-8000-000000000000" // an id that nothing has
)

// office is an organisation with a voice agent.
type office struct {
	*org.Store
	pool  *pgxpool.Pool
	org   org.Org
	agent org.Agent
}

func newOffice(t *testing.T, pool *pgxpool.Pool, name string) office {
	t.Helper()
	s := org.NewStore(pool).WithKeys(seal.Plain)
	o, err := s.CreateOrg(context.Background(), org.Org{Name: name, Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.CreateAgent(context.Background(), draft(o.ID))
	if err != nil {
		t.Fatal(err)
	}
	return office{s, pool, o, a}
}

// draft is an agent that nothing is wrong with.
func draft(id org.ID) org.Agent {
	return org.Agent{OrgID: id, Name: "Reception", Greeting: "Hello, {{NAME}}!", RuntimeURL: "wss://agent.example.com/socket"}
}

// number returns a number of the office on its account.
func (o office) number(n phone.Number, accountSID string) org.Number {
	return org.Number{OrgID: o.org.ID, Phone: n, AgentID: o.agent.ID, AccountSID: accountSID}
}

func (o office) mustAddNumber(t *testing.T, n phone.Number, accountSID, token string) org.Number {
	t.Helper()
	added, err := o.AddNumber(context.Background(), o.number(n, accountSID), token)
	if err != nil {
		t.Fatal(err)
	}
	return added
}

// closed returns a store whose Postgres cannot be asked.
func closed(t *testing.T) *org.Store {
	t.Helper()
	pool := pgtest.New(t)
	pool.Close()
	return org.NewStore(pool).WithKeys(seal.Plain)
}

// wantProblem fails the test unless err is a problem of the code and field.
func wantProblem(t *testing.T, err error, code problem.Code, field string) {
	t.Helper()
	p, ok := errors.AsType[*problem.Error](err)
	if !ok || p.Code != code || p.Field != field {
		t.Errorf("error %v (%+v), want a problem %s of the field %q", err, p, code, field)
	}
}
