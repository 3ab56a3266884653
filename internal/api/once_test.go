package api_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"ringside/internal/api"
	"ringside/internal/idempotency"
	"ringside/internal/org"
	"ringside/recognize"
)

// repeat posts with an Idempotency-Key as the bearer of an API key.
func (o *office) repeat(t *testing.T, bearer, key, path, content string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "POST", o.url+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+bearer)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	response, err := o.client.Do(request)
	if err != nil {
		t.Error(err)
		return &http.Response{}, ""
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Error(err)
	}
	return response, string(raw)
}

func (o *office) exec(t *testing.T, sql string) {
	t.Helper()
	if tag, err := o.pool.Exec(t.Context(), sql); err != nil || tag.RowsAffected() == 0 && !strings.HasPrefix(sql, "ALTER") {
		t.Fatalf("%s: %v, %s", sql, err, tag)
	}
}

func (o *office) has(t *testing.T, contacts float64) {
	t.Helper()
	if found := o.book(t, 200, "GET", "/v1/contacts", ""); found["total"] != contacts {
		t.Errorf("the book has %v, want %v contacts", found, contacts)
	}
}

const (
	alex  = `{"name": "Alex Chen", "phone": "+14155551200"}`
	jamie = `{"name": "Jamie Lee", "phone": "+12025550133"}`
)

func TestARequestSentAgainGetsItsAnswerAgain(t *testing.T) {
	t.Parallel()
	o := open(t)
	first, body := o.repeat(t, o.key, "key-1", "/v1/contacts", alex)
	if first.StatusCode != 201 || first.Header.Get("Idempotency-Replayed") != "" {
		t.Fatalf("answered %d %v %s", first.StatusCode, first.Header, body)
	}
	for range 2 {
		again, same := o.repeat(t, o.key, "key-1", "/v1/contacts", alex)
		if again.StatusCode != 201 || same != body || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Content-Type") != "application/json" || again.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("answered %d %v %s, want %s", again.StatusCode, again.Header, same, body)
		}
	}
	if other, body := o.repeat(t, o.key, "key-2", "/v1/contacts", alex); other.StatusCode != 409 || !strings.Contains(body, `"duplicate_phone"`) {
		t.Errorf("with another key it is answered %d %s", other.StatusCode, body)
	}
	o.has(t, 1)
	// A problem is an answer like any other.
	o.exec(t, `DELETE FROM contacts`)
	if again, body := o.repeat(t, o.key, "key-2", "/v1/contacts", alex); again.StatusCode != 409 || again.Header.Get("Idempotency-Replayed") != "true" || again.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("the problem is answered %d %v %s", again.StatusCode, again.Header, body)
	}
	o.has(t, 0)
}

func TestAnIdempotencyKeyIsForOneRequest(t *testing.T) {
	t.Parallel()
	o := open(t)
	if first, body := o.repeat(t, o.key, "key", "/v1/contacts", alex); first.StatusCode != 201 {
		t.Fatalf("answered %d %s", first.StatusCode, body)
	}
	for name, request := range map[string][2]string{
		"another body": {"/v1/contacts", jamie},
		"another path": {"/v1/tools/capture_contact", alex},
	} {
		response, body := o.repeat(t, o.key, "key", request[0], request[1])
		if response.StatusCode != 422 || !strings.Contains(body, `"code":"idempotency_key_reused","field":"Idempotency-Key"`) {
			t.Errorf("%s: answered %d %s", name, response.StatusCode, body)
		}
	}
	o.has(t, 1)
}

func TestAnotherOrganisationsIdempotencyKeysAreItsOwn(t *testing.T) {
	t.Parallel()
	o := open(t)
	_, ours := o.repeat(t, o.key, "key", "/v1/contacts", alex)
	response, theirs := o.repeat(t, o.other, "key", "/v1/contacts", alex)
	if response.StatusCode != 201 || response.Header.Get("Idempotency-Replayed") != "" || theirs == ours {
		t.Errorf("the other organisation is answered %d %s", response.StatusCode, theirs)
	}
}

