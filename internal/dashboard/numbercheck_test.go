package dashboard

import (
	"context"
	"net/http"
	"testing"

	"ringside/internal/member"
	"ringside/internal/numbers"
	"ringside/internal/org"
)

var (
	_ = sample(&checkPage{}, &checkPage{Checks: []numberCheck{
		{Check: numbers.Check{Phone: "+12125550199", Problem: "<worked>"}, ID: "1"}, {Check: numbers.Check{Phone: "+12125550198", Instead: []string{"<worked>"}}, ID: "2"},
		{Check: numbers.Check{Phone: "+12125550197", Differences: []numbers.Difference{{Label: "A call comes in", Is: "<worked>", Should: "https://x/#y"}}}, ID: "3"}}})
	_ = rows("/settings/numbers/{id}/sync", func(s *site) string { return "/settings/numbers/" + s.aNumber() + "/sync" })
)

// console is a Twilio that has nothing set until it is told to, and does not know some numbers.
type console struct{ set, missing bool }

func (c *console) Check(_ context.Context, n org.Number) numbers.Check {
	check := numbers.Check{Phone: n.Phone}
	switch {
	case c.missing:
		check.Problem = "The account has no such number."
	case !c.set:
		check.Differences = []numbers.Difference{{ID: "voice", Label: "A call comes in", Should: "https://r.example/twilio/voice"}}
	}
	return check
}

func (c *console) Sync(ctx context.Context, n org.Number) numbers.Check {
	c.set = true
	check := c.Check(ctx, n)
	check.Synced = true
	return check
}

func TestNumbersAreSetAtTwilio(t *testing.T) {
	t.Parallel()
	twilio := &console{}
	s := open(t, func(d *Dashboard) { d.Numbers = twilio })
	b := s.as(member.Owner)
	b.get("/settings/numbers/check").wants(t, http.StatusOK, "No phone number is connected yet.")
	id := s.aNumber()
	b.get("/settings/numbers").wants(t, http.StatusOK, "Look what is set at Twilio")
	b.get("/settings/numbers/check").wants(t, http.StatusOK, "set otherwise", "A call comes in", "not set", "https://r.example/twilio/voice", "/settings/numbers/"+id+"/sync")
	b.postAnd("/settings/numbers/"+id+"/sync", nil).wants(t, http.StatusOK, "are set at Twilio.", "as it has to be").lacks(t, "Set this at Twilio")
	b.get("/settings/log").wants(t, http.StatusOK, "set a phone number at Twilio")
	twilio.missing = true
	b.get("/settings/numbers/check").wants(t, http.StatusOK, "could not be looked at", "The account has no such number.")
	b.post("/settings/numbers/"+id+"/sync", nil).wants(t, http.StatusBadGateway, "The account has no such number.")
	b.post("/settings/numbers/00000000-0000-4000-8000-000000000000/sync", nil).wants(t, http.StatusNotFound)
	open(t).as(member.Owner).get("/settings/numbers/check").wants(t, http.StatusNotFound, "Twilio cannot be asked from here.")
}
