package contacts_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"ringside/contacts"
	"ringside/internal/phone"
)

// ladder are the sources from the weakest to the strongest.
var ladder = []contacts.Source{contacts.SourceAuto, contacts.SourceImport, contacts.SourceCapture, contacts.SourcePerson}

func rank(source contacts.Source) int {
	for i, s := range ladder {
		if s == source {
			return i
		}
	}
	return -1
}

func TestRule03_TheBetterSourceWinsAndTheLaterWordOfAnEqualOne(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	source := rapid.SampledFrom(ladder)
	minute := rapid.IntRange(0, 3)
	rapid.Check(t, func(rt *rapid.T) {
		given, givenAt := source.Draw(rt, "source"), minute.Draw(rt, "minute")
		held, heldAt := source.Draw(rt, "held source"), minute.Draw(rt, "held minute")
		want := rank(given) > rank(held) || given == held && givenAt >= heldAt
		var wins bool
		err := s.pool.QueryRow(t.Context(), `SELECT ringside_wins($1, $2, $3, $4)`, given, when(givenAt), held, when(heldAt)).Scan(&wins)
		if err != nil {
			rt.Fatal(err)
		}
		if wins != want {
			rt.Errorf("%s at %d against %s at %d wins: %v, want %v", given, givenAt, held, heldAt, wins, want)
		}
	})
}

// Each field of a capture meets a value of each source, observed before and after it.
func TestRule03_ACaptureAgainstEverySource(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	const older, newer = -5, 5
	number := 0
	for _, source := range ladder {
		for _, minutes := range []int{older, newer} {
			t.Run(fmt.Sprintf("%s %d min", source, minutes), func(t *testing.T) {
				number++
				n := alex[:len(alex)-2] + phoneEnd(number)
				before := held{"Alex Chen", "alex@acme.io", "Likes tea", source, source, source}
				s.mustExec(t, `INSERT INTO contacts (org_id, phone, name, email, notes, name_source, email_source, notes_source, name_at, email_at, notes_at)
					VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $6, $6, $7, $7, $7)`,
					s.org.ID, n, before.Name, before.Email, before.Notes, source, when(minutes))
				yields := rank(source) < rank(contacts.SourceCapture) || source == contacts.SourceCapture && minutes == older
				captured := contacts.Capture{CallSID: "CA" + string(n), Phone: n, Name: "Sam Roe", Email: "sam@example.com", Notes: "Has a dog", At: when(0)}

				for _, field := range []string{"name", "email", "notes"} {
					c := contacts.Capture{CallSID: captured.CallSID, Phone: n, At: when(0)}
					want := before
					switch field {
					case "name":
						c.Name = captured.Name
						if yields {
							want.Name, want.NameSource = c.Name, "capture"
						}
					case "email":
						c.Email = captured.Email
						if yields {
							want.Email, want.EmailSource = c.Email, "capture"
						}
					case "notes":
						c.Notes = captured.Notes
						if yields {
							want.Notes, want.NotesSource = "Likes tea\nHas a dog", "capture"
						}
					}
					r := s.capture(t, c)
					saved, kept := []string{field}, []string(nil)
					if !yields {
						saved, kept = kept, saved
					}
					if diff := cmp.Diff([][]string{saved, kept}, [][]string{r.Saved, r.Kept}); !r.OK || diff != "" {
						t.Errorf("%s: saved and kept (-want +got):\n%s", field, diff)
					}
					if diff := cmp.Diff(want, s.contact(t, n)); diff != "" {
						t.Errorf("after %s (-want +got):\n%s", field, diff)
					}
					before = want
				}
			})
		}
	}
}

// phoneEnd returns two digits.
func phoneEnd(i int) phone.Number { return phone.Number(fmt.Sprintf("%02d", i)) }

func TestRule03_APlaceholderNeverReplacesARealName(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Alex Chen", At: when(0)})
	for i, name := range []string{"Unknown", "ANONYMOUS CALLER", " n/a ", "+14155551200", "{{NAME}}", "", "\u00a0"} {
		s.capture(t, contacts.Capture{CallSID: fmt.Sprint("CB", i), Phone: alex, Name: name, Email: fmt.Sprintf("alex%d@acme.io", i), At: when(1 + i)})
		if h := s.contact(t, alex); h.Name != "Alex Chen" || h.Email != fmt.Sprintf("alex%d@acme.io", i) {
			t.Errorf("after a capture of the name %q: %+v", name, h)
		}
	}
	s.arrive(t, alex, when(60))
	if h := s.contact(t, alex); h.Name != "Alex Chen" {
		t.Errorf("after a call: %+v", h)
	}
}