func TestIdempotencyKeysThatCannotBe(t *testing.T) {
	t.Parallel()
	o := open(t)
	for _, key := range []string{"", "a b", "schlüssel", strings.Repeat("k", 256)} {
		if response, body := o.repeat(t, o.key, key, "/v1/contacts", alex); response.StatusCode != 422 || !strings.Contains(body, `"field":"Idempotency-Key"`) {
			t.Errorf("the key %.20q is answered %d %s", key, response.StatusCode, body)
		}
	}
	o.has(t, 0)
	if response, body := o.repeat(t, o.key, strings.Repeat("~", 255), "/v1/contacts", alex); response.StatusCode != 201 {
		t.Errorf("the longest key is answered %d %s", response.StatusCode, body)
	}
	if response, body := o.repeat(t, o.key, "large", "/v1/contacts", `{"notes": "`+strings.Repeat("x", 1<<20)+`"}`); response.StatusCode != 413 {
		t.Errorf("a large body is answered %d %s", response.StatusCode, body)
	}
	// A file is not held.
	if response, body := o.repeat(t, o.key, "file", "/v1/contacts/import", exampleCSV); response.StatusCode != 422 || !strings.Contains(body, "Leave the header out") {
		t.Errorf("a file is answered %d %s", response.StatusCode, body)
	}
}

// While the first request runs, here on another sidecar that has been killed, its key is taken: for a
// minute, after which the request is carried out.
func TestALeaseRunsOut(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.repeat(t, o.key, "key", "/v1/contacts", alex)
	o.exec(t, `UPDATE api_idempotency SET status = NULL, body = NULL`)
	o.exec(t, `DELETE FROM contacts`)
	response, body := o.repeat(t, o.key, "key", "/v1/contacts", alex)
	if response.StatusCode != 409 || !strings.Contains(body, `"code":"conflict"`) {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
	if after, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || after < 1 {
		t.Errorf("Retry-After %q", response.Header.Get("Retry-After"))
	}
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", jamie); response.StatusCode != 422 {
		t.Errorf("another request meanwhile is answered %d %s", response.StatusCode, body)
	}
	o.has(t, 0)
	o.exec(t, `UPDATE api_idempotency SET leased_until = now()`)
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", jamie); response.StatusCode != 422 {
		t.Errorf("another request afterwards is answered %d %s", response.StatusCode, body)
	}
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", alex); response.StatusCode != 201 {
		t.Errorf("the same request afterwards is answered %d %s", response.StatusCode, body)
	}
	o.has(t, 1)
}

