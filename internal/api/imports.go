package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"ringside/contacts"
	"ringside/contacts/sheet"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// uploadWithin is how long the upload of a file may take.
const uploadWithin = 10 * time.Minute

// importOperations are files of contacts, in and out.
func (a *API) importOperations() []operation {
	const subject = "Files of contacts"
	id := []parameter{idInPath("The import's id.")}
	return []operation{
		{
			name: "importContacts", method: "POST", path: "/v1/contacts/import", scope: "write", subject: subject,
			summary: "Import a file of contacts, or say what would become of its rows",
			details: aboutImports, parameters: importParameters(),
			problems: []problem.Code{problem.CodeNotFound, problem.CodeConflict},
			does:     a.importing(),
		},
		{
			name: "exportContacts", method: "GET", path: "/v1/contacts/export", scope: "read", subject: subject,
			summary: "What a search finds, as CSV that imports again", parameters: contactSearch(),
			does: givingCSV(a.exportContacts),
		},
		{
			name: "getImport", method: "GET", path: "/v1/imports/{id}", scope: "read", subject: subject,
			summary: "The report of an import", parameters: id,
			does: asking(a.importReport),
		},
		{
			name: "undoImport", method: "POST", path: "/v1/imports/{id}/undo", scope: "write", subject: subject,
			summary: "Remove what an import has added", details: "Contacts that somebody has edited, or who have called, since stay.", parameters: id,
			does: asking(a.undoImport),
		},
		{
			name: "getRejectedRows", method: "GET", path: "/v1/imports/{id}/rejected", scope: "read", subject: subject,
			summary: "The rows of an import that could not be read, as CSV", details: "Each has what is wrong in the column Problem: mend and import it.", parameters: id,
			does: givingCSV(a.rows("rejected", a.Book.WriteRejected)),
		},
		{
			name: "getLeftOutRows", method: "GET", path: "/v1/imports/{id}/left-out", scope: "read", subject: subject,
			summary: "The rows of an import past the plan's limit, as CSV", parameters: id,
			does: givingCSV(a.rows("left-out", a.Book.WriteLeftOut)),
		},
	}
}

const aboutImports = "With `Accept: text/event-stream` the answer is a stream of `progress` events, then one `report` or `problem`. " +
	"A file can be imported again, which changes nothing of what is known; so an Idempotency-Key is not needed, and refused."

func importParameters() []parameter {
	return []parameter{
		{name: "dry_run", description: "Answers with the plan, and changes nothing.", schema: &huma.Schema{Type: "boolean", Default: false}},
		{name: "plan", description: "The id of a plan to carry out; no file is sent then."},
		columnsParameter(),
	}
}

// importing is an exchange of a file, or of nothing, for the report of an import.
func (a *API) importing() exchange {
	return exchange{status: http.StatusOK, takes: uploads(), bodyMissing: true, streams: true, handle: a.importPeople,
		gives: []content{jsonOf[contacts.ImportReport](), importEvents()}}
}

// importEvents are what an import tells a client that accepts a stream.
func importEvents() content {
	return content{mediaType: "text/event-stream", schema: &huma.Schema{Type: "string", Description: "Events `progress`, then one `report` or `problem`; their data is JSON."},
		events: map[string]reflect.Type{"progress": reflect.TypeFor[contacts.ImportProgress](), "report": reflect.TypeFor[contacts.ImportReport](), "problem": reflect.TypeFor[importFailure]()}}
}

// givingCSV is an exchange without a body, answered with a file that is sent as it is read.
func givingCSV(h handler) exchange {
	return exchange{status: http.StatusOK, gives: []content{{mediaType: "text/csv", schema: &huma.Schema{Type: "string"}}}, streams: true, handle: h}
}

// fileTypes are the media types that programs give to CSV. A form has the file in the field file.
var fileTypes = []string{"text/csv", "text/*", "application/csv", "application/vnd.ms-excel", "application/octet-stream"}

// uploads are the bodies that an import takes.
func uploads() (bodies []content) {
	for _, mediaType := range fileTypes {
		bodies = append(bodies, content{mediaType: mediaType, schema: &huma.Schema{Type: "string"}})
	}
	form := &huma.Schema{Type: "object", Required: []string{"file"}, Properties: map[string]*huma.Schema{"file": {Type: "string", Description: "The CSV file."}}}
	return append(bodies, content{mediaType: "multipart/form-data", schema: form})
}

