package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"ringside/internal/org"
	"ringside/internal/simulate"
)

// ask sends a request of the API with a JSON body, and returns the answer.
func (s *shop) ask(method, url, key, body string, want int) (object map[string]any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	must(s.t, err)
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(s.t, err)
	defer response.Body.Close()
	must(s.t, json.NewDecoder(response.Body).Decode(&object))
	if response.StatusCode != want {
		s.t.Fatalf("%s %s: %d %v, want %d", method, url, response.StatusCode, object, want)
	}
	return object
}

// Whoever was merged is greeted by name from either number, wherever the call comes in; whoever was
// erased is a stranger again, and no sidecar knows what it decided about their calls.
func TestMergedAndErasedOnEverySidecar(t *testing.T) {
	t.Parallel()
	shop, a, b := fleet(t)
	_, key, err := org.NewStore(shop.db).CreateKey(t.Context(), shop.org.ID, "test")
	must(t, err)
	ids := map[string]string{}
	for _, c := range shop.ask("GET", a.Listen+"/v1/contacts", key, "", 200)["contacts"].([]any) {
		ids[c.(map[string]any)["phone"].(string)] = c.(map[string]any)["id"].(string)
	}
	_, err = shop.db.Exec(t.Context(), `UPDATE contacts SET name = 'Alex Chen', name_at = now() WHERE phone = $1`, alex)
	must(t, err)
	greets := func(side *serving, from string) string {
		return string(rings(t, shop.fleetTwilio(side.Listen), simulate.NewSID("CA"), from))
	}
	until(t, "Jamie is known", func() bool { return strings.Contains(greets(b, jamie), "Jamie Lee") })

	shop.ask("POST", a.Listen+"/v1/contacts/"+ids[jamie]+"/merge", key, `{"with": "`+ids[alex]+`"}`, 200)
	for _, side := range []*serving{a, b} {
		until(t, "both numbers are Alex's", func() bool {
			return strings.Contains(greets(side, jamie), "Alex Chen") && strings.Contains(greets(side, alex), "Alex Chen")
		})
	}
	outcome := place(t, shop.fleetTwilio(a.Listen), simulate.Call{From: jamie, To: shopNumber, Script: askAgent})
	shop.ended(outcome.CallSID)
	for _, side := range []*serving{a, b} { // the trace is now held by each
		if why := shop.ask("GET", side.Listen+"/v1/recognitions/"+outcome.CallSID, key, "", 200)["why"].(string); !strings.Contains(why, "Alex Chen") {
			t.Errorf("the trace says %q", why)
		}
	}

	until(t, "the transcript is kept", func() (kept bool) {
		must(t, shop.db.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM transcripts)`).Scan(&kept))
		return kept
	})
	var kept string
	must(t, shop.db.QueryRow(t.Context(), `SELECT id::text FROM contacts WHERE archived_at IS NULL`).Scan(&kept))
	receipt := shop.ask("POST", a.Listen+"/v1/contacts/"+kept+"/erase", key, "", 200)
	if removed := receipt["removed"].(map[string]any); removed["contacts"] != 2. || removed["transcripts"] != 1. {
		t.Errorf("the receipt is %v", receipt)
	}
	for _, side := range []*serving{a, b} {
		until(t, "the trace is forgotten", func() bool {
			status, _ := get(t, side.Listen+"/v1/recognitions/"+outcome.CallSID, "Authorization", "Bearer "+key)
			return status == http.StatusNotFound
		})
		until(t, "both numbers are a stranger's", func() bool {
			return !strings.Contains(greets(side, jamie), "Alex") && !strings.Contains(greets(side, alex), "Alex")
		})
	}
	a.stop()
	b.stop()
}
