// Package contacts is the address book: the one place that ties a phone number to a person. It
// holds contacts, the people whom campaigns have called, how the book fills itself from calls and
// captures, and the plan's limit on what people add.
//
// The rules on which value wins live here and, so that other programs on the same Postgres keep
// them too, in the database (docs/database.md). Finding who is calling is package recognize's.
package contacts

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/postgres"
	"ringside/internal/problem"
)

// Source says where a field's value came from. A higher source is never overwritten by a lower one.
type Source string

// The sources, from the strongest to the weakest (rule 3).
const (
	SourcePerson  Source = "person"  // somebody typed it, here or in another program
	SourceCapture Source = "capture" // the caller told the agent
	SourceImport  Source = "import"
	SourceAuto    Source = "auto" // left by a call or message as it passed
)

// Limits of a contact's fields, in characters. The database holds the same.
const (
	MaxName  = 200
	MaxEmail = 254
	MaxNotes = 20000
	MaxTags  = 100
	MaxTag   = 200 // of one tag; an index of the database holds no much longer ones
)

// Contact is one person of an organisation's address book.
type Contact struct {
	ID    string       `json:"id"`
	Name  string       `json:"name"`
	Phone phone.Number `json:"phone"`
	// OtherPhones are those of contacts that were merged into this one: calls from them are this person's.
	OtherPhones []phone.Number `json:"other_phones"`
	Email       string         `json:"email"` // "" if none is known
	Tags        []string       `json:"tags"`
	Notes       string         `json:"notes"`
	// Blocked: calls from them are rejected. GreetByName is false for whoever does not want to be
	// greeted by name. Only a person changes either.
	Blocked     bool `json:"blocked"`
	GreetByName bool `json:"greet_by_name"`
	// OptedOutAt is when they asked for no more messages, by their phone; nil: they did not, or came back.
	OptedOutAt      *time.Time `json:"opted_out_at"`
	Source          Source     `json:"source"` // what made the contact
	LastContactedAt *time.Time `json:"last_contacted_at"`
	CreatedAt       time.Time  `json:"created_at"`
	UpdatedAt       time.Time  `json:"updated_at"`
	ArchivedAt      *time.Time `json:"archived_at"` // nil: active
	MergedInto      *string    `json:"merged_into"` // the contact that this one became a part of; nil: none
	// Origins tells of phone, name, email, tags and notes where the value came from, and when (rule 3).
	Origins map[string]Origin `json:"origins"`
}

// Origin is where a field's value came from and when that was observed.
type Origin struct {
	Source Source    `json:"source"`
	At     time.Time `json:"at"`
}

// Fence keeps cached callers true: whoever writes raises it first. Package cache implements it.
type Fence interface {
	// Raise hides what is cached of these callers for a few seconds, longer than a fenced commit
	// may take. It reports whether every sidecar on this Postgres sees the fence; if not, the
	// change has to be announced by Postgres. It never fails: a fence that cannot be set makes
	// the cache distrust itself.
	Raise(ctx context.Context, id org.ID, numbers ...phone.Number) (shared bool)
}

// Book is the address book of all organisations, in Postgres.
type Book struct {
	pool   *pgxpool.Pool
	fence  Fence
	copies *pgxpool.Pool // for COPY
}

// NewBook returns the address book. A program that caches nothing passes [NoFence].
func NewBook(pool *pgxpool.Pool, fence Fence) *Book {
	return &Book{pool: pool, fence: fence, copies: pool}
}

// Copying lets a book on a pool for tenants send the rows of a file through another pool, since Postgres has
// no COPY below row-level security. They go to the import that was just begun, and are read back on the
// book's own.
func (b *Book) Copying(pool *pgxpool.Pool) *Book {
	return &Book{pool: b.pool, fence: b.fence, copies: pool}
}

// NoFence is the fence of a program that holds no cache, such as a command beside a running
// sidecar: Postgres announces what it writes.
type NoFence struct{}

// Raise reports that nobody has seen a fence.
func (NoFence) Raise(context.Context, org.ID, ...phone.Number) bool { return false }

// Draft is what a person gives to add a contact: the phone as they write it.
type Draft struct {
	Name, Phone, Email, Notes string
	Tags                      []string
}

// Add adds a contact by hand. A phone that an active contact has is a duplicate_phone problem with
// that contact's id; past the plan's limit it is a contact_limit_reached problem. Both hold under
// any concurrency. One of the organisation's own numbers is refused.
func (b *Book) Add(ctx context.Context, o org.Org, d Draft) (Contact, error) {
	c, err := d.check(o.Country)
	if err != nil {
		return Contact{}, err
	}
	err = b.fenced(ctx, "add contact", o.ID, []phone.Number{c.Phone}, func(ctx context.Context, tx pgx.Tx) error {
		return b.insert(ctx, tx, o.ID, &c)
	})
	if err != nil {
		return Contact{}, err
	}
	return c, nil
}

// fenced carries out a person's change to contacts with these numbers. A second active contact with a
// phone, which Postgres itself refuses (rule 1), is a problem.
func (b *Book) fenced(ctx context.Context, doing string, id org.ID, numbers []phone.Number, change func(context.Context, pgx.Tx) error) error {
	raise := func(ctx context.Context) bool { return b.fence.Raise(ctx, id, numbers...) }
	err := postgres.Fenced(ctx, b.pool, raise, change)
	if isConstraint(err, "contacts_active_phone") {
		err = problem.New(problem.CodeDuplicatePhone, duplicateDetail)
	}
	return failed(doing, err)
}