func TestRule03_ARealNameReplacesAPlaceholderOfAnySource(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for i, source := range ladder {
		n := alex[:len(alex)-2] + phoneEnd(i)
		s.mustExec(t, `INSERT INTO contacts (org_id, phone, name, name_source, name_at) VALUES ($1::text::uuid, $2, 'Unknown Caller', $3, $4)`,
			s.org.ID, n, source, when(60))
		s.capture(t, contacts.Capture{CallSID: "CA" + string(n), Phone: n, Name: "Alex Chen", At: when(0)})
		if h := s.contact(t, n); h.Name != "Alex Chen" || h.NameSource != contacts.SourceCapture {
			t.Errorf("a placeholder from %s: %+v, want the captured name", source, h)
		}
	}
}

func TestRule03_BlanksNeverReplace(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Alex Chen", Email: "alex@acme.io", Notes: "Likes tea", At: when(0)})
	want := s.contact(t, alex)
	s.arrive(t, alex, when(1))
	for i, c := range []contacts.Capture{{Name: "Alex Chen"}, {Email: "alex@acme.io"}, {Notes: "Likes tea"}} {
		c.CallSID, c.Phone, c.At = fmt.Sprint("CB", i), alex, when(2+i)
		if r := s.capture(t, c); len(r.Saved) != 1 || r.Kept != nil {
			t.Errorf("Capture(%+v) = %+v", c, r)
		}
	}
	if diff := cmp.Diff(want, s.contact(t, alex)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func TestRule03_ABlankIsFilledEvenBesideAPersonsEdit(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: alex.String()})
	s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Sam Roe", Email: "alex@acme.io", Notes: "Likes tea", At: when(0)})
	want := held{"Alex Chen", "alex@acme.io", "Likes tea", "person", "capture", "capture"}
	if diff := cmp.Diff(want, s.contact(t, alex)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What the caller confirms is from then on what the caller said.
func TestRule03_ACaptureOfTheSameValueRaisesItsSource(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `INSERT INTO contacts (org_id, phone, name, name_source, name_at) VALUES ($1::text::uuid, $2, 'Alex Chen', 'import', $3)`, s.org.ID, alex, when(0))
	s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Alex Chen", At: when(1)})
	if h := s.contact(t, alex); h.NameSource != contacts.SourceCapture {
		t.Errorf("the source is %s, want capture", h.NameSource)
	}
	s.mustExec(t, `UPDATE contacts SET name_source = 'person', name_at = $1`, when(2))
	if r := s.capture(t, contacts.Capture{CallSID: "CA2", Phone: alex, Name: "Alex Chen", At: when(3)}); len(r.Saved) != 1 || r.Kept != nil {
		t.Errorf("what a person wrote alike: %+v, want it to be as saved", r)
	}
	if h := s.contact(t, alex); h.NameSource != contacts.SourcePerson {
		t.Errorf("the source is %s, want person", h.NameSource)
	}
}

// A writer that knows of sources must never be taken for one that does not.
func TestRule03_ACorrectionObservedAtTheSameMomentIsStillACapture(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for i, name := range []string{"Alec Chen", "Alex Chen", "Alex Chan"} {
		s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: name, Email: fmt.Sprintf("alex%d@acme.io", i), Notes: fmt.Sprint("Note ", i), At: when(0)})
	}
	if h := s.contact(t, alex); h.NameSource != contacts.SourceCapture || h.EmailSource != contacts.SourceCapture || h.NotesSource != contacts.SourceCapture {
		t.Errorf("taken for a person's edit: %+v", h)
	}
}

