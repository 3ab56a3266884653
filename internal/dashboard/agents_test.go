package dashboard

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

var (
	agentSample  = org.Agent{ID: "1", Name: "<worked>", Greeting: "Hello {{NAME}}", RuntimeSecret: "hunter2", Tell: org.Details(), RelaySettings: map[string]string{"voice": "x", "debug": "<worked>"}}
	numberSample = org.Connected{Number: org.Number{ID: "1", Phone: "+12125550199"}, AgentName: "Reception"}
)

var _ = sample(
	&agentsPage{Empty: &emptyState{"None", "Add one", "/agents/new", "Add"}},
	&agentsPage{Rows: []agentRow{{agentSample, hearing("Is this {{NAME}}?", ""), []org.Connected{numberSample}}, {Agent: agentSample}}},
	&agentPage{Form: form{Values: url.Values{"name": {"<worked>"}, "greeting": {"<worked> {{NAM}}"}}, Problem: problem.Invalid("greeting", "It is wrong.")}, Hears: hearing("<worked> {{NAM}}", "")},
	&agentPage{Agent: &agentSample, Form: formOf(&agentSample), HasSecret: true, Hears: hearing("<worked> {{NAME}}", "Hi {{NAME}}"), Numbers: []org.Connected{numberSample},
		Probe: &Probe{Text: "<worked>", Steps: []ProbeStep{{Name: "Connection", Took: time.Millisecond}, {Name: "WebSocket", Failed: "<worked>"}}}},
	&agentPage{Agent: &agentSample, Form: form{Problem: problem.New(problem.CodeConflict, "<worked>")}, Probe: &Probe{OK: true, Text: "Fine."}},
)

var (
	_ = rows("/agents/{id}", func(s *site) string { return "/agents/" + s.anAgent().ID })
	_ = rows("/agents/{id}/test", func(s *site) string { return "/agents/" + s.anAgent().ID + "/test" })
	_ = rows("/agents/{id}/delete", func(s *site) string { return "/agents/" + s.anAgent().ID + "/delete" })
)

// typedAgent is a form that nothing is wrong with.
func typedAgent(change ...string) url.Values {
	typed := url.Values{"name": {"Reception"}, "greeting": {"Hello {{NAME}}!"}, "language": {"en-US"}, "runtime_url": {"wss://agent.example.com/socket"}, "keep_transcript": {"1"},
		"tell": {"name", "notes"}}
	for i := 0; i+1 < len(change); i += 2 {
		typed.Set(change[i], change[i+1])
	}
	return typed
}

func TestAddingAVoiceAgent(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	b.get("/agents").wants(t, http.StatusOK, "There are no voice agents yet.", `href="/agents/new"`)
	s.as(member.Viewer).get("/agents").wants(t, http.StatusOK, "There are no voice agents yet.").lacks(t, `href="/agents/new"`)
	b.get("/agents/new").wants(t, http.StatusOK, "Hello Alex Chen, how can I help you?", "Hello, how can I help you?", `name="tell" value="history" checked`)

	typed := typedAgent("runtime_secret", "hunter2", "fallback_number", "(212) 555-0123", "min_attestation", "B", "voice", "en-US-Journey-O", "relay_settings", "dtmfDetection=true\r\n\r\ndebug = debugging",
		"unknown_greeting", "Hello, who is calling?", "apology", "Sorry.\r\nBye.")
	b.postAnd("/agents", typed).wants(t, http.StatusOK, "Reception is there.", "A secret is set", "Phone numbers that lead here").lacks(t, "hunter2")
	agents, err := s.orgs.Agents(t.Context(), s.acme.ID)
	if err != nil || len(agents) != 1 {
		t.Fatalf("%v, %v", agents, err)
	}
	a := agents[0]
	if a.RuntimeSecret != "hunter2" || a.FallbackNumber != "+12125550123" || a.MinAttestation != "B" || a.UnknownGreeting != "Hello, who is calling?" || a.Apology != "Sorry.\nBye." ||
		!a.KeepTranscript || len(a.Tell) != 2 || a.RelaySettings["voice"] != "en-US-Journey-O" || a.RelaySettings["dtmfDetection"] != "true" || a.RelaySettings["debug"] != "debugging" || len(a.RelaySettings) != 3 {
		t.Errorf("added %+v", a)
	}
	b.get("/agents").wants(t, http.StatusOK, "Reception", "Hello Alex Chen!", "Hello, who is calling?", "none yet")
	s.as(member.Owner).get("/settings/log").wants(t, http.StatusOK, "added a voice agent", "Reception").lacks(t, "hunter2")
}

