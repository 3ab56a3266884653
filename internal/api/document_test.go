package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/google/go-cmp/cmp"

	"ringside/internal/api"
	"ringside/internal/org"
	"ringside/internal/problem"
)

var update = flag.Bool("update", false, "write docs/openapi.json")

const documentFile = "../../docs/openapi.json"

// served returns the document as a sidecar serves it, to anybody.
func served(t *testing.T) []byte {
	t.Helper()
	mux := http.NewServeMux()
	(&api.API{}).Register(mux)
	recorder := httptest.NewRecorder()
	mux.ServeHTTP(recorder, httptest.NewRequest("GET", "/v1/openapi.json", nil))
	if recorder.Code != http.StatusOK || recorder.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("the document is answered %d %s", recorder.Code, recorder.Header())
	}
	return recorder.Body.Bytes()
}

// docs/openapi.json is what is served. Where a change is meant: go test ./internal/api -update.
func TestTheDocumentInTheRepositoryIsTheOneServed(t *testing.T) {
	t.Parallel()
	got := served(t)
	if *update {
		if err := os.WriteFile(documentFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(documentFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("the API has changed; go test ./internal/api -update writes docs/openapi.json anew (-file +served):\n%s", diff)
	}
}

// loadDocument reads and checks the document. Whatever an answer is found to have must be in it, so
// objects are closed here that are open to what may be added one day.
func loadDocument(t *testing.T) *openapi3.T {
	t.Helper()
	document, err := openapi3.NewLoader().LoadFromData(served(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := document.Validate(t.Context()); err != nil {
		t.Fatalf("the document is not OpenAPI 3.1: %v", err)
	}
	for _, s := range document.Components.Schemas {
		if s.Value.Type.Is("object") && s.Value.AdditionalProperties.Has == nil && s.Value.AdditionalProperties.Schema == nil {
			s.Value.AdditionalProperties.Has = new(bool)
		}
	}
	return document
}

func TestEveryOperationIsDescribed(t *testing.T) {
	t.Parallel()
	for path, item := range loadDocument(t).Paths.Map() {
		for method, op := range item.Operations() {
			name := method + " " + path
			if op.OperationID == "" || op.Summary == "" || len(op.Tags) != 1 {
				t.Errorf("%s: operationId %q, summary %q, tags %v", name, op.OperationID, op.Summary, op.Tags)
			}
			for _, p := range op.Parameters {
				if p.Value.Description == "" {
					t.Errorf("%s: the parameter %s has no description", name, p.Value.Name)
				}
			}
			if path == "/v1/openapi.json" {
				continue // for everybody
			}
			scopes := (*op.Security)[0]["key"]
			if len(scopes) != 1 || !slices.Contains(org.Scopes, scopes[0]) {
				t.Errorf("%s needs the scopes %v", name, scopes)
			}
			if op.Responses.Value("401") == nil || op.Responses.Value("429") == nil || op.Responses.Value("429").Value.Headers["Retry-After"] == nil {
				t.Errorf("%s does not say what happens without a key, and past the rate", name)
			}
			hasHeader := op.Parameters.GetByInAndName("header", "Idempotency-Key") != nil
			if want := method == "POST" && !strings.HasSuffix(path, "/import"); hasHeader != want {
				t.Errorf("%s has an Idempotency-Key: %t, want %t", name, hasHeader, want)
			}
		}
	}
}

func TestEveryCodeIsExplained(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range problem.Codes() {
		status := fmt.Sprint(code.Status())
		if line := regexp.MustCompile("(?m)^\\|.*`" + string(code) + "`.*\\|.*" + status); !line.Match(raw) {
			t.Errorf("the table of docs/api.md lacks %s with %s", code, status)
		}
	}
}

// documented sends requests, and fails the test unless each answer, and each request that was carried
// out, is one that the document describes.
type documented struct {
	t        *testing.T
	document *openapi3.T
	router   routers.Router
}

func newDocumented(t *testing.T) *documented {
	t.Helper()
	d := &documented{t: t, document: loadDocument(t)}
	var err error
	if d.router, err = legacy.NewRouter(d.document); err != nil {
		t.Fatal(err)
	}
	return d
}

// RoundTrip implements [http.RoundTripper].
func (d *documented) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	_ = response.Body.Close()
	response.Body = io.NopCloser(bytes.NewReader(raw))
	d.check(r, response, raw)
	return response, nil
}

func (d *documented) check(r *http.Request, response *http.Response, raw []byte) {
	d.t.Helper()
	name := r.Method + " " + r.URL.Path
	op := d.find(r)
	if op == nil { // such paths are asked for to see that nothing is there
		if response.StatusCode != http.StatusNotFound && response.StatusCode != http.StatusUnauthorized {
			d.t.Errorf("%s is answered %d and is not in the document", name, response.StatusCode)
		}
		d.valid(name, d.document.Components.Schemas["Problem"], raw)
		return
	}
	described := op.Responses.Status(response.StatusCode)
	if described == nil {
		d.t.Errorf("%s is answered %d, which the document does not have: %s", name, response.StatusCode, raw)
		return
	}
	mediaType, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
	content := described.Value.Content[mediaType]
	switch {
	case len(described.Value.Content) == 0:
		if len(raw) > 0 {
			d.t.Errorf("%s is answered with a body, which the document does not have: %s", name, raw)
		}
	case content == nil:
		d.t.Errorf("%s is answered %d %s, which the document does not have", name, response.StatusCode, mediaType)
	case strings.HasSuffix(mediaType, "json"):
		d.valid(name, content.Schema, raw)
	case mediaType == "text/event-stream":
		d.checkEvents(name, raw)
	}
	if mediaType == "application/problem+json" {
		d.hasCode(name, *described.Value.Description, raw)
	}
	if response.StatusCode < 300 {
		d.checkRequest(name, op, r)
	}
}

// checkEvents holds the events of an import to the document.
func (d *documented) checkEvents(name string, raw []byte) {
	d.t.Helper()
	schemas := map[string]string{"progress": "ImportProgress", "report": "ImportReport", "problem": "ImportFailure"}
	for _, e := range eventsOf(d.t, raw) {
		data, err := json.Marshal(e.data)
		if err != nil {
			d.t.Fatal(err)
		}
		schema := d.document.Components.Schemas[schemas[e.name]]
		if schema == nil {
			d.t.Errorf("%s: the event %q is not in the document", name, e.name)
			continue
		}
		d.valid(name+", event "+e.name, schema, data)
	}
}

// checkRequest holds a request that was carried out to the document.
func (d *documented) checkRequest(name string, op *openapi3.Operation, r *http.Request) {
	d.t.Helper()
	for parameter := range r.URL.Query() {
		if op.Parameters.GetByInAndName("query", parameter) == nil {
			d.t.Errorf("%s takes the parameter %s, which the document does not have", name, parameter)
		}
	}
	if r.Header.Get("Content-Type") != "application/json" || r.GetBody == nil {
		return
	}
	body, err := r.GetBody()
	if err != nil {
		d.t.Fatal(err)
	}
	raw, err := io.ReadAll(body)
	if err != nil {
		d.t.Fatal(err)
	}
	if len(raw) > 0 {
		d.valid("the request of "+name, op.RequestBody.Value.Content["application/json"].Schema, raw)
	}
}

// hasCode looks for the problem's code among those of its status.
func (d *documented) hasCode(name, description string, raw []byte) {
	d.t.Helper()
	var p struct{ Code string }
	if err := json.Unmarshal(raw, &p); err != nil || !strings.Contains(description, "`"+p.Code+"`") {
		d.t.Errorf("%s is answered with the code %q, but the document has %s (%v)", name, p.Code, description, err)
	}
}

func (d *documented) find(r *http.Request) *openapi3.Operation {
	asked := r.Clone(r.Context())
	asked.URL.Scheme, asked.URL.Host, asked.Host = "", "", ""
	route, _, err := d.router.FindRoute(asked)
	if err != nil {
		return nil
	}
	return route.Operation
}

func (d *documented) valid(name string, schema *openapi3.SchemaRef, raw []byte) {
	d.t.Helper()
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		d.t.Errorf("%s: %v in %s", name, err, raw)
		return
	}
	if err := schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation()); err != nil {
		d.t.Errorf("%s is not as the document has it: %v\n%s", name, err, raw)
	}
}
