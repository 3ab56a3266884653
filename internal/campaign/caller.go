package campaign

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
)

// Caller calls the people of the campaigns that run, and keeps what comes of it.
type Caller struct {
	Store *Store
	Book  *contacts.Book
	Orgs  *org.Store
	Lines Lines
	// Only is the organisation whose campaigns call; "" is everybody's.
	Only org.ID
	// Owns reports whether a number is the organisation's own.
	Owns func(org.ID, phone.Number) bool
	// Placed makes the dispatcher look at once for calls that were handed over.
	Placed func()
	// End ends a call that a machine has answered.
	End func(ctx context.Context, i *outgoing.Item) error
	// Missed looks for the end of a call of which nothing was heard, and has the ledger keep it: Twilio tells of
	// it once, and we may have been away.
	Missed func(ctx context.Context, i *outgoing.Item) error
	Log    *slog.Logger
	// Now is the clock by which people are called at their hours; nil is the time.
	Now func() time.Time

	away    bool // Postgres was, the last time
	began   time.Time
	heard   time.Time            // when late summaries were looked for
	asked   map[string]time.Time // when Missed was asked of the calls that go on, by their items' ids
	hurries bool                 // each turn is as short as can be, in tests
}

// Every is how often a caller looks for whose turn it is.
const Every = time.Second

// Run calls until ctx ends. Calls that were handed over by then are placed, and their results are kept by whoever
// runs next.
func (c *Caller) Run(ctx context.Context) {
	c.began, c.asked = time.Now(), nil
	due := time.NewTicker(Every)
	defer due.Stop()
	for {
		err := c.Look(ctx)
		if err != nil && ctx.Err() == nil && !c.away {
			c.Log.Warn("campaigns cannot go on just now; nobody is called twice when they do", "error", err)
		}
		c.away = err != nil
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
	}
}

// Look does once what [Caller.Run] does again and again: it keeps the results of calls that are over, takes back those
// whose time is over, hands over those whose turn it is, and finishes campaigns without anybody left.
func (c *Caller) Look(ctx context.Context) error {
	err := c.results(ctx)
	for _, takeBack := range []func(tx pgx.Tx) error{
		func(tx pgx.Tx) error { return recall(ctx, tx, "") },
		func(tx pgx.Tx) error { return forget(ctx, tx) },
	} {
		if err := c.Store.within(ctx, takeBack); err != nil {
			return failed("take back calls", err)
		}
	}
	rows, queryErr := c.Store.pool.Query(ctx, `SELECT id::text FROM campaigns WHERE state = 'running' AND next_at <= now() AND ($1 = '' OR org_id = nullif($1, '')::uuid) ORDER BY next_at`, c.Only)
	if queryErr != nil {
		return failed("look for campaigns", queryErr)
	}
	campaigns, queryErr := pgx.CollectRows(rows, pgx.RowTo[string])
	if queryErr != nil {
		return failed("look for campaigns", queryErr)
	}
	for _, id := range campaigns {
		called, turnErr := c.turn(ctx, id)
		if turnErr != nil { // the others' turn comes all the same
			err = cmp.Or(err, turnErr)
			continue
		}
		if called > 0 {
			c.Placed()
		}
	}
	return cmp.Or(err, c.finish(ctx))
}

// nobodyLeftSQL is true for campaigns c that have a result of everybody.
const nobodyLeftSQL = `c.state = 'running' AND NOT EXISTS (SELECT FROM campaign_people p WHERE p.campaign_id = c.id AND ` + toCallSQL + `)
	AND NOT EXISTS (SELECT FROM campaign_people p WHERE p.campaign_id = c.id AND p.call_state = 'calling')`

// finish ends the campaigns that have a result of everybody. Each is looked at again once it is locked: somebody may have been
// added, and the campaign started for them, at that moment.
func (c *Caller) finish(ctx context.Context) error {
	return failed("finish campaigns", c.Store.within(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT id::text FROM campaigns c WHERE `+nobodyLeftSQL+` FOR UPDATE SKIP LOCKED`)
		if err != nil {
			return err
		}
		over, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil || len(over) == 0 {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE campaigns c SET state = 'finished' WHERE id = ANY ($1::text[]::uuid[]) AND `+nobodyLeftSQL, over)
		return err
	}))
}

func (c *Caller) now() time.Time {
	if c.Now != nil {
		return c.Now()
	}
	return time.Now()
}
