package campaign

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

const (
	// lookAt is how many people are looked at in one step.
	lookAt = 200
	// burst is how far a campaign that was kept waiting may make up for it.
	burst = time.Second
	// turnTakes bounds one turn: whoever pauses the campaign, or adds people to it, waits for it.
	turnTakes = 500 * time.Millisecond
	// sendWithin is how long a call may wait for its number's turn before it is taken back: the hours are looked
	// at again then, and somebody who was at home may be out.
	sendWithin = 5 * time.Minute
)

// Outcomes of people who are not called. Those of calls are Twilio's words for their end.
const (
	OutcomeOptedOut = "opted_out"  // they want no messages or calls
	OutcomeBlocked  = "blocked"    // a blocked contact
	OutcomePremium  = "premium"    // a number that costs more than a call
	OutcomeOwn      = "own_number" // one of the organisation's own
	OutcomeNoHour   = "no_hour"    // the zones that the number may be in have no hour in common
	OutcomeFailed   = "failed"     // Twilio refused, or could not reach them
	OutcomeMachine  = "machine"    // a machine answered, or a fax
	OutcomeUnknown  = "unknown"    // nothing was heard of the call's end for a day
)

// candidate is somebody whose turn it may be.
type candidate struct {
	id        string
	phone     phone.Number
	variables map[string]string
	attempts  int
	blocked   bool
	optedOut  bool
}

var candidatesSQL = `
	SELECT p.id::text, p.phone, p.variables, p.call_attempts, coalesce((SELECT blocked_at IS NOT NULL FROM contacts WHERE id = ` + contacts.HolderSQL("p.org_id", "p.phone") + `), false),
		ringside_opted_out(p.org_id, p.phone) IS NOT NULL
	FROM campaign_people p WHERE p.campaign_id = $1::text::uuid AND ` + toCallSQL + ` AND p.call_due_at <= now()
		AND NOT EXISTS (SELECT FROM campaign_people q WHERE q.org_id = p.org_id AND q.phone = p.phone AND q.call_state = 'calling') -- by another campaign
	ORDER BY p.call_due_at, p.id LIMIT $2 FOR UPDATE OF p SKIP LOCKED`

// turn hands over the calls of a campaign whose turn it is, as many as its pace allows, and returns how many. Of
// several programs one does it at a time. Where many people cannot be called at this hour, it goes on with the next turn.
func (c *Caller) turn(ctx context.Context, campaignID string) (called int, err error) {
	err = c.Store.within(ctx, func(tx pgx.Tx) error {
		called = 0
		p, err := readPlan(tx.QueryRow(ctx, `SELECT `+planColumns+` FROM campaigns c WHERE id = $1::text::uuid AND state = 'running' AND next_at <= now() FOR NO KEY UPDATE SKIP LOCKED`, campaignID))
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // another program's, or not running any more
		}
		if err != nil {
			return err
		}
		room, from, err := p.room(ctx, tx)
		if err != nil || room == 0 {
			return err
		}
		o, err := c.Orgs.Org(ctx, p.OrgID)
		if err != nil {
			return err
		}
		line, err := c.Lines.Line(ctx, o, string(p.From), p.AgentID)
		if _, cannot := problem.From(err); cannot {
			return c.halt(ctx, tx, p, err)
		}
		if err != nil {
			return err // it could not be looked up
		}
		for began := time.Now(); ; {
			looked, placed, err := c.step(ctx, tx, p, line, room-called)
			if err != nil {
				return err
			}
			if called += placed; looked < lookAt || called == room || time.Since(began) >= c.bound() {
				break
			}
		}
		_, err = tx.Exec(ctx, `UPDATE campaigns SET next_at = $2 WHERE id = $1::text::uuid`, p.CampaignID, from.Add(time.Duration(called)*p.interval()))
		return err
	})
	return called, failed("call a campaign's people", err)
}

// interval is the time between two calls.
func (p *Plan) interval() time.Duration { return time.Minute / time.Duration(p.PerMinute) }

// room returns how many calls may begin now, by the pace and by how many there are; the pace counts from the
// time that it returns.
func (p *Plan) room(ctx context.Context, tx pgx.Tx) (room int, from time.Time, err error) {
	var next, now time.Time
	var calling int
	err = tx.QueryRow(ctx, `
		SELECT next_at, clock_timestamp(), (SELECT count(*) FROM campaign_people WHERE campaign_id = c.id AND call_state = 'calling') FROM campaigns c WHERE id = $1::text::uuid`,
		p.CampaignID).Scan(&next, &now, &calling)
	if err != nil {
		return 0, from, err
	}
	if from = next; from.Before(now.Add(-burst)) {
		from = now.Add(-burst)
	}
	return max(0, min(1+int(now.Sub(from)/p.interval()), p.AtOnce-calling)), from, nil
}

