package dashboard

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/member"
	"ringside/internal/problem"
)

var _ = sample(
	&campaignsPage{}, &campaignsPage{Rows: []campaignRow{{Campaign: contacts.Campaign{ID: "1", Name: "<worked>", People: 2, Called: 1}}}},
	&campaignPage{Campaign: contacts.Campaign{Name: "<worked>"}, Run: aRun(campaign.Draft)}, &campaignPage{Called: "no", Run: aRun(campaign.Paused)},
	&callingPage{Plan: new(campaign.Plan)}, &callingPage{Form: form{Values: url.Values{"greeting": {"<worked>"}, "days": {"mon"}}, Problem: problem.Invalid("days", "<worked>")}, Agents: []option{{"1", "<worked>"}}},
	&campaignPage{Run: aRun(campaign.Running), Rows: []campaignPersonRow{{CampaignResult: contacts.CampaignResult{ID: "1", Name: "<worked>", Phone: "+14155551200", ContactID: ptr("2")}}, {CampaignResult: contacts.CampaignResult{Phone: "+14155551201"}}}},
	&campaignPersonPage{Person: contacts.CampaignResult{Phone: "+14155551200"}},
	&billingPage{Usage: contacts.Usage{Used: 3}}, &billingPage{Usage: contacts.Usage{Used: 3, Limit: ptr(2), Over: 1}, Filled: 100},
)

var (
	_ = rows("/campaigns/{id}", func(s *site) string { return "/campaigns/" + s.aCampaign() })
	_ = rows("/campaigns/{id}/progress", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/progress" })
	_ = rows("/campaigns/{id}/calling", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/calling" })
	_ = rows("/campaigns/{id}/start", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/start" })
	_ = rows("/campaigns/{id}/pause", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/pause" })
	_ = rows("/campaigns/{id}/resume", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/resume" })
	_ = rows("/campaigns/{id}/stop", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/stop" })
	_ = rows("/campaigns/{id}/people", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/people" })
	_ = rows("/campaigns/{id}/people/{person}", func(s *site) string { return s.aCampaignPerson() })
)

func aRun(state campaign.State) *campaignRun {
	return &campaignRun{Plan: campaign.Plan{State: state, Days: []string{"mon"}, Progress: campaign.Progress{Waiting: 2, Calling: 1, NextAt: ptr(time.Now())}},
		Outcomes: []outcomeCount{{"<worked>", 2}, {"busy", 1}}, Lacking: []string{"<worked>"}}
}

func (s *site) aCampaign() string {
	s.t.Helper()
	c, err := s.book.CreateCampaign(s.t.Context(), s.acme.ID, "Spring "+s.another())
	if err != nil {
		s.t.Fatal(err)
	}
	return c.ID
}

func (s *site) aCampaignPerson() string {
	s.t.Helper()
	p, err := s.book.AddCampaignPerson(s.t.Context(), s.acme, contacts.CampaignPerson{Campaign: "Autumn", Name: "Maria", Phone: s.another()})
	if err != nil {
		s.t.Fatal(err)
	}
	all, err := s.book.Campaigns(s.t.Context(), s.acme.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, c := range all {
		if c.Name == "Autumn" {
			return "/campaigns/" + c.ID + "/people/" + p.ID
		}
	}
	s.t.Fatal("there is no campaign")
	return ""
}

func TestCampaignPages(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	b.get("/campaigns").wants(t, http.StatusOK, "There are no campaigns yet.")
	page := b.postAnd("/campaigns", url.Values{"name": {"Spring offer"}}).wants(t, http.StatusOK, "Spring offer is there", "Nobody yet.")
	b.post("/campaigns", url.Values{"name": {"Spring offer"}}).wants(t, http.StatusConflict, "already exists", `value="Spring offer"`)
	at := "/campaigns/" + page.between(t, `action="/campaigns/`, "/start")
	b.post(at+"/people", url.Values{"name": {"Maria"}, "phone": {"12"}}).wants(t, http.StatusUnprocessableEntity, `id="f-phone-error"`, `value="Maria"`)
	page = b.postAnd(at+"/people", url.Values{"name": {"Maria Gomez"}, "phone": {"(312) 555-0142"}, "notes": {"Asked for a price"}}).wants(t, http.StatusOK, "+1 312-555-0142", "never", "Asked for a price")
	person := at + "/people/" + page.between(t, at+"/people/", `"`)
	b.get(person).wants(t, http.StatusOK, "Maria Gomez", "Asked for a price")
	b.postAnd(person, url.Values{"name": {"Maria Gomez"}, "notes": {"Asked for a price"}, "result": {"Wants a visit"}, "called": {"now"}}).wants(t, http.StatusOK, "Saved.", "Wants a visit", "100 %")
	b.get(at+"?called=no").wants(t, http.StatusOK, "Nobody like that.")
	b.get(at+"?called=yes").wants(t, http.StatusOK, "Maria Gomez")
	s.as(member.Viewer).get(at).wants(t, http.StatusOK, "Maria Gomez").lacks(t, "Add somebody", "Record")
}

func TestBillingPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.alex()
	b := s.as(member.Viewer)
	b.get("/billing").wants(t, http.StatusOK, "1 contact. Your plan has no limit.")
	if err := s.orgs.SetContactLimit(t.Context(), s.acme.ID, ptr(1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.book.Capture(t.Context(), contacts.Capture{Org: s.acme, CallSID: "CA1", Phone: "+12065550199", Name: "Robin Park", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b.get("/billing").wants(t, http.StatusOK, "2 of 1 contact used.", "1 contact is over the plan", "0 more")
}
