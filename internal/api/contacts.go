package api

import (
	"net/http"

	"ringside/contacts"
	"ringside/internal/org"
)

// contactRoutes are the address book.
func (a *API) contactRoutes(mux *http.ServeMux) {
	mux.Handle("GET /v1/contacts", a.handle("read", a.searchContacts))
	mux.Handle("POST /v1/contacts", a.handle("write", a.addContact))
	mux.Handle("GET /v1/contacts/{id}", a.handle("read", a.contact))
	mux.Handle("PATCH /v1/contacts/{id}", a.handle("write", a.changeContact))
	mux.Handle("DELETE /v1/contacts/{id}", a.handle("write", a.archiveContact))
	mux.Handle("POST /v1/contacts/{id}/restore", a.handle("write", a.restoreContact))
	mux.Handle("GET /v1/usage", a.handle("read", a.usage))
}

// searchContacts answers GET /v1/contacts.
func (a *API) searchContacts(r *http.Request, key org.Key) (any, error) {
	q, err := contactQuery(r, "q", "tag", "source", "archived", "sort", "limit", "cursor")
	if err != nil {
		return nil, err
	}
	return a.Book.Search(r.Context(), key.OrgID, q)
}

// contactQuery reads a search from the parameters of a request.
func contactQuery(r *http.Request, parameters ...string) (contacts.Query, error) {
	values, err := query(r, parameters...)
	if err != nil {
		return contacts.Query{}, err
	}
	q := contacts.Query{Text: values.Get("q"), Tag: values.Get("tag"), Source: contacts.Source(values.Get("source")),
		Sort: contacts.Sort(values.Get("sort")), Cursor: values.Get("cursor")}
	if q.Limit, err = limit(values); err != nil {
		return contacts.Query{}, err
	}
	q.Archived, err = flag(values, "archived")
	return q, err
}

// contactInput is what a client sends of a contact; null and absent are the same.
type contactInput struct {
	Name  *string   `json:"name"`
	Phone *string   `json:"phone"`
	Email *string   `json:"email"`
	Tags  *[]string `json:"tags"`
	Notes *string   `json:"notes"`
}

// contactSent returns what a client sends of a contact, and the organisation whose it is.
func (a *API) contactSent(r *http.Request, key org.Key) (org.Org, contacts.Change, error) {
	var in contactInput
	if err := decode(r, &in); err != nil {
		return org.Org{}, contacts.Change{}, err
	}
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	return o, contacts.Change(in), err
}

// addContact answers POST /v1/contacts.
func (a *API) addContact(r *http.Request, key org.Key) (any, error) {
	o, sent, err := a.contactSent(r, key)
	if err != nil {
		return nil, err
	}
	added, err := a.Book.Add(r.Context(), o, sent.Draft())
	return answer{http.StatusCreated, added}, err
}

func (a *API) contact(r *http.Request, key org.Key) (any, error) {
	return a.Book.Get(r.Context(), key.OrgID, r.PathValue("id"))
}

// changeContact answers PATCH /v1/contacts/{id}: what is sent is changed.
func (a *API) changeContact(r *http.Request, key org.Key) (any, error) {
	o, sent, err := a.contactSent(r, key)
	if err != nil {
		return nil, err
	}
	return a.Book.Change(r.Context(), o, r.PathValue("id"), sent)
}

// archiveContact answers DELETE /v1/contacts/{id}.
func (a *API) archiveContact(r *http.Request, key org.Key) (any, error) {
	return answer{http.StatusNoContent, nil}, a.Book.Archive(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) restoreContact(r *http.Request, key org.Key) (any, error) {
	return a.Book.Restore(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) usage(r *http.Request, key org.Key) (any, error) {
	return a.Book.Usage(r.Context(), key.OrgID)
}