// After 24 hours a key is like a new one, and old ones go away by themselves.
func TestAnswersAreKeptForADay(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.repeat(t, o.key, "key", "/v1/contacts", alex)
	o.exec(t, `UPDATE api_idempotency SET expires_at = expires_at - interval '24 hours'`)
	o.exec(t, `INSERT INTO api_idempotency (org_id, key, fingerprint, expires_at) SELECT org_id, 'old-' || n, fingerprint, now() FROM api_idempotency, generate_series(1, 25) n`)
	count := func() (n int) {
		t.Helper()
		if err := o.pool.QueryRow(t.Context(), `SELECT count(*) FROM api_idempotency`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", jamie); response.StatusCode != 201 {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
	if n := count(); n != 16 { // bounded: no request has to do all the tidying
		t.Errorf("%d answers are kept, want 16", n)
	}
	o.repeat(t, o.key, "key-2", "/v1/contacts", alex)
	o.repeat(t, o.key, "key-3", "/v1/contacts", alex)
	if n := count(); n != 3 {
		t.Errorf("%d answers are kept, want 3", n)
	}
}

// What may succeed next time is not kept: failures here, and conflicts with what happens at the same moment.
func TestPassingFailuresAreNotKept(t *testing.T) {
	t.Parallel()
	o := open(t)
	o.exec(t, `ALTER TABLE contacts RENAME TO away`)
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", alex); response.StatusCode != 500 {
		t.Errorf("answered %d %s", response.StatusCode, body)
	}
	o.exec(t, `ALTER TABLE away RENAME TO contacts`)
	if said := o.log.String(); !strings.Contains(said, "an API request failed") || strings.Contains(said, "could not be") {
		t.Errorf("the log has %s", said)
	}
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", alex); response.StatusCode != 201 {
		t.Errorf("once it works again it is answered %d %s", response.StatusCode, body)
	}
	o.exec(t, `INSERT INTO contact_imports (org_id, state, leased_until, report) SELECT org_id, 'done', now() + interval '1 minute', '{}' FROM contacts`)
	var id string
	if err := o.pool.QueryRow(t.Context(), `SELECT id::text FROM contact_imports`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if response, body := o.repeat(t, o.key, "undo", "/v1/imports/"+id+"/undo", ""); response.StatusCode != 409 || !strings.Contains(body, `"conflict"`) {
		t.Errorf("an import that is worked on is answered %d %s", response.StatusCode, body)
	}
	o.exec(t, `UPDATE contact_imports SET leased_until = NULL`)
	if response, body := o.repeat(t, o.key, "undo", "/v1/imports/"+id+"/undo", ""); response.StatusCode != 200 {
		t.Errorf("once nobody works on it, it is answered %d %s", response.StatusCode, body)
	}
}

// Many at once with one key: the work is done once, and nobody is told anything else.
func TestIdempotencyUnderConcurrency(t *testing.T) {
	t.Parallel()
	o := open(t)
	const clients = 32
	var (
		all      sync.WaitGroup
		statuses [clients]int
		bodies   [clients]string
	)
	for i := range clients {
		all.Go(func() {
			response, body := o.repeat(t, o.key, "key", "/v1/contacts", alex)
			statuses[i], bodies[i] = response.StatusCode, body
		})
	}
	all.Wait()
	_, want := o.repeat(t, o.key, "key", "/v1/contacts", alex)
	created := 0
	for i, status := range statuses {
		switch {
		case status == 201 && bodies[i] == want:
			created++
		case status == 409 && strings.Contains(bodies[i], `"code":"conflict"`):
		default:
			t.Errorf("a client is answered %d %s", status, bodies[i])
		}
	}
	if created == 0 {
		t.Error("nobody was told of the contact")
	}
	o.has(t, 1)
}

func TestFingerprintsTellRequestsApart(t *testing.T) {
	t.Parallel()
	seen := map[[32]byte]string{}
	for _, request := range [][3]string{
		{"POST", "/v1/contacts", "{}"}, {"PATCH", "/v1/contacts", "{}"}, {"POST", "/v1/contact", "{}"}, {"POST", "/v1/contacts?a=1", "{}"},
		{"POST", "/v1/contacts?a=2", "{}"}, {"POST", "/v1/contacts", "{} "}, {"POST", "/v1/contacts", ""}, {"POST", "/v1/contacts%3Fa=1", "{}"},
		{"POST", "/v1/contacts", "a=1{}"},
	} {
		name := strings.Join(request[:], " ")
		r, err := http.NewRequest(request[0], "http://localhost"+request[1], nil)
		if err != nil {
			t.Fatal(err)
		}
		sum := api.Fingerprint(r, []byte(request[2]))
		if sum != api.Fingerprint(r, []byte(request[2])) {
			t.Errorf("%s has two fingerprints", name)
		}
		if same, ok := seen[sum]; ok {
			t.Errorf("%s and %s have the same fingerprint", name, same)
		}
		seen[sum] = name
	}
}

// brokenDecisions fail in a way that nobody has thought of.
type brokenDecisions struct{}

func (brokenDecisions) Decided(context.Context, org.ID, string) *recognize.Decision { panic("broken") }

func TestAPanicFreesTheKey(t *testing.T) {
	t.Parallel()
	o := open(t)
	store, mux := org.NewStore(o.pool), http.NewServeMux()
	(&api.API{Keys: store, Decisions: brokenDecisions{}, Orgs: store, Answers: idempotency.NewStore(o.pool), Log: slog.New(slog.DiscardHandler)}).Register(mux)
	request := httptest.NewRequest("POST", "/v1/tools/capture_contact", strings.NewReader(`{"call_sid": "CA1"}`))
	for name, value := range map[string]string{"Authorization": "Bearer " + o.key, "Content-Type": "application/json", "Idempotency-Key": "key"} {
		request.Header.Set(name, value)
	}
	func() {
		defer func() {
			if cause := recover(); cause != "broken" {
				t.Errorf("panicked with %v", cause)
			}
		}()
		mux.ServeHTTP(httptest.NewRecorder(), request)
	}()
	if response, body := o.repeat(t, o.key, "key", "/v1/contacts", alex); response.StatusCode != 201 {
		t.Errorf("the key is answered %d %s", response.StatusCode, body)
	}
}
