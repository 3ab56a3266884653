package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/seal"
	"ringside/internal/simulate"
)

// example is a runtime of examples/, and how it is started.
type example struct {
	name    string
	command []string
	needs   string // a file without which it cannot run, from where the test runs
}

var examples = []example{
	{"go", nil, ""}, // built by the test
	{"node", []string{"node", "../../examples/node/runtime.mjs"}, "../../examples/node/node_modules/ws"},
	{"python", []string{"python3", "../../examples/python/runtime.py"}, ""},
}

// runnable returns how to run the example, or skips it where its language is not there. CI has them all.
func (e example) runnable(t *testing.T) []string {
	t.Helper()
	if e.name == "go" {
		program := filepath.Join(t.TempDir(), "example")
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", program, "../../examples/go").CombinedOutput(); err != nil {
			t.Fatalf("build the example: %v\n%s", err, out)
		}
		return []string{program}
	}
	_, err := exec.LookPath(e.command[0])
	if err == nil && e.needs != "" {
		_, err = os.Stat(e.needs)
	}
	if err != nil && (os.Getenv("CI") == "" || e.name == "python") {
		t.Skipf("%s cannot run here: %v", e.name, err)
	}
	if err != nil {
		t.Fatalf("%s cannot run here: %v", e.name, err)
	}
	return e.command
}

// startExample starts an example, which has to say where it listens.
func startExample(t *testing.T, command []string, settings ...string) (runtimeURL string) {
	t.Helper()
	var stdout, stderr output
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = append(os.Environ(), append(settings, "LISTEN=127.0.0.1:0", "PYTHONDONTWRITEBYTECODE=1")...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	must(t, cmd.Start())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if t.Failed() {
			t.Logf("%q wrote:\n%s%s", command, stdout.String(), stderr.String())
		}
	})
	line := stdout.await(t, "\n", ended)
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if !ok {
		t.Fatalf("%q printed %q and %s", command, line, stderr.String())
	}
	return url
}

// Each example holds a conversation, has what it heard saved, and answers a message: what they show is
// what works.
func TestExamples(t *testing.T) {
	t.Parallel()
	shop := openShop(t, pgtest.URL(t))
	side := serve(t, "DATABASE_URL="+shop.db.Config().ConnString(), "RINGSIDE_REPLY_BUDGET=14s")
	store := org.NewStore(shop.db).WithKeys(seal.Plain)
	for i, e := range examples {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			command := e.runnable(t)
			_, key, err := store.CreateKey(t.Context(), shop.org.ID, e.name, "events")
			must(t, err)
			secret := "secret of " + e.name
			url := startExample(t, command, "RUNTIME_SECRET="+secret, "RINGSIDE_URL="+strings.Replace(side.Listen, "http", "ws", 1), "RINGSIDE_KEY="+key)
			number := phone.Number(fmt.Sprintf("+1212555018%d", i))
			agent, err := store.CreateAgent(t.Context(), org.Agent{OrgID: shop.org.ID, Name: e.name, Greeting: greeting, RuntimeURL: url, RuntimeSecret: secret})
			must(t, err)
			_, err = store.AddNumber(t.Context(), org.Number{OrgID: shop.org.ID, Phone: number, AgentID: agent.ID, AccountSID: shop.account}, shop.token)
			must(t, err)
			consumer := e.name + "-example"
			until(t, "the number is in service, and the example listens", func() bool {
				outcome, err := shop.twilio(side.Listen).Place(t.Context(), simulate.Call{From: jamie, To: string(number), Script: []simulate.Step{simulate.Say("Hello?"), simulate.Say("Bye!")}})
				return err == nil && outcome.Greeting != "" && count(t, shop, `SELECT count(*) FROM runtime_consumers WHERE name = $1`, consumer) == 1
			})
			e.converse(t, shop, side, string(number), fmt.Sprintf("+1206555017%d", i))
			e.answer(t, shop, side, string(number), consumer)
		})
	}
}

// converse has somebody new call, who leaves an e-mail address and says goodbye.
func (e example) converse(t *testing.T, shop *shop, side *serving, number, from string) {
	t.Helper()
	address := e.name + "@example.com"
	outcome := place(t, shop.twilio(side.Listen), simulate.Call{From: from, To: number, Script: []simulate.Step{
		simulate.Say("Hello, I have a question."), simulate.Say("It is " + address), simulate.Say("Goodbye.")}})
	heard := strings.Join(outcome.Heard, "\n")
	for _, want := range []string{"I hear you. What is your e-mail address?", "Thank you, I have noted your address.", "Goodbye!"} {
		if !strings.Contains(heard, want) {
			t.Errorf("%q was not heard in:\n%s", want, heard)
		}
	}
	call := shop.ended(outcome.CallSID)
	if call.Summary != "Said 1 things" || count(t, shop, `SELECT count(*) FROM contacts WHERE phone = $1 AND email = $2`, from, address) != 1 {
		t.Errorf("what was said is not in the book: %+v", call)
	}
}

// answer has somebody known write, who gets an answer, and looks whether all is acknowledged.
func (e example) answer(t *testing.T, shop *shop, side *serving, number, consumer string) {
	t.Helper()
	// Those who listen are all told of it, and answer it: the first answer goes back.
	receipt, err := shop.twilio(side.Listen).Send(t.Context(), simulate.Text{From: alex, To: number, Body: "Hello " + e.name + " 🙂"})
	must(t, err)
	if len(receipt.Replies) != 1 || receipt.Replies[0].Text != "Thank you. You wrote: Hello "+e.name+" 🙂" {
		t.Errorf("the message was answered %+v", receipt.Replies)
	}
	until(t, "the example has acknowledged the message", func() bool {
		return count(t, shop, `SELECT count(*) FROM runtime_consumers c JOIN runtime_events e ON e.org_id = c.org_id AND e.seq <= c.acked AND e.sid = $2 WHERE c.name = $1`, consumer, receipt.MessageSID) == 1
	})
}

func count(t *testing.T, s *shop, sql string, args ...any) (n int) {
	t.Helper()
	must(t, s.db.QueryRow(t.Context(), sql, args...).Scan(&n))
	return n
}
