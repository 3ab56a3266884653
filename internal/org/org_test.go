package org_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func limit(n int) *int { return &n }

func TestCreateOrgAndListThem(t *testing.T) {
	t.Parallel()
	s := org.NewStore(pgtest.New(t))
	if orgs, err := s.Orgs(t.Context()); err != nil || len(orgs) != 0 {
		t.Fatalf("at first: %+v, %v", orgs, err)
	}
	var want []org.Org
	for _, o := range []org.Org{
		{Name: "  Acme ", Country: " us "},
		{Name: "Bäckerei Müller", Country: "DE", ContactLimit: limit(500)},
		{Name: "Acme", Country: "GB", ContactLimit: limit(0)}, // a name may repeat
	} {
		created, err := s.CreateOrg(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if read, err := s.Org(t.Context(), created.ID); err != nil || !cmp.Equal(read, created) {
			t.Errorf("created %+v, read %+v, %v", created, read, err)
		}
		want = append(want, created)
	}
	if want[0].Name != "Acme" || want[0].Country != "US" {
		t.Errorf("stored as %+v, want it tidied", want[0])
	}
	got, err := s.Orgs(t.Context())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
}

func TestSetContactLimit(t *testing.T) {
	t.Parallel()
	s := org.NewStore(pgtest.New(t))
	o, err := s.CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []*int{limit(5), limit(0), nil} {
		if err := s.SetContactLimit(t.Context(), o.ID, want); err != nil {
			t.Fatal(err)
		}
		if read, err := s.Org(t.Context(), o.ID); err != nil || !cmp.Equal(read.ContactLimit, want) {
			t.Errorf("read %+v, %v", read, err)
		}
	}
	wantProblem(t, s.SetContactLimit(t.Context(), o.ID, limit(-1)), problem.CodeInvalid, "contact_limit")
	wantProblem(t, s.SetContactLimit(t.Context(), "nobody", limit(1)), problem.CodeNotFound, "")
}

func TestCreateOrgRefuses(t *testing.T) {
	t.Parallel()
	s := org.NewStore(pgtest.New(t))
	for _, test := range []struct {
		org   org.Org
		field string
	}{
		{org.Org{Name: " \t", Country: "US"}, "name"},
		{org.Org{Name: strings.Repeat("ä", 201), Country: "US"}, "name"},
		{org.Org{Name: "A\x00B", Country: "US"}, "name"},
		{org.Org{Name: "A\xffB", Country: "US"}, "name"},
		{org.Org{Name: "Acme"}, "country"},
		{org.Org{Name: "Acme", Country: "USA"}, "country"},
		{org.Org{Name: "Acme", Country: "XX"}, "country"},
		{org.Org{Name: "Acme", Country: "US", ContactLimit: limit(-1)}, "contact_limit"},
		{org.Org{Name: "Acme", Country: "US", ContactLimit: limit(math.MaxInt32 + 1)}, "contact_limit"},
	} {
		_, err := s.CreateOrg(t.Context(), test.org)
		wantProblem(t, err, problem.CodeInvalid, test.field)
	}
	if _, err := s.CreateOrg(t.Context(), org.Org{Name: strings.Repeat("ä", 200), Country: "US", ContactLimit: limit(math.MaxInt32)}); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

func TestUnknownOrganisationsAreNotFound(t *testing.T) {
	t.Parallel()
	s := org.NewStore(pgtest.New(t))
	for _, id := range []org.ID{nowhere, "acme", "", "\x00", "\xff"} {
		_, err := s.Org(t.Context(), id)
		wantProblem(t, err, problem.CodeNotFound, "")
		wantProblem(t, s.Delete(t.Context(), id), problem.CodeNotFound, "")
		_, err = s.CreateAgent(t.Context(), draft(id))
		wantProblem(t, err, problem.CodeNotFound, "")
		_, _, err = s.CreateKey(t.Context(), id, "Dashboard")
		wantProblem(t, err, problem.CodeNotFound, "")
	}
	_, err := s.Agents(t.Context(), "acme")
	wantProblem(t, err, problem.CodeNotFound, "")
}

// Delete takes everything of one organisation, and nothing of another.
func TestDelete(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	gone, kept := newOffice(t, pool, "Gone"), newOffice(t, pool, "Kept")
	gone.mustAddNumber(t, number, account, "token")
	kept.mustAddNumber(t, otherNumber, otherAccount, "token")
	for _, o := range []office{gone, kept} {
		if _, _, err := o.CreateKey(t.Context(), o.org.ID, "Dashboard"); err != nil {
			t.Fatal(err)
		}
		_, err := pool.Exec(t.Context(), `
			WITH c AS (INSERT INTO contacts (org_id, phone, name) VALUES ($1::text::uuid, '+14155551200', 'Alex Chen') RETURNING org_id, id),
			k AS (INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, 'Winter') RETURNING org_id, id),
			p AS (INSERT INTO campaign_people (org_id, campaign_id, phone) SELECT org_id, id, '+14155551200' FROM k)
			INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, contact_id, agent_id, status, state_rank, started_at)
			SELECT org_id, 'CA1', 'call', 'inbound', '', '', id, $2::text::uuid, '', 0, now() FROM c`, o.org.ID, o.agent.ID)
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := gone.Delete(t.Context(), gone.org.ID); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"voice_agents", "twilio_accounts", "phone_numbers", "api_keys", "contacts", "campaigns", "campaign_people", "interactions"} {
		var theirs []string
		if err := pool.QueryRow(t.Context(), `SELECT coalesce(array_agg(org_id::text), '{}') FROM `+table).Scan(&theirs); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{string(kept.org.ID)}, theirs); diff != "" {
			t.Errorf("whose rows are in %s (-want, +got):\n%s", table, diff)
		}
	}
	wantProblem(t, gone.Delete(t.Context(), gone.org.ID), problem.CodeNotFound, "")
}

// A database that cannot be asked is no problem of whoever asks.
func TestErrorsOfTheDatabaseAreNoProblems(t *testing.T) {
	t.Parallel()
	s := closed(t)
	ctx := t.Context()
	calls := map[string]func() error{
		"CreateOrg":    func() error { _, err := s.CreateOrg(ctx, org.Org{Name: "Acme", Country: "US"}); return err },
		"Org":          func() error { _, err := s.Org(ctx, nowhere); return err },
		"Orgs":         func() error { _, err := s.Orgs(ctx); return err },
		"Delete":       func() error { return s.Delete(ctx, nowhere) },
		"CreateAgent":  func() error { _, err := s.CreateAgent(ctx, draft(nowhere)); return err },
		"Agents":       func() error { _, err := s.Agents(ctx, nowhere); return err },
		"CreateKey":    func() error { _, _, err := s.CreateKey(ctx, nowhere, "Dashboard"); return err },
		"Authenticate": func() error { _, err := s.Authenticate(ctx, "rsk_1"); return err },
		"AccountOf":    func() error { _, err := s.AccountOf(ctx, number); return err },
		"AddNumber": func() error {
			_, err := s.AddNumber(ctx, org.Number{OrgID: nowhere, Phone: number, AgentID: nowhere, AccountSID: account}, "token")
			return err
		},
	}
	for name, call := range calls {
		err := call()
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, shown := problem.From(err); shown {
			t.Errorf("%s: %v is shown to people", name, err)
		}
	}
}
