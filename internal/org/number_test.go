package org_test

import (
	"testing"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

// token returns the auth token that is kept for an account, or "".
func token(t *testing.T, o office, accountSID string) (token string) {
	t.Helper()
	err := o.pool.QueryRow(t.Context(), `SELECT coalesce(max(auth_token), '') FROM twilio_accounts WHERE account_sid = $1`, accountSID).Scan(&token)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestAddNumber(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	added := o.mustAddNumber(t, number, account, "first")
	want := o.number(number, account)
	want.ID = added.ID
	if added != want || added.ID == "" {
		t.Errorf("%+v, want %+v", added, want)
	}
	if got, err := o.AccountOf(t.Context(), number); got != account || err != nil {
		t.Errorf("AccountOf: %q, %v", got, err)
	}
	_, err := o.AccountOf(t.Context(), otherNumber)
	wantProblem(t, err, problem.CodeNotFound, "")

	o.mustAddNumber(t, otherNumber, account, "second") // the account's token was changed in Twilio's console
	if got := token(t, o, account); got != "second" {
		t.Errorf("the account's token is %q, want the new one", got)
	}
}

func TestAddNumberConflicts(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	ours, theirs := newOffice(t, pool, "Ours"), newOffice(t, pool, "Theirs")
	ours.mustAddNumber(t, number, account, "ours")
	tests := []struct {
		name   string
		number org.Number
		code   problem.Code
	}{
		{"another organisation's account", theirs.number(otherNumber, account), problem.CodeConflict},
		{"a number that is connected already", ours.number(number, account), problem.CodeConflict},
		{"another organisation's number", theirs.number(number, otherAccount), problem.CodeConflict},
		{"another organisation's agent", org.Number{OrgID: theirs.org.ID, Phone: otherNumber, AgentID: ours.agent.ID, AccountSID: otherAccount}, problem.CodeNotFound},
		{"an unknown agent", org.Number{OrgID: ours.org.ID, Phone: otherNumber, AgentID: nowhere, AccountSID: account}, problem.CodeNotFound},
		{"an unknown organisation", org.Number{OrgID: nowhere, Phone: otherNumber, AgentID: ours.agent.ID, AccountSID: otherAccount}, problem.CodeNotFound},
		{"an agent's id that is none", org.Number{OrgID: ours.org.ID, Phone: otherNumber, AgentID: "reception", AccountSID: account}, problem.CodeInvalid},
		{"an organisation's id that is none", org.Number{OrgID: "acme", Phone: otherNumber, AgentID: ours.agent.ID, AccountSID: account}, problem.CodeInvalid},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := ours.AddNumber(t.Context(), test.number, "theirs")
			wantProblem(t, err, test.code, "")
			if got := token(t, ours, account); got != "ours" {
				t.Errorf("the account's token is %q now", got)
			}
			if got := token(t, ours, otherAccount); got != "" {
				t.Errorf("the account %s was kept, with the token %q", otherAccount, got)
			}
		})
	}
}

func TestAddNumberRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	for _, test := range []struct {
		field, token string
		change       func(*org.Number)
	}{
		{"phone", "token", func(n *org.Number) { n.Phone = "2125550199" }},
		{"phone", "token", func(n *org.Number) { n.Phone = "" }},
		{"account_sid", "token", func(n *org.Number) { n.AccountSID = "" }},
		{"account_sid", "token", func(n *org.Number) { n.AccountSID = account[:33] }},
		{"account_sid", "token", func(n *org.Number) { n.AccountSID = "AP" + account[2:] }},
		{"auth_token", "", func(*org.Number) {}},
		{"auth_token", "\x00", func(*org.Number) {}},
	} {
		n := o.number(number, account)
		test.change(&n)
		_, err := o.AddNumber(t.Context(), n, test.token)
		wantProblem(t, err, problem.CodeInvalid, test.field)
	}
}
