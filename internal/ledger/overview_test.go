package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
)

// archive is an organisation with calls and messages at times that a test gives.
type archive struct {
	*ledger.Reader
	t    *testing.T
	id   org.ID
	exec func(sql string, args ...any)
	n    int
}

func newArchive(t *testing.T) *archive {
	t.Helper()
	pool := pgtest.New(t)
	o, err := org.NewStore(pool).CreateOrg(t.Context(), org.Org{Name: "Acme", Country: "US"})
	if err != nil {
		t.Fatal(err)
	}
	return &archive{Reader: ledger.NewReader(pool), t: t, id: o.ID, exec: func(sql string, args ...any) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}}
}

// add puts a call or message into the ledger, and returns its Sid. trace is the recognition, "" for none.
func (a *archive) add(at time.Time, kind, direction, trace string) string {
	a.t.Helper()
	a.n++
	sid := fmt.Sprintf("CA%d", a.n)
	a.exec(`INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at, recognition)
		VALUES ($1::text::uuid, $2, $3, $4, '+14155551200', '+12125550199', 'completed', 14, $5, nullif($6, '')::jsonb)`, a.id, sid, kind, direction, at, trace)
	return sid
}

const (
	knownTrace   = `{"known": true, "source": "contact", "greeted_by_name": true, "rule": "contact_name", "took_micros": 1000, "steps": [{}]}`
	strangeTrace = `{"known": false, "greeted_by_name": false, "rule": "unknown_number", "took_micros": 3000, "steps": [{}]}`
	withheld     = `{"known": false, "greeted_by_name": false, "rule": "not_a_persons_number", "took_micros": 5, "steps": null}`
)

// Days are those of the viewer: in Berlin the last Sunday of March has 23 hours.
func TestOverviewCountsByTheViewersDays(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	a := newArchive(t)
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, berlin) }
	a.add(at(27, 23, 59), "call", "inbound", knownTrace) // before
	a.add(at(28, 0, 0), "call", "inbound", knownTrace)
	a.add(at(28, 23, 59), "call", "inbound", strangeTrace)
	a.add(at(29, 0, 0), "message", "inbound", "")
	a.add(at(29, 23, 59), "call", "inbound", withheld)
	a.add(at(30, 0, 0), "call", "outbound", "")
	a.exec(`UPDATE interactions SET reason = 'runtime_unreachable' WHERE sid = 'CA3'`)
	other, err := a.Overview(t.Context(), "00000000-0000-4000-8000-000000000000", at(28, 0, 0), at(31, 0, 0))
	if err != nil || other.Calls != 0 || len(other.Days) != 3 {
		t.Errorf("of another organisation: %+v, %v", other, err)
	}
	got, err := a.Overview(t.Context(), a.id, at(28, 0, 0), at(30, 12, 0))
	if err != nil {
		t.Fatal(err)
	}
	want := ledger.Overview{Calls: 3, Known: 1, Greeted: 1, Messages: 1, Outbound: 1, Unreached: 1, P50: 2 * time.Millisecond, P99: 2980 * time.Microsecond,
		Days: []ledger.Day{{Date: at(28, 0, 0), Calls: 2, Known: 1}, {Date: at(29, 0, 0), Calls: 1, Messages: 1}, {Date: at(30, 0, 0), Calls: 1}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := a.Overview(t.Context(), a.id, at(1, 0, 0), at(1, 0, 0).AddDate(1, 0, 0)); err == nil {
		t.Error("a year is summed up")
	}
}

// Some zones put their clocks forward at midnight.
func TestDaysWithoutAMidnight(t *testing.T) {
	t.Parallel()
	for name, gap := range map[string][3]int{"America/Santiago": {2026, 9, 6}, "America/Havana": {2026, 3, 8}, "Africa/Cairo": {2026, 4, 24}, "Asia/Beirut": {2026, 3, 29}} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		last := ledger.DayBegins(gap[0], time.Month(gap[1]), gap[2]-3, zone)
		for n := -2; n < 4; n++ {
			at := ledger.DayBegins(gap[0], time.Month(gap[1]), gap[2]+n, zone)
			noon := time.Date(gap[0], time.Month(gap[1]), gap[2]+n, 12, 0, 0, 0, zone)
			if hours := at.Sub(last).Hours(); at.Day() != noon.Day() || hours < 23 || hours > 25 || n != 0 && at.Hour() != 0 || at.Add(-time.Second).Day() == at.Day() {
				t.Errorf("%s: after %s the next day begins %s", name, last, at)
			}
			last = at
		}
	}
}

