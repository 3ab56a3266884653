package dashboard

import (
	"errors"
	"fmt"

	"ringside/contacts"
	"ringside/internal/problem"
)

// importPage is one import: its plan, its progress, or what came of it.
type importPage struct {
	frame
	Report   contacts.ImportReport
	Campaign *contacts.Campaign
	Problem  string // why it could not be carried out as planned
	Kinds    []importKind
	Columns  *columnForm // while they can be changed
	When     moment
	Percent  int
	Idle     bool // it is not done, and nobody works on it
	Undone   *contacts.UndoReport
}

func (*importPage) template() string { return "import" }

// importKind is what becomes of some of the rows.
type importKind struct {
	Name, Label, Meaning string
	Count                int
	First                []contacts.ImportRow
}

func (v *visit) importPage(importID string) (*importPage, error) {
	report, err := v.Book.ImportReport(v.r.Context(), v.org.ID, importID)
	if err != nil {
		return nil, err
	}
	p := &importPage{frame: frame{Title: "Import", Here: "contacts", Zone: v.zone()}, Report: report}
	p.When = p.Moment(report.CreatedAt)
	if p.Campaign, err = v.campaignOf(report.CampaignID); err != nil {
		return nil, err
	}
	if p.Campaign != nil {
		p.Here = "campaigns"
	}
	if report.Rows > 0 {
		p.Percent = min(100, report.Written()*100/report.Rows)
	}
	p.Idle = (report.State == contacts.ImportRunning || report.State == contacts.ImportStopped) && !report.Held
	p.Kinds = importKinds(report)
	if report.State == contacts.ImportPlanned && report.FileID != "" {
		p.Columns = &columnForm{FileID: report.FileID, Fields: fieldOptions(report.CampaignID != "")}
		for _, c := range report.Columns {
			p.Columns.Columns = append(p.Columns.Columns, columnChoice{c.Name, fieldOf(c.Field, c.Variable != "")})
		}
	}
	return p, nil
}

// importKinds are what becomes, or has become, of the rows.
func importKinds(r contacts.ImportReport) []importKind {
	whose := "your contacts"
	if r.CampaignID != "" {
		whose = "the campaign"
	}
	created := "New: they are added to " + whose + "."
	if r.State == contacts.ImportDone {
		created = "New: they were added to " + whose + "."
	}
	known := "Already in " + whose + ": left as they are."
	if r.Archived > 0 {
		known += fmt.Sprintf(" %d of them are archived, and stay so.", r.Archived)
	}
	return []importKind{
		{"created", "Added", created, r.Created, r.First["created"]},
		{"known", "Known", known, r.Known, r.First["known"]},
		{"repeated", "Repeated", "The same number stands further up in the file.", r.Repeated, r.First["repeated"]},
		{"left_out", "Over the limit", "The plan has no room for them. You can import them later.", r.LeftOut, r.First["left_out"]},
		{"invalid", "Not understood", "Each with its line and what is wrong, below.", r.Invalid, nil},
	}
}

func showImport(v *visit) error {
	p, err := v.importPage(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	return v.ok(p)
}

// showProgress is what the page of an import that goes on asks for, every second.
func showProgress(v *visit) error {
	p, err := v.importPage(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	if !v.byScript() {
		return v.goTo("/import/"+p.Report.ID, "")
	}
	if p.Report.State != contacts.ImportRunning || p.Idle {
		v.w.Header().Set("HX-Refresh", "true") // to the summary
	}
	return v.part(p, "import-progress")
}

func startImport(v *visit) error {
	id := v.r.PathValue("id")
	report, err := v.Book.ImportReport(v.r.Context(), v.org.ID, id)
	if err != nil {
		return err
	}
	err = v.start(v.org, report.ID)
	if wrong, ok := asProblem(err); ok {
		p, pageErr := v.importPage(report.ID)
		if pageErr != nil {
			return errors.Join(err, pageErr)
		}
		p.Problem = wrong.Detail
		return v.show(wrong.Code.Status(), p)
	}
	if err != nil {
		return err
	}
	v.changed(report.ID, report.FileName, map[string]any{"rows": report.Rows})
	return v.goTo("/import/"+report.ID, "")
}

func undoImport(v *visit) error {
	undone, err := v.Book.UndoImport(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if wrong, ok := asProblem(err); ok && wrong.Code == problem.CodeConflict {
		return v.goTo("/import/"+v.r.PathValue("id"), wrong.Detail)
	}
	if err != nil {
		return err
	}
	p, err := v.importPage(undone.ID)
	if err != nil {
		return err
	}
	v.changed(undone.ID, p.Report.FileName, map[string]any{"removed": undone.Removed})
	p.Undone = &undone
	return v.ok(p)
}

func downloadRejected(v *visit) error {
	return v.csv("rejected", func(to *lateFile) error {
		return v.Book.WriteRejected(v.r.Context(), v.org.ID, v.r.PathValue("id"), to)
	})
}

func downloadLeftOut(v *visit) error {
	return v.csv("left-out", func(to *lateFile) error {
		return v.Book.WriteLeftOut(v.r.Context(), v.org.ID, v.r.PathValue("id"), to)
	})
}
