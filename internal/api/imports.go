package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// uploadWithin is how long the upload of a file may take.
const uploadWithin = 10 * time.Minute

// importRoutes are files of contacts, in and out.
func (a *API) importRoutes(mux *http.ServeMux) {
	mux.Handle("POST /v1/contacts/import", a.handleRaw("write", a.importContacts))
	mux.Handle("GET /v1/contacts/export", a.handleRaw("read", a.exportContacts))
	mux.Handle("GET /v1/imports/{id}", a.handle("read", a.importReport))
	mux.Handle("POST /v1/imports/{id}/undo", a.handle("write", a.undoImport))
	mux.Handle("GET /v1/imports/{id}/rejected", a.handleRaw("read", a.rows("rejected", a.Book.WriteRejected)))
	mux.Handle("GET /v1/imports/{id}/left-out", a.handleRaw("read", a.rows("left-out", a.Book.WriteLeftOut)))
}

// importContacts answers POST /v1/contacts/import: a file as the body or as the form's file, dry with
// ?dry_run=true; or ?plan=ID, which carries out the plan of a dry run. A client that accepts an event
// stream is told of the progress. One that goes away stops the import after a step.
func (a *API) importContacts(w http.ResponseWriter, r *http.Request, key org.Key) error {
	values, err := query(r, "dry_run", "plan")
	if err != nil {
		return err
	}
	dry, err := flag(values, "dry_run")
	if err != nil {
		return err
	}
	if dry && values.Get("plan") != "" {
		return problem.Invalid("plan", "A plan is carried out, not planned again: leave dry_run out.")
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
	return stream(w, r, func(tell func(contacts.ImportProgress)) (any, error) {
		if plan := values.Get("plan"); plan != "" {
			return a.Book.ApplyImport(r.Context(), o, plan, tell)
		}
		file, err := uploaded(r)
		if err != nil {
			return nil, err
		}
		file.Progress, file.Options.Limits = tell, a.ImportLimits
		if dry {
			return a.Book.PlanImport(r.Context(), o, file)
		}
		return a.Book.Import(r.Context(), o, file)
	})
}

// uploaded returns the file of a request, which is read as it arrives.
func uploaded(r *http.Request) (contacts.ImportFile, error) {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && mediaType == "multipart/form-data" {
		return uploadedForm(r)
	}
	if err != nil || !strings.HasPrefix(mediaType, "text/") && mediaType != "application/csv" && mediaType != "application/vnd.ms-excel" && mediaType != "application/octet-stream" {
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
		return write(w, value)
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
		if sendErr := send("problem", map[string]any{"code": p.Code, "detail": p.Detail, "field": p.Field}); shown || sendErr != nil {
			return sendErr
		}
		return streamed{err}
	}
	return send("report", value)
}

// streamed is an error of a response that has begun: it can only be logged.
type streamed struct{ error }

func (a *API) importReport(r *http.Request, key org.Key) (any, error) {
	return a.Book.ImportReport(r.Context(), key.OrgID, r.PathValue("id"))
}

func (a *API) undoImport(r *http.Request, key org.Key) (any, error) {
	return a.Book.UndoImport(r.Context(), key.OrgID, r.PathValue("id"))
}

// exportContacts answers GET /v1/contacts/export with what a search finds, as CSV.
func (a *API) exportContacts(w http.ResponseWriter, r *http.Request, key org.Key) error {
	q, err := contactQuery(r, "q", "tag", "source", "archived", "sort")
	if err != nil {
		return err
	}
	return csv(w, "contacts", func(to io.Writer) error { return a.Book.Export(r.Context(), key.OrgID, q, to) })
}

// rows answers with rows of an import as CSV.
func (a *API) rows(name string, rows func(context.Context, org.ID, string, io.Writer) error) rawHandler {
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
	return l.w.Write(p)
}
