package campaign

import (
	"context"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

// Action is what somebody does with a campaign's calling.
type Action string

// The actions.
const (
	Start  Action = "start"  // begin, or go on after it was stopped or has finished
	Pause  Action = "pause"  // nobody more is called for now
	Resume Action = "resume" // go on after a pause
	Stop   Action = "stop"   // nobody more is called
)

// Actions returns all actions.
func Actions() []Action { return []Action{Start, Pause, Resume, Stop} }

// Leads returns the state that an action leads to from another, and whether it can be taken there.
func (a Action) Leads(from State) (to State, ok bool) {
	switch a {
	case Start:
		return Running, true
	case Pause:
		return Paused, from == Running || from == Paused
	case Resume:
		return Running, from == Running || from == Paused
	case Stop:
		return Stopped, from == Running || from == Paused || from == Stopped
	}
	return from, false
}

// Act starts, pauses, resumes or stops a campaign's calling, and returns how it stands. Whoever is being called
// is talked to; a call that Twilio was not asked for yet is taken back. To do it again changes nothing; what
// cannot be done in the campaign's state is a conflict problem.
func (s *Store) Act(ctx context.Context, lines Lines, o org.Org, campaignID string, a Action) (*Plan, error) {
	err := s.within(ctx, func(tx pgx.Tx) error {
		p, err := readPlan(tx.QueryRow(ctx, `SELECT `+planColumns+` FROM campaigns c WHERE org_id = $1::text::uuid AND id = $2::text::uuid FOR UPDATE`, o.ID, campaignID))
		if err != nil {
			return notThere(err, campaignID)
		}
		to, ok := a.Leads(p.State)
		switch {
		case !ok:
			return problem.New(problem.CodeConflict, "The campaign is not calling: it is %s.", stateWords[p.State])
		case to == p.State:
			return nil
		case to == Running:
			if err := p.ready(ctx, tx, lines, o); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE campaigns SET state = $2 WHERE id = $1::text::uuid`, campaignID, to); err != nil {
			return err
		}
		return recall(ctx, tx, campaignID)
	})
	if err != nil {
		return nil, failed(string(a)+" a campaign", err)
	}
	return s.Plan(ctx, o.ID, campaignID)
}

// stateWords say a state in a sentence.
var stateWords = map[State]string{Draft: "not started yet", Running: "running", Paused: "paused", Stopped: "stopped", Finished: "finished"}

// Words says the state in a sentence: "it is not started yet".
func (s State) Words() string { return stateWords[s] }

// ready refuses to start what cannot call anybody.
func (p *Plan) ready(ctx context.Context, tx pgx.Tx, lines Lines, o org.Org) error {
	if _, err := lines.Line(ctx, o, string(p.From), p.AgentID); err != nil {
		return err
	}
	var some bool
	if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM campaign_people p WHERE campaign_id = $1::text::uuid AND (call_state = 'calling' OR `+toCallSQL+`))`, p.CampaignID).Scan(&some); err != nil {
		return err
	}
	if !some {
		return problem.New(problem.CodeConflict, "There is nobody left to call in this campaign. Add people first.")
	}
	return nil
}

// Lines finds the number that calls go out from. Package outgoing's Desk implements it.
type Lines interface {
	Line(ctx context.Context, o org.Org, from, agentID string) (org.Connected, error)
}

// recall takes back the calls that Twilio was not asked for yet and that are not wanted any more: of campaigns that do
// not run, of people who were blocked or have opted out since, and those whose time is over. Their people wait again, as
// if it had not been their turn. campaignID "" is all.
//
// People are locked before their calls are, as by those who erase them, so that neither waits for the other.
func recall(ctx context.Context, tx pgx.Tx, campaignID string) error {
	_, err := tx.Exec(ctx, `
		WITH late AS (
			SELECT o.id, p.id AS person FROM outgoing o JOIN campaign_people p ON p.id = o.person_id AND p.outgoing_id = o.id AND p.call_state = 'calling'
			WHERE o.campaign_id IS NOT NULL AND ($1 = '' OR o.campaign_id = nullif($1, '')::uuid) AND o.state = 'waiting' AND o.send_before IS NOT NULL AND NOT `+outgoing.WantedSQL+`
			ORDER BY p.id FOR UPDATE OF p
		), gone AS (
			DELETE FROM outgoing o USING late WHERE o.id = late.id AND o.state = 'waiting' RETURNING o.id, late.person
		)
		UPDATE campaign_people p SET call_state = 'waiting', call_attempts = call_attempts - 1, outgoing_id = NULL
		FROM gone WHERE p.id = gone.person`, campaignID)
	return err
}

// forget removes the calls that Twilio was not asked for yet, of people who are gone.
func forget(ctx context.Context, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `
		DELETE FROM outgoing o WHERE campaign_id IS NOT NULL AND state = 'waiting' AND send_before IS NOT NULL
			AND (SELECT true FROM campaign_people p WHERE p.id = o.person_id AND p.outgoing_id = o.id) IS NULL`)
	return err
}
