package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/cache"
	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/api"
	"ringside/internal/audit"
	"ringside/internal/idempotency"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
	"ringside/recognize"
)

const (
	running = "CA00000000000000000000000000000001" // decided a moment ago
	older   = "CA00000000000000000000000000000002" // only in the ledger
)

// office is an API on a real database, with a call of one organisation that is running and one
// that is over, and the keys of that organisation and of another.
type office struct {
	pool       *pgxpool.Pool
	url        string
	client     *http.Client // which holds every answer to the document
	log        *strings.Builder
	key, other string
}

func open(t *testing.T) *office {
	t.Helper()
	o := &office{pool: pgtest.New(t), log: &strings.Builder{}}
	store, calls := org.NewStore(o.pool), cache.NewCalls(nil)
	mux := http.NewServeMux()
	tenants := pgtest.Tenants(t, o.pool, org.Of) // as the program gives it to the API
	(&api.API{Keys: store, Audit: audit.NewLog(tenants), Decisions: calls, Orgs: org.NewStore(tenants), Book: contacts.NewBook(tenants, contacts.NoFence{}).Copying(o.pool), Ledger: ledger.NewReader(tenants),
		Answers: idempotency.NewStore(tenants), ErasureKey: contacts.ErasureKey("a secret of this test"),
		Tools: &agent.Tools{Book: contacts.NewBook(tenants, contacts.NoFence{}), Recorder: o.recorder(t), Marks: calls, Log: slog.New(slog.DiscardHandler)},
		Log:   slog.New(slog.NewTextHandler(o.log, nil))}).Register(mux)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	o.url, o.client = server.URL, &http.Client{Transport: newDocumented(t)}

	acme, key := o.orgWithKey(t, store, "Acme")
	_, o.other = o.orgWithKey(t, store, "Umbrella")
	o.key = key
	calls.Claim(t.Context(), &recognize.Decision{CallSID: running, OrgID: acme, Trusted: true, At: time.Now(),
		Trace: recognize.Trace{CallSID: running, Rule: recognize.RuleContactName, Steps: []recognize.Step{}, Told: []string{"name"}}})
	_, err := o.pool.Exec(t.Context(), `INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at, recognition)
		VALUES ($1::text::uuid, $2, 'call', 'inbound', '+14155551200', '+12125550199', 'completed', 14, now(), '{"rule": "unknown_number", "steps": [], "told": []}')`, acme, older)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// recorder writes what tools keep with a call.
func (o *office) recorder(t *testing.T) *ledger.Recorder {
	r := ledger.NewRecorder(o.pool, contacts.NoFence{}, nil, slog.New(slog.DiscardHandler))
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (o *office) orgWithKey(t *testing.T, store *org.Store, name string) (org.ID, string) {
	t.Helper()
	made, err := store.CreateOrg(t.Context(), org.Org{Name: name, Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	_, plain, err := store.CreateKey(t.Context(), made.ID, "test")
	if err != nil {
		t.Fatal(err)
	}
	return made.ID, plain
}

// ask sends a request with an Authorization header, if there is one to send.
func (o *office) ask(t *testing.T, method, path, authorization string) (*http.Response, map[string]any) {
	t.Helper()
	return o.send(t, method, path, authorization, "")
}

// send is ask with a JSON body, if there is one.
func (o *office) send(t *testing.T, method, path, authorization, content string) (*http.Response, map[string]any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, o.url+path, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if content != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if authorization != "" {
		request.Header.Set("Authorization", authorization)
	}
	response, err := o.client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &body); err != nil {
			t.Fatalf("%s %s answered what is no JSON object: %s", method, path, raw)
		}
	}
	return response, body
}

func TestRecognitionOfARunningAndOfAnOlderCall(t *testing.T) {
	t.Parallel()
	o := open(t)
	for _, tt := range []struct{ name, sid, authorization, rule string }{
		{"running", running, "Bearer " + o.key, "contact_name"},
		{"older", older, "Bearer " + o.key, "unknown_number"},
		{"scheme in lower case", older, "bearer " + o.key, "unknown_number"}, // RFC 9110, 11.1: schemes ignore case
		{"two spaces", older, "Bearer  " + o.key, "unknown_number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response, body := o.ask(t, "GET", "/v1/recognitions/"+tt.sid, tt.authorization)
			if response.StatusCode != http.StatusOK || body["rule"] != tt.rule {
				t.Errorf("answered %d %v, want 200 with the rule %s", response.StatusCode, body, tt.rule)
			}
			if got := response.Header.Get("Content-Type"); got != "application/json" {
				t.Errorf("Content-Type = %q", got)
			}
			if got := response.Header.Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control = %q: a trace holds personal data", got)
			}
		})
	}
}

