package org

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/internal/phone"
	"ringside/internal/seal"
)

// Account is a Twilio account: whose it is, and the token its requests are signed with.
type Account struct {
	SID       string
	OrgID     ID
	AuthToken string
}

// Route is where a phone number leads.
type Route struct {
	Phone      phone.Number
	AccountSID string
	Org        *Org
	Agent      *Agent
}

// Switchboard answers from memory whose number was called and whose account signed, so that the
// webhook path asks nobody. It holds everything (a few hundred bytes a number), is replaced as a
// whole when Postgres announces a change, and keeps its last state while Postgres is away.
//
// The zero value is not usable; see [NewSwitchboard]. All methods are safe for concurrent use.
type Switchboard struct {
	pool  *pgxpool.Pool
	keys  *seal.Ring // nil: without secrets
	state atomic.Pointer[state]

	// turn is taken by whoever loads: one load at a time. A channel, since nobody on the webhook
	// path may wait for it without end.
	turn     chan struct{}
	lastLoad time.Time // start of the last load; whoever has the turn may touch it
}

type state struct {
	accounts map[string]*Account
	routes   map[phone.Number]*Route
	list     []*Account
}

const (
	// missInterval bounds how often an unknown number or account makes the switchboard look again:
	// a flood of forged requests must not become a flood of queries.
	missInterval = time.Second
	// missPatience bounds how long such a request waits for it, also while Postgres hangs.
	missPatience = 500 * time.Millisecond
)

// NewSwitchboard returns an empty switchboard; call Load before the first request. It has no keys, and so
// knows no secret that is sealed: see [Switchboard.WithKeys].
func NewSwitchboard(pool *pgxpool.Pool) *Switchboard {
	s := &Switchboard{pool: pool, turn: make(chan struct{}, 1)}
	s.state.Store(&state{})
	return s
}

// WithKeys gives the switchboard the keys that open secrets, before its first load, and returns it.
func (s *Switchboard) WithKeys(keys *seal.Ring) *Switchboard {
	s.keys = keys
	return s
}

// Load replaces the state by what Postgres holds now. On an error the old state stays. Where a secret does
// not open, that is the error, and only it stays as it was before: all else is taken over.
func (s *Switchboard) Load(ctx context.Context) error {
	if !s.takeTurn(ctx) {
		return fmt.Errorf("load phone numbers and accounts: wait for the load before: %w", ctx.Err())
	}
	defer s.passTurn()
	return s.load(ctx)
}

func (s *Switchboard) takeTurn(ctx context.Context) bool {
	select {
	case s.turn <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (s *Switchboard) passTurn() { <-s.turn }

func (s *Switchboard) load(ctx context.Context) error {
	s.lastLoad = time.Now()
	old, next := s.state.Load(), &state{accounts: map[string]*Account{}, routes: map[phone.Number]*Route{}}
	var shut []error
	batch := &pgx.Batch{}
	batch.Queue(`SELECT account_sid, org_id::text, auth_token FROM twilio_accounts ORDER BY created_at DESC`).
		Query(func(rows pgx.Rows) error {
			for rows.Next() {
				var a Account
				if err := rows.Scan(&a.SID, &a.OrgID, &a.AuthToken); err != nil {
					return err
				}
				if err := s.openToken(&a, old); err != nil {
					shut = append(shut, err)
				}
				if a.AuthToken == "" {
					continue // nothing that it signs can be believed
				}
				next.accounts[a.SID] = &a
				next.list = append(next.list, &a)
			}
			return rows.Err()
		})
	batch.Queue(`SELECT n.phone, n.account_sid, o.name, o.country, o.contact_limit, ` + agentColumns + `
		FROM phone_numbers n JOIN voice_agents a ON a.id = n.agent_id JOIN orgs o ON o.id = n.org_id`).
		Query(func(rows pgx.Rows) error {
			for rows.Next() {
				r := Route{Org: &Org{}, Agent: &Agent{}}
				targets := append([]any{&r.Phone, &r.AccountSID, &r.Org.Name, &r.Org.Country, &r.Org.ContactLimit}, r.Agent.targets()...)
				if err := rows.Scan(targets...); err != nil {
					return err
				}
				if err := s.openSecret(&r, old); err != nil {
					shut = append(shut, err)
				}
				r.Org.ID = r.Agent.OrgID
				next.routes[r.Phone] = &r
			}
			return rows.Err()
		})
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("load phone numbers and accounts: %w", err)
	}
	s.state.Store(next)
	if len(shut) > 0 {
		return fmt.Errorf("load phone numbers and accounts: %w", errors.Join(shut...))
	}
	return nil
}

// openToken opens an account's token; where it does not open, it is what it was before.
func (s *Switchboard) openToken(a *Account, old *state) error {
	token, err := openWith(s.keys, tokenAt(a.SID), a.AuthToken)
	if before := old.accounts[a.SID]; err != nil && before != nil && before.OrgID == a.OrgID {
		token = before.AuthToken
	}
	a.AuthToken = token
	return err
}

// openSecret opens the runtime's secret of a route's agent; where it does not open, it is what it was
// before, unless another runtime would get it.
func (s *Switchboard) openSecret(r *Route, old *state) error {
	secret, err := openWith(s.keys, secretAt(r.Agent.ID), r.Agent.RuntimeSecret)
	if before := old.routes[r.Phone]; err != nil && before != nil && before.Agent.ID == r.Agent.ID && before.Agent.RuntimeURL == r.Agent.RuntimeURL {
		secret = before.Agent.RuntimeSecret
	}
	r.Agent.RuntimeSecret = secret
	return err
}

// Account returns the account with the given SID, or nil. An unknown one makes the switchboard
// look again, at most once in [missInterval] over all requests.
func (s *Switchboard) Account(ctx context.Context, sid string) *Account {
	if a := s.state.Load().accounts[sid]; a != nil {
		return a
	}
	s.loadAfterMiss(ctx)
	return s.state.Load().accounts[sid]
}

// Accounts returns every account, the newest first. The slice must not be changed.
func (s *Switchboard) Accounts() []*Account { return s.state.Load().list }

// Route returns where a number leads, or nil if it is connected to no agent.
func (s *Switchboard) Route(ctx context.Context, n phone.Number) *Route {
	if r := s.state.Load().routes[n]; r != nil {
		return r
	}
	if n == "" {
		return nil
	}
	s.loadAfterMiss(ctx)
	return s.state.Load().routes[n]
}

// Owns reports whether the number is one of the organisation's own.
func (s *Switchboard) Owns(id ID, n phone.Number) bool {
	r := s.state.Load().routes[n]
	return r != nil && r.Org.ID == id
}

// loadAfterMiss looks again for what may have been set up a moment ago, or waits for the load that
// is under way. A failed load leaves the state as it is, and the miss stands.
func (s *Switchboard) loadAfterMiss(ctx context.Context) {
	// Others wait for this load too: it goes on if the one request does not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), missPatience)
	defer cancel()
	if !s.takeTurn(ctx) {
		return
	}
	defer s.passTurn()
	if time.Since(s.lastLoad) < missInterval {
		return
	}
	_ = s.load(ctx) // the listener reports a database that is away
}
