package contacts_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/problem"
)

func ptr[T any](v T) *T { return &v }

func TestChange(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	alex := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "415 555 1200", Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls"})
	s.mustExec(t, `UPDATE contacts SET name_source = 'auto', name_at = now() - interval '1 day' WHERE id = $1::uuid`, alex.ID)

	changed, err := s.Change(t.Context(), s.org, alex.ID, contacts.Change{Name: ptr(" Alexandra  Chen "), Email: ptr(""), Tags: &[]string{"vip", "Returning", "VIP"}})
	if err != nil {
		t.Fatal(err)
	}
	if changed.Name != "Alexandra Chen" || changed.Email != "" || changed.Notes != "Prefers morning calls" || changed.Phone != alex.Phone ||
		!slices.Equal(changed.Tags, []string{"vip", "Returning"}) {
		t.Errorf("changed to %+v", changed)
	}
	if name := changed.Origins["name"]; name.Source != contacts.SourcePerson || time.Since(name.At) > time.Minute {
		t.Errorf("the name is from %+v", name)
	}
	if read, err := s.Get(t.Context(), s.org.ID, alex.ID); err != nil || read.Name != changed.Name || !read.UpdatedAt.After(alex.UpdatedAt) {
		t.Errorf("read %+v, %v", read, err)
	}

	jamie := s.mustAdd(t, contacts.Draft{Name: "Jamie Lee", Phone: "+12025550133"})
	_, err = s.Change(t.Context(), s.org, alex.ID, contacts.Change{Phone: ptr("(202) 555-0133")})
	if p := refused(t, err, problem.CodeDuplicatePhone); p.ID != jamie.ID || p.Field != "phone" {
		t.Errorf("refused with %+v", p)
	}
	s.ownNumber(t, "+12125550199")
	_, err = s.Change(t.Context(), s.org, alex.ID, contacts.Change{Phone: ptr("+12125550199")})
	refused(t, err, problem.CodeInvalid)
	for _, c := range []contacts.Change{{Name: ptr(" ")}, {Phone: ptr("12")}, {Email: ptr("nobody")}} {
		_, err = s.Change(t.Context(), s.org, alex.ID, c)
		refused(t, err, problem.CodeInvalid)
	}
	if moved, err := s.Change(t.Context(), s.org, alex.ID, contacts.Change{Phone: ptr("415-555-1201")}); err != nil || moved.Phone != "+14155551201" || moved.ID != alex.ID {
		t.Errorf("moved to %+v, %v", moved, err)
	}
}

// A contact whose number only Twilio vouches for can be given a name.
func TestChangeOfAnOddNumber(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `INSERT INTO contacts (org_id, name, phone) VALUES ($1::text::uuid, '+19995550000', '+19995550000')`, s.org.ID)
	id := one[string](t, s, `SELECT id::text FROM contacts`)
	if c, err := s.Change(t.Context(), s.org, id, contacts.Change{Name: ptr("Robin")}); err != nil || c.Name != "Robin" {
		t.Errorf("changed to %+v, %v", c, err)
	}
}

// Of another organisation nothing can be read, changed, archived or restored (rule 7).
func TestAnotherOrganisationsContactIsNotThere(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	alex := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	other := newOrg(t, s.pool, nil)
	for _, id := range []string{alex.ID, "no-id", "00000000-0000-0000-0000-000000000000", "\x00"} {
		_, got := s.Get(t.Context(), other.ID, id)
		refused(t, got, problem.CodeNotFound)
		_, changed := s.Change(t.Context(), other, id, contacts.Change{Name: ptr("Mallory")})
		refused(t, changed, problem.CodeNotFound)
		refused(t, s.Archive(t.Context(), other.ID, id), problem.CodeNotFound)
		_, restored := s.Restore(t.Context(), other.ID, id)
		refused(t, restored, problem.CodeNotFound)
	}
	if c, err := s.Get(t.Context(), s.org.ID, alex.ID); err != nil || c.Name != "Alex Chen" || c.ArchivedAt != nil {
		t.Errorf("it is now %+v, %v", c, err)
	}
}

func TestArchiveAndRestore(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	alex := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	if err := s.Archive(t.Context(), s.org.ID, alex.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Archive(t.Context(), s.org.ID, alex.ID), problem.CodeNotFound)
	if c, err := s.Get(t.Context(), s.org.ID, alex.ID); err != nil || c.ArchivedAt == nil {
		t.Errorf("archived: %+v, %v", c, err)
	}
	sam := s.mustAdd(t, contacts.Draft{Name: "Sam", Phone: "+14155551200"})
	_, err := s.Restore(t.Context(), s.org.ID, alex.ID)
	if p := refused(t, err, problem.CodeDuplicatePhone); p.ID != sam.ID {
		t.Errorf("refused with %+v", p)
	}
	if err := s.Archive(t.Context(), s.org.ID, sam.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is as it is
		if c, err := s.Restore(t.Context(), s.org.ID, alex.ID); err != nil || c.ArchivedAt != nil || c.Name != "Alex Chen" {
			t.Fatalf("restored %+v, %v", c, err)
		}
	}
}

