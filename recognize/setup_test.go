package recognize_test

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/recognize"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alexNumber  = "+14155551200"
	jamieNumber = "+12025550133"
	stranger    = "+13125550100"
)

// when returns a moment, the given number of minutes after some other.
func when(minutes int) time.Time {
	return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute)
}

// book is a directory in memory, for tests of the rules.
type book map[phone.Number]*recognize.Record

func (b book) Find(_ context.Context, _ org.ID, n phone.Number) (recognize.Finding, error) {
	finding := recognize.Finding{Record: &recognize.Record{}, Steps: []recognize.Step{{Tier: recognize.TierProcess, Outcome: "miss"}}}
	if record, ok := b[n]; ok {
		finding.Record, finding.Steps[0].Outcome = record, "hit"
	}
	return finding, nil
}

// finder is a directory that is one function.
type finder func(ctx context.Context, n phone.Number) (recognize.Finding, error)

func (f finder) Find(ctx context.Context, _ org.ID, n phone.Number) (recognize.Finding, error) {
	return f(ctx, n)
}

// alex is a contact of whom everything is known.
func alex() *recognize.Record {
	return &recognize.Record{
		Contact: &recognize.Contact{ID: "c1", Name: "Alex Chen", Email: "alex@acme.io", Tags: []string{"vip"}, Notes: "Prefers morning calls"},
		Campaign: &recognize.Campaign{Campaign: "Spring sale", Name: "A. Chen", Notes: "Wants a quote", Result: "Call back in June",
			CalledAt: when(-5000)},
		History: []recognize.Interaction{
			{SID: "CA8", At: when(-60), EndedAt: when(-57), Kind: "call", Direction: "inbound", DurationS: 184, Summary: "Asked about pricing"},
			{SID: "SM7", At: when(-90), EndedAt: when(-90), Kind: "message", Direction: "outbound"},
		},
	}
}

// jamie is known from a campaign alone.
func jamie() *recognize.Record {
	return &recognize.Record{Campaign: &recognize.Campaign{Campaign: "Spring sale", Name: "Jamie Lee", CalledAt: when(-100)}}
}

// callFrom is a call of the given caller, with a greeting that has a place for the name.
func callFrom(raw string) recognize.Call {
	return recognize.Call{SID: "CA1", Org: &org.Org{ID: "org-1", Country: "US"}, Agent: &org.Agent{ID: "agent-1", Greeting: "Hello {{NAME}}, how can I help?", Tell: org.Details()},
		Party: phone.Classify(raw), At: when(0)}
}

// decide decides a call with all the time in the world.
func decide(t *testing.T, d recognize.Directory, call recognize.Call) *recognize.Decision {
	t.Helper()
	return recognize.NewRecognizer(d, time.Minute).Decide(t.Context(), call)
}
