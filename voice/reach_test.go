package voice_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/reach"
	"ringside/internal/simulate"
	"ringside/voice"
)

func reachable(t *testing.T, hosts string, private bool) *reach.Policy {
	t.Helper()
	p, err := reach.NewPolicy(hosts, private)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A runtime where none may be is not connected to: not for a call, and not for a trial, which would tell
// whoever sets up an agent what there is inside the network.
func TestRuntimesThatMayNotBeDialled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		policy *reach.Policy
		says   string
	}{
		"inside":          {reachable(t, "", false), "RINGSIDE_RUNTIME_PRIVATE is false"},
		"not on the list": {reachable(t, "agent.example.com", true), "RINGSIDE_RUNTIME_HOSTS does not have it"},
	} {
		e := newEdge(t, parts{config: func(c *voice.Config) { c.Runtimes = test.policy }})
		out := e.place(simulate.Call{From: jane, Script: []simulate.Step{simulate.AwaitEnd(patience)}})
		if want := []string{"Sorry, we cannot take your call right now. Please try again in a little while. Goodbye."}; !cmp.Equal(want, out.Spoken) {
			t.Errorf("%s: spoken %q, want %q", name, out.Spoken, want)
		}
		if n := len(e.runtime.Sessions()); n != 0 {
			t.Errorf("%s: %d connections were made", name, n)
		}
		for _, url := range []string{e.runtime.URL(), strings.Replace(e.runtime.URL(), "127.0.0.1", "localhost", 1)} {
			if p := voice.ProbeRuntime(t.Context(), test.policy, &org.Agent{RuntimeURL: url, RuntimeSecret: bearer}); p.OK || !strings.Contains(p.Text, test.says) {
				t.Errorf("%s: the trial of %s says %q", name, url, p.Text)
			}
		}
	}
	// A closed port is not told from an open one.
	p := voice.ProbeRuntime(t.Context(), reachable(t, "", false), &org.Agent{RuntimeURL: "ws://127.0.0.1:1/"})
	if !strings.Contains(p.Text, "RINGSIDE_RUNTIME_PRIVATE is false") {
		t.Errorf("a closed port inside: %q", p.Text)
	}
	// The machine's own credentials are refused whatever is set.
	for _, policy := range []*reach.Policy{nil, reachable(t, "", true), reachable(t, "169.254.169.254", true)} {
		p := voice.ProbeRuntime(t.Context(), policy, &org.Agent{RuntimeURL: "ws://169.254.169.254/latest/meta-data/"})
		if p.OK || len(p.Steps) != 1 || !strings.Contains(p.Text, "cloud metadata") {
			t.Errorf("cloud metadata: %q", p.Text)
		}
	}
}

// A runtime that sends us elsewhere is not followed: it could lead anywhere.
func TestRedirectsOfARuntimeAreNotFollowed(t *testing.T) {
	t.Parallel()
	var visits atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits.Add(1) }))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		p := voice.ProbeRuntime(t.Context(), nil, &org.Agent{RuntimeURL: answers(t, status, "Location", elsewhere.URL)})
		if p.OK || visits.Load() != 0 {
			t.Errorf("%d: %q, and %d visits elsewhere", status, p.Text, visits.Load())
		}
	}
}