// duplicateDetail is what a person reads; checks rely on the words.
const duplicateDetail = "A contact with this phone number already exists."

func (b *Book) insert(ctx context.Context, tx pgx.Tx, id org.ID, c *Contact) error {
	limit, err := lockLimit(ctx, tx, id)
	if err != nil {
		return err
	}
	if err := b.freeFor(ctx, tx, id, c.Phone, ""); err != nil {
		return err
	}
	added, err := readContact(tx.QueryRow(ctx, `
		INSERT INTO contacts (org_id, name, phone, email, tags, notes) VALUES ($1::text::uuid, $2, $3, nullif($4, ''), $5, $6)
		ON CONFLICT (org_id, phone) WHERE archived_at IS NULL DO NOTHING RETURNING `+contactColumns,
		id, c.Name, c.Phone, c.Email, c.Tags, c.Notes))
	if errors.Is(err, pgx.ErrNoRows) {
		return b.duplicate(ctx, tx, id, c.Phone)
	}
	if err != nil {
		return err
	}
	*c = added
	return withinLimit(ctx, tx, id, limit)
}

// isOwn reports whether a number is one of the organisation's own, behind which its voice agents
// answer: nobody's contact (rule 5).
func isOwn(ctx context.Context, tx pgx.Tx, id org.ID, n phone.Number) (own bool, err error) {
	err = tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM phone_numbers WHERE org_id = $1::text::uuid AND phone = $2)`, id, n).Scan(&own)
	return own, err
}

// refuseOwn is the problem of giving a person one of the organisation's own numbers, or nil.
func refuseOwn(ctx context.Context, tx pgx.Tx, id org.ID, n phone.Number) error {
	own, err := isOwn(ctx, tx, id, n)
	if err != nil || !own {
		return err
	}
	return problem.Invalid("phone", "%s is one of the organisation's own numbers; give the person's number.", n)
}

// duplicate is the problem of adding a phone that an active contact has.
func (b *Book) duplicate(ctx context.Context, tx pgx.Tx, id org.ID, n phone.Number) error {
	p := problem.New(problem.CodeDuplicatePhone, duplicateDetail)
	p.Field = "phone"
	var err error
	if p.ID, err = holder(ctx, tx, id, n); err != nil { // "" if archived meanwhile: the answer is as true without the id
		return err
	}
	return p
}

// check reads a draft with the organisation's country, or says which field is wrong.
func (d Draft) check(country string) (Contact, error) {
	n, err := phone.Parse(d.Phone, country)
	if err != nil {
		return Contact{}, problem.Invalid("phone", "%s", err)
	}
	return d.withPhone(n)
}

// withPhone checks everything but the phone, which is known to be one.
func (d Draft) withPhone(n phone.Number) (Contact, error) {
	for _, f := range []struct{ name, text string }{{"name", d.Name}, {"email", d.Email}, {"notes", d.Notes}} {
		if err := storable(f.name, f.text); err != nil {
			return Contact{}, err
		}
	}
	c := Contact{Name: tidy(d.Name), Phone: n, Email: strings.TrimSpace(d.Email), Notes: strings.TrimSpace(d.Notes), Tags: CleanTags(d.Tags)}
	switch {
	case c.Name == "":
		return Contact{}, problem.Invalid("name", "A contact needs a name.")
	case utf8.RuneCountInString(c.Name) > MaxName:
		return Contact{}, problem.Invalid("name", "The name is longer than %d characters.", MaxName)
	case utf8.RuneCountInString(c.Notes) > MaxNotes:
		return Contact{}, problem.Invalid("notes", "The notes are longer than %d characters.", MaxNotes)
	case len(c.Tags) > MaxTags:
		return Contact{}, problem.Invalid("tags", "There are more than %d tags.", MaxTags)
	case slices.ContainsFunc(c.Tags, func(tag string) bool { return utf8.RuneCountInString(tag) > MaxTag }):
		return Contact{}, problem.Invalid("tags", "A tag is longer than %d characters.", MaxTag)
	}
	if c.Email != "" {
		if verdict := CheckEmail(c.Email); !verdict.Valid {
			return Contact{}, problem.Invalid("email", "%s", verdict.Reason)
		}
	}
	return c, nil
}

// CleanTags makes one line of each tag and drops blank ones and repetitions (compared without
// case), keeping order and the first spelling.
func CleanTags(tags []string) []string {
	seen := map[string]bool{}
	clean := []string{}
	for _, tag := range tags {
		tag = tidy(tag)
		folded := strings.ToLower(tag)
		if tag == "" || seen[folded] {
			continue
		}
		seen[folded] = true
		clean = append(clean, tag)
	}
	return clean
}

// failed returns a problem as it is, and any other error with what was being done; nil stays nil.
func failed(doing string, err error) error {
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return p
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// isInvalidText reports whether Postgres refused a text as an id: no such row can exist.
func isInvalidText(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pgErr.Code == "22P02" || pgErr.Code == "22021")
}

// isConstraint reports whether Postgres refused a row for breaking a constraint or unique index.
func isConstraint(err error, name string) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pgErr.ConstraintName == name
}

// isBadValue reports whether Postgres could not read a value (SQLSTATE class 22).
func isBadValue(err error) bool {
	pgErr, ok := errors.AsType[*pgconn.PgError](err)
	return ok && strings.HasPrefix(pgErr.Code, "22")
}
