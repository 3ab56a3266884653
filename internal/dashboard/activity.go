package dashboard

import (
	"net/url"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/member"
)

// callsPage is the list of calls and messages, the latest first.
type callsPage struct {
	frame
	Query    callQuery
	Rows     []callRow
	Pager    pager
	Empty    *emptyState
	Live     bool // the first page of everything: new rows come by themselves
	Demo     *demoPanel
	Agents   []option
	Contact  string // the name of the contact whose calls these are
	Filtered bool
}

func (*callsPage) template() string { return "calls" }

// callQuery is what a list was asked for, as it stands in the form.
type callQuery struct{ Text, Kind, Direction, Known, Agent, From, Until, Contact string }

// callRow is a call or message in a list.
type callRow struct {
	ledger.Interaction
	When    moment
	Who     string // a name or number
	Outcome string
	Said    string // the beginning of what a message says
	// Recognised says whether and from where, Badge how it looks.
	Recognised, Badge string
	Place             string // where a row that comes later goes: htmx's hx-swap-oob
	Fresh             bool
}

func (d *Dashboard) activityRoutes() []route {
	return []route{
		{method: "GET", path: "/{$}", role: member.Viewer, serve: showOverview},
		{method: "GET", path: "/calls", role: member.Viewer, serve: showCalls},
		{method: "GET", path: "/calls/live", role: member.Viewer, serve: streamCalls},
		{method: "GET", path: "/calls/{sid}", role: member.Viewer, serve: showCall},
	}
}

// rowText is how much of a message a list shows, in characters.
const rowText = 120

// row prepares a call or message for a list.
func (f *frame) row(i ledger.Interaction) callRow {
	r := callRow{Interaction: i, When: f.Moment(i.StartedAt), Who: readable(i.ContactName), Outcome: outcomeWords(i), Said: messageWords(i, rowText)}
	if r.Who == "" {
		party := i.From
		if i.Direction == "outbound" {
			party = i.To
		}
		if r.Who = readable(party); r.Who == "" {
			r.Who = "Somebody who was erased"
		}
	}
	r.Recognised, r.Badge = recognisedWords(i)
	return r
}

// recognisedWords say whether a caller was recognised, and from where.
func recognisedWords(i ledger.Interaction) (words, badge string) {
	switch {
	case i.Rule == "":
		return "", ""
	case i.Known && i.Source == "campaign":
		return "from a campaign", "good"
	case i.Known:
		return "known contact", "good"
	}
	switch i.Rule {
	case "blocked":
		return "blocked", "bad"
	case "attestation_failed", "attestation_below_threshold":
		return "not trusted", "bad"
	case "out_of_time", "lookup_failed", "overloaded":
		return "not in time", "warn"
	case "not_a_persons_number":
		return "no number", ""
	case "own_number":
		return "own number", ""
	}
	return "unknown", ""
}

// readCallQuery reads what is asked for; dates are days in the viewer's zone.
func (v *visit) readCallQuery() (shown callQuery, q ledger.Query) {
	values := v.r.URL.Query()
	shown = callQuery{Text: values.Get("q"), Kind: values.Get("kind"), Direction: values.Get("direction"), Known: values.Get("known"),
		Agent: values.Get("agent"), From: values.Get("from"), Until: values.Get("until"), Contact: values.Get("contact")}
	q = ledger.Query{Text: shown.Text, Kind: shown.Kind, Direction: shown.Direction, AgentID: shown.Agent, ContactID: shown.Contact, Cursor: values.Get("cursor")}
	switch shown.Known {
	case "yes", "no":
		known := shown.Known == "yes"
		q.Known = &known
	}
	if day, err := time.Parse(time.DateOnly, shown.From); err == nil {
		begin := ledger.DayBegins(day.Year(), day.Month(), day.Day(), v.zone())
		q.From = &begin
	}
	if day, err := time.Parse(time.DateOnly, shown.Until); err == nil {
		next := ledger.DayBegins(day.Year(), day.Month(), day.Day()+1, v.zone())
		q.Before = &next
	}
	return shown, q
}

func showCalls(v *visit) error {
	ctx := v.r.Context()
	shown, q := v.readCallQuery()
	list, err := v.Ledger.List(ctx, v.org.ID, q)
	if err != nil {
		return err
	}
	p := &callsPage{frame: frame{Title: "Calls & messages", Here: "calls", Wide: true, Zone: v.zone()}, Query: shown, Pager: v.pages(list.NextCursor), Demo: v.demoPanel()}
	p.Filtered = shown != callQuery{}
	p.Live = !p.Filtered && q.Cursor == ""
	for _, i := range list.Interactions {
		p.Rows = append(p.Rows, p.row(i))
	}
	agents, err := v.Orgs.Agents(ctx, v.org.ID)
	if err != nil {
		return err
	}
	p.Agents = []option{{"", "any"}}
	for _, a := range agents {
		p.Agents = append(p.Agents, option{a.ID, a.Name})
	}
	if shown.Contact != "" {
		c, err := v.Book.Get(ctx, v.org.ID, shown.Contact)
		if err != nil {
			return err
		}
		p.Contact = c.Name
	}
	switch {
	case len(p.Rows) > 0:
	case p.Filtered:
		p.Empty = &emptyState{"No such calls or messages.", "Try fewer words, or take a filter away.", "/calls", "Show all"}
	case v.Dashboard.Demo == nil:
		p.Empty = &emptyState{"Nobody has called yet.", "Calls and messages appear here as they happen. Connect a phone number first, if you have not done so.", "/settings/numbers", "Phone numbers"}
		if !v.may(member.Owner) {
			p.Empty.Text, p.Empty.Link = "Calls and messages appear here as they happen.", ""
		}
	default:
		p.Empty = &emptyState{Title: "Nobody has called yet.", Text: "Calls and messages appear here as they happen."}
	}
	return v.ok(p)
}

// Kept are the filters that have no field in the form, for its hidden fields.
func (q callQuery) Kept() url.Values {
	kept := url.Values{}
	if q.Contact != "" {
		kept.Set("contact", q.Contact)
	}
	return kept
}
