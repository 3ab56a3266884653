package main

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ringside/cache/redistest"
	"ringside/internal/postgres/pgtest"
)

// The parts that are killed.
const (
	partSidecar  = "the sidecar"
	partPostgres = "Postgres"
	partRedis    = "Redis"
	partBoth     = "Postgres, then the sidecar" // what was acknowledged in between must be on a disk
)

var parts = []string{partSidecar, partPostgres, partRedis, partBoth}

// crashes kills the parts of a sidecar's set-up while it is under load.
type crashes struct {
	t        *testing.T
	shop     *shop
	database *pgtest.Instance
	redis    *redistest.Server
	settings []string
	side     *serving
	load     *load
	random   *rand.Rand

	rounds  map[string]int
	back    map[string][]time.Duration // from when the part was started again until nothing was missing
	drained map[string][]time.Duration // how long after Postgres was back the spool was empty
}

// number reads a setting of the test itself.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	must(t, err)
	return n
}

// Whatever is killed, and whenever: what was acknowledged is in Postgres, once, and nothing is half
// there. RINGSIDE_CRASH_ROUNDS is how often each part is killed, RINGSIDE_CRASH_EVENTS for how many
// acknowledged events to go on, RINGSIDE_CRASH_SEED repeats the moments of a run: make crash.
func TestCrashes(t *testing.T) {
	t.Parallel()
	rounds, events, seed := number(t, "RINGSIDE_CRASH_ROUNDS", 2), number(t, "RINGSIDE_CRASH_EVENTS", 0), number(t, "RINGSIDE_CRASH_SEED", int(time.Now().UnixNano()))
	t.Logf("RINGSIDE_CRASH_SEED=%d", seed)
	c := newCrashes(t, uint64(seed))
	c.load.begin(12, 2)
	for _, part := range parts {
		for range rounds {
			c.killed(part, c.between(50*time.Millisecond, 600*time.Millisecond))
		}
	}
	for c.load.count() < events {
		for _, part := range parts {
			c.killed(part, c.between(time.Second, 4*time.Second))
		}
	}
	c.load.end()
	c.recovered()
	c.side.stop() // which writes what waits
	lost, doubled := c.audit()
	report := c.table(lost, doubled)
	if os.Getenv("RINGSIDE_CRASH_ROUNDS") == "" {
		t.Log("\n" + report)
	} else {
		fmt.Print("\n" + report + "\n")
	}
}

func newCrashes(t *testing.T, seed uint64) *crashes {
	t.Helper()
	c := &crashes{t: t, database: pgtest.Stoppable(t), redis: redistest.Start(t), random: rand.New(rand.NewPCG(seed, 0)),
		rounds: map[string]int{}, back: map[string][]time.Duration{}, drained: map[string][]time.Duration{}}
	c.shop = openShop(t, c.database.URL())
	c.settings = []string{"DATABASE_URL=" + c.database.URL(), "REDIS_URL=" + c.redis.URL(), "RINGSIDE_DATA_DIR=" + t.TempDir(),
		defaultBudget, "RINGSIDE_WRITE_BUDGET=300ms"}
	c.side = serve(t, c.settings...)
	c.settings = append(c.settings, "RINGSIDE_LISTEN="+c.side.address())
	c.load = newLoad(t, c.shop.twilio(c.side.Listen), seed)
	c.recovered()
	return c
}

// between is a random time.
func (c *crashes) between(least, most time.Duration) time.Duration {
	return least + time.Duration(c.random.Int64N(int64(most-least)))
}

// killed kills a part after a while under load, starts it again, and returns when everything is well.
func (c *crashes) killed(part string, after time.Duration) {
	c.load.phase(part, false)
	time.Sleep(after)
	var began, postgresBack time.Time
	switch part {
	case partSidecar:
		c.side.kill()
		began = time.Now()
		c.side = serve(c.t, c.settings...)
	case partPostgres:
		c.database.Kill()
		c.away(part)
		began = time.Now()
		c.database.Start()
		postgresBack = time.Now()
	case partRedis:
		c.redis.Stop() // kills it
		c.away(part)
		began = time.Now()
		c.redis.Restart()
	case partBoth:
		c.database.Kill()
		c.away(part)
		c.side.kill()
		began = time.Now()
		c.database.Start()
		postgresBack = time.Now()
		c.side = serve(c.t, c.settings...)
	}
	if !postgresBack.IsZero() {
		until(c.t, "the spool is empty", func() bool { _, report := c.side.ready(); return report.Spooled == 0 })
		c.drained[part] = append(c.drained[part], time.Since(postgresBack))
	}
	c.recovered()
	c.back[part] = append(c.back[part], time.Since(began))
	c.rounds[part]++
}

// away lets a part be away for a while, in which callers are still answered.
func (c *crashes) away(part string) {
	c.load.phase(part, true)
	time.Sleep(c.between(300*time.Millisecond, 1200*time.Millisecond))
	c.load.phase(part, false)
}

// recovered waits until the sidecar misses nothing, its disk holds nothing that Postgres does not have,
// and nothing waits to be written for longer than a moment; under load, something does in most moments.
func (c *crashes) recovered() {
	c.t.Helper()
	until(c.t, "everything is well again", func() bool {
		status, report := c.side.ready()
		return status == http.StatusOK && report.Status == "ready" && report.Spooled == 0 && report.Waiting < 500
	})
	c.shop.db.Reset()
}

