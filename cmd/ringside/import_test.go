package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/postgres/pgtest"
)

// writeFile writes a file of contacts and returns its path.
func writeFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "people.csv")
	must(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// emptyBook returns the settings of a database with one organisation, and a connection to it.
func emptyBook(t *testing.T) (settings []string, conn *pgx.Conn) {
	t.Helper()
	url := pgtest.URL(t)
	settings = []string{"DATABASE_URL=" + url}
	id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	conn, err := pgx.Connect(t.Context(), url)
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return settings, conn
}

func TestImportCommand(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	acme := id(t, settings, "org", "create", "--name", "Acme", "--country", "US", "--contact-limit", "2")
	file := writeFile(t, "Name;Mobile;Shoe size\nAlex Chen;(415) 555-1200;42\nJamie Lee;'+12025550133;\nOdd;12;\nRobin;+13125550100;\nAlex again;+14155551200;\n")

	says := func(status int, want string, args ...string) {
		t.Helper()
		got, out, errs := command(t, settings, args...)
		if got != status || !strings.Contains(out+errs, want) {
			t.Errorf("ringside %s ended with %d:\n%s%s\nwant %d and %q", strings.Join(args, " "), got, out, errs, status, want)
		}
	}
	says(0, "5 rows: 2 would be created (dry run: nothing was changed), 1 repeated in the file, 1 invalid, 1 left out: the plan's limit is reached\n"+
		"Columns not imported: Shoe size.\nRepaired: apostrophe (1).\nline 4, Mobile \"12\": ", "import", file, "--dry-run")
	rejected, leftOut := filepath.Join(t.TempDir(), "rejected.csv"), filepath.Join(t.TempDir(), "left.csv")
	says(0, "5 rows: 2 created, 1 repeated in the file, 1 invalid, 1 left out", "import", file, "--org", acme, "--rejected", rejected, "--left-out", leftOut)
	for path, want := range map[string]string{rejected: "\r\nOdd,12,,\"Mobile: ", leftOut: "\r\nRobin,'+13125550100,"} {
		content, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s: %q, %v", filepath.Base(path), content, err)
		}
	}
	report := object(t, settings, "import", file)
	if report["created"] != 0. || report["known"] != 2. || report["state"] != "done" || report["file_name"] != "people.csv" {
		t.Errorf("the second time %v", report)
	}
	says(exitFailed, "phone", "import", writeFile(t, "name,email\nAlex,a@b.io\n"))
	says(exitFailed, "no such file", "import", "/nowhere/people.csv")
}

// A file of people becomes a campaign's, which is made if there is none of its name.
func TestImportCommandIntoACampaign(t *testing.T) {
	t.Parallel()
	settings, conn := emptyBook(t)
	file := writeFile(t, "name,phone,notes\nMaria Gomez,+14155551200,Likes tea\nOdd,12,\n")
	if status, _, errs := command(t, settings, "import", file, "--campaign", "Spring offer", "--dry-run"); status != exitFailed || !strings.Contains(errs, "There is no campaign") {
		t.Errorf("a dry run without a campaign ended with %d: %s", status, errs)
	}
	for n, want := range []string{"2 rows: 1 created, 1 invalid", "2 rows: 0 created, 1 known already, 1 invalid"} {
		if status, out, errs := command(t, settings, "import", file, "--campaign", "Spring offer"); status != 0 || !strings.HasPrefix(out, want) {
			t.Errorf("import %d ended with %d: %s%s", n+1, status, out, errs)
		}
	}
	var people string
	must(t, conn.QueryRow(t.Context(), `SELECT string_agg(c.name || ': ' || p.name || ' ' || p.phone || ' ' || p.notes, ', ') FROM campaign_people p JOIN campaigns c ON c.id = p.campaign_id`).Scan(&people))
	if people != "Spring offer: Maria Gomez +14155551200 Likes tea" {
		t.Errorf("the campaigns have %s", people)
	}
}

