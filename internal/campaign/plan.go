package campaign

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/recognize"
)

// State is how far a campaign's calling is.
type State string

// The states.
const (
	Draft    State = "draft" // never started
	Running  State = "running"
	Paused   State = "paused"
	Stopped  State = "stopped"  // by somebody
	Finished State = "finished" // everybody has a result
)

// Plan is how a campaign calls its people.
type Plan struct {
	CampaignID string `json:"campaign_id"`
	OrgID      org.ID `json:"-"`
	State      State  `json:"state"`
	// AgentID is who talks, From the number that people see; "" is one that leads to the agent.
	AgentID string       `json:"agent_id"`
	From    phone.Number `json:"from"`
	// Greeting is what people hear first; "" is the agent's. Context is why they are called, for the agent.
	Greeting string `json:"greeting"`
	Context  string `json:"context"`
	// PerMinute bounds how many calls begin in a minute, AtOnce how many there are at any time.
	PerMinute int `json:"calls_per_minute"`
	AtOnce    int `json:"calls_at_once"`
	// The hours are those where the callee is; Days are among [Weekdays].
	Opens    Clock    `json:"opens"`
	Closes   Clock    `json:"closes"`
	Days     []string `json:"days"`
	TimeZone string   `json:"time_zone"`
	// Retries is how often those who are busy or do not answer are called again, RetryMinutes how long after.
	Retries          int      `json:"retries"`
	RetryMinutes     int      `json:"retry_minutes"`
	HangUpOnMachines bool     `json:"hang_up_on_machines"`
	Progress         Progress `json:"progress"`
}

// Progress is how far a campaign's people are.
type Progress struct {
	// Waiting are to be called, Calling are being called, Done have an outcome.
	Waiting int `json:"waiting"`
	Calling int `json:"calling"`
	Done    int `json:"done"`
	// Outcomes counts those who are done, by outcome.
	Outcomes map[string]int `json:"outcomes"`
	// NextAt is when the next of those who wait may be called, as far as that is known.
	NextAt *time.Time `json:"next_at"`
}

// Limits of a plan. The database holds the same.
const (
	MaxGreeting     = 2000
	MaxContext      = 2000
	MaxPerMinute    = 6000
	MaxAtOnce       = 1000
	MaxRetries      = 10
	MaxRetryMinutes = 7 * 24 * 60
)

// Hours returns when the campaign's people may be called.
func (p *Plan) Hours() Hours {
	h := Hours{Opens: p.Opens, Closes: p.Closes, Zone: p.TimeZone}
	for _, day := range p.Days {
		h.Days = append(h.Days, slices.Index(Weekdays, day)+1)
	}
	return h
}

const planColumns = `c.id::text, c.org_id::text, c.state, coalesce(c.agent_id::text, ''), coalesce(c.from_number, ''), c.greeting, c.context, c.per_minute, c.at_once,
	c.opens, c.closes, c.days, c.time_zone, c.retries, c.retry_minutes, c.hang_up_on_machines`

func readPlan(row pgx.Row) (*Plan, error) {
	var p Plan
	var days []int
	err := row.Scan(&p.CampaignID, &p.OrgID, &p.State, &p.AgentID, &p.From, &p.Greeting, &p.Context, &p.PerMinute, &p.AtOnce,
		&p.Opens, &p.Closes, &days, &p.TimeZone, &p.Retries, &p.RetryMinutes, &p.HangUpOnMachines)
	if err != nil {
		return nil, err
	}
	slices.Sort(days)
	p.Days = []string{}
	for _, day := range slices.Compact(days) {
		p.Days = append(p.Days, Weekdays[day-1])
	}
	return &p, nil
}

// toCallSQL is true for campaign_people p who are still to be called: nobody has called them by other means.
const toCallSQL = `p.call_state = 'waiting' AND (p.called_at IS NULL OR p.call_attempts > 0)`

