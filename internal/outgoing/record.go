package outgoing

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/problem"
)

// Recorder writes events to the ledger.
type Recorder interface {
	Record(ctx context.Context, e *ledger.Event) error
}

// Record returns what [Dispatcher.Settled] does so that the ledger has each call and message from the
// moment that Twilio has it, and those that it never had with the reason.
func Record(recorder Recorder, log *slog.Logger) func(context.Context, *Item) {
	return func(ctx context.Context, i *Item) {
		if err := recorder.Record(ctx, i.event()); err != nil {
			log.Warn("what was sent is not in the ledger yet; Twilio's callbacks bring it", "id", i.ID, "kind", i.Kind, "error", err)
		}
	}
}

// event is the item as the ledger keeps it. One that Twilio never had is named by its own id.
func (i *Item) event() *ledger.Event {
	e := &ledger.Event{OrgID: i.OrgID, SID: i.SID, Name: "sent", At: time.Now(), Kind: string(i.Kind), Direction: "outbound", From: string(i.From), To: string(i.To),
		Party: i.To, AgentID: i.AgentID, Status: "queued", StartedAt: i.Created, Text: i.Text}
	if i.State != Failed {
		return e
	}
	e.SID, e.Name, e.Status = i.ID, "refused", "failed"
	e.Detail, _ = json.Marshal(map[string]string{"code": string(i.Code), "problem": i.Problem}) // strings always marshal
	if i.Code == problem.CodeOptedOut {
		e.Consent = ledger.OptOut
	}
	return e
}
