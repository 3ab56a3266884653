package dashboard

import (
	"ringside/contacts"
	"ringside/internal/member"
)

// billingPage is the plan, and how much of it is used.
type billingPage struct {
	frame
	Usage contacts.Usage
	// ByHand are those that were added by people or files, ByCalls those that callers made.
	ByHand, ByCalls int
	Filled          int // of the bar, in percent
	Room            int // how many more can be added
}

func (*billingPage) template() string { return "billing" }

func (d *Dashboard) billingRoutes() []route {
	return []route{{method: "GET", path: "/billing", role: member.Viewer, serve: showBilling}}
}

func showBilling(v *visit) error {
	ctx := v.r.Context()
	usage, err := v.Book.Usage(ctx, v.org.ID)
	if err != nil {
		return err
	}
	p := &billingPage{frame: frame{Title: "Billing", Here: "billing"}, Usage: usage}
	for _, source := range []contacts.Source{contacts.SourceAuto, contacts.SourceCapture} {
		list, err := v.Book.Search(ctx, v.org.ID, contacts.Query{Source: source, Limit: 1})
		if err != nil {
			return err
		}
		p.ByCalls += list.Total
	}
	p.ByHand = max(0, usage.Used-p.ByCalls)
	if limit := usage.Limit; limit != nil {
		p.Room = max(0, *limit-usage.Used)
		p.Filled = 100
		if *limit > 0 {
			p.Filled = min(100, usage.Used*100 / *limit)
		}
	}
	return v.ok(p)
}
