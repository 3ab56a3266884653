package org_test

import (
	"context"
	"testing"
	"time"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
)

// Whatever is changed of agents, numbers and accounts is announced, so that every switchboard follows.
func TestChangesAreAnnounced(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	n := o.mustAddNumber(t, number, account, "token")
	s := org.NewSwitchboard(o.pool)
	conn, err := o.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `LISTEN ringside_routes`); err != nil {
		t.Fatal(err)
	}
	spare, err := o.CreateAgent(t.Context(), draft(o.org.ID))
	if err != nil {
		t.Fatal(err)
	}
	heard := func() {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if _, err := conn.Conn().WaitForNotification(ctx); err != nil {
			t.Fatalf("nothing is announced: %v", err)
		}
		load(t, s)
	}
	heard()
	for _, change := range []struct {
		name string
		make func() error
		took func() bool
	}{
		{"an agent is changed", func() error {
			o.agent.Greeting = "Welcome"
			_, err := o.ChangeAgent(t.Context(), o.agent, nil)
			return err
		}, func() bool { return s.Route(t.Context(), number).Agent.Greeting == "Welcome" }},
		{"a number is moved", func() error {
			_, err := o.MoveNumber(t.Context(), o.org.ID, n.ID, spare.ID)
			return err
		}, func() bool { return s.Route(t.Context(), number).Agent.ID == spare.ID }},
		{"an agent is deleted", func() error { return o.DeleteAgent(t.Context(), o.org.ID, o.agent.ID) }, func() bool { return true }},
		{"a token is changed", func() error { return o.SetAuthToken(t.Context(), o.org.ID, account, "new") },
			func() bool { return s.Account(t.Context(), account).AuthToken == "new" }},
		{"a number is removed", func() error {
			_, err := o.RemoveNumber(t.Context(), o.org.ID, n.ID)
			return err
		}, func() bool { return s.Route(t.Context(), number) == nil }},
	} {
		if err := change.make(); err != nil {
			t.Fatalf("%s: %v", change.name, err)
		}
		heard()
		if !change.took() {
			t.Errorf("%s, and the switchboard has it as it was", change.name)
		}
	}
}
