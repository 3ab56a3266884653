package dashboard

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
	"ringside/recognize"
)

// Campaigns keeps how campaigns call. Package campaign's Store implements it.
type Campaigns interface {
	Plan(ctx context.Context, id org.ID, campaignID string) (*campaign.Plan, error)
	ChangePlan(ctx context.Context, o org.Org, campaignID string, c campaign.Change) (*campaign.Plan, error)
	Act(ctx context.Context, lines campaign.Lines, o org.Org, campaignID string, a campaign.Action) (*campaign.Plan, error)
	Missing(ctx context.Context, p *campaign.Plan) (map[string]int, error)
}

// campaignRun is how far a campaign's calling is.
type campaignRun struct {
	campaign.Plan
	NextAt   moment
	Outcomes []outcomeCount
	Lacking  []string // what to look at before it is started
}

// outcomeCount is how many people have an outcome.
type outcomeCount struct {
	Words string
	Count int
}

// Moving reports whether the numbers change by themselves.
func (r *campaignRun) Moving() bool { return r.State == campaign.Running || r.Progress.Calling > 0 }

// Actions are what can be done as the campaign stands.
func (r *campaignRun) Actions() []option {
	switch r.State {
	case campaign.Running:
		return []option{{"pause", "Pause"}, {"stop", "Stop"}}
	case campaign.Paused:
		return []option{{"resume", "Go on"}, {"stop", "Stop"}}
	case campaign.Draft:
		return []option{{"start", "Start calling"}}
	}
	if r.Progress.Waiting == 0 {
		return nil
	}
	return []option{{"start", "Call those who are left"}}
}

// Badge is the class of the state's badge.
func (r *campaignRun) Badge() string {
	switch r.State {
	case campaign.Running:
		return "good"
	case campaign.Paused:
		return "warn"
	}
	return ""
}

// Words says the state.
func (r *campaignRun) Words() string { return r.State.Words() }

// When says at which hours it calls.
func (r *campaignRun) When() string {
	days := "every day"
	if len(r.Days) < 7 {
		var names []string
		for _, day := range r.Days {
			names = append(names, weekdays[day])
		}
		days = strings.Join(names, ", ")
		if slices.Equal(r.Days, campaign.Weekdays[:5]) {
			days = "Monday to Friday"
		}
	}
	return fmt.Sprintf("%s to %s, %s, where the person is", r.Opens, r.Closes, days)
}

var weekdays = map[string]string{"mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday"}

// callOutcomes say what came of a campaign's call.
var callOutcomes = map[string]string{
	"completed": "talked to", "busy": "busy", "no-answer": "did not answer", "failed": "could not be reached", "canceled": "canceled",
	campaign.OutcomeMachine: "a machine answered", campaign.OutcomeOptedOut: "want no messages or calls", campaign.OutcomeBlocked: "blocked", campaign.OutcomePremium: "premium-rate numbers",
	campaign.OutcomeOwn: "your own numbers", campaign.OutcomeNoHour: "no hour that suits", campaign.OutcomeUnknown: "not known",
}

func outcomeOf(word string) string {
	return cmp.Or(callOutcomes[word], strings.ReplaceAll(word, "_", " "))
}

func (d *Dashboard) callingRoutes() []route {
	routes := []route{
		{method: "GET", path: "/campaigns/{id}/progress", role: member.Viewer, serve: showCampaignRun},
		{method: "GET", path: "/campaigns/{id}/calling", role: member.Editor, serve: showCalling},
		{method: "POST", path: "/campaigns/{id}/calling", role: member.Editor, action: "campaign.change", serve: changeCalling},
	}
	for _, a := range campaign.Actions() {
		routes = append(routes, route{method: "POST", path: "/campaigns/{id}/" + string(a), role: member.Editor, action: "campaign." + string(a), serve: func(v *visit) error { return act(v, a) }})
	}
	return routes
}

// campaignRun reads how far a campaign's calling is.
func (v *visit) campaignRun(id string, f *frame) (*campaignRun, error) {
	plan, err := v.Campaigns.Plan(v.r.Context(), v.org.ID, id)
	if err != nil {
		return nil, err
	}
	r := &campaignRun{Plan: *plan, NextAt: f.Moment(plan.Progress.NextAt)}
	for _, word := range slices.SortedFunc(maps.Keys(plan.Progress.Outcomes), func(a, b string) int {
		return cmp.Or(cmp.Compare(plan.Progress.Outcomes[b], plan.Progress.Outcomes[a]), cmp.Compare(a, b))
	}) {
		r.Outcomes = append(r.Outcomes, outcomeCount{outcomeOf(word), plan.Progress.Outcomes[word]})
	}
	lack, err := v.Campaigns.Missing(v.r.Context(), plan)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(lack)) {
		r.Lacking = append(r.Lacking, fmt.Sprintf("Of %s {{%s}} is not known: the greeting says nothing there, or what it has for that.", plural(lack[name], "person", "people"), name))
	}
	return r, nil
}

