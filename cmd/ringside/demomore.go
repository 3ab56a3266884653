package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringside/contacts"
	"ringside/internal/campaign"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/simulate"
)

// What the demo's messages and its campaign's call say.
const (
	jamiePhone     = "+12025550133"
	samPhone       = "+13125550177"
	demoQuestion   = "Are you open on Saturday?"
	demoAnswer     = "Hello %s, yes: from nine to four."
	demoOutbound   = "Autumn service"
	outboundWords  = "Hello {{NAME}}, your {{BIKE}} is due for its service."
	outboundAnswer = "Hello Sam Ortiz, your touring bike is due for its service."
)

// messages plays an SMS conversation: a question that the agent's program answers, and STOP.
func (d *demo) messages(ctx context.Context) error {
	asked, err := d.twilio.Send(ctx, simulate.Text{From: jamiePhone, To: d.number.String(), Body: demoQuestion})
	if err != nil {
		return err
	}
	if want := fmt.Sprintf(demoAnswer, "Jamie Lee"); len(asked.Replies) != 1 || asked.Replies[0].Text != want {
		return fmt.Errorf("the sender reads %q instead of %q", asked.Replies, want)
	}
	stopped, err := d.twilio.Send(ctx, simulate.Text{From: jamiePhone, To: d.number.String(), Body: "STOP"})
	if err != nil {
		return err
	}
	if len(stopped.Replies) > 0 {
		return fmt.Errorf("STOP was answered: %q", stopped.Replies)
	}
	out, err := ledger.NewReader(d.sidecar.db.Pool).OptedOut(ctx, d.org.ID, jamiePhone)
	if err != nil {
		return err
	}
	if out == nil {
		return errors.New("STOP was not heard")
	}
	fmt.Fprintf(d.app.out, "✓ %s: answered by name, and gets no messages any more\n", phone.Number(jamiePhone).Readable())
	return nil
}

// outbound has a campaign call somebody.
func (d *demo) outbound(ctx context.Context) error {
	ctx = org.Within(ctx, d.org.ID) // as whoever presses Start in the dashboard
	made, err := d.sidecar.book.CreateCampaign(ctx, d.org.ID, demoOutbound)
	if err != nil {
		return err
	}
	person, err := d.sidecar.book.AddCampaignPerson(ctx, d.org, contacts.CampaignPerson{Campaign: demoOutbound, Name: "Sam Ortiz", Phone: samPhone,
		Notes: "Comes every year", Variables: map[string]string{"BIKE": "touring bike"}})
	if err != nil {
		return err
	}
	store := campaign.NewStore(d.sidecar.db.Pool)
	always, until := "00:00", "24:00" // the demo may be played at night
	_, err = store.ChangePlan(ctx, d.org, made.ID, campaign.Change{Greeting: ptr(outboundWords), Context: ptr("Offer them an appointment this week."), Opens: &always, Closes: &until, Days: &campaign.Weekdays})
	if err != nil {
		return err
	}
	if _, err := store.Act(ctx, d.sidecar.pages.Desk, d.org, made.ID, campaign.Start); err != nil {
		return err
	}
	within, cancel := context.WithTimeout(ctx, outboundLimit)
	defer cancel()
	for {
		result, err := d.sidecar.book.CampaignPerson(within, d.org.ID, made.ID, person.ID)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return fmt.Errorf("the campaign has no result: %w", err)
		case result.Outcome != "":
			return d.called(result)
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-within.Done():
		}
	}
}

// outboundLimit is how long a campaign's call may take from its turn to its result.
const outboundLimit = time.Minute

// called checks what came of the campaign's call.
func (d *demo) called(result contacts.CampaignResult) error {
	if result.Outcome != "completed" {
		return fmt.Errorf("the campaign's call ended as %q", result.Outcome)
	}
	for _, call := range d.exchange.api.Calls() {
		if call.To != samPhone || call.Outcome == nil {
			continue
		}
		if call.Outcome.Greeting != outboundAnswer {
			return fmt.Errorf("whoever was called heard %q instead of %q", call.Outcome.Greeting, outboundAnswer)
		}
		fmt.Fprintf(d.app.out, "✓ %s: called once and greeted by name; the result is kept: %q\n", phone.Number(samPhone).Readable(), strings.TrimSpace(result.Result))
		return nil
	}
	return errors.New("nobody has asked Twilio for the call")
}

func ptr[T any](v T) *T { return &v }

// correspond lets the built-in agent answer messages.
func (d *demo) correspond(ctx context.Context, observe func(simulate.Event)) error {
	_, key, err := d.store.CreateKey(ctx, d.org.ID, "built-in agent", "events")
	if err != nil {
		return err
	}
	d.mail = &simulate.Correspondent{URL: localURL(d.sidecar.public), Key: key, Observe: observe, Answer: func(m simulate.Received) string {
		who := m.Caller.Name
		if who == "" {
			return "Hello, yes: from nine to four. May I ask your name?"
		}
		return fmt.Sprintf(demoAnswer, who)
	}}
	return d.mail.Open(ctx)
}
