package contacts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/problem"
)

// names searches and returns the names on the page.
func (s shelf) names(t *testing.T, q contacts.Query) []string {
	t.Helper()
	page, err := s.Search(t.Context(), s.org.ID, q)
	if err != nil {
		t.Fatalf("Search(%+v): %v", q, err)
	}
	names := []string{}
	for _, c := range page.Contacts {
		names = append(names, c.Name)
	}
	if page.Total != len(names) && page.NextCursor == nil {
		t.Errorf("Search(%+v) found %d and says %d", q, len(names), page.Total)
	}
	return names
}

func TestSearch(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, d := range []contacts.Draft{
		{Name: "Alex Chen", Phone: "+14155551200", Email: "alex@acme.io", Tags: []string{"VIP", "returning"}},
		{Name: "Zoë Müller", Phone: "+4930901820", Email: "Zoe.Mueller@Example.de", Tags: []string{"vip"}},
		{Name: "Jamie Lee", Phone: "+12025550133"},
		{Name: "Søren Strauß", Phone: "+4532123456", Notes: "Alex's friend"},
		{Name: "100% Off_Shore \\ Co", Phone: "+442079460123"},
	} {
		s.mustAdd(t, d)
	}
	gone := s.mustAdd(t, contacts.Draft{Name: "Alex Gone", Phone: "+14155559999"})
	if err := s.Archive(t.Context(), s.org.ID, gone.ID); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		q    contacts.Query
		want []string
	}{
		{contacts.Query{}, []string{"100% Off_Shore \\ Co", "Alex Chen", "Jamie Lee", "Søren Strauß", "Zoë Müller"}},
		{contacts.Query{Text: "alex"}, []string{"Alex Chen"}},
		{contacts.Query{Text: " CHEN "}, []string{"Alex Chen"}},
		{contacts.Query{Text: "zoe mul"}, []string{"Zoë Müller"}},
		{contacts.Query{Text: "MÜLLER"}, []string{"Zoë Müller"}},
		{contacts.Query{Text: "soren strauss"}, []string{"Søren Strauß"}},
		{contacts.Query{Text: "@example"}, []string{"Zoë Müller"}},
		{contacts.Query{Text: "415 555-12"}, []string{"Alex Chen"}},
		{contacts.Query{Text: "(415) 555.1200"}, []string{"Alex Chen"}},
		{contacts.Query{Text: "+1 202"}, []string{"Jamie Lee"}},
		{contacts.Query{Text: "0133"}, []string{"Jamie Lee"}},
		{contacts.Query{Text: "+202"}, []string{}}, // the beginning of no number
		{contacts.Query{Text: "+44 (0)20 7946"}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "020 7946"}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "0044 20"}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "100%"}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "0% o"}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "f_s"}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "x_c"}, []string{}},
		{contacts.Query{Text: `\ co`}, []string{"100% Off_Shore \\ Co"}},
		{contacts.Query{Text: "'; DROP TABLE contacts"}, []string{}},
		{contacts.Query{Tag: "vip"}, []string{"Alex Chen", "Zoë Müller"}},
		{contacts.Query{Tag: "Returning", Text: "a"}, []string{"Alex Chen"}},
		{contacts.Query{Tag: "vi"}, []string{}},
		{contacts.Query{Source: contacts.SourcePerson, Text: "e c"}, []string{}},
		{contacts.Query{Source: contacts.SourceAuto}, []string{}},
		{contacts.Query{Archived: true}, []string{"Alex Gone"}},
		{contacts.Query{Sort: contacts.SortCreated, Limit: 2}, []string{"100% Off_Shore \\ Co", "Søren Strauß"}},
	} {
		if got := s.names(t, tt.q); !slices.Equal(got, tt.want) {
			t.Errorf("Search(%+v) found %q, want %q", tt.q, got, tt.want)
		}
	}
	other := newOrg(t, s.pool, nil)
	if page, err := s.Search(t.Context(), other.ID, contacts.Query{}); err != nil || len(page.Contacts) != 0 || page.Total != 0 {
		t.Errorf("another organisation finds %+v, %v", page, err)
	}
}