// audit compares what was acknowledged with what is in Postgres, and returns what is lost and what is
// doubled, by the part that was being killed when it was acknowledged.
func (c *crashes) audit() (lost, doubled map[string]int) {
	c.t.Helper()
	lost, doubled = map[string]int{}, map[string]int{}
	kept, once := map[string]int{}, map[string]bool{}
	for _, table := range []string{"SELECT sid || ' ' || event FROM interaction_events", "SELECT sid FROM interactions", "SELECT 'contact ' || phone FROM contacts WHERE archived_at IS NULL",
		"SELECT 'told ' || sid || ' ' || type FROM runtime_events WHERE sid IS NOT NULL"} {
		for _, name := range c.column(table) {
			kept[name]++
		}
	}
	for _, sent := range c.load.acknowledged() {
		for _, name := range []string{sent.sid + " " + sent.event, sent.sid, "contact " + sent.from} {
			switch n := kept[name]; {
			case n == 0:
				c.t.Errorf("%s was acknowledged while %s was killed, and %q is not in Postgres", sent.sid, sent.part, name)
				lost[sent.part]++
			case n > 1 && !once[name]:
				c.t.Errorf("%s was acknowledged while %s was killed, and %q is in Postgres %d times", sent.sid, sent.part, name, n)
				doubled[sent.part]++
			}
			once[name] = true
		}
	}
	c.nothingMadeUp(kept)
	c.nothingHalf()
	return lost, doubled
}

// nothingMadeUp fails the test for rows that nobody sent: their number would hide what is doubled
// under another name.
func (c *crashes) nothingMadeUp(kept map[string]int) {
	sent := c.load.everSent()
	for name := range kept {
		if sid, _, _ := strings.Cut(name, " "); (strings.HasPrefix(sid, "SM") || strings.HasPrefix(sid, "CA")) && !sent[sid] {
			c.t.Errorf("%q is in Postgres, and nobody has sent it", name)
		}
	}
}

// nothingHalf fails the test for what is there in part: acknowledged or not, an event has all of its
// effects or none.
func (c *crashes) nothingHalf() {
	for what, query := range map[string]string{
		"an event without its call or message":  `SELECT e.sid FROM interaction_events e LEFT JOIN interactions i USING (org_id, sid) WHERE i.sid IS NULL`,
		"a call or message without an event":    `SELECT i.sid FROM interactions i LEFT JOIN interaction_events e USING (org_id, sid) WHERE e.sid IS NULL`,
		"a message without what it says":        `SELECT sid FROM interactions WHERE kind = 'message' AND text <> 'This is ' || sid`,
		"a message without its sender":          `SELECT sid FROM interactions WHERE kind = 'message' AND (contact_id IS NULL OR party IS NULL)`,
		"a call that has ended without its end": `SELECT sid FROM interactions WHERE status = 'completed' AND (ended_at IS NULL OR duration_s IS DISTINCT FROM 42 OR contact_id IS NULL)`,
		"an end without a call that has ended":  `SELECT sid FROM interaction_events e JOIN interactions i USING (org_id, sid) WHERE e.event = 'status:completed' AND i.status <> 'completed'`,
		"a call that began without its trace":   `SELECT sid FROM interaction_events e JOIN interactions i USING (org_id, sid) WHERE e.event = 'voice' AND i.recognition IS NULL`,
		"a contact without what it came from":   `SELECT c.phone FROM contacts c WHERE c.phone LIKE '+1646%' AND NOT EXISTS (SELECT FROM interactions i WHERE i.contact_id = c.id)`,
	} {
		if found := c.column(query); len(found) > 0 {
			c.t.Errorf("%s: %d times, such as %s", what, len(found), found[0])
		}
	}
}

// column returns what a query finds, as texts.
func (c *crashes) column(query string) (all []string) {
	c.t.Helper()
	rows, err := c.shop.db.Query(c.t.Context(), query)
	must(c.t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		must(c.t, rows.Scan(&text))
		all = append(all, text)
	}
	must(c.t, rows.Err())
	return all
}

// table is the table of docs/reliability.md, and holds what callers noticed.
func (c *crashes) table(lost, doubled map[string]int) string {
	c.t.Helper()
	var b strings.Builder
	b.WriteString("| killed | rounds | events acknowledged | lost | doubled | TwiML p99 while it was away | from Postgres back to the spool empty, median and longest | until all was well again |\n")
	b.WriteString("| --- | --- | --- | --- | --- | --- | --- | --- |\n")
	acknowledged := map[string]int{}
	for _, sent := range c.load.acknowledged() {
		acknowledged[sent.part]++
	}
	for _, part := range parts {
		twiml := "nobody answers"
		if part != partSidecar {
			took, failed := c.load.voice(part)
			if failed > 0 || len(took) == 0 {
				c.t.Errorf("while %s was away, %d calls were answered and %d were not", part, len(took), failed)
				continue
			}
			p99 := quantile(took, .99)
			if p99 > 1650*time.Millisecond { // see promptly
				c.t.Errorf("while %s was away, one caller in a hundred waited longer than %s", part, p99)
			}
			twiml = fmt.Sprintf("%.1f ms of %d", float64(p99.Microseconds())/1000, len(took))
		}
		if acknowledged[part] == 0 {
			c.t.Errorf("nothing was acknowledged while %s was killed again and again", part)
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d | %s | %s | %s |\n", part, c.rounds[part], acknowledged[part], lost[part], doubled[part], twiml,
			medianAndLongest(c.drained[part]), medianAndLongest(c.back[part]))
	}
	fmt.Fprintf(&b, "\n%d acknowledged in all, %d of them sent again; %d not acknowledged.\n", c.load.count(), c.load.repeated.Load(), c.load.refused.Load())
	return b.String()
}

func medianAndLongest(all []time.Duration) string {
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f s, %.1f s", quantile(all, .5).Seconds(), slices.Max(all).Seconds())
}

// quantile is the smallest of all that is not exceeded by more than the rest.
func quantile(all []time.Duration, q float64) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}
