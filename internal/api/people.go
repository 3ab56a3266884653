package api

import (
	"net/http"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// personOperations are about who a person is: the same as another contact, or somebody to forget.
func (a *API) personOperations() []operation {
	const subject = "Merging and erasing"
	return []operation{
		{
			name: "mergeContacts", method: "POST", path: "/v1/contacts/{id}/merge", scope: "write", subject: subject,
			summary: "Make one contact of two who are the same person",
			details: "The older one keeps its id and its phone, and gets the other's number as another one; history moves. Name and e-mail are " +
				"those of the better source, tags and notes are put together. It can be undone for 30 days.",
			parameters: []parameter{idInPath("One of the two.")},
			does:       taking(a.mergeContacts),
		},
		{
			name: "undoMerge", method: "POST", path: "/v1/merges/{id}/undo", scope: "write", subject: subject,
			summary:    "Make two contacts again of one",
			details:    "What somebody has changed since stays changed. It counts against the plan as a restored contact does.",
			parameters: []parameter{idInPath("The merge's id.")},
			problems:   []problem.Code{problem.CodeDuplicatePhone, problem.CodeContactLimitReached},
			does:       asking(a.undoMerge),
		},
		{
			name: "eraseContact", method: "POST", path: "/v1/contacts/{id}/erase", scope: "write", subject: subject,
			summary: "Remove a person for good",
			details: "The contact and those merged into it, who it was of their calls and messages, transcripts, traces, entries in campaigns, and rows " +
				"of imported files. The calls themselves stay, to be counted. It cannot be undone. The answer is the receipt.",
			parameters: []parameter{idInPath("The contact's id.")},
			does:       asking(a.eraseContact),
		},
		{
			name: "getErasure", method: "GET", path: "/v1/erasures/{id}", scope: "read", subject: subject,
			summary: "The receipt of an erasure", parameters: []parameter{idInPath("The erasure's id.")},
			does: asking(func(r *http.Request, key org.Key) (contacts.Erasure, error) {
				return a.Book.Erasure(r.Context(), key.OrgID, r.PathValue("id"))
			}),
		},
	}
}

// mergeWith is what a client sends to merge a contact.
type mergeWith struct {
	With string `json:"with" doc:"The other contact's id."`
}

func (a *API) mergeContacts(r *http.Request, key org.Key, in mergeWith) (contacts.Merge, error) {
	if in.With == "" {
		return contacts.Merge{}, problem.Invalid("with", "Name the other contact by its id.")
	}
	return a.Book.Merge(r.Context(), key.OrgID, ledger.Past{}, r.PathValue("id"), in.With)
}

// undoneMerge is two contacts that were one.
type undoneMerge struct {
	Kept     contacts.Contact `json:"kept"`
	Restored contacts.Contact `json:"restored"`
}

func (a *API) undoMerge(r *http.Request, key org.Key) (u undoneMerge, err error) {
	u.Kept, u.Restored, err = a.Book.UndoMerge(r.Context(), key.OrgID, ledger.Past{}, r.PathValue("id"))
	return u, err
}

func (a *API) eraseContact(r *http.Request, key org.Key) (contacts.Erasure, error) {
	return a.Book.Erase(r.Context(), key.OrgID, ledger.Past{}, a.ErasureKey, r.PathValue("id"))
}
