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

// Overview returns what an organisation's calls and messages from one time until before another
// amount to. Its days are those of the times' zone; days without any are there, too.
func (r *Reader) Overview(ctx context.Context, id org.ID, from, before time.Time) (o Overview, err error) {
	if before.Sub(from) > maxOverview {
		return o, problem.Invalid("from", "An overview has at most %d days.", int(maxOverview.Hours()/24))
	}
	zone := from.Location()
	var p50, p99 float64
	err = r.pool.QueryRow(ctx, `
		SELECT count(*) FILTER (WHERE inbound), count(*) FILTER (WHERE inbound AND `+knownSQL+`),
			count(*) FILTER (WHERE inbound AND coalesce((recognition->>'greeted_by_name')::boolean, false)), count(*) FILTER (WHERE kind = 'message'),
			count(*) FILTER (WHERE kind = 'call' AND NOT inbound), count(*) FILTER (WHERE reason = 'runtime_unreachable'),
			coalesce(percentile_cont(0.5) WITHIN GROUP (ORDER BY took), 0), coalesce(percentile_cont(0.99) WITHIN GROUP (ORDER BY took), 0)
		FROM (SELECT kind, reason, recognition, kind = 'call' AND direction = 'inbound' AS inbound,
			CASE WHEN jsonb_array_length(coalesce(recognition->'steps', '[]')) > 0 THEN (recognition->>'took_micros')::bigint END AS took
			FROM interactions WHERE org_id = $1::text::uuid AND started_at >= $2 AND started_at < $3) i`, id, from, before).
		Scan(&o.Calls, &o.Known, &o.Greeted, &o.Messages, &o.Outbound, &o.Unreached, &p50, &p99)
	if err != nil {
		return Overview{}, fmt.Errorf("sum up calls: %w", err)
	}
	o.P50, o.P99 = time.Duration(p50)*time.Microsecond, time.Duration(p99)*time.Microsecond
	rows, err := r.pool.Query(ctx, `
		SELECT (started_at AT TIME ZONE $4)::date, count(*) FILTER (WHERE kind = 'call'), count(*) FILTER (WHERE kind = 'call' AND `+knownSQL+`),
			count(*) FILTER (WHERE kind = 'message')
		FROM interactions i WHERE org_id = $1::text::uuid AND started_at >= $2 AND started_at < $3 GROUP BY 1`, id, from, before, zone.String())
	if err != nil {
		return Overview{}, fmt.Errorf("count calls by day: %w", err)
	}
	days, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Day])
	if err != nil {
		return Overview{}, fmt.Errorf("count calls by day: %w", err)
	}
	byDate := map[string]Day{}
	for _, d := range days {
		byDate[d.Date.Format(time.DateOnly)] = d
	}
	first := from.In(zone)
	for at := time.Date(first.Year(), first.Month(), first.Day(), 0, 0, 0, 0, zone); at.Before(before); at = at.AddDate(0, 0, 1) {
		d := byDate[at.Format(time.DateOnly)]
		d.Date = at
		o.Days = append(o.Days, d)
	}
	return o, nil
}