// showCampaignRun answers a script that follows a campaign.
func showCampaignRun(v *visit) error {
	c, err := v.Book.Campaign(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	p := &campaignPage{frame: frame{Zone: v.zone()}, Campaign: c}
	if p.Run, err = v.campaignRun(c.ID, &p.frame); err != nil {
		return err
	}
	return v.part(p, "campaign-progress")
}

// act starts, pauses, resumes or stops a campaign.
func act(v *visit, a campaign.Action) error {
	id := v.r.PathValue("id")
	if v.Desk == nil {
		return problem.New(problem.CodeConflict, "Nobody can be called from here: Twilio is only simulated.")
	}
	c, err := v.Book.Campaign(v.r.Context(), v.org.ID, id)
	if err != nil {
		return err
	}
	plan, err := v.Campaigns.Act(v.r.Context(), v.Desk, v.org, id, a)
	if err != nil {
		p, pageErr := v.campaignPage()
		if pageErr != nil {
			return pageErr
		}
		return v.again(err, &p.Act, p)
	}
	v.changed(c.ID, c.Name, nil)
	return v.goTo("/campaigns/"+c.ID, "The campaign is "+plan.State.Words()+".")
}

// callingPage sets how a campaign calls.
type callingPage struct {
	frame
	Form     form
	Campaign contacts.Campaign
	Plan     *campaign.Plan
	Agents   []option
	Numbers  []option
}

func (*callingPage) template() string { return "campaign-calling" }

// callingFields are the fields of the form, whose problems stand beside them.
var callingFields = []string{"agent_id", "from", "greeting", "context", "calls_per_minute", "calls_at_once", "opens", "closes", "days", "time_zone", "retries", "retry_minutes"}

// General is what is wrong with none of the fields.
func (p *callingPage) General() string { return p.Form.General(callingFields...) }

// Days are the days of the week.
func (*callingPage) Days() (days []option) {
	for _, day := range campaign.Weekdays {
		days = append(days, option{day, weekdays[day]})
	}
	return days
}

// DayError is what is wrong with the days.
func (p *callingPage) DayError() string { return p.Form.Field("days", "").Error }

// Advice is what people should look at in the greeting.
func (p *callingPage) Advice() string {
	greeting := lines(p.Form.Get("greeting"))
	if greeting == "" {
		return ""
	}
	g, err := recognize.ParseCampaignGreeting(greeting)
	if err != nil || g.Named() {
		return ""
	}
	return "Nobody is greeted by name: write {{NAME}} or {{FIRST_NAME}} where the name should be said."
}

func (v *visit) callingPage() (*callingPage, error) {
	ctx := v.r.Context()
	c, err := v.Book.Campaign(ctx, v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := &callingPage{frame: frame{Title: "How " + c.Name + " calls", Here: "campaigns", Zone: v.zone()}, Campaign: c}
	if p.Plan, err = v.Campaigns.Plan(ctx, v.org.ID, c.ID); err != nil {
		return nil, err
	}
	numbers, err := v.Orgs.Numbers(ctx, v.org.ID)
	if err != nil {
		return nil, err
	}
	agents, err := v.Orgs.Agents(ctx, v.org.ID)
	if err != nil {
		return nil, err
	}
	p.Agents, p.Numbers = []option{{"", "Whoever the number leads to"}}, []option{{"", "One that leads to the voice agent"}}
	for _, a := range agents {
		p.Agents = append(p.Agents, option{a.ID, a.Name})
	}
	for _, n := range numbers {
		p.Numbers = append(p.Numbers, option{string(n.Phone), n.Phone.Readable() + " (" + n.AgentName + ")"})
	}
	return p, nil
}

func showCalling(v *visit) error {
	p, err := v.callingPage()
	if err != nil {
		return err
	}
	n := strconv.Itoa
	p.Form.Values = url.Values{"agent_id": {p.Plan.AgentID}, "from": {string(p.Plan.From)}, "greeting": {p.Plan.Greeting}, "context": {p.Plan.Context},
		"calls_per_minute": {n(p.Plan.PerMinute)}, "calls_at_once": {n(p.Plan.AtOnce)}, "opens": {p.Plan.Opens.String()}, "closes": {p.Plan.Closes.String()}, "days": p.Plan.Days,
		"time_zone": {p.Plan.TimeZone}, "retries": {n(p.Plan.Retries)}, "retry_minutes": {n(p.Plan.RetryMinutes)}}
	if p.Plan.HangUpOnMachines {
		p.Form.Values.Set("hang_up_on_machines", "1")
	}
	return v.ok(p)
}

func changeCalling(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	change, err := callingFrom(f)
	if err == nil {
		_, err = v.Campaigns.ChangePlan(v.r.Context(), v.org, v.r.PathValue("id"), change)
	}
	p, pageErr := v.callingPage()
	if pageErr != nil {
		return pageErr
	}
	if err != nil {
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(p.Campaign.ID, p.Campaign.Name, nil)
	return v.goTo("/campaigns/"+p.Campaign.ID, "Saved.")
}

// callingFrom reads the form.
func callingFrom(f form) (c campaign.Change, err error) {
	text := func(name string) *string {
		value := strings.TrimSpace(lines(f.Get(name)))
		return &value
	}
	machines, days := f.Has("hang_up_on_machines", "1"), append([]string{}, f.Values["days"]...)
	c = campaign.Change{AgentID: text("agent_id"), From: text("from"), Greeting: text("greeting"), Context: text("context"), Opens: text("opens"), Closes: text("closes"),
		TimeZone: text("time_zone"), Days: &days, HangUpOnMachines: &machines}
	for _, n := range []struct {
		name string
		to   **int
	}{{"calls_per_minute", &c.PerMinute}, {"calls_at_once", &c.AtOnce}, {"retries", &c.Retries}, {"retry_minutes", &c.RetryMinutes}} {
		value, err := strconv.Atoi(*text(n.name))
		if err != nil {
			return c, problem.Invalid(n.name, "Write a whole number.")
		}
		*n.to = &value
	}
	return c, nil
}
