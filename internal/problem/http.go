package problem

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// ContentType is the media type of a problem document (RFC 9457).
const ContentType = "application/problem+json"

// Document is the JSON of RFC 9457, with our stable code, the field at fault and the id of the row in
// the way as extension members.
type Document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail" doc:"What is wrong and what to do next, for people."`
	Code   Code   `json:"code" doc:"What is wrong, for programs. Codes never change their meaning."`
	Field  string `json:"field,omitempty" doc:"The field, parameter or header at fault."`
	ID     string `json:"id,omitempty" doc:"What stands in the way, such as the contact that already has a phone."`
}

// Write answers the request with err as a problem document. It reports whether err was one that
// may be shown; if not, the client saw only "internal" and the caller of Write should log err.
func Write(w http.ResponseWriter, err error) (shown bool) {
	p, shown := From(err)
	status := p.Code.Status()
	body, _ := json.Marshal(Document{ // strings and an int always marshal
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: p.Detail, Code: p.Code, Field: p.Field, ID: p.ID,
	})
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	if p.Code == CodeUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="ringside"`)
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((p.RetryAfter+time.Second-1)/time.Second))) // whole seconds, and enough of them
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone; nobody is left to tell
	return shown
}
