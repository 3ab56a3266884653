package org_test

import (
	"encoding/json"
	"strings"
	"testing"

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
		FallbackNumber: "+12125550123", Apology: "Sorry.", KeepTranscript: true, RelaySettings: map[string]string{"voice": "en-US-Neural2-F"}}
	created, err := o.CreateAgent(t.Context(), full)
	if err != nil {
		t.Fatal(err)
	}
	want := full
	want.ID, want.Name, want.RuntimeURL = created.ID, "Sales", "wss://Agent.example.com:9000/socket?a=b"
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
	defaults := o.agent
	if defaults.Language != "en-US" || defaults.Transport != org.TransportRelay || defaults.MinAttestation != "" || defaults.FallbackNumber != "" {
		t.Errorf("defaults: %+v", defaults)
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
		{"transport", func(a *org.Agent) { a.Transport = "stream" }},
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
