package contacts

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/problem"
)

// Sort is the order of a list of contacts.
type Sort string

// The orders. A list is by name unless told otherwise.
const (
	SortName          Sort = "name"
	SortLastContacted Sort = "-last_contacted_at" // the latest first, those never contacted last
	SortCreated       Sort = "-created_at"        // the newest first

	SortNameDown       Sort = "-name"
	SortLongestAgo     Sort = "last_contacted_at" // those never contacted first, then the earliest
	SortCreatedEarlier Sort = "created_at"        // the oldest first
)

// Sorts are all orders.
var Sorts = []Sort{SortName, SortNameDown, SortLastContacted, SortLongestAgo, SortCreated, SortCreatedEarlier}

// sortKeys are what each order compares, before the id; each has an index, which is read from either end.
var sortKeys = map[Sort]struct{ key, cast, after, direction string }{
	SortName:           {`ringside_fold(name) COLLATE "C"`, "text", ">", "ASC"},
	SortNameDown:       {`ringside_fold(name) COLLATE "C"`, "text", "<", "DESC"},
	SortLastContacted:  {`coalesce(last_contacted_at, '-infinity')`, "timestamptz", "<", "DESC"},
	SortLongestAgo:     {`coalesce(last_contacted_at, '-infinity')`, "timestamptz", ">", "ASC"},
	SortCreated:        {`created_at`, "timestamptz", "<", "DESC"},
	SortCreatedEarlier: {`created_at`, "timestamptz", ">", "ASC"},
}

// Bounds of a search.
const (
	DefaultPage = 50
	MaxPage     = 200
	maxQuery    = 200 // characters
)

// fewFound is up to how many of those found are all read and sorted; of more than that, enough for a
// page come soon in the index of the order. Postgres cannot tell the two apart, since it has no
// statistics of org_id as a text; it would read an index of the whole organisation to find a few.
const fewFound = 4000

// Query asks for a page of contacts.
type Query struct {
	Text     string   // part of a name, e-mail or phone; "" finds everybody
	Tag      string   // without regard to case
	Source   Source   // what made the contact
	IDs      []string // only these, at most MaxPage; nil: all
	Archived bool     // the archived ones instead of the active, without those that were merged into others
	Sort     Sort
	Limit    int    // 0 is DefaultPage
	Cursor   string // of the page before; the rest of the query must be the same
}

// Page is a part of a list of contacts.
type Page struct {
	Contacts []Contact `json:"contacts"`
	// Total is how many the query found when its first page was asked for.
	Total int `json:"total"`
	// NextCursor asks for the next page; nil on the last one.
	NextCursor *string `json:"next_cursor"`
}

// cursor is where a page ended. It names the query, so that it is not used with another one.
type cursor struct {
	Query string `json:"q"`
	Key   string `json:"k"` // of the last contact
	ID    string `json:"i"`
	Total int    `json:"t"`
}