func TestWhatIsWrongWithAVoiceAgent(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	for _, tt := range []struct{ name, value, field, says string }{
		{"name", " ", "name", "needs a name"},
		{"greeting", "", "greeting", "Write what callers hear first."},
		{"greeting", "Hello {{FIRSTNAME}}!", "greeting", "write {{FIRST_NAME}}."},
		{"greeting", "Hello {{NAME!", "greeting", "is opened and not closed"},
		{"unknown_greeting", "Hello {{NAM}}!", "unknown_greeting", "write {{NAME}}."},
		{"language", "English", "language", "not a language tag"},
		{"runtime_url", "https://agent.example.com", "runtime_url", "not a WebSocket address"},
		{"fallback_number", "12", "fallback_number", ""},
		{"min_attestation", "D", "min_attestation", "not an attestation level"},
		{"ttsProvider", "Siri", "ttsProvider", "Google, Amazon or ElevenLabs"},
		{"hints", "\x01", "hints", "printable"},
		{"relay_settings", "loudness=11", "relay_settings", "not an attribute of ConversationRelay"},
		{"relay_settings", "welcomeGreeting=Hi", "relay_settings", "Ringside sets welcomeGreeting itself"},
		{"relay_settings", "dtmfDetection", "relay_settings", "has no = in it"},
		{"tell", "password", "", "nothing that an agent is told"},
	} {
		typed := typedAgent(tt.name, tt.value, "apology", "What was typed stays", "runtime_secret", "hunter2")
		a := b.post("/agents", typed).wants(t, http.StatusUnprocessableEntity, tt.says, "What was typed stays").lacks(t, "hunter2")
		if tt.field != "" && !strings.Contains(a.body, `id="f-`+tt.field+`-error"`) {
			t.Errorf("%s = %q: the problem does not stand beside the field", tt.name, tt.value)
		}
	}
	if agents, err := s.orgs.Agents(t.Context(), s.acme.ID); len(agents) != 0 || err != nil {
		t.Errorf("added %v, %v", agents, err)
	}
}

func TestPreviewOfGreetings(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Viewer)
	b.get("/agents/preview?greeting=Hi+{{FIRST_NAME}}!").wants(t, http.StatusOK, "Hi Alex!", "Hi!").lacks(t, "<html", "Without a name")
	b.get("/agents/preview?greeting=Is+this+{{NAME}}?").wants(t, http.StatusOK, "Is this Alex Chen?", "becomes “Is this?”", "{{NAME|there}}")
	b.get("/agents/preview?greeting=Is+this+{{NAME}}?&unknown_greeting=Who+is+this?").wants(t, http.StatusOK, "Is this Alex Chen?", "Who is this?").lacks(t, "becomes")
	b.get("/agents/preview?greeting=Hi+{{NAM}}!").wants(t, http.StatusOK, "There is nothing to hear yet", "write {{NAME}}.").lacks(t, "class=\"says\"")
	b.get("/agents/preview?greeting=%3Cb%3E+{{NAME}}").wants(t, http.StatusOK, "&lt;b&gt; Alex Chen")
	// Without JavaScript a button shows the page again, and changes nothing.
	editor := s.as(member.Editor)
	editor.post("/agents", typedAgent("greeting", "Good day {{NAME}}.", "do", "preview")).wants(t, http.StatusOK, "Good day Alex Chen.", "Good day.")
	if agents, err := s.orgs.Agents(t.Context(), s.acme.ID); len(agents) != 0 || err != nil {
		t.Errorf("a preview added %v, %v", agents, err)
	}
	a := s.anAgent()
	editor.post("/agents/"+a.ID, typedAgent("greeting", "Good day {{NAME}}.", "do", "preview")).wants(t, http.StatusOK, "Good day Alex Chen.")
	if held, err := s.orgs.Agent(t.Context(), s.acme.ID, a.ID); err != nil || held.Greeting != a.Greeting {
		t.Errorf("a preview changed the greeting to %q, %v", held.Greeting, err)
	}
}

func TestChangingAVoiceAgent(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.anAgent()
	b := s.as(member.Editor)
	at := "/agents/" + a.ID
	seen := a.UpdatedAt.Format(time.RFC3339Nano)
	typed := typedAgent("seen", seen, "runtime_url", a.RuntimeURL, "runtime_secret", "hunter2")
	typed.Del("keep_transcript")
	typed.Del("tell")
	b.postAnd(at, typed).wants(t, http.StatusOK, "Saved.", "A secret is set").lacks(t, "hunter2", `name="keep_transcript" value="1" checked`)
	held, err := s.orgs.Agent(t.Context(), s.acme.ID, a.ID)
	if err != nil || held.KeepTranscript || len(held.Tell) != 0 || held.RuntimeSecret != "hunter2" {
		t.Errorf("changed to %+v, %v", held, err)
	}
	// Somebody else was quicker: what was typed stays, and is saved if that is what they want.
	typed.Set("greeting", "From an old page {{NAME}}")
	page := b.post(at, typed).wants(t, http.StatusConflict, "Somebody else changed this voice agent", "From an old page").lacks(t, "hunter2")
	typed.Set("seen", page.between(t, `name="seen" value="`, `"`))
	typed.Del("runtime_secret")
	b.postAnd(at, typed).wants(t, http.StatusOK, "From an old page", "A secret is set")
	// The secret is not sent to another host.
	typed.Set("seen", "")
	typed.Set("runtime_url", "wss://evil.example.com/")
	b.post(at, typed).wants(t, http.StatusUnprocessableEntity, "leads to another host now", `id="f-runtime_secret-error"`)
	typed.Set("remove_secret", "1")
	b.postAnd(at, typed).wants(t, http.StatusOK, "Saved.").lacks(t, "A secret is set")
}

