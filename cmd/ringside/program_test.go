package main

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ringside/cache"
	"ringside/internal/dashboard/browsertest"
	"ringside/internal/together"
)

// asProgram makes this test's binary the program: what is tested is what is built, with the race
// detector in it if the test has one.
const asProgram = "RINGSIDE_TEST_MAIN"

// redisPatience is how long a program under test waits for Redis, where that is not what is tested: the 8 ms of the
// program are soon over on a machine that is busy with tests.
const redisPatience = "RINGSIDE_TEST_REDIS_PATIENCE"

// Limits of a program under test, generous because several run at once under the race detector.
const (
	startLimit = time.Minute
	endLimit   = 2 * time.Minute // a demo on a new private Postgres, from beginning to end
	eventually = time.Minute
)

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		if wait, err := time.ParseDuration(os.Getenv(redisPatience)); err == nil {
			openRedis = func(url string, log *slog.Logger) (*cache.Redis, error) {
				return cache.OpenRedisPatiently(url, log, wait)
			}
		}
		go func() { // the pipe breaks when the test has died, however it died
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(exitFailed)
		}()
		main()
	}
	together.AtLeast(8)
	os.Exit(browsertest.Main(m))
}

// program is the program as a process of its own.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{}
}

// start starts the program with the given settings, on free ports and in a data folder of its own
// unless they say otherwise. It ends with the test.
func start(t *testing.T, settings []string, args ...string) *program {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, cmd: exec.Command(self, args...), ended: make(chan struct{})}
	p.cmd.Env = append(environ(t, settings...), asProgram+"=1")
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	lifeline, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the state has it
	}()
	t.Cleanup(func() {
		p.kill()
		lifeline.Close()
		said := p.stderr.String()
		if t.Failed() {
			t.Logf("ringside %s wrote:\n%s\nand logged:\n%s", strings.Join(args, " "), p.stdout.String(), said)
		}
		if strings.Contains(said, "DATA RACE") || strings.Contains(said, "panic:") {
			t.Errorf("ringside %s:\n%s", strings.Join(args, " "), said)
		}
	})
	return p
}

// environ is the environment of a program under test: nothing of the developer's but what it takes
// to run programs, and time enough to recognise a caller on a machine that is busy with tests. A test
// of what happens when the time runs out sets the budget itself.
func environ(t *testing.T, settings ...string) []string {
	t.Helper()
	env := []string{"RINGSIDE_LISTEN=127.0.0.1:0", "RINGSIDE_OPS_LISTEN=127.0.0.1:0", "RINGSIDE_DATA_DIR=" + t.TempDir(), "RINGSIDE_RECOGNITION_BUDGET=5s"}
	if !slices.ContainsFunc(settings, func(s string) bool { return strings.HasPrefix(s, "RINGSIDE_SECRET_KEY=") }) {
		env = append(env, "RINGSIDE_SECRET_KEY=the key of everything under test") // several programs may share a database
	}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "PG_BIN"} {
		if value := os.Getenv(name); value != "" {
			env = append(env, name+"="+value)
		}
	}
	return append(env, settings...) // the last one holds
}

// signal sends a signal.
func (p *program) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("send %s: %v", s, err)
	}
}

// kill ends the program as a crash would, if it still runs.
func (p *program) kill() {
	_ = p.cmd.Process.Kill() // it has ended
	<-p.ended
}

// status waits for the program's end and returns its exit status; -1 after a signal.
func (p *program) status() int {
	p.t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(endLimit):
		p.t.Fatalf("%v has not ended within %s", p.cmd.Args[1:], endLimit)
		return 0
	}
}

// serving is a sidecar that answers.
type serving struct {
	*program
	Listen    string `json:"listen"`
	Ops       string `json:"ops"`
	PublicURL string `json:"public_url"`
}

// serve starts a sidecar and returns when it listens.
func serve(t *testing.T, settings ...string) *serving {
	t.Helper()
	s := &serving{program: start(t, settings, "serve", "--json")}
	line := s.stdout.await(t, "\n", s.ended)
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatalf("serve --json printed %q (%v) and logged:\n%s", line, err, s.stderr.String())
	}
	return s
}

// address is what RINGSIDE_LISTEN has to be for another sidecar to take this one's place.
func (s *serving) address() string { return strings.TrimPrefix(s.Listen, "http://") }

// stop ends the sidecar in order.
func (s *serving) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	if status := s.status(); status != 0 {
		s.t.Errorf("serve ended with status %d", status)
	}
}

// get asks the sidecar and returns the answer's status and body.
func get(t *testing.T, url string, header ...string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(raw)
}

// ready returns what /readyz says.
func (s *serving) ready() (status int, report readiness) {
	s.t.Helper()
	status, body := get(s.t, s.Ops+"/readyz")
	if err := json.Unmarshal([]byte(body), &report); err != nil {
		s.t.Fatalf("/readyz answered %q: %v", body, err)
	}
	return status, report
}

// awaitCurrent waits until the sidecar follows the changes in Postgres: what it caches from then on
// stays cached.
func (s *serving) awaitCurrent() {
	s.t.Helper()
	until(s.t, "the sidecar follows the changes in Postgres", func() bool {
		_, figures := get(s.t, s.Ops+"/metrics")
		return strings.Contains(figures, "\nringside_cache_current 1\n")
	})
}

// command runs a command that ends, in this process, and returns what it printed.
func command(t *testing.T, settings []string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	status = run(t.Context(), args, environ(t, settings...), &out, &errs)
	return status, out.String(), errs.String()
}

// object runs a command with --json that must succeed and returns what it printed.
func object(t *testing.T, settings []string, args ...string) map[string]any {
	t.Helper()
	status, out, errs := command(t, settings, append(args, "--json")...)
	var printed map[string]any
	if err := json.Unmarshal([]byte(out), &printed); status != 0 || err != nil {
		t.Fatalf("ringside %q ended with %d (%v) and printed:\n%s%s", args, status, err, out, errs)
	}
	return printed
}

// id runs a set-up command and returns the id that it printed.
func id(t *testing.T, settings []string, args ...string) string {
	t.Helper()
	made, _ := object(t, settings, args...)["id"].(string)
	if made == "" {
		t.Fatalf("ringside %q printed no id", args)
	}
	return made
}

// until tries until ok holds, and fails the test if it does not come to hold.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(eventually)
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %s: %s", eventually, what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// output gathers what a program writes.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.changed != nil {
		close(o.changed)
		o.changed = nil
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns everything written once it contains text, or once the program has ended.
func (o *output) await(t *testing.T, text string, ended <-chan struct{}) string {
	t.Helper()
	deadline := time.After(startLimit)
	for {
		o.mu.Lock()
		written := o.text.String()
		if o.changed == nil {
			o.changed = make(chan struct{})
		}
		changed := o.changed
		o.mu.Unlock()
		if strings.Contains(written, text) {
			return written
		}
		select {
		case <-changed:
		case <-ended:
			return o.String()
		case <-deadline:
			t.Fatalf("%q was not written within %s, but %q", text, startLimit, written)
		}
	}
}
