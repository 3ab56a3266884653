// Package api serves the JSON API under /v1: a table of operations (see operation.go), from which
// both the paths and their OpenAPI document come. Errors are problem documents (RFC 9457) with a stable
// code; a key belongs to one organisation and sees nothing of another, not even that it exists.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/agent"
	"ringside/internal/audit"
	"ringside/internal/campaign"
	"ringside/internal/idempotency"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
	"ringside/recognize"
)

// Decisions finds what was decided about a call that is running or has just ended.
type Decisions interface {
	Decided(ctx context.Context, id org.ID, callSID string) *recognize.Decision
}

// Keys finds the key behind a bearer token.
type Keys interface {
	Authenticate(ctx context.Context, plain string) (org.Key, error)
}

// API answers /v1. All but Keys may be given a pool for tenants: what is done with a key's request is
// done within its organisation.
type API struct {
	Keys      Keys
	Decisions Decisions
	Orgs      *org.Store
	Book      *contacts.Book
	Ledger    *ledger.Reader
	Tools     *agent.Tools
	// Desk sends calls and messages.
	Desk *outgoing.Desk
	// Simulated: Twilio's REST API is a stand-in, and nobody is really called.
	Simulated bool
	// Campaigns says how campaigns call their people.
	Campaigns *campaign.Store
	// Answers keeps the answers to requests with an Idempotency-Key.
	Answers *idempotency.Store
	// ErasureKey is what erased people are remembered under.
	ErasureKey contacts.ErasureKey
	// ImportLimits bound the files of contacts.
	ImportLimits sheet.Limits
	// Rate bounds the requests of each key; the zero value does not.
	Rate Rate
	// Audit is told who changed what; nil: nobody asks.
	Audit *audit.Log
	Log   *slog.Logger

	limits   *limiters
	document []byte
}

// Register adds the API's paths to mux. It is called once, when all fields are set.
func (a *API) Register(mux *http.ServeMux) {
	a.limits = newLimiters(a.Rate)
	operations := a.operations()
	a.document = describe(operations)
	for _, op := range operations {
		mux.Handle(op.method+" "+op.path, a.serve(op))
	}
	mux.Handle("/v1/", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := a.authenticate(r)
		if err == nil {
			err = problem.NotFound("There is nothing at this address. See docs/api.md.")
		}
		a.fail(w, r, err)
	}))
}

// serve returns what answers an operation's requests.
func (a *API) serve(op operation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := a.answer(&op, w, r); err != nil {
			a.fail(w, r, err)
		}
	})
}

// answer lets a request in and has it answered.
func (a *API) answer(op *operation, w http.ResponseWriter, r *http.Request) error {
	var key org.Key
	if op.scope != public {
		var err error
		if key, err = a.authenticate(r); err != nil {
			return err
		}
		if !slices.Contains(key.Scopes, op.scope) {
			return problem.New(problem.CodeForbidden, "This key lacks the scope %q.", op.scope)
		}
		r = r.WithContext(org.Within(r.Context(), key.OrgID))
	}
	r, err := withQuery(r, op.queryNames())
	if err != nil {
		return err
	}
	if op.method != http.MethodGet {
		r = changing(r)
		defer a.record(op, r, key)
	}
	return a.once(op, w, r, key)
}

// fail is the one place where an error becomes a response.
func (a *API) fail(w http.ResponseWriter, r *http.Request, err error) {
	if begun, ok := errors.AsType[streamed](err); ok {
		a.Log.Warn("an API answer could not be sent whole", "path", r.Pattern, "error", begun.error)
		return
	}
	if shown := problem.Write(w, err); !shown {
		a.Log.Error("an API request failed", "path", r.Pattern, "error", err)
	}
}

// write sends a value.
func write(w http.ResponseWriter, status int, value any) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		return streamed{err}
	}
	return nil
}

// authenticate returns the key of a request, unless the key asks too often.
func (a *API) authenticate(r *http.Request) (org.Key, error) {
	scheme, plain, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || plain == "" {
		return org.Key{}, problem.New(problem.CodeUnauthorized, "Send `Authorization: Bearer rsk_…` with a key from `ringside key create`.")
	}
	key, err := a.Keys.Authenticate(r.Context(), strings.TrimSpace(plain))
	if err != nil {
		return org.Key{}, err
	}
	return key, a.limits.admit(key.ID)
}
