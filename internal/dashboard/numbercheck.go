package dashboard

import (
	"context"

	"ringside/internal/member"
	"ringside/internal/numbers"
	"ringside/internal/org"
	"ringside/internal/problem"
)

// Numbers asks Twilio how phone numbers are set. Package numbers' Checker implements it.
type Numbers interface {
	Check(ctx context.Context, n org.Number) numbers.Check
	Sync(ctx context.Context, n org.Number) numbers.Check
}

// checkPage is how the phone numbers are set at Twilio.
type checkPage struct {
	frame
	Checks []numberCheck
	Differ bool // something can be set
}

func (*checkPage) template() string { return "number-check" }

// numberCheck is how one of them is set.
type numberCheck struct {
	numbers.Check
	ID string // of the number here
}

// Words say how the number is, and Badge is the class for it.
func (c numberCheck) Words() string {
	switch {
	case c.Problem != "":
		return "could not be looked at"
	case c.Good():
		return "as it has to be"
	}
	return "set otherwise"
}

// Badge is the class of the badge with those words.
func (c numberCheck) Badge() string {
	if c.Good() {
		return "good"
	}
	return "bad"
}

func (d *Dashboard) checkRoutes() []route {
	return []route{
		{method: "GET", path: "/settings/numbers/check", role: member.Owner, serve: showNumberCheck},
		{method: "POST", path: "/settings/numbers/{id}/sync", role: member.Owner, action: "number.sync", serve: syncNumber},
	}
}

// showNumberCheck asks Twilio about each number of the organisation.
func showNumberCheck(v *visit) error {
	all, err := v.Orgs.Numbers(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	if v.Dashboard.Numbers == nil {
		return problem.NotFound("Twilio cannot be asked from here.")
	}
	p := &checkPage{frame: settingsFrame("What is set at Twilio", "numbers")}
	p.Wide = true
	for _, n := range all {
		p.Checks = append(p.Checks, numberCheck{v.Dashboard.Numbers.Check(v.r.Context(), n.Number), n.ID})
	}
	return v.ok(p)
}

// syncNumber sets a number's addresses at Twilio.
func syncNumber(v *visit) error {
	all, err := v.Orgs.Numbers(v.r.Context(), v.org.ID)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.ID != v.r.PathValue("id") || v.Dashboard.Numbers == nil {
			continue
		}
		check := v.Dashboard.Numbers.Sync(v.r.Context(), n.Number)
		if check.Problem != "" {
			return problem.New(problem.CodeTwilioRefused, "%s", check.Problem)
		}
		if check.Synced {
			v.changed(n.ID, n.Phone.Readable(), nil)
		}
		return v.goTo("/settings/numbers/check", "The addresses of "+n.Phone.Readable()+" are set at Twilio.")
	}
	return problem.NotFound("There is no such phone number.")
}
