package contacts_test

import (
	"fmt"
	"slices"
	"testing"

	"ringside/contacts"
)

// Of many who are found, pages are made in another way than of few, and have the same people in the
// same order.
func TestPagesOfManyHaveEveryoneOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const people, others = 4500, 500
	s.mustExec(t, `INSERT INTO contacts (org_id, name, phone, tags)
		SELECT $1::text::uuid, CASE WHEN n > $2::int THEN 'Other ' ELSE 'Person ' END || lpad(((n * 7919) % 10007)::text, 5, '0'), '+1' || 4150000000 + n,
			CASE WHEN n > $2::int THEN '{}' ELSE '{VIP}' END::text[]
		FROM generate_series(1, $2::int + $3::int) n`, s.org.ID, people, others)
	newOrg(t, s.pool, nil)
	for _, q := range []contacts.Query{{Text: "person"}, {Tag: "vip"}, {Text: "ERSON", Tag: "Vip"}, {Text: "+1 415 000"}, {Text: "0415 000"}} {
		t.Run(fmt.Sprintf("%+v", q), func(t *testing.T) {
			q.Limit = contacts.MaxPage
			want := people
			if q.Tag == "" && q.Text != "person" {
				want += others
			}
			var names []string
			for {
				page, err := s.Search(t.Context(), s.org.ID, q)
				if err != nil {
					t.Fatal(err)
				}
				if page.Total != want {
					t.Fatalf("a page of %d in all, want %d", page.Total, want)
				}
				for _, c := range page.Contacts {
					names = append(names, c.Name)
				}
				if page.NextCursor == nil {
					break
				}
				q.Cursor = *page.NextCursor
			}
			if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != want {
				t.Errorf("%d names, %d different; sorted: %t; want %d", len(names), len(slices.Compact(names)), slices.IsSorted(names), want)
			}
		})
	}
}
