package dashboard

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/internal/problem"
)

var alexSample = contacts.Contact{ID: "1", Name: "Alex <worked> Chen", Phone: "+14155551200", OtherPhones: nil, Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers mornings",
	Source: contacts.SourcePerson, Origins: map[string]contacts.Origin{"name": {Source: contacts.SourcePerson, At: time.Unix(1e9, 0)}}}

func ptr[T any](v T) *T { return &v }

var _ = sample(
	&contactsPage{Empty: &emptyState{"Nobody", "Add somebody", "/contacts/new", "Add"}},
	&contactsPage{Rows: []contactRow{{alexSample, moment{Text: "never"}, "added by hand"}}, Total: 1, Columns: []column{{"Name", "/contacts?sort=name", "ascending"}, {Label: "Phone"}},
		Usage: contacts.Usage{Used: 3, Limit: ptr(2), Over: 1}, Sources: []option{{"", "any"}}, Pager: pager{First: "/contacts", Next: "/contacts?cursor=x"}},
	&contactFormPage{Form: form{Values: url.Values{"name": {"<worked>"}}, Problem: &problem.Error{Code: problem.CodeDuplicatePhone, Field: "phone", Detail: "It exists.", ID: "2"}}},
	&contactFormPage{Contact: &alexSample, Form: form{Problem: &problem.Error{Code: problem.CodeContactLimitReached, Detail: "Full."}}},
	&contactPage{Contact: alexSample, Origins: []originRow{{"Name", "Alex", "added by hand", moment{Text: "now"}}}, Timeline: []timelineEntry{{Title: "Call", Text: "<worked>", Link: "/calls/CA1", Heard: []string{"Saved: <worked>"}, Talk: []said{{Who: "caller", Text: "<worked>"}, {Who: "agent"}}, Cut: true}}, More: true},
	&contactPage{Contact: contacts.Contact{Name: "Al", ArchivedAt: ptr(time.Now())}},
	&contactPage{Contact: contacts.Contact{Name: "Al", ArchivedAt: ptr(time.Now()), MergedInto: ptr("1")}, Into: &alexSample, MergeID: "3"},
	&mergePage{Contact: alexSample, Found: []contacts.Contact{alexSample}}, &mergePage{Contact: alexSample}, &mergePage{Contact: alexSample, With: &alexSample},
	&erasePage{Contact: alexSample, Calls: 1}, &erasePage{Contact: alexSample, Calls: 200, More: true},
	&erasurePage{Erasure: contacts.Erasure{ID: "4", SameNumber: []string{"5"}}},
)

var (
	_ = rows("/contacts/{id}", func(s *site) string { return "/contacts/" + s.alex() })
	_ = rows("/contacts/{id}/edit", func(s *site) string { return "/contacts/" + s.alex() + "/edit" })
	_ = rows("/contacts/{id}/archive", func(s *site) string { return "/contacts/" + s.alex() + "/archive" })
	_ = rows("/contacts/{id}/restore", func(s *site) string { return "/contacts/" + s.alex() + "/restore" })
	_ = rows("/contacts/{id}/treatment", func(s *site) string { return "/contacts/" + s.alex() + "/treatment" })
	_ = rows("/contacts/{id}/merge", func(s *site) string { return "/contacts/" + s.alex() + "/merge" })
	_ = rows("/contacts/{id}/erase", func(s *site) string { return "/contacts/" + s.alex() + "/erase" })
	_ = rows("/merges/{id}/undo", func(s *site) string { return "/merges/" + s.aMerge() + "/undo" })
	_ = rows("/erasures/{id}", func(s *site) string { return "/erasures/" + s.anErasure() })
)

