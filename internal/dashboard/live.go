package dashboard

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/org"
)

// liveEvery is how often the ledger is asked for what is new while somebody watches. All sidecars
// write to it, and other programs may: asking misses nobody's calls.
const liveEvery = time.Second

// live follows the latest calls and messages of the organisations that somebody watches: for each,
// one asks for all who watch.
type live struct {
	list func(context.Context, org.ID, ledger.Query) (ledger.Page, error)
	mu   sync.Mutex
	orgs map[org.ID]*watched
}

// watched is an organisation whose calls somebody watches.
type watched struct {
	watchers int
	cancel   context.CancelFunc
	latest   []ledger.Interaction
	ready    bool          // latest was read
	changed  chan struct{} // closed when latest is another one
}

// watch begins to follow an organisation; done ends that.
func (l *live) watch(id org.ID) (w *watched, done func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.orgs == nil {
		l.orgs = map[org.ID]*watched{}
	}
	w = l.orgs[id]
	if w == nil {
		ctx, cancel := context.WithCancel(org.Within(context.Background(), id))
		w = &watched{cancel: cancel, changed: make(chan struct{})}
		l.orgs[id] = w
		go l.follow(ctx, id, w)
	}
	w.watchers++
	return w, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.watchers--; w.watchers == 0 {
			w.cancel()
			delete(l.orgs, id)
		}
	}
}

// follow asks until nobody watches any more. What cannot be asked now is asked later.
func (l *live) follow(ctx context.Context, id org.ID, w *watched) {
	for {
		asking, cancel := context.WithTimeout(ctx, 5*time.Second)
		page, err := l.list(asking, id, ledger.Query{})
		cancel()
		if err == nil {
			l.mu.Lock()
			if !w.ready || !same(w.latest, page.Interactions) {
				w.latest, w.ready = page.Interactions, true
				close(w.changed)
				w.changed = make(chan struct{})
			}
			l.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(liveEvery):
		}
	}
}

// latest returns what is known, and what is closed when that changes.
func (l *live) latest(w *watched) (latest []ledger.Interaction, ready bool, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return w.latest, w.ready, w.changed
}

func same(a, b []ledger.Interaction) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Same(b[i]) {
			return false
		}
	}
	return true
}

// streamCalls sends the latest calls and messages, first all of them and then those that change.
func streamCalls(v *visit) error {
	page := &callsPage{frame: frame{Zone: v.zone()}}
	return v.stream(func(ctx context.Context, send func(event, id string, body []byte) error) error {
		w, done := v.live.watch(v.org.ID)
		defer done()
		var shown map[string]ledger.Interaction
		for {
			latest, ready, changed := v.live.latest(w)
			if ready {
				event, bodies, err := page.news(shown, latest)
				if err != nil {
					return err
				}
				for _, body := range bodies {
					if err := send(event, "", body); err != nil {
						return err
					}
				}
				shown = map[string]ledger.Interaction{}
				for _, i := range latest {
					shown[i.SID] = i
				}
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// news renders the rows that are not shown as they are: all of them in one event "rows" if none are
// shown, else each that is new or has changed in an event "row", with where it goes. Browsers do not
// read a row and a part of a table beside each other.
func (p *callsPage) news(shown map[string]ledger.Interaction, latest []ledger.Interaction) (event string, bodies [][]byte, err error) {
	event = "row"
	if shown == nil {
		event = "rows"
	}
	for n := len(latest) - 1; n >= 0; n-- { // the oldest first, since each goes to the top
		i := latest[n]
		held, there := shown[i.SID]
		if there && held.Same(i) {
			continue
		}
		row := p.row(i)
		switch {
		case shown == nil:
		case there:
			row.Place = "true"
		default:
			row.Place, row.Fresh = "afterbegin:#rows", true
		}
		html, err := render("calls", "call-news", row)
		if err != nil {
			return "", nil, err
		}
		bodies = append(bodies, html)
	}
	if shown == nil && len(bodies) > 0 {
		slices.Reverse(bodies)
		bodies = [][]byte{bytes.Join(bodies, nil)}
	}
	return event, bodies, nil
}
