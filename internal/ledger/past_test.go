package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
	"ringside/internal/problem"
)

var erasureKey = contacts.ErasureKey("the secret of this program")

// book returns the address book of the place's database.
func (p place) book() *contacts.Book { return contacts.NewBook(p.pool, contacts.NoFence{}) }

// applyKnowing is apply for a recorder that knows erased people again.
func (p place) applyKnowing(t *testing.T, events ...*ledger.Event) {
	t.Helper()
	if err := ledger.Apply(t.Context(), p.pool, contacts.NoFence{}, erasureKey, events); err != nil {
		t.Fatal(err)
	}
}

// from returns alex's event as one of another number.
func from(n phone.Number, e *ledger.Event) *ledger.Event {
	e.From, e.Party = string(n), n
	return e
}

// owners are the contacts of the interactions, by Sid.
func (p place) owners(t *testing.T) map[string]string {
	t.Helper()
	owners := map[string]string{}
	for _, i := range p.rows(t).Interactions {
		owners[i.SID] = i.Contact
	}
	return owners
}

// Two contacts that are one person become one: history moves, calls from either number are theirs, and
// undoing puts everything back where it was.
func TestMergeMovesHistoryAndUndoMovesItBack(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	exec(t, p.pool, `UPDATE orgs SET contact_limit = NULL`)
	older, newer := p.addContact(t, alex, "Alex Chen"), p.addContact(t, jo, "A. Chen")
	exec(t, p.pool, `UPDATE contacts SET created_at = created_at - interval '1 day' WHERE id = $1::text::uuid`, older)
	p.apply(t, p.ended("CA1", 60))
	p.apply(t, from(jo, p.ended("CA2", 120)))

	m, err := p.book().Merge(t.Context(), p.org.ID, ledger.Past{}, newer, older) // whichever is named first
	if err != nil {
		t.Fatal(err)
	}
	if m.Contact.ID != older || m.MergedID != newer || m.Contact.LastContactedAt == nil || !m.Contact.LastContactedAt.Equal(after(120)) {
		t.Errorf("merged into %+v", m)
	}
	since := func(e *ledger.Event) *ledger.Event { // the merge, by a clock that may be another's
		e.StartedAt = time.Now().Add(time.Second)
		e.At, e.EndedAt = e.StartedAt, e.StartedAt.Add(time.Minute)
		return e
	}
	p.apply(t, since(from(jo, p.ended("CA3", 180))))
	last := since(p.ended("CA4", 240))
	p.apply(t, last)
	whole := "A. Chen " + string(alex) // the later word of people
	if diff := cmp.Diff(map[string]string{"CA1": whole, "CA2": whole, "CA3": whole, "CA4": whole}, p.owners(t)); diff != "" {
		t.Errorf("whose the calls are after the merge (-want, +got):\n%s", diff)
	}
	if n := one[int](t, p.pool, `SELECT count(*) FROM contacts WHERE archived_at IS NULL`); n != 1 {
		t.Errorf("%d active contacts, want one: a call from the other number is theirs", n)
	}
	if got := one[time.Time](t, p.pool, `SELECT last_contacted_at FROM contacts WHERE archived_at IS NULL`); !got.Equal(last.EndedAt.Truncate(time.Microsecond)) {
		t.Errorf("last contacted at %v, want %v", got, last.EndedAt)
	}

	kept, restored, err := p.book().UndoMerge(t.Context(), p.org.ID, ledger.Past{}, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if kept.ID != older || restored.ID != newer || restored.ArchivedAt != nil || len(kept.OtherPhones) != 0 || kept.Name != "Alex Chen" || restored.Name != "A. Chen" {
		t.Errorf("undone into\n%+v\nand\n%+v", kept, restored)
	}
	whole, other := "Alex Chen "+string(alex), "A. Chen "+string(jo)
	if diff := cmp.Diff(map[string]string{"CA1": whole, "CA2": other, "CA3": other, "CA4": whole}, p.owners(t)); diff != "" {
		t.Errorf("whose the calls are after the undo (-want, +got):\n%s", diff)
	}
}

// Whoever has several numbers has the same history under each: a call of one is announced for all.
func TestRule17_ACallOfAMergedNumberIsAnnouncedForAll(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	_, err := p.book().Merge(t.Context(), p.org.ID, ledger.Past{}, p.addContact(t, alex, "Alex Chen"), p.addContact(t, jo, "Alex"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `LISTEN ringside_callers`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, caller := range []phone.Number{alex, jo} {
		var f fence
		if err := ledger.Apply(t.Context(), p.pool, &f, nil, []*ledger.Event{from(caller, p.ended("CA"+string(caller[1:]), 60))}); err != nil {
			t.Fatal(err)
		}
		heard := ""
		for _, n := range []phone.Number{alex, jo} {
			for !strings.Contains(heard, string(n)) {
				said, err := conn.Conn().WaitForNotification(ctx)
				if err != nil {
					t.Fatalf("a call of %s was announced as %q: %v", caller, heard, err)
				}
				heard += " " + said.Payload
			}
		}
	}
}

// everything is all that the database holds, as one text.
func (p place) everything(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, table := range []string{"contacts", "interactions", "transcripts", "captures", "campaign_people", "contact_imports", "contact_import_rows",
		"contact_merges", "moved_interactions", "erased_people", "erasures", "interaction_events"} {
		all.WriteString(one[string](t, p.pool, `SELECT coalesce(string_agg(t::text, E'\n'), '') FROM `+table+` t`) + "\n")
	}
	return all.String()
}

// An erased person is nowhere in the database: not their name, number, e-mail address or a word of what
// was said. The calls stay, to be counted.
func TestEraseLeavesNothingOfAPerson(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	exec(t, p.pool, `UPDATE orgs SET contact_limit = NULL`)
	b := p.book()
	report, err := b.Import(t.Context(), p.org, contacts.ImportFile{Name: "people.csv", Content: strings.NewReader(
		"name,phone,email,notes\nAlex Chen,+14155551200,alex@acme.io,Prefers mornings\nAlex Chen,415-555-1200 or 1201,,\nAlex,12,ALEX@acme.io,\nSam Doe,+13125550100,,\nAlex C,+1 (415) 555-1200,,\n")})
	if err != nil || report.Created != 2 || report.Invalid != 2 || report.Repeated != 1 {
		t.Fatalf("imported %+v: %v", report, err)
	}
	merged := p.addContact(t, jo, "Alex Work")
	contactID := one[string](t, p.pool, `SELECT id::text FROM contacts WHERE phone = $1`, alex)
	if _, err := b.Merge(t.Context(), p.org.ID, ledger.Past{}, contactID, merged); err != nil {
		t.Fatal(err)
	}
	lately := noon.Add(-time.Hour)
	p.addCampaignPerson(t, "Winter", alex, "Alex Chen", &lately)
	if _, err := b.Capture(t.Context(), contacts.Capture{Org: p.org, CallSID: "CA1", Phone: alex, Notes: "Alex likes tea", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	p.applyKnowing(t, p.inbound("CA1", "voice", func(e *ledger.Event) {
		e.Recognition, e.ContactID = json.RawMessage(`{"number": "+14155551200", "why": "Greeted by name: Alex Chen"}`), contactID
	}), p.inbound("CA1", "said", func(e *ledger.Event) {
		e.Transcript = &ledger.Transcript{SessionID: "VX1", Lines: []ledger.Line{{At: noon, Who: "caller", Text: "Alex here"}}}
	}), p.inbound("CA1", "note:1", func(e *ledger.Event) { e.Note = "Alex wants a quote" }),
		p.inbound("CA1", "summary", func(e *ledger.Event) { e.Summary = "Alex asked" }), p.ended("CA1", 60))
	p.applyKnowing(t, from(jo, p.inbound("CA2", "voice", func(e *ledger.Event) { e.Status = "in-progress" })))
	p.applyKnowing(t, from("+13125550100", p.ended("CA3", 60)))
	for _, word := range []string{"Alex", "5551200", "2025550133", "acme.io"} {
		if !strings.Contains(p.everything(t), word) {
			t.Fatalf("there is no %q to erase", word)
		}
	}

	e, err := b.Erase(t.Context(), p.org.ID, ledger.Past{}, erasureKey, contactID)
	if err != nil {
		t.Fatal(err)
	}
	want := contacts.Removed{Contacts: 2, Interactions: 2, Transcripts: 1, Captures: 1, CampaignPeople: 1, ImportRows: 4}
	if diff := cmp.Diff(want, e.Removed); diff != "" || len(e.Hashes) != 2 {
		t.Errorf("the receipt has %d hashes and (-want, +got):\n%s", len(e.Hashes), diff)
	}
	if kept, err := b.Erasure(t.Context(), p.org.ID, e.ID); err != nil || cmp.Diff(e.Removed, kept.Removed) != "" {
		t.Errorf("the receipt is kept as %+v: %v", kept, err)
	}
	// What is late of the calls from before changes nothing of that.
	p.applyKnowing(t, from(jo, p.ended("CA2", 300)), from(jo, p.inbound("CA2", "summary", func(e *ledger.Event) { e.Summary = "Alex again" })),
		from(jo, p.inbound("CA2", "said", func(e *ledger.Event) {
			e.Transcript = &ledger.Transcript{SessionID: "VX2", Lines: []ledger.Line{{At: noon, Who: "caller", Text: "Alex again"}}}
		})))
	p.applyKnowing(t, p.ended("CA0", 60), p.inbound("CA0", "summary", func(e *ledger.Event) { e.Summary = "Alex long ago" })) // a call nothing was known of
	all := p.everything(t)
	for _, word := range []string{"Alex", "5551200", "2025550133", "acme.io"} {
		if at := strings.Index(strings.ToLower(all), strings.ToLower(word)); at >= 0 {
			t.Errorf("%q is still there: … %s …", word, all[max(0, at-100):min(len(all), at+100)])
		}
	}
	for sid, status := range map[string]string{"CA0": "completed", "CA1": "completed", "CA2": "completed"} {
		if i := p.interaction(t, sid); i.Status != status || i.To != string(line) || i.From != "" || i.EndedAt == nil {
			t.Errorf("the call %s is kept as %+v", sid, i)
		}
	}
	if i := p.interaction(t, "CA3"); i.Contact == "" || i.From != "+13125550100" {
		t.Errorf("somebody else's call is %+v", i)
	}

	// A new call is a new contact from them: they are in the book again, as a stranger.
	now := time.Now().Add(time.Second)
	p.applyKnowing(t, p.inbound("CA9", "status:completed", func(e *ledger.Event) {
		e.StartedAt, e.At, e.EndedAt, e.Status = now, now, now.Add(time.Minute), "completed"
	}))
	if i := p.interaction(t, "CA9"); i.Contact != string(alex)+" "+string(alex) {
		t.Errorf("the new call is %+v", i)
	}
}

// Without the program's secret nobody is erased: what stays would not be known again.
func TestEraseNeedsAKey(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	id := p.addContact(t, alex, "Alex Chen")
	if _, err := p.book().Erase(t.Context(), p.org.ID, ledger.Past{}, nil, id); err == nil {
		t.Error("erased without a key")
	}
	if n := one[int](t, p.pool, `SELECT count(*) FROM contacts`); n != 1 {
		t.Errorf("%d contacts", n)
	}
	var p404 *problem.Error
	if _, err := p.book().Erase(t.Context(), p.org.ID, ledger.Past{}, erasureKey, "6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11"); !errors.As(err, &p404) || p404.Code != problem.CodeNotFound {
		t.Errorf("erased nobody: %v", err)
	}
}

// Sidecars are told to forget what they decided about the calls of whoever is erased.
func TestEraseIsAnnounced(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	ended := p.ended("CA1", 60)
	ended.StartedAt = time.Now().Add(-time.Minute) // of older calls nobody remembers what was decided
	p.apply(t, ended)
	id := one[string](t, p.pool, `SELECT id::text FROM contacts`)
	conn, err := p.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `LISTEN `+ledger.ChannelErased); err != nil {
		t.Fatal(err)
	}
	if _, err := p.book().Erase(t.Context(), p.org.ID, ledger.Past{}, erasureKey, id); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	said, err := conn.Conn().WaitForNotification(ctx)
	if err != nil || said.Payload != string(p.org.ID)+" CA1" {
		t.Errorf("announced %v: %v", said, err)
	}
	erased, err := ledger.Erased(t.Context(), p.pool, time.Now().Add(-time.Hour))
	if diff := cmp.Diff([]ledger.ErasedCall{{OrgID: p.org.ID, SID: "CA1"}}, erased); diff != "" || err != nil {
		t.Errorf("erased of late: %v (-want, +got):\n%s", err, diff)
	}
}

// A call that began before the erasure says nothing of who it was, in whichever order and batches its
// events come, and makes nobody a contact.
func TestRule15_LateEventsOfAnErasedPersonInAnyOrder(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	erasedAt := after(30)
	for name, batches := range map[string]func(p place) [][]*ledger.Event{
		"as they happened":  func(p place) [][]*ledger.Event { e := late(p); return [][]*ledger.Event{{e[0]}, {e[1]}, {e[2]}} },
		"backwards":         func(p place) [][]*ledger.Event { e := late(p); return [][]*ledger.Event{{e[2]}, {e[1]}, {e[0]}} },
		"all at once":       func(p place) [][]*ledger.Event { e := late(p); return [][]*ledger.Event{{e[0], e[1], e[2]}} },
		"the end and again": func(p place) [][]*ledger.Event { e := late(p); return [][]*ledger.Event{{e[2], e[0]}, {e[1], e[2]}} },
	} {
		p := newPlace(t, pool)
		exec(t, pool, `INSERT INTO erased_people (org_id, person, erased_at) VALUES ($1::text::uuid, $2, $3)`, p.org.ID, erasureKey.Person(p.org.ID, alex), erasedAt)
		for _, batch := range batches(p) {
			p.applyKnowing(t, batch...)
		}
		r := p.rows(t)
		if i := r.Interactions[0]; len(r.People) != 0 || i.From != "" || i.Party != "" || i.Summary != "" || i.Status != "completed" || i.To != string(line) {
			t.Errorf("%s: %+v, people %+v", name, i, r.People)
		}
		if said := one[int](t, pool, `SELECT count(*) FROM transcripts WHERE org_id = $1::text::uuid`, p.org.ID); said != 0 {
			t.Errorf("%s: the transcript is kept", name)
		}
	}
}

// late is a call of alex's from its beginning at noon to its end.
func late(p place) []*ledger.Event {
	return []*ledger.Event{
		p.inbound("CA1", "voice", func(e *ledger.Event) { e.Status, e.Recognition = "in-progress", json.RawMessage(`{"why": "Alex"}`) }),
		p.inbound("CA1", "said", func(e *ledger.Event) {
			e.Summary, e.Transcript = "Alex asked", &ledger.Transcript{SessionID: "VX1", Lines: []ledger.Line{{At: noon, Who: "caller", Text: "Alex here"}}}
		}),
		p.ended("CA1", 60),
	}
}

// Calls that are written while their caller is erased, or merged, are written as if before or after it.
func TestCallsWrittenWhileTheirCallerIsErasedOrMerged(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	const rounds, calls = 6, 12
	for round := range rounds {
		p := newPlace(t, pool)
		exec(t, pool, `UPDATE orgs SET contact_limit = NULL`)
		b := p.book()
		older, newer := p.addContact(t, alex, "Alex Chen"), p.addContact(t, jo, "Alex Work")
		var work sync.WaitGroup
		write := func(e *ledger.Event) {
			work.Go(func() {
				if err := ledger.Apply(t.Context(), pool, contacts.NoFence{}, erasureKey, []*ledger.Event{e}); err != nil {
					t.Error(err)
				}
			})
		}
		for i := range calls {
			write(p.ended(fmt.Sprint("CA1", i), 60))
			write(from(jo, p.ended(fmt.Sprint("CA2", i), 60)))
			if i == calls/2 {
				work.Go(func() {
					if _, err := b.Merge(t.Context(), p.org.ID, ledger.Past{}, older, newer); err != nil {
						t.Error(err)
					}
				})
			}
		}
		work.Wait()
		if people := one[int](t, pool, `SELECT count(*) FROM contacts WHERE org_id = $1::text::uuid AND archived_at IS NULL`, p.org.ID); people != 1 {
			t.Fatalf("round %d: %d contacts after the merge", round, people)
		}
		kept := one[string](t, pool, `SELECT id::text FROM contacts WHERE org_id = $1::text::uuid AND archived_at IS NULL`, p.org.ID)
		if theirs := one[int](t, pool, `SELECT count(*) FROM interactions WHERE contact_id = $1::text::uuid`, kept); theirs != 2*calls {
			t.Errorf("round %d: %d of %d calls are the contact's", round, theirs, 2*calls)
		}
		for i := range calls {
			write(p.ended(fmt.Sprint("CA3", i), 60))
			write(from(jo, p.ended(fmt.Sprint("CA4", i), 60)))
			if i == calls/2 {
				work.Go(func() {
					if _, err := b.Erase(t.Context(), p.org.ID, ledger.Past{}, erasureKey, kept); err != nil {
						t.Error(err)
					}
				})
			}
		}
		work.Wait()
		if people := one[int](t, pool, `SELECT count(*) FROM contacts WHERE org_id = $1::text::uuid`, p.org.ID); people != 0 {
			t.Errorf("round %d: %d contacts after the erasure", round, people)
		}
		if told := one[int](t, pool, `SELECT count(*) FROM interactions WHERE org_id = $1::text::uuid AND (party IS NOT NULL OR from_address <> '' OR erased_at IS NULL)`, p.org.ID); told != 0 {
			t.Errorf("round %d: %d calls say whose they were", round, told)
		}
	}
}
