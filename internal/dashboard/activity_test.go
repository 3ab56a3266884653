package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/recognize"
)

var callSample = callRow{Interaction: ledger.Interaction{SID: "CA1", Kind: "call", Direction: "inbound", From: "+14155551200", Rule: "unknown_number", TookMicros: 900, DurationS: ptr(75),
	ContactID: "1", ContactName: "<worked>"}, Who: "<worked>", Outcome: "ended", Recognised: "unknown", When: moment{ISO: "2026-11-23T00:00:00Z", Text: "now"}}

var _ = sample(
	&callsPage{Empty: &emptyState{Title: "Nobody"}, Live: true},
	&callsPage{Empty: &emptyState{Title: "Nobody"}, Filtered: true, Query: callQuery{Contact: "1"}, Contact: "<worked>"},
	&callsPage{Rows: []callRow{callSample}, Agents: []option{{"", "any"}}, Live: true, Pager: pager{Next: "/calls?cursor=1"}},
	&callPage{Call: callSample, Trace: &recognize.Trace{Number: "+14155551200", Attestation: "x"}, Why: recognize.Explanation{Headline: "No", Because: "<worked>", Steps: []string{"a"}},
		Repairs: []remedy{{"<worked>", "/contacts/new", "Add"}}, Told: []string{"name"}, Lines: []said{{Who: "agent", Text: "<worked>"}}, Notes: []said{{Text: "<worked>"}}, Heard: []capture{{Fields: []string{"name: x"}}}},
	&callPage{Call: callRow{Interaction: ledger.Interaction{Kind: "message"}}},
	&overviewPage{Periods: []period{{7, true}, {30, false}}, Overview: ledger.Overview{Calls: 3, Known: 1, Outbound: 1, P50: time.Millisecond, P99: time.Second, Days: []ledger.Day{{Date: time.Now(), Calls: 3, Known: 1}}},
		Chart: drawDays([]ledger.Day{{Date: time.Now(), Calls: 3, Known: 1}}), Gained: []gain{{"imported", 2}, {"added by hand", 1}}, Latest: []callRow{callSample},
		Health: []Health{{"Database", "bad", "away"}, {"Cache", "warn", "slow"}, {"Runtime", "good", "fine"}}},
	&overviewPage{},
)

var _ = rows("/calls/{sid}", func(s *site) string { return "/calls/" + s.call(callOf{from: s.another()}) })

// callOf is a call that the ledger has.
type callOf struct {
	from    string
	at      time.Time // zero is now
	trace   *recognize.Trace
	contact string
	status  string // "" is completed
}

// call writes a call of Acme into the ledger, and returns its Sid.
func (s *site) call(c callOf) string {
	s.t.Helper()
	s.numbers++
	sid := fmt.Sprintf("CA%032d", s.numbers)
	if c.at.IsZero() {
		c.at = time.Now()
	}
	if c.status == "" {
		c.status = "completed"
	}
	if c.trace == nil {
		c.trace = &recognize.Trace{Rule: recognize.RuleUnknownNumber, Received: c.from, Steps: []recognize.Step{{Tier: recognize.TierPostgres, Outcome: "miss", Micros: 800}}, TookMicros: 900, Told: []string{}}
	}
	trace, err := json.Marshal(c.trace)
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = s.pool.Exec(s.t.Context(), `
		INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, party, contact_id, status, state_rank, started_at, ended_at, duration_s, recognition)
		VALUES ($1::text::uuid, $2, 'call', 'inbound', $3, '+12125550199', $3, nullif($4, '')::uuid, $5, $6, $7, $7, 61, $8)`,
		s.acme.ID, sid, c.from, c.contact, c.status, ledger.Rank(c.status), c.at, trace)
	if err != nil {
		s.t.Fatal(err)
	}
	return sid
}

