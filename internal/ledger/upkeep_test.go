package ledger_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/postgres/pgtest"
)

// keep sets for how many days the place keeps transcripts and calls; 0 is for good.
func (p place) keep(t *testing.T, transcripts, interactions int) {
	t.Helper()
	days := func(n int) *int {
		if n == 0 {
			return nil
		}
		return &n
	}
	if err := org.NewStore(p.pool).SetPrivacy(t.Context(), p.org.ID, org.Privacy{TranscriptDays: days(transcripts), InteractionDays: days(interactions)}); err != nil {
		t.Fatal(err)
	}
}

// talk is a call so many days ago, with everything that can belong to one.
func (p place) talk(t *testing.T, sid string, days int) {
	t.Helper()
	began := time.Now().AddDate(0, 0, -days)
	said := p.inbound(sid, "transcript:VX1", func(e *ledger.Event) {
		e.At, e.StartedAt = began, began
		e.Transcript = &ledger.Transcript{SessionID: "VX1", Lines: []ledger.Line{{At: began, Who: "caller", Text: "Hello"}}}
	})
	ended := p.inbound(sid, "status:completed", func(e *ledger.Event) {
		e.At, e.StartedAt, e.EndedAt, e.Status = began, began, began.Add(time.Minute), "completed"
	})
	p.apply(t, said, ended)
	exec(t, p.pool, `UPDATE transcripts SET created_at = $1 WHERE sid = $2`, began, sid)
	exec(t, p.pool, `INSERT INTO captures (org_id, sid, digest, result) VALUES ($1::text::uuid, $2, 'd', '{}')`, p.org.ID, sid)
}

// left are the calls that something in a table belongs to.
func (p place) left(t *testing.T, table string) string {
	t.Helper()
	return one[string](t, p.pool, `SELECT coalesce(string_agg(DISTINCT sid, ' ' ORDER BY sid), '') FROM `+table+` WHERE org_id = $1::text::uuid`, p.org.ID)
}

func TestUpkeepRemovesWhatIsPastItsTime(t *testing.T) {
	t.Parallel()
	pool := pgtest.New(t)
	p, other := newPlace(t, pool), newPlace(t, pool)
	for _, place := range []place{p, other} {
		place.talk(t, "CA-new", 0)
		place.talk(t, "CA-week", 8)
		place.talk(t, "CA-month", 31)
	}
	began := time.Now().AddDate(0, 0, -40) // and has not ended, as far as anybody knows
	p.apply(t, p.inbound("CA-lost", "voice", func(e *ledger.Event) { e.At, e.StartedAt, e.Status = began, began, "ringing" }))
	upkeep := func() {
		t.Helper()
		for range 2 {
			if err := ledger.Upkeep(t.Context(), pool); err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(place place, table, want string) {
		t.Helper()
		if got := place.left(t, table); got != want {
			t.Errorf("%s of %q are left, want %q", table, got, want)
		}
	}
	upkeep() // by default everything stays
	check(p, "interactions", "CA-lost CA-month CA-new CA-week")
	p.keep(t, 7, 0)
	upkeep()
	check(p, "transcripts", "CA-new")
	check(p, "interactions", "CA-lost CA-month CA-new CA-week")
	p.keep(t, 7, 30)
	upkeep()
	for _, table := range []string{"interactions", "captures", "interaction_events"} {
		check(p, table, "CA-new CA-week")
	}
	for _, table := range []string{"interactions", "captures", "interaction_events", "transcripts"} {
		check(other, table, "CA-month CA-new CA-week")
	}
	// What is left of a call goes with it, also where transcripts are to be kept for longer.
	p.keep(t, 0, 1)
	upkeep()
	check(p, "transcripts", "CA-new")
	check(p, "interactions", "CA-new")
}

// More than go at once.
func TestUpkeepGoesOnUntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	p.keep(t, 1, 1)
	exec(t, p.pool, `
		INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at, ended_at)
		SELECT $1::text::uuid, 'CA' || n, 'call', 'inbound', '', '', 'completed', 90, now() - interval '3 days', now() - interval '3 days' FROM generate_series(1, 1200) n`, p.org.ID)
	exec(t, p.pool, `INSERT INTO transcripts (org_id, sid, session_id, lines, created_at) SELECT org_id, sid, 'VX', '[]', started_at FROM interactions`)
	if err := ledger.Upkeep(t.Context(), p.pool); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"interactions", "transcripts"} {
		if got := p.left(t, table); got != "" {
			t.Errorf("%s are left: %.100s", table, got)
		}
	}
}

// Every hour the oldest are looked at, and not all there is.
func TestUpkeepFindsTheOldestByIndex(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	p.keep(t, 30, 30)
	exec(t, p.pool, `
		INSERT INTO interactions (org_id, sid, kind, direction, from_address, to_address, status, state_rank, started_at)
		SELECT $1::text::uuid, 'CA' || n, 'call', 'inbound', '', '', 'ringing', 3, now() - n * interval '1 minute' FROM generate_series(1, 20000) n`, p.org.ID)
	exec(t, p.pool, `INSERT INTO transcripts (org_id, sid, session_id, lines, created_at) SELECT org_id, sid, 'VX', '[]', started_at FROM interactions`)
	exec(t, p.pool, `ANALYZE interactions, transcripts, orgs`)
	for what, sql := range ledger.ExpireSQL() {
		plan := explain(t, p, strings.ReplaceAll(sql, "$1", "500"))
		if strings.Contains(plan, "Seq Scan on interactions") || strings.Contains(plan, "Seq Scan on transcripts") {
			t.Errorf("to remove %s, all are read:\n%s", what, plan)
		}
	}
}

func explain(t *testing.T, p place, sql string) string {
	t.Helper()
	rows, err := p.pool.Query(t.Context(), `EXPLAIN `+sql)
	if err != nil {
		t.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// Whose history has lost a call is announced, by all their numbers, so that no agent is told of it.
func TestRule17_CallsThatGoAreAnnounced(t *testing.T) {
	t.Parallel()
	p := newPlace(t, pgtest.New(t))
	p.addContact(t, alex, "Alex")
	exec(t, p.pool, `UPDATE contacts SET other_phones = ARRAY[$1]`, string(jo))
	p.talk(t, "CA1", 8)
	p.keep(t, 0, 7)
	conn, err := p.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `LISTEN ringside_callers`); err != nil {
		t.Fatal(err)
	}
	if err := ledger.Upkeep(t.Context(), p.pool); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	heard, err := conn.Conn().WaitForNotification(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{string(p.org.ID), string(alex), string(jo)} {
		if !strings.Contains(heard.Payload, want) {
			t.Errorf("%q is announced, want %s in it", heard.Payload, want)
		}
	}
}
