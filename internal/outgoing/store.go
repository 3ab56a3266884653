package outgoing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Kind is what is sent.
type Kind string

// The kinds.
const (
	KindCall    Kind = "call"
	KindMessage Kind = "message"
)

// State is how far a call or message is on its way to Twilio. What becomes of it there is the ledger's.
type State string

// The states.
const (
	Waiting State = "waiting" // Twilio was not asked yet, or has refused without acting and is asked again
	Sending State = "sending" // it is being asked
	Unclear State = "unclear" // it was asked, and nobody knows whether it has acted
	Sent    State = "sent"    // it has the call or message
	Failed  State = "failed"  // it never will
)

// Item is a call or message to be sent.
type Item struct {
	ID      string       `json:"id"`
	OrgID   org.ID       `json:"-"`
	Kind    Kind         `json:"kind"`
	From    phone.Number `json:"from"`
	To      phone.Number `json:"to"`
	AgentID string       `json:"agent_id,omitempty"` // who talks in a call
	Text    string       `json:"text,omitempty"`     // what a message says
	Context string       `json:"context,omitempty"`  // why a call is placed, for the agent
	InReply string       `json:"in_reply_to,omitempty"`
	// Of a campaign's call: whose it is, what the person hears first (""; what the agent says), what that may
	// say of them, and whether Twilio is to tell if a machine answers.
	CampaignID     string            `json:"campaign_id,omitempty"`
	PersonID       string            `json:"-"`
	Greeting       string            `json:"-"`
	Variables      map[string]string `json:"-"`
	DetectMachines bool              `json:"-"`
	// Unnoted: the campaign's person is not noted as called yet. Only [Store.Bind] tells.
	Unnoted bool `json:"-"`
	// SendBefore is when it is too late to send what still waits; nil: never.
	SendBefore *time.Time   `json:"-"`
	Key        string       `json:"-"` // the same of one organisation and kind is the same; "" is never
	State      State        `json:"state"`
	SID        string       `json:"sid,omitempty"` // Twilio's, once it is sent
	Code       problem.Code `json:"code,omitempty"`
	Problem    string       `json:"problem,omitempty"` // why it failed, or was not sent yet
	Attempts   int          `json:"attempts"`
	DueAt      time.Time    `json:"due_at"`
	AskedAt    *time.Time   `json:"-"` // when Twilio was last asked to send it
	Created    time.Time    `json:"created_at"`
}

// Store keeps what is to be sent, in Postgres.
type Store struct{ pool *pgxpool.Pool }

// NewStore returns the store on the given pool.
func NewStore(pool *pgxpool.Pool) *Store { return &Store{pool: pool} }

// itemColumns are what [readItem] reads, of outgoing o.
const itemColumns = `o.id::text, o.org_id::text, o.kind, o.from_number, o.to_number, coalesce(o.agent_id::text, ''), o.text, o.context, coalesce(o.in_reply_to, ''),
	coalesce(o.campaign_id::text, ''), coalesce(o.person_id::text, ''), o.greeting, o.variables, o.detect_machines, o.send_before, coalesce(o.dedupe, ''),
	o.state, coalesce(o.sid, ''), o.problem_code, o.problem, o.attempts, o.due_at, o.asked_at, o.created_at`

func readItem(row pgx.Row) (*Item, error) {
	var i Item
	if err := row.Scan(i.fields()...); err != nil {
		return nil, err
	}
	return &i, nil
}

// fields are what itemColumns are read into.
func (i *Item) fields() []any {
	return []any{&i.ID, &i.OrgID, &i.Kind, &i.From, &i.To, &i.AgentID, &i.Text, &i.Context, &i.InReply,
		&i.CampaignID, &i.PersonID, &i.Greeting, &i.Variables, &i.DetectMachines, &i.SendBefore, &i.Key,
		&i.State, &i.SID, &i.Code, &i.Problem, &i.Attempts, &i.DueAt, &i.AskedAt, &i.Created}
}

// Add keeps a call or message that is to be sent at its DueAt (the zero time: now), and returns it as it
// is kept. One whose key is there already is returned as that one is, and added is false: it is a conflict
// problem if it was to somebody else or said something else.
func (s *Store) Add(ctx context.Context, i Item) (kept *Item, added bool, err error) {
	return Add(ctx, s.pool, i)
}

