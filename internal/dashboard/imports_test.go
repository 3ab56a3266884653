package dashboard

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/member"
)

var columnsSample = columnForm{FileID: "1", Columns: []columnChoice{{"<worked>", "phone"}}, Fields: fieldOptions(false)}

var _ = sample(
	&importsPage{}, &importsPage{Campaign: &contacts.Campaign{ID: "1", Name: "<worked>"}, Pasted: "<worked>", Problem: "It is <worked>.", Rows: []importRow{{State: "imported"}}},
	&columnsPage{Columns: columnsSample, Problem: "It is <worked>."},
	&importPage{Report: contacts.ImportReport{State: contacts.ImportPlanned, Rows: 2, Created: 1, Invalid: 3, Problems: []contacts.ImportProblem{{Line: 2, Value: "<worked>"}}, UnknownColumns: []string{"Fax"}, Encoding: "utf-8"},
		Kinds: []importKind{{Label: "Added", First: []contacts.ImportRow{{Line: 2, Name: "<worked>", Phone: "+14155551200"}}}}, Columns: &columnsSample},
	&importPage{Report: contacts.ImportReport{State: contacts.ImportRunning, Rows: 2}}, &importPage{Report: contacts.ImportReport{State: contacts.ImportStopped}, Idle: true, Problem: "It moved."},
	&importPage{Report: contacts.ImportReport{State: contacts.ImportDone, LeftOut: 1}, Campaign: &contacts.Campaign{ID: "1"}},
	&importPage{Report: contacts.ImportReport{State: contacts.ImportUndone}, Undone: &contacts.UndoReport{Removed: 2, KeptCount: 1}},
)

var (
	_ = rows("/campaigns/{id}/import", func(s *site) string { return "/campaigns/" + s.aCampaign() + "/import" })
	_ = rows("/import-files/{id}", func(s *site) string { return "/import-files/" + s.aFile() })
	_ = rows("/import/{id}", func(s *site) string { return "/import/" + s.aPlan() })
	_ = rows("/import/{id}/progress", func(s *site) string { return "/import/" + s.aPlan() + "/progress" })
	_ = rows("/import/{id}/start", func(s *site) string { return "/import/" + s.aPlan() + "/start" })
	_ = rows("/import/{id}/undo", func(s *site) string { return "/import/" + s.aPlan() + "/undo" })
	_ = rows("/import/{id}/rejected", func(s *site) string { return "/import/" + s.aPlan() + "/rejected" })
	_ = rows("/import/{id}/left-out", func(s *site) string { return "/import/" + s.aPlan() + "/left-out" })
)

