package org

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Number is a Twilio phone number that leads to a voice agent.
type Number struct {
	ID         string       `json:"id"`
	OrgID      ID           `json:"org_id"`
	Phone      phone.Number `json:"phone"`
	AgentID    string       `json:"agent_id"`
	AccountSID string       `json:"account_sid"`
}

var accountSID = regexp.MustCompile(`^AC[0-9a-fA-F]{32}$`)

// AddNumber connects a phone number to a voice agent, and keeps the auth token of the Twilio
// account that owns the number (an account that is known already gets the new token). Number and
// account must both be the organisation's own.
func (s *Store) AddNumber(ctx context.Context, n Number, authToken string) (Number, error) {
	authToken = strings.TrimSpace(authToken) // as it is pasted
	if _, ok := phone.Strict(string(n.Phone)); !ok {
		return Number{}, problem.Invalid("phone", "%q is not a phone number in E.164: write it like +12125550199.", string(n.Phone))
	}
	if err := storable("auth_token", authToken); err != nil {
		return Number{}, err
	}
	switch {
	case !accountSID.MatchString(n.AccountSID):
		return Number{}, problem.Invalid("account_sid", "%q is not a Twilio account SID: it is AC and 32 hexadecimal digits, on the first page of the Twilio console.", n.AccountSID)
	case authToken == "":
		return Number{}, problem.Invalid("auth_token", "The auth token is empty; the file must hold the account's auth token on one line.")
	}
	sealed, err := s.seal(tokenAt(n.AccountSID), authToken)
	if err != nil {
		return Number{}, err
	}
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO twilio_accounts (account_sid, org_id, auth_token) VALUES ($1, $2::text::uuid, $3)
			ON CONFLICT (account_sid) DO UPDATE SET auth_token = excluded.auth_token
			WHERE twilio_accounts.org_id = excluded.org_id`, n.AccountSID, n.OrgID, sealed)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return problem.New(problem.CodeConflict, "The Twilio account %s belongs to another organisation; use a subaccount for each.", n.AccountSID)
		}
		return tx.QueryRow(ctx, `
			INSERT INTO phone_numbers (org_id, phone, agent_id, account_sid) VALUES ($1::text::uuid, $2, $3::text::uuid, $4) RETURNING id::text`,
			n.OrgID, n.Phone, n.AgentID, n.AccountSID).Scan(&n.ID)
	})
	switch {
	case err == nil:
		return n, nil
	case hidden(err): // the account, which this organisation must not see
		return Number{}, problem.New(problem.CodeConflict, "The Twilio account %s belongs to another organisation; use a subaccount for each.", n.AccountSID)
	case violates(err, "twilio_accounts_org_id_fkey"):
		return Number{}, noOrg(n.OrgID)
	case violates(err, "phone_numbers_org_id_agent_id_fkey"):
		return Number{}, problem.NotFound("The organisation has no voice agent %s; `ringside agent list --org %s` shows those there are.", n.AgentID, n.OrgID)
	case violates(err, "phone_numbers_phone_key"):
		return Number{}, problem.New(problem.CodeConflict, "The number %s is already connected to a voice agent.", n.Phone)
	case invalidText(err):
		return Number{}, problem.New(problem.CodeInvalid, "The id of the organisation or of the voice agent is malformed: ids look like 6f1c2f0e-8a49-4c1e-9d0a-3b1d1b7a2c11.")
	}
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return Number{}, p
	}
	return Number{}, fmt.Errorf("add number: %w", err)
}

// AccountOf returns the Twilio account that owns a connected number, or a not-found problem.
func (s *Store) AccountOf(ctx context.Context, n phone.Number) (accountSID string, err error) {
	err = s.pool.QueryRow(ctx, `SELECT account_sid FROM phone_numbers WHERE phone = $1`, n).Scan(&accountSID)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", problem.NotFound("The number %s is not connected to a voice agent; `ringside number add` connects it.", n)
	}
	if err != nil {
		return "", fmt.Errorf("look up the account of a number: %w", err)
	}
	return accountSID, nil
}

// Connected is a phone number with what it leads to.
type Connected struct {
	Number
	AgentName string `json:"agent_name"`
}

// Numbers returns the phone numbers of an organisation, in order.
func (s *Store) Numbers(ctx context.Context, id ID) ([]Connected, error) {
	rows, _ := s.pool.Query(ctx, `
		SELECT n.id::text, n.org_id::text, n.phone, n.agent_id::text, n.account_sid, a.name FROM phone_numbers n JOIN voice_agents a ON a.id = n.agent_id
		WHERE n.org_id = $1::text::uuid ORDER BY n.phone`, id) // what Query reports, the rows report again
	numbers, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Connected, err error) {
		err = row.Scan(&c.ID, &c.OrgID, &c.Phone, &c.AgentID, &c.AccountSID, &c.AgentName)
		return c, err
	})
	switch {
	case invalidText(err):
		return nil, noOrg(id)
	case err != nil:
		return nil, fmt.Errorf("list numbers: %w", err)
	}
	return numbers, nil
}

// MoveNumber lets a number lead to another voice agent of the organisation.
func (s *Store) MoveNumber(ctx context.Context, id ID, numberID, agentID string) (n Number, err error) {
	err = s.pool.QueryRow(ctx, `
		UPDATE phone_numbers SET agent_id = $3::text::uuid WHERE org_id = $1::text::uuid AND id = $2::text::uuid
		RETURNING id::text, org_id::text, phone, agent_id::text, account_sid`, id, numberID, agentID).Scan(&n.ID, &n.OrgID, &n.Phone, &n.AgentID, &n.AccountSID)
	switch {
	case violates(err, "phone_numbers_org_id_agent_id_fkey"):
		return Number{}, problem.NotFound("The organisation has no voice agent %s.", agentID)
	case errors.Is(err, pgx.ErrNoRows) || invalidText(err):
		return Number{}, problem.NotFound("There is no phone number %s.", numberID)
	case err != nil:
		return Number{}, fmt.Errorf("move number: %w", err)
	}
	return n, nil
}

// RemoveNumber disconnects a number from its voice agent: calls to it are refused from then on. What
// was called on it stays in the ledger.
func (s *Store) RemoveNumber(ctx context.Context, id ID, numberID string) (n Number, err error) {
	err = s.pool.QueryRow(ctx, `
		DELETE FROM phone_numbers WHERE org_id = $1::text::uuid AND id = $2::text::uuid
		RETURNING id::text, org_id::text, phone, agent_id::text, account_sid`, id, numberID).Scan(&n.ID, &n.OrgID, &n.Phone, &n.AgentID, &n.AccountSID)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || invalidText(err):
		return Number{}, problem.NotFound("There is no phone number %s.", numberID)
	case err != nil:
		return Number{}, fmt.Errorf("remove number: %w", err)
	}
	return n, nil
}

// Accounts returns the SIDs of the Twilio accounts that an organisation has connected. Their auth
// tokens are not shown to anybody.
func (s *Store) Accounts(ctx context.Context, id ID) ([]string, error) {
	rows, _ := s.pool.Query(ctx, `SELECT account_sid FROM twilio_accounts WHERE org_id = $1::text::uuid ORDER BY account_sid`, id)
	sids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	switch {
	case invalidText(err):
		return nil, noOrg(id)
	case err != nil:
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return sids, nil
}

// SetAuthToken replaces the auth token of a Twilio account, as when it was rotated at Twilio.
func (s *Store) SetAuthToken(ctx context.Context, id ID, sid, authToken string) error {
	authToken = strings.TrimSpace(authToken) // as it is pasted
	if err := storable("auth_token", authToken); err != nil {
		return err
	}
	if authToken == "" {
		return problem.Invalid("auth_token", "The auth token is empty; it is on the first page of the Twilio console.")
	}
	sealed, err := s.seal(tokenAt(sid), authToken)
	if err != nil {
		return err
	}
	tag, err := s.pool.Exec(ctx, `UPDATE twilio_accounts SET auth_token = $3 WHERE org_id = $1::text::uuid AND account_sid = $2`, id, sid, sealed)
	if invalidText(err) || err == nil && tag.RowsAffected() == 0 {
		return problem.NotFound("There is no Twilio account %q here.", sid)
	}
	if err != nil {
		return fmt.Errorf("set auth token: %w", err)
	}
	return nil
}
