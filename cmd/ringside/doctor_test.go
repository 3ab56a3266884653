package main

import (
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
	"ringside/internal/simulate"
	"ringside/internal/simulate/restapi"
)

// wired is a shop whose number is at a Twilio that has it set otherwise.
func wired(t *testing.T, o restapi.Options, numbers ...restapi.Number) (*shop, []string) {
	t.Helper()
	database := pgtest.URL(t)
	shop := openShop(t, database)
	o.Accounts = map[string]string{shop.account: shop.token}
	for i := range numbers {
		numbers[i].AccountSID = shop.account
	}
	o.Numbers = numbers
	twilio := restapi.New(o)
	server := httptest.NewServer(twilio)
	t.Cleanup(func() { twilio.Close(); server.Close() })
	return shop, []string{"DATABASE_URL=" + database, "TWILIO_API_URL=" + server.URL, "RINGSIDE_PUBLIC_URL=https://ringside.example.com/base"}
}

func TestNumberSync(t *testing.T) {
	t.Parallel()
	const second = "+12125550198"
	shop, settings := wired(t, restapi.Options{},
		restapi.Number{Phone: shopNumber, Settings: map[string]string{"voice_url": "https://demo.twilio.com/welcome", "status_callback": "https://ringside.example.com/base/twilio/voice/status#rc=3&rp=5xx,ct,rt", "status_callback_method": "GET"}},
		restapi.Number{Phone: second, Settings: map[string]string{"trunk_sid": "TK1"}})
	agents, err := org.NewStore(shop.db).Agents(t.Context(), shop.org.ID)
	must(t, err)
	for _, n := range []phone.Number{second, "+12125550197"} { // the last is not the account's at Twilio
		_, err := org.NewStore(shop.db).WithKeys(seal.Plain).AddNumber(t.Context(), org.Number{OrgID: shop.org.ID, Phone: n, AgentID: agents[0].ID, AccountSID: shop.account}, shop.token)
		must(t, err)
	}

	status, out, errs := command(t, settings, "number", "sync", shopNumber)
	for _, want := range []string{"+1 212-555-0199 (" + shop.account + ") differs", "is      https://demo.twilio.com/welcome", "should  https://ringside.example.com/base/twilio/voice#ct=2000&rt=3000&rc=1&rp=5xx,ct,rt",
		"Primary handler fails\n    is      not set", "is      GET https://ringside", "A message comes in"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if status != exitFailed || !strings.Contains(errs, "nothing was changed") {
		t.Errorf("ended with %d: %s", status, errs)
	}
	if status, again, _ := command(t, settings, "number", "sync", shopNumber); status != exitFailed || again != out {
		t.Errorf("looking has changed something: %d\n%s", status, again)
	}
	if status, out, errs := command(t, settings, "number", "sync", "--yes", "(212) 555-0199"); status != 0 || out != "+1 212-555-0199 ("+shop.account+") is set now\n" {
		t.Errorf("set: %d %s %s", status, out, errs)
	}
	if status, out, errs := command(t, settings, "number", "sync", shopNumber); status != 0 || !strings.Contains(out, "is as it has to be") {
		t.Errorf("afterwards: %d %s %s", status, out, errs)
	}
	status, out, errs = command(t, settings, "number", "sync", "--yes")
	for _, want := range []string{"Calls go to the SIP trunk TK1", "+1 212-555-0197 (" + shop.account + ") could not be looked at: The Twilio account " + shop.account + " has no number +1 212-555-0197"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q:\n%s", want, out)
		}
	}
	if status != exitFailed || !strings.Contains(errs, "2 of 3 numbers are not as they have to be") {
		t.Errorf("all: %d %s", status, errs)
	}
	status, out, _ = command(t, settings, "number", "sync", "--json", shopNumber)
	var report struct {
		Numbers []struct {
			Phone       string `json:"phone"`
			Differences []any  `json:"differences"`
		} `json:"numbers"`
	}
	if err := json.Unmarshal([]byte(out), &report); status != 0 || err != nil || len(report.Numbers) != 1 || report.Numbers[0].Differences == nil || len(report.Numbers[0].Differences) != 0 {
		t.Errorf("as JSON: %d %v %s", status, err, out)
	}
	for _, tt := range []struct {
		settings []string
		arg      string
		want     string
	}{
		{settings, "+12125550100", "is not connected"}, {settings, "12", "numbers: "},
		{without(settings, "RINGSIDE_PUBLIC_URL"), shopNumber, "Set RINGSIDE_PUBLIC_URL"}, {append(settings, "TWILIO_API_URL=http://127.0.0.1:9"), shopNumber, "nothing was changed"},
	} {
		if status, _, errs := command(t, tt.settings, "number", "sync", tt.arg); status != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%s: %d %s, want %s", tt.arg, status, errs, tt.want)
		}
	}
}

