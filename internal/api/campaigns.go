package api

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// campaignOperations are campaigns, their people, and what came of calling them.
func (a *API) campaignOperations() []operation {
	const subject = "Campaigns"
	id := idInPath("The campaign's id.")
	return []operation{
		{
			name: "listCampaigns", method: "GET", path: "/v1/campaigns", scope: "read", subject: subject,
			summary: "All campaigns, the newest first",
			does:    asking(a.campaigns),
		},
		{
			name: "createCampaign", method: "POST", path: "/v1/campaigns", scope: "write", subject: subject,
			summary: "Make a campaign",
			details: "A name that another campaign has is a `conflict`, with that campaign's `id`.",
			does:    creating(a.createCampaign),
		},
		{
			name: "getCampaign", method: "GET", path: "/v1/campaigns/{id}", scope: "read", subject: subject,
			summary: "A campaign", parameters: []parameter{id},
			does: asking(a.campaign),
		},
		{
			name: "listCampaignPeople", method: "GET", path: "/v1/campaigns/{id}/people", scope: "read", subject: subject,
			summary: "A campaign's people with the results of their calls, in the order of their numbers",
			parameters: append([]parameter{id, {name: "called", description: "Only those who were, or were not, called.", schema: &huma.Schema{Type: "boolean"}}},
				page(contacts.MaxPage, contacts.DefaultPage)...),
			does: asking(a.campaignPeople),
		},
		{
			name: "addCampaignPerson", method: "POST", path: "/v1/campaigns/{id}/people", scope: "write", subject: subject,
			summary: "Add somebody to a campaign, or bring them up to date",
			details: "Blanks replace nothing, and a placeholder no real name. With `called_at` they are recognised when they call back.", parameters: []parameter{id},
			does: creating(a.addCampaignPerson),
		},
		{
			name: "importCampaignPeople", method: "POST", path: "/v1/campaigns/{id}/people/import", scope: "write", subject: subject,
			summary: "Import a file of people into a campaign, or say what would become of its rows",
			details: "As for contacts, but for the plan's limit, which is for contacts. " + aboutImports, parameters: append([]parameter{id}, importParameters()...),
			problems: []problem.Code{problem.CodeConflict},
			does:     a.importing(),
		},
		{
			name: "changeCampaignPerson", method: "PATCH", path: "/v1/campaigns/{id}/people/{person}", scope: "write", subject: subject,
			summary: "Record what came of a call, or correct what is known of somebody",
			details: "`called_at` only moves forward.", parameters: []parameter{id, {name: "person", description: "The person's id in the campaign.", inPath: true}},
			does: taking(a.changeCampaignPerson),
		},
	}
}

// campaignList is what GET /v1/campaigns answers with.
type campaignList struct {
	Campaigns []contacts.Campaign `json:"campaigns"`
}

func (a *API) campaigns(r *http.Request, key org.Key) (l campaignList, err error) {
	l.Campaigns, err = a.Book.Campaigns(r.Context(), key.OrgID)
	return l, err
}

// newCampaign is what a client sends to make a campaign.
type newCampaign struct {
	Name string `json:"name"`
}

func (a *API) createCampaign(r *http.Request, key org.Key, in newCampaign) (contacts.Campaign, error) {
	return a.Book.CreateCampaign(r.Context(), key.OrgID, in.Name)
}

func (a *API) campaign(r *http.Request, key org.Key) (contacts.Campaign, error) {
	return a.Book.Campaign(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) campaignPeople(r *http.Request, key org.Key) (p contacts.CampaignPage, err error) {
	values := query(r)
	q := contacts.CampaignQuery{Cursor: values.Get("cursor")}
	if q.Limit, err = limit(values); err != nil {
		return p, err
	}
	if values.Has("called") {
		called, err := flag(values, "called")
		if err != nil {
			return p, err
		}
		q.Called = &called
	}
	return a.Book.CampaignPeople(r.Context(), key.OrgID, r.PathValue("id"), q)
}

// newCampaignPerson is what a client sends of somebody whom a campaign calls.
type newCampaignPerson struct {
	Name     string     `json:"name"`
	Phone    string     `json:"phone" doc:"As people write it."`
	Notes    string     `json:"notes,omitempty"`
	CalledAt *time.Time `json:"called_at,omitempty" nullable:"true" doc:"When the campaign called them; left out: not yet."`
	// Variables are for the campaign's greeting.
	Variables map[string]string `json:"variables,omitempty" doc:"What else is known of them: {{ORDER}} in the campaign's greeting says the variable ORDER. Names are letters, digits and underlines; a value has up to 200 characters."`
}

func (a *API) addCampaignPerson(r *http.Request, key org.Key, in newCampaignPerson) (contacts.CampaignResult, error) {
	c, err := a.Book.Campaign(r.Context(), key.OrgID, r.PathValue("id"))
	if err != nil {
		return contacts.CampaignResult{}, err
	}
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return contacts.CampaignResult{}, err
	}
	p := contacts.CampaignPerson{CampaignID: c.ID, Name: in.Name, Phone: in.Phone, Notes: in.Notes, Variables: in.Variables}
	if in.CalledAt != nil {
		p.CalledAt = *in.CalledAt
	}
	if p, err = a.Book.AddCampaignPerson(r.Context(), o, p); err != nil {
		return contacts.CampaignResult{}, err
	}
	return a.Book.CampaignPerson(r.Context(), key.OrgID, c.ID, p.ID)
}

// campaignPersonChange is what a client sends of a call's result; null and absent are the same.
type campaignPersonChange struct {
	CalledAt *time.Time `json:"called_at,omitempty" nullable:"true"`
	Result   *string    `json:"result,omitempty" nullable:"true" doc:"What came of the call, in your words."`
	Name     *string    `json:"name,omitempty" nullable:"true"`
	Notes    *string    `json:"notes,omitempty" nullable:"true"`
	// Variables are added to those there are.
	Variables map[string]string `json:"variables,omitempty" doc:"Added to those there are; an empty value takes one away."`
}

func (a *API) changeCampaignPerson(r *http.Request, key org.Key, in campaignPersonChange) (contacts.CampaignResult, error) {
	return a.Book.ChangeCampaignPerson(r.Context(), key.OrgID, r.PathValue("id"), r.PathValue("person"), contacts.CampaignChange{CalledAt: in.CalledAt, Result: in.Result, Name: in.Name, Notes: in.Notes, Variables: in.Variables})
}
