package contacts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"ringside/contacts"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// violates fails the test unless Postgres refused a statement for the given constraint.
func violates(t *testing.T, err error, constraint string) {
	t.Helper()
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pgErr.ConstraintName != constraint {
		t.Errorf("the error is %v, want a violation of %s", err, constraint)
	}
}

func TestAddReturnsTheContactAsItIsStored(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	got := s.mustAdd(t, contacts.Draft{
		Name: "  Alex\t Chen\n", Phone: "(415) 555-1200", Email: " alex@acme.io ", Notes: " Prefers mornings\nand tea ",
		Tags: []string{" vip ", "VIP", "", "re\x00turning\nguest"},
	})
	said := contacts.Origin{Source: contacts.SourcePerson, At: got.CreatedAt}
	want := contacts.Contact{ID: got.ID, Name: "Alex Chen", Phone: "+14155551200", OtherPhones: []phone.Number{}, Email: "alex@acme.io",
		Tags: []string{"vip", "re turning guest"}, Notes: "Prefers mornings\nand tea", Source: contacts.SourcePerson,
		CreatedAt: got.CreatedAt, UpdatedAt: got.CreatedAt, GreetByName: true,
		Origins: map[string]contacts.Origin{"phone": said, "name": said, "email": said, "tags": said, "notes": said}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Add (-want +got):\n%s", diff)
	}
	if time.Since(got.CreatedAt).Abs() > time.Minute {
		t.Errorf("made at %s", got.CreatedAt)
	}
	stored, err := s.Get(t.Context(), s.org.ID, got.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestAddSaysWhichFieldIsWrong(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	longest := contacts.Draft{Name: strings.Repeat("é", contacts.MaxName), Phone: "+14155551201", Notes: strings.Repeat("é", contacts.MaxNotes)}
	for i := range contacts.MaxTags {
		longest.Tags = append(longest.Tags, fmt.Sprint(i)+strings.Repeat("牙", contacts.MaxTag-2))
	}
	s.mustAdd(t, longest)
	for _, tt := range []struct {
		field  string
		change func(d *contacts.Draft)
	}{
		{"phone", func(d *contacts.Draft) { d.Phone = "415 555 120O" }},
		{"phone", func(d *contacts.Draft) { d.Phone = "" }},
		{"name", func(d *contacts.Draft) { d.Name = " \t\n " }},
		{"name", func(d *contacts.Draft) { d.Name += "x" }},
		{"name", func(d *contacts.Draft) { d.Name = "Al\x00ex" }},
		{"name", func(d *contacts.Draft) { d.Name = "Al\xffex" }},
		{"email", func(d *contacts.Draft) { d.Email = "alex" }},
		{"email", func(d *contacts.Draft) { d.Email = "alex\x00@acme.io" }},
		{"notes", func(d *contacts.Draft) { d.Notes += "x" }},
		{"notes", func(d *contacts.Draft) { d.Notes = "\xff" }},
		{"tags", func(d *contacts.Draft) { d.Tags = append(slices.Clone(d.Tags), "one more") }},
		{"tags", func(d *contacts.Draft) { d.Tags = []string{strings.Repeat("x", contacts.MaxTag+1)} }},
	} {
		d := longest
		d.Phone = "+14155551202"
		tt.change(&d)
		_, err := s.Add(t.Context(), s.org, d)
		if p := refused(t, err, problem.CodeInvalid); p.Field != tt.field {
			t.Errorf("%+.60q: the problem is with %q (%s), want %q", d, p.Field, p.Detail, tt.field)
		}
	}
	if n := one[int](t, s, `SELECT count(*) FROM contacts`); n != 1 {
		t.Errorf("there are %d contacts, want the one that was right", n)
	}
}

func TestAddToAnOrganisationThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	gone := s.org
	gone.ID = "00000000-0000-0000-0000-000000000000"
	_, err := s.Add(t.Context(), gone, contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	refused(t, err, problem.CodeNotFound)
}

func TestCleanTags(t *testing.T) {
	t.Parallel()
	got := contacts.CleanTags([]string{" vip ", "VIP", "Vip\n", "", " \t", "new  york", "a\x00b", "c\xffd", "é", "É"})
	if diff := cmp.Diff([]string{"vip", "new york", "a b", "c d", "é"}, got); diff != "" {
		t.Errorf("CleanTags (-want +got):\n%s", diff)
	}
	if got := contacts.CleanTags(nil); got == nil {
		t.Error("CleanTags(nil) is nil, which JSON shows as null")
	}
}

func TestRule01_OneActiveContactPerPhone(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const adds = 64
	added, errs := atOnce(adds, func(i int) (contacts.Contact, error) {
		return patiently(func() (contacts.Contact, error) {
			return s.Add(t.Context(), s.org, contacts.Draft{Name: fmt.Sprint("Alex ", i), Phone: "+14155551200"})
		})
	})
	if n := one[int](t, s, `SELECT count(*) FROM contacts`); n != 1 {
		t.Fatalf("%d contacts have the phone", n)
	}
	id := one[string](t, s, `SELECT id::text FROM contacts`)
	succeeded := 0
	for i, err := range errs {
		if err == nil {
			succeeded++
			if added[i].ID != id {
				t.Errorf("add %d returned the id %q, the contact's is %s", i, added[i].ID, id)
			}
			continue
		}
		p := refused(t, err, problem.CodeDuplicatePhone)
		if p.Code.Status() != http.StatusConflict || p.ID != id || p.Field != "phone" || p.Detail != "A contact with this phone number already exists." {
			t.Errorf("add %d: %d %+v, want 409 with the contact's id %s", i, p.Code.Status(), p, id)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d adds succeeded, want 1", succeeded)
	}
}

func TestRule01_AnArchivedContactNeverBlocks(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	draft := contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"}
	ids := map[string]bool{}
	for range 3 {
		c := s.mustAdd(t, draft)
		ids[c.ID] = true
		_, err := s.Add(t.Context(), s.org, draft)
		refused(t, err, problem.CodeDuplicatePhone)
		if err := s.Archive(t.Context(), s.org.ID, c.ID); err != nil {
			t.Fatal(err)
		}
	}
	if len(ids) != 3 || one[int](t, s, `SELECT count(*) FROM contacts WHERE archived_at IS NOT NULL`) != 3 {
		t.Errorf("the contacts are %v, want three archived ones", ids)
	}
}

func TestRule01_PlainSQLCannotAddASecond(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	first := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	const insert = `INSERT INTO contacts (org_id, name, phone, archived_at) VALUES ($1::text::uuid, 'Another', '+14155551200', $2)`
	_, err := s.pool.Exec(t.Context(), insert, s.org.ID, nil)
	violates(t, err, "contacts_active_phone")
	s.mustExec(t, insert, s.org.ID, "2026-01-01")
	_, err = s.pool.Exec(t.Context(), `UPDATE contacts SET archived_at = NULL`)
	violates(t, err, "contacts_active_phone")
	other := newOrg(t, s.pool, nil)
	if _, err := s.Add(t.Context(), other, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"}); err != nil {
		t.Errorf("another organisation cannot have the phone: %v", err)
	}
	if err := s.Archive(t.Context(), s.org.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, insert, s.org.ID, nil)
}

func TestArchive(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	other := newOrg(t, s.pool, nil)
	for _, id := range []string{"", "no id", "00000000-0000-0000-0000-000000000000"} {
		refused(t, s.Archive(t.Context(), s.org.ID, id), problem.CodeNotFound)
	}
	refused(t, s.Archive(t.Context(), other.ID, c.ID), problem.CodeNotFound)
	if err := s.Archive(t.Context(), s.org.ID, c.ID); err != nil {
		t.Fatal(err)
	}
	refused(t, s.Archive(t.Context(), s.org.ID, c.ID), problem.CodeNotFound)
}

func TestRule02_PhonesAreStoredAsE164(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for input, want := range map[string]phone.Number{
		"+1 (415) 555-1200": "+14155551200", "202.555.0133": "+12025550133", "[416] 555 0123": "+14165550123",
		"011 44 20 7946 0123": "+442079460123", "+49 30/1234567": "+49301234567",
	} {
		c := s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: input})
		if stored := one[string](t, s, `SELECT phone FROM contacts WHERE id = $1::text::uuid`, c.ID); c.Phone != want || stored != string(want) {
			t.Errorf("%q is returned as %s and stored as %s, want %s", input, c.Phone, stored, want)
		}
	}
}

func TestRule02_WhatIsNotCertainIsRefusedWithAReason(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for input, reason := range map[string]string{
		"":                    "is empty",
		"123456":              "too few digits",
		"555-1200":            "no area code",
		"+1 415 555 1200 x12": "has an extension",
		"1-800-FLOWERS":       "has letters",
		"+１４１５５５５１２００":        "digits of another script",
		"1.41556E+10":         "spreadsheet",
		"+266696687":          "stands for a withheld number",
		"442079460123":        "+44 20 7946 0123",
	} {
		_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Alex", Phone: input})
		if p := refused(t, err, problem.CodeInvalid); p.Field != "phone" || !strings.Contains(p.Detail, reason) {
			t.Errorf("%q is refused with %q, %q; want a reason with %q", input, p.Field, p.Detail, reason)
		}
	}
}

func TestRule02_PlainSQLCannotStoreAnythingElse(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var campaign string
	if err := s.pool.QueryRow(t.Context(), `INSERT INTO campaigns (org_id, name) VALUES ($1::text::uuid, 'Spring') RETURNING id::text`, s.org.ID).Scan(&campaign); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"", "4155551200", "14155551200", "+1 415 555 1200", "+04155551200", "+123456", "+1234567890123456",
		"+1415555120٣", "+14155551200\n", "+1415555120a", "tel:+14155551200"} {
		_, err := s.pool.Exec(t.Context(), `INSERT INTO contacts (org_id, name, phone) VALUES ($1::text::uuid, 'Alex', $2)`, s.org.ID, n)
		violates(t, err, "contacts_phone_check")
		_, err = s.pool.Exec(t.Context(), `INSERT INTO campaign_people (org_id, campaign_id, phone) VALUES ($1::text::uuid, $2::text::uuid, $3)`, s.org.ID, campaign, n)
		violates(t, err, "campaign_people_phone_check")
	}
	c := s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	_, err := s.pool.Exec(t.Context(), `UPDATE contacts SET phone = '4155551200' WHERE id = $1::text::uuid`, c.ID)
	violates(t, err, "contacts_phone_check")
}

