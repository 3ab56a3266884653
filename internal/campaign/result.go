package campaign

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/problem"
)

// overdue is how long a call may go on before its end is taken to have been missed: Twilio ends calls after a day
// at most.
const overdue = 25 * time.Hour

// summarised is how long after a call's end its summary may still come.
const summarised = 2 * time.Second

// underWay is somebody who is being called, and what is known of the call.
type underWay struct {
	person, campaign string
	org              org.ID
	attempts         int
	calledAt         *time.Time
	result           string
	retries, minutes int
	hangUp           bool
	atOnce           bool          // asked for out of turn, and so not repeated
	item             outgoing.Item // only what is needed to end it; its State is "" if it is gone
	settledAt        *time.Time
	status, summary  string // of the ledger
	ended            bool
	answeredBy       string
}

const underWaySQL = `
	SELECT p.id::text, p.campaign_id::text, p.org_id::text, p.call_attempts, p.called_at, p.result, c.retries, c.retry_minutes, c.hang_up_on_machines,
		coalesce(o.id::text, ''), coalesce(o.state, ''), coalesce(o.sid, ''), coalesce(o.from_number, ''), p.phone, coalesce(o.problem_code, ''), coalesce(o.problem, ''), coalesce(o.created_at, now()), o.settled_at, o.id IS NOT NULL AND o.send_before IS NULL,
		coalesce(i.status, ''), coalesce(i.summary, ''), coalesce(i.ended_at < now() - $1::interval, false), coalesce(m.answered_by, '')
	FROM campaign_people p JOIN campaigns c ON c.id = p.campaign_id
	LEFT JOIN outgoing o ON o.id = p.outgoing_id
	LEFT JOIN interactions i ON i.org_id = p.org_id AND i.sid = o.sid
	LEFT JOIN LATERAL (SELECT value->>'AnsweredBy' AS answered_by FROM jsonb_each(i.details) WHERE value ? 'AnsweredBy' LIMIT 1) m ON true
	WHERE p.call_state = 'calling' AND (o.id IS NULL OR o.state IN ('sent', 'failed')) AND ($2 = '' OR p.org_id = nullif($2, '')::uuid)`

// results keeps what has come of calls.
func (c *Caller) results(ctx context.Context) error {
	rows, err := c.Store.pool.Query(ctx, underWaySQL, summarised, c.Only)
	if err != nil {
		return failed("look for results of calls", err)
	}
	calls, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (u underWay, err error) {
		err = row.Scan(&u.person, &u.campaign, &u.org, &u.attempts, &u.calledAt, &u.result, &u.retries, &u.minutes, &u.hangUp,
			&u.item.ID, &u.item.State, &u.item.SID, &u.item.From, &u.item.To, &u.item.Code, &u.item.Problem, &u.item.Created, &u.settledAt, &u.atOnce,
			&u.status, &u.summary, &u.ended, &u.answeredBy)
		u.item.OrgID = u.org
		return u, err
	})
	if err != nil {
		return failed("look for results of calls", err)
	}
	goOn := map[string]time.Time{}
	var asking sync.WaitGroup
	requests := 0 // of Twilio's API, in this look
	for _, u := range calls {
		if keepErr := c.keep(ctx, &u); keepErr != nil { // the others' results are kept all the same
			err = cmp.Or(err, keepErr)
			continue
		}
		outcome, _ := u.outcome(c.now())
		if outcome != "" || slices.Contains(final, u.status) {
			continue
		}
		if u.hangUp && machine(u.answeredBy) && requests < requestsAtOnce {
			requests++
			asking.Go(func() { c.hangUp(ctx, &u.item) })
		}
		asked := c.askedFor(&u.item)
		if time.Since(asked) >= askAfter && requests < requestsAtOnce {
			requests++
			asking.Go(func() { c.lookFor(ctx, &u.item) })
			asked = time.Now()
		}
		goOn[u.item.ID] = asked
	}
	asking.Wait()
	c.asked = goOn
	return failed("keep the results of calls", cmp.Or(err, c.summaries(ctx)))
}

