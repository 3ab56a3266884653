package api

import (
	"net/http"

	"ringside/internal/ledger"
	"ringside/internal/org"
)

// interactionRoutes are the calls and messages.
func (a *API) interactionRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/interactions", a.handle("read", a.interactions))
	mux.Handle("GET /v1/contacts/{id}/interactions", a.handle("read", a.contactInteractions))
}

// interactionQuery reads a search from the parameters of a request.
func interactionQuery(r *http.Request, parameters ...string) (q ledger.Query, err error) {
	values, err := query(r, parameters...)
	if err != nil {
		return q, err
	}
	q = ledger.Query{Text: values.Get("q"), Kind: values.Get("kind"), Cursor: values.Get("cursor")}
	q.Limit, err = limit(values)
	return q, err
}

// interactions answers GET /v1/interactions, the latest first.
func (a *API) interactions(r *http.Request, key org.Key) (any, error) {
	q, err := interactionQuery(r, "q", "kind", "limit", "cursor")
	if err != nil {
		return nil, err
	}
	return a.Ledger.List(r.Context(), key.OrgID, q)
}

// contactInteractions answers GET /v1/contacts/{id}/interactions.
func (a *API) contactInteractions(r *http.Request, key org.Key) (any, error) {
	q, err := interactionQuery(r, "kind", "limit", "cursor")
	if err != nil {
		return nil, err
	}
	c, err := a.Book.Get(r.Context(), key.OrgID, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	q.ContactID = c.ID
	return a.Ledger.List(r.Context(), key.OrgID, q)
}
