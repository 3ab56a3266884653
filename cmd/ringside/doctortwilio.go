package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"ringside/internal/numbers"
	"ringside/internal/org"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
)

// twilio asks how each account stands, and how each number is set.
func (d *doctor) twilio(ctx context.Context) {
	if d.pool == nil || d.lines == nil {
		return
	}
	var err error
	if d.api, err = rest.NewClient(d.config.TwilioAPIURL); err != nil {
		d.found("Twilio", bad, "TWILIO_API_URL cannot be used: %s.", oneLine(err))
		return
	}
	accounts := d.lines.Accounts()
	if len(accounts) == 0 {
		d.found("Twilio", warn, "no account is known: `ringside number add` connects a number of one.")
	}
	for i, account := range accounts {
		d.account(ctx, account, i == 0)
	}
	d.numbers(ctx)
}

func (d *doctor) account(ctx context.Context, account *org.Account, first bool) {
	check := "Twilio account " + account.SID
	state, err := d.api.State(ctx, rest.Account{SID: account.SID, AuthToken: account.AuthToken})
	switch {
	case err != nil:
		text := oneLine(err)
		if _, ok := problem.From(err); !ok {
			text = "Twilio cannot be reached from here: " + text
		}
		d.found(check, bad, "%s", text)
		return
	case !state.Active:
		d.found(check, bad, "Twilio has suspended or closed it: look into Twilio's console.")
	case state.Trial:
		d.found(check, warn, "is a trial: only numbers that you have verified at Twilio can be called and written to.")
	default:
		d.found(check, good, "is active, and Twilio takes its token.")
	}
	if first && !state.Clock.IsZero() {
		d.clock("Clock against Twilio", state.Clock, time.Second)
	}
}

func (d *doctor) numbers(ctx context.Context) {
	public, err := twilio.ParsePublicURL(d.config.PublicURL)
	if err != nil {
		return // said already
	}
	store, checker := org.NewStore(d.pool).WithKeys(d.keys), &numbers.Checker{API: d.api, Lines: d.lines, PublicURL: public}
	orgs, err := store.Orgs(ctx)
	if err != nil {
		d.found("Phone numbers", bad, "they cannot be read: %s.", oneLine(err))
		return
	}
	for _, o := range orgs {
		all, err := store.Numbers(ctx, o.ID)
		if err != nil {
			d.found("Phone numbers", bad, "they cannot be read: %s.", oneLine(err))
			return
		}
		for _, n := range all {
			check := "Phone number " + n.Phone.Readable()
			switch found := checker.Check(ctx, n.Number); {
			case found.Problem != "":
				d.found(check, bad, "%s", found.Problem)
			case !found.Good():
				d.found(check, bad, "%s", different(found))
			default:
				d.found(check, good, "calls and messages to it come here.")
			}
		}
	}
}

// different says what is wrong with a number.
func different(c numbers.Check) string {
	var said []string
	for _, diff := range c.Differences {
		said = append(said, diff.Label)
	}
	text := strings.Join(c.Instead, " ")
	if len(said) > 0 {
		text = strings.TrimSpace(fmt.Sprintf("set otherwise at Twilio: %s. `ringside number sync --yes` sets them. %s", strings.Join(said, ", "), text))
	}
	return text
}
