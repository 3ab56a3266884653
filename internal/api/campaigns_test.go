package api_test

import (
	"encoding/json"
	"strings"
	"testing"
)

// A campaign is made, filled from a file by the planner of contacts, and its results are recorded.
func TestCampaign(t *testing.T) {
	t.Parallel()
	o := open(t)
	campaign := o.book(t, 201, "POST", "/v1/campaigns", `{"name": " Spring  offer "}`)
	path := "/v1/campaigns/" + campaign["id"].(string)
	if campaign["name"] != "Spring offer" || campaign["people"] != 0. {
		t.Errorf("made %v", campaign)
	}
	if p := o.book(t, 409, "POST", "/v1/campaigns", `{"name": "Spring offer"}`); p["code"] != "conflict" || p["id"] != campaign["id"] {
		t.Errorf("the name again: %v", p)
	}
	o.book(t, 422, "POST", "/v1/campaigns", `{"name": ""}`)

	const file = "name,phone,notes,email\nMaria Gomez,+1 415-555-1200,Likes tea,m@example.com\nSam Doe,(312) 555-0100,,\nMaria,4155551200,,\nNobody,12,,\n"
	upload := func(path, content string) (report map[string]any) {
		t.Helper()
		_, body := o.upload(t, 200, path, "text/csv", "", strings.NewReader(content))
		if err := json.Unmarshal(body, &report); err != nil {
			t.Fatal(err)
		}
		return report
	}
	plan := upload(path+"/people/import?dry_run=true", file)
	if plan["created"] != 2. || plan["repeated"] != 1. || plan["invalid"] != 1. || plan["campaign_id"] != campaign["id"] || len(plan["unknown_columns"].([]any)) != 0 || plan["columns"].([]any)[3].(map[string]any)["variable"] != "EMAIL" {
		t.Errorf("planned %v", plan)
	}
	o.book(t, 404, "POST", "/v1/contacts/import?plan="+plan["id"].(string), "")
	report := upload(path+"/people/import?plan="+plan["id"].(string), "")
	if report["state"] != "done" || report["created"] != 2. {
		t.Errorf("imported %v", report)
	}
	if again := upload(path+"/people/import", file); again["created"] != 0. || again["known"] != 2. {
		t.Errorf("imported again %v", again)
	}
	if usage := o.book(t, 200, "GET", "/v1/usage", ""); usage["used"] != 0. {
		t.Errorf("people of a campaign count as contacts: %v", usage)
	}

	first := o.book(t, 200, "GET", path+"/people?limit=1", "")
	sam := first["people"].([]any)[0].(map[string]any)
	if sam["phone"] != "+13125550100" || sam["called_at"] != nil || first["next_cursor"] == nil {
		t.Fatalf("the first page is %v", first)
	}
	second := o.book(t, 200, "GET", path+"/people?limit=1&cursor="+first["next_cursor"].(string), "")
	if maria := second["people"].([]any)[0].(map[string]any); maria["name"] != "Maria Gomez" || maria["notes"] != "Likes tea" || second["next_cursor"] != nil {
		t.Errorf("the second page is %v", second)
	}
	person := path + "/people/" + sam["id"].(string)
	changed := o.book(t, 200, "PATCH", person, `{"called_at": "2026-11-20T10:00:00Z", "result": "Wants a quote"}`)
	if changed["result"] != "Wants a quote" || changed["called_at"] != "2026-11-20T10:00:00Z" || changed["name"] != "Sam Doe" {
		t.Errorf("recorded %v", changed)
	}
	if earlier := o.book(t, 200, "PATCH", person, `{"called_at": "2026-11-19T10:00:00Z"}`); earlier["called_at"] != "2026-11-20T10:00:00Z" {
		t.Errorf("an earlier call moved it back: %v", earlier)
	}
	for called, want := range map[string]int{"true": 1, "false": 1} {
		if people := o.book(t, 200, "GET", path+"/people?called="+called, "")["people"].([]any); len(people) != want {
			t.Errorf("called=%s: %v", called, people)
		}
	}
	added := o.book(t, 201, "POST", path+"/people", `{"name": "Robin Park", "phone": "212 555 0177", "called_at": "2026-11-21T10:00:00Z"}`)
	if added["phone"] != "+12125550177" || added["called_at"] != "2026-11-21T10:00:00Z" {
		t.Errorf("added %v", added)
	}
	if c := o.book(t, 200, "GET", path, ""); c["people"] != 3. || c["called"] != 2. {
		t.Errorf("the campaign is %v", c)
	}
	if all := o.book(t, 200, "GET", "/v1/campaigns", "")["campaigns"].([]any); len(all) != 1 {
		t.Errorf("campaigns %v", all)
	}

	// Whoever was called stays when the import is undone.
	undo := o.book(t, 200, "POST", "/v1/imports/"+plan["id"].(string)+"/undo", "")
	if undo["removed"] != 1. || undo["kept"].([]any)[0].(map[string]any)["name"] != "Sam Doe" {
		t.Errorf("undone %v", undo)
	}
	// To another organisation none of it exists.
	for _, request := range [][2]string{{"GET", path}, {"GET", path + "/people"}, {"PATCH", person}, {"POST", path + "/people"}} {
		body := ""
		if request[0] != "GET" {
			body = `{"name": "Eve", "phone": "+12125550178"}`
		}
		if request[0] == "PATCH" {
			body = `{"result": "Eve"}`
		}
		if response, answer := o.send(t, request[0], request[1], "Bearer "+o.other, body); response.StatusCode != 404 {
			t.Errorf("%s %s of another organisation: %d %v", request[0], request[1], response.StatusCode, answer)
		}
	}
	o.book(t, 422, "GET", path+"/people?cursor=abc", "")
	o.book(t, 404, "PATCH", path+"/people/6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11", `{"result": "x"}`)
}