// Search returns a page of an organisation's contacts. Pages hang together by the last contact, not
// by a count, so that nobody is skipped or shown twice while the book changes.
//
// It reads the view org_contacts, which keeps organisations apart as row-level security does. On the table
// itself Postgres would not use the indexes of texts under a policy: their operators are not sworn
// to tell nothing of the rows that they are asked about (LEAKPROOF).
func (b *Book) Search(ctx context.Context, id org.ID, q Query) (Page, error) {
	from, err := q.check()
	if err != nil {
		return Page{}, err
	}
	page := Page{Contacts: []Contact{}, Total: from.Total}
	if q.Cursor == "" {
		if page.Total, err = b.total(ctx, id, q); err != nil {
			return Page{}, fmt.Errorf("count contacts: %w", err)
		}
	}
	where, args := q.among(byID, id)
	if q.Text == "" && q.Tag == "" || page.Total > fewFound {
		where, args = q.among(byText, id)
	}
	sort := sortKeys[q.Sort]
	if q.Cursor != "" {
		args = append(args, from.Key, from.ID)
		where += fmt.Sprintf(" AND (%s, id) %s ($%d::text::%s, $%d::text::uuid)", sort.key, sort.after, len(args)-1, sort.cast, len(args))
	}
	args = append(args, q.Limit+1)
	rows, err := b.pool.Query(ctx, fmt.Sprintf(`SELECT %s, (%s)::text AS sort_key FROM org_contacts contacts WHERE %s ORDER BY %s %s, contacts.id %[5]s LIMIT $%[6]d`, // id alone would be the text that is selected
		contactColumns, sort.key, where, sort.key, sort.direction, len(args)), planned(args)...)
	if err != nil {
		return Page{}, fmt.Errorf("search contacts: %w", err)
	}
	defer rows.Close()
	var key, lastKey string
	for rows.Next() {
		if len(page.Contacts) == q.Limit {
			page.NextCursor = cursor{q.name(), lastKey, page.Contacts[q.Limit-1].ID, page.Total}.encode()
			break
		}
		c, err := readContact(keyed{rows, &key})
		if err != nil {
			return Page{}, fmt.Errorf("search contacts: %w", err)
		}
		page.Contacts, lastKey = append(page.Contacts, c), key
	}
	rows.Close()
	if err := rows.Err(); isBadValue(err) && q.Cursor != "" {
		return Page{}, foreignCursor()
	} else if err != nil {
		return Page{}, fmt.Errorf("search contacts: %w", err)
	}
	return page, nil
}

// total returns how many contacts a query finds.
func (b *Book) total(ctx context.Context, id org.ID, q Query) (n int, err error) {
	if q.Text == "" && q.Tag == "" && q.IDs == nil && !q.Archived { // which is kept
		err = b.pool.QueryRow(ctx, `SELECT coalesce(sum(active), 0) FROM contact_counts WHERE org_id = $1::text::uuid AND $2 IN ('', source)`, id, string(q.Source)).Scan(&n)
		return n, err
	}
	where, args := q.among(byID, id)
	err = b.pool.QueryRow(ctx, `SELECT count(*) FROM org_contacts contacts WHERE `+where, planned(args)...).Scan(&n)
	return n, err
}

// planned are arguments of a query that is planned for them: a plan for whatever may be searched reads
// and sorts far more than a page.
func planned(args []any) []any { return append([]any{pgx.QueryExecModeCacheDescribe}, args...) }

// keyed is a row of contactColumns with its sort key behind them.
type keyed struct {
	row interface{ Scan(...any) error }
	key *string
}

func (k keyed) Scan(columns ...any) error { return k.row.Scan(append(columns, k.key)...) }

// check fills in what was left out, and refuses what cannot be asked.
func (q *Query) check() (from cursor, err error) {
	if q.Sort == "" {
		q.Sort = SortName
	}
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	q.Text, q.Tag = tidy(q.Text), tidy(q.Tag)
	_, sorted := sortKeys[q.Sort]
	switch {
	case !sorted:
		return from, problem.Invalid("sort", "There is no order %q: use name, last_contacted_at or created_at, or one of them with a - in front for the other way round.", q.Sort)
	case q.Limit < 1 || q.Limit > MaxPage:
		return from, problem.Invalid("limit", "A page has 1 to %d contacts.", MaxPage)
	case utf8.RuneCountInString(q.Text) > maxQuery || utf8.RuneCountInString(q.Tag) > maxQuery:
		return from, problem.Invalid("q", "A search has at most %d characters.", maxQuery)
	case len(q.IDs) > MaxPage:
		return from, tooManyChosen()
	case slices.ContainsFunc(q.IDs, func(text string) bool { return !uuid.MatchString(text) }):
		return from, problem.Invalid("ids", "These are not ids of contacts.")
	case q.Source != "" && !q.Source.known():
		return from, problem.Invalid("source", "There is no source %q: use person, capture, import or auto.", q.Source)
	case q.Cursor == "":
		return from, nil
	}
	if from.decode(q.Cursor) != nil || from.Query != q.name() {
		return from, foreignCursor()
	}
	return from, nil
}

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func foreignCursor() error {
	return problem.Invalid("cursor", "This cursor belongs to another search. Begin again without one.")
}

