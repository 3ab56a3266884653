package dashboard

import (
	"context"
	"sync"
	"time"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// importsPage is where a file is given, and the imports so far.
type importsPage struct {
	frame
	Campaign *contacts.Campaign // whose people the file has; nil: contacts
	Pasted   string
	Problem  string
	Rows     []importRow
}

func (*importsPage) template() string { return "imports" }

// importRow is an import in the list.
type importRow struct {
	contacts.ImportReport
	When  moment
	State string
}

func (d *Dashboard) importRoutes() []route {
	file := d.ImportLimits.Bytes
	if file == 0 {
		file = sheet.DefaultBytes
	}
	file += maxBody // for what is around it
	return []route{
		{method: "GET", path: "/import", role: member.Editor, serve: showImports},
		{method: "POST", path: "/import", role: member.Editor, action: "import.plan", serve: uploadImport, body: file},
		{method: "GET", path: "/campaigns/{id}/import", role: member.Editor, serve: showImports},
		{method: "POST", path: "/campaigns/{id}/import", role: member.Editor, action: "import.plan", serve: uploadImport, body: file},
		{method: "GET", path: "/import-files/{id}", role: member.Editor, serve: showColumns},
		{method: "POST", path: "/import-files/{id}", role: member.Editor, action: "import.plan", serve: chooseColumns},
		{method: "GET", path: "/import/{id}", role: member.Editor, serve: showImport},
		{method: "GET", path: "/import/{id}/progress", role: member.Editor, serve: showProgress},
		{method: "POST", path: "/import/{id}/start", role: member.Editor, action: "import.start", serve: startImport},
		{method: "POST", path: "/import/{id}/undo", role: member.Editor, action: "import.undo", serve: undoImport},
		{method: "GET", path: "/import/{id}/rejected", role: member.Editor, serve: downloadRejected},
		{method: "GET", path: "/import/{id}/left-out", role: member.Editor, serve: downloadLeftOut},
	}
}

// imports carries out imports in the background: whoever began one may close the page.
type imports struct {
	once  sync.Once
	turns chan struct{}
	done  sync.WaitGroup
}

// importsAtOnce bounds how many imports this process carries out at the same time.
const importsAtOnce = 4

// importBegin is how long the page waits for an import that ends soon, or cannot begin.
const importBegin = 2 * time.Second

// start carries an import out, and returns what came of it if that is known soon; nil otherwise. It
// ends with the program after a step, and is carried on by the next one (see [Dashboard.CarryOn]).
func (d *Dashboard) start(o org.Org, importID string) error {
	d.imports.once.Do(func() { d.imports.turns = make(chan struct{}, importsAtOnce) })
	ended := make(chan error, 1)
	d.imports.done.Go(func() {
		ctx, cancel := d.untilStopped(org.Within(context.Background(), o.ID))
		defer cancel()
		select {
		case d.imports.turns <- struct{}{}:
			defer func() { <-d.imports.turns }()
		default: // nothing is begun that would be forgotten when the program ends
			ended <- problem.New(problem.CodeConflict, "Several imports are going on just now. Wait a little, and start this one again.")
			return
		}
		_, err := d.Book.ApplyInBackground(ctx, o.ID, importID)
		if _, isProblem := asProblem(err); err != nil && !isProblem {
			d.Log.Error("an import broke off; it is tried again", "import", importID, "error", err)
		}
		ended <- err
	})
	select {
	case err := <-ended:
		return err
	case <-time.After(importBegin):
		return nil
	}
}

// importsShown is how many imports are listed.
const importsShown = 20

// importsPage is for contacts, or for the people of the campaign of an id.
func (v *visit) importsPage(campaignID string) (*importsPage, error) {
	ctx := v.r.Context()
	p := &importsPage{frame: frame{Title: "Import contacts", Here: "contacts", Zone: v.zone()}}
	campaign, err := v.campaignOf(campaignID)
	if err != nil {
		return nil, err
	}
	if p.Campaign = campaign; campaign != nil {
		p.Title, p.Here = "Import people", "campaigns"
	}
	all, err := v.Book.Imports(ctx, v.org.ID, importsShown)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if campaign == nil || r.CampaignID == campaign.ID {
			p.Rows = append(p.Rows, importRow{r, p.Moment(r.CreatedAt), importState(r)})
		}
	}
	return p, nil
}

// campaignOf returns the campaign of an id, nil for "".
func (v *visit) campaignOf(id string) (*contacts.Campaign, error) {
	if id == "" {
		return nil, nil
	}
	c, err := v.Book.Campaign(v.r.Context(), v.org.ID, id)
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// importState says how far an import is.
func importState(r contacts.ImportReport) string {
	switch r.State {
	case contacts.ImportPlanned:
		return "tried, not imported"
	case contacts.ImportRunning:
		if r.Held {
			return "going on"
		}
		return "broken off"
	case contacts.ImportStopped:
		return "stopped"
	case contacts.ImportDone:
		return "imported"
	case contacts.ImportUndone:
		return "undone"
	}
	return string(r.State)
}

func showImports(v *visit) error {
	p, err := v.importsPage(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.ok(p)
}
