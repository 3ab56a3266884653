package api

import (
	"net/http"

	"ringside/internal/ledger"
	"ringside/internal/org"
)

// interactionOperations are the calls and messages.
func (a *API) interactionOperations() []operation {
	const subject = "Calls and messages"
	kind := parameter{name: "kind", description: "Only calls, or only messages.", schema: oneOf("call", "message")}
	pages := page(ledger.MaxPage, ledger.DefaultPage)
	return []operation{
		{
			name: "searchInteractions", method: "GET", path: "/v1/interactions", scope: "read", subject: subject,
			summary: "Search calls and messages, the latest first",
			parameters: append([]parameter{
				{name: "q", description: "Part of a number, of a contact's name, phone or e-mail, or of a summary."}, kind,
			}, pages...),
			does: asking(a.interactions),
		},
		{
			name: "listContactInteractions", method: "GET", path: "/v1/contacts/{id}/interactions", scope: "read", subject: subject,
			summary:    "A contact's calls and messages, the latest first",
			parameters: append([]parameter{idInPath("The contact's id."), kind}, pages...),
			does:       asking(a.contactInteractions),
		},
	}
}

// interactionQuery reads a search from the parameters of a request.
func interactionQuery(r *http.Request) (q ledger.Query, err error) {
	values := query(r)
	q = ledger.Query{Text: values.Get("q"), Kind: values.Get("kind"), Cursor: values.Get("cursor")}
	q.Limit, err = limit(values)
	return q, err
}

// interactions answers GET /v1/interactions.
func (a *API) interactions(r *http.Request, key org.Key) (ledger.Page, error) {
	q, err := interactionQuery(r)
	if err != nil {
		return ledger.Page{}, err
	}
	return a.Ledger.List(r.Context(), key.OrgID, q)
}

// contactInteractions answers GET /v1/contacts/{id}/interactions.
func (a *API) contactInteractions(r *http.Request, key org.Key) (ledger.Page, error) {
	q, err := interactionQuery(r)
	if err != nil {
		return ledger.Page{}, err
	}
	c, err := a.Book.Get(r.Context(), key.OrgID, r.PathValue("id"))
	if err != nil {
		return ledger.Page{}, err
	}
	q.ContactID = c.ID
	return a.Ledger.List(r.Context(), key.OrgID, q)
}