// importPeople answers POST /v1/contacts/import, and for a campaign's people POST
// /v1/campaigns/{id}/people/import: a file as the body or as the form's file, dry with ?dry_run=true; or
// ?plan=ID, which carries out the plan of a dry run. A client that accepts an event stream is told of the
// progress. One that goes away stops the import after a step.
func (a *API) importPeople(w http.ResponseWriter, r *http.Request, key org.Key) error {
	values := query(r)
	dry, err := flag(values, "dry_run")
	if err != nil {
		return err
	}
	if dry && values.Get("plan") != "" {
		return problem.Invalid("plan", "A plan is carried out, not planned again: leave dry_run out.")
	}
	columns, err := chosenColumns(values)
	if err != nil {
		return err
	}
	campaign := r.PathValue("id")
	if err := a.belongs(r.Context(), key.OrgID, values.Get("plan"), campaign); err != nil {
		return err
	}
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return err
	}
	// The server's own deadlines are for short requests.
	control := http.NewResponseController(w)
	if err := errors.Join(control.SetReadDeadline(time.Now().Add(uploadWithin)), control.SetWriteDeadline(time.Time{})); err != nil {
		return fmt.Errorf("give an upload its time: %w", err)
	}
	return stream(w, r, func(tell func(contacts.ImportProgress)) (report any, err error) {
		defer func() {
			if err == nil {
				changed(r, report)
			}
		}()
		if plan := values.Get("plan"); plan != "" {
			return a.Book.ApplyImport(r.Context(), o, plan, tell)
		}
		file, err := uploaded(r)
		if err != nil {
			return nil, err
		}
		file.Campaign, file.Progress, file.Options = campaign, tell, sheet.Options{Limits: a.ImportLimits, Columns: columns}
		if dry {
			return a.Book.PlanImport(r.Context(), o, file)
		}
		return a.Book.Import(r.Context(), o, file)
	})
}

// belongs refuses a campaign that is not there, and a plan that is another's.
func (a *API) belongs(ctx context.Context, id org.ID, plan, campaign string) error {
	if campaign != "" {
		if _, err := a.Book.Campaign(ctx, id, campaign); err != nil {
			return err
		}
	}
	if plan == "" {
		return nil
	}
	report, err := a.Book.ImportReport(ctx, id, plan)
	if err == nil && report.CampaignID != campaign {
		return problem.NotFound("There is no such plan here: it is for other people.")
	}
	return err
}

// columnsParameter describes what [chosenColumns] reads.
func columnsParameter() parameter {
	return parameter{name: "columns", description: "What columns of the file are, for those whose names say too little: a JSON object such as " +
		"`{\"Handy\": \"phone\", \"Intern\": \"-\"}`. The values are " + strings.Join(fieldNames(), ", ") + ", and `-` for a column to leave out."}
}

func fieldNames() (names []string) {
	for _, f := range sheet.Fields() {
		names = append(names, "`"+string(f)+"`")
	}
	return names
}

// chosenColumns reads what a client says of the columns.
func chosenColumns(values url.Values) (map[string]sheet.Field, error) {
	text := values.Get("columns")
	if text == "" {
		return nil, nil
	}
	if values.Get("plan") != "" {
		return nil, problem.Invalid("columns", "A plan has its columns already: give them with the dry run.")
	}
	var given map[string]string
	if err := json.Unmarshal([]byte(text), &given); err != nil {
		return nil, problem.Invalid("columns", `Send a JSON object of a column's name and its field, such as {"Handy": "phone"}.`)
	}
	return sheet.ChooseColumns(given)
}

// uploaded returns the file of a request, which is read as it arrives.
func uploaded(r *http.Request) (contacts.ImportFile, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && mediaType == "multipart/form-data" {
		return uploadedForm(r)
	}
	if err != nil || !strings.HasPrefix(mediaType, "text/") && !slices.Contains(fileTypes, mediaType) {
		return contacts.ImportFile{}, problem.New(problem.CodeMediaType, "Send the file as the body with `Content-Type: text/csv`, or in a form as multipart/form-data in the field file.")
	}
	return contacts.ImportFile{Content: r.Body}, nil
}

