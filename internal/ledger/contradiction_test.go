package ledger_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
)

// Events that contradict each other end the same whichever comes first, and in one batch.
func TestRule15_ContradictionsEndTheSameInEitherOrder(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	tests := []struct {
		name  string
		a, b  func(*ledger.Event)
		check func(row) any
		want  any
	}{
		{
			"a state and the one before it", func(e *ledger.Event) { e.Status = "queued" }, func(e *ledger.Event) { e.Status = "initiated" },
			func(r row) any { return r.Status }, "initiated",
		},
		{
			"two ends", func(e *ledger.Event) { e.Status = "canceled" }, func(e *ledger.Event) { e.Status = "no-answer" },
			func(r row) any { return r.Status }, "no-answer",
		},
		{
			"two words of tomorrow", func(e *ledger.Event) { e.Status = "parked" }, func(e *ledger.Event) { e.Status = "paused" },
			func(r row) any { return r.Status }, "paused",
		},
		{
			"times", func(e *ledger.Event) { e.StartedAt, e.EndedAt = after(1), after(5) }, func(e *ledger.Event) { e.StartedAt, e.EndedAt = after(2), after(4) },
			func(r row) any { return []time.Time{r.StartedAt, *r.EndedAt} }, []time.Time{after(1), after(5)},
		},
		{
			"the start, told and not", func(e *ledger.Event) { e.StartedAt, e.At = time.Time{}, after(9) }, func(e *ledger.Event) { e.StartedAt, e.At = after(3), after(3) },
			func(r row) any { return r.StartedAt }, after(3),
		},
		{
			"durations", func(e *ledger.Event) { e.DurationS = 64 }, func(e *ledger.Event) { e.DurationS = 61 },
			func(r row) any { return *r.Duration }, 64,
		},
		{
			"trust", func(e *ledger.Event) { e.Untrusted = true }, func(*ledger.Event) {},
			func(r row) any { return r.Trusted }, false,
		},
		{
			"who it is", func(e *ledger.Event) { e.Disowned = true }, func(*ledger.Event) {},
			func(r row) any { return r.Disowned }, true,
		},
		{
			"reasons", func(e *ledger.Event) { e.Reason = "handoff" }, func(e *ledger.Event) { e.Reason = "runtime_lost" },
			func(r row) any { return r.Reason }, "runtime_lost",
		},
		{
			"summaries", func(e *ledger.Event) { e.Summary, e.At = "Z", after(1) }, func(e *ledger.Event) { e.Summary, e.At = "A", after(2) },
			func(r row) any { return r.Summary }, "A",
		},
		{
			"summaries of one moment", func(e *ledger.Event) { e.Summary = "Z" }, func(e *ledger.Event) { e.Summary = "A" },
			func(r row) any { return r.Summary }, "Z",
		},
		{
			"a summary and a later event", func(e *ledger.Event) { e.Summary = "A" }, func(e *ledger.Event) { e.At = after(9) },
			func(r row) any { return []any{r.Summary, r.SummaryAt.Equal(noon)} }, []any{"A", true},
		},
		{
			"addresses", func(e *ledger.Event) { e.From, e.To = "", "B" }, func(e *ledger.Event) { e.From, e.To = "A", "" },
			func(r row) any { return r.From + r.To }, "AB",
		},
		{
			"other addresses", func(e *ledger.Event) { e.From, e.To = "A", "D" }, func(e *ledger.Event) { e.From, e.To = "B", "C" },
			func(r row) any { return r.From + r.To }, "BD",
		},
		{
			"parties", func(e *ledger.Event) { e.Party = jo }, func(e *ledger.Event) { e.Party = alex },
			func(r row) any { return r.Party }, string(alex),
		},
		{
			"a party and none", func(e *ledger.Event) { e.Party = "" }, func(e *ledger.Event) { e.Party = jo },
			func(r row) any { return r.Party }, string(jo),
		},
		{
			"an agent and none", func(e *ledger.Event) { e.AgentID = "" }, func(*ledger.Event) {},
			func(r row) any { return r.Agent }, "Reception",
		},
		{
			"an agent and one who is gone", func(e *ledger.Event) { e.AgentID = "ffffffff-ffff-4fff-bfff-ffffffffffff" }, func(*ledger.Event) {},
			func(r row) any { return r.Agent }, "Reception",
		},
		{
			"a recognition and none", func(e *ledger.Event) { e.Recognition = json.RawMessage(`"A"`) }, func(*ledger.Event) {},
			func(r row) any { return r.Recognition }, "A",
		},
		{
			"kinds", func(e *ledger.Event) { e.Kind, e.Direction = "message", "inbound" }, func(e *ledger.Event) { e.Kind, e.Direction = "call", "outbound" },
			func(r row) any { return r.Kind + r.Direction }, "messageoutbound",
		},
	}
	for _, test := range tests {
		for name, order := range map[string][][]int{"a, b": {{0}, {1}}, "b, a": {{1}, {0}}, "at once": {{0, 1}}, "at once, b first": {{1, 0}}} {
			p := newPlace(t, pool)
			events := []*ledger.Event{p.inbound("CA1", "a", nil), p.inbound("CA1", "b", nil)}
			test.a(events[0])
			test.b(events[1])
			for _, batch := range order {
				var chosen []*ledger.Event
				for _, i := range batch {
					chosen = append(chosen, events[i])
				}
				p.apply(t, chosen...)
			}
			if diff := cmp.Diff(test.want, test.check(p.interaction(t, "CA1"))); diff != "" {
				t.Errorf("%s, %s (-want, +got):\n%s", test.name, name, diff)
			}
		}
	}
}

// Where a call is said to be two agents', which is no matter of order either.
func TestRule15_TwoAgentsOfOneCall(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	second, err := org.NewStore(pool).CreateAgent(t.Context(), org.Agent{OrgID: p.org.ID, Name: "Sales", Greeting: "Hello", RuntimeURL: "ws://localhost:9000"})
	if err != nil {
		t.Fatal(err)
	}
	event := func(sid, name, agentID string) *ledger.Event {
		return p.inbound(sid, name, func(e *ledger.Event) { e.AgentID = agentID })
	}
	p.apply(t, event("CA1", "a", p.agent.ID))
	p.apply(t, event("CA1", "b", second.ID), event("CA2", "b", second.ID))
	p.apply(t, event("CA2", "a", p.agent.ID), event("CA3", "a", p.agent.ID), event("CA3", "b", second.ID))
	want := p.interaction(t, "CA1").Agent
	for _, sid := range []string{"CA2", "CA3"} {
		if got := p.interaction(t, sid).Agent; got != want || got == "" {
			t.Errorf("%s is the agent %q's, and CA1 %q's", sid, got, want)
		}
	}
}
