package contacts_test

import (
	"strings"
	"testing"

	"ringside/contacts"
	"ringside/internal/problem"
)

func TestArchiveChosen(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	one1, two := s.pairOf(t, "+14155551200", "+14155551201")
	stays := s.mustAdd(t, contacts.Draft{Name: "Stays", Phone: "+14155551202"})
	elsewhere := newOrg(t, s.pool, nil)
	chosen := []string{one1.ID, "nonsense", two.ID, one1.ID}
	if n, err := s.ArchiveChosen(t.Context(), elsewhere.ID, chosen); n != 0 || err != nil {
		t.Errorf("another organisation archives %d: %v", n, err)
	}
	if n, err := s.ArchiveChosen(t.Context(), s.org.ID, chosen); n != 2 || err != nil {
		t.Errorf("%d are archived, want 2: %v", n, err)
	}
	if id := one[string](t, s, `SELECT string_agg(id::text, ' ') FROM contacts WHERE archived_at IS NULL`); id != stays.ID {
		t.Errorf("%s stay, want %s", id, stays.ID)
	}
	_, err := s.ArchiveChosen(t.Context(), s.org.ID, make([]string, contacts.MaxPage+1))
	refused(t, err, problem.CodeInvalid)
}

func TestTagChosen(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	plain := s.mustAdd(t, contacts.Draft{Name: "Plain", Phone: "+14155551200"})
	tagged := s.mustAdd(t, contacts.Draft{Name: "Tagged", Phone: "+14155551201", Tags: []string{"VIP", "supplier"}})
	both := []string{plain.ID, tagged.ID}
	for _, tt := range []struct {
		name, tag string
		off       bool
		changed   int
		want      string // tags of the plain one | of the tagged one
	}{
		{"who has it is left alone", " vip ", false, 1, "vip|VIP,supplier"},
		{"again", "VIP", false, 0, "vip|VIP,supplier"},
		{"taken off without regard to case", "Vip", true, 2, "|supplier"},
		{"who does not have it is left alone", "supplier", true, 1, "|"},
	} {
		if n, err := s.TagChosen(t.Context(), s.org, both, tt.tag, tt.off); n != tt.changed || err != nil {
			t.Errorf("%s: %d have changed, want %d: %v", tt.name, n, tt.changed, err)
		}
		if got := one[string](t, s, `SELECT string_agg(array_to_string(tags, ','), '|' ORDER BY phone) FROM contacts`); got != tt.want {
			t.Errorf("%s: the tags are %s, want %s", tt.name, got, tt.want)
		}
	}
	for _, tag := range []string{"", " \n", strings.Repeat("x", 1000)} {
		_, err := s.TagChosen(t.Context(), s.org, both, tag, false)
		refused(t, err, problem.CodeInvalid)
	}
}