// However many restore and add at once, the limit is not passed (rule 4).
func TestRestoresStopAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const limit, tries = 5, 64
	var ids []string
	for i := range tries {
		c := s.mustAdd(t, contacts.Draft{Name: "Somebody", Phone: fmt.Sprintf("+1415555%04d", 1200+i)})
		ids = append(ids, c.ID)
	}
	for _, id := range ids {
		if err := s.Archive(t.Context(), s.org.ID, id); err != nil {
			t.Fatal(err)
		}
	}
	s.mustExec(t, `UPDATE orgs SET contact_limit = $1`, limit)
	_, errs := atOnce(tries, func(i int) (contacts.Contact, error) {
		return patiently(func() (contacts.Contact, error) { return s.Restore(t.Context(), s.org.ID, ids[i]) })
	})
	restored := 0
	for _, err := range errs {
		if err == nil {
			restored++
			continue
		}
		refused(t, err, problem.CodeContactLimitReached)
	}
	usage, err := s.Usage(t.Context(), s.org.ID)
	if restored != limit || err != nil || usage.Used != limit || usage.Over != 0 || *usage.Limit != limit {
		t.Errorf("%d restored, usage %+v, %v", restored, usage, err)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	s.mustAdd(t, contacts.Draft{Name: "Jamie Lee", Phone: "+12025550133"})
	if u, err := s.Usage(t.Context(), s.org.ID); err != nil || u.Used != 2 || u.Limit != nil || u.Over != 0 {
		t.Errorf("without a limit %+v, %v", u, err)
	}
	s.mustExec(t, `UPDATE orgs SET contact_limit = 1`) // deletes nobody
	if u, err := s.Usage(t.Context(), s.org.ID); err != nil || u.Used != 2 || *u.Limit != 1 || u.Over != 1 {
		t.Errorf("with a lower limit %+v, %v", u, err)
	}
	other := newOrg(t, s.pool, nil)
	if u, err := s.Usage(t.Context(), org.ID(other.ID)); err != nil || u.Used != 0 {
		t.Errorf("of another organisation %+v, %v", u, err)
	}
}

// A block, and the wish not to be greeted by name, are kept until a person takes them away: no import,
// capture or call does, and who is merged takes them along.
func TestTreatmentStays(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	yes, no := true, false
	c, err := s.Change(t.Context(), s.org, c.ID, contacts.Change{Blocked: &yes, GreetByName: &no})
	if err != nil || !c.Blocked || c.GreetByName {
		t.Fatalf("changed to %+v: %v", c, err)
	}
	if _, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("name,phone\nAlex,+14155551200\n")}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Capture(t.Context(), contacts.Capture{Org: s.org, CallSID: "CA1", Phone: "+14155551200", Email: "alex@acme.io", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	name := "Alexandra Chen"
	if _, err := s.Change(t.Context(), s.org, c.ID, contacts.Change{Name: &name}); err != nil {
		t.Fatal(err)
	}
	other := s.mustAdd(t, contacts.Draft{Name: "A. Chen", Phone: "+14155551201"})
	m, err := s.Merge(t.Context(), s.org.ID, ledger.Past{}, other.ID, c.ID)
	if err != nil || !m.Contact.Blocked || m.Contact.GreetByName {
		t.Errorf("merged into %+v: %v", m.Contact, err)
	}
	kept, err := s.Change(t.Context(), s.org, m.Contact.ID, contacts.Change{Blocked: &no, GreetByName: &yes})
	if err != nil || kept.Blocked || !kept.GreetByName {
		t.Errorf("freed: %+v: %v", kept, err)
	}
}

// Whoever changes what they have seen does not overwrite what somebody else has changed since.
func TestChangeOfWhatWasSeen(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	one, two := "one", "two"
	changed, err := s.Change(t.Context(), s.org, c.ID, contacts.Change{Notes: &one, Seen: &c.UpdatedAt})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Change(t.Context(), s.org, c.ID, contacts.Change{Notes: &two, Seen: &c.UpdatedAt})
	refused(t, err, problem.CodeConflict)
	if _, err := s.Change(t.Context(), s.org, c.ID, contacts.Change{Notes: &two, Seen: &changed.UpdatedAt}); err != nil {
		t.Error(err)
	}
}
