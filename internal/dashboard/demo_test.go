package dashboard

import "context"

// quietDemo plays calls in which nothing happens.
type quietDemo struct{}

func (quietDemo) Callers() []DemoCaller {
	return []DemoCaller{{ID: "alex", Name: "Alex Chen", About: "is in the address book"}}
}

func (quietDemo) Play(context.Context, string) error { return nil }

var _ = sample(&callsPage{Demo: &demoPanel{Callers: quietDemo{}.Callers(), Lines: []DemoLine{{Kind: "agent", Who: "Agent", Text: "<worked>"}}}})
