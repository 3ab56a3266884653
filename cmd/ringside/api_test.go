package main

import (
	"net/http"
	"strings"
	"testing"

	"ringside/internal/postgres/pgtest"
)

// The settings and stores of the API reach it: its document, its rate and its Idempotency-Key.
func TestServeTheAPI(t *testing.T) {
	t.Parallel()
	settings := []string{"DATABASE_URL=" + pgtest.URL(t)}
	id(t, settings, "org", "create", "--name", "Acme", "--country", "US")
	key, _ := object(t, settings, "key", "create", "--name", "test")["key"].(string)
	side := serve(t, append(settings, "RINGSIDE_API_RATE=0.001", "RINGSIDE_API_BURST=2")...)

	if status, body := get(t, side.Listen+"/v1/openapi.json"); status != http.StatusOK || !strings.Contains(body, `"openapi": "3.1.0"`) {
		t.Errorf("the document is answered %d %.100s", status, body)
	}
	add := func(want int) *http.Response {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), "POST", side.Listen+"/v1/contacts", strings.NewReader(`{"name": "Alex Chen", "phone": "+14155551200"}`))
		must(t, err)
		for name, value := range map[string]string{"Authorization": "Bearer " + key, "Content-Type": "application/json", "Idempotency-Key": "add-alex"} {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		must(t, response.Body.Close())
		if response.StatusCode != want {
			t.Errorf("answered %s, want %d", response.Status, want)
		}
		return response
	}
	add(http.StatusCreated)
	if again := add(http.StatusCreated); again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("sent again, it is answered anew: %v", again.Header)
	}
	if refused := add(http.StatusTooManyRequests); len(refused.Header.Get("Retry-After")) < 3 { // a thousand seconds, or nearly
		t.Errorf("Retry-After %q", refused.Header.Get("Retry-After"))
	}
}
