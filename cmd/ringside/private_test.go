package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// runs reports whether the private Postgres of a data folder runs.
func runs(t *testing.T, dir string) bool {
	t.Helper()
	_, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return err == nil
}

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
	if runs(t, dir) {
		t.Error("the command has left the server running")
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
	if !runs(t, dir) {
		t.Error("the crash has taken the server with it")
	}
	side = serve(t, settings...)
	if out := simulated(); !strings.Contains(out, greetsAlex) {
		t.Errorf("after the crash:\n%s", out)
	}
	if status, out, _ := command(t, settings, "org", "list"); status != 0 || !strings.Contains(out, "  US  Acme\n") {
		t.Errorf("org list: %d %q", status, out)
	}
	side.stop()
	if runs(t, dir) {
		t.Error("the server still runs")
	}
	if said := side.stderr.String(); !strings.Contains(said, "stopped the private Postgres") {
		t.Errorf("the log:\n%s", said)
	}
}

// Ctrl-C in a command leaves no server behind, wherever it comes.
func TestInterruptedCommandStopsThePrivatePostgres(t *testing.T) {
	t.Parallel()
	dir := pgtest.DataDir(t)
	p := start(t, []string{"RINGSIDE_DATA_DIR=" + dir}, "org", "list")
	until(t, "the private Postgres starts", func() bool { return runs(t, dir) })
	p.signal(syscall.SIGINT)
	if status := p.status(); status != exitFailed || !strings.HasPrefix(p.stderr.String(), "ringside: interrupted: interrupt signal received") {
		t.Errorf("ended with status %d and said %q", status, p.stderr.String())
	}
	if runs(t, dir) {
		t.Error("the server still runs")
	}
}