// Pages hold everybody once, in every order, while people come and go.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const people = 23
	s.mustExec(t, `INSERT INTO contacts (org_id, name, phone, last_contacted_at, created_at)
		SELECT $1::text::uuid, 'Person ' || n % 5, '+1415555' || 1000 + n, CASE WHEN n % 3 > 0 THEN now() - n % 4 * interval '1 hour' END, now() - n % 6 * interval '1 day'
		FROM generate_series(1, $2) n`, s.org.ID, people)
	for _, sort := range contacts.Sorts {
		q := contacts.Query{Sort: sort, Limit: 4}
		seen := map[string]bool{}
		var all []contacts.Contact
		for page := 0; ; page++ {
			got, err := s.Search(t.Context(), s.org.ID, q)
			if err != nil {
				t.Fatal(err)
			}
			if got.Total != people {
				t.Errorf("by %s page %d says %d in all", sort, page, got.Total)
			}
			for _, c := range got.Contacts {
				if seen[c.ID] {
					t.Errorf("by %s %s is shown twice", sort, c.Phone)
				}
				seen[c.ID] = true
			}
			all = append(all, got.Contacts...)
			if got.NextCursor == nil {
				break
			}
			q.Cursor = *got.NextCursor
			if page == 1 { // whoever comes in front of what was shown is not; the total stays that of the first page
				s.mustExec(t, `INSERT INTO contacts (org_id, name, phone, last_contacted_at, created_at) VALUES ($1::text::uuid, $2, '+14155550001', now() + $3::interval, now() + $3::interval)`,
					s.org.ID, map[bool]string{false: "A. Newcomer", true: "Z. Newcomer"}[sort == contacts.SortNameDown],
					map[bool]string{false: "-1 year", true: "1 hour"}[strings.HasPrefix(string(sort), "-")])
			}
		}
		s.mustExec(t, `DELETE FROM contacts WHERE phone = '+14155550001'`)
		key, down := strings.CutPrefix(string(sort), "-")
		order := map[string]func(a, b contacts.Contact) int{
			"name":       func(a, b contacts.Contact) int { return strings.Compare(a.Name, b.Name) },
			"created_at": func(a, b contacts.Contact) int { return a.CreatedAt.Compare(b.CreatedAt) },
			"last_contacted_at": func(a, b contacts.Contact) int {
				return orNever(a.LastContactedAt).Compare(orNever(b.LastContactedAt))
			},
		}[key]
		if down {
			slices.Reverse(all)
		}
		if len(all) != people || !slices.IsSortedFunc(all, order) {
			t.Errorf("by %s: %d people, not in order", sort, len(all))
		}
	}
}

func orNever(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return *at
}

func TestSearchesThatCannotBe(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for i := range 3 {
		s.mustAdd(t, contacts.Draft{Name: fmt.Sprint("Person ", i), Phone: fmt.Sprint("+1415555120", i)})
	}
	page, err := s.Search(t.Context(), s.org.ID, contacts.Query{Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for field, queries := range map[string][]contacts.Query{
		"sort":   {{Sort: "phone"}, {Sort: "name; DROP TABLE contacts"}},
		"limit":  {{Limit: -1}, {Limit: contacts.MaxPage + 1}},
		"q":      {{Text: strings.Repeat("x", 201)}},
		"source": {{Source: "gossip"}},
		"cursor": {{Cursor: "x"}, {Cursor: "e30"}, {Cursor: *page.NextCursor, Text: "Person"}, {Cursor: *page.NextCursor, Sort: contacts.SortCreated}},
	} {
		for _, q := range queries {
			_, err := s.Search(t.Context(), s.org.ID, q)
			if p := refused(t, err, problem.CodeInvalid); p.Field != field {
				t.Errorf("Search(%+v) blames %q, want %q", q, p.Field, field)
			}
		}
	}
}