// Querier is a pool or a transaction.
type Querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// Add is [Store.Add] within a transaction, so that what is to be sent is kept together with why.
func Add(ctx context.Context, db Querier, i Item) (kept *Item, added bool, err error) {
	if i.DueAt.IsZero() {
		i.DueAt = time.Now()
	}
	if i.Variables == nil {
		i.Variables = map[string]string{}
	}
	kept, err = readItem(db.QueryRow(ctx, `
		INSERT INTO outgoing AS o (org_id, kind, from_number, to_number, agent_id, text, context, in_reply_to, dedupe, due_at,
			campaign_id, person_id, greeting, variables, detect_machines, send_before)
		VALUES ($1::text::uuid, $2, $3, $4, nullif($5, '')::uuid, $6, $7, nullif($8, ''), nullif($9, ''), $10,
			nullif($11, '')::uuid, nullif($12, '')::uuid, $13, $14, $15, $16)
		ON CONFLICT (org_id, kind, dedupe) WHERE dedupe IS NOT NULL DO NOTHING RETURNING `+itemColumns,
		i.OrgID, i.Kind, i.From, i.To, i.AgentID, i.Text, i.Context, i.InReply, i.Key, i.DueAt,
		i.CampaignID, i.PersonID, i.Greeting, i.Variables, i.DetectMachines, i.SendBefore))
	if errors.Is(err, pgx.ErrNoRows) {
		kept, err = readItem(db.QueryRow(ctx, `SELECT `+itemColumns+` FROM outgoing o WHERE org_id = $1::text::uuid AND kind = $2 AND dedupe = $3`, i.OrgID, i.Kind, i.Key))
		if err == nil && (kept.To != i.To || kept.Text != i.Text || kept.Context != i.Context || kept.AgentID != i.AgentID) {
			return nil, false, problem.New(problem.CodeIdempotencyKeyReused, "Something else was sent under this key. Use another key for another %s.", i.Kind)
		}
		return kept, false, failed("find what was sent before", err)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.ConstraintName == "outgoing_agent_id_fkey" {
		return nil, false, problem.Invalid("agent_id", "The organisation has no voice agent %s.", i.AgentID)
	}
	return kept, err == nil, failed("keep what is to be sent", err)
}

// Get returns a call or message of the organisation, or a not-found problem.
func (s *Store) Get(ctx context.Context, id org.ID, itemID string) (*Item, error) {
	i, err := readItem(s.pool.QueryRow(ctx, `SELECT `+itemColumns+` FROM outgoing o WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, itemID))
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "22P02" || errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.NotFound("There is no call or message %s to be sent.", itemID)
	}
	return i, failed("read what is to be sent", err)
}

// WantedSQL is true for outgoing o that wait and have a send_before, which only calls of campaigns have, while they are still
// to be placed: it is not too late, the campaign runs and has the person, who neither is blocked nor has opted out
// since. It is looked at again in the moment in which Twilio is asked.
var WantedSQL = `(o.send_before > now()
			AND (SELECT c.state = 'running' FROM campaign_people w JOIN campaigns c ON c.id = w.campaign_id WHERE w.id = o.person_id AND w.outgoing_id = o.id) IS TRUE
			AND ringside_opted_out(o.org_id, o.to_number) IS NULL
			AND (SELECT b.blocked_at FROM contacts b WHERE b.id = ` + contacts.HolderSQL("o.org_id", "o.to_number") + `) IS NULL)`

// claimSQL takes the oldest that is due: one that waits, or one whose worker has not been heard of
// since its lease ended. A call also needs its number's turn, which the statement takes in the same
// moment: of two workers who see the same turn, the second finds it gone. What somebody has asked for goes before what
// campaigns have: they wait for it.
var claimSQL = `
WITH asked AS (` + dueSQL("o.person_id IS NULL", "true") + `
), campaigns AS (` + dueSQL("o.person_id IS NOT NULL AND NOT EXISTS (SELECT FROM asked)", WantedSQL) + `
), due AS (
	SELECT * FROM asked UNION ALL SELECT * FROM campaigns
), turn AS (
	INSERT INTO outgoing_pace AS held (org_id, from_number, next_at)
	SELECT org_id, from_number, now() + $1::interval FROM due WHERE kind = 'call' AND state = 'waiting'
	ON CONFLICT (org_id, from_number) DO UPDATE SET next_at = excluded.next_at WHERE held.next_at <= now()
	RETURNING 1
)
UPDATE outgoing o SET state = CASE WHEN o.state = 'waiting' THEN 'sending' ELSE 'unclear' END, attempts = least(o.attempts + 1, 10000), -- a smallint
	leased_until = now() + $2::interval, asked_at = CASE WHEN o.state = 'waiting' THEN now() ELSE o.asked_at END
FROM due WHERE o.id = due.id AND (due.kind = 'message' OR due.state <> 'waiting' OR EXISTS (SELECT FROM turn))
RETURNING ` + itemColumns

// dueSQL finds the oldest of those that is due; wanted is looked at last, of one that waits.
func dueSQL(those, wanted string) string {
	return `
	SELECT o.id, o.org_id, o.from_number, o.kind, o.state FROM outgoing o LEFT JOIN outgoing_pace p ON p.org_id = o.org_id AND p.from_number = o.from_number
	WHERE o.state IN ('waiting', 'sending', 'unclear') AND o.due_at <= now() AND (o.leased_until IS NULL OR o.leased_until < now()) AND ` + those + `
		AND CASE WHEN o.state <> 'waiting' THEN true WHEN o.kind = 'call' AND p.next_at > now() THEN false -- most of those that wait, and the cheapest to tell
			ELSE o.send_before IS NULL OR ` + wanted + ` END
		AND ($3 = '' OR o.org_id = nullif($3, '')::uuid)
	ORDER BY o.due_at, o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED`
}

// claim takes something that is due, for as long as the lease, or nil. Calls from one number begin at
// least pace apart. only is an organisation, "" for all. One that it returns as Sending is to be sent, one that is Unclear to be looked for.
func (s *Store) claim(ctx context.Context, pace, lease time.Duration, only org.ID) (*Item, error) {
	i, err := readItem(s.pool.QueryRow(ctx, claimSQL, pace, lease, only))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return i, failed("take what is to be sent", err)
}

// settle ends the work on an item. What was sent, or has failed, stays so.
func (s *Store) settle(ctx context.Context, i *Item) error {
	_, err := s.pool.Exec(ctx, `
		UPDATE outgoing SET state = $2, sid = nullif($3, ''), problem_code = $4, problem = $5, due_at = $6, leased_until = NULL,
			settled_at = CASE WHEN $2 IN ('sent', 'failed') THEN now() END
		WHERE id = $1::text::uuid AND state NOT IN ('sent', 'failed')`, i.ID, i.State, i.SID, i.Code, i.Problem, i.DueAt)
	return failed("settle what was sent", err)
}

// Bind notes that Twilio has sent an item under a Sid, from a webhook that names both, and returns the
// item. The first Sid stays; another one's webhook finds a not-found problem.
func (s *Store) Bind(ctx context.Context, id org.ID, itemID, sid string) (*Item, error) {
	i := &Item{}
	err := s.pool.QueryRow(ctx, `
		UPDATE outgoing o SET state = 'sent', sid = $3, settled_at = coalesce(settled_at, now()), leased_until = NULL, problem = '', problem_code = ''
		WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND (sid IS NULL OR sid = $3)
		RETURNING `+itemColumns+`, person_id IS NOT NULL AND NOT EXISTS (SELECT FROM campaign_people p WHERE p.id = o.person_id AND p.called_at >= o.created_at)`,
		id, itemID, sid).Scan(append(i.fields(), &i.Unnoted)...)
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "22P02" || errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.NotFound("There is no call or message %s that was sent as %s.", itemID, sid)
	}
	return i, failed("note what Twilio has sent", err)
}

// Placed returns what Twilio has sent under a Sid, or a not-found problem.
func (s *Store) Placed(ctx context.Context, id org.ID, sid string) (*Item, error) {
	i, err := readItem(s.pool.QueryRow(ctx, `SELECT `+itemColumns+` FROM outgoing o WHERE org_id = $1::text::uuid AND sid = $2`, id, sid))
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, problem.NotFound("There is no call or message that was sent as %s.", sid)
	}
	return i, failed("look up what was sent", err)
}

// wanted returns an opted-out problem for a message to somebody who has asked for no more since it was accepted.
func (s *Store) wanted(ctx context.Context, i *Item) error {
	if i.Kind != KindMessage {
		return nil
	}
	var out bool
	if err := s.pool.QueryRow(ctx, `SELECT ringside_opted_out($1::text::uuid, $2) IS NOT NULL`, i.OrgID, i.To).Scan(&out); err != nil {
		return problem.New(problem.CodeUnavailable, "The database did not say whether they want messages.")
	}
	if out {
		return problem.New(problem.CodeOptedOut, "They have asked for no more messages. They can take it back by writing START.")
	}
	return nil
}

// free returns the first of Twilio's Sids that is no other item's, or "".
func (s *Store) free(ctx context.Context, id org.ID, sids []string) (sid string, err error) {
	err = s.pool.QueryRow(ctx, `
		SELECT sid FROM unnest($2::text[]) WITH ORDINALITY AS found (sid, nth)
		WHERE NOT EXISTS (SELECT FROM outgoing o WHERE o.org_id = $1::text::uuid AND o.sid = found.sid) ORDER BY nth LIMIT 1`, id, sids).Scan(&sid)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	return sid, failed("look whose a call or message of Twilio's is", err)
}

// next is when something may be due, or the zero time.
func (s *Store) next(ctx context.Context) (at time.Time, err error) {
	var found *time.Time
	err = s.pool.QueryRow(ctx, `
		SELECT min(greatest(o.due_at, o.leased_until, CASE WHEN o.kind = 'call' THEN p.next_at END)) FROM outgoing o
		LEFT JOIN outgoing_pace p ON p.org_id = o.org_id AND p.from_number = o.from_number
		WHERE o.state IN ('waiting', 'sending', 'unclear') AND (o.state <> 'waiting' OR o.send_before IS NULL OR `+WantedSQL+`)`).Scan(&found)
	if found != nil {
		at = *found
	}
	return at, failed("look what is to be sent next", err)
}

// keepFor is how long it is kept what was sent, or failed: as long as a key is the same.
const keepFor = 30 * 24 * time.Hour

// Upkeep removes what was settled longer ago.
func (s *Store) Upkeep(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM outgoing WHERE state IN ('sent', 'failed') AND settled_at < now() - $1::interval`, keepFor)
	return failed("remove what was sent long ago", err)
}

// failed says what could not be done; problems stay what they are.
func failed(what string, err error) error {
	if _, ok := errors.AsType[*problem.Error](err); ok || err == nil {
		return err
	}
	return fmt.Errorf("%s: %w", what, err)
}
