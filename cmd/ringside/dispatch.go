package main

import (
	"context"
	"time"

	"ringside/internal/agent"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/numbers"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
)

const (
	// dispatchers is how many calls and messages are sent to Twilio at once.
	dispatchers = 4
	// answerPatience is how long whoever sends something waits for Twilio's answer to it.
	answerPatience = 5 * time.Second
)

// dispatch sends what is to be sent, and calls the people of campaigns, from now on, until [sidecar.quiesce], and returns where that is asked for.
func (s *sidecar) dispatch(store *outgoing.Store, orgs *org.Store, reader *ledger.Reader, publicURL twilio.PublicURL) (*outgoing.Desk, error) {
	api, err := rest.NewClient(s.config.TwilioAPIURL)
	if err != nil {
		return nil, err
	}
	calls := &campaign.Caller{Store: campaign.NewStore(s.db.Pool), Book: s.book, Orgs: orgs, Owns: s.lines.Owns, Log: s.log}
	s.calling = calls
	record := outgoing.Record(s.recorder, s.log)
	sender := &outgoing.Twilio{API: api, Lines: s.lines, PublicURL: publicURL}
	s.numbers = &numbers.Checker{API: api, Lines: s.lines, PublicURL: publicURL}
	d := &outgoing.Dispatcher{Store: store, Sender: sender, Pace: s.config.CallPace, Workers: dispatchers, Log: s.log, Settled: func(ctx context.Context, i *outgoing.Item) {
		calls.Settled(ctx, i)
		record(ctx, i)
	}}
	desk := &outgoing.Desk{Store: store, Lines: s.lines, Numbers: orgs, Book: s.book, OptOuts: reader, Wake: d.Wake, Patience: answerPatience}
	calls.Lines, calls.Placed, calls.End = desk, d.Wake, sender.End
	calls.Missed = func(ctx context.Context, i *outgoing.Item) error {
		ended, err := sender.Ended(ctx, i)
		if err != nil || ended == nil {
			return err
		}
		ended.Announce = agent.CallCompleted(ended)
		return s.recorder.Record(ctx, ended)
	}
	ctx, stop := context.WithCancel(s.running)
	done := make(chan struct{})
	s.background.Go(func() {
		defer close(done)
		defer api.Close()
		if s.demo != nil && !s.demo.await(ctx, &d.Only, &calls.Only) {
			return
		}
		s.background.Go(func() { calls.Run(ctx) })
		d.Run(ctx)
	})
	s.stopSending = func(patience context.Context) {
		stop()
		select {
		case <-done:
		case <-patience.Done(): // whoever sends next looks for what was being sent
		}
	}
	return desk, nil
}

// placedCalls finds the calls that webhooks name. Somebody whom a campaign calls is its person from then on, also where
// the sidecar that had Twilio's answer was killed before it noted so: they may have picked up already.
type placedCalls struct {
	*outgoing.Store
	side *sidecar
}

// Bind implements [voice.Outgoing].
func (p placedCalls) Bind(ctx context.Context, id org.ID, itemID, sid string) (*outgoing.Item, error) {
	i, err := p.Store.Bind(ctx, id, itemID, sid)
	if err == nil && i.Unnoted {
		p.side.calling.Settled(ctx, i)
	}
	return i, err
}
