// Package audit keeps the log of who changed what: members in the dashboard, keys over the API,
// `ringside member` on the command line.
//
// An entry is written after its change was made, and names rows by id and by the name they had. Of
// contacts that are erased only the fact remains (a trigger sees to that). Entries go after
// [Kept].
package audit

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Kept is how long entries are kept.
const Kept = 400 * 24 * time.Hour

// Actor is whose doing a change was.
type Actor struct{ Kind, ID, Name string }

// Member is somebody in the dashboard.
func Member(id, email string) Actor { return Actor{"member", id, email} }

// Key is a program with an API key.
func Key(id, name string) Actor { return Actor{"key", id, name} }

// Operator is somebody on the command line of the program.
func Operator() Actor { return Actor{Kind: "operator"} }

// Entry is one change.
type Entry struct {
	ID      string
	OrgID   org.ID
	At      time.Time
	Actor   Actor
	Action  string // what was done, such as contact.add
	Subject string // the id of the row that was changed, or ""
	Label   string // the name it had
	Details map[string]any
}

// Log keeps the entries in Postgres.
type Log struct{ pool *pgxpool.Pool }

// NewLog returns the log on the given pool.
func NewLog(pool *pgxpool.Pool) *Log { return &Log{pool: pool} }

// Limits of an entry's texts, in characters. The database holds the same.
const (
	maxLabel   = 300
	maxSubject = 100
)

// Record writes an entry. Its time is Postgres's.
func (l *Log) Record(ctx context.Context, e Entry) error {
	if e.Details == nil {
		e.Details = map[string]any{}
	}
	_, err := l.pool.Exec(ctx, `
		INSERT INTO audit_log (org_id, actor_kind, actor_id, actor_name, action, subject, label, details) VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8)`,
		e.OrgID, e.Actor.Kind, e.Actor.ID, bounded(e.Actor.Name, maxLabel), e.Action, bounded(e.Subject, maxSubject), bounded(e.Label, maxLabel), e.Details)
	if err != nil {
		return fmt.Errorf("write audit log: %w", err)
	}
	return nil
}

func bounded(text string, most int) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "")
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most-1]) + "…"
	}
	return text
}

// Bounds of a page.
const (
	DefaultPage = 50
	MaxPage     = 200
)

// Query asks for a page of entries, the latest first.
type Query struct {
	Subject string // of one row, or ""
	ActorID string // by one member or key, or ""
	Limit   int    // 0 is DefaultPage
	Cursor  string // of the page before
}

// Page is a part of the log.
type Page struct {
	Entries    []Entry
	NextCursor *string // nil on the last page
}

// List returns a page of an organisation's log.
func (l *Log) List(ctx context.Context, id org.ID, q Query) (Page, error) {
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	if q.Limit < 1 || q.Limit > MaxPage {
		return Page{}, problem.Invalid("limit", "A page has 1 to %d entries.", MaxPage)
	}
	before, beforeID, err := readCursor(q.Cursor)
	if err != nil {
		return Page{}, problem.Invalid("cursor", "This is no cursor of such a list. Begin again without one.")
	}
	rows, err := l.pool.Query(ctx, `
		SELECT id::text, org_id::text, at, actor_kind, actor_id, actor_name, action, subject, label, details FROM audit_log
		WHERE org_id = $1::text::uuid AND ($2 = '' OR subject = $2 AND subject <> '') AND ($3 = '' OR actor_id = $3 AND actor_id <> '')
			AND ($4::timestamptz IS NULL OR (at, id) < ($4, nullif($5, '')::uuid))
		ORDER BY audit_log.at DESC, audit_log.id DESC LIMIT $6`, pgx.QueryExecModeCacheDescribe, id, q.Subject, q.ActorID, before, beforeID, q.Limit+1)
	if err != nil {
		return Page{}, fmt.Errorf("read audit log: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Entry, err error) {
		err = row.Scan(&e.ID, &e.OrgID, &e.At, &e.Actor.Kind, &e.Actor.ID, &e.Actor.Name, &e.Action, &e.Subject, &e.Label, &e.Details)
		return e, err
	})
	if err != nil {
		return Page{}, fmt.Errorf("read audit log: %w", err)
	}
	page := Page{Entries: entries}
	if len(entries) > q.Limit {
		page.Entries = entries[:q.Limit]
		last := page.Entries[q.Limit-1]
		cursor := base64.RawURLEncoding.EncodeToString([]byte(last.At.UTC().Format(time.RFC3339Nano) + " " + last.ID))
		page.NextCursor = &cursor
	}
	return page, nil
}

func readCursor(cursor string) (before *time.Time, id string, err error) {
	if cursor == "" {
		return nil, "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, "", err
	}
	when, id, found := strings.Cut(string(raw), " ")
	at, err := time.Parse(time.RFC3339Nano, when)
	if err != nil || !found || len(id) != 36 || strings.Trim(id, "0123456789abcdef-") != "" {
		return nil, "", errors.New("no cursor")
	}
	return &at, id, nil
}

// Upkeep removes entries that are older than [Kept].
func (l *Log) Upkeep(ctx context.Context) error {
	if _, err := l.pool.Exec(ctx, `DELETE FROM audit_log WHERE at < now() - $1::interval`, Kept); err != nil {
		return fmt.Errorf("remove old entries of the audit log: %w", err)
	}
	return nil
}
