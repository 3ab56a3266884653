package api

import (
	"net/http"

	"ringside/internal/idempotency"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

// sendOperations send calls and messages.
func (a *API) sendOperations() []operation {
	const subject = "Sending calls and messages"
	const details = "The answer waits a few seconds for Twilio's. `state` is `sent` once Twilio has it, under `sid`; `waiting` while it is not its turn yet or Twilio is busy, and `unclear` where Twilio's answer was lost: " +
		"it goes on by itself, and nothing is sent twice. What becomes of it then is among the interactions. With an `Idempotency-Key`, the same request is the same for 30 days."
	refused := []problem.Code{problem.CodeConflict, problem.CodeOptedOut, problem.CodeTwilioRefused, problem.CodeUnavailable, problem.CodeForbidden}
	return []operation{
		{
			name: "placeCall", method: "POST", path: "/v1/calls", scope: "write", subject: subject,
			summary: "Call somebody", details: "The voice agent talks to them once they pick up, and greets them by name if they are known. Calls from one number begin at least `RINGSIDE_CALL_PACE` apart. " + details,
			problems: refused, does: creating(a.placeCall),
		},
		{
			name: "sendMessage", method: "POST", path: "/v1/messages", scope: "write", subject: subject,
			summary: "Write to somebody", details: "Whoever has asked for no more messages is sent none: `opted_out`. " + details,
			problems: refused, does: creating(a.sendMessage),
		},
		{
			name: "outgoing", method: "GET", path: "/v1/outgoing/{id}", scope: "read", subject: subject,
			summary:    "A call or message on its way to Twilio",
			parameters: []parameter{idInPath("The `id` that it was answered with.")},
			does:       asking(a.outgoing),
		},
	}
}

// callInput asks for a call.
type callInput struct {
	To      string `json:"to" doc:"Whom to call."`
	From    string `json:"from,omitempty" doc:"One of the organisation's numbers; without it, one that leads to the voice agent."`
	AgentID string `json:"agent_id,omitempty" doc:"Who talks; without it, whoever the number leads to."`
	Context string `json:"context,omitempty" doc:"Why they are called, for the voice agent: up to 2000 characters."`
	// CampaignID makes it a campaign's call.
	CampaignID string `json:"campaign_id,omitempty" doc:"The campaign whose call it is: they become one of its people if they are not, hear its greeting, and are not called by it again."`
}

// headerSimulated is sent by the simulator, which must never have somebody called.
const headerSimulated = "Ringside-Simulated"

func (a *API) placeCall(r *http.Request, key org.Key, in callInput) (*outgoing.Item, error) {
	if r.Header.Get(headerSimulated) != "" && !a.Simulated {
		return nil, problem.New(problem.CodeConflict, "This sidecar asks Twilio itself, so nobody was called. Start it with TWILIO_API_URL, the address at which Twilio's REST API is simulated.")
	}
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return nil, err
	}
	call := outgoing.CallRequest{To: in.To, From: in.From, AgentID: in.AgentID, Context: in.Context, Key: keyOf(r)}
	if in.CampaignID != "" {
		return a.Campaigns.Call(r.Context(), a.Desk, a.Book, o, in.CampaignID, call)
	}
	return a.Desk.Call(r.Context(), o, call)
}

// messageInput asks for a message.
type messageInput struct {
	To   string `json:"to" doc:"Whom to write to."`
	From string `json:"from,omitempty" doc:"One of the organisation's numbers; without it, the first."`
	Text string `json:"text" doc:"What it says: up to 1600 characters."`
}

func (a *API) sendMessage(r *http.Request, key org.Key, in messageInput) (*outgoing.Item, error) {
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return nil, err
	}
	return a.Desk.Message(r.Context(), o, outgoing.MessageRequest{To: in.To, From: in.From, Text: in.Text, Key: keyOf(r)})
}

func (a *API) outgoing(r *http.Request, key org.Key) (*outgoing.Item, error) {
	return a.Desk.Store.Get(r.Context(), key.OrgID, r.PathValue("id"))
}

// keyOf is what the sender calls the request, or "".
func keyOf(r *http.Request) string { return r.Header.Get(idempotency.Header) }