// Plan returns how a campaign calls, and how far it is; a not-found problem, also for another organisation's.
func (s *Store) Plan(ctx context.Context, id org.ID, campaignID string) (*Plan, error) {
	p, err := readPlan(s.pool.QueryRow(ctx, `SELECT `+planColumns+` FROM campaigns c WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, campaignID))
	if err != nil {
		return nil, failed("read how a campaign calls", notThere(err, campaignID))
	}
	p.Progress.Outcomes = map[string]int{}
	rows, err := s.pool.Query(ctx, `
		SELECT CASE WHEN call_state = 'waiting' THEN 'waiting' ELSE call_state END, outcome, count(*), min(call_due_at) FILTER (WHERE call_state = 'waiting')
		FROM campaign_people p WHERE campaign_id = $1::text::uuid AND (call_state <> 'waiting' OR `+toCallSQL+`) GROUP BY 1, 2`, campaignID)
	if err != nil {
		return nil, failed("count a campaign's people", err)
	}
	var state, outcome string
	var count int
	var next *time.Time
	_, err = pgx.ForEachRow(rows, []any{&state, &outcome, &count, &next}, func() error {
		switch state {
		case "waiting":
			p.Progress.Waiting += count
			if at := next; at != nil && at.After(time.Now()) && (p.Progress.NextAt == nil || at.Before(*p.Progress.NextAt)) {
				p.Progress.NextAt = at
			}
		case "calling":
			p.Progress.Calling += count
		default:
			p.Progress.Done += count
			p.Progress.Outcomes[outcome] += count
		}
		return nil
	})
	return p, failed("count a campaign's people", err)
}

// Change is what is changed of a plan; nil leaves it as it is.
type Change struct {
	AgentID          *string
	From             *string
	Greeting         *string
	Context          *string
	PerMinute        *int
	AtOnce           *int
	Opens            *string // 09:00
	Closes           *string
	Days             *[]string
	TimeZone         *string
	Retries          *int
	RetryMinutes     *int
	HangUpOnMachines *bool
}

// apply changes the plan, or says which field is wrong.
func (c Change) apply(p *Plan, country string) error {
	for to, from := range map[*string]*string{&p.AgentID: c.AgentID, &p.Greeting: c.Greeting, &p.Context: c.Context, &p.TimeZone: c.TimeZone} {
		if from != nil {
			*to = strings.TrimSpace(*from)
		}
	}
	for to, from := range map[*int]*int{&p.PerMinute: c.PerMinute, &p.AtOnce: c.AtOnce, &p.Retries: c.Retries, &p.RetryMinutes: c.RetryMinutes} {
		if from != nil {
			*to = *from
		}
	}
	if c.HangUpOnMachines != nil {
		p.HangUpOnMachines = *c.HangUpOnMachines
	}
	if c.From != nil {
		p.From = ""
		if strings.TrimSpace(*c.From) != "" {
			n, err := phone.Parse(*c.From, country)
			if err != nil {
				return problem.Invalid("from", "%s", err)
			}
			p.From = n
		}
	}
	for _, clock := range []struct {
		name string
		to   *Clock
		from *string
	}{{"opens", &p.Opens, c.Opens}, {"closes", &p.Closes, c.Closes}} {
		if clock.from == nil {
			continue
		}
		at, ok := ParseClock(*clock.from)
		if !ok {
			return problem.Invalid(clock.name, "%q is not a time of day: write it like 09:00.", cut(*clock.from))
		}
		*clock.to = at
	}
	if c.Days != nil {
		p.Days = nil
		for _, day := range Weekdays {
			if slices.ContainsFunc(*c.Days, func(given string) bool { return strings.EqualFold(strings.TrimSpace(given), day) }) {
				p.Days = append(p.Days, day)
			}
		}
		for _, day := range *c.Days {
			if !slices.Contains(Weekdays, strings.ToLower(strings.TrimSpace(day))) {
				return problem.Invalid("days", "%q is not a day: use %s.", cut(day), strings.Join(Weekdays, ", "))
			}
		}
	}
	return p.check()
}

func (p *Plan) check() error {
	for _, f := range []struct{ name, text string }{{"greeting", p.Greeting}, {"context", p.Context}, {"time_zone", p.TimeZone}} {
		if !utf8.ValidString(f.text) || strings.Contains(f.text, "\x00") {
			return problem.Invalid(f.name, "This is not valid text.")
		}
	}
	for _, limit := range []struct {
		field           string
		is, least, most int
	}{{"calls_per_minute", p.PerMinute, 1, MaxPerMinute}, {"calls_at_once", p.AtOnce, 1, MaxAtOnce}, {"retries", p.Retries, 0, MaxRetries}, {"retry_minutes", p.RetryMinutes, 1, MaxRetryMinutes}} {
		if limit.is < limit.least || limit.is > limit.most {
			return problem.Invalid(limit.field, "This is a number from %d to %d.", limit.least, limit.most)
		}
	}
	_, greetingErr := recognize.ParseCampaignGreeting(p.Greeting)
	_, zoneErr := time.LoadLocation(p.TimeZone)
	switch {
	case utf8.RuneCountInString(p.Greeting) > MaxGreeting:
		return problem.Invalid("greeting", "The greeting has at most %d characters.", MaxGreeting)
	case greetingErr != nil:
		return problem.Invalid("greeting", "%s.", sentence(greetingErr))
	case utf8.RuneCountInString(p.Context) > MaxContext:
		return problem.Invalid("context", "What the agent is told has at most %d characters.", MaxContext)
	case p.Opens >= p.Closes:
		return problem.Invalid("closes", "The hours end before they begin: %s to %s.", p.Opens, p.Closes)
	case len(p.Days) == 0:
		return problem.Invalid("days", "Choose at least one day on which people are called.")
	case zoneErr != nil || p.TimeZone == "Local":
		return problem.Invalid("time_zone", "%q is not a time zone: write it like America/New_York.", cut(p.TimeZone))
	}
	return nil
}

// sentence begins an error with a capital.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}

func cut(text string) string {
	if r := []rune(strings.ToValidUTF8(text, "�")); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return strings.ToValidUTF8(text, "�")
}

// ChangePlan changes how a campaign calls, from its next call on. Those who wait for an hour to be called in are
// looked at again.
func (s *Store) ChangePlan(ctx context.Context, o org.Org, campaignID string, c Change) (*Plan, error) {
	err := s.within(ctx, func(tx pgx.Tx) error {
		p, err := readPlan(tx.QueryRow(ctx, `SELECT `+planColumns+` FROM campaigns c WHERE org_id = $1::text::uuid AND id = $2::text::uuid FOR UPDATE`, o.ID, campaignID))
		if err != nil {
			return notThere(err, campaignID)
		}
		before := p.Hours()
		if err := c.apply(p, o.Country); err != nil {
			return err
		}
		if err := p.hasAgent(ctx, tx); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			UPDATE campaigns SET agent_id = nullif($2, '')::uuid, from_number = nullif($3, ''), greeting = $4, context = $5, per_minute = $6, at_once = $7,
				opens = $8, closes = $9, days = $10, time_zone = $11, retries = $12, retry_minutes = $13, hang_up_on_machines = $14
			WHERE id = $1::text::uuid`, campaignID, p.AgentID, p.From, p.Greeting, p.Context, p.PerMinute, p.AtOnce,
			p.Opens, p.Closes, p.Hours().Days, p.TimeZone, p.Retries, p.RetryMinutes, p.HangUpOnMachines)
		if now := p.Hours(); err == nil && !before.same(now) {
			_, err = tx.Exec(ctx, `UPDATE campaign_people p SET call_due_at = 'epoch' WHERE campaign_id = $1::text::uuid AND call_state = 'waiting' AND call_attempts = 0 AND call_due_at > now()`, campaignID)
		}
		return err
	})
	if err != nil {
		return nil, failed("change how a campaign calls", err)
	}
	return s.Plan(ctx, o.ID, campaignID)
}

