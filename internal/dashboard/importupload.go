package dashboard

import (
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/problem"
)

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
		return v.importAgain(err, v.r.PathValue("id"), pasted)
	}
	return v.plan(file, pasted, sheet.Options{Limits: v.ImportLimits})
}

// importAgain shows the form again, of a campaign's people or ("") of contacts, with what is wrong, and what was pasted.
func (v *visit) importAgain(err error, campaignID, pasted string) error {
	wrong, ok := asProblem(err)
	if !ok {
		return err
	}
	p, pageErr := v.importsPage(campaignID)
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
func (v *visit) plan(file contacts.KeptFile, pasted string, options sheet.Options) error {
	report, err := v.Book.PlanKept(v.r.Context(), v.org, file.ID, options)
	if wrong, ok := asProblem(err); ok && wrong.Code == problem.CodeInvalid && wrong.Field != "file" {
		return v.askColumns(file.ID, options, wrong)
	}
	if err != nil {
		return v.importAgain(err, file.Campaign, pasted)
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
		return v.importAgain(err, file.Campaign, "")
	}
	p := &columnsPage{frame: frame{Title: "Which column is which?", Here: "contacts"}, File: file, Columns: columnForm{FileID: fileID, Fields: fieldOptions(file.Campaign != "")}}
	for _, c := range columns {
		_, leftOut := options.Columns[c.Name]
		p.Columns.Columns = append(p.Columns.Columns, columnChoice{c.Name, fieldOf(c.Field, file.Campaign != "" && !leftOut && contacts.VariableName(c.Name) != "")})
	}
	if wrong == nil {
		return v.ok(p)
	}
	p.Problem = wrong.Detail
	return v.show(wrong.Code.Status(), p)
}

// fieldOf is the choice of a column that is read as a field, or else is a variable of a campaign's people.
func fieldOf(f sheet.Field, variable bool) string {
	switch {
	case f != sheet.FieldNone:
		return string(f)
	case variable:
		return string(sheet.FieldVariable)
	}
	return "-"
}

// fieldOptions are what a column may be.
func fieldOptions(campaign bool) []option {
	all := []option{{"-", "leave out"}, {"name", "Name"}, {"first_name", "First name"}, {"last_name", "Last name"}, {"phone", "Phone"}}
	if !campaign {
		all = append(all, option{"email", "E-mail"}, option{"tags", "Tags"})
	}
	if all = append(all, option{"notes", "Notes"}); campaign {
		all = append(all, option{"variable", "Variable, for the greeting"})
	}
	return all
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
	return v.plan(file, "", sheet.Options{Limits: v.ImportLimits, Columns: columns})
}
