package org

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"ringside/internal/problem"
)

// Privacy says for how long an organisation keeps what it learns from calls.
type Privacy struct {
	// TranscriptDays is after how many days what was said goes, InteractionDays after how many the
	// call or message as a whole, with all that belongs to it; nil keeps it for good.
	TranscriptDays, InteractionDays *int
}

// maxDays bounds how long something may be kept before it goes.
const maxDays = 3650

// Privacy returns an organisation's settings, or a not-found problem.
func (s *Store) Privacy(ctx context.Context, id ID) (p Privacy, err error) {
	err = s.pool.QueryRow(ctx, `SELECT transcript_days, interaction_days FROM orgs WHERE id = $1::text::uuid`, id).Scan(&p.TranscriptDays, &p.InteractionDays)
	if errors.Is(err, pgx.ErrNoRows) || invalidText(err) {
		return Privacy{}, noOrg(id)
	}
	if err != nil {
		return Privacy{}, fmt.Errorf("read privacy settings: %w", err)
	}
	return p, nil
}

// SetPrivacy changes an organisation's settings. What is older than they allow goes within an hour.
func (s *Store) SetPrivacy(ctx context.Context, id ID, p Privacy) error {
	for _, f := range []struct {
		field string
		days  *int
	}{{"transcript_days", p.TranscriptDays}, {"interaction_days", p.InteractionDays}} {
		if f.days != nil && (*f.days < 1 || *f.days > maxDays) {
			return problem.Invalid(f.field, "The number of days is from 1 to %d; leave it out to keep it for good.", maxDays)
		}
	}
	tag, err := s.pool.Exec(ctx, `UPDATE orgs SET transcript_days = $2, interaction_days = $3 WHERE id = $1::text::uuid`, id, p.TranscriptDays, p.InteractionDays)
	if invalidText(err) || err == nil && tag.RowsAffected() == 0 {
		return noOrg(id)
	}
	if err != nil {
		return fmt.Errorf("set privacy settings: %w", err)
	}
	return nil
}
