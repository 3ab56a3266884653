package dashboard

import (
	"time"

	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
	"ringside/recognize"
)

// agentsPage is the list of voice agents.
type agentsPage struct {
	frame
	Rows  []agentRow
	Empty *emptyState
}

func (*agentsPage) template() string { return "agents" }

// agentRow is a voice agent in the list.
type agentRow struct {
	org.Agent
	Hears   hears
	Numbers []org.Connected
}

func (d *Dashboard) agentRoutes() []route {
	return []route{
		{method: "GET", path: "/agents", role: member.Viewer, serve: showAgents},
		{method: "GET", path: "/agents/new", role: member.Editor, serve: showNewAgent},
		{method: "GET", path: "/agents/preview", role: member.Viewer, serve: previewGreeting},
		{method: "POST", path: "/agents", role: member.Editor, action: "agent.add", serve: addAgent},
		{method: "GET", path: "/agents/{id}", role: member.Viewer, serve: showAgent},
		{method: "POST", path: "/agents/{id}", role: member.Editor, action: "agent.change", serve: changeAgent},
		{method: "POST", path: "/agents/{id}/test", role: member.Editor, action: "agent.test", serve: testAgent},
		{method: "POST", path: "/agents/{id}/delete", role: member.Editor, action: "agent.delete", serve: deleteAgent},
	}
}

func showAgents(v *visit) error {
	agents, err := v.Orgs.Agents(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	numbers, err := v.Orgs.Numbers(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	p := &agentsPage{frame: frame{Title: "Voice agents", Here: "agents"}}
	for _, a := range agents {
		p.Rows = append(p.Rows, agentRow{a, hearing(a.Greeting, a.UnknownGreeting), leadingTo(a.ID, numbers)})
	}
	if len(agents) == 0 {
		p.Empty = &emptyState{Title: "There are no voice agents yet.", Text: "A voice agent answers the calls to your phone numbers. Here you say how it greets people, and which program talks to them."}
		if v.session.Member.Role.AtLeast(member.Editor) {
			p.Empty.Link, p.Empty.Label = "/agents/new", "Add a voice agent"
		}
	}
	return v.ok(p)
}

// leadingTo returns the numbers that lead to a voice agent.
func leadingTo(agentID string, numbers []org.Connected) (theirs []org.Connected) {
	for _, n := range numbers {
		if n.AgentID == agentID {
			theirs = append(theirs, n)
		}
	}
	return theirs
}

// hears is what people hear of an agent's greetings, and what its author should look at.
type hears struct {
	Alex, Stranger    string // what a contact and a stranger hear; "" is nothing
	Advice, OfUnknown []recognize.Advice
	Broken            bool // a greeting cannot be read
}

// sampleName is the contact of the previews.
const sampleName = "Alex Chen"

// hearing says the greetings of an agent to a contact and to a stranger.
func hearing(greeting, unknown string) (h hears) {
	h.Advice, h.OfUnknown = recognize.CheckGreetings(greeting, unknown)
	g, err := recognize.ParseGreeting(greeting)
	u, unknownErr := recognize.ParseGreeting(unknown)
	if err != nil || unknownErr != nil {
		h.Broken = true
		return h
	}
	if unknown == "" {
		u = g
	}
	h.Alex, h.Stranger = g.Render(sampleName), u.Render("")
	return h
}

// Advised reports whether there is something to look at.
func (h hears) Advised() bool { return len(h.Advice)+len(h.OfUnknown) > 0 }

// previewGreeting answers a script with what people would hear of what is being typed.
func previewGreeting(v *visit) error {
	query := v.r.URL.Query()
	return v.part(&agentPage{Hears: hearing(lines(query.Get("greeting")), lines(query.Get("unknown_greeting")))}, "hears")
}

// Probe is what a trial connection to an agent's program has found.
type Probe struct {
	OK    bool
	Text  string
	Steps []ProbeStep
}

// ProbeStep is one part of a trial connection; Failed says what is wrong with it, "" nothing.
type ProbeStep struct {
	Name   string
	Took   time.Duration
	Failed string
}

// Micros is how long the step took, in microseconds.
func (s ProbeStep) Micros() int64 { return s.Took.Microseconds() }

// testAgent tries the connection to an agent's program, as its settings are saved.
func testAgent(v *visit) error {
	a, err := v.Orgs.Agent(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if v.Probe == nil {
		return problem.New(problem.CodeUnavailable, "Connections cannot be tried here.")
	}
	found := v.Probe(v.r.Context(), &a)
	v.changed(a.ID, a.Name, map[string]any{"result": found.Text})
	p, err := v.agentPage(&a, formOf(&a))
	if err != nil {
		return err
	}
	p.Probe = &found
	if v.byScript() {
		return v.part(p, "probe")
	}
	return v.ok(p)
}

func deleteAgent(v *visit) error {
	a, err := v.Orgs.Agent(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	err = v.Orgs.DeleteAgent(v.r.Context(), v.org.ID, a.ID)
	if p, ok := asProblem(err); ok && p.Code == problem.CodeConflict {
		return v.goTo("/agents/"+a.ID, p.Detail)
	}
	if err != nil {
		return err
	}
	v.changed(a.ID, a.Name, nil)
	return v.goTo("/agents", a.Name+" is deleted. The calls that it answered stay.")
}
