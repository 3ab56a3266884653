package contacts_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

func (s shelf) merge(t *testing.T, one, two contacts.Contact) contacts.Merge {
	t.Helper()
	m, err := s.Merge(t.Context(), s.org.ID, ledger.Past{}, one.ID, two.ID)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pair is two contacts of one person, the older one from a call.
func (s shelf) pair(t *testing.T) (older, newer contacts.Contact) {
	t.Helper()
	s.mustExec(t, `
		INSERT INTO contacts (org_id, source, phone, name, tags, notes, name_source, email_source, tags_source, notes_source, created_at)
		VALUES ($1::text::uuid, 'auto', '+14155551200', '+14155551200', '{vip}', 'Likes tea', 'auto', 'auto', 'person', 'capture', now() - interval '1 day')`, s.org.ID)
	found, err := s.Search(t.Context(), s.org.ID, contacts.Query{})
	if err != nil || len(found.Contacts) != 1 {
		t.Fatalf("found %v: %v", found, err)
	}
	return found.Contacts[0], s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+12025550133", Email: "alex@acme.io", Tags: []string{"VIP", "returning"}, Notes: "Prefers mornings"})
}

// pairOf is two contacts with these numbers, the older one first.
func (s shelf) pairOf(t *testing.T, one, two string) (older, newer contacts.Contact) {
	t.Helper()
	older, newer = s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: one}), s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: two})
	s.backdate(t, older, 1)
	return older, newer
}

// backdate makes a contact some days older.
func (s shelf) backdate(t *testing.T, c contacts.Contact, days int) {
	t.Helper()
	s.mustExec(t, `UPDATE contacts SET created_at = created_at - $2 * interval '1 day' WHERE id = $1::text::uuid`, c.ID, days)
}

func TestMergeKeepsTheOlderAndTheBetter(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	older, newer := s.pair(t)
	c := s.merge(t, newer, older).Contact
	want := older
	want.Name, want.Email, want.Tags, want.Notes = "Alex Chen", "alex@acme.io", []string{"vip", "returning"}, "Likes tea\nPrefers mornings"
	want.OtherPhones, want.UpdatedAt = []phone.Number{"+12025550133"}, c.UpdatedAt
	want.Origins = map[string]contacts.Origin{"phone": older.Origins["phone"], "name": newer.Origins["name"], "email": newer.Origins["email"], "tags": c.Origins["tags"], "notes": newer.Origins["notes"]}
	if diff := cmp.Diff(want, c); diff != "" || c.Origins["tags"].Source != contacts.SourcePerson {
		t.Errorf("merged (-want, +got):\n%s", diff)
	}
	gone, err := s.Get(t.Context(), s.org.ID, newer.ID)
	if err != nil || gone.MergedInto == nil || *gone.MergedInto != older.ID || gone.ArchivedAt == nil {
		t.Errorf("the other one is %+v: %v", gone, err)
	}

	// It is found by either number, once, and in no list of the archived.
	for _, c := range []struct {
		query contacts.Query
		want  int
	}{{contacts.Query{Text: "415-555-1200"}, 1}, {contacts.Query{Text: "202 555 0133"}, 1}, {contacts.Query{}, 1}, {contacts.Query{Archived: true}, 0}} {
		if page, err := s.Search(t.Context(), s.org.ID, c.query); err != nil || len(page.Contacts) != c.want || page.Total != c.want {
			t.Errorf("a search for %+v finds %+v: %v", c.query, page, err)
		}
	}
	// Both numbers are taken.
	for _, n := range []string{"+14155551200", "+12025550133"} {
		_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Jo", Phone: n})
		if p := refused(t, err, problem.CodeDuplicatePhone); p.ID != older.ID || p.Detail != "A contact with this phone number already exists." {
			t.Errorf("%s is refused by %+v", n, p)
		}
	}
	report, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("name,phone\nAlex,+12025550133\nAlex,+14155551200\n")})
	if err != nil || report.Known != 2 || report.Archived != 0 || report.Created != 0 {
		t.Errorf("imported %+v: %v", report, err)
	}
	// What an agent captures on a call from the other number is about them.
	captured, err := s.Capture(t.Context(), contacts.Capture{Org: s.org, CallSID: "CA1", Phone: "+12025550133", Notes: "Wants a quote", At: time.Now()})
	if err != nil || captured.ContactID != older.ID {
		t.Errorf("captured %+v: %v", captured, err)
	}
	// Another of their numbers can become the first.
	changed, err := s.Change(t.Context(), s.org, older.ID, contacts.Change{Phone: new("+12025550133")})
	if err != nil || changed.Phone != "+12025550133" || changed.Origins["phone"].Source != contacts.SourcePerson || !slices.Equal(changed.OtherPhones, []phone.Number{"+14155551200"}) {
		t.Errorf("changed %+v: %v", changed, err)
	}
}

func TestUndoMergeKeepsWhatPeopleHaveChangedSince(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	older, newer := s.pair(t)
	m := s.merge(t, older, newer)
	if _, err := s.Change(t.Context(), s.org, older.ID, contacts.Change{Email: new("alex@chen.example")}); err != nil {
		t.Fatal(err)
	}
	kept, restored, err := s.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if kept.Name != older.Name || kept.Email != "alex@chen.example" || kept.Notes != older.Notes || !slices.Equal(kept.Tags, older.Tags) || len(kept.OtherPhones) != 0 || kept.Origins["name"].Source != contacts.SourceAuto {
		t.Errorf("kept %+v", kept)
	}
	newer.UpdatedAt = restored.UpdatedAt
	if diff := cmp.Diff(newer, restored); diff != "" {
		t.Errorf("restored (-want, +got):\n%s", diff)
	}
	_, _, err = s.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, m.ID)
	refused(t, err, problem.CodeConflict)
}

