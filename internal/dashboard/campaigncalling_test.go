package dashboard

import (
	"net/http"
	"net/url"
	"testing"

	"ringside/contacts"
	"ringside/internal/member"
	"ringside/internal/problem"
)

func TestCampaignCallingPages(t *testing.T) {
	t.Parallel()
	desk := &outbox{}
	s := open(t, func(d *Dashboard) { d.Desk = desk })
	id := s.aCampaign()
	b, at := s.as(member.Editor), "/campaigns/"+id
	c, err := s.book.Campaign(t.Context(), s.acme.ID, id)
	if err != nil {
		t.Fatal(err)
	}
	b.get(at).wants(t, http.StatusOK, "not started yet", "Start calling", "09:00 to 20:00, Monday to Friday").lacks(t, "every 2s", "Pause")
	b.post(at+"/start", nil).wants(t, http.StatusConflict, "There is nobody left to call in this campaign.")
	if _, err := s.book.AddCampaignPerson(t.Context(), s.acme, contacts.CampaignPerson{Campaign: c.Name, Name: "Maria Gomez", Phone: "(312) 555-0142", Variables: map[string]string{"PLAN": "Gold"}}); err != nil {
		t.Fatal(err)
	}

	page := b.get(at+"/calling").wants(t, http.StatusOK, `value="20"`, `value="09:00"`, `value="mon" checked`, `value="sun">`)
	page.lacks(t, `value="sun" checked`)
	typed := url.Values{"greeting": {"Hello, your order {{ORDER}} is ready."}, "context": {"It is ready."}, "calls_per_minute": {"soon"}, "calls_at_once": {"2"}, "opens": {"10:00"}, "closes": {"18:00"},
		"days": {"mon", "sat"}, "retries": {"1"}, "retry_minutes": {"30"}, "hang_up_on_machines": {"1"}}
	b.post(at+"/calling", typed).wants(t, http.StatusUnprocessableEntity, `id="f-calls_per_minute-error"`, "Write a whole number.", "your order {{ORDER}}", `value="sat" checked`)
	typed.Set("calls_per_minute", "7")
	b.post(at+"/calling", url.Values{"calls_per_minute": {"7"}, "calls_at_once": {"2"}, "opens": {"10:00"}, "closes": {"18:00"}, "retries": {"1"}, "retry_minutes": {"30"}}).
		wants(t, http.StatusUnprocessableEntity, `id="f-days-error"`)
	b.postAnd(at+"/calling", typed).wants(t, http.StatusOK, "Saved.", "10:00 to 18:00, Monday, Saturday", "7 calls a minute, 2 at the same time", "Of 1 person {{ORDER}} is not known", "PLAN: Gold", "to be called")
	b.get(at+"/calling").wants(t, http.StatusOK, `name="hang_up_on_machines" value="1" checked`, "Nobody is greeted by name")

	desk.refusal = problem.Invalid("from", "No phone number is connected yet.")
	b.post(at+"/start", nil).wants(t, http.StatusUnprocessableEntity, "No phone number is connected yet.")
	desk.refusal = nil
	b.postAnd(at+"/start", nil).wants(t, http.StatusOK, "The campaign is running.", "every 2s", "Pause", "Stop")
	b.get(at+"/progress").wants(t, http.StatusOK, "every 2s", "To be called").lacks(t, "<html")
	b.post("/campaigns/"+id+"/delete", url.Values{"name": {c.Name}}).wants(t, http.StatusConflict, "Stop it before you delete it.")
	b.postAnd(at+"/pause", nil).wants(t, http.StatusOK, "The campaign is paused.", "Go on")
	b.postAnd(at+"/resume", nil).wants(t, http.StatusOK, "The campaign is running.")
	b.postAnd(at+"/stop", nil).wants(t, http.StatusOK, "The campaign is stopped.", "Call those who are left")
	b.post(at+"/pause", nil).wants(t, http.StatusConflict, "The campaign is not calling: it is stopped.")
	s.as(member.Viewer).get(at).wants(t, http.StatusOK, "stopped").lacks(t, "Call those who are left", "How it calls")
	s.as(member.Owner).get("/settings/log").wants(t, http.StatusOK, "started a campaign", "changed how a campaign calls")
}

// In the demo without Twilio, nobody can be called.
func TestCampaignsWithoutTwilio(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.as(member.Editor).post("/campaigns/"+s.aCampaign()+"/start", nil).wants(t, http.StatusConflict, "Twilio is only simulated")
}
