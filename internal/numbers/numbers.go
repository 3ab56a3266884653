// Package numbers compares what is set for phone numbers at Twilio with what Ringside needs, and sets it.
package numbers

import (
	"context"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/internal/twilio"
	"ringside/internal/twilio/rest"
)

// Checker asks Twilio about phone numbers.
type Checker struct {
	API       *rest.Client
	Lines     *org.Switchboard // knows the accounts' tokens
	PublicURL twilio.PublicURL
}

// Check is how a number is set at Twilio.
type Check struct {
	Phone      phone.Number `json:"phone"`
	AccountSID string       `json:"account_sid"`
	SID        string       `json:"sid,omitempty"` // Twilio's name of the number
	// Differences are what has to be set otherwise; none: all is well.
	Differences []Difference `json:"differences"`
	// Instead says what takes the place of the addresses at Twilio; it has to be taken out there.
	Instead []string `json:"instead"`
	// Problem is why the number could not be looked at; "" if it was.
	Problem string `json:"problem,omitempty"`
	// Synced: the differences that there were have been set.
	Synced bool `json:"synced"`
}

// Good reports whether calls and messages to the number come here.
func (c *Check) Good() bool { return c.Problem == "" && len(c.Differences)+len(c.Instead) == 0 }

// Difference is a setting of a number that is not as it has to be.
type Difference struct {
	ID     string `json:"id"`    // of [twilio.NumberSetting]
	Label  string `json:"label"` // what Twilio's console calls it
	Is     string `json:"is"`    // "" is not set
	Should string `json:"should"`
}

// Check compares a number. What goes wrong is in the result.
func (c *Checker) Check(ctx context.Context, n org.Number) Check {
	found, check := c.find(ctx, n)
	if check.Problem == "" {
		check.compare(found.Endpoints, c.wanted())
	}
	return check
}

// Sync sets what differs, and returns how the number is set then. What goes wrong is in the result.
func (c *Checker) Sync(ctx context.Context, n org.Number) Check {
	found, check := c.find(ctx, n)
	if check.Problem != "" {
		return check
	}
	check.compare(found.Endpoints, c.wanted())
	if len(check.Differences) == 0 {
		return check
	}
	set, err := c.API.UpdateNumber(ctx, c.account(ctx, n), found.SID, c.wanted())
	if err != nil {
		check.Problem = reason(err)
		return check
	}
	check.Differences, check.Synced = nil, true
	check.compare(set.Endpoints, c.wanted())
	return check
}

func (c *Checker) account(ctx context.Context, n org.Number) rest.Account {
	account := rest.Account{SID: n.AccountSID}
	if known := c.Lines.Account(ctx, n.AccountSID); known != nil {
		account.AuthToken = known.AuthToken
	}
	return account
}

// find looks a number up at Twilio.
func (c *Checker) find(ctx context.Context, n org.Number) (rest.Number, Check) {
	check := Check{Phone: n.Phone, AccountSID: n.AccountSID, Differences: []Difference{}, Instead: []string{}}
	found, err := c.API.FindNumber(ctx, c.account(ctx, n), n.Phone)
	if err != nil {
		check.Problem = reason(err)
		return found, check
	}
	check.SID = found.SID
	for _, other := range []struct{ sid, what string }{
		{found.TrunkSID, "Calls go to the SIP trunk "}, {found.VoiceApplicationSID, "Calls go to the TwiML app "}, {found.SMSApplicationSID, "Messages go to the TwiML app "},
	} {
		if other.sid != "" {
			check.Instead = append(check.Instead, other.what+other.sid+", whatever the number's own addresses are: take it out in Twilio's console.")
		}
	}
	return found, check
}

// reason says a failure to people.
func reason(err error) string {
	if p, ok := problem.From(err); ok {
		return p.Detail
	}
	return "Twilio did not answer. Check TWILIO_API_URL and that this machine reaches it, and try again."
}

// wanted are the addresses as they have to be set.
func (c *Checker) wanted() (wanted rest.Endpoints) {
	for _, s := range twilio.NumberSettings() {
		*at(&wanted, s.ID) = rest.Endpoint{URL: c.PublicURL.Webhook(s.Path), Method: "POST"}
	}
	return wanted
}

// at is the address of a setting.
func at(e *rest.Endpoints, id string) *rest.Endpoint {
	switch id {
	case "voice":
		return &e.Voice
	case "fallback":
		return &e.VoiceFallback
	case "status":
		return &e.Status
	default:
		return &e.SMS
	}
}

func (c *Check) compare(is, wanted rest.Endpoints) {
	for _, s := range twilio.NumberSettings() {
		has, should := *at(&is, s.ID), *at(&wanted, s.ID)
		if has == should {
			continue
		}
		d := Difference{ID: s.ID, Label: s.Label, Is: has.URL, Should: should.URL}
		if has.URL == should.URL { // asked by GET
			d.Is, d.Should = has.Method+" "+has.URL, should.Method+" "+should.URL
		}
		c.Differences = append(c.Differences, d)
	}
}