func TestWhatCannotBeMergedOrUndone(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	older, newer := s.pair(t)
	third := s.mustAdd(t, contacts.Draft{Name: "Al", Phone: "+13125550100"})
	archived := s.mustAdd(t, contacts.Draft{Name: "Old", Phone: "+13125550101"})
	if err := s.Archive(t.Context(), s.org.ID, archived.ID); err != nil {
		t.Fatal(err)
	}
	stranger := shelf{s.Book, s.pool, newOrg(t, s.pool, nil)}.mustAdd(t, contacts.Draft{Name: "Eve", Phone: "+13125550102"})
	merge := func(one, two string) error {
		_, err := s.Merge(t.Context(), s.org.ID, ledger.Past{}, one, two)
		return err
	}
	undo := func(id string) error {
		_, _, err := s.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, id)
		return err
	}
	refused(t, merge(older.ID, older.ID), problem.CodeInvalid)
	refused(t, merge(older.ID, archived.ID), problem.CodeConflict)
	refused(t, merge(older.ID, stranger.ID), problem.CodeNotFound)
	refused(t, merge(older.ID, "nobody"), problem.CodeNotFound)
	refused(t, undo("nothing"), problem.CodeNotFound)

	first := s.merge(t, newer, third)
	refused(t, merge(older.ID, third.ID), problem.CodeConflict)
	_, err := s.Restore(t.Context(), s.org.ID, third.ID)
	refused(t, err, problem.CodeConflict)
	second := s.merge(t, older, newer)
	if !slices.Equal(second.Contact.OtherPhones, []phone.Number{"+12025550133", "+13125550100"}) {
		t.Errorf("the numbers of all three are %v", second.Contact.OtherPhones)
	}
	refused(t, undo(first.ID), problem.CodeConflict) // first the later one
	if err := undo(second.ID); err != nil {
		t.Error(err)
	}
	s.mustExec(t, `UPDATE orgs SET contact_limit = 2 WHERE id = $1::text::uuid`, s.org.ID)
	refused(t, undo(first.ID), problem.CodeContactLimitReached)
	s.mustExec(t, `UPDATE orgs SET contact_limit = NULL`)
	s.mustExec(t, `UPDATE contact_merges SET merged_at = now() - interval '31 days' WHERE id = $1::text::uuid`, first.ID)
	refused(t, undo(first.ID), problem.CodeConflict)
}

// Of several merges the last is undone first; a part of a contact is not changed by itself; and a number
// that was made the first since goes back to whose it was.
func TestUndoMergesInTurn(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	kay := s.mustAdd(t, contacts.Draft{Name: "Kay", Phone: "+14155551200"})
	s.backdate(t, kay, 1)
	ann, bob := s.mustAdd(t, contacts.Draft{Name: "Ann", Phone: "+14155551201"}), s.mustAdd(t, contacts.Draft{Name: "Bob", Phone: "+14155551202"})
	first, second := s.merge(t, kay, ann), s.merge(t, kay, bob)
	undo := func(m contacts.Merge) (contacts.Contact, contacts.Contact, error) {
		return s.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, m.ID)
	}
	_, _, err := undo(first)
	refused(t, err, problem.CodeConflict)
	_, err = s.Change(t.Context(), s.org, bob.ID, contacts.Change{Name: new("Bobby")})
	refused(t, err, problem.CodeConflict)
	if _, err := s.Change(t.Context(), s.org, kay.ID, contacts.Change{Phone: &[]string{"+14155551202"}[0]}); err != nil {
		t.Fatal(err)
	}
	for _, m := range []contacts.Merge{second, first} {
		kept, restored, err := undo(m)
		if err != nil {
			t.Fatal(err)
		}
		if kept.Phone != "+14155551200" || slices.Contains(kept.OtherPhones, restored.Phone) {
			t.Errorf("undone into %+v and %+v", kept, restored)
		}
	}
	for want, c := range map[string]contacts.Contact{"Kay": kay, "Ann": ann, "Bob": bob} {
		if now, err := s.Get(t.Context(), s.org.ID, c.ID); err != nil || now.Name != want || now.Phone != c.Phone || len(now.OtherPhones) != 0 {
			t.Errorf("%s is now %+v: %v", want, now, err)
		}
	}
}

// Merges of the same contacts at the same moment: one happens, the others are told.
func TestMergesAtTheSameMoment(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	older, newer := s.pair(t)
	_, errs := atOnce(16, func(i int) (contacts.Merge, error) {
		one, two := older, newer
		if i%2 == 1 {
			one, two = newer, older
		}
		return patiently(func() (contacts.Merge, error) {
			return s.Merge(t.Context(), s.org.ID, ledger.Past{}, one.ID, two.ID)
		})
	})
	merged := 0
	for _, err := range errs {
		if err == nil {
			merged++
			continue
		}
		refused(t, err, problem.CodeConflict)
	}
	if active := one[int](t, s, `SELECT count(*) FROM contacts WHERE archived_at IS NULL`); merged != 1 || active != 1 {
		t.Errorf("%d merges happened, and %d contacts are active", merged, active)
	}
}
