package api

import (
	"net/http"

	"ringside/internal/campaign"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// callingOperations are how campaigns call their people.
func (a *API) callingOperations() []operation {
	const subject = "Campaigns"
	id := idInPath("The campaign's id.")
	operations := []operation{
		{
			name: "getCampaignCalling", method: "GET", path: "/v1/campaigns/{id}/calling", scope: "read", subject: subject,
			summary: "How a campaign calls its people, and how far it is", parameters: []parameter{id},
			details: "`progress.outcomes` counts those who have a result, by Twilio's word for the end of their call (`completed`, `busy`, `no-answer`, `failed`, `canceled`), or by why there is none: " +
				"`machine` answered, `opted_out`, `blocked`, `premium` and `own_number` are not called, `no_hour` has no hour that suits all zones the number may be in, and of `unknown` nothing was heard for a day.",
			does: asking(a.calling),
		},
		{
			name: "changeCampaignCalling", method: "PATCH", path: "/v1/campaigns/{id}/calling", scope: "write", subject: subject,
			summary: "Change how a campaign calls its people", parameters: []parameter{id},
			details: "From the next call on, also while it runs.",
			does:    taking(a.changeCalling),
		},
	}
	summaries := map[campaign.Action]string{
		campaign.Start: "Begin to call a campaign's people, or go on with those who have no result", campaign.Pause: "Call nobody more for now",
		campaign.Resume: "Go on after a pause", campaign.Stop: "Call nobody more",
	}
	for _, action := range campaign.Actions() {
		operations = append(operations, operation{
			name: string(action) + "Campaign", method: "POST", path: "/v1/campaigns/{id}/" + string(action), scope: "write", subject: subject,
			summary: summaries[action], parameters: []parameter{id}, problems: []problem.Code{problem.CodeConflict},
			details: "To ask for it again changes nothing. Whoever is being called is talked to. What cannot be done as the campaign stands is a `conflict`.",
			does: asking(func(r *http.Request, key org.Key) (*campaign.Plan, error) {
				o, err := a.Orgs.Org(r.Context(), key.OrgID)
				if err != nil {
					return nil, err
				}
				return a.Campaigns.Act(r.Context(), a.Desk, o, r.PathValue("id"), action)
			}),
		})
	}
	return operations
}

func (a *API) calling(r *http.Request, key org.Key) (*campaign.Plan, error) {
	return a.Campaigns.Plan(r.Context(), key.OrgID, r.PathValue("id"))
}

// callingChange is what a client sends to change how a campaign calls; null and absent are the same.
type callingChange struct {
	AgentID          *string   `json:"agent_id,omitempty" nullable:"true" doc:"Who talks; empty: whoever the number leads to."`
	From             *string   `json:"from,omitempty" nullable:"true" doc:"One of the organisation's numbers; empty: one that leads to the voice agent."`
	Greeting         *string   `json:"greeting,omitempty" nullable:"true" doc:"What people hear first, with {{NAME}} and the variables of people, such as {{ORDER}} or {{ORDER|your order}}; empty: the voice agent's greeting."`
	Context          *string   `json:"context,omitempty" nullable:"true" doc:"Why they are called, for the voice agent."`
	PerMinute        *int      `json:"calls_per_minute,omitempty" nullable:"true" doc:"How many calls begin in a minute at most."`
	AtOnce           *int      `json:"calls_at_once,omitempty" nullable:"true" doc:"How many calls there are at any time at most."`
	Opens            *string   `json:"opens,omitempty" nullable:"true" doc:"When people may be called, where they are: 09:00."`
	Closes           *string   `json:"closes,omitempty" nullable:"true" doc:"Until when: 20:00."`
	Days             *[]string `json:"days,omitempty" nullable:"true" doc:"On which days: mon, tue, wed, thu, fri, sat, sun."`
	TimeZone         *string   `json:"time_zone,omitempty" nullable:"true" doc:"Where people are whose numbers may be in several time zones, such as America/New_York; empty: they are called when it is time in all of them."`
	Retries          *int      `json:"retries,omitempty" nullable:"true" doc:"How often those who are busy or do not answer are called again."`
	RetryMinutes     *int      `json:"retry_minutes,omitempty" nullable:"true" doc:"How long after."`
	HangUpOnMachines *bool     `json:"hang_up_on_machines,omitempty" nullable:"true" doc:"Whether a call that a machine answers is ended."`
}

func (a *API) changeCalling(r *http.Request, key org.Key, in callingChange) (*campaign.Plan, error) {
	o, err := a.Orgs.Org(r.Context(), key.OrgID)
	if err != nil {
		return nil, err
	}
	return a.Campaigns.ChangePlan(r.Context(), o, r.PathValue("id"), campaign.Change(in))
}