func TestRule02_TheDatabaseTakesWhatStrictTakes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.OneOf(rapid.StringMatching(`\+?[0-9]{0,17}`), rapid.StringMatching(`\+[1-9][0-9]{6,14}[ \n\x{0663}a]?`)).Draw(rt, "number")
		_, strict := phone.Strict(n)
		var checked bool
		if err := s.pool.QueryRow(t.Context(), `SELECT $1::text ~ substring(pg_get_constraintdef(oid) FROM '''(.*)''') FROM pg_constraint WHERE conname = 'contacts_phone_check'`, n).Scan(&checked); err != nil {
			rt.Fatal(err)
		}
		if checked != strict {
			rt.Errorf("%q passes the database's check: %v, phone.Strict: %v", n, checked, strict)
		}
	})
}

func TestRule04_TheLimitIsExactUnderConcurrentAdds(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const limit, adds = 10, 64
	limited := newOrg(t, s.pool, new(limit))
	s.mustAdd(t, contacts.Draft{Name: "Of another organisation", Phone: "+14155551200"})
	_, errs := atOnce(adds, func(i int) (contacts.Contact, error) {
		return patiently(func() (contacts.Contact, error) {
			return s.Add(t.Context(), limited, contacts.Draft{Name: "Alex", Phone: fmt.Sprintf("+1415555%04d", 1000+i)})
		})
	})
	added := 0
	for _, err := range errs {
		if err == nil {
			added++
			continue
		}
		if p := refused(t, err, problem.CodeContactLimitReached); p.Code.Status() != http.StatusPaymentRequired {
			t.Errorf("the status is %d, want 402", p.Code.Status())
		}
	}
	stored := one[int](t, s, `SELECT count(*) FROM contacts WHERE org_id = $1::text::uuid`, limited.ID)
	if added != limit || stored != limit {
		t.Errorf("%d adds succeeded and %d contacts are stored, want %d", added, stored, limit)
	}
}

