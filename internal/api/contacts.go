package api

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// contactOperations are the address book.
func (a *API) contactOperations() []operation {
	const subject = "Contacts"
	id := []parameter{idInPath("The contact's id.")}
	return []operation{
		{
			name: "searchContacts", method: "GET", path: "/v1/contacts", scope: "read", subject: subject,
			summary:    "Search the address book, a page at a time",
			parameters: append(contactSearch(), page(contacts.MaxPage, contacts.DefaultPage)...),
			does:       asking(a.searchContacts),
		},
		{
			name: "addContact", method: "POST", path: "/v1/contacts", scope: "write", subject: subject,
			summary:  "Add a contact",
			details:  "The phone is given as people write it, and read with the organisation's country.",
			problems: []problem.Code{problem.CodeDuplicatePhone, problem.CodeContactLimitReached},
			does:     creating(a.addContact),
		},
		{
			name: "getContact", method: "GET", path: "/v1/contacts/{id}", scope: "read", subject: subject,
			summary: "A contact, active or archived", parameters: id,
			does: asking(a.contact),
		},
		{
			name: "changeContact", method: "PATCH", path: "/v1/contacts/{id}", scope: "write", subject: subject,
			summary:    "Change what is sent of a contact, on a person's behalf",
			details:    "Nothing overwrites a person's value afterwards. An empty text or list takes away; null is the same as leaving out.",
			parameters: id,
			problems:   []problem.Code{problem.CodeDuplicatePhone, problem.CodeConflict},
			does:       taking(a.changeContact),
		},
		{
			name: "archiveContact", method: "DELETE", path: "/v1/contacts/{id}", scope: "write", subject: subject,
			summary: "Archive a contact", details: "Nothing is lost, and the phone is free for another contact.", parameters: id,
			does: doing(a.archiveContact),
		},
		{
			name: "restoreContact", method: "POST", path: "/v1/contacts/{id}/restore", scope: "write", subject: subject,
			summary: "Bring an archived contact back", details: "It counts against the plan as an added one does.", parameters: id,
			problems: []problem.Code{problem.CodeDuplicatePhone, problem.CodeContactLimitReached},
			does:     asking(a.restoreContact),
		},
		{
			name: "getUsage", method: "GET", path: "/v1/usage", scope: "read", subject: subject,
			summary: "How much of the plan's contacts is used",
			does:    asking(a.usage),
		},
	}
}

// contactSearch are the parameters that say whom a search finds, and in which order.
func contactSearch() []parameter {
	return []parameter{
		{name: "q", description: "Part of a name, an e-mail address or a phone in any format, without regard to case and accents."},
		{name: "tag", description: "A tag that the contacts have, without regard to case."},
		{name: "source", description: "What made the contacts.", schema: sources()},
		{name: "archived", description: "Finds the archived contacts in place of the active ones.", schema: &huma.Schema{Type: "boolean", Default: false}},
		{name: "sort", description: "The order.", schema: withDefault(oneOf(contacts.Sorts...), contacts.SortName)},
	}
}

// searchContacts answers GET /v1/contacts.
func (a *API) searchContacts(r *http.Request, key org.Key) (contacts.Page, error) {
	q, err := contactQuery(r)
	if err != nil {
		return contacts.Page{}, err
	}
	return a.Book.Search(r.Context(), key.OrgID, q)
}

// contactQuery reads a search from the parameters of a request.
func contactQuery(r *http.Request) (q contacts.Query, err error) {
	values := query(r)
	q = contacts.Query{Text: values.Get("q"), Tag: values.Get("tag"), Source: contacts.Source(values.Get("source")),
		Sort: contacts.Sort(values.Get("sort")), Cursor: values.Get("cursor")}
	if q.Limit, err = limit(values); err != nil {
		return contacts.Query{}, err
	}
	q.Archived, err = flag(values, "archived")
	return q, err
}

// newContact is what a client sends to add a contact.
type newContact struct {
	Name  string   `json:"name" doc:"Whom the phone belongs to."`
	Phone string   `json:"phone" doc:"As people write it: (415) 555-1200 is read with the organisation's country."`
	Email string   `json:"email,omitempty"`
	Notes string   `json:"notes,omitempty"`
	Tags  []string `json:"tags,omitempty"`
}

// addContact answers POST /v1/contacts.
func (a *API) addContact(r *http.Request, key org.Key, in newContact) (contacts.Contact, error) {
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return contacts.Contact{}, err
	}
	return a.Book.Add(r.Context(), o, contacts.Draft(in))
}

func (a *API) contact(r *http.Request, key org.Key) (contacts.Contact, error) {
	return a.Book.Get(r.Context(), key.OrgID, r.PathValue("id"))
}

// contactChange is what a client sends to change a contact; null and absent are the same.
type contactChange struct {
	Name  *string   `json:"name,omitempty" nullable:"true"`
	Phone *string   `json:"phone,omitempty" nullable:"true"`
	Email *string   `json:"email,omitempty" nullable:"true"`
	Tags  *[]string `json:"tags,omitempty" nullable:"true"`
	Notes *string   `json:"notes,omitempty" nullable:"true"`
	// Only a person changes these.
	Blocked     *bool `json:"blocked,omitempty" nullable:"true" doc:"Calls from them are rejected."`
	GreetByName *bool `json:"greet_by_name,omitempty" nullable:"true" doc:"false: they are not greeted by name; the agent is told it all the same."`
}

// changeContact answers PATCH /v1/contacts/{id}.
func (a *API) changeContact(r *http.Request, key org.Key, in contactChange) (contacts.Contact, error) {
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return contacts.Contact{}, err
	}
	return a.Book.Change(r.Context(), o, r.PathValue("id"), contacts.Change{Name: in.Name, Phone: in.Phone, Email: in.Email, Tags: in.Tags, Notes: in.Notes,
		Blocked: in.Blocked, GreetByName: in.GreetByName})
}

// archiveContact answers DELETE /v1/contacts/{id}.
func (a *API) archiveContact(r *http.Request, key org.Key) error {
	return a.Book.Archive(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) restoreContact(r *http.Request, key org.Key) (contacts.Contact, error) {
	return a.Book.Restore(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) usage(r *http.Request, key org.Key) (contacts.Usage, error) {
	return a.Book.Usage(r.Context(), key.OrgID)
}
