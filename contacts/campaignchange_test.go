package contacts_test

import (
	"strings"
	"testing"

	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// campaign makes a campaign with people of these numbers.
func (s shelf) campaign(t *testing.T, name string, numbers ...phone.Number) contacts.Campaign {
	t.Helper()
	c, err := s.CreateCampaign(t.Context(), s.org.ID, name)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		if _, err := s.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: name, Phone: n.String(), CalledAt: when(0)}); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestRenameCampaign(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	spring, autumn := s.campaign(t, "Spring", alex), s.campaign(t, "Autumn")
	c, err := s.RenameCampaign(t.Context(), s.org.ID, spring.ID, "  Spring   offer ")
	if err != nil || c.Name != "Spring offer" || c.ID != spring.ID || c.People != 1 {
		t.Errorf("it is %+v: %v", c, err)
	}
	_, err = s.RenameCampaign(t.Context(), s.org.ID, spring.ID, "Autumn")
	if p := refused(t, err, problem.CodeConflict); p.Field != "name" || p.ID != autumn.ID {
		t.Errorf("the problem is %+v, want one with the name that leads to %s", p, autumn.ID)
	}
	if _, err := s.RenameCampaign(t.Context(), s.org.ID, spring.ID, "Spring offer"); err != nil {
		t.Errorf("the name that it has: %v", err)
	}
	for _, name := range []string{" ", strings.Repeat("x", contacts.MaxName+1), "\x00"} {
		_, err := s.RenameCampaign(t.Context(), s.org.ID, spring.ID, name)
		refused(t, err, problem.CodeInvalid)
	}
	for _, id := range []string{"nonsense", "00000000-0000-0000-0000-000000000000"} {
		_, err := s.RenameCampaign(t.Context(), s.org.ID, id, "Winter")
		refused(t, err, problem.CodeNotFound)
	}
	elsewhere := newOrg(t, s.pool, nil)
	_, err = s.RenameCampaign(t.Context(), elsewhere.ID, spring.ID, "Theirs")
	refused(t, err, problem.CodeNotFound)
	if names := one[string](t, s, `SELECT string_agg(name, ', ' ORDER BY name) FROM campaigns`); names != "Autumn, Spring offer" {
		t.Errorf("the campaigns are %s", names)
	}
}

func TestDeleteCampaign(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: alex.String()})
	spring, autumn := s.campaign(t, "Spring", alex, "+12025550133"), s.campaign(t, "Autumn", alex)
	f := file(many(2100))
	f.Campaign = spring.ID
	imported, err := s.Import(t.Context(), s.org, f)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := newOrg(t, s.pool, nil)
	refused(t, s.DeleteCampaign(t.Context(), elsewhere.ID, spring.ID), problem.CodeNotFound)
	s.mustExec(t, `UPDATE contact_imports SET leased_until = now() + interval '1 minute'`)
	refused(t, s.DeleteCampaign(t.Context(), s.org.ID, spring.ID), problem.CodeConflict)
	if n := one[int](t, s, `SELECT count(*) FROM campaign_people`); n != 2103 {
		t.Fatalf("a refused deletion leaves %d people, want 2103", n)
	}
	s.mustExec(t, `UPDATE contact_imports SET leased_until = NULL`)

	if err := s.DeleteCampaign(t.Context(), s.org.ID, spring.ID); err != nil {
		t.Fatal(err)
	}
	_, err = s.Campaign(t.Context(), s.org.ID, spring.ID)
	refused(t, err, problem.CodeNotFound)
	_, err = s.ImportReport(t.Context(), s.org.ID, imported.ID)
	refused(t, err, problem.CodeNotFound)
	if n := one[int](t, s, `SELECT count(*) FROM contact_import_rows`); n != 0 {
		t.Errorf("%d rows of its file are left", n)
	}
	if of := one[string](t, s, `SELECT string_agg(campaign_id::text, ' ') FROM campaign_people`); of != autumn.ID {
		t.Errorf("there are people of the campaigns %s, want one of %s", of, autumn.ID)
	}
	if n := one[int](t, s, `SELECT count(*) FROM contacts`); n != 1 {
		t.Errorf("%d contacts are left, want 1", n)
	}
	refused(t, s.DeleteCampaign(t.Context(), s.org.ID, spring.ID), problem.CodeNotFound)
}
