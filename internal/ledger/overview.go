package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// maxOverview bounds the days of an overview, each of which is read.
const maxOverview = 100 * 24 * time.Hour

// Overview is what calls and messages of a while amount to.
type Overview struct {
	Days []Day
	// Calls, Known and Greeted count the calls that came in; Messages all messages; Outbound calls
	// that went out.
	Calls, Known, Greeted, Messages, Outbound int
	// Unreached are calls whose agent runtime could not be reached.
	Unreached int
	// P50 and P99 are how long recognition took; 0 if nobody was looked up.
	P50, P99 time.Duration
}

// Day is what calls and messages of one day amount to.
type Day struct {
	Date                   time.Time // midnight, in the zone that was asked for
	Calls, Known, Messages int
}

// overviewSQL reads each interaction once: the times of a caller's recognition are in a document, and
// taking them out of it is most of the work. $4 are the beginnings of the days.
const overviewSQL = `
	WITH i AS MATERIALIZED (
		SELECT width_bucket(started_at, $4::timestamptz[]) AS day, kind, kind = 'call' AND direction = 'inbound' AS inbound, reason,
			` + knownSQL + ` AS known, coalesce((i.recognition->>'greeted_by_name')::boolean, false) AS greeted,
			CASE WHEN jsonb_typeof(i.recognition->'steps'->0) = 'object' THEN (i.recognition->>'took_micros')::bigint END AS took
		FROM interactions i WHERE org_id = $1::text::uuid AND started_at >= $2 AND started_at < $3
	)
	SELECT 0 AS day, count(*) FILTER (WHERE inbound), count(*) FILTER (WHERE inbound AND known), count(*) FILTER (WHERE kind = 'message'),
		count(*) FILTER (WHERE inbound AND greeted), count(*) FILTER (WHERE kind = 'call' AND NOT inbound), count(*) FILTER (WHERE reason = 'runtime_unreachable'),
		coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY took), 0), coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY took), 0) FROM i
	UNION ALL
	SELECT day, count(*) FILTER (WHERE kind = 'call'), count(*) FILTER (WHERE kind = 'call' AND known), count(*) FILTER (WHERE kind = 'message'), 0, 0, 0, 0, 0
	FROM i GROUP BY day`

// Overview returns what an organisation's calls and messages from one time until before another
// amount to. Its days are those of the first time's zone, also where a day has 23 or 25 hours; days
// without any are there, too.
func (r *Reader) Overview(ctx context.Context, id org.ID, from, before time.Time) (o Overview, err error) {
	if before.Sub(from) > maxOverview {
		return o, problem.Invalid("from", "An overview has at most %d days.", int(maxOverview.Hours()/24))
	}
	var begins []time.Time
	for n := 0; ; n++ {
		at := DayBegins(from.Year(), from.Month(), from.Day()+n, from.Location())
		if !at.Before(before) {
			break
		}
		begins = append(begins, at)
		o.Days = append(o.Days, Day{Date: at})
	}
	rows, err := r.pool.Query(ctx, overviewSQL, id, from, before, begins)
	if err != nil {
		return Overview{}, fmt.Errorf("sum up calls: %w", err)
	}
	var day, calls, known, messages, greeted, outbound, unreached int
	var p50, p99 float64
	_, err = pgx.ForEachRow(rows, []any{&day, &calls, &known, &messages, &greeted, &outbound, &unreached, &p50, &p99}, func() error {
		if day == 0 {
			o.Calls, o.Known, o.Messages, o.Greeted, o.Outbound, o.Unreached = calls, known, messages, greeted, outbound, unreached
			o.P50, o.P99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
			return nil
		}
		o.Days[day-1].Calls, o.Days[day-1].Known, o.Days[day-1].Messages = calls, known, messages
		return nil
	})
	if err != nil {
		return Overview{}, fmt.Errorf("sum up calls: %w", err)
	}
	return o, nil
}
