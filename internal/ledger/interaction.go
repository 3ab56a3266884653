package ledger

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Reader reads the ledger.
type Reader struct{ pool *pgxpool.Pool }

// NewReader returns the ledger on the given pool, for reading.
func NewReader(pool *pgxpool.Pool) *Reader { return &Reader{pool: pool} }

// Interaction is one call or message as the ledger has it.
type Interaction struct {
	ID          string     `json:"id"`
	SID         string     `json:"sid"`
	Kind        string     `json:"kind"`
	Direction   string     `json:"direction"`
	From        string     `json:"from"`
	To          string     `json:"to"`
	Status      string     `json:"status"`
	StartedAt   time.Time  `json:"started_at"`
	EndedAt     *time.Time `json:"ended_at"` // nil while it goes on
	DurationS   *int       `json:"duration_s"`
	ContactID   string     `json:"contact_id,omitempty"` // "" if it is nobody's
	ContactName string     `json:"contact_name,omitempty"`
	Summary     string     `json:"summary"`
	Text        string     `json:"text,omitempty"`   // what a message says
	Media       []Media    `json:"media,omitempty"`  // what came with it
	Reason      string     `json:"reason,omitempty"` // why it ended otherwise than by hanging up
	// Of a call whose caller was looked up: whether they were known, from where, and what decided
	// about their name (see the trace of its recognition).
	Known         bool   `json:"known"`
	Source        string `json:"source,omitempty"`
	GreetedByName bool   `json:"greeted_by_name"`
	Rule          string `json:"rule,omitempty"` // "" if there was no recognition
	TookMicros    int64  `json:"took_micros,omitempty"`
}

// Same reports whether two readings of interactions show the same.
func (i Interaction) Same(other Interaction) bool { return reflect.DeepEqual(i, other) }

// interactionColumns are what [readInteraction] reads; the contact is an outer join named c.
const interactionColumns = `i.id::text, i.sid, i.kind, i.direction, i.from_address, i.to_address, i.status, i.started_at, i.ended_at, i.duration_s,
	coalesce(i.contact_id::text, ''), coalesce(c.name, ''), i.summary, i.text, i.media, i.reason, ` + knownSQL + `, coalesce(i.recognition->>'source', ''),
	coalesce((i.recognition->>'greeted_by_name')::boolean, false), coalesce(i.recognition->>'rule', ''), coalesce((i.recognition->>'took_micros')::bigint, 0)`

// knownSQL is whether the caller of an interaction i was known.
const knownSQL = `coalesce((i.recognition->>'known')::boolean, false)`

func readInteraction(row pgx.Row) (i Interaction, err error) {
	err = row.Scan(&i.ID, &i.SID, &i.Kind, &i.Direction, &i.From, &i.To, &i.Status, &i.StartedAt, &i.EndedAt, &i.DurationS,
		&i.ContactID, &i.ContactName, &i.Summary, &i.Text, &i.Media, &i.Reason, &i.Known, &i.Source, &i.GreetedByName, &i.Rule, &i.TookMicros)
	return i, err
}

// Find returns an interaction of the organisation, or a not-found problem.
func (r *Reader) Find(ctx context.Context, id org.ID, sid string) (Interaction, error) {
	i, err := readInteraction(r.pool.QueryRow(ctx, `
		SELECT `+interactionColumns+` FROM interactions i LEFT JOIN contacts c ON c.id = i.contact_id
		WHERE i.org_id = $1::text::uuid AND i.sid = $2`, id, sid))
	if missing(err) {
		return Interaction{}, problem.NotFound("There is no call or message %q.", sid)
	}
	if err != nil {
		return Interaction{}, fmt.Errorf("read interaction: %w", err)
	}
	return i, nil
}

// Parties are what the ledger knows of a call or message that more may still be said about.
type Parties struct {
	Kind                string // "call" or "message"
	Direction, From, To string
	Party               phone.Number // the other party's; "" if it has no person's number
	AgentID             string
	StartedAt           time.Time
	Trusted, Disowned   bool
}

// Parties returns who takes, or took, part in a call or message of the organisation, or a not-found problem.
func (r *Reader) Parties(ctx context.Context, id org.ID, sid string) (p Parties, err error) {
	err = r.pool.QueryRow(ctx, `
		SELECT kind, direction, from_address, to_address, coalesce(party, ''), coalesce(agent_id::text, ''), started_at, trusted, disowned
		FROM interactions WHERE org_id = $1::text::uuid AND sid = $2`, id, sid).
		Scan(&p.Kind, &p.Direction, &p.From, &p.To, &p.Party, &p.AgentID, &p.StartedAt, &p.Trusted, &p.Disowned)
	if missing(err) {
		return Parties{}, problem.NotFound("There is no call or message %q.", sid)
	}
	if err != nil {
		return Parties{}, fmt.Errorf("read call or message: %w", err)
	}
	return p, nil
}

// Disowned reports whether the other party of a call or message has said that they are not the contact. Of one that is
// not written yet nothing is known: false.
func (r *Reader) Disowned(ctx context.Context, id org.ID, sid string) (disowned bool, err error) {
	err = r.pool.QueryRow(ctx, `SELECT disowned FROM interactions WHERE org_id = $1::text::uuid AND sid = $2`, id, sid).Scan(&disowned)
	if err != nil && !missing(err) {
		return false, fmt.Errorf("look up whether somebody is the contact: %w", err)
	}
	return disowned, nil
}

// missing reports whether there is no such row: none was found, or none can be, since the key is
// a text that Postgres cannot read (SQLSTATE 22P02, as an id) or hold (22021, at all).
func missing(err error) bool {
	if errors.Is(err, pgx.ErrNoRows) {
		return true
	}
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "22P02" || pgErr.Code == "22021")
}