func TestRule03_PlainSQLCountsAsAPersonsEdit(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Alex Chen", Email: "alex@acme.io", Notes: "Likes tea", At: when(0)})
	sources := func() (all [4]contacts.Source) {
		t.Helper()
		err := s.pool.QueryRow(t.Context(), `SELECT name_source, email_source, notes_source, tags_source FROM contacts`).Scan(&all[0], &all[1], &all[2], &all[3])
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	want := [4]contacts.Source{"capture", "capture", "capture", "auto"}
	for i, set := range []string{`name = 'Alexandra Chen'`, `email = 'alexandra@acme.io'`, `notes = 'Likes coffee'`, `tags = '{vip}'`} {
		began := one[time.Time](t, s, `SELECT now()`)
		s.mustExec(t, `UPDATE contacts SET `+set)
		want[i] = contacts.SourcePerson
		if diff := cmp.Diff(want, sources()); diff != "" {
			t.Errorf("after SET %s (-want +got):\n%s", set, diff)
		}
		column := [4]string{"name_at", "email_at", "notes_at", "tags_at"}[i]
		if at := one[time.Time](t, s, `SELECT `+column+` FROM contacts`); at.Before(began) {
			t.Errorf("after SET %s it counts from %s, before the edit", set, at)
		}
	}
	r := s.capture(t, contacts.Capture{CallSID: "CA2", Phone: alex, Name: "Sam Roe", Email: "sam@example.com", Notes: "Has a dog", At: time.Now().Add(time.Hour)})
	if diff := cmp.Diff([]string{"name", "email", "notes"}, r.Kept); diff != "" || r.Saved != nil {
		t.Errorf("%+v overwrites a person's edit (-want +got):\n%s", r, diff)
	}
	if h := s.contact(t, alex); h.Name != "Alexandra Chen" || h.Email != "alexandra@acme.io" || h.Notes != "Likes coffee" {
		t.Errorf("a person's edit was overwritten: %+v", h)
	}
	// A program that knows of sources says so, and one that changes nothing is not an edit.
	s.mustExec(t, `UPDATE contacts SET name = 'Imported', name_source = 'import', name_at = now()`)
	s.mustExec(t, `UPDATE contacts SET name = name, archived_at = NULL`)
	want[0] = contacts.SourceImport
	if diff := cmp.Diff(want, sources()); diff != "" {
		t.Errorf("with a source named (-want +got):\n%s", diff)
	}
}

func TestRule03_PlainSQLThatAddsAContactIsAPerson(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.mustExec(t, `INSERT INTO contacts (org_id, phone, name, email, notes) VALUES ($1::text::uuid, $2, 'Alex Chen', 'alex@acme.io', 'Likes tea')`, s.org.ID, alex)
	r := s.capture(t, contacts.Capture{CallSID: "CA1", Phone: alex, Name: "Sam Roe", Email: "sam@example.com", Notes: "Has a dog", At: time.Now().Add(time.Hour)})
	if len(r.Kept) != 3 {
		t.Errorf("%+v, want all kept", r)
	}
}

func TestRule03_LastContactedOnlyMovesForward(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	last := func() time.Time {
		t.Helper()
		return one[time.Time](t, s, `SELECT last_contacted_at FROM contacts WHERE phone = $1`, alex).UTC()
	}
	s.arrive(t, alex, when(10))
	for _, step := range []struct{ minutes, want int }{{5, 10}, {10, 10}, {11, 11}, {0, 11}, {30, 30}} {
		s.arrive(t, alex, when(step.minutes))
		if got := last(); !got.Equal(when(step.want)) {
			t.Errorf("after a call at %d it is %s, want %s", step.minutes, got, when(step.want))
		}
	}
	for _, set := range []string{`'2020-01-01'`, `NULL`, `last_contacted_at - interval '1 microsecond'`, `'-infinity'`} {
		s.mustExec(t, `UPDATE contacts SET last_contacted_at = `+set)
		if got := last(); !got.Equal(when(30)) {
			t.Errorf("after SET last_contacted_at = %s it is %s, want %s", set, got, when(30))
		}
	}
	s.mustExec(t, `UPDATE contacts SET last_contacted_at = $1`, when(40))
	if got := last(); !got.Equal(when(40)) {
		t.Errorf("it does not move forward: %s, want %s", got, when(40))
	}
	s.mustExec(t, `UPDATE contacts SET name = 'Alex Chen', last_contacted_at = $1`, when(1))
	if got := last(); !got.Equal(when(40)) || s.contact(t, alex).Name != "Alex Chen" {
		t.Errorf("beside another change it is %s of %+v, want %s", got, s.contact(t, alex), when(40))
	}
}
