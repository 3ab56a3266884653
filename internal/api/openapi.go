package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"ringside/internal/idempotency"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// documentOperations are the document itself.
func (a *API) documentOperations() []operation {
	return []operation{{
		name: "getOpenAPI", method: "GET", path: "/v1/openapi.json", scope: public, subject: "This document",
		summary: "This document",
		does: exchange{status: http.StatusOK, gives: []content{{mediaType: "application/json", schema: &huma.Schema{Type: "object"}}},
			handle: func(w http.ResponseWriter, _ *http.Request, _ org.Key) error {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("Cache-Control", "public, max-age=300")
				if _, err := w.Write(a.document); err != nil {
					return streamed{err}
				}
				return nil
			}},
	}}
}

const about = "Who is calling, and the address book behind it. Errors are problem documents (RFC 9457) with a stable `code`. " +
	"A key belongs to one organisation and sees nothing of another. Fields may be added to what is answered; a field or parameter that does not exist is refused."

// describe returns the OpenAPI document of the operations, indented. It is the same for the same table.
func describe(operations []operation) []byte {
	d := documenting{registry: newRegistry(), sent: map[string]bool{}}
	doc := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: "Ringside", Version: "1", Description: about},
		// Relative: the document is served by the sidecar that it describes.
		Servers: []*huma.Server{{URL: "/"}},
		Components: &huma.Components{Schemas: d.registry, SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: {
			Type: "http", Scheme: "bearer", BearerFormat: "rsk_…", Description: "A key from `ringside key create`. Scopes: " + strings.Join(org.Scopes, ", ") + "."}}},
	}
	seen := map[string]bool{}
	for i := range operations {
		op := &operations[i]
		doc.AddOperation(d.operation(op))
		if !seen[op.subject] {
			seen[op.subject] = true
			doc.Tags = append(doc.Tags, &huma.Tag{Name: op.subject})
		}
	}
	amend(d.registry, d.sent)
	explain(d.registry)
	return indented(doc)
}

// indented panics on what cannot be encoded: the table is wrong then, and every test fails.
func indented(doc *huma.OpenAPI) []byte {
	raw, err := json.Marshal(doc)
	if err != nil {
		panic(fmt.Sprintf("describe the API: %v", err))
	}
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		panic(fmt.Sprintf("describe the API: %v", err))
	}
	out.WriteByte('\n')
	return out.Bytes()
}

const securityScheme = "key"

// documenting is a document in the making.
type documenting struct {
	registry huma.Registry
	sent     map[string]bool // names of the schemas that clients send
}

func (d *documenting) operation(op *operation) *huma.Operation {
	o := &huma.Operation{OperationID: op.name, Method: op.method, Path: op.path, Tags: []string{op.subject}, Summary: op.summary, Description: op.details}
	for _, p := range op.parameters {
		o.Parameters = append(o.Parameters, p.describe())
	}
	if op.scope == public {
		o.Security = []map[string][]string{}
	} else {
		o.Security = []map[string][]string{{securityScheme: {op.scope}}}
	}
	if op.repeatable() {
		o.Parameters = append(o.Parameters, idempotencyParameter())
	}
	if len(op.does.takes) > 0 {
		o.RequestBody = &huma.RequestBody{Required: !op.does.bodyMissing, Content: d.contents(op.does.takes, true)}
	}
	o.Responses = d.problems(op)
	good := &huma.Response{Description: http.StatusText(op.does.status), Content: d.contents(op.does.gives, false)}
	if op.repeatable() {
		good.Headers = map[string]*huma.Param{replayedHeader: {Description: "`true` where this answer was given before.", Schema: oneOf("true")}}
	}
	o.Responses[strconv.Itoa(op.does.status)] = good
	return o
}

func (p parameter) describe() *huma.Param {
	in, schema := "query", p.schema
	if p.inPath {
		in = "path"
	}
	if schema == nil {
		schema = &huma.Schema{Type: "string"}
	}
	return &huma.Param{Name: p.name, In: in, Required: p.inPath, Description: p.description, Schema: schema}
}

func idempotencyParameter() *huma.Param {
	return &huma.Param{Name: idempotency.Header, In: "header", Schema: &huma.Schema{Type: "string", Pattern: `^[!-~]{1,255}$`},
		Description: "Of the client's making, new for each thing to be done. Sent again with the same request within 24 hours, the first answer is repeated."}
}

func (d *documenting) contents(all []content, sent bool) map[string]*huma.MediaType {
	described := map[string]*huma.MediaType{}
	for _, c := range all {
		schema := c.schema
		if c.jsonOf != nil {
			schema = d.schema(c.jsonOf)
			if sent {
				d.sent[strings.TrimPrefix(schema.Ref, "#/components/schemas/")] = true
			}
		}
		described[c.mediaType] = &huma.MediaType{Schema: schema}
		if c.events != nil {
			described[c.mediaType].Extensions = map[string]any{"x-events": d.events(c.events)}
		}
	}
	return described
}

// events are the schemas of each event's data. OpenAPI 3.1 has no word for them.
func (d *documenting) events(events map[string]reflect.Type) map[string]*huma.Schema {
	described := map[string]*huma.Schema{}
	for name, data := range events {
		described[name] = d.schema(data)
	}
	return described
}

func (d *documenting) schema(t reflect.Type) *huma.Schema { return d.registry.Schema(t, true, "") }

// problems describes an operation's problems, by their status.
func (d *documenting) problems(op *operation) map[string]*huma.Response {
	responses := map[string]*huma.Response{}
	for _, code := range op.codes() {
		status := strconv.Itoa(code.Status())
		if known := responses[status]; known != nil {
			known.Description += ", `" + string(code) + "`"
			continue
		}
		responses[status] = &huma.Response{Description: "`" + string(code) + "`",
			Content: map[string]*huma.MediaType{problem.ContentType: {Schema: d.schema(reflect.TypeFor[problem.Document]())}}}
		if code == problem.CodeRateLimited || code == problem.CodeConflict {
			responses[status].Headers = map[string]*huma.Param{"Retry-After": {Description: "Whole seconds to wait, where waiting helps.", Schema: &huma.Schema{Type: "integer", Minimum: ptr(1.)}}}
		}
	}
	return responses
}
