package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
)

type numberCommands struct {
	Add  numberAdd  `cmd:"" help:"Connect a Twilio phone number to a voice agent."`
	Sync numberSync `cmd:"" help:"Compare what is set for numbers at Twilio with what Ringside needs, and set it."`
}

type numberAdd struct {
	Phone string `arg:"" help:"The number, such as +12125550199."`
	orgFlag
	Agent         string `required:"" help:"The voice agent's id." placeholder:"ID"`
	AccountSID    string `name:"account-sid" help:"The Twilio account that owns the number; default TWILIO_ACCOUNT_SID." placeholder:"AC…"`
	AuthTokenFile string `type:"path" help:"A file with that account's auth token; default TWILIO_AUTH_TOKEN." placeholder:"FILE"`
	jsonFlag
}

func (c *numberAdd) Run(a *app) error {
	token := string(a.config.TwilioAuthToken)
	if c.AuthTokenFile != "" {
		var err error
		if token, err = readSecretFile("auth_token_file", c.AuthTokenFile); err != nil {
			return err
		}
	}
	if token == "" {
		return problem.Invalid("auth_token_file", "Give the account's auth token in a file, or in TWILIO_AUTH_TOKEN: without it no request of Twilio can be verified.")
	}
	return a.withDatabase(func(ctx context.Context, db *database) error {
		store, err := db.orgs(ctx, a.config)
		if err != nil {
			return err
		}
		o, err := c.find(ctx, store)
		if err != nil {
			return err
		}
		n, err := phone.Parse(c.Phone, o.Country)
		if err != nil {
			return problem.Invalid("phone", "%s", err)
		}
		added, err := store.AddNumber(ctx, org.Number{OrgID: o.ID, Phone: n, AgentID: c.Agent, AccountSID: cmp.Or(c.AccountSID, a.config.TwilioAccountSID)}, token)
		if err != nil {
			return err
		}
		base := a.config.PublicURL
		if base == "" {
			base = "https://YOUR-HOST"
		}
		var settings strings.Builder
		for _, s := range twilio.NumberSettings() {
			fmt.Fprintf(&settings, "\n  %-23s %s%s", s.Label, strings.TrimSuffix(base, "/"), s.Path)
		}
		return c.print(a, added, `Connected %s: %s
Now set the number in the Twilio console, each as HTTP POST (see docs/twilio.md):%s`, n.Readable(), added.ID, settings.String())
	})
}
