package contacts_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"ringside/contacts"
	"ringside/internal/phone"
)

const (
	alex  phone.Number = "+14155551200"
	jamie phone.Number = "+12025550133"
)

// when returns a moment, the given number of minutes after some other.
func when(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, minutes, 0, 0, time.UTC)
}

func (s shelf) capture(t *testing.T, c contacts.Capture) contacts.CaptureResult {
	t.Helper()
	c.Org = s.org
	r, err := patiently(func() (contacts.CaptureResult, error) { return s.Capture(t.Context(), c) })
	if err != nil {
		t.Fatalf("Capture(%+v): %v", c, err)
	}
	return r
}

// arrive lets a call or message of a number pass by, as the ledger does.
func (s shelf) arrive(t *testing.T, n phone.Number, at time.Time) {
	t.Helper()
	s.mustExec(t, `WITH arrivals AS (SELECT $1::text::uuid AS org_id, $2::text AS phone, $3::timestamptz AS at), `+contacts.AutoFillSQL+`
		SELECT id FROM people`, s.org.ID, n, at)
}

// held is a contact as it is stored, with the source of each field.
type held struct {
	Name, Email, Notes                   string
	NameSource, EmailSource, NotesSource contacts.Source
}

// contact returns the organisation's active contact of a number.
func (s shelf) contact(t *testing.T, n phone.Number) (h held) {
	t.Helper()
	err := s.pool.QueryRow(t.Context(), `
		SELECT name, coalesce(email, ''), notes, name_source, email_source, notes_source
		FROM contacts WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`, s.org.ID, n).
		Scan(&h.Name, &h.Email, &h.Notes, &h.NameSource, &h.EmailSource, &h.NotesSource)
	if err != nil {
		t.Fatalf("read the contact of %s: %v", n, err)
	}
	return h
}

func TestCaptureMakesAContact(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: " Alex\tChen ", Email: " alex@acme.io ", Notes: "Likes\nmornings", At: when(0)})
	want := contacts.CaptureResult{OK: true, Saved: []string{"name", "email", "notes"}, Message: "Saved: name, email, notes."}
	if diff := cmp.Diff(want, r, cmpopts.IgnoreFields(want, "ContactID")); diff != "" {
		t.Errorf("Capture (-want +got):\n%s", diff)
	}
	if id := one[string](t, s, `SELECT id::text FROM contacts`); id != r.ContactID {
		t.Errorf("the result's id is %q, the contact's %s", r.ContactID, id)
	}
	wantHeld := held{"Alex Chen", "alex@acme.io", "Likes mornings", "capture", "capture", "capture"}
	if diff := cmp.Diff(wantHeld, s.contact(t, alex)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	s.capture(t, contacts.Capture{CallSID: "CA2", Phone: jamie, Email: "jamie@example.com", At: when(0)})
	wantHeld = held{Name: string(jamie), Email: "jamie@example.com", NameSource: "auto", EmailSource: "capture", NotesSource: "auto"}
	if diff := cmp.Diff(wantHeld, s.contact(t, jamie)); diff != "" {
		t.Errorf("stored without a name (-want +got):\n%s", diff)
	}
}

func TestCaptureOfAnotherNumber(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: alex.String()})
	r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, OtherPhone: "(202) 555-0133", Name: "Jamie Lee", At: when(0)})
	if !r.OK || s.contact(t, jamie).Name != "Jamie Lee" || s.contact(t, alex).Name != "Alex Chen" {
		t.Errorf("%+v: %+v and %+v, want Jamie beside Alex", r, s.contact(t, jamie), s.contact(t, alex))
	}
	r = s.capture(t, contacts.Capture{CallSID: "CA2", OtherPhone: "+12025550134", Name: "Sam Roe", At: when(0)})
	if !r.OK || s.contact(t, "+12025550134").Name != "Sam Roe" {
		t.Errorf("a caller without a number cannot give another: %+v", r)
	}
}

