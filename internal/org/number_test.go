package org_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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

func TestNumbersAndAccountsAreListed(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	first, second := o.mustAddNumber(t, number, account, "token"), o.mustAddNumber(t, otherNumber, account, "token")
	other.mustAddNumber(t, "+12125550197", otherAccount, "theirs")
	numbers, err := o.Numbers(t.Context(), o.org.ID)
	want := []org.Connected{{Number: second, AgentName: "Reception"}, {Number: first, AgentName: "Reception"}}
	if diff := cmp.Diff(want, numbers); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
	accounts, err := o.Accounts(t.Context(), o.org.ID)
	if diff := cmp.Diff([]string{account}, accounts); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
	for _, id := range []org.ID{nowhere, "acme"} {
		numbers, _ := o.Numbers(t.Context(), id)
		accounts, _ := o.Accounts(t.Context(), id)
		if len(numbers)+len(accounts) != 0 {
			t.Errorf("%s has %v and %v", id, numbers, accounts)
		}
	}
}

func TestMoveAndRemoveNumber(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	n := o.mustAddNumber(t, number, account, "token")
	theirs := other.mustAddNumber(t, otherNumber, otherAccount, "token")
	sales := draft(o.org.ID)
	sales.Name = "Sales"
	sales, err := o.CreateAgent(t.Context(), sales)
	if err != nil {
		t.Fatal(err)
	}
	moved, err := o.MoveNumber(t.Context(), o.org.ID, n.ID, sales.ID)
	want := n
	want.AgentID = sales.ID
	if moved != want || err != nil {
		t.Errorf("moved %+v, %v, want %+v", moved, err, want)
	}
	for _, ids := range [][2]string{{n.ID, other.agent.ID}, {n.ID, nowhere}, {n.ID, "sales"}, {theirs.ID, sales.ID}, {nowhere, sales.ID}, {"x", sales.ID}} {
		_, err := o.MoveNumber(t.Context(), o.org.ID, ids[0], ids[1])
		wantProblem(t, err, problem.CodeNotFound, "")
	}
	for _, id := range []string{theirs.ID, nowhere, "x"} {
		_, err := o.RemoveNumber(t.Context(), o.org.ID, id)
		wantProblem(t, err, problem.CodeNotFound, "")
	}
	if removed, err := o.RemoveNumber(t.Context(), o.org.ID, n.ID); removed != want || err != nil {
		t.Errorf("removed %+v, %v", removed, err)
	}
	if numbers, err := o.Numbers(t.Context(), o.org.ID); len(numbers) != 0 || err != nil {
		t.Errorf("%v stay, %v", numbers, err)
	}
	if got := token(t, o, account); got != "token" {
		t.Errorf("the account went along: its token is %q", got)
	}
}

func TestSetAuthToken(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	o.mustAddNumber(t, number, account, "old")
	if err := o.SetAuthToken(t.Context(), o.org.ID, account, "new"); err != nil || token(t, o, account) != "new" {
		t.Errorf("the token is %q, %v", token(t, o, account), err)
	}
	wantProblem(t, other.SetAuthToken(t.Context(), other.org.ID, account, "theirs"), problem.CodeNotFound, "")
	wantProblem(t, o.SetAuthToken(t.Context(), o.org.ID, account, ""), problem.CodeInvalid, "auth_token")
	wantProblem(t, o.SetAuthToken(t.Context(), o.org.ID, account, "\x00"), problem.CodeInvalid, "auth_token")
	if got := token(t, o, account); got != "new" {
		t.Errorf("the token is %q now", got)
	}
}