func (h Hours) same(o Hours) bool {
	return h.Opens == o.Opens && h.Closes == o.Closes && h.Zone == o.Zone && slices.Equal(h.Days, o.Days)
}

// hasAgent refuses a voice agent, or a number, that is not the organisation's.
func (p *Plan) hasAgent(ctx context.Context, tx pgx.Tx) error {
	var agent, number bool
	err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM voice_agents WHERE org_id = $1::text::uuid AND id::text = $2), EXISTS (SELECT FROM phone_numbers WHERE org_id = $1::text::uuid AND phone = $3)`,
		p.OrgID, p.AgentID, p.From).Scan(&agent, &number)
	switch {
	case err != nil:
		return err
	case p.AgentID != "" && !agent:
		return problem.Invalid("agent_id", "The organisation has no voice agent %s.", cut(p.AgentID))
	case p.From != "" && !number:
		return problem.Invalid("from", "%s is not one of your numbers.", p.From.Readable())
	}
	return nil
}

// Missing returns the variables that the greeting says, with how many of those who are to be called lack them:
// they hear the greeting without.
func (s *Store) Missing(ctx context.Context, p *Plan) (lack map[string]int, err error) {
	g, err := recognize.ParseCampaignGreeting(p.Greeting)
	if err != nil || len(g.Variables()) == 0 {
		return map[string]int{}, nil // a greeting that cannot be read was refused
	}
	rows, err := s.pool.Query(ctx, `
		SELECT v, count(*) FROM unnest($2::text[]) v, campaign_people p WHERE p.campaign_id = $1::text::uuid AND `+toCallSQL+` AND NOT p.variables ? v GROUP BY v`, p.CampaignID, g.Variables())
	if err != nil {
		return nil, fmt.Errorf("look for variables: %w", err)
	}
	lack = map[string]int{}
	var name string
	var count int
	_, err = pgx.ForEachRow(rows, []any{&name, &count}, func() error { lack[name] = count; return nil })
	if err != nil {
		return nil, fmt.Errorf("look for variables: %w", err)
	}
	return lack, nil
}
