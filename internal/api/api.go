// Package api serves the JSON API under /v1. Errors are problem documents (RFC 9457) with a stable
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
	"ringside/internal/ledger"
	"ringside/internal/org"
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

// API answers /v1.
type API struct {
	Keys      Keys
	Decisions Decisions
	Orgs      *org.Store
	Book      *contacts.Book
	Ledger    *ledger.Reader
	Tools     *agent.Tools
	// ImportLimits bound the files of contacts.
	ImportLimits sheet.Limits
	Log          *slog.Logger
}

// Register adds the API's paths to mux.
func (a *API) Register(mux *http.ServeMux) {
	mux.Handle("GET /v1/recognitions/{sid}", a.handle("read", a.recognition))
	a.contactRoutes(mux)
	a.importRoutes(mux)
	a.interactionRoutes(mux)
	a.toolRoutes(mux)
	mux.Handle("/v1/", a.handle("", func(*http.Request, org.Key) (any, error) {
		return nil, problem.NotFound("There is nothing at this address. See docs/api.md.")
	}))
}

// handler answers a request of an authenticated key with a value to encode (an [answer] where the
// status is not 200), or a problem.
type handler func(r *http.Request, key org.Key) (any, error)

// answer is a value with a status of its own; 204 has none.
type answer struct {
	status int
	value  any
}

// rawHandler answers a request of an authenticated key by itself. An error that it returns before it
// has written anything becomes the response.
type rawHandler func(w http.ResponseWriter, r *http.Request, key org.Key) error

func (a *API) handle(scope string, h handler) http.Handler {
	return a.handleRaw(scope, func(w http.ResponseWriter, r *http.Request, key org.Key) error {
		value, err := h(r, key)
		if err != nil {
			return err
		}
		return write(w, value)
	})
}

// handleRaw is the one place where an API request is authenticated and its error becomes a response.
func (a *API) handleRaw(scope string, h rawHandler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key, err := a.authenticate(scope, r)
		if err == nil {
			err = h(w, r, key)
		}
		if err == nil {
			return
		}
		if begun, ok := errors.AsType[streamed](err); ok {
			a.Log.Warn("an API answer could not be sent whole", "path", r.Pattern, "error", begun.error)
			return
		}
		if shown := problem.Write(w, err); !shown {
			a.Log.Error("an API request failed", "path", r.Pattern, "error", err)
		}
	})
}

// write sends a value.
func write(w http.ResponseWriter, value any) error {
	status := http.StatusOK
	if a, ok := value.(answer); ok {
		status, value = a.status, a.value
	}
	w.Header().Set("Cache-Control", "no-store")
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return nil
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(value); err != nil {
		return streamed{err}
	}
	return nil
}

// authenticate returns the key of a request, if it has the scope.
func (a *API) authenticate(scope string, r *http.Request) (org.Key, error) {
	scheme, plain, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || plain == "" {
		return org.Key{}, problem.New(problem.CodeUnauthorized, "Send `Authorization: Bearer rsk_…` with a key from `ringside key create`.")
	}
	key, err := a.Keys.Authenticate(r.Context(), strings.TrimSpace(plain))
	if err != nil {
		return org.Key{}, err
	}
	if scope != "" && !slices.Contains(key.Scopes, scope) {
		return org.Key{}, problem.New(problem.CodeForbidden, "This key lacks the scope %q.", scope)
	}
	return key, nil
}

// recognition answers with the trace of one call: who was recognised, how, and why.
func (a *API) recognition(r *http.Request, key org.Key) (any, error) {
	sid := r.PathValue("sid")
	if !plausible(sid) { // nothing is kept under it, and Postgres might not even read it
		return nil, problem.NotFound("There is no recognition of such a call.")
	}
	if d := a.Decisions.Decided(r.Context(), key.OrgID, sid); d != nil {
		return d.Trace, nil
	}
	return a.Ledger.Recognition(r.Context(), key.OrgID, sid)
}

// plausible reports whether a text may be a Sid: letters and digits, as many as the ledger keeps.
func plausible(sid string) bool {
	for _, c := range []byte(sid) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return sid != "" && len(sid) <= 64
}
