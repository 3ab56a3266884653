package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
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

// columnsPage asks what the columns of a file are.
type columnsPage struct {
	frame
	File    contacts.KeptFile
	Columns columnForm
	Problem string
}

func (*columnsPage) template() string { return "import-columns" }

// columnForm is the columns of a file as they are read, to be changed.
type columnForm struct {
	FileID  string
	Columns []columnChoice
	Fields  []option
}

// columnChoice is one column.
type columnChoice struct{ Name, Field string }

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
		ctx, cancel := d.untilStopped(context.Background())
		defer cancel()
		select {
		case d.imports.turns <- struct{}{}:
			defer func() { <-d.imports.turns }()
		case <-ctx.Done():
			ended <- nil
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

func (v *visit) importsPage() (*importsPage, error) {
	ctx := v.r.Context()
	p := &importsPage{frame: frame{Title: "Import contacts", Here: "contacts", Zone: v.zone()}}
	campaign, err := v.campaignOf(v.r.PathValue("id"))
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
	p, err := v.importsPage()
	if err != nil {
		return err
	}
	return v.ok(p)
}

// uploadWithin is how long the upload of a file may take.
const uploadWithin = 10 * time.Minute

// uploadImport keeps what was uploaded or pasted, and tries to read it.
func uploadImport(v *visit) error {
	if err := http.NewResponseController(v.w).SetReadDeadline(time.Now().Add(uploadWithin)); err != nil {
		return fmt.Errorf("give an upload its time: %w", err)
	}
	campaign, err := v.campaignOf(v.r.PathValue("id"))
	if err != nil {
		return err
	}
	file, pasted, err := v.keepUpload(campaign)
	if err != nil {
		return v.importAgain(err, pasted)
	}
	return v.plan(file.ID, sheet.Options{Limits: v.ImportLimits})
}

// importAgain shows the form again with what is wrong, and what was pasted.
func (v *visit) importAgain(err error, pasted string) error {
	wrong, ok := asProblem(err)
	if !ok {
		return err
	}
	p, pageErr := v.importsPage()
	if pageErr != nil {
		return errors.Join(err, pageErr)
	}
	p.Problem, p.Pasted = wrong.Detail, pasted
	return v.show(wrong.Code.Status(), p)
}

// keepUpload reads the form as it arrives: the file goes to the database without being held here.
func (v *visit) keepUpload(campaign *contacts.Campaign) (file contacts.KeptFile, pasted string, err error) {
	parts, err := v.r.MultipartReader()
	if err != nil {
		return file, "", problem.Invalid("file", "The form did not arrive whole. Choose the file again.")
	}
	campaignID := ""
	if campaign != nil {
		campaignID = campaign.ID
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return file, pasted, problem.Invalid("file", "Choose a file, or paste the rows.")
		}
		if err != nil {
			return file, pasted, unreadableUpload(err)
		}
		name, content := part.FileName(), io.Reader(part)
		switch {
		case part.FormName() == "pasted":
			text, err := io.ReadAll(io.LimitReader(part, maxBody+1))
			if err != nil {
				return file, pasted, unreadableUpload(err)
			}
			if pasted = string(text); strings.TrimSpace(pasted) == "" {
				continue
			}
			if len(pasted) > maxBody {
				return file, "", problem.Invalid("file", "This is too much to paste: save it as a file, and choose that.")
			}
			name, content = "pasted.csv", strings.NewReader(pasted)
		case part.FormName() != "file" || name == "":
			continue
		}
		limit := v.ImportLimits.Bytes
		if limit == 0 {
			limit = sheet.DefaultBytes
		}
		file, err = v.Book.KeepFile(v.r.Context(), v.org.ID, name, campaignID, content, limit)
		if _, isProblem := asProblem(err); err != nil && !isProblem {
			err = unreadableUpload(err)
		}
		return file, pasted, err
	}
}

// unreadableUpload tells an upload that broke off, or is too large, from what went wrong here.
func unreadableUpload(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return problem.New(problem.CodeTooLarge, "The file is too large. Split it into smaller ones, each with the line of column names on top.")
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, multipart.ErrMessageTooLarge) {
		return problem.Invalid("file", "The file did not arrive whole. Choose it again.")
	}
	return err
}

// plan tries the import of a kept file, and leads to the plan; or to its columns, if they cannot be
// told.
func (v *visit) plan(fileID string, options sheet.Options) error {
	report, err := v.Book.PlanKept(v.r.Context(), v.org, fileID, options)
	if wrong, ok := asProblem(err); ok && wrong.Code == problem.CodeInvalid && wrong.Field != "file" {
		return v.askColumns(fileID, options, wrong)
	}
	if err != nil {
		return v.importAgain(err, "")
	}
	v.changed(report.ID, report.FileName, map[string]any{"rows": report.Rows})
	return v.goTo("/import/"+report.ID, "")
}

// askColumns shows the columns of a file with what is wrong about them.
func (v *visit) askColumns(fileID string, options sheet.Options, wrong *problem.Error) error {
	ctx := v.r.Context()
	file, err := v.Book.KeptFile(ctx, v.org.ID, fileID)
	if err != nil {
		return err
	}
	columns, err := v.Book.KeptColumns(ctx, v.org.ID, fileID, options)
	if isProblem, ok := asProblem(err); ok && len(columns) > 0 {
		if wrong == nil {
			wrong = isProblem
		}
	} else if err != nil {
		return v.importAgain(err, "")
	}
	p := &columnsPage{frame: frame{Title: "Which column is which?", Here: "contacts"}, File: file, Columns: columnForm{FileID: fileID, Fields: fieldOptions(file.Campaign != "")}}
	for _, c := range columns {
		p.Columns.Columns = append(p.Columns.Columns, columnChoice{c.Name, orNone(c.Field)})
	}
	if wrong == nil {
		return v.ok(p)
	}
	p.Problem = wrong.Detail
	return v.show(wrong.Code.Status(), p)
}

func orNone(f sheet.Field) string {
	if f == sheet.FieldNone {
		return "-"
	}
	return string(f)
}

// fieldOptions are what a column may be.
func fieldOptions(campaign bool) []option {
	all := []option{{"-", "leave out"}, {"name", "Name"}, {"first_name", "First name"}, {"last_name", "Last name"}, {"phone", "Phone"}}
	if !campaign {
		all = append(all, option{"email", "E-mail"}, option{"tags", "Tags"})
	}
	return append(all, option{"notes", "Notes"})
}

func showColumns(v *visit) error {
	return v.askColumns(v.r.PathValue("id"), sheet.Options{Limits: v.ImportLimits}, nil)
}

// chooseColumns tries the import again with the columns that were chosen.
func chooseColumns(v *visit) error {
	f, err := v.form()
	if err != nil {
		return err
	}
	file, err := v.Book.KeptFile(v.r.Context(), v.org.ID, v.r.PathValue("id"))
	if err != nil {
		return err
	}
	given := map[string]string{}
	for i := 0; f.Values.Has("name." + strconv.Itoa(i)); i++ {
		given[f.Get("name."+strconv.Itoa(i))] = f.Get("field." + strconv.Itoa(i))
	}
	columns, err := sheet.ChooseColumns(given)
	if wrong, ok := asProblem(err); ok {
		return v.askColumns(file.ID, sheet.Options{Limits: v.ImportLimits}, wrong)
	}
	if err != nil {
		return err
	}
	return v.plan(file.ID, sheet.Options{Limits: v.ImportLimits, Columns: columns})
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
			p.Columns.Columns = append(p.Columns.Columns, columnChoice{c.Name, orNone(c.Field)})
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