// An add waits for one that is under way and counts it.
func TestRule04_TheLimitCountsAnAddThatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.org = newOrg(t, s.pool, new(1))
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	for _, sql := range []string{`SELECT FROM orgs WHERE id = $1::text::uuid FOR NO KEY UPDATE`,
		`INSERT INTO contacts (org_id, name, phone) VALUES ($1::text::uuid, 'Jamie', '+12025550133')`} {
		if _, err := tx.Exec(t.Context(), sql, s.org.ID); err != nil {
			t.Fatal(err)
		}
	}
	add := make(chan error, 1)
	go func() {
		_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Sam", Phone: "+12025550135"})
		add <- err
	}()
	s.awaitLock(t, add)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-add; !errors.Is(err, context.DeadlineExceeded) {
		refused(t, err, problem.CodeContactLimitReached)
	}
}

func TestRule04_WhatTheLimitCounts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.org = newOrg(t, s.pool, new(2))
	first := s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	s.mustAdd(t, contacts.Draft{Name: "Jamie", Phone: "+12025550133"})
	add := func() error {
		_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Sam", Phone: "+12025550134"})
		return err
	}
	refused(t, add(), problem.CodeContactLimitReached)
	_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	refused(t, err, problem.CodeDuplicatePhone) // it is known: a better answer than the limit
	if err := s.Archive(t.Context(), s.org.ID, first.ID); err != nil {
		t.Fatal(err)
	}
	if err := add(); err != nil {
		t.Errorf("an archived contact counts: %v", err)
	}
	nothing := newOrg(t, s.pool, new(0))
	_, err = s.Add(t.Context(), nothing, contacts.Draft{Name: "Sam", Phone: "+12025550134"})
	refused(t, err, problem.CodeContactLimitReached)
}

