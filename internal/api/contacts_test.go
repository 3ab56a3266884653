package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const duplicate = "A contact with this phone number already exists."

// book asks as the first organisation, and fails the test unless the status is the one expected.
func (o *office) book(t *testing.T, status int, method, path, content string) map[string]any {
	t.Helper()
	response, body := o.send(t, method, path, "Bearer "+o.key, content)
	if response.StatusCode != status {
		t.Fatalf("%s %s %s is answered %d %v, want %d", method, path, content, response.StatusCode, body, status)
	}
	return body
}

func TestAContactsLife(t *testing.T) {
	t.Parallel()
	o := open(t)
	added := o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "(415) 555-1200", "email": "alex@acme.io", "tags": ["vip", "VIP"], "notes": "Prefers morning calls"}`)
	id, _ := added["id"].(string)
	if id == "" || added["phone"] != "+14155551200" || added["source"] != "person" || added["archived_at"] != nil || added["last_contacted_at"] != nil {
		t.Fatalf("added %v", added)
	}
	if diff := cmp.Diff([]any{"vip"}, added["tags"]); diff != "" {
		t.Errorf("tags: %s", diff)
	}
	if origins, _ := added["origins"].(map[string]any); len(origins) != 5 {
		t.Errorf("origins %v", added["origins"])
	}
	path := "/v1/contacts/" + id
	if diff := cmp.Diff(added, o.book(t, 200, "GET", path, "")); diff != "" {
		t.Errorf("read (-added +got):\n%s", diff)
	}
	again := o.book(t, 409, "POST", "/v1/contacts", `{"name": "Somebody", "phone": "415-555-1200"}`)
	if again["detail"] != duplicate || again["code"] != "duplicate_phone" || again["id"] != id || again["field"] != "phone" {
		t.Errorf("a second contact with the phone is answered %v", again)
	}
	if changed := o.book(t, 200, "PATCH", path, `{"notes": "", "name": "Alexandra Chen"}`); changed["notes"] != "" || changed["name"] != "Alexandra Chen" || changed["email"] != "alex@acme.io" {
		t.Errorf("changed to %v", changed)
	}
	o.book(t, 204, "DELETE", path, "")
	o.book(t, 404, "DELETE", path, "")
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != 0. {
		t.Errorf("an archived contact is found: %v", found)
	}
	if found := o.book(t, 200, "GET", "/v1/contacts?archived=true", ""); found["total"] != 1. {
		t.Errorf("the archived contact is not found: %v", found)
	}
	if restored := o.book(t, 200, "POST", path+"/restore", ""); restored["archived_at"] != nil || restored["id"] != id {
		t.Errorf("restored %v", restored)
	}
	if diff := cmp.Diff(map[string]any{"used": 1., "limit": nil, "over": 0.}, o.book(t, 200, "GET", "/v1/usage", "")); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
	for _, request := range [][2]string{{"GET", path}, {"PATCH", path}, {"DELETE", path}, {"POST", path + "/restore"}, {"GET", path + "/interactions"}} {
		content := ""
		if request[0] == "PATCH" {
			content = `{"name": "Mallory"}`
		}
		if response, body := o.send(t, request[0], request[1], "Bearer "+o.other, content); response.StatusCode != 404 || body["code"] != "not_found" {
			t.Errorf("%s of another organisation's contact is answered %d %v", request[0], response.StatusCode, body)
		}
	}
}

func TestSearchByPage(t *testing.T) {
	t.Parallel()
	o := open(t)
	for i := range 5 {
		o.book(t, 201, "POST", "/v1/contacts", fmt.Sprintf(`{"name": "Person %d", "phone": "+1415555120%d", "tags": ["crowd"]}`, i, i))
	}
	var names []string
	path := "/v1/contacts?q=person&tag=CROWD&sort=name&limit=2"
	for next := any(""); next != nil; {
		page := o.book(t, 200, "GET", path+"&cursor="+next.(string), "")
		if page["total"] != 5. {
			t.Errorf("total %v", page["total"])
		}
		for _, c := range page["contacts"].([]any) {
			names = append(names, c.(map[string]any)["name"].(string))
		}
		next = page["next_cursor"]
	}
	if got := strings.Join(names, ", "); got != "Person 0, Person 1, Person 2, Person 3, Person 4" {
		t.Errorf("the pages held %s", got)
	}
}

func TestTheLimitIsAnswered402(t *testing.T) {
	t.Parallel()
	o := open(t)
	if _, err := o.pool.Exec(t.Context(), `UPDATE orgs SET contact_limit = 1`); err != nil {
		t.Fatal(err)
	}
	o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200"}`)
	full := o.book(t, 402, "POST", "/v1/contacts", `{"name": "Jamie Lee", "phone": "+12025550133"}`)
	if detail, _ := full["detail"].(string); full["code"] != "contact_limit_reached" || !strings.Contains(detail, "limit of 1 contacts") {
		t.Errorf("past the limit it is answered %v", full)
	}
	if diff := cmp.Diff(map[string]any{"used": 1., "limit": 1., "over": 0.}, o.book(t, 200, "GET", "/v1/usage", "")); diff != "" {
		t.Errorf("usage (-want +got):\n%s", diff)
	}
}

