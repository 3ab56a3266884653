package api

import (
	"context"
	"net/http"

	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// toolRoutes are what an agent may ask for over HTTP rather than on its call's socket.
func (a *API) toolRoutes(mux *http.ServeMux) {
	mux.Handle("POST /v1/tools/capture_contact", a.handle("tools", a.captureContact))
	mux.Handle("GET /v1/agents", a.handle("read", a.agents))
}

// captureInput names the call, whose number it is that a contact is kept under: a model's word for a
// phone counts only where it is explicitly another one.
type captureInput struct {
	CallSID    string `json:"call_sid"`
	Name       string `json:"name"`
	Email      string `json:"email"`
	Notes      string `json:"notes"`
	OtherPhone string `json:"other_phone"`
}

// captureContact answers POST /v1/tools/capture_contact with the same result as on the socket.
func (a *API) captureContact(r *http.Request, key org.Key) (any, error) {
	var in captureInput
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	if !plausible(in.CallSID) {
		return nil, problem.Invalid("call_sid", "Send the Sid of the call as call_sid: it says whose number this is.")
	}
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return nil, err
	}
	call, err := a.call(r.Context(), o, in.CallSID)
	if err != nil {
		return nil, err
	}
	return a.Tools.Capture(r.Context(), &call, agent.Message{Name: in.Name, Email: in.Email, Notes: in.Notes, OtherPhone: in.OtherPhone})
}

// call returns a call of the organisation: as it was decided, or, if that is forgotten, as the ledger
// has it, which may be a moment behind.
func (a *API) call(ctx context.Context, o org.Org, sid string) (agent.Call, error) {
	d := a.Decisions.Decided(ctx, o.ID, sid)
	p, err := a.Ledger.Parties(ctx, o.ID, sid)
	call := agent.Call{Org: o, SID: sid, AgentID: p.AgentID, Direction: p.Direction, From: p.From, To: p.To, Party: p.Party, StartedAt: p.StartedAt, Trusted: p.Trusted}
	if d == nil {
		return call, err
	}
	call.AgentID, call.Party, call.StartedAt, call.Trusted = d.AgentID, d.Number, d.At, d.Trusted
	if err != nil { // it begins this very moment
		call.Direction, call.From = "inbound", string(d.Number)
	}
	return call, nil
}

// agents answers GET /v1/agents.
func (a *API) agents(r *http.Request, key org.Key) (any, error) {
	agents, err := a.Orgs.Agents(r.Context(), key.OrgID)
	if err != nil {
		return nil, err
	}
	return map[string]any{"agents": agents}, nil
}
