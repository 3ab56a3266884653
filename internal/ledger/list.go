package ledger

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Bounds of a list of interactions.
const (
	DefaultPage = 50
	MaxPage     = 200
	maxQuery    = 200 // characters
)

// Query asks for a page of calls and messages, the latest first.
type Query struct {
	Text      string // part of a number, of a contact's name, of a summary or of what a message says; "" finds everything
	Kind      string // "call", "message", or "" for both
	ContactID string // of one contact, or ""
	Direction string // "inbound", "outbound", or "" for both
	AgentID   string // that one voice agent answered, or ""
	Known     *bool  // calls whose caller was, or was not, known; nil: all
	// From and Before bound when they began; nil leaves a side open.
	From, Before *time.Time
	Limit        int    // 0 is DefaultPage
	Cursor       string // of the page before
}

// Page is a part of a list of interactions.
type Page struct {
	Interactions []Interaction `json:"interactions"`
	// NextCursor asks for the next page; nil on the last one.
	NextCursor *string `json:"next_cursor"`
}

// List returns a page of an organisation's calls and messages.
func (r *Reader) List(ctx context.Context, id org.ID, q Query) (Page, error) {
	before, beforeID, err := q.check()
	if err != nil {
		return Page{}, err
	}
	rows, err := r.pool.Query(ctx, `
		SELECT `+interactionColumns+` FROM interactions i LEFT JOIN contacts c ON c.id = i.contact_id
		WHERE i.org_id = $1::text::uuid AND ($2 = '' OR i.kind = $2) AND ($3 = '' OR i.contact_id = nullif($3, '')::uuid)
			AND ($4 = '' OR c.search LIKE ringside_containing($4) OR i.from_address LIKE ringside_containing($5) OR i.to_address LIKE ringside_containing($5)
				OR ringside_fold(i.summary) LIKE ringside_containing($4) OR i.text <> '' AND ringside_fold(i.text) LIKE ringside_containing($4))
			AND ($6::timestamptz IS NULL OR (i.started_at, i.id) < ($6, nullif($7, '')::uuid))
			AND ($9 = '' OR i.direction = $9) AND ($10 = '' OR i.agent_id = nullif($10, '')::uuid)
			AND ($11::boolean IS NULL OR i.kind = 'call' AND `+knownSQL+` = $11)
			AND i.started_at >= coalesce($12::timestamptz, '-infinity') AND i.started_at < coalesce($13::timestamptz, 'infinity')
		ORDER BY i.started_at DESC, i.id DESC LIMIT $8`,
		id, q.Kind, q.ContactID, q.Text, strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(q.Text), before, beforeID, q.Limit+1,
		q.Direction, q.AgentID, q.Known, q.From, q.Before)
	if err != nil {
		return Page{}, fmt.Errorf("list interactions: %w", err)
	}
	defer rows.Close()
	page := Page{Interactions: []Interaction{}}
	for rows.Next() {
		if len(page.Interactions) == q.Limit {
			last := page.Interactions[q.Limit-1]
			page.NextCursor = encodeCursor(last.StartedAt, last.ID)
			break
		}
		i, err := readInteraction(rows)
		if err != nil {
			return Page{}, fmt.Errorf("list interactions: %w", err)
		}
		page.Interactions = append(page.Interactions, i)
	}
	rows.Close()
	if err := rows.Err(); missing(err) { // an id that is none
		return Page{Interactions: []Interaction{}}, nil
	} else if err != nil {
		return Page{}, fmt.Errorf("list interactions: %w", err)
	}
	return page, nil
}

// check fills in what was left out, and refuses what cannot be asked.
func (q *Query) check() (before *time.Time, beforeID string, err error) {
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	switch {
	case q.Kind != "" && q.Kind != "call" && q.Kind != "message":
		return nil, "", problem.Invalid("kind", "There is no kind %q: use call or message.", q.Kind)
	case q.Direction != "" && q.Direction != "inbound" && q.Direction != "outbound":
		return nil, "", problem.Invalid("direction", "There is no direction %q: use inbound or outbound.", q.Direction)
	case q.Limit < 1 || q.Limit > MaxPage:
		return nil, "", problem.Invalid("limit", "A page has 1 to %d calls and messages.", MaxPage)
	case utf8.RuneCountInString(q.Text) > maxQuery:
		return nil, "", problem.Invalid("q", "A search has at most %d characters.", maxQuery)
	case !utf8.ValidString(q.Text) || strings.Contains(q.Text, "\x00"):
		return nil, "", problem.Invalid("q", "The search is not valid text.")
	case q.Cursor == "":
		return nil, "", nil
	}
	at, beforeID, err := decodeCursor(q.Cursor)
	if err != nil {
		return nil, "", problem.Invalid("cursor", "This is no cursor of such a list. Begin again without one.")
	}
	return &at, beforeID, nil
}

func encodeCursor(at time.Time, id string) *string {
	text := base64.RawURLEncoding.EncodeToString([]byte(at.UTC().Format(time.RFC3339Nano) + " " + id))
	return &text
}

func decodeCursor(text string) (at time.Time, id string, err error) {
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return at, "", err
	}
	when, id, found := strings.Cut(string(body), " ")
	if !found || len(id) != len("00000000-0000-0000-0000-000000000000") {
		return at, "", errors.New("no id")
	}
	at, err = time.Parse(time.RFC3339Nano, when)
	return at, id, err
}
