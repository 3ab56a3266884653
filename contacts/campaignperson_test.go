package contacts_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/problem"
)

func TestAddCampaignPerson(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	add := func(p contacts.CampaignPerson) contacts.CampaignPerson {
		t.Helper()
		got, err := s.AddCampaignPerson(t.Context(), s.org, p)
		if err != nil {
			t.Fatalf("AddCampaignPerson(%+v): %v", p, err)
		}
		got.CalledAt = got.CalledAt.UTC()
		return got
	}
	first := add(contacts.CampaignPerson{Campaign: " Spring  sale ", Phone: "(202) 555-0133", Name: " Jamie  Lee", Notes: "Asked for\na quote", CalledAt: when(10)})
	want := contacts.CampaignPerson{ID: first.ID, Campaign: "Spring sale", Phone: "+12025550133", Name: "Jamie Lee", Notes: "Asked for\na quote", CalledAt: when(10), Variables: map[string]string{}}
	for _, tt := range []struct {
		what   string
		given  contacts.CampaignPerson
		change func()
	}{
		{"as returned", contacts.CampaignPerson{}, func() {}},
		{"blanks and an earlier call", contacts.CampaignPerson{CalledAt: when(5)}, func() {}},
		{"a placeholder", contacts.CampaignPerson{Name: "Unknown", CalledAt: when(10)}, func() {}},
		{"not called again", contacts.CampaignPerson{Notes: "Wants a call back"}, func() { want.Notes = "Wants a call back" }},
		{"variables", contacts.CampaignPerson{Variables: map[string]string{" order": " 4711 ", "PLAN": "Gold", "EMPTY": " "}}, func() {
			want.Variables = map[string]string{"ORDER": "4711", "PLAN": "Gold"}
		}},
		{"another variable", contacts.CampaignPerson{Variables: map[string]string{"PLAN": "Silver"}}, func() { want.Variables["PLAN"] = "Silver" }},
		{"a later call", contacts.CampaignPerson{Name: "Jamie Leigh", CalledAt: when(20)}, func() { want.Name, want.CalledAt = "Jamie Leigh", when(20) }},
	} {
		tt.given.Campaign, tt.given.Phone = "Spring sale", "+12025550133"
		tt.change()
		if diff := cmp.Diff(want, add(tt.given)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.what, diff)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM campaign_people`); n != 1 {
		t.Errorf("there are %d people, want 1", n)
	}
	second := add(contacts.CampaignPerson{Campaign: "Autumn", Phone: "+12025550133", CalledAt: when(0)})
	if second.ID == first.ID || second.Name != "" {
		t.Errorf("in another campaign it is %+v, want a person without a name", second)
	}
	if uncalled := add(contacts.CampaignPerson{Campaign: "Autumn", Phone: alex.String()}); !uncalled.CalledAt.IsZero() {
		t.Errorf("who was not called was called at %s", uncalled.CalledAt)
	}
	if n := one[int](t, s, `SELECT count(*) FROM campaign_people WHERE called_at IS NULL`); n != 1 {
		t.Errorf("%d people were not called, want 1", n)
	}
	if n := one[int](t, s, `SELECT count(*) FROM contacts`); n != 0 {
		t.Errorf("a campaign made %d contacts", n)
	}
	other := s
	other.org = newOrg(t, s.pool, nil)
	if theirs, err := other.AddCampaignPerson(t.Context(), other.org, contacts.CampaignPerson{Campaign: "Spring sale", Phone: "+12025550133", CalledAt: when(0)}); err != nil || theirs.Name != "" {
		t.Errorf("another organisation's campaign of the same name: %+v, %v", theirs, err)
	}
}

func TestAddCampaignPersonSaysWhichFieldIsWrong(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, tt := range []struct {
		field  string
		change func(p *contacts.CampaignPerson)
	}{
		{"phone", func(p *contacts.CampaignPerson) { p.Phone = "anonymous" }},
		{"campaign", func(p *contacts.CampaignPerson) { p.Campaign = " \n" }},
		{"campaign", func(p *contacts.CampaignPerson) { p.Campaign = strings.Repeat("x", 201) }},
		{"campaign", func(p *contacts.CampaignPerson) { p.Campaign = "Spring\x00" }},
		{"name", func(p *contacts.CampaignPerson) { p.Name = strings.Repeat("x", contacts.MaxName+1) }},
		{"name", func(p *contacts.CampaignPerson) { p.Name = "\xff" }},
		{"notes", func(p *contacts.CampaignPerson) { p.Notes = strings.Repeat("x", contacts.MaxNotes+1) }},
		{"notes", func(p *contacts.CampaignPerson) { p.Notes = "\x00" }},
	} {
		p := contacts.CampaignPerson{Campaign: "Spring", Phone: alex.String(), Name: "Alex", CalledAt: time.Now()}
		tt.change(&p)
		_, err := s.AddCampaignPerson(t.Context(), s.org, p)
		if got := refused(t, err, problem.CodeInvalid); got.Field != tt.field {
			t.Errorf("%.60q: the problem is with %q (%s), want %q", p, got.Field, got.Detail, tt.field)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM campaigns`); n != 0 {
		t.Errorf("a refused person left %d campaigns", n)
	}
}