func TestCallsPage(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Viewer)
	b.get("/calls").wants(t, http.StatusOK, "Nobody has called yet.")
	alex := s.add(contacts.Draft{Name: "Alex Chen", Phone: "+14155551200"})
	s.call(callOf{from: "+14155551200", contact: alex.ID, trace: &recognize.Trace{Rule: recognize.RuleContactName, Known: true, Source: "contact", GreetedByName: true, TookMicros: 400}})
	stranger := s.call(callOf{from: "+12065550100", at: time.Now().AddDate(0, 0, -3)})
	forged := s.call(callOf{from: "+14155551200", trace: &recognize.Trace{Rule: recognize.RuleAttestationFailed}})

	b.get("/calls").wants(t, http.StatusOK, "Alex Chen", "known contact", "0.4 ms", "+1 206-555-0100", "unknown", "not trusted", "/calls/"+stranger, "/calls/"+forged, "sse-connect")
	b.get("/calls?known=yes").wants(t, http.StatusOK, "Alex Chen").lacks(t, "206-555-0100", "sse-connect")
	b.get("/calls?known=no").wants(t, http.StatusOK, "206-555-0100").lacks(t, "known contact")
	b.get("/calls?q=alex").wants(t, http.StatusOK, "Alex Chen").lacks(t, "206-555-0100")
	b.get("/calls?contact="+alex.ID).wants(t, http.StatusOK, "of Alex Chen").lacks(t, "206-555-0100")
	today := time.Now().UTC().Format(time.DateOnly)
	b.get("/calls?from="+today).wants(t, http.StatusOK, "Alex Chen").lacks(t, "206-555-0100")
	b.get("/calls?until="+time.Now().UTC().AddDate(0, 0, -2).Format(time.DateOnly)).wants(t, http.StatusOK, "206-555-0100").lacks(t, "known contact")
	b.get("/calls?direction=outbound").wants(t, http.StatusOK, "No such calls or messages.")
	b.get("/calls?kind=nonsense").wants(t, http.StatusUnprocessableEntity)
}

func TestWhy(t *testing.T) {
	t.Parallel()
	s := open(t)
	b := s.as(member.Editor)
	s.add(contacts.Draft{Name: "Alex Chen", Phone: "+442075551200"})
	sid := s.call(callOf{from: "+14155551200", trace: &recognize.Trace{Rule: recognize.RuleUnknownNumber, Number: "+14155551200", Received: "+14155551200", BudgetMS: 150, TookMicros: 900,
		Steps: []recognize.Step{{Tier: recognize.TierPostgres, Outcome: "miss", Micros: 800}}}})
	b.get("/calls/"+sid).wants(t, http.StatusOK, "Not greeted by name.", "number +1 415-555-1200 was not in your contacts", "Did you mean Alex Chen, +44 20 7555 1200?",
		"/contacts/new?phone=%2B14155551200", "The database did not know (0.80 ms).", "0.9 ms of at most 150 ms", "The agent was told nothing")
	s.as(member.Viewer).get("/calls/"+sid).wants(t, http.StatusOK, "Did you mean Alex Chen").lacks(t, "/contacts/new") // who may not add anybody
	s.add(contacts.Draft{Name: "Robin Park", Phone: "+14155551200"})
	b.get("/calls/"+sid).wants(t, http.StatusOK, "in your contacts by now, as Robin Park").lacks(t, "Did you mean")
	b.get("/calls/CAnothing").wants(t, http.StatusNotFound)
}

func TestConversation(t *testing.T) {
	t.Parallel()
	s := open(t)
	sid := s.call(callOf{from: "+14155551200"})
	for _, sql := range []string{
		`INSERT INTO transcripts VALUES ($1::text::uuid, $2, 'VX1', '[{"at": "2026-11-23T10:00:00Z", "who": "caller", "text": "Hello <there>"}, {"at": "2026-11-23T10:00:01Z", "who": "agent", "text": "Good morning"}]')`,
		`INSERT INTO captures (org_id, sid, digest, result) VALUES ($1::text::uuid, $2, 'x', '{"ok": true, "saved": ["name"], "kept": ["email"]}')`,
		`UPDATE interactions SET details = '{"note:1": {"note": "Wants a call back", "at": "2026-11-23T10:00:02Z"}}', summary = 'Asked for a price' WHERE org_id = $1::text::uuid AND sid = $2`,
	} {
		if _, err := s.pool.Exec(t.Context(), sql, s.acme.ID, sid); err != nil {
			t.Fatal(err)
		}
	}
	s.as(member.Viewer).get("/calls/"+sid).wants(t, http.StatusOK, "Hello &lt;there&gt;", "Good morning", "Saved: name", "Left as it was: email", "Wants a call back", "Asked for a price").lacks(t, "<there>")
}

func TestOverviewPage(t *testing.T) {
	t.Parallel()
	s := open(t, func(d *Dashboard) {
		d.Health = func(context.Context) []Health { return []Health{{"Database", "bad", "It cannot be reached."}} }
	})
	s.alex()
	s.call(callOf{from: "+14155551200", trace: &recognize.Trace{Rule: recognize.RuleContactName, Known: true, Source: "contact", GreetedByName: true, TookMicros: 400, Steps: []recognize.Step{{}}}})
	s.call(callOf{from: "+14155551201"})
	s.call(callOf{from: "+14155551202", at: time.Now().AddDate(0, 0, -20)})
	b := s.as(member.Viewer)
	b.get("/").wants(t, http.StatusOK, "50 %", "1 of 2", "It cannot be reached.", "1 added by hand", "2 calls, 1 recognised", "99 of 100 within 0.9 ms")
	b.get("/?days=30").wants(t, http.StatusOK, "33 %", "1 of 3")
	s.elsewhere().get("/").wants(t, http.StatusOK, "Nobody has called yet.").lacks(t, "Alex")
}

