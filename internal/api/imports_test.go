package api_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const exampleCSV = "name,phone,email,tags,notes\nAlex Chen,+14155551200,alex@acme.io,\"vip, returning\",Prefers morning calls\nJamie Lee,(202) 555-0133,,,\nOdd,12,,,\n"

// upload posts a file, and fails the test unless the status is the one expected.
func (o *office) upload(t *testing.T, status int, path, contentType, accept string, body io.Reader) (*http.Response, []byte) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", o.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+o.key)
	request.Header.Set("Content-Type", contentType)
	request.Header.Set("Accept", accept)
	response, err := o.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != status {
		t.Fatalf("POST %s is answered %d %s, %v; want %d", path, response.StatusCode, raw, err, status)
	}
	return response, raw
}

func reportOf(t *testing.T, raw []byte) map[string]any {
	t.Helper()
	report := map[string]any{}
	if err := json.Unmarshal(raw, &report); err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return report
}

func isCounted(t *testing.T, report map[string]any, rows, created, known, invalid float64) {
	t.Helper()
	if report["rows"] != rows || report["created"] != created || report["known"] != known || report["repeated"] != 0. || report["invalid"] != invalid || report["left_out"] != 0. {
		t.Errorf("reported %v", report)
	}
}

func TestImportDryAndThenInEarnest(t *testing.T) {
	t.Parallel()
	o := open(t)
	_, raw := o.upload(t, 200, "/v1/contacts/import?dry_run=true", "text/csv; charset=utf-8", "", strings.NewReader(exampleCSV))
	plan := reportOf(t, raw)
	isCounted(t, plan, 3, 2, 0, 1)
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != 0. || plan["state"] != "planned" {
		t.Errorf("the dry run wrote: %v", found)
	}
	wrong := plan["problems"].([]any)[0].(map[string]any)
	if wrong["line"] != 4. || wrong["column"] != "phone" || wrong["value"] != "12" || wrong["reason"] == "" {
		t.Errorf("the problem is %v", wrong)
	}
	id := plan["id"].(string)
	_, raw = o.upload(t, 200, "/v1/contacts/import?plan="+id, "text/csv", "", nil)
	done := reportOf(t, raw)
	isCounted(t, done, 3, 2, 0, 1)
	if done["state"] != "done" || done["id"] != id {
		t.Errorf("carried out %v", done)
	}
	if found := o.book(t, 200, "GET", "/v1/contacts?q=chen&source=import", ""); found["total"] != 1. {
		t.Errorf("found %v", found)
	}
	if kept := o.book(t, 200, "GET", "/v1/imports/"+id, ""); kept["created"] != 2. {
		t.Errorf("kept %v", kept)
	}

	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	_ = w.WriteField("comment", "people")
	part, _ := w.CreateFormFile("file", "people.csv")
	_, _ = part.Write([]byte(exampleCSV))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, raw = o.upload(t, 200, "/v1/contacts/import", w.FormDataContentType(), "", &form)
	again := reportOf(t, raw)
	isCounted(t, again, 3, 0, 2, 1)
	if again["file_name"] != "people.csv" {
		t.Errorf("the form's file is %v", again["file_name"])
	}

	for path, want := range map[string]string{
		"/v1/imports/" + id + "/rejected": "\ufeffname,phone,email,tags,notes,Problem\r\nOdd,12,,,,",
		"/v1/imports/" + id + "/left-out": "\ufeffname,phone,email,tags,notes\r\n",
		"/v1/contacts/export?q=jamie":     "\ufeffname,phone,email,tags,notes\r\nJamie Lee,'+12025550133,,,\r\n",
	} {
		request, _ := http.NewRequestWithContext(t.Context(), "GET", o.url+path, nil)
		request.Header.Set("Authorization", "Bearer "+o.key)
		response, err := o.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(response.Body)
		_ = response.Body.Close()
		if err != nil || !strings.HasPrefix(string(raw), want) || response.Header.Get("Content-Type") != "text/csv; charset=utf-8" {
			t.Errorf("GET %s: %d %q, %v", path, response.StatusCode, raw, err)
		}
		if !strings.Contains(path, id) {
			continue
		}
		if response, body := o.ask(t, "GET", path, "Bearer "+o.other); response.StatusCode != 404 || body["code"] != "not_found" {
			t.Errorf("another organisation gets %d %v of %s", response.StatusCode, body, path)
		}
	}
	if undone := o.book(t, 200, "POST", "/v1/imports/"+id+"/undo", ""); undone["removed"] != 2. || undone["kept_count"] != 0. {
		t.Errorf("undone %v", undone)
	}
	o.book(t, 404, "GET", "/v1/imports/nothing", "")
	o.book(t, 409, "POST", "/v1/contacts/import?plan="+id, "")
}

