package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// Without DATABASE_URL: a private Postgres, used by the sidecar and by the commands beside it. It
// outlives a crash of the sidecar, and ends with the last who uses it.
func TestPrivatePostgres(t *testing.T) {
	t.Parallel()
	dir := pgtest.DataDir(t)
	settings := []string{"RINGSIDE_DATA_DIR=" + dir}
	runtime := receptionist(t)
	twilio := &simulate.Twilio{AccountSID: simulate.NewSID("AC"), AuthToken: simulate.NewSID("")}
	token := file(t, twilio.AuthToken)

	id(t, settings, "org", "create", "--name", "Acme", "--country", "US") // before there is a sidecar
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("the command has left the server running: %v", err)
	}
	side := serve(t, settings...)
	agent := id(t, settings, "agent", "create", "--name", "Reception", "--greeting", greeting, "--runtime-url", runtime.URL())
	id(t, settings, "number", "add", shopNumber, "--agent", agent, "--account-sid", twilio.AccountSID, "--auth-token-file", token)
	id(t, settings, "contact", "add", "--name", "Alex Chen", "--phone", "+1 415 555 1200")
	simulated := func() string {
		status, out, errs := command(t, settings, "simulate", "call", "--from", alex, "--to", shopNumber, "--url", side.Listen, "--auth-token-file", token, "--say", "Hello?")
		if status != 0 {
			t.Errorf("simulate call ended with %d: %s", status, errs)
		}
		return out
	}
	if out := simulated(); !strings.Contains(out, greetsAlex) {
		t.Errorf("before the crash:\n%s", out)
	}

	side.kill()
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); err != nil {
		t.Errorf("the crash has taken the server with it: %v", err)
	}
	side = serve(t, settings...)
	if out := simulated(); !strings.Contains(out, greetsAlex) {
		t.Errorf("after the crash:\n%s", out)
	}
	if status, out, _ := command(t, settings, "org", "list"); status != 0 || !strings.Contains(out, "  US  Acme\n") {
		t.Errorf("org list: %d %q", status, out)
	}
	side.stop()
	if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); !os.IsNotExist(err) {
		t.Errorf("the server still runs: %v", err)
	}
	if said := side.stderr.String(); !strings.Contains(said, "stopped the private Postgres") {
		t.Errorf("the log:\n%s", said)
	}
}
