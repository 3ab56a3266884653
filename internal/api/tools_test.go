package api_test

import (
	"testing"
)

// The tool over HTTP keeps what a caller says under the number of their call, and of no other.
func TestCaptureContact(t *testing.T) {
	t.Parallel()
	o := open(t)
	_, err := o.pool.Exec(t.Context(), `
		INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, status, state_rank, started_at, trusted)
		SELECT org_id, 'CA7', 'call', 'inbound', '+13125550100', '+12125550199', '+13125550100', 'in-progress', 10, now(), true FROM interactions
		UNION ALL SELECT org_id, 'CA8', 'call', 'inbound', '+13125550101', '+12125550199', '+13125550101', 'in-progress', 10, now(), false FROM interactions`)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it gets the first answer
		result := o.book(t, 200, "POST", "/v1/tools/capture_contact", `{"call_sid": "CA7", "name": "Robin Park", "email": "robin@example.com", "notes": "Wants a quote"}`)
		if result["ok"] != true || len(result["saved"].([]any)) != 3 || result["contact_id"] == "" {
			t.Errorf("captured %v", result)
		}
	}
	found := o.book(t, 200, "GET", "/v1/contacts?q=robin&source=capture", "")
	if people := found["contacts"].([]any); len(people) != 1 || people[0].(map[string]any)["phone"] != "+13125550100" {
		t.Errorf("found %v", found)
	}
	// Who may be anybody is kept with the call alone.
	if result := o.book(t, 200, "POST", "/v1/tools/capture_contact", `{"call_sid": "CA8", "name": "Mallory"}`); result["ok"] != true || result["contact_id"] != nil {
		t.Errorf("an untrusted caller: %v", result)
	}
	if result := o.book(t, 200, "POST", "/v1/tools/capture_contact", `{"call_sid": "`+running+`", "name": "Robin"}`); result["code"] != "no_number" {
		t.Errorf("a withheld caller: %v", result)
	}
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != 1. {
		t.Errorf("the book has %v", found)
	}
	o.book(t, 422, "POST", "/v1/tools/capture_contact", `{"name": "Robin"}`)
	o.book(t, 404, "POST", "/v1/tools/capture_contact", `{"call_sid": "CA404", "name": "Robin"}`)
	if response, body := o.send(t, "POST", "/v1/tools/capture_contact", "Bearer "+o.other, `{"call_sid": "CA7", "name": "Mallory"}`); response.StatusCode != 404 {
		t.Errorf("another organisation is answered %d %v", response.StatusCode, body)
	}
	if _, err := o.pool.Exec(t.Context(), `UPDATE api_keys SET scopes = '{read,write}'`); err != nil {
		t.Fatal(err)
	}
	o.book(t, 403, "POST", "/v1/tools/capture_contact", `{"call_sid": "CA7", "name": "Robin"}`)
}

func TestAgents(t *testing.T) {
	t.Parallel()
	o := open(t)
	if agents := o.book(t, 200, "GET", "/v1/agents", "")["agents"].([]any); len(agents) != 0 {
		t.Errorf("agents %v", agents)
	}
	if _, err := o.pool.Exec(t.Context(), `INSERT INTO voice_agents (org_id, name, greeting, runtime_url, runtime_secret) SELECT org_id, 'Reception', 'Hello {{NAME}}!', 'ws://agent/', 'hunter2' FROM interactions`); err != nil {
		t.Fatal(err)
	}
	agents := o.book(t, 200, "GET", "/v1/agents", "")["agents"].([]any)
	if len(agents) != 1 || agents[0].(map[string]any)["name"] != "Reception" || agents[0].(map[string]any)["runtime_secret"] != nil {
		t.Errorf("agents %v", agents)
	}
	if _, body := o.ask(t, "GET", "/v1/agents", "Bearer "+o.other); len(body["agents"].([]any)) != 0 {
		t.Errorf("another organisation sees %v", body)
	}
}
