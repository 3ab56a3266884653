package voice

import (
	"context"
	"time"

	"ringside/internal/agent"
	"ringside/recognize"
)

// againWithin bounds what is asked of Postgres when a call is taken on whose sidecar has gone.
const againWithin = time.Second

// decideAgain decides who is on a call whose decision was lost with the sidecar that made it. The call's token has kept
// what cannot be found out again. What the caller has heard is not known any more, so they count as not greeted by name.
func (s *Service) decideAgain(ctx context.Context, call *recognize.Call, a action, direction string) *recognize.Decision {
	trusted := !a.unverified
	call.Judged = &trusted
	if direction == outboundCall {
		ctx, cancel := context.WithTimeout(ctx, againWithin)
		item, err := s.Outgoing.Placed(ctx, call.Org.ID, call.SID)
		cancel()
		if err == nil {
			call.Context = item.Context
		} else if s.Due("placed call") {
			s.Log.Warn("it could not be looked up why a call was placed", "call_sid", call.SID, "error", err)
		}
	}
	d := s.Recognizer.Decide(ctx, *call)
	d.Greeting, d.Caller.GreetedByName, d.Trace.GreetedByName = "", false, false
	return d
}

// disowned reports whether the caller has said in an earlier session that they are not the contact. The ledger knows it
// where the mark was lost. If it does not answer, and all else about the call was lost as well, the agent is told nothing.
func (s *Service) disowned(ctx context.Context, call *agent.Call, lost bool) bool {
	if s.Tools.Disowned(ctx, call) {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, againWithin)
	defer cancel()
	disowned, err := s.Ledger.Disowned(ctx, call.Org.ID, call.SID)
	if err != nil {
		s.Log.Warn("it could not be looked up whether the caller is the contact", "call_sid", call.SID, "error", err)
		return lost
	}
	return disowned
}
