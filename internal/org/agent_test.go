package org_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

func TestCreateAgentAndListThem(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	full := org.Agent{OrgID: o.org.ID, Name: " Sales ", Greeting: "Hi {{NAME}}", UnknownGreeting: "Hi there", Language: "es-ES",
		Transport: org.TransportRelay, RuntimeURL: "WSS://Agent.example.com:9000/socket?a=b", RuntimeSecret: "s3cret", MinAttestation: "B",
		FallbackNumber: "+12125550123", Apology: "Sorry.", KeepTranscript: true, RelaySettings: map[string]string{"voice": "en-US-Neural2-F"},
		Tell: []org.Detail{org.DetailNotes, org.DetailName, org.DetailNotes}}
	created, err := o.CreateAgent(t.Context(), full)
	if err != nil {
		t.Fatal(err)
	}
	want := full
	want.ID, want.Name, want.RuntimeURL, want.UpdatedAt = created.ID, "Sales", "wss://Agent.example.com:9000/socket?a=b", created.UpdatedAt
	want.Tell = []org.Detail{org.DetailName, org.DetailNotes}
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
	defaults := o.agent
	if defaults.Language != "en-US" || defaults.Transport != org.TransportRelay || defaults.MinAttestation != "" || defaults.FallbackNumber != "" {
		t.Errorf("defaults: %+v", defaults)
	}
	if diff := cmp.Diff(org.Details(), defaults.Tell); diff != "" {
		t.Errorf("told by default (-want, +got):\n%s", diff)
	}
	got, err := o.Agents(t.Context(), o.org.ID)
	if diff := cmp.Diff([]org.Agent{defaults, want}, got); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
	got, err = o.Agents(t.Context(), other.org.ID)
	if diff := cmp.Diff([]org.Agent{other.agent}, got); diff != "" || err != nil {
		t.Errorf("of another organisation: error %v (-want, +got):\n%s", err, diff)
	}
}

func TestCreateAgentRefuses(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	for _, test := range []struct {
		field  string
		change func(*org.Agent)
	}{
		{"name", func(a *org.Agent) { a.Name = " " }},
		{"name", func(a *org.Agent) { a.Name = strings.Repeat("ä", 201) }},
		{"greeting", func(a *org.Agent) { a.Greeting = strings.Repeat("ä", 2001) }},
		{"greeting", func(a *org.Agent) { a.Greeting = "Hello\x00" }},
		{"unknown_greeting", func(a *org.Agent) { a.UnknownGreeting = strings.Repeat("ä", 2001) }},
		{"apology", func(a *org.Agent) { a.Apology = strings.Repeat("ä", 1001) }},
		{"apology", func(a *org.Agent) { a.Apology = "\xff" }},
		{"language", func(a *org.Agent) { a.Language = "English" }},
		{"language", func(a *org.Agent) { a.Language = "en_US" }},
		{"runtime_url", func(a *org.Agent) { a.Transport, a.RuntimeURL = org.TransportDirect, "wss://agent.example.com/?a=b" }},
		{"transport", func(a *org.Agent) { a.Transport = "smoke" }},
		{"min_attestation", func(a *org.Agent) { a.MinAttestation = "D" }},
		{"fallback_number", func(a *org.Agent) { a.FallbackNumber = "2125550123" }},
		{"runtime_secret", func(a *org.Agent) { a.RuntimeSecret = "two\nlines" }},
		{"runtime_secret", func(a *org.Agent) { a.RuntimeSecret = strings.Repeat("x", 1001) }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "" }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "https://agent.example.com" }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "agent.example.com:9000" }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "ws://:9000/socket" }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "ws:///socket" }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "wss://agent.example.com/%zz" }},
		{"runtime_url", func(a *org.Agent) { a.RuntimeURL = "wss://user:hunter2@agent.example.com/" }},
		{"tell", func(a *org.Agent) { a.Tell = []org.Detail{"name", "password"} }},
		{"relay_settings", func(a *org.Agent) { a.RelaySettings = map[string]string{"voice": "\x00"} }},
	} {
		a := draft(o.org.ID)
		test.change(&a)
		_, err := o.CreateAgent(t.Context(), a)
		wantProblem(t, err, problem.CodeInvalid, test.field)
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is repeated: %v", err)
		}
	}
	a := draft(o.org.ID)
	a.Name, a.Greeting, a.UnknownGreeting, a.Apology = strings.Repeat("ä", 200), strings.Repeat("ä", 2000), strings.Repeat("ä", 2000), strings.Repeat("ä", 1000)
	if _, err := o.CreateAgent(t.Context(), a); err != nil {
		t.Errorf("at the limits: %v", err)
	}
}

func TestRule21_AnAgentsSecretIsNotInItsJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(org.Agent{Name: "Reception", RuntimeSecret: "hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "hunter2") {
		t.Errorf("%s", text)
	}
}

func TestReadAnAgent(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	got, err := o.Agent(t.Context(), o.org.ID, o.agent.ID)
	if diff := cmp.Diff(o.agent, got); diff != "" || err != nil {
		t.Errorf("error %v (-want, +got):\n%s", err, diff)
	}
	for _, id := range []string{other.agent.ID, nowhere, "reception", "\x00"} {
		_, err := o.Agent(t.Context(), o.org.ID, id)
		wantProblem(t, err, problem.CodeNotFound, "")
	}
}