// What somebody else has changed while a form was open stays, where this one has not touched it.
func TestTwoPeopleChangeAVoiceAgent(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.anAgent()
	b := s.as(member.Editor)
	at := "/agents/" + a.ID
	opened := b.get(at)
	hidden := func(page answer, name string) string {
		return html.UnescapeString(page.between(t, `name="`+name+`" value="`, `"`))
	}
	first, second := typedAgent("name", a.Name, "greeting", a.Greeting, "runtime_url", a.RuntimeURL), url.Values{}
	first.Del("tell")
	for _, d := range a.Tell {
		first.Add("tell", string(d))
	}
	if !a.KeepTranscript {
		first.Del("keep_transcript")
	}
	for _, name := range []string{"seen", "was"} {
		first.Set(name, hidden(opened, name))
	}
	for name, values := range first {
		second[name] = slices.Clone(values)
	}
	first.Set("apology", "Sorry.")
	first.Add("keep_transcript", "1")
	b.postAnd(at, first).wants(t, http.StatusOK, "Saved.")
	second.Set("greeting", "Good day {{NAME}}!")
	again := b.post(at, second).wants(t, http.StatusConflict, "Below are your changes beside theirs", "Good day {{NAME}}!", "Sorry.")
	for _, name := range []string{"seen", "was"} {
		second.Set(name, hidden(again, name))
	}
	second.Set("apology", "Sorry.") // as the page has it now
	second.Set("keep_transcript", "1")
	b.postAnd(at, second).wants(t, http.StatusOK, "Saved.")
	held, err := s.orgs.Agent(t.Context(), s.acme.ID, a.ID)
	if err != nil || held.Greeting != "Good day {{NAME}}!" || held.Apology != "Sorry." || !held.KeepTranscript {
		t.Errorf("it is %+v, %v", held, err)
	}
}

func TestViewersOnlyLookAtVoiceAgents(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.anAgent()
	s.as(member.Viewer).get("/agents/"+a.ID).wants(t, http.StatusOK, "Hello Alex Chen!", "disabled").lacks(t, "Save", "Delete", "<button>Test the connection", "/settings/numbers")
	s.as(member.Owner).get("/agents/"+a.ID).wants(t, http.StatusOK, "/settings/numbers", "Test the connection", "Save").lacks(t, " disabled")
}

func TestTryingAVoiceAgentsConnection(t *testing.T) {
	t.Parallel()
	var probed *org.Agent
	s := open(t, func(d *Dashboard) {
		d.Probe = func(_ context.Context, a *org.Agent) Probe {
			probed = a
			return Probe{Text: "Nothing takes connections there.", Steps: []ProbeStep{{Name: "Name", Took: 2 * time.Millisecond}, {Name: "Connection", Failed: "Nothing takes connections there."}}}
		}
	})
	a := s.anAgent()
	b := s.as(member.Editor)
	b.post("/agents/"+a.ID+"/test", nil).wants(t, http.StatusOK, "it does not work", "Nothing takes connections there.", "2.0 ms", "Voice agents")
	if probed == nil || probed.ID != a.ID || probed.RuntimeURL != a.RuntimeURL {
		t.Errorf("tried %+v", probed)
	}
	b.do(http.MethodPost, "/agents/"+a.ID+"/test", nil, "HX-Request", "true").wants(t, http.StatusOK, "it does not work").lacks(t, "<html")
	s.as(member.Owner).get("/settings/log").wants(t, http.StatusOK, "tested the connection to a runtime")
}

func TestDeletingAVoiceAgent(t *testing.T) {
	t.Parallel()
	s := open(t)
	a := s.anAgent()
	n, err := s.orgs.AddNumber(t.Context(), org.Number{OrgID: s.acme.ID, Phone: phone.Number("+12125550199"), AgentID: a.ID, AccountSID: testAccount}, "token")
	if err != nil {
		t.Fatal(err)
	}
	b := s.as(member.Editor)
	b.get("/agents").wants(t, http.StatusOK, "+1 212-555-0199")
	b.get("/agents/"+a.ID).wants(t, http.StatusOK, "+1 212-555-0199", "Phone numbers lead to it.").lacks(t, "Delete Reception")
	b.postAnd("/agents/"+a.ID+"/delete", nil).wants(t, http.StatusOK, "Phone numbers lead to this voice agent.")
	if _, err := s.orgs.RemoveNumber(t.Context(), s.acme.ID, n.ID); err != nil {
		t.Fatal(err)
	}
	b.postAnd("/agents/"+a.ID+"/delete", nil).wants(t, http.StatusOK, "Reception is deleted.", "There are no voice agents yet.")
	b.get("/agents/"+a.ID).wants(t, http.StatusNotFound)
}
