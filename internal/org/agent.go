package org

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Agent is a voice agent's settings: how a call is answered, and where the program that holds the
// conversation (the agent runtime) is reached.
type Agent struct {
	ID       string `json:"id"`
	OrgID    ID     `json:"org_id"`
	Name     string `json:"name"`
	Greeting string `json:"greeting"` // may hold {{NAME}} and its kin; see recognize.ParseGreeting
	// UnknownGreeting is said to callers who are not greeted by name; "" uses Greeting without it.
	UnknownGreeting string `json:"unknown_greeting,omitempty"`
	Language        string `json:"language"`
	Transport       string `json:"transport"` // TransportRelay, TransportStream or TransportDirect
	RuntimeURL      string `json:"runtime_url"`
	// RuntimeSecret is sent to the runtime as a bearer token; "" sends none. A store without keys
	// reads it as "".
	RuntimeSecret string `json:"-"`
	// MinAttestation is the lowest STIR/SHAKEN level at which a caller is recognised: "A", "B",
	// "C", or "" for none. A failed verification is never recognised.
	MinAttestation string       `json:"min_attestation,omitempty"`
	FallbackNumber phone.Number `json:"fallback_number,omitempty"`
	Apology        string       `json:"apology,omitempty"`
	KeepTranscript bool         `json:"keep_transcript"`
	// RelaySettings are ConversationRelay attributes by their TwiML names; Media Streams have none.
	RelaySettings map[string]string `json:"relay_settings,omitempty"`
	// Tell is what the agent may be told of a caller who is known. The greeting is no part of it: it
	// says the name, which Twilio speaks, also where the agent is not told it.
	Tell      []Detail  `json:"tell"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Detail is something that is known of a caller.
type Detail string

// The details, by the names that they have in what an agent receives.
const (
	DetailName     Detail = "name"
	DetailEmail    Detail = "email"
	DetailTags     Detail = "tags"
	DetailNotes    Detail = "notes"
	DetailCampaign Detail = "campaign"
	DetailHistory  Detail = "history"
)

// Details returns all details.
func Details() []Detail {
	return []Detail{DetailName, DetailEmail, DetailTags, DetailNotes, DetailCampaign, DetailHistory}
}

// Tells reports whether the agent may be told this detail.
func (a *Agent) Tells(d Detail) bool { return slices.Contains(a.Tell, d) }

// How Twilio carries a call to the agent runtime.
const (
	TransportRelay  = "conversationrelay" // ConversationRelay: text over a WebSocket
	TransportStream = "stream"            // Media Streams: the sound itself over a WebSocket
	TransportDirect = "direct"            // the same, from Twilio straight to the runtime, past Ringside
)

// CreateAgent adds a voice agent and returns it with its new id. One whose Tell is nil is told all
// there is. Greetings and relay settings must have been checked by the caller: this package does not
// know their grammar.
func (s *Store) CreateAgent(ctx context.Context, a Agent) (Agent, error) {
	if a.Language == "" {
		a.Language = "en-US"
	}
	if a.Transport == "" {
		a.Transport = TransportRelay
	}
	if a.Tell == nil {
		a.Tell = Details()
	}
	if err := a.check(); err != nil {
		return Agent{}, err
	}
	a.ID = newID() // the secret is sealed for its row
	sealed, err := s.seal(secretAt(a.ID), a.RuntimeSecret)
	if err != nil {
		return Agent{}, err
	}
	err = s.pool.QueryRow(ctx, `
		INSERT INTO voice_agents (id, org_id, name, greeting, unknown_greeting, language, transport, runtime_url, runtime_secret,
			min_attestation, fallback_number, apology, keep_transcript, relay_settings, tell)
		VALUES ($15::text::uuid, $1::text::uuid, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), nullif($10, ''), $11, $12, $13, $14)
		RETURNING updated_at`,
		a.OrgID, a.Name, a.Greeting, a.UnknownGreeting, a.Language, a.Transport, a.RuntimeURL, sealed,
		a.MinAttestation, string(a.FallbackNumber), a.Apology, a.KeepTranscript, a.RelaySettings, a.Tell, a.ID).Scan(&a.UpdatedAt)
	switch {
	case violates(err, "voice_agents_org_id_fkey") || invalidText(err):
		return Agent{}, noOrg(a.OrgID)
	case err != nil:
		return Agent{}, fmt.Errorf("create voice agent: %w", err)
	}
	return a, nil
}

// Agents returns an organisation's voice agents, the oldest first.
func (s *Store) Agents(ctx context.Context, id ID) ([]Agent, error) {
	// What Query reports, the rows report again.
	rows, _ := s.pool.Query(ctx, `SELECT `+agentColumns+` FROM voice_agents a WHERE a.org_id = $1::text::uuid ORDER BY created_at, id`, id)
	agents, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Agent, err error) {
		if err := row.Scan(a.targets()...); err != nil {
			return a, err
		}
		a.RuntimeSecret, err = s.open(secretAt(a.ID), a.RuntimeSecret)
		return a, err
	})
	switch {
	case invalidText(err):
		return nil, noOrg(id)
	case err != nil:
		return nil, fmt.Errorf("list voice agents: %w", err)
	}
	return agents, nil
}

// Agent returns a voice agent of the organisation, or a not-found problem.
func (s *Store) Agent(ctx context.Context, id ID, agentID string) (a Agent, err error) {
	err = s.pool.QueryRow(ctx, `SELECT `+agentColumns+` FROM voice_agents a WHERE a.org_id = $1::text::uuid AND a.id = $2::text::uuid`, id, agentID).Scan(a.targets()...)
	switch {
	case errors.Is(err, pgx.ErrNoRows) || invalidText(err):
		return Agent{}, noAgent(agentID)
	case err != nil:
		return Agent{}, fmt.Errorf("read voice agent %s: %w", agentID, err)
	}
	if a.RuntimeSecret, err = s.open(secretAt(a.ID), a.RuntimeSecret); err != nil {
		return Agent{}, fmt.Errorf("read voice agent %s: %w", agentID, err)
	}
	return a, nil
}

// ChangeAgent gives a voice agent, named by its ID and OrgID, all of these settings; calls that begin
// from now on have them. The runtime's secret stays as it is where secret is nil. If the agent is not
// any more as it was at a.UpdatedAt, which is what whoever changes it has seen, nothing is changed: a
// conflict problem. The zero time changes it whatever it is. With a runtime at another host the secret
// has to be given again: nobody who may change the address gets to see a secret in that way.
//
// Greetings and relay settings must have been checked, as for [Store.CreateAgent].
func (s *Store) ChangeAgent(ctx context.Context, a Agent, secret *string) (Agent, error) {
	held, err := s.Agent(ctx, a.OrgID, a.ID)
	if err != nil {
		return Agent{}, err
	}
	seen := a.UpdatedAt
	if seen.IsZero() {
		seen = held.UpdatedAt
	}
	a.RuntimeSecret = held.RuntimeSecret
	if secret != nil {
		a.RuntimeSecret = *secret
	}
	if err := a.check(); err != nil {
		return Agent{}, err
	}
	if secret == nil && held.RuntimeSecret != "" && hostOf(a.RuntimeURL) != hostOf(held.RuntimeURL) {
		return Agent{}, problem.Invalid("runtime_secret", "The address leads to another host now. Give the secret that is meant for it, so that the old one is not sent there.")
	}
	var sealed *string // nil: it stays as it is
	if secret != nil {
		text, err := s.seal(secretAt(held.ID), *secret)
		if err != nil {
			return Agent{}, err
		}
		sealed = &text
	}
	err = s.pool.QueryRow(ctx, `
		UPDATE voice_agents SET name = $3, greeting = $4, unknown_greeting = $5, language = $6, transport = $7, runtime_url = $8, runtime_secret = coalesce($9, runtime_secret),
			min_attestation = nullif($10, ''), fallback_number = nullif($11, ''), apology = $12, keep_transcript = $13, relay_settings = $14, tell = $15
		WHERE org_id = $1::text::uuid AND id = $2::text::uuid AND updated_at = $16
		RETURNING updated_at`,
		a.OrgID, a.ID, a.Name, a.Greeting, a.UnknownGreeting, a.Language, a.Transport, a.RuntimeURL, sealed,
		a.MinAttestation, string(a.FallbackNumber), a.Apology, a.KeepTranscript, a.RelaySettings, a.Tell, seen).Scan(&a.UpdatedAt)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Agent{}, problem.New(problem.CodeConflict, "Somebody else has changed the voice agent meanwhile. Look at it as it is now, and change it again.")
	case err != nil:
		return Agent{}, fmt.Errorf("change voice agent %s: %w", a.ID, err)
	}
	return a, nil
}

// DeleteAgent removes a voice agent. It is refused, with a conflict problem, while numbers lead to it.
// Calls that it has answered stay. Campaigns that it calls for are paused, so that nobody is called by another one.
func (s *Store) DeleteAgent(ctx context.Context, id ID, agentID string) error {
	tag, err := s.pool.Exec(ctx, `
		WITH halted AS (UPDATE campaigns SET state = 'paused' WHERE org_id = $1::text::uuid AND agent_id = $2::text::uuid AND state = 'running')
		DELETE FROM voice_agents WHERE org_id = $1::text::uuid AND id = $2::text::uuid`, id, agentID)
	switch {
	case violates(err, "phone_numbers_org_id_agent_id_fkey"):
		return problem.New(problem.CodeConflict, "Phone numbers lead to this voice agent. Let them lead to another one, or disconnect them; then it can be deleted.")
	case invalidText(err) || err == nil && tag.RowsAffected() == 0:
		return noAgent(agentID)
	case err != nil:
		return fmt.Errorf("delete voice agent %s: %w", agentID, err)
	}
	return nil
}

func noAgent(agentID string) error {
	return problem.NotFound("The organisation has no voice agent %s.", agentID)
}

// agentColumns are the columns of voice_agents, aliased a, in the order of [Agent.targets].
const agentColumns = `a.id::text, a.org_id::text, a.name, a.greeting, a.unknown_greeting, a.language, a.transport,
	a.runtime_url, a.runtime_secret, coalesce(a.min_attestation, ''), coalesce(a.fallback_number, ''), a.apology,
	a.keep_transcript, a.relay_settings, a.tell, a.updated_at`

func (a *Agent) targets() []any {
	return []any{&a.ID, &a.OrgID, &a.Name, &a.Greeting, &a.UnknownGreeting, &a.Language, &a.Transport,
		&a.RuntimeURL, &a.RuntimeSecret, &a.MinAttestation, &a.FallbackNumber, &a.Apology,
		&a.KeepTranscript, &a.RelaySettings, &a.Tell, &a.UpdatedAt}
}
