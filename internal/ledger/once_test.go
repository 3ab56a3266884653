package ledger_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/phone"
	"ringside/internal/postgres/pgtest"
)

func TestRule15_ALateStateNeverOverwritesAFinalOne(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	finals := []string{"completed", "busy", "no-answer", "failed", "canceled"}
	for _, final := range finals {
		for _, late := range []string{"queued", "initiated", "ringing", "in-progress", "", "a word of tomorrow"} {
			sid := final + " " + late
			p.apply(t, p.status(sid, final, 60))
			p.apply(t, p.status(sid, late, 90))
			got := p.interaction(t, sid)
			if got.Status != final || !got.EndedAt.Equal(after(60)) || *got.Duration != 60 {
				t.Errorf("%s, then %q: status %q, ended %v after %d s", final, late, got.Status, got.EndedAt, *got.Duration)
			}
		}
	}
}

func TestRule15_StatesRise(t *testing.T) {
	t.Parallel()
	rising := []string{"a word of tomorrow", "queued", "initiated", "ringing", "in-progress", "canceled", "failed", "no-answer", "busy", "completed"}
	for i, status := range rising {
		if i > 0 && ledger.Rank(status) <= ledger.Rank(rising[i-1]) {
			t.Errorf("%q does not rank above %q", status, rising[i-1])
		}
		if final := slices.Index(rising, "canceled") <= i; ledger.Final(status) != final {
			t.Errorf("Final(%q) = %t", status, !final)
		}
	}
}

func TestRule15_OneCallsEventsAddUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	alexID := p.addContact(t, alex, "Alex Chen")
	p.apply(t,
		p.inbound("CA1", "voice", func(e *ledger.Event) {
			e.Status, e.ContactID, e.Recognition = "ringing", alexID, json.RawMessage(`{"known": true}`)
		}),
		p.inbound("CA1", "note:1", func(e *ledger.Event) { e.Note, e.At = "Wants a quote", after(20) }),
		p.inbound("CA1", "summary:1", func(e *ledger.Event) { e.Summary, e.At = "Asked about pricing", after(50) }),
		p.inbound("CA1", "summary:0", func(e *ledger.Event) { e.Summary, e.At = "Has only begun", after(10) }),
		p.inbound("CA1", "transcript:VX1", func(e *ledger.Event) {
			e.Transcript = &ledger.Transcript{SessionID: "VX1", Lines: []ledger.Line{{At: after(5), Who: "agent", Text: "Hello"}}}
		}),
	)
	p.apply(t, p.inbound("CA1", "after:VX1:ended", func(e *ledger.Event) {
		e.Status, e.At, e.Reason, e.Detail = "in-progress", after(60), "handoff", json.RawMessage(`{"SessionStatus": "ended"}`)
	}), p.ended("CA1", 64))

	end, summaryAt, seconds := after(64), after(50), 64
	want := rows{
		Interactions: []row{{SID: "CA1", Kind: "call", Direction: "inbound", From: string(alex), To: string(line), Party: string(alex),
			Contact: "Alex Chen +14155551200", Agent: "Reception", Status: "completed", Rank: ledger.Rank("completed"),
			StartedAt: noon, EndedAt: &end, Duration: &seconds, Trusted: true, Reason: "handoff",
			Summary: "Asked about pricing", SummaryAt: &summaryAt, Recognition: map[string]any{"known": true},
			Details: map[string]any{
				"note:1":          map[string]any{"note": "Wants a quote", "at": "2026-11-20T12:00:20Z"},
				"after:VX1:ended": map[string]any{"SessionStatus": "ended"},
			}}},
		People: []person{{Phone: string(alex), Name: "Alex Chen", LastContacted: &end}},
		Transcripts: []any{map[string]any{"sid": "CA1", "session": "VX1",
			"lines": []any{map[string]any{"at": "2026-11-20T12:00:05Z", "who": "agent", "text": "Hello"}}}},
	}
	got := p.rows(t)
	got.Events = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
}

func TestRule15_AReplayBringsNobodyBack(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	for _, gone := range []struct{ how, sql string }{
		{"archived", `UPDATE contacts SET archived_at = now() WHERE org_id = $1::text::uuid`},
		{"erased", `DELETE FROM contacts WHERE org_id = $1::text::uuid`},
	} {
		p := newPlace(t, pool)
		events := []*ledger.Event{
			p.inbound("CA1", "voice", func(e *ledger.Event) { e.Status = "ringing" }),
			p.ended("CA1", 60),
			p.inbound("CA1", "after:VX1:completed", func(e *ledger.Event) { e.Status, e.At = "completed", after(61) }),
		}
		p.apply(t, events...)
		if people := p.rows(t).People; len(people) != 1 {
			t.Fatalf("%d people after the call, want the caller", len(people))
		}
		exec(t, pool, gone.sql, p.org.ID)
		before := p.rows(t)
		p.apply(t, events...)
		slices.Reverse(events)
		for _, e := range events {
			p.apply(t, e)
		}
		if diff := cmp.Diff(before, p.rows(t)); diff != "" {
			t.Errorf("%s, a replay changed (-before, +after):\n%s", gone.how, diff)
		}
	}
}