func TestChangeAgent(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	secret := "s3cret"
	change := o.agent
	change.Name, change.Greeting, change.UnknownGreeting, change.Language, change.RuntimeURL = " Sales ", "Hi {{NAME}}", "Hi", "es-ES", "ws://localhost:9000/"
	change.MinAttestation, change.FallbackNumber, change.Apology, change.KeepTranscript = "B", "+12125550123", "Sorry.", true
	change.RelaySettings, change.Tell = map[string]string{"voice": "x"}, []org.Detail{}
	changed, err := o.ChangeAgent(t.Context(), change, &secret)
	if err != nil {
		t.Fatal(err)
	}
	want := change
	want.Name, want.RuntimeSecret, want.UpdatedAt = "Sales", secret, changed.UpdatedAt
	if diff := cmp.Diff(want, changed); diff != "" || !changed.UpdatedAt.After(o.agent.UpdatedAt) {
		t.Errorf("changed at %v (-want, +got):\n%s", changed.UpdatedAt, diff)
	}
	held, err := o.Agent(t.Context(), o.org.ID, o.agent.ID)
	if diff := cmp.Diff(want, held); diff != "" || err != nil {
		t.Errorf("error %v (-want, +held):\n%s", err, diff)
	}
	// Somebody else has looked at it before: nothing of the first is overwritten.
	_, err = o.ChangeAgent(t.Context(), change, nil)
	wantProblem(t, err, problem.CodeConflict, "")
	// A secret that is not given stays; an empty one is taken away.
	if held, err = o.ChangeAgent(t.Context(), held, nil); err != nil || held.RuntimeSecret != secret {
		t.Errorf("the secret is %q: %v", held.RuntimeSecret, err)
	}
	// It is not sent to another host.
	elsewhere := held
	elsewhere.RuntimeURL = "wss://evil.example.com/"
	_, err = o.ChangeAgent(t.Context(), elsewhere, nil)
	wantProblem(t, err, problem.CodeInvalid, "runtime_secret")
	held.RuntimeURL = "ws://localhost:9000/another/path"
	if held, err = o.ChangeAgent(t.Context(), held, nil); err != nil || held.RuntimeSecret != secret {
		t.Errorf("at another path the secret is %q: %v", held.RuntimeSecret, err)
	}
	none := ""
	if held, err = o.ChangeAgent(t.Context(), held, &none); err != nil || held.RuntimeSecret != "" {
		t.Errorf("the secret is %q: %v", held.RuntimeSecret, err)
	}
	held.UpdatedAt = time.Time{}
	if _, err := o.ChangeAgent(t.Context(), held, nil); err != nil {
		t.Errorf("whatever it is now: %v", err)
	}
	held.RuntimeURL = "https://example.com"
	_, err = o.ChangeAgent(t.Context(), held, nil)
	wantProblem(t, err, problem.CodeInvalid, "runtime_url")
	foreign := other.agent
	foreign.OrgID = o.org.ID
	_, err = o.ChangeAgent(t.Context(), foreign, nil)
	wantProblem(t, err, problem.CodeNotFound, "")
}

func TestTwoPeopleChangeAnAgentAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t, pgtest.New(t), "Acme")
	var done sync.WaitGroup
	var took, conflicts atomic.Int32
	for range 8 {
		done.Go(func() {
			switch _, err := o.ChangeAgent(t.Context(), o.agent, nil); {
			case err == nil:
				took.Add(1)
			default:
				wantProblem(t, err, problem.CodeConflict, "")
				conflicts.Add(1)
			}
		})
	}
	done.Wait()
	if took.Load() != 1 || conflicts.Load() != 7 {
		t.Errorf("%d of 8 changed it and %d did not", took.Load(), conflicts.Load())
	}
}

// A campaign whose voice agent goes does not go on with another one.
func TestDeleteAgentPausesItsCampaigns(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o := newOffice(t, pool, "Acme")
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO campaigns (org_id, name, state, agent_id) VALUES ($1::text::uuid, 'its', 'running', $2::text::uuid), ($1::text::uuid, 'another', 'running', NULL),
			($1::text::uuid, 'over', 'finished', $2::text::uuid)`, o.org.ID, o.agent.ID); err != nil {
		t.Fatal(err)
	}
	if err := o.DeleteAgent(t.Context(), o.org.ID, o.agent.ID); err != nil {
		t.Fatal(err)
	}
	var states string
	if err := pool.QueryRow(t.Context(), `SELECT string_agg(name || ' ' || state, ', ' ORDER BY name) FROM campaigns WHERE agent_id IS NULL`).Scan(&states); err != nil {
		t.Fatal(err)
	}
	if want := "another running, its paused, over finished"; states != want {
		t.Errorf("%s, want %s", states, want)
	}
}

func TestDeleteAgent(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	o, other := newOffice(t, pool, "Acme"), newOffice(t, pool, "Other")
	n := o.mustAddNumber(t, number, account, "token")
	wantProblem(t, o.DeleteAgent(t.Context(), o.org.ID, o.agent.ID), problem.CodeConflict, "")
	for _, id := range []string{other.agent.ID, nowhere, "reception"} {
		wantProblem(t, o.DeleteAgent(t.Context(), o.org.ID, id), problem.CodeNotFound, "")
	}
	if _, err := o.RemoveNumber(t.Context(), o.org.ID, n.ID); err != nil {
		t.Fatal(err)
	}
	if err := o.DeleteAgent(t.Context(), o.org.ID, o.agent.ID); err != nil {
		t.Error(err)
	}
	_, err := o.Agent(t.Context(), o.org.ID, o.agent.ID)
	wantProblem(t, err, problem.CodeNotFound, "")
}