// Every row of a chart stays inside it, whatever there is to draw.
func TestChart(t *testing.T) {
	t.Parallel()
	for _, days := range []int{1, 7, 90} {
		for _, most := range []int{0, 1, 7, 999, 123456} {
			var all []ledger.Day
			for i := range days {
				all = append(all, ledger.Day{Date: time.Now().AddDate(0, 0, -i), Calls: most * i / days, Known: most * i / days / 2})
			}
			c := drawDays(all)
			for _, b := range c.Bars {
				if b.UnknownY < 0 || b.UnknownHeight < 0 || b.KnownHeight < 0 || b.X < chartLeft || b.X+b.Width > chartWidth {
					t.Fatalf("%d days of up to %d calls: %+v", days, most, b)
				}
			}
		}
	}
}

// events reads what a live page is sent.
func (b *browser) events(path string) (next func() (event, data string)) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	b.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	response, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { response.Body.Close() })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" {
		b.t.Fatalf("%s: %d %v", path, response.StatusCode, response.Header)
	}
	lines := bufio.NewScanner(response.Body)
	return func() (event, data string) {
		b.t.Helper()
		for lines.Scan() {
			switch line := lines.Text(); {
			case strings.HasPrefix(line, "event: "):
				event = line[len("event: "):]
			case strings.HasPrefix(line, "data: "):
				data += line[len("data: "):] + "\n"
			case line == "" && event != "":
				return event, data
			}
		}
		b.t.Fatalf("the stream ended: %v", lines.Err())
		return "", ""
	}
}

func TestLiveCalls(t *testing.T) {
	t.Parallel()
	s := open(t)
	first := s.call(callOf{from: "+14155551200", status: "ringing"})
	next := s.as(member.Viewer).events("/calls/live")
	if event, data := next(); event != "rows" || !strings.Contains(data, first) || !strings.Contains(data, "ringing") {
		t.Fatalf("%s: %s", event, data)
	}
	if _, err := s.pool.Exec(t.Context(), `UPDATE interactions SET status = 'completed' WHERE sid = $1`, first); err != nil {
		t.Fatal(err)
	}
	if event, data := next(); event != "row" || !strings.Contains(data, `hx-swap-oob="true"`) || !strings.Contains(data, "ended") {
		t.Fatalf("%s: %s", event, data)
	}
	second := s.call(callOf{from: "+14155551201"})
	if event, data := next(); event != "row" || !strings.Contains(data, `hx-swap-oob="afterbegin:#rows"`) || !strings.Contains(data, second) || strings.Contains(data, first) {
		t.Fatalf("%s: %s", event, data)
	}
}

func TestLivePagesEndWithTheProgram(t *testing.T) {
	t.Parallel()
	s := open(t)
	s.call(callOf{from: "+14155551200"})
	next := s.as(member.Viewer).events("/calls/live")
	next()
	ended := make(chan struct{})
	go func() { s.dashboard.Close(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("closing waits for a stream")
	}
}

func TestDemoLines(t *testing.T) {
	t.Parallel()
	s := open(t, func(d *Dashboard) { d.Demo = quietDemo{} })
	b := s.as(member.Editor)
	s.dashboard.Happened(DemoLine{Kind: "call", Who: "Twilio", Text: "A call"})
	s.dashboard.Happened(DemoLine{Kind: "agent", Who: "Agent", Text: "Hello Alex"})
	b.get("/calls").wants(t, http.StatusOK, "Play a call", "Alex Chen", "Hello Alex", "/demo/lines?after=2")
	next := b.events("/demo/lines?after=1")
	if event, data := next(); event != "line" || !strings.Contains(data, "Hello Alex") || strings.Contains(data, "A call") {
		t.Fatalf("%s: %s", event, data)
	}
	s.dashboard.Happened(DemoLine{Kind: "over", Who: "Twilio", Text: "Over"})
	if _, data := next(); !strings.Contains(data, "Over") || strings.Contains(data, "Hello") {
		t.Fatalf("%s", data)
	}
	b.postAnd("/demo/play", map[string][]string{"caller": {"alex"}}).wants(t, http.StatusOK, "Alex Chen is calling.")
	b.post("/demo/play", map[string][]string{"caller": {"nobody"}}).wants(t, http.StatusUnprocessableEntity)
}

// The log says in words whatever the pages do.
func TestEveryActionHasWords(t *testing.T) {
	t.Parallel()
	d := everyRoute(t).dashboard
	var missing []string
	for _, r := range d.routes() {
		if r.action != "" && actions[r.action] == "" {
			missing = append(missing, r.action)
		}
	}
	if slices.Sort(missing); len(missing) > 0 {
		t.Errorf("no words for the actions %v", missing)
	}
}