func (s *site) aFile() string {
	s.t.Helper()
	f, err := s.book.KeepFile(s.t.Context(), s.acme.ID, "people.csv", "", strings.NewReader("name,phone\nJo,"+s.another()+"\n"), 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return f.ID
}

func (s *site) aPlan() string {
	s.t.Helper()
	r, err := s.book.PlanKept(s.t.Context(), s.acme, s.aFile(), sheet.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	return r.ID
}

// upload sends the form of a file: fields, and a file if it has a name.
func (b *browser) upload(path, fileName, content, pasted string) answer {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", fileName)
	if err == nil {
		_, err = part.Write([]byte(content))
	}
	if err == nil {
		err = w.WriteField("pasted", pasted)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return b.send(http.MethodPost, path, &body, "Content-Type", w.FormDataContentType())
}

// leads follows the redirect of a form that has to be taken.
func (b *browser) leads(a answer) (string, answer) {
	b.t.Helper()
	if a.status != http.StatusSeeOther {
		b.t.Fatalf("%d instead of 303:\n%s", a.status, a.body)
	}
	return a.location, b.get(a.location)
}

const people = "Name,Phone,Email\nAlex Chen,+1 415 555 1200,alex@acme.io\nJamie Lee,(202) 555-0133,\nAgain,+14155551200,\nNobody,12,\n"

func TestImportingAFile(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.add(contacts.Draft{Name: "Jamie", Phone: "+12025550133"})
	b := s.as(member.Editor)
	b.get("/import").wants(t, http.StatusOK, "Choose a CSV file", "Or paste rows")
	at, page := b.leads(b.upload("/import", "people.csv", people, ""))
	page.wants(t, http.StatusOK, "What would become of people.csv", "4 rows", "Import 1 person", "Line 2: Alex Chen, +1 415-555-1200", "<td>12</td>", "How the columns were read")
	b.get("/contacts").lacks(t, "Alex Chen")
	b.get(at+"/rejected").wants(t, http.StatusOK, "Nobody,12")
	b.postAnd(at+"/start", nil).wants(t, http.StatusOK, "people.csv is imported", "Undo the import", "Download the rows that were not understood").lacks(t, "How the columns were read")
	b.get("/contacts?source=import").wants(t, http.StatusOK, "Alex Chen", "1 contact found")
	b.get("/import").wants(t, http.StatusOK, "imported", at)
	b.post(at+"/undo", nil).wants(t, http.StatusOK, "1 person was taken out again.", "was undone")
	b.get("/contacts").lacks(t, "Alex Chen")
	s.as(member.Owner).get("/settings/log").wants(t, http.StatusOK, "tried an import", "imported a file", "undid an import")
}

func TestPastingRows(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	_, page := b.leads(b.upload("/import", "", "", "Name\tPhone\r\nAlex Chen\t+14155551200\r\n"))
	page.wants(t, http.StatusOK, "Import 1 person")
	b.upload("/import", "", "", " ").wants(t, http.StatusUnprocessableEntity, "Choose a file, or paste the rows.")
	b.upload("/import", "", "", "Alex Chen,+14155551200\nJamie Lee,+12025550133\n").wants(t, http.StatusUnprocessableEntity, "looks like a person", "Jamie Lee,+12025550133")
	// What was pasted stays.
	b.upload("/import", "", "", "+14155551200\n").wants(t, http.StatusUnprocessableEntity, "+14155551200")
	b.send(http.MethodPost, "/import", strings.NewReader("x"), "Content-Type", "text/plain").wants(t, http.StatusUnprocessableEntity, "did not arrive whole")
}

func TestChoosingColumns(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	asked := b.upload("/import", "liste.csv", "Wer,Handy & Co,Fax\nAlex Chen,+14155551200,1\n", "").wants(t, http.StatusUnprocessableEntity, "Which column is which?", "Handy & Co", "liste.csv")
	file := "/import-files/" + asked.between(t, `action="/import-files/`, `"`)
	b.get(file).wants(t, http.StatusUnprocessableEntity, "Handy & Co")
	names := url.Values{"name.0": {"Wer"}, "name.1": {"Handy & Co"}, "name.2": {"Fax"}, "field.0": {"name"}, "field.1": {"phone"}, "field.2": {"phone"}}
	b.post(file, names).wants(t, http.StatusUnprocessableEntity, "choose one")
	names.Set("field.2", "-")
	first, page := b.leads(b.post(file, names))
	page.wants(t, http.StatusOK, "Import 1 person", "left out: Fax")
	// Read again with other columns, the earlier plan is gone.
	names.Set("field.2", "notes")
	second, page := b.leads(b.post(file, names))
	page.wants(t, http.StatusOK, "Import 1 person")
	b.get(first).wants(t, http.StatusNotFound)
	b.postAnd(second+"/start", nil).wants(t, http.StatusOK, "is imported")
	b.get(file).wants(t, http.StatusNotFound, "Upload it again")
}

func TestAPlanThatTheBookHasMovedAwayFrom(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	at, _ := b.leads(b.upload("/import", "people.csv", people, ""))
	s.add(contacts.Draft{Name: "Alex", Phone: "+14155551200"})
	b.post(at+"/start", nil).wants(t, http.StatusConflict, "has changed since the plan was made", "Import 1 person")
	b.postAnd(at+"/start", nil).wants(t, http.StatusOK, "is imported")
}

func TestImportOverTheLimit(t *testing.T) {
	t.Parallel()
	s := open(t)
	if err := s.orgs.SetContactLimit(t.Context(), s.acme.ID, ptr(1)); err != nil {
		t.Fatal(err)
	}
	b := s.as(member.Editor)
	at, page := b.leads(b.upload("/import", "people.csv", people, ""))
	page.wants(t, http.StatusOK, "Import 1 person", "Over the limit")
	b.postAnd(at+"/start", nil).wants(t, http.StatusOK, "Download the rows over the limit")
	b.get(at+"/left-out").wants(t, http.StatusOK, "Jamie Lee").lacks(t, "Alex Chen")
}

func TestImportIntoACampaign(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	campaign := "/campaigns/" + s.aCampaign()
	b.get(campaign+"/import").wants(t, http.StatusOK, "Import people into Spring")
	at, page := b.leads(b.upload(campaign+"/import", "people.csv", people, ""))
	page.wants(t, http.StatusOK, "Import 2 people", `value="variable" selected`)
	b.postAnd(at+"/start", nil).wants(t, http.StatusOK, "is imported", campaign)
	b.get(campaign).wants(t, http.StatusOK, "Alex Chen", "Jamie Lee", "EMAIL: ")
	b.get("/contacts").lacks(t, "Alex Chen")
}

func TestImportThatIsTooLarge(t *testing.T) {
	t.Parallel()
	s := open(t, func(d *Dashboard) { d.ImportLimits = sheet.Limits{Bytes: 1000, Rows: 10} })
	b := s.as(member.Editor)
	b.upload("/import", "people.csv", "Name,Phone\n"+strings.Repeat("Alex,+14155551200\n", 100), "").wants(t, http.StatusRequestEntityTooLarge, "too large")
	b.upload("/import", "people.csv", "Name,Phone\n"+strings.Repeat("A,+14155551200\n", 20), "").wants(t, http.StatusRequestEntityTooLarge, "more than 10 rows")
	var kept int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM import_file_parts WHERE file_id NOT IN (SELECT id FROM import_files)`).Scan(&kept); err != nil || kept != 0 {
		t.Errorf("%d parts are left: %v", kept, err)
	}
}

// An import goes on when the program stops and starts again.
func TestImportGoesOn(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	var file strings.Builder
	file.WriteString("Name,Phone\n")
	for i := range 3000 {
		fmt.Fprintf(&file, "Person %d,+1212%07d\n", i, 5550000+i)
	}
	at, _ := b.leads(b.upload("/import", "many.csv", file.String(), ""))
	id := strings.TrimPrefix(at, "/import/")
	// It broke off after the first step.
	if _, err := s.pool.Exec(t.Context(), `UPDATE contact_imports SET state = 'running', leased_until = now() + interval '1 minute', report = report || '{"created": 0, "known": 0}' WHERE id = $1::text::uuid`, id); err != nil {
		t.Fatal(err)
	}
	b.get(at).wants(t, http.StatusOK, "It goes on when you close this page", "every 1s").lacks(t, "Go on</button>")
	part := b.do(http.MethodGet, at+"/progress", nil, "HX-Request", "true").wants(t, http.StatusOK, "<progress").lacks(t, "<html")
	if part.header.Get("HX-Refresh") != "" {
		t.Error("an import that goes on is taken for one that has ended")
	}
	if _, err := s.pool.Exec(t.Context(), `UPDATE contact_imports SET leased_until = now() - interval '1 minute' WHERE id = $1::text::uuid`, id); err != nil {
		t.Fatal(err)
	}
	b.get(at).wants(t, http.StatusOK, "nobody works on it", "Go on</button>")
	b.postAnd(at+"/start", nil)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if page := b.get(at); strings.Contains(page.body, "is imported") {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("the import does not end:\n%s", page.body)
		}
	}
	b.get("/contacts").wants(t, http.StatusOK, "3,000 contacts")
	if part := b.do(http.MethodGet, at+"/progress", nil, "HX-Request", "true"); part.header.Get("HX-Refresh") != "true" {
		t.Error("the page of an import that has ended is not loaded anew")
	}
}

// A file that was not imported goes when somebody is erased: it may be about them.
func TestErasingRemovesKeptFiles(t *testing.T) {
	t.Parallel()
	s := open(t)
	file := s.aFile()
	s.anErasure()
	if _, err := s.book.KeptFile(t.Context(), s.acme.ID, file); err == nil {
		t.Error("the file is still there")
	}
}
