package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"ringside/contacts"
	"ringside/internal/agent"
	"ringside/internal/audit"
	"ringside/internal/campaign"
	"ringside/internal/idempotency"
	"ringside/internal/ledger"
	"ringside/internal/member"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/postgres"
)

// tenants are the parts that people and API keys reach. They have a pool of their own, whose queries the
// database holds to the organisation that is asked for.
type tenants struct {
	pool      *pgxpool.Pool
	orgs      *org.Store
	book      *contacts.Book
	ledger    *ledger.Reader
	audit     *audit.Log
	campaigns *campaign.Store
	team      *member.Store
	answers   *idempotency.Store
	desk      *outgoing.Desk
	tools     *agent.Tools
}

// openTenants makes them from the parts that see all organisations. Where the database cannot hold them apart,
// they share its pool, and their own queries alone name the organisation.
func (s *sidecar) openTenants(ctx context.Context, fence contacts.Fence, tools *agent.Tools) (*tenants, error) {
	t := &tenants{pool: s.db.Pool}
	if s.db.unguarded != nil {
		s.log.Warn(s.db.unguarded.Error())
	} else {
		var err error
		if t.pool, err = postgres.Tenants(ctx, s.db.Pool, org.Of); err != nil {
			return nil, err
		}
		s.tenantPool = t.pool
	}
	t.orgs, t.book = org.NewStore(t.pool).WithKeys(s.keys), contacts.NewBook(t.pool, fence).Copying(s.db.Pool)
	t.ledger, t.audit, t.campaigns = ledger.NewReader(t.pool), audit.NewLog(t.pool), campaign.NewStore(t.pool)
	t.team, t.answers = member.NewStore(t.pool), idempotency.NewStore(t.pool)
	theirs := *tools
	theirs.Book = t.book
	t.tools = &theirs
	return t, nil
}

// send gives them what sends messages and calls.
func (t *tenants) send(desk *outgoing.Desk, messages agent.Messages) {
	theirs := *desk
	theirs.Store, theirs.Numbers, theirs.Book, theirs.OptOuts = outgoing.NewStore(t.pool), t.orgs, t.book, t.ledger
	t.desk, t.tools.Messages = &theirs, messages
}
