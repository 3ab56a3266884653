package contacts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"ringside/contacts"
	"ringside/internal/phone"
)

func (s shelf) nearMisses(t *testing.T, n phone.Number) []contacts.NearMiss {
	t.Helper()
	near, err := s.NearMisses(t.Context(), s.org.ID, n)
	if err != nil {
		t.Fatal(err)
	}
	return near
}

func TestNearMisses(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	alexContact := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	s.mustAdd(t, contacts.Draft{Name: "Jamie Lee", Phone: "+12025550133"})
	s.mustAdd(t, contacts.Draft{Name: "One digit off", Phone: "+14155551201"})
	gone := s.mustAdd(t, contacts.Draft{Name: "Archived", Phone: "+12025551200"})
	if err := s.Archive(t.Context(), s.org.ID, gone.ID); err != nil {
		t.Fatal(err)
	}
	other := s
	other.org = newOrg(t, s.pool, nil)
	other.mustAdd(t, contacts.Draft{Name: "Of another organisation", Phone: "+13125551200"})

	want := []contacts.NearMiss{{ContactID: alexContact.ID, Name: "Alex Chen", Phone: "+14155551200"}}
	for _, n := range []phone.Number{"+12125551200", "+5551200", "+441234555120" + "0"} {
		if diff := cmp.Diff(want, s.nearMisses(t, n)); diff != "" {
			t.Errorf("NearMisses(%s) (-want +got):\n%s", string(n), diff)
		}
	}
	for _, n := range []phone.Number{"+14155551200", "+14155551299", "+1415555120", "+141555512001"} {
		if diff := cmp.Diff([]contacts.NearMiss(nil), s.nearMisses(t, n), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("NearMisses(%s) (-want +got):\n%s", string(n), diff)
		}
	}
}

func TestNearMissesAreFewAndInOrder(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for area := 9; area >= 2; area-- {
		s.mustExec(t, `INSERT INTO contacts (org_id, name, phone) VALUES ($1::text::uuid, 'Alex', $2)`, s.org.ID, fmt.Sprintf("+1%d125551200", area))
	}
	var got []string
	for _, near := range s.nearMisses(t, "+445551200") {
		got = append(got, string(near.Phone))
	}
	if diff := cmp.Diff([]string{"+12125551200", "+13125551200", "+14125551200", "+15125551200", "+16125551200"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNearMissesAreFoundByIndex(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `INSERT INTO contacts (org_id, name, phone) SELECT $1::text::uuid, 'Alex', '+1' || (2000000000 + i * 7919) FROM generate_series(1, 5000) i`, s.org.ID)
	s.mustExec(t, `ANALYZE contacts`)
	rows, err := s.pool.Query(t.Context(), `EXPLAIN `+contacts.NearMissSQL, s.org.ID, "+12125551200", 5)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(strings.Join(plan, "\n"), "contacts_last_digits") {
		t.Errorf("the index is not used:\n%s", strings.Join(plan, "\n"))
	}
}