const (
	// hearEvery is how often summaries are looked for that came later than the results of their calls, as from agents
	// that sum up what they are told has ended, and hearFor how long after a call was placed.
	hearEvery = 15 * time.Second
	hearFor   = 2 * time.Hour
)

// summaries makes results of summaries that came late.
func (c *Caller) summaries(ctx context.Context) error {
	if time.Since(c.heard) < hearEvery {
		return nil
	}
	c.heard = time.Now()
	rows, err := c.Store.pool.Query(ctx, `
		SELECT p.org_id::text, p.campaign_id::text, p.id::text, i.summary
		FROM outgoing o JOIN campaign_people p ON p.id = o.person_id AND p.outgoing_id = o.id JOIN interactions i ON i.org_id = o.org_id AND i.sid = o.sid
		WHERE o.state IN ('sent', 'failed') AND o.settled_at > now() - $1::interval AND p.call_state = 'done' AND p.outcome = 'completed' AND p.result = '' AND i.summary <> ''
			AND ($2 = '' OR o.org_id = nullif($2, '')::uuid)`, hearFor, c.Only)
	if err != nil {
		return err
	}
	type late struct {
		Org                       org.ID
		Campaign, Person, Summary string
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[late])
	if err != nil {
		return err
	}
	for _, l := range found {
		_, err := c.Book.ChangeCampaignPerson(ctx, l.Org, l.Campaign, l.Person, contacts.CampaignChange{Result: &l.Summary, InsteadOf: new(string)})
		if err != nil && !gone(err) {
			return err
		}
	}
	return nil
}

// requestsAtOnce is how many requests of Twilio's API there are in one look, and requestTakes bounds them: nobody waits
// for their turn because Twilio is slow.
const (
	requestsAtOnce = 20
	requestTakes   = 5 * time.Second
)

// askAfter is how long nothing is heard of a call's end before Twilio is asked, and asked again.
const askAfter = 2 * time.Minute

// askedFor returns when the end of a call was asked for. Of one that was placed before the program began it was not.
func (c *Caller) askedFor(i *outgoing.Item) time.Time {
	asked, ok := c.asked[i.ID]
	switch {
	case ok:
		return asked
	case !c.began.IsZero() && c.began.After(i.Created):
		return time.Time{}
	}
	return time.Now()
}

// lookFor asks for the end of a call.
func (c *Caller) lookFor(ctx context.Context, i *outgoing.Item) {
	ctx, cancel := context.WithTimeout(ctx, requestTakes)
	defer cancel()
	if err := c.Missed(ctx, i); err != nil {
		c.Log.Warn("Twilio could not be asked for the end of a campaign's call", "call_sid", i.SID, "error", err)
	}
}

// hangUp ends a call that a machine has answered.
func (c *Caller) hangUp(ctx context.Context, i *outgoing.Item) {
	ctx, cancel := context.WithTimeout(ctx, requestTakes)
	defer cancel()
	if err := c.End(ctx, i); err != nil {
		c.Log.Warn("a call that a machine has answered goes on", "call_sid", i.SID, "error", err)
	}
}

