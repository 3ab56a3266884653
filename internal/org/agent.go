package org

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

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
	Transport       string `json:"transport"`
	RuntimeURL      string `json:"runtime_url"`
	RuntimeSecret   string `json:"-"` // sent to the runtime as a bearer token; "" sends none
	// MinAttestation is the lowest STIR/SHAKEN level at which a caller is recognised: "A", "B",
	// "C", or "" for none. A failed verification is never recognised.
	MinAttestation string       `json:"min_attestation,omitempty"`
	FallbackNumber phone.Number `json:"fallback_number,omitempty"`
	Apology        string       `json:"apology,omitempty"`
	KeepTranscript bool         `json:"keep_transcript"`
	// RelaySettings are ConversationRelay attributes by their TwiML names.
	RelaySettings map[string]string `json:"relay_settings,omitempty"`
}

// TransportRelay is Twilio's ConversationRelay: text over a WebSocket.
const TransportRelay = "conversationrelay"

var languageTag = regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)

// CreateAgent adds a voice agent and returns it with its new id. Greetings and relay settings must
// have been checked by the caller: this package does not know their grammar.
func (s *Store) CreateAgent(ctx context.Context, a Agent) (Agent, error) {
	if a.Language == "" {
		a.Language = "en-US"
	}
	if a.Transport == "" {
		a.Transport = TransportRelay
	}
	if err := a.check(); err != nil {
		return Agent{}, err
	}
	if a.RelaySettings == nil {
		a.RelaySettings = map[string]string{}
	}
	err := s.pool.QueryRow(ctx, `
		INSERT INTO voice_agents (org_id, name, greeting, unknown_greeting, language, transport, runtime_url, runtime_secret,
			min_attestation, fallback_number, apology, keep_transcript, relay_settings)
		VALUES ($1::text::uuid, $2, $3, $4, $5, $6, $7, $8, nullif($9, ''), nullif($10, ''), $11, $12, $13)
		RETURNING id::text`,
		a.OrgID, a.Name, a.Greeting, a.UnknownGreeting, a.Language, a.Transport, a.RuntimeURL, a.RuntimeSecret,
		a.MinAttestation, string(a.FallbackNumber), a.Apology, a.KeepTranscript, a.RelaySettings).Scan(&a.ID)
	switch {
	case violates(err, "voice_agents_org_id_fkey") || invalidText(err):
		return Agent{}, noOrg(a.OrgID)
	case err != nil:
		return Agent{}, fmt.Errorf("create voice agent: %w", err)
	}
	return a, nil
}

func (a *Agent) check() error {
	a.Name = strings.TrimSpace(a.Name)
	if err := checkName(a.Name, "A voice agent needs a name."); err != nil {
		return err
	}
	if err := a.checkTexts(); err != nil {
		return err
	}
	switch {
	case !languageTag.MatchString(a.Language):
		return problem.Invalid("language", "%q is not a language tag: write it like en-US or es-ES.", a.Language)
	case a.Transport == "stream":
		return problem.Invalid("transport", "Media Streams are not available in this version; use conversationrelay.")
	case a.Transport != TransportRelay:
		return problem.Invalid("transport", "%q is not a transport; use conversationrelay.", a.Transport)
	case a.MinAttestation != "" && a.MinAttestation != "A" && a.MinAttestation != "B" && a.MinAttestation != "C":
		return problem.Invalid("min_attestation", "%q is not an attestation level; use A, B or C, or leave it out.", a.MinAttestation)
	case strings.ContainsAny(a.RuntimeSecret, "\r\n"):
		return problem.Invalid("runtime_secret", "The secret has a line break in it; it must be one line.")
	}
	if _, ok := phone.Strict(string(a.FallbackNumber)); !ok && a.FallbackNumber != "" {
		return problem.Invalid("fallback_number", "%q is not a phone number in E.164: write it like +12125550123.", string(a.FallbackNumber))
	}
	return a.checkRuntimeURL()
}

// checkTexts holds what is said and sent to the database's limits, in characters.
func (a *Agent) checkTexts() error {
	for _, t := range []struct {
		field, text string
		limit       int
	}{
		{"greeting", a.Greeting, 2000},
		{"unknown_greeting", a.UnknownGreeting, 2000},
		{"apology", a.Apology, 1000},
		{"runtime_secret", a.RuntimeSecret, 1000},
		{"runtime_url", a.RuntimeURL, 2000},
	} {
		if utf8.RuneCountInString(t.text) > t.limit {
			return problem.Invalid(t.field, "The text is longer than %d characters.", t.limit)
		}
		if err := storable(t.field, t.text); err != nil {
			return err
		}
	}
	for name, value := range a.RelaySettings {
		if err := storable("relay_settings", name+value); err != nil {
			return err
		}
	}
	return nil
}

// checkRuntimeURL refuses, before a caller is on the line, what cannot be dialled.
func (a *Agent) checkRuntimeURL() error {
	u, err := url.Parse(a.RuntimeURL)
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "ws" && u.Scheme != "wss":
		return problem.Invalid("runtime_url", "%q is not a WebSocket address: write it like wss://agent.example.com/socket.", a.RuntimeURL)
	case u.User != nil: // not shown: it holds a password
		return problem.Invalid("runtime_url", "A WebSocket address has no user and password in it; give the runtime a secret instead, which is sent as a bearer token.")
	}
	a.RuntimeURL = u.String() // with the scheme in lower case
	return nil
}

// Agents returns an organisation's voice agents, the oldest first.
func (s *Store) Agents(ctx context.Context, id ID) ([]Agent, error) {
	// What Query reports, the rows report again.
	rows, _ := s.pool.Query(ctx, `SELECT `+agentColumns+` FROM voice_agents a WHERE a.org_id = $1::text::uuid ORDER BY created_at, id`, id)
	agents, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a Agent, err error) {
		err = row.Scan(a.targets()...)
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

// agentColumns are the columns of voice_agents, aliased a, in the order of [Agent.targets].
const agentColumns = `a.id::text, a.org_id::text, a.name, a.greeting, a.unknown_greeting, a.language, a.transport,
	a.runtime_url, a.runtime_secret, coalesce(a.min_attestation, ''), coalesce(a.fallback_number, ''), a.apology,
	a.keep_transcript, a.relay_settings`

func (a *Agent) targets() []any {
	return []any{&a.ID, &a.OrgID, &a.Name, &a.Greeting, &a.UnknownGreeting, &a.Language, &a.Transport,
		&a.RuntimeURL, &a.RuntimeSecret, &a.MinAttestation, &a.FallbackNumber, &a.Apology,
		&a.KeepTranscript, &a.RelaySettings}
}