// What a column is can be said where its name does not say it.
func TestImportCommandColumns(t *testing.T) {
	t.Parallel()
	settings, conn := emptyBook(t)
	file := writeFile(t, "Wer,Anschluss=1,Phone\nAlex Chen,+14155551200,42\n")
	for _, tt := range []struct {
		want    string
		columns []string
	}{
		{`--column: "Wer" says nothing of a column: write it like --column 'Handy=phone'.`, []string{"Wer"}},
		{`--column: The column "Wer" is given more than once.`, []string{"Wer=name", "Wer=email"}},
		{`columns: The column "Wer" cannot be "nom": there is no such field. A column is one of name, first_name, last_name, phone, email, tags, notes, variable, or - to leave it out.`, []string{"Wer=nom"}},
		{`columns: The file has no column "Qui"; it has "Wer", "Anschluss=1", "Phone".`, []string{"Qui=name"}},
		{`name: No column is the name.`, nil},
	} {
		args := []string{"import", file}
		for _, column := range tt.columns {
			args = append(args, "--column", column)
		}
		if status, out, errs := command(t, settings, args...); status != exitFailed || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: %d %s%s, want %s", args, status, out, errs, tt.want)
		}
	}
	if report := object(t, settings, "import", file, "--column", "Wer=name", "--column", "Anschluss=1=phone", "--column", "Phone=-"); report["created"] != 1. {
		t.Errorf("reported %v", report)
	}
	var person string
	must(t, conn.QueryRow(t.Context(), `SELECT name || ' ' || phone FROM contacts`).Scan(&person))
	if person != "Alex Chen +14155551200" {
		t.Errorf("imported %s", person)
	}
}

// killRounds is how often an import is killed; RINGSIDE_TEST_LONG=1 asks for the long form.
func killRounds() int {
	if os.Getenv("RINGSIDE_TEST_LONG") != "" {
		return 50
	}
	return 3
}

// An import that is killed at any moment and run again ends in the same book.
func TestAKilledImportIsRunAgain(t *testing.T) {
	t.Parallel()
	const people = 4_000
	var text strings.Builder
	text.WriteString("name,phone,tags\n")
	for i := range people {
		fmt.Fprintf(&text, "Person %d,+1415%07d,\"a, b\"\n", i, 5550000+i)
	}
	file := writeFile(t, text.String())
	settings, conn := emptyBook(t)
	book := func() (sum string) {
		t.Helper()
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) || ' ' || md5(coalesce(string_agg(phone || name || tags::text || source, ',' ORDER BY phone), '')) FROM contacts`).Scan(&sum))
		return sum
	}
	began := time.Now()
	if status, out, errs := command(t, settings, "import", file); status != 0 {
		t.Fatalf("%d %s %s", status, out, errs)
	}
	took, want := time.Since(began), book()
	if !strings.HasPrefix(want, fmt.Sprint(people, " ")) {
		t.Fatalf("the book is %s", want)
	}
	within := 0 // kills that came while rows were written
	for range killRounds() {
		_, err := conn.Exec(t.Context(), `DELETE FROM contacts; DELETE FROM contact_imports`)
		must(t, err)
		p := start(t, settings, "import", file)
		select {
		case <-time.After(rand.N(took * 3 / 2)):
		case <-p.ended:
		}
		p.kill()
		if got := book(); got != want && !strings.HasPrefix(got, "0 ") {
			within++
			if n := strings.Fields(got)[0]; len(n) < 4 || n[len(n)-3:] != "000" {
				t.Errorf("a step is half written: %s", got)
			}
		}
		if status, out, errs := command(t, settings, "import", file); status != 0 {
			t.Fatalf("again: %d %s %s", status, out, errs)
		}
		if got := book(); got != want {
			t.Errorf("the book is %s, want %s", got, want)
		}
	}
	t.Logf("%d of %d kills came while rows were written", within, killRounds())
}

// An interrupt stops between two steps, and what is said is what is written.
func TestAnInterruptedImportSaysWhere(t *testing.T) {
	t.Parallel()
	const people = 20_000
	var text strings.Builder
	text.WriteString("name,phone\n")
	for i := range people {
		fmt.Fprintf(&text, "Person %d,+1415%07d\n", i, 5550000+i%9_000_00)
	}
	file := writeFile(t, text.String())
	settings, conn := emptyBook(t)
	p := start(t, settings, "import", file)
	for written := 0; written == 0; {
		must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM contacts`).Scan(&written))
	}
	p.signal(syscall.SIGINT)
	if status := p.status(); status != exitFailed || !strings.Contains(p.stdout.String(), "Stopped after line ") {
		t.Fatalf("ended with %d: %s%s", status, p.stdout.String(), p.stderr.String())
	}
	var written, line int
	must(t, conn.QueryRow(t.Context(), `SELECT count(*) FROM contacts`).Scan(&written))
	must(t, conn.QueryRow(t.Context(), `SELECT applied_line FROM contact_imports WHERE state = 'stopped'`).Scan(&line))
	if written != line-1 || !strings.Contains(p.stdout.String(), fmt.Sprintf("Stopped after line %d.", line)) {
		t.Errorf("%d are written, stopped after line %d:\n%s", written, line, p.stdout.String())
	}
}
