package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"ringside/contacts"
)

// searchKind is a kind of search that people make.
type searchKind struct {
	name  string
	query func(n int) contacts.Query // as it is asked for the n-th person
	deep  bool                       // pages from places all over the list are asked for too
	short bool                       // fewer than three characters, for which there is no goal
}

// searchRow is what was found of a kind of search.
type searchRow struct {
	kind         searchKind
	first, later []time.Duration // of pages
	found        int             // the median
	plans        searchPlans
}

// commonParts are parts of names that many have.
var commonParts = []string{"mar", "son", "john", "ann", "garcia", "lee", "smith", "che", "rod", "wil"}

var searchKinds = []searchKind{
	{name: "everybody, by name", query: always(contacts.Query{}), deep: true},
	{name: "everybody, by last contact", query: always(contacts.Query{Sort: contacts.SortLastContacted}), deep: true},
	{name: "everybody, by creation", query: always(contacts.Query{Sort: contacts.SortCreated}), deep: true},
	{name: "a rare last name", query: byText("", func(n int) string { return rareName(n - n%3) })},
	{name: "a rare last name, by creation", query: byText(contacts.SortCreated, func(n int) string { return rareName(n - n%3) })},
	{name: "first and last name", query: byText("", func(n int) string { return somebody(n).name })},
	{name: "a common part of a name", query: byText("", commonPart)},
	{name: "a common part of a name, by last contact", query: byText(contacts.SortLastContacted, commonPart)},
	{name: "a phone as it is written", query: byText("", func(n int) string { return somebody(n).written })},
	{name: "four last digits", query: byText("", func(n int) string { p := somebody(n).phone; return p[len(p)-4:] })},
	{name: "an area code", query: byText("", func(n int) string { return fmt.Sprint("+1 ", areaCodes[n%len(areaCodes)]) })},
	{name: "part of an e-mail address", query: byText("", func(n int) string {
		local, _, _ := strings.Cut(somebody(n/5*5+1).email, "@")
		return local[strings.IndexByte(local, '.')+1:] + "@"
	})},
	{name: "a domain", query: byText("", func(int) string { return "@acme.io" })},
	{name: "a common tag", query: always(contacts.Query{Tag: tagCommon})},
	{name: "a rare tag", query: always(contacts.Query{Tag: strings.ToUpper(tagRare)})},
	{name: "the source of most", query: always(contacts.Query{Source: contacts.SourceImport})},
	{name: "the source of few", query: always(contacts.Query{Source: contacts.SourceCapture})},
	{name: "a common part of a name and a tag", query: func(n int) contacts.Query { return contacts.Query{Text: commonPart(n), Tag: tagCommon} }},
	{name: "two characters", query: byText("", func(n int) string { return somebody(n).name[:2] }), short: true},
}

func always(q contacts.Query) func(int) contacts.Query { return func(int) contacts.Query { return q } }

func byText(sort contacts.Sort, text func(n int) string) func(int) contacts.Query {
	return func(n int) contacts.Query { return contacts.Query{Text: text(n), Sort: sort} }
}

func commonPart(n int) string { return commonParts[n%len(commonParts)] }

// measureSearches makes the searches of each kind, one caller at a time, and looks at their plans.
func (b *bookBench) measureSearches(ctx context.Context) ([]searchRow, error) {
	rows := make([]searchRow, len(searchKinds))
	for i, kind := range searchKinds {
		b.say("Book: searches, %s", kind.name)
		row := &rows[i]
		row.kind = kind
		var err error
		if row.plans, err = b.explain(ctx, kind); err != nil {
			return nil, fmt.Errorf("%s: %w", kind.name, err)
		}
		var found []float64
		for i := range b.plan.searches {
			total, err := b.search(ctx, contacts.NewBook(b.pool, contacts.NoFence{}), kind, i, row)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", kind.name, err)
			}
			found = append(found, float64(total))
		}
		if row.found = int(median(found)); row.found == 0 {
			return nil, fmt.Errorf("%s: nobody is found", kind.name)
		}
	}
	return rows, nil
}

// laterPages is how many pages are asked for after the first, and from a place in the list.
const laterPages = 2

// search makes the i-th search of a kind, adds what its pages took to the row, and returns how many it found.
func (b *bookBench) search(ctx context.Context, book *contacts.Book, kind searchKind, i int, row *searchRow) (total int, err error) {
	n := int(mixed(i) % uint64(b.crowd.all()))
	q := kind.query(n)
	began := time.Now()
	first, err := book.Search(ctx, b.org.ID, q)
	if err != nil {
		return 0, err
	}
	row.first = append(row.first, time.Since(began))
	begins := []*string{first.NextCursor}
	if kind.deep {
		place, err := b.cursorAt(ctx, q, *first.NextCursor, n)
		if err != nil {
			return 0, err
		}
		begins = append(begins, place)
	}
	for _, cursor := range begins {
		for page := 0; page < laterPages && cursor != nil; page++ {
			q.Cursor = *cursor
			began := time.Now()
			next, err := book.Search(ctx, b.org.ID, q)
			if err != nil {
				return 0, err
			}
			row.later = append(row.later, time.Since(began))
			cursor = next.NextCursor
		}
	}
	return first.Total, nil
}

// cursorAt turns a cursor into one that goes on after the n-th person, so that pages deep in the list
// are asked for without all those before.
func (b *bookBench) cursorAt(ctx context.Context, q contacts.Query, like string, n int) (*string, error) {
	body, err := base64.RawURLEncoding.DecodeString(like)
	if err != nil {
		return nil, fmt.Errorf("read a cursor: %w", err)
	}
	var cursor map[string]any
	if err := json.Unmarshal(body, &cursor); err != nil {
		return nil, fmt.Errorf("read a cursor: %w", err)
	}
	key := map[contacts.Sort]string{"": `ringside_fold(name)`, contacts.SortLastContacted: `coalesce(last_contacted_at, '-infinity')`, contacts.SortCreated: `created_at`}[q.Sort]
	var place, id string
	err = b.pool.QueryRow(ctx, `SELECT (`+key+`)::text, id::text FROM contacts WHERE org_id = $1::text::uuid AND phone = $2 AND archived_at IS NULL`,
		b.org.ID, somebody(n).phone).Scan(&place, &id)
	if err != nil {
		return nil, fmt.Errorf("find a place in the list: %w", err)
	}
	cursor["k"], cursor["i"] = place, id
	if body, err = json.Marshal(cursor); err != nil {
		return nil, err
	}
	text := base64.RawURLEncoding.EncodeToString(body)
	return &text, nil
}
