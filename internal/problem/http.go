package problem

import (
	"encoding/json"
	"net/http"
)

// ContentType is the media type of a problem document (RFC 9457).
const ContentType = "application/problem+json"

// document is the JSON of RFC 9457, with our stable code as an extension member.
type document struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   Code   `json:"code"`
	Field  string `json:"field,omitempty"`
	ID     string `json:"id,omitempty"`
}

// Write answers the request with err as a problem document. It reports whether err was one that
// may be shown; if not, the client saw only "internal" and the caller of Write should log err.
func Write(w http.ResponseWriter, err error) (shown bool) {
	p, shown := From(err)
	status := p.Code.Status()
	body, _ := json.Marshal(document{ // strings and an int always marshal
		Type: "about:blank", Title: http.StatusText(status), Status: status,
		Detail: p.Detail, Code: p.Code, Field: p.Field, ID: p.ID,
	})
	h := w.Header()
	h.Set("Content-Type", ContentType)
	h.Set("Cache-Control", "no-store")
	if p.Code == CodeUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="ringside"`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client has gone; nobody is left to tell
	return shown
}
