package dashboard

import (
	"net/http"
	"net/url"
	"testing"

	"ringside/contacts"
	"ringside/internal/member"
)

var _ = sample(
	&campaignNamePage{Campaign: contacts.Campaign{ID: "1", Name: "<worked>"}},
	&campaignDeletePage{Campaign: contacts.Campaign{ID: "1", Name: "<worked>", People: 2}}, &campaignDeletePage{Campaign: contacts.Campaign{ID: "1"}},
)

var (
	_ = rows("/campaigns/{id}/edit", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/edit" })
	_ = rows("/campaigns/{id}/delete", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/delete" })
)

func TestRenamingACampaign(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	at := "/campaigns/" + s.aCampaign()
	b.postAnd("/campaigns", url.Values{"name": {"Autumn offer"}})
	b.get(at).wants(t, http.StatusOK, "Rename")
	b.get(at+"/edit").wants(t, http.StatusOK, `value="Spring `)
	b.post(at, url.Values{"name": {"Autumn offer"}}).wants(t, http.StatusConflict, "already exists", `value="Autumn offer"`, `aria-invalid="true"`)
	b.post(at, url.Values{"name": {" "}}).wants(t, http.StatusUnprocessableEntity, `id="f-name-error"`)
	b.postAnd(at, url.Values{"name": {"Summer offer"}}).wants(t, http.StatusOK, "is called Summer offer now", "<h1>Summer offer</h1>")
	s.as(member.Viewer).get(at).wants(t, http.StatusOK, "Summer offer").lacks(t, "Rename", "Delete")
}

func TestDeletingACampaign(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	b := s.as(member.Editor)
	at := "/campaigns/" + b.postAnd("/campaigns", url.Values{"name": {"Autumn offer"}}).between(t, `action="/campaigns/`, "/start")
	b.postAnd(at+"/people", url.Values{"phone": {string(c.Phone)}})
	b.get(at+"/delete").wants(t, http.StatusOK, "cannot be undone", "its 1 person")
	b.post(at+"/delete", url.Values{"name": {"Autumn"}}).wants(t, http.StatusUnprocessableEntity, "Type the name")
	b.get(at).wants(t, http.StatusOK)
	b.postAnd(at+"/delete", url.Values{"name": {" autumn offer "}}).wants(t, http.StatusOK, "Autumn offer is deleted.", "There are no campaigns yet.")
	b.get(at).wants(t, http.StatusNotFound)
	b.get("/contacts").wants(t, http.StatusOK, c.Name)
}
