package api

import (
	"context"
	"net/http"

	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// toolOperations are what an agent may ask for over HTTP rather than on its call's socket.
func (a *API) toolOperations() []operation {
	const subject = "Agents and their tools"
	return []operation{
		{
			name: "captureContact", method: "POST", path: "/v1/tools/capture_contact", scope: "tools", subject: subject,
			summary:  "Keep what an agent heard from the caller",
			details:  "With the same result as `ringside.capture_contact` on the call's socket. What could not be kept is told with 200 and `ok` false.",
			problems: []problem.Code{problem.CodeNotFound, problem.CodeUnavailable},
			does:     taking(a.captureContact),
		},
		{
			name: "listAgents", method: "GET", path: "/v1/agents", scope: "read", subject: subject,
			summary: "The voice agents, without secrets",
			does:    asking(a.agents),
		},
	}
}

// captureInput names the call, whose number it is that a contact is kept under: a model's word for a
// phone counts only where it is explicitly another one.
type captureInput struct {
	CallSID    string `json:"call_sid" doc:"Twilio's Sid of the call."`
	Name       string `json:"name,omitempty"`
	Email      string `json:"email,omitempty"`
	Notes      string `json:"notes,omitempty"`
	OtherPhone string `json:"other_phone,omitempty" doc:"A number that is, explicitly, another one than the call's."`
}

// captureContact answers POST /v1/tools/capture_contact with the same result as on the socket.
func (a *API) captureContact(r *http.Request, key org.Key, in captureInput) (result contacts.CaptureResult, err error) {
	if !plausible(in.CallSID) {
		return result, problem.Invalid("call_sid", "Send the Sid of the call as call_sid: it says whose number this is.")
	}
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return result, err
	}
	call, err := a.call(r.Context(), o, in.CallSID)
	if err != nil {
		return result, err
	}
	return a.Tools.Capture(r.Context(), &call, agent.Message{Name: in.Name, Email: in.Email, Notes: in.Notes, OtherPhone: in.OtherPhone})
}

// call returns a call of the organisation: as it was decided, or, if that is forgotten, as the ledger
// has it, which may be a moment behind.
func (a *API) call(ctx context.Context, o org.Org, sid string) (agent.Call, error) {
	d := a.Decisions.Decided(ctx, o.ID, sid)
	p, err := a.Ledger.Parties(ctx, o.ID, sid)
	call := agent.Call{Org: o, Kind: p.Kind, SID: sid, AgentID: p.AgentID, Direction: p.Direction, From: p.From, To: p.To, Party: p.Party, StartedAt: p.StartedAt, Trusted: p.Trusted, Disowned: p.Disowned}
	if d == nil {
		return call, err
	}
	call.AgentID, call.Party, call.StartedAt, call.Trusted = d.AgentID, d.Number, d.At, d.Trusted
	if err != nil { // it begins this very moment
		call.Direction, call.From = "inbound", string(d.Number)
	}
	return call, nil
}

// agentList is a list that may grow other fields.
type agentList struct {
	Agents []org.Agent `json:"agents"`
}

// agents answers GET /v1/agents.
func (a *API) agents(r *http.Request, key org.Key) (agentList, error) {
	agents, err := a.Orgs.Agents(r.Context(), key.OrgID)
	return agentList{agents}, err
}
