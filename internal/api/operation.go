package api

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// operation is one request that the API answers. What is registered and what GET /v1/openapi.json
// describes both come from the table of operations, so that they cannot differ.
//
// To add one: write a handler, put an entry beside those of its subject (or a new list into
// [API.operations]), and run `go test ./internal/api -update`, which writes docs/openapi.json anew.
// The types of the handler are those of the document. What a type of text looks like is in schemas.go,
// and what a field means, where its name does not say it, in meanings.go. A handler gets a request whose
// key has the scope, whose query has only the parameters of the entry (see [query]) and, by [taking] and
// [creating], the body. A POST takes an Idempotency-Key without doing anything for it, unless it streams.
type operation struct {
	name         string // the operationId; client libraries make a function's name of it
	method, path string
	// scope is what the key has to be good for; public needs no key.
	scope      string
	subject    string // heads a group of operations
	summary    string
	details    string // what the summary leaves out, or ""
	parameters []parameter
	// problems are the codes that this operation has beyond those that follow from the rest of the
	// entry: see [operation.codes].
	problems []problem.Code
	does     exchange
}

// public is the scope of an operation that shows nothing of anybody, and so needs no key.
const public = "public"

// parameter is one of the query, or of the path where inPath says so.
type parameter struct {
	name, description string
	inPath            bool
	schema            *huma.Schema // nil: any text
}

// handler answers a request. An error that it returns before it has written anything becomes the
// response.
type handler func(w http.ResponseWriter, r *http.Request, key org.Key) error

// exchange is what an operation takes and gives, and what does it.
type exchange struct {
	status      int
	takes       []content // one of them; none without a body
	gives       []content // one of them; none: an empty answer
	bodyMissing bool      // a request may do without the body
	// streams says that body and answer pass as they come, so that they cannot be held and repeated.
	streams bool
	handle  handler
}

// content is a body in one media type: JSON of a Go type, or what the schema says.
type content struct {
	mediaType string
	jsonOf    reflect.Type
	schema    *huma.Schema
	events    map[string]reflect.Type // the data of each, of a stream of events
}

func jsonOf[T any]() content {
	return content{mediaType: "application/json", jsonOf: reflect.TypeFor[T]()}
}

// asking is an exchange without a body, answered with JSON.
func asking[Out any](h func(*http.Request, org.Key) (Out, error)) exchange {
	return exchange{status: http.StatusOK, gives: []content{jsonOf[Out]()}, handle: func(w http.ResponseWriter, r *http.Request, key org.Key) error {
		out, err := h(r, key)
		if err != nil {
			return err
		}
		changed(r, out)
		return write(w, http.StatusOK, out)
	}}
}

// taking is an exchange of JSON for JSON.
func taking[In, Out any](h func(*http.Request, org.Key, In) (Out, error)) exchange {
	return exchangeOf(http.StatusOK, h)
}

// creating is taking, answered with 201.
func creating[In, Out any](h func(*http.Request, org.Key, In) (Out, error)) exchange {
	return exchangeOf(http.StatusCreated, h)
}

func exchangeOf[In, Out any](status int, h func(*http.Request, org.Key, In) (Out, error)) exchange {
	return exchange{status: status, takes: []content{jsonOf[In]()}, gives: []content{jsonOf[Out]()},
		handle: func(w http.ResponseWriter, r *http.Request, key org.Key) error {
			var in In
			if err := decode(r, &in); err != nil {
				return err
			}
			out, err := h(r, key, in)
			if err != nil {
				return err
			}
			changed(r, out)
			return write(w, status, out)
		}}
}

// doing is an exchange without a body and with an empty answer.
func doing(h func(*http.Request, org.Key) error) exchange {
	return exchange{status: http.StatusNoContent, handle: func(w http.ResponseWriter, r *http.Request, key org.Key) error {
		if err := h(r, key); err != nil {
			return err
		}
		changed(r, nil)
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
		return nil
	}}
}

// operations is the table.
func (a *API) operations() []operation {
	return slices.Concat(a.contactOperations(), a.personOperations(), a.importOperations(), a.campaignOperations(), a.callingOperations(), a.interactionOperations(), a.toolOperations(), a.sendOperations(),
		a.recognitionOperations(), a.documentOperations())
}

// repeatable reports whether a request may carry an Idempotency-Key: a POST whose answer can be held.
func (o *operation) repeatable() bool { return o.method == http.MethodPost && !o.does.streams }

// queryNames are the parameters that the query may have.
func (o *operation) queryNames() (names []string) {
	for _, p := range o.parameters {
		if !p.inPath {
			names = append(names, p.name)
		}
	}
	return names
}

// codes are the codes of all problems that the operation may be answered with, sorted.
func (o *operation) codes() []problem.Code {
	codes := append([]problem.Code{problem.CodeInvalid, problem.CodeInternal}, o.problems...) // any query may be invalid
	if o.scope != public {
		codes = append(codes, problem.CodeUnauthorized, problem.CodeForbidden, problem.CodeRateLimited)
	}
	if strings.Contains(o.path, "{") {
		codes = append(codes, problem.CodeNotFound)
	}
	if len(o.does.takes) > 0 {
		codes = append(codes, problem.CodeTooLarge, problem.CodeMediaType)
	}
	if o.repeatable() {
		codes = append(codes, problem.CodeConflict, problem.CodeIdempotencyKeyReused, problem.CodeTooLarge)
	}
	slices.Sort(codes)
	return slices.Compact(codes)
}

// sidInPath is the parameter of a path that names a call.
func sidInPath() parameter {
	return parameter{name: "sid", description: "Twilio's Sid of the call.", inPath: true, schema: &huma.Schema{Type: "string", Pattern: `^[0-9A-Za-z]{1,64}$`}}
}

// idInPath is the parameter of a path that names something of ours.
func idInPath(description string) parameter {
	return parameter{name: "id", description: description, inPath: true}
}

// page are the parameters of a list that comes by the page.
func page(most, usual int) []parameter {
	return []parameter{
		{name: "limit", description: "How many a page has.", schema: &huma.Schema{Type: "integer", Minimum: ptr(1.), Maximum: ptr(float64(most)), Default: usual}},
		{name: "cursor", description: "`next_cursor` of the page before; the other parameters stay the same."},
	}
}

// oneOf is the schema of a text that is one of several.
func oneOf[T ~string](texts ...T) *huma.Schema {
	s := &huma.Schema{Type: "string"}
	for _, text := range texts {
		s.Enum = append(s.Enum, string(text))
	}
	return s
}

func ptr[T any](v T) *T { return &v }