func TestRule15_ARepeatWithinABatchIsOneEvent(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	first := p.inbound("CA1", "note:1", func(e *ledger.Event) { e.Note = "The first delivery" })
	second := p.inbound("CA1", "note:1", func(e *ledger.Event) { e.Note, e.Summary, e.Disowned = "Another one", "Nonsense", true })
	p.apply(t, first, second, first)
	got := p.interaction(t, "CA1")
	want := map[string]any{"note:1": map[string]any{"note": "The first delivery", "at": "2026-11-20T12:00:00Z"}}
	if diff := cmp.Diff(want, got.Details); diff != "" || got.Summary != "" || got.Disowned {
		t.Errorf("the second delivery counted too: %+v\n%s", got, diff)
	}
}

func TestRule15_TwoCallsOfOnePersonInOneBatch(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	p.apply(t, p.ended("CA1", 60), p.ended("CA2", 90), p.status("CA3", "in-progress", 100))
	got := p.rows(t)
	end := after(90)
	if diff := cmp.Diff([]person{{Phone: string(alex), Name: string(alex), LastContacted: &end}}, got.People); diff != "" {
		t.Errorf("(-want, +got):\n%s", diff)
	}
	var contacts []string
	for _, i := range got.Interactions {
		contacts = append(contacts, i.Contact)
	}
	theirs := "+14155551200 +14155551200"
	if diff := cmp.Diff([]string{theirs, theirs, ""}, contacts); diff != "" {
		t.Errorf("whose call it is (-want, +got), the third is not over:\n%s", diff)
	}
}

func TestRule15_TwoOrganisationsWithTheSameSidStayApart(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	ours, theirs := newPlace(t, pool), newPlace(t, pool)
	ours.addContact(t, alex, "Alex Chen")
	foreign := theirs.inbound("CA1", "note:1", func(e *ledger.Event) { e.Note, e.Disowned, e.Summary = "Not yours", true, "Not yours" })
	foreign.AgentID = ours.agent.ID // another organisation's agent and contact are nobody's here
	foreign.ContactID = one[string](t, pool, `SELECT id::text FROM contacts`)
	busy := theirs.status("CA1", "busy", 5)
	busy.AgentID = ""
	ours.apply(t, ours.ended("CA1", 60), foreign, busy)

	got := ours.interaction(t, "CA1")
	if got.Status != "completed" || got.Summary != "" || got.Disowned || got.Contact != "Alex Chen +14155551200" || got.Agent != "Reception" {
		t.Errorf("our call: %+v", got)
	}
	other := theirs.interaction(t, "CA1")
	if other.Status != "busy" || !other.Disowned || other.Contact != "+14155551200 +14155551200" || other.Agent != "" {
		t.Errorf("their call: %+v", other)
	}
}

// A contact that was recognised keeps the call, even if the number is somebody else's by its end.
func TestRule15_TheRecognisedContactKeepsTheCall(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	for _, finalFirst := range []bool{false, true} {
		p := newPlace(t, pool)
		alexID := p.addContact(t, alex, "Alex Chen")
		exec(t, pool, `UPDATE contacts SET archived_at = now() WHERE id = $1::text::uuid`, alexID)
		events := []*ledger.Event{
			p.inbound("CA1", "voice", func(e *ledger.Event) {
				e.ContactID, e.Recognition = alexID, json.RawMessage(`{"known": true}`)
			}),
			p.ended("CA1", 60),
		}
		if finalFirst {
			slices.Reverse(events)
		}
		for _, e := range events {
			p.apply(t, e)
		}
		if got := p.interaction(t, "CA1").Contact; got != "Alex Chen +14155551200 (archived)" {
			t.Errorf("final first %t: the call is %q's", finalFirst, got)
		}
	}
}

// TestTwoWritersOfTheSameCallsNeverDeadlock has two sidecars drain the same events, in opposite
// order, as after an outage.
func TestTwoWritersOfTheSameCallsNeverDeadlock(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p := newPlace(t, pool)
	for round := range 15 {
		var events []*ledger.Event
		for call := range 40 {
			sid, party := fmt.Sprint("CA", round, "/", call), phone.Number(fmt.Sprint("+1415555120", call%10))
			for _, e := range []*ledger.Event{p.status(sid, "ringing", 0), p.status(sid, "in-progress", 1), p.ended(sid, 60+call)} {
				e.Party = party
				events = append(events, e)
			}
		}
		backwards := slices.Clone(events)
		slices.Reverse(backwards)
		err := atOnce([][][]*ledger.Event{{events}, {backwards}}, p.write)
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := one[int](t, pool, `SELECT count(*)::int FROM interactions WHERE status = 'completed'`); n != 15*40 {
		t.Errorf("%d calls completed, want %d", n, 15*40)
	}
}
