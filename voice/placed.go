package voice

import (
	"context"
	"net/http"
	"time"

	"ringside/internal/org"
	"ringside/internal/outgoing"
)

// placedWithin bounds how long somebody who has picked up waits for what their call is about.
const placedWithin = time.Second

// placed finds the call that a webhook's address names, and notes Twilio's Sid of it. One that cannot
// be found in time is empty: the call goes on without.
func (s *Service) placed(r *http.Request, id org.ID, sid string) outgoing.Item {
	if r.URL.RawQuery == "" {
		return outgoing.Item{}
	}
	itemID := r.URL.Query().Get(outgoing.QueryID)
	if itemID == "" {
		return outgoing.Item{}
	}
	ctx, cancel := context.WithTimeout(r.Context(), placedWithin)
	defer cancel()
	item, err := s.Outgoing.Bind(ctx, id, itemID, sid)
	if err != nil {
		if s.Due("placed call") {
			s.Log.Warn("it could not be looked up why a call was placed", "call_sid", sid, "error", err)
		}
		return outgoing.Item{}
	}
	return *item
}
