package contacts_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
)

func TestTags(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	if tags, err := s.Tags(t.Context(), s.org.ID); err != nil || len(tags) != 0 {
		t.Errorf("an empty book has %q: %v", tags, err)
	}
	for i, tags := range []string{"VIP,supplier", "vip", "VIP", "école,Supplier", "", "gone"} {
		c := s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: fmt.Sprintf("+1415555120%d", i), Tags: strings.Split(tags, ",")})
		if tags == "gone" {
			if err := s.Archive(t.Context(), s.org.ID, c.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	tags, err := s.Tags(t.Context(), s.org.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(tags) > 1 && strings.EqualFold(tags[1], "supplier") { // of two spellings, used as often
		tags[1] = "supplier"
	}
	if diff := cmp.Diff([]string{"VIP", "supplier", "école"}, tags); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	elsewhere := newOrg(t, s.pool, nil)
	if tags, err := s.Tags(t.Context(), elsewhere.ID); err != nil || len(tags) != 0 {
		t.Errorf("another organisation has %q: %v", tags, err)
	}
	// Of many tags, and many contacts, a few are read.
	s.mustExec(t, `INSERT INTO contacts (org_id, name, phone, tags, created_at) SELECT $1::text::uuid, 'Person', '+1' || 2120000000 + n, ARRAY['tag ' || n], now() + n * interval '1 second' FROM generate_series(1, 3000) n`, s.org.ID)
	if tags, err := s.Tags(t.Context(), s.org.ID); err != nil || len(tags) != 50 || tags[0] != "tag 1001" {
		t.Errorf("there are %d tags, %.40q: %v", len(tags), tags, err)
	}
	if plan := s.plan(t, fmt.Sprintf(`SELECT tags FROM contacts WHERE org_id::text = '%s' AND archived_at IS NULL ORDER BY created_at DESC, contacts.id DESC LIMIT 50`, s.org.ID)); !strings.Contains(plan, "contacts_by_created") {
		t.Errorf("the latest are found by\n%s", plan)
	}
}
