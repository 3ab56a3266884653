package main

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/postgres"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/simulate"
)

// takeDefaultPorts makes sure that somebody listens on the default ports: the test, if nobody does.
func takeDefaultPorts(t *testing.T) (settings []string) {
	t.Helper()
	for _, address := range []string{"127.0.0.1:8080", "127.0.0.1:8081"} {
		listener, err := net.Listen("tcp", address)
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		must(t, err)
		t.Cleanup(func() { listener.Close() })
	}
	return []string{"RINGSIDE_LISTEN=", "RINGSIDE_OPS_LISTEN="} // the defaults
}

// openDatabaseAt returns a pool on the database at url.
func openDatabaseAt(t *testing.T, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), url)
	must(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// nothingLeft checks that demos have removed what they made.
func nothingLeft(t *testing.T, db *pgxpool.Pool, dir string) {
	t.Helper()
	var left int
	must(t, db.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM orgs) + (SELECT count(*) FROM contacts) + (SELECT count(*) FROM interactions)
		+ (SELECT count(*) FROM twilio_accounts) + (SELECT count(*) FROM phone_numbers) + (SELECT count(*) FROM interaction_events)`).Scan(&left))
	if left != 0 {
		t.Errorf("%d rows are left in the database", left)
	}
	tokens, err := filepath.Glob(filepath.Join(dir, "demo", "demo-auth-token.*"))
	if err != nil || len(tokens) != 0 {
		t.Errorf("left in the data folder: %v, %v", tokens, err)
	}
}

// showsTheCalls checks what a newcomer sees of a demo that went well: part by part, though the two
// sides of a call need not come in one order.
func showsTheCalls(t *testing.T, p *program) {
	t.Helper()
	if status := p.status(); status != 0 {
		t.Errorf("the demo ended with status %d", status)
	}
	shown := strings.Split(p.stdout.String(), "\n── ")
	wanted := [][]string{
		{"Ringside is up, with an organisation of its own", "The agent greets with: \"Hello {{NAME}}, this is Acme. How can I help you?\""},
		{"1 of 6: Alex Chen calls", "“Hello Alex Chen, this is Acme. How can I help you?”", `notes "Prefers morning calls"`, "✓ +1 415-555-1200: greeted by name"},
		{"2 of 6: Maria Gomez calls back", "“Hello Maria Gomez, this is Acme. How can I help you?”", "✓ +1 312-555-0142: greeted by name"},
		{"3 of 6: A stranger calls", "“Hello, this is Acme. How can I help you?”", "ringside.capture_contact", "not greeted by name"},
		{"4 of 6: The stranger calls again", "“Hello Robin Park, this is Acme. How can I help you?”", "e-mail robin@example.com"},
		{"5 of 6: Jamie Lee writes a message", "“Hello Jamie Lee, yes: from nine to four.”", "ringside.send_sms", "“STOP”", "✓ +1 202-555-0133: answered by name, and gets no messages any more"},
		{"6 of 6: The campaign “Autumn service” calls Sam Ortiz", "“Hello Sam Ortiz, your touring bike is due for its service.”", "Comes every year", "✓ +1 312-555-0177: called once and greeted by name",
			"All 6 went as they should."},
	}
	if len(shown) != len(wanted) {
		t.Fatalf("the demo shows %d parts, want 6", len(shown)-1)
	}
	for n, parts := range wanted {
		for _, part := range parts {
			if !strings.Contains(shown[n], part) {
				t.Errorf("the demo does not show %s, in its place:\n%s", part, shown[n])
			}
		}
	}
}

// With nothing set up, and a second time in what the first has left.
func TestDemoTwiceInARow(t *testing.T) {
	t.Parallel()
	dir := pgtest.DataDir(t)
	for range 2 {
		p := start(t, []string{"RINGSIDE_DATA_DIR=" + dir}, "demo", "--once")
		showsTheCalls(t, p)
	}
	if runs(t, filepath.Join(dir, "demo")) {
		t.Error("the private Postgres still runs")
	}
	if _, err := os.Stat(filepath.Join(dir, "postgres")); !os.IsNotExist(err) {
		t.Errorf("the demo has touched the database of somebody's own sidecar: %v", err)
	}
}

func TestTwoDemosAtOnceWithTheDefaultPortsTaken(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.URL(t), t.TempDir()
	settings := append(takeDefaultPorts(t), "DATABASE_URL="+url, "RINGSIDE_DATA_DIR="+dir)
	first, second := start(t, settings, "demo", "--once"), start(t, settings, "demo", "--once", "--verbose")
	showsTheCalls(t, first)
	showsTheCalls(t, second)
	nothingLeft(t, openDatabaseAt(t, url), dir)
}

// Whatever goes wrong in a call, the demo says so, goes on, ends with a status of its own, and removes
// what it made.
func TestDemoThatGoesWrong(t *testing.T) {
	t.Parallel()
	broken, err := simulate.StartRuntime(simulate.RuntimeOptions{})
	must(t, err)
	t.Cleanup(broken.Close)
	broken.Refuse(500)
	for _, tt := range []struct {
		name, table, spoil, complaint, failed string
	}{
		{"the runtime refuses", "voice_agents", "NEW.runtime_url := '" + broken.URL() + "'", "✗ the agent got no session", "4 of 6"},
		{"a caller is misnamed", "contacts", "NEW.name := replace(NEW.name, 'Alex', 'Alec')",
			`✗ the caller heard "Hello Alec Chen, this is Acme. How can I help you?" instead of "Hello Alex Chen, this is Acme. How can I help you?"`, "1 of 6"},
		{"the agent is not told", "contacts", "NEW.notes := ''", `✗ the agent was not told "Prefers morning calls"`, "1 of 6"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url, dir := pgtest.URL(t), t.TempDir()
			db := openDatabaseAt(t, url)
			_, err := db.Exec(t.Context(), `CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN `+tt.spoil+`; RETURN NEW; END $$;
				CREATE TRIGGER a_spoil BEFORE INSERT ON `+tt.table+` FOR EACH ROW EXECUTE FUNCTION spoil()`)
			must(t, err)
			p := start(t, []string{"DATABASE_URL=" + url, "RINGSIDE_DATA_DIR=" + dir}, "demo", "--once")
			if status := p.status(); status != exitFailed {
				t.Errorf("ended with status %d, want %d", status, exitFailed)
			}
			if shown := p.stdout.String(); !strings.Contains(shown, "\n"+tt.complaint) {
				t.Errorf("the demo does not complain %q, but shows:\n%s", tt.complaint, shown)
			}
			if said := p.stderr.String(); !strings.HasSuffix(said, "ringside: "+tt.failed+" did not go as they should\n") {
				t.Errorf("said %q", said)
			}
			nothingLeft(t, db, dir)
		})
	}
}

var invitation = regexp.MustCompile(`(?m)^  bin/ringside (simulate call .*) \\\n +(.*) --say "(.*)"$`)

// The demo stays up, the line that it prints works as it stands, and Ctrl-C ends it.
func TestDemoInvitesToCall(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.URL(t), t.TempDir()
	p := start(t, []string{"DATABASE_URL=" + url, "RINGSIDE_DATA_DIR=" + dir}, "demo")
	shown := p.stdout.await(t, "Ctrl-C ends the demo", p.ended)
	line := invitation.FindStringSubmatch(shown)
	if line == nil {
		t.Fatalf("the demo does not invite:\n%s", shown)
	}
	args := append(strings.Fields(line[1]+" "+line[2]), "--say", line[3])
	status, out, errs := command(t, nil, args...)
	if status != 0 || !strings.Contains(out, "Hello Alex Chen") || !strings.Contains(out, "alex@acme.io") {
		t.Errorf("ringside %q ended with %d:\n%s%s", args, status, out, errs)
	}
	p.signal(syscall.SIGINT)
	if status := p.status(); status != 0 {
		t.Errorf("the demo ended with status %d", status)
	}
	nothingLeft(t, openDatabaseAt(t, url), dir)
}

// Ctrl-C in the middle of a call ends the demo as well, and nothing is left.
func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	url, dir := pgtest.URL(t), t.TempDir()
	p := start(t, []string{"DATABASE_URL=" + url, "RINGSIDE_DATA_DIR=" + dir}, "demo")
	p.stdout.await(t, "1 of 6: ", p.ended)
	p.signal(syscall.SIGINT)
	if status := p.status(); status != 0 {
		t.Errorf("the demo ended with status %d", status)
	}
	nothingLeft(t, openDatabaseAt(t, url), dir)
}