// What cannot be understood is refused with the field at fault, and nothing is written.
func TestRequestsThatCannotBe(t *testing.T) {
	t.Parallel()
	o := open(t)
	for _, tt := range []struct {
		method, path, content string
		status                int
		field                 any
	}{
		{"POST", "/v1/contacts", `{"name": "Alex"}`, 422, "phone"},
		{"POST", "/v1/contacts", `{"phone": "+14155551200"}`, 422, "name"},
		{"POST", "/v1/contacts", `{"name": "Alex", "phone": "12"}`, 422, "phone"},
		{"POST", "/v1/contacts", `{"name": "Alex", "phone": "+14155551200", "email": "nobody"}`, 422, "email"},
		{"POST", "/v1/contacts", `{"name": "Alex", "phone": 14155551200}`, 422, "phone"},
		{"POST", "/v1/contacts", `{"name": "Alex", "phone": "+14155551200", "tags": "vip"}`, 422, "tags"},
		{"POST", "/v1/contacts", `{"name": "Alex", "phone": "+14155551200", "mail": "a@b.c"}`, 422, "mail"},
		{"POST", "/v1/contacts", `{"name": "Alex", "phone": "+14155551200"} {}`, 422, nil},
		{"POST", "/v1/contacts", `[]`, 422, nil},
		{"POST", "/v1/contacts", `{"name"`, 422, nil},
		{"POST", "/v1/contacts", "", 415, nil},
		{"POST", "/v1/contacts", `{"notes": "` + strings.Repeat("x", 1<<20) + `"}`, 413, nil},
		{"GET", "/v1/contacts?limit=0", "", 422, "limit"},
		{"GET", "/v1/contacts?limit=many", "", 422, "limit"},
		{"GET", "/v1/contacts?archived=perhaps", "", 422, "archived"},
		{"GET", "/v1/contacts?query=alex", "", 422, "query"},
		{"GET", "/v1/contacts?q=a&q=b", "", 422, "q"},
		{"GET", "/v1/contacts?q=%zz", "", 422, nil},
		{"GET", "/v1/contacts?cursor=x", "", 422, "cursor"},
		{"GET", "/v1/interactions?kind=letter", "", 422, "kind"},
		{"GET", "/v1/interactions?cursor=x", "", 422, "cursor"},
		{"GET", "/v1/interactions?limit=1000", "", 422, "limit"},
		{"GET", "/v1/contacts/nobody", "", 404, nil},
	} {
		body := o.book(t, tt.status, tt.method, tt.path, tt.content)
		if body["field"] != tt.field || body["detail"] == "" {
			t.Errorf("%s %s %.60s is answered %v, want the field %v", tt.method, tt.path, tt.content, body, tt.field)
		}
	}
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != 0. {
		t.Errorf("something was written: %v", found)
	}
}

func TestInteractions(t *testing.T) {
	t.Parallel()
	o := open(t)
	alex := o.book(t, 201, "POST", "/v1/contacts", `{"name": "Alex Chen", "phone": "+14155551200"}`)["id"].(string)
	_, err := o.pool.Exec(t.Context(), `
		INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at, contact_id, summary)
		SELECT org_id, 'SM' || n, 'message', 'inbound', '+13125550100', '+12125550199', 'received', 14, now() - n * interval '1 minute', NULL::uuid, ''
		FROM contacts, generate_series(1, 3) n
		UNION ALL SELECT org_id, 'CA9', 'call', 'inbound', phone, '+12125550199', 'completed', 14, now() - interval '1 hour', id, 'Asked about prïcing' FROM contacts`)
	if err != nil {
		t.Fatal(err)
	}
	sids := func(path string) string {
		var sids []string
		for next := any(""); next != nil; {
			page := o.book(t, http.StatusOK, "GET", path+"&cursor="+next.(string), "")
			for _, i := range page["interactions"].([]any) {
				sids = append(sids, i.(map[string]any)["sid"].(string))
			}
			next = page["next_cursor"]
		}
		return strings.Join(sids, " ")
	}
	for path, want := range map[string]string{
		"/v1/interactions?limit=2":                       older + " SM1 SM2 SM3 CA9",
		"/v1/interactions?kind=message":                  "SM1 SM2 SM3",
		"/v1/interactions?q=alex":                        "CA9",
		"/v1/interactions?q=PRICING":                     "CA9",
		"/v1/interactions?q=%2B1+(312)+555":              "SM1 SM2 SM3",
		"/v1/interactions?q=nobody":                      "",
		"/v1/contacts/" + alex + "/interactions?limit=1": "CA9",
	} {
		if got := sids(path); got != want {
			t.Errorf("%s lists %q, want %q", path, got, want)
		}
	}
	if response, body := o.ask(t, "GET", "/v1/interactions", "Bearer "+o.other); response.StatusCode != 200 || len(body["interactions"].([]any)) != 0 {
		t.Errorf("another organisation sees %v", body)
	}
}
