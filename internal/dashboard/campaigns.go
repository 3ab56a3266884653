package dashboard

import (
	"cmp"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/internal/member"
)

// campaignsPage is the list of campaigns.
type campaignsPage struct {
	frame
	Form form
	Rows []campaignRow
}

func (*campaignsPage) template() string { return "campaigns" }

// campaignRow is a campaign in the list.
type campaignRow struct {
	contacts.Campaign
	Began moment
}

// campaignPage is one campaign with its people.
type campaignPage struct {
	frame
	Form     form // for adding somebody
	Act      form // for starting and stopping
	Run      *campaignRun
	Campaign contacts.Campaign
	Rows     []campaignPersonRow
	Called   string // "", "yes" or "no"
	Pager    pager
	Follow   string // where the people are looked up again while they are called, or ""
}

func (*campaignPage) template() string { return "campaign" }

// campaignPersonRow is somebody of a campaign.
type campaignPersonRow struct {
	contacts.CampaignResult
	When moment
}

// Came is what came of calling them, or what is to come.
func (r campaignPersonRow) Came() string {
	switch {
	case r.Waiting && r.Attempts > 0:
		return outcomeOf(r.Outcome) + ", to be called again"
	case r.Waiting:
		return "to be called"
	case r.Outcome != "":
		return outcomeOf(r.Outcome)
	case r.Attempts > 0:
		return "being called"
	}
	return ""
}

// Known are their variables.
func (r campaignPersonRow) Known() string {
	var said []string
	for _, name := range slices.Sorted(maps.Keys(r.Variables)) {
		said = append(said, name+": "+r.Variables[name])
	}
	return strings.Join(said, " · ")
}

// campaignPersonPage records the result of a call.
type campaignPersonPage struct {
	frame
	Form     form
	Campaign contacts.Campaign
	Person   contacts.CampaignResult
	When     moment
}

func (*campaignPersonPage) template() string { return "campaign-person" }

func (d *Dashboard) campaignRoutes() []route {
	return []route{
		{method: "GET", path: "/campaigns", role: member.Viewer, serve: showCampaigns},
		{method: "POST", path: "/campaigns", role: member.Editor, action: "campaign.add", serve: addCampaign},
		{method: "GET", path: "/campaigns/{id}", role: member.Viewer, serve: showCampaign},
		{method: "GET", path: "/campaigns/{id}/edit", role: member.Editor, serve: showRenameCampaign},
		{method: "POST", path: "/campaigns/{id}", role: member.Editor, action: "campaign.rename", serve: renameCampaign},
		{method: "GET", path: "/campaigns/{id}/delete", role: member.Editor, serve: showDeleteCampaign},
		{method: "POST", path: "/campaigns/{id}/delete", role: member.Editor, action: "campaign.delete", serve: deleteCampaign},
		{method: "POST", path: "/campaigns/{id}/people", role: member.Editor, action: "campaign.add_person", serve: addCampaignPerson},
		{method: "GET", path: "/campaigns/{id}/people/{person}", role: member.Editor, serve: showCampaignPerson},
		{method: "POST", path: "/campaigns/{id}/people/{person}", role: member.Editor, action: "campaign.result", serve: changeCampaignPerson},
	}
}

func (v *visit) campaignsPage() (*campaignsPage, error) {
	all, err := v.Book.Campaigns(v.r.Context(), v.org.ID)
	if err != nil {
		return nil, err
	}
	p := &campaignsPage{frame: frame{Title: "Campaigns", Here: "campaigns", Zone: v.zone()}}
	for _, c := range all {
		p.Rows = append(p.Rows, campaignRow{c, p.Moment(c.CreatedAt)})
	}
	return p, nil
}

func showCampaigns(v *visit) error {
	p, err := v.campaignsPage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

func addCampaign(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	c, err := v.Book.CreateCampaign(v.r.Context(), v.org.ID, f.Get("name"))
	if err != nil {
		p, pageErr := v.campaignsPage()
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(c.ID, c.Name, nil)
	return v.goTo("/campaigns/"+c.ID, c.Name+" is there. Now add its people, or import a file.")
}

func (v *visit) campaignPage() (*campaignPage, error) {
	ctx := v.r.Context()
	c, err := v.Book.Campaign(ctx, v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := &campaignPage{frame: frame{Title: c.Name, Here: "campaigns", Wide: true, Zone: v.zone()}, Campaign: c}
	query := v.r.URL.Query()
	q := contacts.CampaignQuery{Cursor: query.Get("cursor")}
	switch called := query.Get("called"); called {
	case "yes", "no":
		p.Called = called
		was := called == "yes"
		q.Called = &was
	}
	list, err := v.Book.CampaignPeople(ctx, v.org.ID, c.ID, q)
	if err != nil {
		return nil, err
	}
	for _, person := range list.People {
		p.Rows = append(p.Rows, campaignPersonRow{person, p.Moment(person.CalledAt)})
	}
	p.Pager = v.pagesOf("/campaigns/"+c.ID, list.NextCursor)
	p.Run, err = v.campaignRun(c.ID, &p.frame)
	if err == nil && p.Run.Moving() && v.r.Method == http.MethodGet {
		p.Follow = v.r.URL.RequestURI()
	}
	return p, err
}

func showCampaign(v *visit) error {
	p, err := v.campaignPage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

func addCampaignPerson(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	p, err := v.campaignPage()
	if err != nil {
		return err
	}
	_, err = v.Book.AddCampaignPerson(v.r.Context(), v.org, contacts.CampaignPerson{Campaign: p.Campaign.Name, Name: f.Get("name"), Phone: f.Get("phone"), Notes: lines(f.Get("notes"))})
	if err != nil {
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(p.Campaign.ID, p.Campaign.Name, nil)
	return v.goTo("/campaigns/"+p.Campaign.ID, cmp.Or(strings.TrimSpace(f.Get("name")), readable(f.Get("phone")))+" is in the campaign.")
}

func (v *visit) campaignPersonPage() (*campaignPersonPage, error) {
	ctx := v.r.Context()
	c, err := v.Book.Campaign(ctx, v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	person, err := v.Book.CampaignPerson(ctx, v.org.ID, c.ID, v.r.PathValue("person"))
	if err != nil {
		return nil, err
	}
	p := &campaignPersonPage{frame: frame{Title: "Record a result", Here: "campaigns", Zone: v.zone()}, Campaign: c, Person: person}
	p.When = p.Moment(person.CalledAt)
	return p, nil
}

func showCampaignPerson(v *visit) error {
	p, err := v.campaignPersonPage()
	if err != nil {
		return err
	}
	p.Form.Values = map[string][]string{"name": {p.Person.Name}, "notes": {p.Person.Notes}, "result": {p.Person.Result}}
	return v.ok(p)
}

// changeCampaignPerson records what came of a call, or corrects what is known of somebody.
func changeCampaignPerson(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	p, err := v.campaignPersonPage()
	if err != nil {
		return err
	}
	name, notes, result := f.Get("name"), lines(f.Get("notes")), lines(f.Get("result"))
	change := contacts.CampaignChange{Name: &name, Notes: &notes, Result: &result}
	if f.Has("called", "now") {
		now := time.Now()
		change.CalledAt = &now
	}
	if _, err := v.Book.ChangeCampaignPerson(v.r.Context(), v.org.ID, p.Campaign.ID, p.Person.ID, change); err != nil {
		p.Form = f
		return v.again(err, &p.Form, p)
	}
	v.changed(p.Campaign.ID, p.Campaign.Name, nil)
	return v.goTo("/campaigns/"+p.Campaign.ID, "Saved.")
}