// add adds a contact to Acme.
func (s *site) add(d contacts.Draft) contacts.Contact {
	s.t.Helper()
	c, err := s.book.Add(s.t.Context(), s.acme, d)
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// another returns a number that no contact has.
func (s *site) another() string {
	s.numbers++
	return fmt.Sprintf("+1206555%04d", s.numbers)
}

// alex returns a contact who is there, a new one each time.
func (s *site) alex() string { return s.add(contacts.Draft{Name: "Alex Chen", Phone: s.another()}).ID }

func (s *site) aMerge() string {
	m, err := s.book.Merge(s.t.Context(), s.acme.ID, ledger.Past{}, s.alex(), s.alex())
	if err != nil {
		s.t.Fatal(err)
	}
	return m.ID
}

func (s *site) anErasure() string {
	e, err := s.book.Erase(s.t.Context(), s.acme.ID, ledger.Past{}, s.dashboard.ErasureKey, s.alex())
	if err != nil {
		s.t.Fatal(err)
	}
	return e.ID
}

func TestAddingAContact(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	b.get("/contacts").wants(t, http.StatusOK, "There are no contacts yet.", "Add a contact")
	b.get("/contacts/new?phone=%2B14155551200&name=Alex").wants(t, http.StatusOK, `value="&#43;14155551200"`, `value="Alex"`)

	typed := url.Values{"name": {"Alex Chen"}, "phone": {"(415) 555-1200"}, "email": {"alex@acme.io"}, "tags": {"vip, supplier"}, "notes": {"Prefers\r\nmornings"}}
	a := b.postAnd("/contacts", typed).wants(t, http.StatusOK, "Alex Chen is in your contacts.", "+1 415-555-1200", "supplier", "Prefers\nmornings")
	if !strings.Contains(a.body, "member@acme.example added the contact") {
		t.Errorf("the timeline does not tell who added the contact:\n%s", a.body)
	}
	// Somebody else tries the same number, and loses nothing of what they typed.
	again := b.post("/contacts", url.Values{"name": {"Alexandra"}, "phone": {"+1 415 555 1200"}, "notes": {"a long note"}})
	again.wants(t, http.StatusConflict, "A contact with this phone number already exists.", "Alexandra", "a long note", "Open that contact", `aria-invalid="true"`)
	for field, typed := range map[string]url.Values{
		"f-name": {"name": {" "}, "phone": {"+14155551201"}}, "f-phone": {"name": {"Al"}, "phone": {"12"}}, "f-email": {"name": {"Al"}, "phone": {"+14155551201"}, "email": {"nonsense"}},
	} {
		b.post("/contacts", typed).wants(t, http.StatusUnprocessableEntity, `id="`+field+`-error"`)
	}
}

func TestAddingPastThePlan(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.alex()
	if err := s.orgs.SetContactLimit(t.Context(), s.acme.ID, ptr(1)); err != nil {
		t.Fatal(err)
	}
	b := s.as(member.Editor)
	b.post("/contacts", url.Values{"name": {"Al"}, "phone": {"+14155551201"}}).wants(t, http.StatusPaymentRequired, "limit of 1 contacts is reached", "See your plan", `value="Al"`)
	b.get("/contacts").wants(t, http.StatusOK, "Your plan's 1 contacts are used")
	for _, limit := range []int{2, 10, 1000} { // there is room enough
		if err := s.orgs.SetContactLimit(t.Context(), s.acme.ID, ptr(limit)); err != nil {
			t.Fatal(err)
		}
		b.get("/contacts").wants(t, http.StatusOK).lacks(t, "See your plan")
	}
	for range 8 {
		s.alex()
	}
	if err := s.orgs.SetContactLimit(t.Context(), s.acme.ID, ptr(10)); err != nil {
		t.Fatal(err)
	}
	b.get("/contacts").wants(t, http.StatusOK, "Your plan has room for 1 more contact.")
}

func TestFindingContacts(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200", Email: "alex@acme.io", Tags: []string{"vip"}})
	s.add(contacts.Draft{Name: "Jamie Lee", Phone: "+12025550133"})
	b := s.as(member.Viewer)
	for query, want := range map[string]string{"q=ale": "Alex Chen", "q=415+555": "Alex Chen", "q=ACME": "Alex Chen", "tag=VIP": "Alex Chen", "source=person&q=jam": "Jamie Lee"} {
		missing := "Jamie Lee"
		if want == missing {
			missing = "Alex Chen"
		}
		b.get("/contacts?"+query).wants(t, http.StatusOK, want, "1 contact found").lacks(t, missing)
	}
	b.get("/contacts").wants(t, http.StatusOK, `<datalist id="tags"><option value="vip">`)
	b.do(http.MethodGet, "/contacts?q=ale", nil, "HX-Request", "true").wants(t, http.StatusOK, "Alex Chen").lacks(t, `<option value="vip">`)
	b.get("/contacts?q=zzz").wants(t, http.StatusOK, "Nobody was found.")
	b.get("/contacts?sort=-created_at").wants(t, http.StatusOK, "Jamie Lee").lacks(t, "Add contact", `name="do"`)
	// The head of the column leads to the other way round.
	for sort, want := range map[string]string{"": `aria-sort="ascending"><a href="/contacts?sort=-name">Name`, "-name": `aria-sort="descending"><a href="/contacts?sort=name">Name`,
		"-last_contacted_at": `aria-sort="descending"><a href="/contacts?sort=last_contacted_at">Last`, "last_contacted_at": `aria-sort="ascending"><a href="/contacts?sort=-last_contacted_at">Last`} {
		page := b.get("/contacts?sort="+sort).wants(t, http.StatusOK, want)
		if down := strings.Index(page.body, "Jamie Lee") < strings.Index(page.body, "Alex Chen"); down != (sort == "-name") && !strings.Contains(sort, "last") {
			t.Errorf("sorted by %q, Jamie is in front of Alex: %t", sort, down)
		}
	}
	b.get("/contacts?sort=nonsense").wants(t, http.StatusUnprocessableEntity, "There is no order")
	b.get("/contacts/export").wants(t, http.StatusForbidden)
	if a := s.as(member.Editor).get("/contacts/export?q=alex"); !strings.Contains(a.body, "Alex Chen") || strings.Contains(a.body, "Jamie") || !strings.Contains(a.header.Get("Content-Disposition"), "contacts.csv") {
		t.Errorf("exported %v\n%s", a.header, a.body)
	}
}

func TestPagesOfContacts(t *testing.T) {
	t.Parallel()
	s := open(t)
	for i := range contacts.DefaultPage + 3 {
		s.add(contacts.Draft{Name: fmt.Sprintf("Person %03d", i), Phone: s.another()})
	}
	b := s.as(member.Viewer)
	first := b.get("/contacts").wants(t, http.StatusOK, "53 contacts", "Person 000", "Next page").lacks(t, "Person 050", "First page")
	next := first.body[strings.Index(first.body, `rel="next" href="`)+len(`rel="next" href="`):]
	next = strings.ReplaceAll(next[:strings.IndexByte(next, '"')], "&amp;", "&")
	b.get(next).wants(t, http.StatusOK, "Person 050", "Person 052", "First page").lacks(t, "Person 049", "Next page")
}

func TestEditingAContact(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200", Notes: "Old"})
	b := s.as(member.Editor)
	at := "/contacts/" + c.ID
	b.get(at+"/edit").wants(t, http.StatusOK, "Edit Alex Chen", "Old")
	seen := c.UpdatedAt.Format(time.RFC3339Nano)
	form := url.Values{"name": {"Alex Chen"}, "phone": {"+14155551200"}, "email": {""}, "tags": {""}, "notes": {"New"}, "seen": {seen}}
	b.postAnd(at, form).wants(t, http.StatusOK, "Saved.", "New", "changed the contact", "fields: notes")

	// Only what differs counts as said by a person.
	held, err := s.book.Get(t.Context(), s.acme.ID, c.ID)
	if err != nil || !held.Origins["name"].At.Equal(c.Origins["name"].At) {
		t.Errorf("the name counts as changed: %+v, %v", held.Origins, err)
	}
	// Somebody else was quicker: what was typed stays, and nothing of theirs is overwritten, also when
	// it is saved again.
	phone := "+14155550188"
	if _, err := s.book.Change(t.Context(), s.acme, c.ID, contacts.Change{Phone: &phone}); err != nil {
		t.Fatal(err)
	}
	for name, was := range map[string]string{"name": "Alex Chen", "phone": "+14155551200", "email": "", "tags": "", "notes": "New"} {
		form.Set("was."+name, was)
	}
	form.Set("notes", "From an old page")
	again := b.post(at, form).wants(t, http.StatusConflict, "Somebody else changed this contact", "From an old page", "phone: +14155550188")
	b.get(at).wants(t, http.StatusOK, "New").lacks(t, "From an old page")
	form.Set("seen", html.UnescapeString(again.between(t, `name="seen" value="`, `"`)))
	b.postAnd(at, form).wants(t, http.StatusOK, "From an old page", "+1 415-555-0188")
	form = url.Values{"name": {"Alex Chen"}, "phone": {phone}, "notes": {"New"}}
	b.postAnd(at, form).wants(t, http.StatusOK, "Saved.")
	b.postAnd(at, form).wants(t, http.StatusOK, "Nothing was changed.")
}

func TestArchivingAndRestoring(t *testing.T) {
	t.Parallel()
	s := open(t)
	c := s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	b := s.as(member.Editor)
	b.postAnd("/contacts/"+c.ID+"/archive", nil).wants(t, http.StatusOK, "is archived", "Restore")
	b.get("/contacts").wants(t, http.StatusOK).lacks(t, "Alex Chen")
	b.get("/contacts?archived=1").wants(t, http.StatusOK, "Alex Chen")
	b.postAnd("/contacts/"+c.ID+"/restore", nil).wants(t, http.StatusOK, "is back in your contacts")
}

func TestChosenContacts(t *testing.T) {
	t.Parallel()
	s := open(t)
	one, two := s.add(contacts.Draft{Name: "One", Phone: "+14155551200"}), s.add(contacts.Draft{Name: "Two", Phone: "+14155551201"})
	three := s.add(contacts.Draft{Name: "Three", Phone: "+14155551202"})
	b := s.as(member.Editor)
	both := []string{one.ID, two.ID}
	b.postAnd("/contacts/chosen", url.Values{"id": both, "do": {"tag"}, "tag": {"VIP"}}).wants(t, http.StatusOK, "Tagged 2 contacts.")
	b.get("/contacts?tag=vip").wants(t, http.StatusOK, "2 contacts found")
	b.postAnd("/contacts/chosen", url.Values{"id": both[:1], "do": {"untag"}, "tag": {"vip"}, "query": {"tag=vip"}}).wants(t, http.StatusOK, "Took the tag from 1 contact.", "1 contact found")
	if a := b.post("/contacts/chosen", url.Values{"id": both, "do": {"export"}}); !strings.Contains(a.body, "One") || !strings.Contains(a.body, "Two") || strings.Contains(a.body, "Three") {
		t.Errorf("exported %s", a.body)
	}
	b.postAnd("/contacts/chosen", url.Values{"id": {one.ID, three.ID, "nonsense"}, "do": {"archive"}}).wants(t, http.StatusOK, "Archived 2 contacts.", "Two").lacks(t, ">Three<")
	b.postAnd("/contacts/chosen", url.Values{"do": {"archive"}}).wants(t, http.StatusOK, "Nobody was chosen")
	b.postAnd("/contacts/chosen", url.Values{"id": both, "do": {"tag"}}).wants(t, http.StatusOK, "Write the tag.")
	if a := s.elsewhere().postAnd("/contacts/chosen", url.Values{"id": {two.ID}, "do": {"archive"}}); !strings.Contains(a.body, "Nothing was to be changed.") {
		t.Errorf("another organisation archives: %s", a.body)
	}
}

func TestMergingAndUndoing(t *testing.T) {
	t.Parallel()
	s := open(t)
	one, two := s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"}), s.add(contacts.Draft{Name: "Alex C", Phone: "+14155551201", Notes: "Mobile"})
	b := s.as(member.Editor)
	b.get("/contacts/"+one.ID+"/merge?q=alex").wants(t, http.StatusOK, "Alex C", "Compare")
	b.get("/contacts/"+one.ID+"/merge?with="+two.ID).wants(t, http.StatusOK, "Make them one contact", "Mobile")
	b.postAnd("/contacts/"+one.ID+"/merge", url.Values{"with": {two.ID}}).wants(t, http.StatusOK, "Two contacts are one now", "Undo the merge", "was merged into")
	b.get("/contacts/"+one.ID).wants(t, http.StatusOK, "+1 415-555-1201", "also theirs", "Mobile")
	gone := b.get("/contacts/" + two.ID)
	at := gone.body[strings.Index(gone.body, "/merges/"):]
	b.postAnd(at[:strings.IndexByte(at, '"')], nil).wants(t, http.StatusOK, "is a contact of their own again")
}

func TestTreatment(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	at := "/contacts/" + s.alex()
	b.get(at).wants(t, http.StatusOK, "When they call").lacks(t, "checked", ">blocked<")
	b.postAnd(at+"/treatment", url.Values{"blocked": {"1"}, "unnamed": {"1"}}).wants(t, http.StatusOK, ">blocked<", `name="unnamed" value="1" checked`, `name="blocked" value="1" checked`)
	b.postAnd(at+"/treatment", url.Values{"unnamed": {"1"}}).wants(t, http.StatusOK, `name="unnamed" value="1" checked`).lacks(t, ">blocked<")
	s.as(member.Viewer).get(at).wants(t, http.StatusOK).lacks(t, "When they call")
}

func TestErasing(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	b.postAnd("/contacts", url.Values{"name": {"Alex Chen"}, "phone": {"+14155551200"}})
	page := b.get("/contacts?q=alex").body
	id := page[strings.Index(page, `<th scope="row"><a href="/contacts/`)+len(`<th scope="row"><a href="/contacts/`):]
	id = id[:strings.IndexByte(id, '"')]
	at := "/contacts/" + id + "/erase"
	b.get(at).wants(t, http.StatusOK, "cannot be undone", "0 calls and messages")
	b.post(at, url.Values{"name": {"Alexa"}}).wants(t, http.StatusUnprocessableEntity, "Type the name")
	b.get("/contacts/"+id).wants(t, http.StatusOK)
	b.postAnd(at, url.Values{"name": {" alex chen "}}).wants(t, http.StatusOK, "Receipt", "Somebody was erased")
	b.get("/contacts/"+id).wants(t, http.StatusNotFound)
	var named int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM audit_log WHERE label ILIKE '%alex%'`).Scan(&named); err != nil || named != 0 {
		t.Errorf("the audit log names an erased person %d times: %v", named, err)
	}
}
