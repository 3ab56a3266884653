package outbox

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// maxConsumers bounds the consumers of an organisation: events are kept until all of them have them.
const maxConsumers = 100

var consumerName = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,100}$`)

// Consumer is somebody who reads an organisation's events, on one connection.
type Consumer struct {
	OrgID   org.ID
	Name    string
	AgentID string // of which voice agent's calls and messages it hears; "": of all
	Acked   int64  // the cursor up to which it had everything when it joined
	holder  string // the connection
}

// Joining asks for a consumer.
type Joining struct {
	OrgID         org.ID
	Name, AgentID string
	// FromBeginning lets a consumer that is new begin with the oldest event that is kept, rather than
	// with what happens from now on.
	FromBeginning bool
}

// Join takes a consumer for a connection, making it if there is none of that name. Whatever connection
// had it before gets [ErrTakenOver] from now on.
func (o *Outbox) Join(ctx context.Context, j Joining) (Consumer, error) {
	if !consumerName.MatchString(j.Name) {
		return Consumer{}, problem.Invalid("consumer", "A consumer's name has 1 to 100 letters, digits and . _ : -")
	}
	c := Consumer{OrgID: j.OrgID, Name: j.Name, AgentID: j.AgentID}
	if err := o.catchUp(ctx, j.OrgID); err != nil {
		return Consumer{}, err
	}
	err := pgx.BeginFunc(ctx, o.pool, func(tx pgx.Tx) error {
		last, err := number(ctx, tx, j.OrgID) // and nobody else joins meanwhile
		if err != nil {
			return err
		}
		if j.FromBeginning {
			last = 0
		}
		var others int
		err = tx.QueryRow(ctx, `SELECT count(*) FROM runtime_consumers WHERE org_id = $1::text::uuid AND name <> $2`, j.OrgID, j.Name).Scan(&others)
		if err != nil {
			return err
		}
		if others >= maxConsumers {
			return problem.New(problem.CodeConflict, "The organisation has %d consumers of its events already. Use the name of one of them; one that nobody uses goes after 30 days.", maxConsumers)
		}
		err = tx.QueryRow(ctx, `
			INSERT INTO runtime_consumers AS held (org_id, name, agent_id, acked, holder)
			VALUES ($1::text::uuid, $2, nullif($3, '')::uuid, $4, gen_random_uuid())
			ON CONFLICT (org_id, name) DO UPDATE SET agent_id = excluded.agent_id, holder = excluded.holder, last_seen = now()
			RETURNING acked, holder::text`, j.OrgID, j.Name, j.AgentID, last).Scan(&c.Acked, &c.holder)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT pg_notify($1, $2)`, Channel, string(j.OrgID)) // for the one that had it
		return err
	})
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok && pgErr.Code == "22P02" { // an id that is none
		return Consumer{}, problem.NotFound("The organisation has no voice agent %q.", j.AgentID)
	}
	if err != nil {
		return Consumer{}, fmt.Errorf("join the events: %w", err)
	}
	return c, nil
}

// catchUp gives numbers to all that is waiting for one: days of it, where nobody has listened yet.
func (o *Outbox) catchUp(ctx context.Context, id org.ID) error {
	for before := int64(-1); ; {
		last, err := o.number(ctx, id)
		if err != nil || last == before {
			return err
		}
		before = last
	}
}

// Ack says that the consumer has everything up to a cursor, which only moves forward; up to 0, it only
// says that the consumer is still there.
func (o *Outbox) Ack(ctx context.Context, c Consumer, upTo int64) error {
	tag, err := o.pool.Exec(ctx, `
		UPDATE runtime_consumers SET acked = greatest(acked, $4), last_seen = now()
		WHERE org_id = $1::text::uuid AND name = $2 AND holder = $3::text::uuid`, c.OrgID, c.Name, c.holder, upTo)
	if err != nil {
		return fmt.Errorf("acknowledge events: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrTakenOver
	}
	return nil
}
