package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"ringside/internal/numbers"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
)

type numberSync struct {
	Numbers []string `arg:"" optional:"" help:"The numbers; without any, all of the organisation's."`
	orgFlag
	Yes bool `help:"Set what differs. Without it, nothing is changed."`
	jsonFlag
}

// Help is what --help says beyond the sentence.
func (*numberSync) Help() string {
	return "Shows what is set for the numbers at Twilio and differs from what Ringside needs under RINGSIDE_PUBLIC_URL. Ends with status 1 while something differs or cannot be looked at, with 0 if all is well."
}

func (c *numberSync) Run(a *app) error {
	return a.withDatabase(func(ctx context.Context, db *database) error {
		checker, done, err := a.numberChecker(ctx, db)
		if err != nil {
			return err
		}
		defer done()
		chosen, err := c.chosen(ctx, org.NewStore(db.Pool))
		if err != nil {
			return err
		}
		checks := []numbers.Check{}
		for _, n := range chosen {
			look := checker.Check
			if c.Yes {
				look = checker.Sync
			}
			checks = append(checks, look(ctx, n.Number))
		}
		return c.report(a, checks)
	})
}

// numberChecker asks Twilio as the settings say; done is to be called in the end.
func (a *app) numberChecker(ctx context.Context, db *database) (checker *numbers.Checker, done func(), err error) {
	if a.config.PublicURL == "" {
		return nil, nil, problem.Invalid("RINGSIDE_PUBLIC_URL", "Set RINGSIDE_PUBLIC_URL to the address at which Twilio reaches the sidecar, such as https://ringside.example.com.")
	}
	unlocked, err := db.unlock(ctx, a.config)
	if err != nil {
		return nil, nil, err
	}
	checker = &numbers.Checker{Lines: org.NewSwitchboard(db.Pool).WithKeys(unlocked.keys)}
	if checker.PublicURL, err = twilio.ParsePublicURL(a.config.PublicURL); err != nil {
		return nil, nil, err
	}
	if err := checker.Lines.Load(ctx); err != nil {
		return nil, nil, err
	}
	if checker.API, err = rest.NewClient(a.config.TwilioAPIURL); err != nil {
		return nil, nil, err
	}
	return checker, checker.API.Close, nil
}

// chosen are the numbers that are meant.
func (c *numberSync) chosen(ctx context.Context, store *org.Store) ([]org.Connected, error) {
	o, err := c.find(ctx, store)
	if err != nil {
		return nil, err
	}
	all, err := store.Numbers(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, problem.NotFound("No phone number is connected yet: `ringside number add` connects one.")
	}
	if len(c.Numbers) == 0 {
		return all, nil
	}
	var chosen []org.Connected
	for _, given := range c.Numbers {
		n, err := phone.Parse(given, o.Country)
		if err != nil {
			return nil, problem.Invalid("numbers", "%s", err)
		}
		i := slices.IndexFunc(all, func(k org.Connected) bool { return k.Phone == n })
		if i < 0 {
			return nil, problem.NotFound("%s is not connected: `ringside number add` connects it.", n.Readable())
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

// report prints the checks; what is not well ends the command with an error.
func (c *numberSync) report(a *app, checks []numbers.Check) error {
	bad := 0
	for _, check := range checks {
		if !check.Good() {
			bad++
		}
	}
	if c.JSON {
		if err := printJSON(a, map[string]any{"numbers": checks}); err != nil {
			return err
		}
	} else {
		for _, check := range checks {
			c.show(a, check)
		}
	}
	switch {
	case bad == 0:
		return nil
	case c.Yes:
		return fmt.Errorf("%d of %d numbers are not as they have to be", bad, len(checks))
	}
	return errors.New("nothing was changed: run this again with --yes to set it")
}

// show prints a check for people.
func (*numberSync) show(a *app, c numbers.Check) {
	said := "is as it has to be"
	switch {
	case c.Problem != "":
		said = "could not be looked at: " + c.Problem
	case c.Synced && c.Good():
		said = "is set now"
	case !c.Good():
		said = "differs"
	}
	fmt.Fprintf(a.out, "%s (%s) %s\n", c.Phone.Readable(), c.AccountSID, said)
	for _, d := range c.Differences {
		fmt.Fprintf(a.out, "  %s\n    is      %s\n    should  %s\n", d.Label, cmp.Or(d.Is, "not set"), d.Should)
	}
	for _, instead := range c.Instead {
		fmt.Fprintf(a.out, "  %s\n", instead)
	}
}