// A client that asks for them gets events, of which the last is the report or the problem.
func TestImportAsAStream(t *testing.T) {
	t.Parallel()
	o := open(t)
	var text strings.Builder
	text.WriteString("name,phone\n")
	for i := range 3000 {
		text.WriteString("Person,+1415" + string([]byte{'5', '5', '5', byte('0' + i/1000%10), byte('0' + i/100%10), byte('0' + i/10%10), byte('0' + i%10)}) + "\n")
	}
	response, raw := o.upload(t, 200, "/v1/contacts/import", "text/csv", "text/event-stream", strings.NewReader(text.String()))
	if response.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("Content-Type = %q", response.Header.Get("Content-Type"))
	}
	events := eventsOf(t, raw)
	last := events[len(events)-1]
	if last.name != "report" || last.data["created"] != 3000. || events[0].name != "progress" || events[0].data["rows"] == nil {
		t.Errorf("%d events, the first %v, the last %v", len(events), events[0], last)
	}
	if end := events[len(events)-2]; end.name != "progress" || end.data["reading"] != false || end.data["created"] != 3000. || end.data["rows"] != end.data["of"] {
		t.Errorf("the last progress is %v", end)
	}
	_, raw = o.upload(t, 200, "/v1/contacts/import", "text/csv", "text/event-stream", strings.NewReader("email\n"))
	if events := eventsOf(t, raw); len(events) != 1 || events[0].name != "problem" || events[0].data["code"] != "invalid" {
		t.Errorf("events %v", events)
	}
}

type event struct {
	name string
	data map[string]any
}

func eventsOf(t *testing.T, raw []byte) (events []event) {
	t.Helper()
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			events = append(events, event{name: name})
		}
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			events[len(events)-1].data = reportOf(t, []byte(data))
		}
	}
	return events
}

func TestUploadsThatCannotBe(t *testing.T) {
	t.Parallel()
	o := open(t)
	for _, tt := range []struct {
		status                  int
		path, contentType, body string
	}{
		{415, "/v1/contacts/import", "application/json", "{}"},
		{415, "/v1/contacts/import", "", exampleCSV},
		{422, "/v1/contacts/import", "text/csv", ""},
		{422, "/v1/contacts/import", "text/csv", "email\nalex@acme.io\n"},
		{422, "/v1/contacts/import", "multipart/form-data; boundary=x", "--x--\r\n"},
		{422, "/v1/contacts/import", "multipart/form-data; boundary=x", "nothing"},
		{422, "/v1/contacts/import?dry_run=perhaps", "text/csv", exampleCSV},
		{422, "/v1/contacts/import?dry=true", "text/csv", exampleCSV},
		{422, "/v1/contacts/import?dry_run=true&plan=x", "text/csv", exampleCSV},
		{404, "/v1/contacts/import?plan=x", "text/csv", ""},
	} {
		response, raw := o.upload(t, tt.status, tt.path, tt.contentType, "", strings.NewReader(tt.body))
		if response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %s", tt.path, tt.contentType, raw)
		}
	}
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != 0. {
		t.Errorf("something was written: %v", found)
	}
}

// The report of a file that is still read has no counts yet, and is a report all the same.
func TestReportOfAnImportThatIsRead(t *testing.T) {
	t.Parallel()
	o := open(t)
	var id string
	if err := o.pool.QueryRow(t.Context(), `INSERT INTO contact_imports (org_id) SELECT org_id FROM interactions RETURNING id::text`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if report := o.book(t, 200, "GET", "/v1/imports/"+id, ""); report["state"] != "reading" || report["id"] != id {
		t.Errorf("reported %v", report)
	}
}

// What a column is can be said where its name does not say it.
func TestImportWithChosenColumns(t *testing.T) {
	t.Parallel()
	o := open(t)
	const file = "Wer,Handy & Co,Phone\nAlex Chen,+14155551200,42\n"
	path := func(columns string) string { return "/v1/contacts/import?columns=" + url.QueryEscape(columns) }
	for columns, want := range map[string]string{
		`Wer=name`:                         "Send a JSON object",
		`{"Wer": 1}`:                       "Send a JSON object",
		`["name"]`:                         "Send a JSON object",
		`{"Wer": "nom"}`:                   `The column \"Wer\" cannot be \"nom\": there is no such field. A column is one of name, `,
		`{"Wer": ""}`:                      `The column \"Wer\" cannot be \"\"`,
		`{"Qui": "name"}`:                  `The file has no column \"Qui\"; it has \"Wer\"`,
		`{"Wer": "name", "Phone": "name"}`: "choose one",
	} {
		if _, raw := o.upload(t, 422, path(columns), "text/csv", "", strings.NewReader(file)); !strings.Contains(string(raw), want) || !strings.Contains(string(raw), `"field":"columns"`) {
			t.Errorf("%s is answered %s, want %s", columns, raw, want)
		}
	}
	good := path(`{"Wer": "name", "Handy & Co": "phone", "Phone": "-"}`)
	_, raw := o.upload(t, 200, good+"&dry_run=true", "text/csv", "", strings.NewReader(file))
	plan := reportOf(t, raw)
	isCounted(t, plan, 1, 1, 0, 0)
	if _, raw := o.upload(t, 422, good+"&plan="+plan["id"].(string), "text/csv", "", nil); !strings.Contains(string(raw), "A plan has its columns already") {
		t.Errorf("a plan with columns is answered %s", raw)
	}
	_, raw = o.upload(t, 200, "/v1/contacts/import?plan="+plan["id"].(string), "text/csv", "", nil)
	isCounted(t, reportOf(t, raw), 1, 1, 0, 0)
	if found := o.book(t, 200, "GET", "/v1/contacts?q=4155551200", ""); found["total"] != 1. {
		t.Errorf("found %v", found)
	}
}