// halt pauses a campaign that cannot call any more, because its voice agent or number is gone.
func (c *Caller) halt(ctx context.Context, tx pgx.Tx, p *Plan, reason error) error {
	c.Log.Warn("a campaign is paused, since it has no number to call from", "campaign", p.CampaignID, "error", reason)
	_, err := tx.Exec(ctx, `UPDATE campaigns SET state = 'paused' WHERE id = $1::text::uuid`, p.CampaignID)
	return err
}

// step looks at the next people, and hands over at most room calls. It returns how many it has looked at: fewer than
// lookAt are all there were.
func (c *Caller) step(ctx context.Context, tx pgx.Tx, p *Plan, line org.Connected, room int) (looked, called int, err error) {
	rows, err := tx.Query(ctx, candidatesSQL, p.CampaignID, lookAt)
	if err != nil {
		return 0, 0, err
	}
	people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (who candidate, err error) {
		err = row.Scan(&who.id, &who.phone, &who.variables, &who.attempts, &who.blocked, &who.optedOut)
		return who, err
	})
	if err != nil {
		return 0, 0, err
	}
	hours, now := p.Hours(), c.now()
	var later []string // people who are not called now
	var outcomes []string
	var due []*time.Time
	put := func(who candidate, outcome string, at *time.Time) {
		later, outcomes, due = append(later, who.id), append(outcomes, outcome), append(due, at)
	}
	for _, who := range people {
		if reason := c.unwanted(p, who); reason != "" {
			put(who, reason, nil)
			continue
		}
		at, ok := hours.Next(who.phone, now)
		switch {
		case !ok:
			put(who, OutcomeNoHour, nil)
		case at.After(now):
			put(who, "", &at)
		case called == room: // the next turn's
		default:
			if err := p.place(ctx, tx, line, who, hours.Closing(who.phone, now).Sub(now)); err != nil {
				return 0, 0, err
			}
			called++
		}
	}
	_, err = tx.Exec(ctx, laterSQL, later, outcomes, due)
	return len(people), called, err
}

// laterSQL notes when people may be called, or why they are not, with the ids in $1.
const laterSQL = `
	UPDATE campaign_people p SET call_state = CASE n.outcome WHEN '' THEN 'waiting' ELSE 'done' END, outcome = CASE n.outcome WHEN '' THEN p.outcome ELSE n.outcome END,
		call_due_at = coalesce(n.due_at, p.call_due_at)
	FROM unnest($1::text[]::uuid[], $2::text[], $3::timestamptz[]) n (id, outcome, due_at) WHERE p.id = n.id`

// bound is how long a turn may take.
func (c *Caller) bound() time.Duration {
	if c.hurries {
		return 0
	}
	return turnTakes
}

// unwanted returns why somebody is not to be called, or "".
func (c *Caller) unwanted(p *Plan, who candidate) string {
	switch {
	case who.blocked:
		return OutcomeBlocked
	case who.optedOut:
		return OutcomeOptedOut
	case c.Owns(p.OrgID, who.phone):
		return OutcomeOwn
	case who.phone.Premium():
		return OutcomePremium
	}
	return ""
}

// place hands somebody's call over, which is to be placed before the hours end.
func (p *Plan) place(ctx context.Context, tx pgx.Tx, line org.Connected, who candidate, left time.Duration) error {
	before := time.Now().Add(min(sendWithin, left))
	item := p.item(line, who)
	item.SendBefore = &before
	return p.handOver(ctx, tx, item)
}

// item is somebody's call.
func (p *Plan) item(line org.Connected, who candidate) outgoing.Item {
	return outgoing.Item{OrgID: p.OrgID, Kind: outgoing.KindCall, From: line.Phone, To: who.phone, AgentID: line.AgentID, Context: p.Context,
		CampaignID: p.CampaignID, PersonID: who.id, Greeting: p.Greeting, Variables: who.variables, DetectMachines: p.HangUpOnMachines}
}

// handOver keeps a call that is to be placed, and that its person is being called.
func (p *Plan) handOver(ctx context.Context, tx pgx.Tx, item outgoing.Item) error {
	kept, _, err := outgoing.Add(ctx, tx, item)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, callingSQL, item.PersonID, kept.ID)
	return err
}

// callingSQL notes that somebody is being called.
const callingSQL = `UPDATE campaign_people SET call_state = 'calling', call_attempts = call_attempts + 1, outgoing_id = $2::text::uuid, outcome = '' WHERE id = $1::text::uuid`