func (s Source) known() bool {
	return s == SourcePerson || s == SourceCapture || s == SourceImport || s == SourceAuto
}

// name tells queries apart, whatever page of them is asked for, without repeating what was searched.
func (q *Query) name() string {
	sum := sha256.Sum256([]byte(strings.Join([]string{q.Text, q.Tag, string(q.Source), fmt.Sprint(q.Archived), string(q.Sort), strings.Join(q.IDs, " ")}, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// The ways to name the organisation, $1: as a text it is what the indexes of the orders begin with, as
// an id the others.
const (
	byID   = "org_id = $1::text::uuid"
	byText = "org_id::text = $1"
)

// where returns the condition of a query and its arguments, for Postgres to choose an index.
func (q *Query) where(id org.ID) (condition string, args []any) {
	return q.among(byID+" AND "+byText, id)
}

// among is where, with a way to name the organisation.
func (q *Query) among(organisation string, id org.ID) (condition string, args []any) {
	args = []any{id}
	condition = organisation + " AND archived_at IS NULL"
	if q.Archived {
		condition = organisation + " AND archived_at IS NOT NULL AND merged_into IS NULL"
	}
	and := " AND (%s)"
	if organisation == byText {
		and = " AND (%s) IS TRUE" // which no index knows, so that the one of the order is walked
	}
	add := func(form string, value any) {
		args = append(args, value)
		condition += fmt.Sprintf(and, fmt.Sprintf(form, len(args)))
	}
	if q.Text != "" {
		digits := phoneDigits(q.Text)
		switch national, trunk := strings.CutPrefix(digits, "0"); {
		case digits == "":
			add("search LIKE ringside_containing($%d)", q.Text)
		case trunk && len(national) >= 3: // the zero in front of a national number is not part of it
			args = append(args, digits, national)
			condition += fmt.Sprintf(and, fmt.Sprintf("search LIKE ringside_containing($%d) OR search LIKE ringside_containing($%d)", len(args)-1, len(args)))
		default:
			add("search LIKE ringside_containing($%d)", digits)
		}
	}
	if q.Tag != "" {
		add("ringside_fold_all(tags) @> ARRAY[ringside_fold($%d)]", q.Tag)
	}
	if q.Source != "" {
		args = append(args, string(q.Source))
		condition += fmt.Sprintf(" AND source = $%d", len(args))
	}
	if q.IDs != nil {
		args = append(args, q.IDs)
		condition += fmt.Sprintf(" AND id = ANY ($%d::text[]::uuid[])", len(args))
	}
	return condition, args
}

// phoneDigits returns the digits of a text that looks like part of a phone number however it is
// written, or "". A leading plus or 00 says that it is the beginning.
func phoneDigits(text string) string {
	var digits strings.Builder
	for _, r := range strings.ReplaceAll(text, "(0)", "") { // of +44 (0)20, which nobody dials
		switch {
		case r >= '0' && r <= '9':
			digits.WriteRune(r)
		case strings.ContainsRune("+-./()", r) || unicode.IsSpace(r):
		default:
			return ""
		}
	}
	switch {
	case digits.Len() == 0:
		return ""
	case strings.HasPrefix(text, "+"):
		return "+" + digits.String()
	case strings.HasPrefix(digits.String(), "00") && digits.Len() > 2:
		return "+" + digits.String()[2:]
	}
	return digits.String()
}

func (c cursor) encode() *string {
	body, _ := json.Marshal(c) // strings and a number always marshal
	text := base64.RawURLEncoding.EncodeToString(body)
	return &text
}

func (c *cursor) decode(text string) error {
	body, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, c)
}