// What is refused writes nothing, and says so.
func TestCaptureNeverSaysSavedOfWhatIsNot(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const mark = "This stays with the call."
	for _, tt := range []struct {
		name    string
		c       contacts.Capture
		want    contacts.CaptureResult
		message string // a part of it
	}{
		{"nothing", contacts.Capture{Phone: alex, Name: " ", Notes: "\x00\n"},
			contacts.CaptureResult{Code: "nothing_to_save"}, "Nothing was given that can be saved"},
		{"a placeholder alone", contacts.Capture{Phone: alex, Name: "Unknown  Caller"},
			contacts.CaptureResult{Code: "nothing_to_save"}, "a real name"},
		{"a number for a name", contacts.Capture{Phone: alex, Name: "+1 415 555 1200"},
			contacts.CaptureResult{Code: "nothing_to_save"}, "a real name"},
		{"no address", contacts.Capture{Phone: alex, Name: "Alex Chen", Email: "alex at acme dot io"},
			contacts.CaptureResult{Code: "invalid_email", NeedsReadback: true}, "Nothing was saved"},
		{"a number that is none", contacts.Capture{Phone: alex, OtherPhone: "555 CALL", Name: "Alex Chen"},
			contacts.CaptureResult{Code: "invalid_phone"}, "digits only. Nothing was saved."},
		{"a withheld number", contacts.Capture{Phone: alex, OtherPhone: "+266696687", Name: "Alex Chen"},
			contacts.CaptureResult{Code: "invalid_phone"}, "Nothing was saved"},
		{"no number", contacts.Capture{Name: "Alex Chen"},
			contacts.CaptureResult{Code: "no_number"}, "nobody to save this to"},
		{"call only", contacts.Capture{Phone: alex, Name: "Alex Chen", CallOnly: mark},
			contacts.CaptureResult{OK: true}, mark},
		{"call only, doubtful", contacts.Capture{Phone: alex, Email: "alex@gmial.com", CallOnly: mark},
			contacts.CaptureResult{OK: true, NeedsReadback: true}, mark},
		{"call only, no address", contacts.Capture{Phone: alex, Email: "alex", CallOnly: mark},
			contacts.CaptureResult{Code: "invalid_email", NeedsReadback: true}, "Nothing was saved"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.CallSID, tt.c.At = "CA1", when(0)
			r := s.capture(t, tt.c)
			if diff := cmp.Diff(tt.want, r, cmpopts.IgnoreFields(r, "Message")); diff != "" {
				t.Errorf("Capture (-want +got):\n%s", diff)
			}
			if !strings.Contains(r.Message, tt.message) || strings.Contains(r.Message, "Saved") {
				t.Errorf("the message is %q, want one with %q", r.Message, tt.message)
			}
			if n := one[int](t, s, `SELECT (SELECT count(*) FROM contacts) + (SELECT count(*) FROM captures)`); n != 0 {
				t.Errorf("%d rows were written", n)
			}
		})
	}
}

func TestCaptureAsksToReadBackADoubtfulAddress(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Email: "alex@gmial.com", At: when(0)})
	if !r.OK || !r.NeedsReadback || !strings.Contains(r.Message, "Saved: email.") || !strings.Contains(r.Message, "gmail.com") {
		t.Errorf("%+v, want it saved and read back", r)
	}
	if r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Email: "alex@gmail.com", At: when(1)}); !r.OK || r.NeedsReadback {
		t.Errorf("%+v, want it saved without doubt", r)
	}
	if h := s.contact(t, alex); h.Email != "alex@gmail.com" {
		t.Errorf("stored is %+v, want the corrected address", h)
	}
}

func TestCaptureRepeatedInACallGetsTheFirstResult(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	c := contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Alex Chen", Email: "alex@gmial.com", At: when(0)}
	first := s.capture(t, c)
	s.mustExec(t, `UPDATE contacts SET name = 'Alexandra Chen', email = 'alexandra@acme.io'`)
	again := c
	again.At, again.Email = when(5), "Alex@Gmial.com" // an address is the same in any case
	if diff := cmp.Diff(first, s.capture(t, again)); diff != "" {
		t.Errorf("the repeat (-first +repeat):\n%s", diff)
	}
	if h := s.contact(t, alex); h.Name != "Alexandra Chen" || h.Email != "alexandra@acme.io" {
		t.Errorf("the repeat changed the contact: %+v", h)
	}
	for _, other := range []contacts.Capture{
		{CallSID: "CA2", Phone: alex, Name: c.Name, Email: c.Email},
		{CallSID: "CA1", Phone: alex, Name: "Alexa Chen", Email: c.Email},
		{CallSID: "CA1", Phone: alex, Name: c.Name, Email: "alexa@acme.io"},
		{CallSID: "CA1", Phone: alex, Name: c.Name, Email: c.Email, Notes: "Likes tea"},
	} {
		other.At = when(6)
		if r := s.capture(t, other); len(r.Kept) == 0 {
			t.Errorf("Capture(%+v) = %+v, want a result of its own", other, r)
		}
	}
	if r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, OtherPhone: jamie.String(), Name: c.Name, Email: c.Email, At: when(7)}); len(r.Saved) != 2 {
		t.Errorf("for another number: %+v, want it saved", r)
	}
}