// keep keeps what is known of a call by now.
func (c *Caller) keep(ctx context.Context, u *underWay) error {
	if err := c.markCalled(ctx, u.org, u.campaign, u.person, u.calledAt, u.item.State, u.settledAt); err != nil {
		return err
	}
	outcome, again := u.outcome(c.now())
	if outcome == "" {
		return nil
	}
	if again && !u.atOnce && u.attempts <= u.retries {
		_, err := c.Store.pool.Exec(ctx, `
			WITH fenced AS (SELECT set_config('ringside.fenced', 'on', true))
			UPDATE campaign_people SET call_state = 'waiting', outcome = $3, call_due_at = now() + make_interval(mins => $4), outgoing_id = NULL
			FROM fenced WHERE id = $1::text::uuid AND call_state = 'calling' AND outgoing_id IS NOT DISTINCT FROM nullif($2, '')::uuid`, u.person, u.item.ID, outcome, u.minutes)
		return failed("call somebody again", err)
	}
	if text := u.words(outcome); (u.result == "" || slices.Contains(ours, u.result)) && text != "" && text != u.result {
		_, err := c.Book.ChangeCampaignPerson(ctx, u.org, u.campaign, u.person, contacts.CampaignChange{Result: &text, InsteadOf: &u.result})
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	_, err := c.Store.pool.Exec(ctx, `
		WITH fenced AS (SELECT set_config('ringside.fenced', 'on', true))
		UPDATE campaign_people SET call_state = 'done', outcome = $3
		FROM fenced WHERE id = $1::text::uuid AND call_state = 'calling' AND (outgoing_id = nullif($2, '')::uuid OR $2 = '')`, u.person, u.item.ID, outcome)
	return failed("keep the result of a call", err)
}

// markCalled records that somebody was called, so that they are recognised when they call back (rule 8), once Twilio
// has the call.
func (c *Caller) markCalled(ctx context.Context, id org.ID, campaignID, personID string, before *time.Time, state outgoing.State, at *time.Time) error {
	if state != outgoing.Sent || at == nil || before != nil && !before.Before(at.Truncate(time.Microsecond)) {
		return nil
	}
	_, err := c.Book.ChangeCampaignPerson(ctx, id, campaignID, personID, contacts.CampaignChange{CalledAt: at})
	if gone(err) {
		return nil
	}
	return err
}

// Settled is told by the dispatcher of each call that was sent or has failed, so that those whom a campaign calls are
// its people before they pick up.
func (c *Caller) Settled(ctx context.Context, i *outgoing.Item) {
	if i.PersonID == "" {
		return
	}
	now := time.Now()
	if err := c.markCalled(ctx, i.OrgID, i.CampaignID, i.PersonID, nil, i.State, &now); err != nil {
		c.Log.Warn("it is noted in a moment that somebody was called by a campaign", "id", i.ID, "error", err)
	}
}

// gone reports whether an error says that the person was deleted, or erased, meanwhile.
func gone(err error) bool {
	p, ok := problem.From(err)
	return ok && p.Code == problem.CodeNotFound
}

// final are Twilio's words for the end of a call.
var final = []string{"completed", "busy", "no-answer", "failed", "canceled"}

// outcome returns what has come of a call, "" if it is not over, and whether another one may do better.
func (u *underWay) outcome(now time.Time) (outcome string, again bool) {
	switch {
	case u.item.State == outgoing.Failed && u.item.Code == problem.CodeOptedOut:
		return OutcomeOptedOut, false
	case u.item.State == outgoing.Failed:
		return OutcomeFailed, u.item.Code == problem.CodeUnavailable || u.item.Code == problem.CodeRateLimited
	case slices.Contains(final, u.status):
		if u.status == "completed" && !u.ended {
			return "", false
		}
		if machine(u.answeredBy) {
			return OutcomeMachine, false
		}
		return u.status, u.status == "busy" || u.status == "no-answer"
	case u.item.State == "" || u.settledAt != nil && now.Sub(*u.settledAt) > overdue:
		return OutcomeUnknown, false
	}
	return "", false
}

// machine reports whether Twilio took whoever answered for a machine (Twilio: AnsweredBy).
func machine(answeredBy string) bool {
	return strings.HasPrefix(answeredBy, "machine") || answeredBy == "fax"
}

// words says an outcome to the agent, when they call back.
func (u *underWay) words(outcome string) string {
	if outcome == "completed" {
		return u.summary
	}
	return words[outcome]
}

var words = map[string]string{
	"busy": "The line was busy.", "no-answer": "They did not answer.", "canceled": "The call was canceled before they answered.",
	OutcomeMachine: "A machine answered.", OutcomeFailed: "They could not be reached.",
}

// ours are the results that were written by themselves, and give way to that of a later call.
var ours = slices.Collect(maps.Values(words))
