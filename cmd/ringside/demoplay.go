package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/simulate"
)

// scene is one call of the demo, and what has to come of it.
type scene struct {
	title  string
	from   string
	script []simulate.Step
	// greeted is the name that the caller must be greeted by; "" for none.
	greeted string
	// told must each occur in what the agent received about the caller.
	told []string
}

func (d *demo) scenes() []scene {
	return []scene{
		{title: "Alex Chen calls, who is in the address book", from: "+14155551200", greeted: "Alex Chen",
			told:   []string{"alex@acme.io", "Prefers morning calls"},
			script: []simulate.Step{simulate.Say("Hi! What do you know about me?"), simulate.Say("Thanks, goodbye.")}},
		{title: "Maria Gomez calls back, whom only a campaign has called", from: mariaPhone, greeted: "Maria Gomez",
			told:   []string{demoCampaign, "Asked for the yearly price"},
			script: []simulate.Step{simulate.Say("You called me about an offer. What do you know about me?"), simulate.Say("Goodbye.")}},
		{title: "A stranger calls, and leaves a name and an e-mail address", from: d.stranger, greeted: "",
			script: []simulate.Step{simulate.Say("Hello, my name is Robin Park."), simulate.Say("My email is robin at example dot com."), simulate.Say("Goodbye.")}},
		{title: "The stranger calls again, and is no stranger any more", from: d.stranger, greeted: "Robin Park", told: []string{"robin@example.com"},
			script: []simulate.Step{simulate.Say("What do you know about me?"), simulate.Say("Goodbye.")}},
	}
}

// play plays one part after the other and checks each against what was on the wire.
func (d *demo) play(ctx context.Context) error {
	fmt.Fprintf(d.app.out, "Ringside is up, with an organisation of its own (%s), its number %s, and a built-in agent.\nThe agent greets with: %q\n",
		d.org.Name, d.number.Readable(), demoGreeting)
	acts := d.acts()
	for i, act := range acts {
		fmt.Fprintf(d.app.out, "\n── %d of %d: %s ──\n", i+1, len(acts), act.title)
		if err := act.play(ctx); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.failures++
			fmt.Fprintf(d.app.out, "✗ %s\n", oneLine(err))
		}
	}
	if d.failures > 0 {
		return fmt.Errorf("%d of %d did not go as they should", d.failures, len(acts))
	}
	fmt.Fprintf(d.app.out, "\nAll %d went as they should.\n", len(acts))
	return nil
}

// act is a part of the demo.
type act struct {
	title string
	play  func(context.Context) error
}

// acts are the demo's parts: calls that come in, messages, and a campaign's call.
func (d *demo) acts() (acts []act) {
	for _, sc := range d.scenes() {
		acts = append(acts, act{sc.title, func(ctx context.Context) error { return d.scene(ctx, sc) }})
	}
	return append(acts, act{"Jamie Lee writes a message, is answered, and then wants no more", d.messages}, act{"The campaign “" + demoOutbound + "” calls Sam Ortiz", d.outbound})
}

// scene plays one call and checks it: what the caller heard, what the agent was told, and that the
// call is in the ledger.
func (d *demo) scene(ctx context.Context, sc scene) error {
	var script []simulate.Step
	for _, step := range sc.script {
		script = append(script, simulate.Wait(d.pace), step)
	}
	outcome, err := d.twilio.Place(ctx, simulate.Call{From: sc.from, To: d.number.String(), Script: script})
	if err != nil {
		return err
	}
	var wrong []error
	expected := strings.Replace(demoGreeting, "{{NAME}}", sc.greeted, 1)
	if sc.greeted == "" {
		expected = strings.Replace(demoGreeting, " {{NAME}}", "", 1)
	}
	if outcome.Greeting != expected {
		wrong = append(wrong, fmt.Errorf("the caller heard %q instead of %q", outcome.Greeting, expected))
	}
	setup, ok := d.setup(outcome.CallSID)
	if !ok {
		return errors.Join(append(wrong, errors.New("the agent got no session"))...)
	}
	for _, detail := range sc.told {
		if !strings.Contains(setup.CustomParameters["caller_context"], detail) {
			wrong = append(wrong, fmt.Errorf("the agent was not told %q", detail))
		}
	}
	if err := d.recorded(ctx, outcome.CallSID); err != nil {
		wrong = append(wrong, err)
	}
	if wrong != nil {
		return errors.Join(wrong...)
	}
	heard := "not greeted by name, as nobody knows the number"
	if sc.greeted != "" {
		heard = "greeted by name"
	}
	fmt.Fprintf(d.app.out, "✓ %s: %s; the webhook took %s\n", phone.Number(sc.from).Readable(), heard, outcome.VoiceLatency.Round(100*time.Microsecond))
	return nil
}

// setup returns what the agent was told of a call that is over.
func (d *demo) setup(callSID string) (simulate.AgentSetup, bool) {
	for _, session := range d.runtime.Sessions() {
		if setup, ok := session.Setup(); ok && setup.CallSID == callSID {
			return setup, true
		}
	}
	return simulate.AgentSetup{}, false
}

// recorded checks that the call is in the ledger, ended, and tied to a contact.
func (d *demo) recorded(ctx context.Context, callSID string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	call, err := ledger.NewReader(d.sidecar.db.Pool).Find(ctx, d.org.ID, callSID)
	switch {
	case err != nil:
		return fmt.Errorf("the call is not in the ledger: %w", err)
	case call.Status != "completed" || call.ContactID == "":
		return fmt.Errorf("the ledger has the call as %q, tied to the contact %q", call.Status, call.ContactID)
	}
	return nil
}