func uploadedForm(r *http.Request) (contacts.ImportFile, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return contacts.ImportFile{}, problem.Invalid("file", "The form cannot be read.")
	}
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return contacts.ImportFile{}, problem.Invalid("file", "The form has no field named file.")
		}
		if err != nil {
			return contacts.ImportFile{}, problem.Invalid("file", "The form cannot be read.")
		}
		if part.FormName() == "file" {
			return contacts.ImportFile{Name: part.FileName(), Content: part}, nil
		}
	}
}

// stream answers with the value of fn as JSON, or, where the client accepts one, as the last event of
// a stream that tells of the progress before.
func stream(w http.ResponseWriter, r *http.Request, fn func(tell func(contacts.ImportProgress)) (any, error)) error {
	if !strings.Contains(r.Header.Get("Accept"), "text/event-stream") {
		value, err := fn(nil)
		if err != nil {
			return err
		}
		return write(w, http.StatusOK, value)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	// The progress is told while the file is still read.
	if err := control.EnableFullDuplex(); err != nil {
		return fmt.Errorf("answer while reading: %w", err)
	}
	send := func(event string, value any) error {
		body, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("encode %s: %w", event, err)
		}
		if _, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, body); err != nil {
			return err
		}
		return control.Flush()
	}
	value, err := fn(func(p contacts.ImportProgress) { _ = send("progress", p) }) // who has gone is noticed by the request's context
	if err != nil {
		p, shown := problem.From(err)
		if sendErr := send("problem", importFailure{p.Code, p.Detail, p.Field}); shown || sendErr != nil {
			return sendErr
		}
		return streamed{err}
	}
	return send("report", value)
}

// importFailure is the data of the event that ends the stream of an import that failed.
type importFailure struct {
	Code   problem.Code `json:"code"`
	Detail string       `json:"detail"`
	Field  string       `json:"field" doc:"The field, parameter or column at fault; empty where it is none of them."`
}

// streamed is an error of a response that has begun: it can only be logged.
type streamed struct{ error }

func (a *API) importReport(r *http.Request, key org.Key) (contacts.ImportReport, error) {
	return a.Book.ImportReport(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) undoImport(r *http.Request, key org.Key) (contacts.UndoReport, error) {
	return a.Book.UndoImport(r.Context(), key.OrgID, r.PathValue("id"))
}

// exportContacts answers GET /v1/contacts/export with what a search finds, as CSV.
func (a *API) exportContacts(w http.ResponseWriter, r *http.Request, key org.Key) error {
	q, err := contactQuery(r)
	if err != nil {
		return err
	}
	return csv(w, "contacts", func(to io.Writer) error { return a.Book.Export(r.Context(), key.OrgID, q, to) })
}

// rows answers with rows of an import as CSV.
func (a *API) rows(name string, rows func(context.Context, org.ID, string, io.Writer) error) handler {
	return func(w http.ResponseWriter, r *http.Request, key org.Key) error {
		return csv(w, name, func(to io.Writer) error { return rows(r.Context(), key.OrgID, r.PathValue("id"), to) })
	}
}

// csv answers with a file. What fails before its first byte is still a problem document.
func csv(w http.ResponseWriter, name string, fill func(io.Writer) error) error {
	late := &lateHeader{w: w, name: name}
	err := fill(late)
	if err != nil && late.begun {
		return streamed{err}
	}
	return err
}

// lateHeader sends the header of a CSV file with its first byte.
type lateHeader struct {
	w     http.ResponseWriter
	name  string
	begun bool
}

func (l *lateHeader) Write(p []byte) (int, error) {
	if !l.begun {
		l.begun = true
		h := l.w.Header()
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="`+l.name+`.csv"`)
		h.Set("Cache-Control", "no-store")
	}
	// A client that does not read must not hold the connection that the file is read from.
	if err := http.NewResponseController(l.w).SetWriteDeadline(time.Now().Add(sendWithin)); err != nil {
		return 0, err
	}
	return l.w.Write(p)
}

// sendWithin is how long a client may take to read a part of a file.
const sendWithin = 10 * time.Second
