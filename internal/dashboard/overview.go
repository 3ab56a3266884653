package dashboard

import (
	"context"
	"strconv"
	"sync"
	"time"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
)

// Health is one of the things that the program depends on, as it is now.
type Health struct {
	Name  string
	State string // "good", "warn" or "bad"
	Text  string // what is wrong and what follows from it; or that all is well
}

// overviewPage sums up the last days.
type overviewPage struct {
	frame
	Period  int // days
	Periods []period
	ledger.Overview
	Share  string // of callers who were recognised
	Gained []gain
	Sum    int
	Chart  chart
	Health []Health
	Latest []callRow
}

func (*overviewPage) template() string { return "overview" }

// period is a choice of how far back the page looks.
type period struct {
	Days int
	Now  bool
}

// gain is how many contacts came in one way.
type gain struct {
	Words string
	Count int
}

// latestCalls is how many calls the overview lists.
const latestCalls = 6

func showOverview(v *visit) error {
	ctx := v.r.Context()
	p := &overviewPage{frame: frame{Title: "Overview", Here: "overview", Wide: true, Zone: v.zone()}, Period: 7}
	if days, err := strconv.Atoi(v.r.URL.Query().Get("days")); err == nil && (days == 30 || days == 90) {
		p.Period = days
	}
	for _, days := range []int{7, 30, 90} {
		p.Periods = append(p.Periods, period{days, days == p.Period})
	}
	now := time.Now().In(v.zone())
	from := ledger.DayBegins(now.Year(), now.Month(), now.Day()-p.Period+1, v.zone())
	var err error
	if p.Overview, err = v.overviews.of(ctx, v.Ledger, v.org.ID, from, now); err != nil {
		return err
	}
	p.Share = percent(p.Known, p.Calls)
	p.Chart = drawDays(p.Days)
	gained, err := v.Book.Gained(ctx, v.org.ID, from, now)
	if err != nil {
		return err
	}
	for _, s := range []contacts.Source{contacts.SourceAuto, contacts.SourceCapture, contacts.SourcePerson, contacts.SourceImport} {
		p.Sum += gained[s]
		if gained[s] > 0 {
			p.Gained = append(p.Gained, gain{sourceWords[s], gained[s]})
		}
	}
	list, err := v.Ledger.List(ctx, v.org.ID, ledger.Query{Limit: latestCalls})
	if err != nil {
		return err
	}
	for _, i := range list.Interactions {
		p.Latest = append(p.Latest, p.row(i))
	}
	p.Health = v.health(ctx)
	if p.Unreached > 0 {
		p.Health = append(p.Health, Health{"Agent runtime", "warn", plural(p.Unreached, "call", "calls") + " in this time could not reach the agent's runtime. Test the connection on the voice agent's page."})
	}
	return v.ok(p)
}

// overviews keeps what took long to sum up for a while, so that people who look at the overview of a
// busy organisation do not have the database read all of its calls each time.
type overviews struct {
	mu   sync.Mutex
	kept map[overviewKey]keptOverview
}

type overviewKey struct {
	org  org.ID
	from time.Time
	zone string
}

type keptOverview struct {
	at time.Time
	ledger.Overview
}

const (
	longOverview = 500 * time.Millisecond // what takes longer is kept
	overviewKept = time.Minute
	maxOverviews = 200
)

// of returns an overview: one that was kept, or as it is now.
func (o *overviews) of(ctx context.Context, reader *ledger.Reader, id org.ID, from, before time.Time) (ledger.Overview, error) {
	key := overviewKey{id, from, from.Location().String()}
	o.mu.Lock()
	kept, ok := o.kept[key]
	o.mu.Unlock()
	if ok && before.Sub(kept.at) < overviewKept {
		return kept.Overview, nil
	}
	began := time.Now()
	sum, err := reader.Overview(ctx, id, from, before)
	if err == nil && time.Since(began) > longOverview {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.kept == nil || len(o.kept) >= maxOverviews {
			o.kept = map[overviewKey]keptOverview{}
		}
		o.kept[key] = keptOverview{before, sum}
	}
	return sum, err
}

func (v *visit) health(ctx context.Context) []Health {
	if v.Health == nil {
		return nil
	}
	return v.Health(ctx)
}