// without are settings, but for some.
func without(settings []string, names ...string) (others []string) {
	for _, s := range settings {
		if name, _, _ := strings.Cut(s, "="); !slices.Contains(names, name) {
			others = append(others, s)
		}
	}
	return others
}

// diagnosis is what the doctor finds, by what it looks at.
func diagnosis(t *testing.T, settings []string) (status int, found map[string][2]string) {
	t.Helper()
	status, out, errs := command(t, settings, "doctor", "--json")
	var report struct {
		OK       bool `json:"ok"`
		Findings []struct{ Check, State, Text string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.OK != (status == 0) {
		t.Fatalf("ended with %d: %s %s", status, out, errs)
	}
	found = map[string][2]string{}
	for _, f := range report.Findings {
		found[f.Check] = [2]string{f.State, f.Text}
	}
	return status, found
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	shop, settings := wired(t, restapi.Options{}, restapi.Number{Phone: shopNumber})
	side := serve(t, settings...)
	settings = append(settings, "RINGSIDE_PUBLIC_URL="+side.Listen, "RINGSIDE_OPS_LISTEN="+strings.TrimPrefix(side.Ops, "http://"))
	number, agent, account := "Phone number +1 212-555-0199", "", "Twilio account "+shop.account
	agents, err := org.NewStore(shop.db).Agents(t.Context(), shop.org.ID)
	must(t, err)
	agent = "Voice agent " + agents[0].Name + " of Acme"

	status, found := diagnosis(t, settings)
	if postgres := found["Postgres"]; postgres[0] == bad { // on a busy machine it is slow
		t.Errorf("Postgres: %q", postgres)
	}
	for check, want := range map[string][2]string{"Settings": {good, "can be read"}, "Clock against Postgres": {good, "agree"}, "Secrets": {good, "opens them"}, "Redis": {good, "is not used"},
		"Sidecar": {good, "ready"}, "Public address": {warn, "without TLS"}, agent: {good, ""}, account: {good, "is active"}, "Clock against Twilio": {good, ""}, number: {bad, "`ringside number sync --yes` sets them"}} {
		if got := found[check]; got[0] != want[0] || !strings.Contains(got[1], want[1]) {
			t.Errorf("%s: %q, want %q", check, got, want)
		}
	}
	if status != exitFailed {
		t.Errorf("ended with %d", status)
	}
	if status, _, errs := command(t, settings, "number", "sync", "--yes"); status != 0 {
		t.Fatalf("sync: %s", errs)
	}
	status, out, errs := command(t, settings, "doctor")
	if status != 0 || !strings.Contains(out, "ok       "+number+": calls and messages to it come here.\n") || strings.Contains(out, shop.token) {
		t.Errorf("when all is set: %d\n%s%s", status, out, errs)
	}

	shop.runtime.Close()
	side.stop()
	exec := func(sql string, args ...any) {
		t.Helper()
		_, err := shop.db.Exec(t.Context(), sql, args...)
		must(t, err)
	}
	exec(`UPDATE twilio_accounts SET auth_token = $1`, simulate.NewSID(""))
	status, found = diagnosis(t, append(settings, "REDIS_URL=redis://127.0.0.1:9"))
	for check, want := range map[string]string{"Redis": bad, "Sidecar": warn, "Public address": bad, agent: bad, account: bad, number: bad} {
		if got := found[check]; got[0] != want {
			t.Errorf("%s: %q, want %s", check, got, want)
		}
	}
	if status != exitFailed || !strings.Contains(found[account][1], "token") {
		t.Errorf("ended with %d: %q", status, found[account])
	}
	exec(`DELETE FROM goose_db_version WHERE version_id > 1`)
	if _, found := diagnosis(t, settings); found["Postgres"][0] != bad || !strings.Contains(found["Postgres"][1], "ringside migrate") {
		t.Errorf("with an older schema: %q", found["Postgres"])
	}
	if _, found := diagnosis(t, append(settings, "DATABASE_URL=postgres://nobody@127.0.0.1:9/x")); found["Postgres"][0] != bad {
		t.Errorf("without Postgres: %q", found)
	}
	if _, found := diagnosis(t, without(settings, "DATABASE_URL", "RINGSIDE_PUBLIC_URL")); found["Postgres"][0] != warn || found["Public address"][0] != warn {
		t.Errorf("on a new machine: %q", found)
	}
}