func TestCapturesAtOnceMakeOne(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const calls = 32
	results, _ := atOnce(calls, func(int) (contacts.CaptureResult, error) {
		return s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Alex Chen", Notes: "Likes tea", At: when(0)}), nil
	})
	for i, r := range results {
		if diff := cmp.Diff(results[0], r); diff != "" || !r.OK {
			t.Errorf("result %d is not that of the first (-first +this):\n%s", i, diff)
		}
	}
	if h := s.contact(t, alex); h.Notes != "Likes tea" {
		t.Errorf("stored is %+v, want the notes once", h)
	}
	if n := one[int](t, s, `SELECT count(*) FROM captures`); n != 1 {
		t.Errorf("%d captures are kept, want 1", n)
	}
	// Of several calls at once from a new number, one makes the contact and the others add to it.
	_, _ = atOnce(calls, func(i int) (contacts.CaptureResult, error) {
		return s.capture(t, contacts.Capture{CallSID: fmt.Sprint("CB", i), Phone: jamie, Notes: fmt.Sprint("Note ", i, "."), At: when(i)}), nil
	})
	if n := one[int](t, s, `SELECT count(*) FROM contacts WHERE phone = $1`, jamie); n != 1 {
		t.Errorf("%d contacts have the number, want 1", n)
	}
}

func TestCaptureAddsToNotes(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for i, notes := range []string{"Likes tea", "Has a dog", "Likes tea"} {
		s.capture(t, contacts.Capture{CallSID: fmt.Sprint("CA", i), Phone: alex, Notes: notes, At: when(i)})
	}
	if h := s.contact(t, alex); h.Notes != "Likes tea\nHas a dog" {
		t.Errorf("the notes are %q, want each line once", h.Notes)
	}
	s.capture(t, contacts.Capture{CallSID: "CA9", Phone: jamie, Notes: strings.Repeat("x", 5000), At: when(0)})
	if h := s.contact(t, jamie); len(h.Notes) != 2000 {
		t.Errorf("one capture added %d characters, want at most 2000", len(h.Notes))
	}
	full := strings.Repeat("x", contacts.MaxNotes)
	s.mustExec(t, `UPDATE contacts SET notes = $2, notes_source = 'import', notes_at = $3 WHERE phone = $1`, alex, full, when(0))
	r := s.capture(t, contacts.Capture{CallSID: "CB1", Phone: alex, Name: "Alex Chen", Notes: "One more", At: when(9)})
	want := contacts.CaptureResult{OK: true, Saved: []string{"name"}, Kept: []string{"notes"}, ContactID: r.ContactID,
		Message: "Saved: name. Left as it was in the address book: notes."}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Errorf("with full notes (-want +got):\n%s", diff)
	}
	if h := s.contact(t, alex); h.Notes != full {
		t.Error("full notes were changed")
	}
}

func TestCaptureStaysWithinItsOrganisationAndOffArchivedContacts(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	archived := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: alex.String()})
	if err := s.Archive(t.Context(), s.org.ID, archived.ID); err != nil {
		t.Fatal(err)
	}
	other := s
	other.org = newOrg(t, s.pool, nil)
	theirs := other.mustAdd(t, contacts.Draft{Name: "Somebody else", Phone: alex.String()})
	r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Sam Roe", At: when(0)})
	if r.ContactID == archived.ID || r.ContactID == theirs.ID || s.contact(t, alex).Name != "Sam Roe" || other.contact(t, alex).Name != "Somebody else" {
		t.Errorf("%+v: %+v, and of the other organisation %+v", r, s.contact(t, alex), other.contact(t, alex))
	}
	if name := one[string](t, s, `SELECT name FROM contacts WHERE id = $1::text::uuid`, archived.ID); name != "Alex Chen" {
		t.Errorf("the archived contact is now %q", name)
	}
	if r := other.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Sam Roe", At: when(0)}); r.ContactID != theirs.ID {
		t.Errorf("the same CallSid of another organisation got %+v", r)
	}
}

func TestCaptureThatCannotBeWrittenIsAnError(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := s.Capture(gone, contacts.Capture{Org: s.org, CallSID: "CA1", Phone: alex, Name: "Alex Chen", At: when(0)})
	if err == nil || r.OK || r.Saved != nil {
		t.Errorf("Capture = %+v, %v; want an error", r, err)
	}
}