func TestFiltersOfTheList(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a.add(noon, "call", "inbound", knownTrace)                  // CA1
	a.add(noon.Add(time.Hour), "call", "inbound", strangeTrace) // CA2
	a.add(noon.Add(2*time.Hour), "call", "outbound", "")        // CA3
	a.add(noon.Add(3*time.Hour), "message", "inbound", "")      // CA4
	yes, no := true, false
	later, two := noon.Add(time.Hour), noon.Add(2*time.Hour)
	for _, c := range []struct {
		name  string
		query ledger.Query
		want  string
	}{
		{"all", ledger.Query{}, "CA4 CA3 CA2 CA1"},
		{"known", ledger.Query{Known: &yes}, "CA1"},
		{"unknown: calls alone, since nobody looks up who a message is from", ledger.Query{Known: &no}, "CA3 CA2"},
		{"out", ledger.Query{Direction: "outbound"}, "CA3"},
		{"messages", ledger.Query{Kind: "message"}, "CA4"},
		{"from", ledger.Query{From: &later}, "CA4 CA3 CA2"},
		{"before", ledger.Query{Before: &two}, "CA2 CA1"},
		{"between", ledger.Query{From: &later, Before: &two}, "CA2"},
		{"no such agent", ledger.Query{AgentID: "00000000-0000-4000-8000-000000000000"}, ""},
		{"no agent's id", ledger.Query{AgentID: "reception"}, ""},
	} {
		page, err := a.List(t.Context(), a.id, c.query)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var sids []string
		for _, i := range page.Interactions {
			sids = append(sids, i.SID)
		}
		if got := strings.Join(sids, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	if _, err := a.List(t.Context(), a.id, ledger.Query{Direction: "sideways"}); err == nil {
		t.Error("there is a direction sideways")
	}
	page, err := a.List(t.Context(), a.id, ledger.Query{Known: &yes})
	if i := page.Interactions[0]; err != nil || !i.Known || i.Source != "contact" || !i.GreetedByName || i.Rule != "contact_name" || i.TookMicros != 1000 {
		t.Errorf("a known caller's call is %+v: %v", i, err)
	}
}

func TestConversation(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	sid := a.add(time.Now(), "call", "inbound", "")
	// The second session was written first.
	for session, lines := range map[string]string{
		"VX2": `[{"at": "2026-03-01T12:01:00Z", "who": "caller", "text": "Are you there?"}]`,
		"VX1": `[{"at": "2026-03-01T12:00:00.5Z", "who": "agent", "text": "Hello"}, {"at": "2026-03-01T12:00:02Z", "who": "caller", "text": "Hi"}]`,
	} {
		a.exec(`INSERT INTO transcripts VALUES ($1::text::uuid, $2, $3, $4::jsonb)`, a.id, sid, session, lines)
	}
	a.exec(`UPDATE interactions SET details = '{"note:2": {"note": "Second", "at": "2026-03-01T12:00:09Z"}, "note:1": {"note": "First", "at": "2026-03-01T12:00:08Z"}, "voice": {"x": 1}}' WHERE sid = $1`, sid)
	a.exec(`INSERT INTO captures (org_id, sid, digest, result) VALUES ($1::text::uuid, $2, 'd', '{"ok": true}')`, a.id, sid)
	c, err := a.Conversation(t.Context(), a.id, sid)
	if err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, l := range c.Lines {
		said = append(said, l.Who+": "+l.Text)
	}
	for _, n := range c.Notes {
		said = append(said, n.Text)
	}
	for _, h := range c.Captures {
		said = append(said, string(h.Result))
	}
	if diff := cmp.Diff([]string{"agent: Hello", "caller: Hi", "caller: Are you there?", "First", "Second", `{"ok": true}`}, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, none := range []string{"CA0", "", "\x00"} {
		if c, err := a.Conversation(t.Context(), a.id, none); none != "\x00" && err != nil || len(c.Lines) > 0 {
			t.Errorf("of %q: %+v, %v", none, c, err)
		}
	}
}
