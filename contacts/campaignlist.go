package contacts

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// CampaignResult is somebody of a campaign: whether they were called, and what came of it.
type CampaignResult struct {
	ID       string       `json:"id"`
	Phone    phone.Number `json:"phone"`
	Name     string       `json:"name"`
	Notes    string       `json:"notes"`
	CalledAt *time.Time   `json:"called_at"` // nil: not yet
	Result   string       `json:"result"`
	// Variables are what else is known of them, for the campaign's greeting.
	Variables map[string]string `json:"variables"`
	// Attempts is how often the campaign has called them by itself, and Outcome what came of it: Twilio's word
	// for the end of a call, such as completed or no-answer, or why they were not called, such as opted_out.
	// Waiting are those whom it has still to call.
	Attempts int    `json:"attempts"`
	Outcome  string `json:"outcome"`
	Waiting  bool   `json:"waiting"`
	// ContactID is the active contact that has the number; nil: none.
	ContactID *string `json:"contact_id"`
}

// MaxResult is the longest result of a call, in characters. The database holds the same.
const MaxResult = 2000

// toCallSQL is true for campaign_people p who are still to be called.
const toCallSQL = `(p.call_state = 'waiting' AND (p.called_at IS NULL OR p.call_attempts > 0))`

// campaignResultColumns are those of campaign_people p, for [CampaignResult].
var campaignResultColumns = `p.id::text, p.phone, p.name, p.notes, p.called_at, p.result, p.variables, p.call_attempts, p.outcome, ` + toCallSQL + `, ` + HolderSQL("p.org_id", "p.phone") + `::text`

// CampaignQuery asks for a page of a campaign's people, in the order of their numbers.
type CampaignQuery struct {
	Called *bool  // only those who were, or were not, called; nil: all
	Limit  int    // 0 is DefaultPage
	Cursor string // of the page before
}

// CampaignPage is a part of a campaign's people.
type CampaignPage struct {
	People []CampaignResult `json:"people"`
	// NextCursor asks for the next page; nil on the last one.
	NextCursor *string `json:"next_cursor"`
}

// CampaignPeople returns a page of a campaign's people with the results of their calls.
func (b *Book) CampaignPeople(ctx context.Context, id org.ID, campaignID string, q CampaignQuery) (page CampaignPage, err error) {
	if q.Limit == 0 {
		q.Limit = DefaultPage
	}
	after, isNumber := phone.Strict("+" + q.Cursor)
	switch {
	case q.Limit < 1 || q.Limit > MaxPage:
		return page, problem.Invalid("limit", "A page has 1 to %d people.", MaxPage)
	case q.Cursor != "" && !isNumber:
		return page, problem.Invalid("cursor", "This is no cursor of such a list. Begin again without one.")
	}
	if err := b.hasCampaign(ctx, id, campaignID); err != nil {
		return page, err
	}
	rows, err := b.pool.Query(ctx, `
		SELECT `+campaignResultColumns+` FROM campaign_people p
		WHERE p.campaign_id = $1::text::uuid AND p.phone > $2 AND ($3::bool IS NULL OR (p.called_at IS NOT NULL) = $3) ORDER BY p.phone LIMIT $4`,
		campaignID, after, q.Called, q.Limit+1)
	if err != nil {
		return page, fmt.Errorf("list campaign's people: %w", err)
	}
	if page.People, err = pgx.CollectRows(rows, pgx.RowToStructByPos[CampaignResult]); err != nil {
		return page, fmt.Errorf("list campaign's people: %w", err)
	}
	if len(page.People) > q.Limit {
		page.People = page.People[:q.Limit]
		last := strings.TrimPrefix(string(page.People[q.Limit-1].Phone), "+")
		page.NextCursor = &last
	}
	return page, nil
}

// CampaignPerson returns somebody of a campaign.
func (b *Book) CampaignPerson(ctx context.Context, id org.ID, campaignID, personID string) (r CampaignResult, err error) {
	rows, err := b.pool.Query(ctx, `
		SELECT `+campaignResultColumns+` FROM campaign_people p WHERE p.org_id = $1::text::uuid AND p.campaign_id = $2::text::uuid AND p.id = $3::text::uuid`,
		id, campaignID, personID)
	if err == nil {
		r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[CampaignResult])
	}
	return r, failed("read campaign's person", noPerson(err, campaignID, personID))
}

// noPerson turns the absence of a row into a problem.
func noPerson(err error, campaignID, personID string) error {
	if errors.Is(err, pgx.ErrNoRows) || isInvalidText(err) {
		return problem.NotFound("There is no person %s in the campaign %s.", personID, campaignID)
	}
	return err
}

// CampaignChange is what is recorded of a campaign's call; nil leaves a field as it is.
type CampaignChange struct {
	CalledAt *time.Time // only moves forward
	Result   *string
	// InsteadOf is the result that Result takes the place of: another one, which somebody has written meanwhile,
	// stays. nil is any.
	InsteadOf *string
	Name      *string
	Notes     *string
	// Variables are added to those there are; an empty value takes one away.
	Variables map[string]string
}

// checked returns the change tidied up, or says which field is wrong.
func (c CampaignChange) checked() (CampaignChange, error) {
	for _, f := range []struct {
		name string
		text **string
		tidy func(string) string
		most int
	}{{"result", &c.Result, strings.TrimSpace, MaxResult}, {"name", &c.Name, tidy, MaxName}, {"notes", &c.Notes, strings.TrimSpace, MaxNotes}} {
		if *f.text == nil {
			continue
		}
		text := f.tidy(**f.text)
		if err := storable(f.name, **f.text); err != nil {
			return c, err
		}
		if utf8.RuneCountInString(text) > f.most {
			return c, problem.Invalid(f.name, "This is longer than %d characters.", f.most)
		}
		*f.text = &text
	}
	variables, err := checkedVariables(c.Variables)
	if err != nil {
		return c, err
	}
	for name, value := range c.Variables {
		if name = strings.ToUpper(strings.TrimSpace(name)); tidy(value) == "" {
			variables[name] = ""
		}
	}
	c.Variables = variables
	return c, nil
}

// ChangeCampaignPerson records what came of a call, or corrects what is known of somebody. Once they
// were called they are recognised when they call back (rule 8).
func (b *Book) ChangeCampaignPerson(ctx context.Context, id org.ID, campaignID, personID string, c CampaignChange) (r CampaignResult, err error) {
	if c, err = c.checked(); err != nil {
		return r, err
	}
	held, err := b.CampaignPerson(ctx, id, campaignID, personID)
	if err != nil {
		return r, err
	}
	err = b.fenced(ctx, "change campaign's person", id, []phone.Number{held.Phone}, func(ctx context.Context, tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			UPDATE campaign_people p SET changed_at = now(), called_at = greatest(called_at, $2), result = CASE WHEN $7::text IS NULL OR result = $7 THEN coalesce($3, result) ELSE result END, name = coalesce($4, name), notes = coalesce($5, notes),
				variables = (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(variables || $6) WHERE value <> '""')
			WHERE id = $1::text::uuid RETURNING `+campaignResultColumns, personID, c.CalledAt, c.Result, c.Name, c.Notes, c.Variables, c.InsteadOf)
		if err != nil {
			return err
		}
		r, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[CampaignResult])
		if err == nil && len(c.Variables) > 0 {
			err = fewVariables(r.Variables)
		}
		return noPerson(err, campaignID, personID)
	})
	return r, err
}
