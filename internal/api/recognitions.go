package api

import (
	"encoding/json"
	"fmt"
	"net/http"

	"ringside/internal/org"
	"ringside/internal/problem"
	"ringside/recognize"
)

// recognitionOperations say who was recognised.
func (a *API) recognitionOperations() []operation {
	return []operation{{
		name: "getRecognition", method: "GET", path: "/v1/recognitions/{sid}", scope: "read", subject: "Recognitions",
		summary:    "Why a call's caller was, or was not, greeted by name",
		details:    "The trace holds what was decided when the call began, whatever has changed since.",
		parameters: []parameter{sidInPath()},
		does:       asking(a.recognition),
	}}
}

// recognition answers with the trace of one call: who was recognised, how, and why.
func (a *API) recognition(r *http.Request, key org.Key) (t recognize.Trace, err error) {
	sid := r.PathValue("sid")
	if !plausible(sid) { // nothing is kept under it, and Postgres might not even read it
		return t, problem.NotFound("There is no recognition of such a call.")
	}
	if d := a.Decisions.Decided(r.Context(), key.OrgID, sid); d != nil {
		return d.Trace, nil
	}
	kept, err := a.Ledger.Recognition(r.Context(), key.OrgID, sid)
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(kept, &t); err != nil {
		return t, fmt.Errorf("read the recognition of a call: %w", err)
	}
	return t, nil
}

// plausible reports whether a text may be a Sid: letters and digits, as many as the ledger keeps.
func plausible(sid string) bool {
	for _, c := range []byte(sid) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return sid != "" && len(sid) <= 64
}
