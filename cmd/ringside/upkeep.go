package main

import (
	"context"
	"time"

	"ringside/cache"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outgoing"
)

// carryOnEvery is how often imports are looked for that another program, or this one before it was
// started again, has left unfinished. Whoever was killed lets go of one after a minute.
const carryOnEvery = time.Minute

// upkeepEvery is how often what is kept for a while only is removed.
const upkeepEvery = time.Hour

// carryOn carries such imports on, until ctx ends.
func (s *sidecar) carryOn(ctx context.Context) {
	due := time.NewTicker(carryOnEvery)
	defer due.Stop()
	for {
		finished, err := s.book.CarryOn(ctx)
		if err != nil && ctx.Err() == nil {
			s.log.Warn("imports that were left unfinished are tried again in a minute", "error", err)
		}
		if finished > 0 {
			s.log.Info("imports that were left unfinished are done", "imports", finished)
		}
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
	}
}

// upkeep removes what is kept for a while only, until ctx ends.
func (s *sidecar) upkeep(ctx context.Context) {
	due := time.NewTicker(upkeepEvery)
	defer due.Stop()
	placed := outgoing.NewStore(s.db.Pool)
	for {
		for _, keep := range []func(context.Context) error{s.book.Upkeep, s.members.Upkeep, s.audit.Upkeep, s.outbox.Upkeep, placed.Upkeep, s.expire} {
			if err := keep(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("what is no longer needed stays for another hour", "error", err)
			}
		}
		select {
		case <-due.C:
		case <-ctx.Done():
			return
		}
	}
}

// expire removes what organisations do not keep any longer.
func (s *sidecar) expire(ctx context.Context) error { return ledger.Upkeep(ctx, s.db.Pool) }

// forgetErased forgets what was decided about callers who were erased while nothing was heard.
func (s *sidecar) forgetErased(ctx context.Context, calls *cache.Calls) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	erased, err := ledger.Erased(ctx, s.db.Pool, time.Now().Add(-2*cache.CallLife))
	if err != nil {
		s.log.Warn("calls of erased people could not be asked for; their traces stay for some hours", "error", err)
		return
	}
	sids := map[org.ID][]string{}
	for _, c := range erased {
		sids[c.OrgID] = append(sids[c.OrgID], c.SID)
	}
	for id, theirs := range sids {
		calls.Forget(ctx, id, theirs...)
	}
}