// Every error is a problem document of RFC 9457 with a stable code.
func TestProblems(t *testing.T) {
	t.Parallel()
	o := open(t)
	const (
		noKey    = "Send `Authorization: Bearer rsk_…` with a key from `ringside key create`."
		wrongKey = "This API key is not valid. " + noKey
	)
	for _, tt := range []struct {
		name, method, path, authorization string
		status                            int
		title, code                       string
		detail                            string // begins like this
	}{
		{"no key", "GET", "/v1/recognitions/" + running, "", 401, "Unauthorized", "unauthorized", noKey},
		{"no key, no such path", "GET", "/v1/nothing", "", 401, "Unauthorized", "unauthorized", noKey},
		{"another scheme", "GET", "/v1/recognitions/" + running, "Basic " + o.key, 401, "Unauthorized", "unauthorized", noKey},
		{"the key without a scheme", "GET", "/v1/recognitions/" + running, o.key, 401, "Unauthorized", "unauthorized", noKey},
		{"the scheme without a key", "GET", "/v1/recognitions/" + running, "Bearer ", 401, "Unauthorized", "unauthorized", noKey},
		{"no key of ours", "GET", "/v1/recognitions/" + running, "Bearer sk_live_123", 401, "Unauthorized", "unauthorized", wrongKey},
		{"a made-up key", "GET", "/v1/recognitions/" + running, "Bearer rsk_" + strings.Repeat("A", 43), 401, "Unauthorized", "unauthorized", wrongKey},
		{"another organisation's running call", "GET", "/v1/recognitions/" + running, "Bearer " + o.other, 404, "Not Found", "not_found", "There is no recognition of "},
		{"another organisation's older call", "GET", "/v1/recognitions/" + older, "Bearer " + o.other, 404, "Not Found", "not_found", "There is no recognition of "},
		{"no such call", "GET", "/v1/recognitions/CA3", "Bearer " + o.key, 404, "Not Found", "not_found", "There is no recognition of "},
		{"no Sid at all", "GET", "/v1/recognitions/%00%ff", "Bearer " + o.key, 404, "Not Found", "not_found", "There is no recognition of such a call."},
		{"an endless Sid", "GET", "/v1/recognitions/" + strings.Repeat("C", 65), "Bearer " + o.key, 404, "Not Found", "not_found", "There is no recognition of such a call."},
		{"no such path", "GET", "/v1/nothing", "Bearer " + o.key, 404, "Not Found", "not_found", "There is nothing at this address. See docs/api.md."},
		{"another method", "DELETE", "/v1/recognitions/" + running, "Bearer " + o.key, 404, "Not Found", "not_found", "There is nothing at this address. See docs/api.md."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response, body := o.ask(t, tt.method, tt.path, tt.authorization)
			want := map[string]any{"type": "about:blank", "title": tt.title, "status": float64(tt.status), "code": tt.code}
			if detail, _ := body["detail"].(string); !strings.HasPrefix(detail, tt.detail) {
				t.Errorf("detail = %q, want it to begin with %q", detail, tt.detail)
			}
			delete(body, "detail")
			if diff := cmp.Diff(want, body); diff != "" || response.StatusCode != tt.status {
				t.Errorf("status %d (-want +got):\n%s", response.StatusCode, diff)
			}
			if got := response.Header.Get("Content-Type"); got != "application/problem+json" {
				t.Errorf("Content-Type = %q", got)
			}
			if asks := response.Header.Get("WWW-Authenticate") != ""; asks != (tt.status == http.StatusUnauthorized) {
				t.Errorf("WWW-Authenticate = %q", response.Header.Get("WWW-Authenticate"))
			}
		})
	}
	if said := o.log.String(); said != "" {
		t.Errorf("a client's mistakes were logged:\n%s", said)
	}
}

func TestScope(t *testing.T) {
	t.Parallel()
	o := open(t)
	if _, err := o.pool.Exec(t.Context(), `UPDATE api_keys SET scopes = '{write}'`); err != nil {
		t.Fatal(err)
	}
	response, body := o.ask(t, "GET", "/v1/recognitions/"+running, "Bearer "+o.key)
	if response.StatusCode != http.StatusForbidden || body["code"] != "forbidden" || body["detail"] != `This key lacks the scope "read".` {
		t.Errorf("a key without the scope was answered %d %v", response.StatusCode, body)
	}
}

func TestRevokedKey(t *testing.T) {
	t.Parallel()
	o := open(t)
	if _, err := o.pool.Exec(t.Context(), `UPDATE api_keys SET revoked_at = now()`); err != nil {
		t.Fatal(err)
	}
	if response, body := o.ask(t, "GET", "/v1/recognitions/"+running, "Bearer "+o.key); response.StatusCode != http.StatusUnauthorized || body["code"] != "unauthorized" {
		t.Errorf("a revoked key was answered %d %v", response.StatusCode, body)
	}
}

// What a client sees of a failure here gives nothing away; the log has it.
func TestInternalFailure(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	mux := http.NewServeMux()
	(&api.API{Keys: brokenKeys{}, Log: slog.New(slog.NewTextHandler(&log, nil))}).Register(mux)
	recorder := httptest.NewRecorder()
	request := httptest.NewRequest("GET", "/v1/recognitions/"+running, nil)
	request.Header.Set("Authorization", "Bearer rsk_1")
	mux.ServeHTTP(recorder, request)
	newDocumented(t).check(request, recorder.Result(), recorder.Body.Bytes())
	body := recorder.Body.String()
	if recorder.Code != http.StatusInternalServerError || !strings.Contains(body, `"code":"internal"`) || strings.Contains(body, "10.1.2.3") {
		t.Errorf("answered %d %s", recorder.Code, body)
	}
	if !strings.Contains(log.String(), "10.1.2.3") || strings.Contains(log.String(), "rsk_1") {
		t.Errorf("the log must have the cause and not the key:\n%s", log.String())
	}
}

// brokenKeys is a database that fails with what nobody outside should read.
type brokenKeys struct{}

func (brokenKeys) Authenticate(context.Context, string) (org.Key, error) {
	return org.Key{}, errors.New("dial tcp 10.1.2.3:5432: connection refused")
}
