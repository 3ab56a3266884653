package dashboard

import (
	"ringside/internal/ledger"
	"ringside/internal/member"
)

// callsPage is the list of calls and messages, the latest first.
type callsPage struct {
	frame
	Calls []callRow
	Pager pager
	Demo  *demoPanel
}

func (*callsPage) template() string { return "calls" }

// callRow is a call or message in a list.
type callRow struct {
	ledger.Interaction
	When moment
}

func (d *Dashboard) activityRoutes() []route {
	return []route{
		{method: "GET", path: "/{$}", role: member.Viewer, serve: showCalls},
		{method: "GET", path: "/calls", role: member.Viewer, serve: showCalls},
	}
}

func showCalls(v *visit) error {
	p := &callsPage{frame: frame{Title: "Calls & messages", Here: "calls", Wide: true, Zone: v.zone()}, Demo: v.demoPanel()}
	list, err := v.Ledger.List(v.r.Context(), v.org.ID, ledger.Query{Cursor: v.r.URL.Query().Get("cursor")})
	if err != nil {
		return err
	}
	for _, i := range list.Interactions {
		p.Calls = append(p.Calls, callRow{i, p.Moment(i.StartedAt)})
	}
	p.Pager = v.pages(list.NextCursor)
	return v.ok(p)
}
