package contacts_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/ledger"
)

var erasureKey = contacts.ErasureKey("the secret of this program")

func (s shelf) erase(t *testing.T, id string) contacts.Erasure {
	t.Helper()
	e, err := s.Erase(t.Context(), s.org.ID, ledger.Past{}, erasureKey, id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// leaves fails the test for each word that is still anywhere in the database.
func (s shelf) leaves(t *testing.T, words ...string) {
	t.Helper()
	for _, table := range []string{"contacts", "interactions", "transcripts", "captures", "campaign_people", "contact_imports", "contact_import_rows",
		"contact_merges", "moved_interactions", "erased_people", "erasures", "runtime_events"} {
		rows := strings.ToLower(one[string](t, s, `SELECT coalesce(string_agg(t::text, E'\n'), '') FROM `+table+` t`))
		for _, word := range words {
			if at := strings.Index(rows, strings.ToLower(word)); at >= 0 {
				t.Errorf("%q is still in %s: … %s …", word, table, rows[max(0, at-80):min(len(rows), at+80)])
			}
		}
	}
	kept := strings.ToLower(one[string](t, s, `SELECT coalesce(string_agg(convert_from(body, 'UTF8'), E'\n'), '') FROM api_idempotency`))
	for _, word := range words {
		if strings.Contains(kept, strings.ToLower(word)) {
			t.Errorf("%q is still in an answer that is kept", word)
		}
	}
}

// Whatever a person was merged with and separated from, and however long ago, nothing of them stays.
func TestEraseFindsEveryCopy(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	// A file long ago, whose rows are gone, and one of late with rows under an earlier number.
	old, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("name,phone,email\nNobody,12,zed@acme.io\n")})
	if err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, `UPDATE contact_imports SET created_at = created_at - interval '31 days' WHERE id = $1::text::uuid`, old.ID)
	if err := s.Upkeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("name,phone,notes\nZed Quark,+13125550111,owes us\n")}); err != nil {
		t.Fatal(err)
	}
	found, err := s.Search(t.Context(), s.org.ID, contacts.Query{Text: "zed"})
	if err != nil || len(found.Contacts) != 1 {
		t.Fatalf("found %+v: %v", found, err)
	}
	zed := found.Contacts[0]
	if zed, err = s.Change(t.Context(), s.org, zed.ID, contacts.Change{Phone: new("+13125550112"), Email: new("zed@acme.io")}); err != nil {
		t.Fatal(err)
	}
	// Merged into others and separated again.
	ann, bob := s.mustAdd(t, contacts.Draft{Name: "Ann", Phone: "+13125550113"}), s.mustAdd(t, contacts.Draft{Name: "Bob", Phone: "+13125550114"})
	first := s.merge(t, zed, ann)
	second := s.merge(t, first.Contact, bob)
	for _, m := range []string{second.ID, first.ID} {
		if _, _, err := s.UndoMerge(t.Context(), s.org.ID, ledger.Past{}, m); err != nil {
			t.Fatal(err)
		}
	}
	// A chain of merges that stays.
	work := s.mustAdd(t, contacts.Draft{Name: "Zed at work", Phone: "+13125550115", Email: "quark@acme.io"})
	home := s.mustAdd(t, contacts.Draft{Name: "Zed at home", Phone: "+13125550116"})
	s.backdate(t, work, 2)
	s.backdate(t, zed, 3)
	s.merge(t, home, work)
	s.merge(t, work, zed)
	if _, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader("name,phone\nSomebody,ask QUARK@acme.io\n")}); err != nil {
		t.Fatal(err)
	}
	// On somebody else's call, and in an answer of the API.
	if _, err := s.Capture(t.Context(), contacts.Capture{Org: s.org, CallSID: "CA9", Phone: ann.Phone, OtherPhone: "+13125550112", Email: "zed@gmial.com", At: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, `INSERT INTO api_idempotency (org_id, key, fingerprint, status, body) VALUES ($1::text::uuid, 'k', sha256('x'), 200, '{"phone": "+13125550115"}')`, s.org.ID)
	s.mustExec(t, `INSERT INTO outgoing (org_id, kind, from_number, to_number, text) VALUES ($1::text::uuid, 'message', '+12125550199', '+13125550115', 'Hello Zed')`, s.org.ID)

	e := s.erase(t, zed.ID)
	if e.Removed.Contacts != 3 || e.Removed.Captures != 1 || len(e.Hashes) != 3 {
		t.Errorf("the receipt is %+v", e)
	}
	s.leaves(t, "zed", "quark", "5550111", "5550112", "5550115", "5550116")
	for _, c := range []contacts.Contact{ann, bob} {
		if now, err := s.Get(t.Context(), s.org.ID, c.ID); err != nil || now.Name != c.Name || now.ArchivedAt != nil {
			t.Errorf("%s is now %+v: %v", c.Name, now, err)
		}
	}
}

// A number that somebody else has by now is theirs: erasing whoever had it touches nothing of them.
func TestEraseLeavesWhoeverHasTheNumberNow(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	gone := s.mustAdd(t, contacts.Draft{Name: "Zed", Phone: "+14155551200"})
	if err := s.Archive(t.Context(), s.org.ID, gone.ID); err != nil {
		t.Fatal(err)
	}
	now := s.mustAdd(t, contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	if _, err := s.AddCampaignPerson(t.Context(), s.org, contacts.CampaignPerson{Campaign: "Spring", Name: "Alex Chen", Phone: "+14155551200", CalledAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	s.mustExec(t, `INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, contact_id, status, state_rank, started_at)
		SELECT org_id, 'CA' || name, 'call', 'inbound', phone, '', phone, id, 'completed', 14, now() FROM contacts`)
	e := s.erase(t, gone.ID)
	if e.Removed != (contacts.Removed{Contacts: 1, Interactions: 1}) || len(e.Hashes) != 0 {
		t.Errorf("the receipt is %+v", e)
	}
	if c, err := s.Get(t.Context(), s.org.ID, now.ID); err != nil || c.Name != "Alex Chen" {
		t.Errorf("the other one is %+v: %v", c, err)
	}
	if theirs := one[int](t, s, `SELECT count(*) FROM interactions WHERE party IS NOT NULL AND erased_at IS NULL`); theirs != 1 {
		t.Errorf("%d calls of theirs stay", theirs)
	}
	if people := one[int](t, s, `SELECT count(*) FROM campaign_people`); people != 1 {
		t.Errorf("%d campaign entries stay", people)
	}
}

// An import that is being carried out does not write back what was erased from its report.
func TestEraseDuringAnImport(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	zed := s.mustAdd(t, contacts.Draft{Name: "Zed", Phone: "+13125550112", Email: "zed@acme.io"})
	var file strings.Builder
	file.WriteString("name,phone\nSomebody,ask zed@acme.io\n")
	for i := range 3000 { // more than a step
		fmt.Fprintf(&file, "Person,+1415%07d\n", 2550000+i)
	}
	erased := false
	_, err := s.Import(t.Context(), s.org, contacts.ImportFile{Content: strings.NewReader(file.String()), Progress: func(p contacts.ImportProgress) {
		if !p.Reading && !erased {
			erased = true
			s.erase(t, zed.ID)
		}
	}})
	if err != nil || !erased {
		t.Fatalf("erased %t: %v", erased, err)
	}
	s.leaves(t, "zed", "5550112")
}
