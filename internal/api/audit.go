package api

import (
	"context"
	"net/http"
	"time"

	"ringside/contacts"
	"ringside/internal/audit"
	"ringside/internal/campaign"
	"ringside/internal/org"
	"ringside/internal/outgoing"
)

// audited are the operations that change something people answer for, with the name of the change
// in the audit log. An agent's tools are not among them: what callers say is in their calls.
var audited = map[string]string{
	"addContact": "contact.add", "changeContact": "contact.change", "archiveContact": "contact.archive", "restoreContact": "contact.restore",
	"mergeContacts": "contact.merge", "undoMerge": "contact.unmerge", "eraseContact": "contact.erase",
	"importContacts": "import.start", "undoImport": "import.undo",
	"createCampaign": "campaign.add", "addCampaignPerson": "campaign.add_person", "importCampaignPeople": "import.start", "changeCampaignPerson": "campaign.result",
	"changeCampaignCalling": "campaign.change", "startCampaign": "campaign.start", "pauseCampaign": "campaign.pause", "resumeCampaign": "campaign.resume", "stopCampaign": "campaign.stop",
	"placeCall": "call.place", "sendMessage": "message.send",
}

// changeKey is where a request carries what it has changed.
type changeKey struct{}

// change is the row that a request has changed, and the name that people know it by.
type change struct{ subject, label string }

// changing returns the request with room for what it changes.
func changing(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), changeKey{}, new(*change)))
}

// changed notes what a request has changed, from the answer that it gives.
func changed(r *http.Request, out any) {
	at, ok := r.Context().Value(changeKey{}).(**change)
	if !ok {
		return
	}
	c := &change{subject: r.PathValue("id")}
	switch out := out.(type) {
	case contacts.Contact:
		c.subject, c.label = out.ID, out.Name
	case contacts.Merge:
		c.subject, c.label = out.Contact.ID, out.Contact.Name
	case contacts.Erasure: // the log says that somebody was erased, and not who
		c.subject = out.ID
	case contacts.Campaign:
		c.subject, c.label = out.ID, out.Name
	case *campaign.Plan:
		c.subject = out.CampaignID
	case *outgoing.Item: // the log does not say to whom: that is among the interactions, until they are erased
		c.subject = out.ID
	case contacts.ImportReport:
		if out.State == contacts.ImportPlanned {
			return // nothing is changed yet
		}
		c.subject, c.label = out.ID, out.FileName
	}
	*at = c
}

// recordWithin is how long writing an entry of the audit log may take.
const recordWithin = 5 * time.Second

// record writes what a request has changed into the audit log. The change has been made: a log that
// cannot be written is logged.
func (a *API) record(op *operation, r *http.Request, key org.Key) {
	at, ok := r.Context().Value(changeKey{}).(**change)
	if !ok || *at == nil || audited[op.name] == "" || a.Audit == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), recordWithin)
	defer cancel()
	err := a.Audit.Record(ctx, audit.Entry{OrgID: key.OrgID, Actor: audit.Key(key.ID, key.Name), Action: audited[op.name], Subject: (*at).subject, Label: (*at).label})
	if err != nil {
		a.Log.Error("a change was made and is missing in the audit log", "operation", op.name, "error", err)
	}
}