func TestRule04_AutoFillAndCaptureAreNeverStopped(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.org = newOrg(t, s.pool, new(1))
	s.mustAdd(t, contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	s.arrive(t, "+12025550133", when(0))
	if r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: "+12025550134", Name: "Jamie Lee", At: when(0)}); !r.OK {
		t.Errorf("the limit stops a capture: %+v", r)
	}
	if n := one[int](t, s, `SELECT count(*) FROM contacts`); n != 3 {
		t.Errorf("there are %d contacts, want 3", n)
	}
	_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Sam", Phone: "+12025550135"})
	refused(t, err, problem.CodeContactLimitReached)
}

// The lock under which an add counts is one that a call's own writes do not wait for.
func TestRule04_AddingByHandDoesNotHoldUpACall(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	tx, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	// An add stops at this lock when it has its own already.
	if _, err := tx.Exec(t.Context(), `LOCK TABLE phone_numbers IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	add := make(chan error, 1)
	go func() {
		_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Sam", Phone: "+12025550135"})
		add <- err
	}()
	s.awaitLock(t, add)
	impatient, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := s.pool.Exec(impatient, `INSERT INTO contacts (org_id, name, phone) VALUES ($1::text::uuid, 'Jamie', $2)`, s.org.ID, jamie); err != nil {
		t.Errorf("a contact cannot be written beside an add: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-add; err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the add: %v", err)
	}
}

func TestRule05_TheOrganisationsOwnNumberNeverBecomesAContact(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const own = "+12125550199"
	s.ownNumber(t, own)
	_, err := s.Add(t.Context(), s.org, contacts.Draft{Name: "Alex", Phone: own})
	if p := refused(t, err, problem.CodeInvalid); p.Field != "phone" {
		t.Errorf("the problem is with %q", p.Field)
	}
	_, err = s.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: "Spring", Phone: own, Name: "Alex", CalledAt: when(0)})
	if p := refused(t, err, problem.CodeInvalid); p.Field != "phone" {
		t.Errorf("the problem is with %q", p.Field)
	}
	for _, c := range []contacts.Capture{
		{CallSID: "CA1", Phone: own, Name: "Alex", At: when(0)},
		{CallSID: "CA2", Phone: "+14155551200", OtherPhone: "(212) 555-0199", Name: "Alex", At: when(0)},
	} {
		if r := s.capture(t, c); r.OK || r.Code != "own_number" || r.Saved != nil {
			t.Errorf("Capture(%+v) = %+v, want own_number", c, r)
		}
	}
	s.arrive(t, own, when(0))
	if n := one[int](t, s, `SELECT (SELECT count(*) FROM contacts) + (SELECT count(*) FROM campaign_people)`); n != 0 {
		t.Errorf("the own number became %d people", n)
	}
	other := newOrg(t, s.pool, nil)
	if _, err := s.Add(t.Context(), other, contacts.Draft{Name: "Acme", Phone: own}); err != nil {
		t.Errorf("another organisation cannot add it: %v", err)
	}
}
