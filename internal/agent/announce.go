package agent

import (
	"encoding/json"
	"time"

	"ringside/internal/ledger"
	"ringside/recognize"
)

// What the events socket tells (package internal/agent/events), as it is kept with the event that it
// tells of. The type, the cursor, the time and the contact come with the delivery.
const (
	TypeCallStarted   = "call.started"
	TypeCallCompleted = "call.completed"
	TypeSMSReceived   = "sms.received"
)

// ends are the parties of a call or message, as the ledger has them.
type ends struct {
	CallSID    string `json:"call_sid,omitempty"`
	MessageSID string `json:"message_sid,omitempty"`
	AgentID    string `json:"agent_id"`
	Direction  string `json:"direction"`
	From       string `json:"from"`
	To         string `json:"to"`
}

func endsOf(e *ledger.Event) ends {
	p := ends{AgentID: e.AgentID, Direction: e.Direction, From: e.From, To: e.To}
	if e.Kind == "message" {
		p.MessageSID = e.SID
	} else {
		p.CallSID = e.SID
	}
	return p
}

// CallStarted announces the event that begins a call, with the caller as the voice agent is told.
func CallStarted(e *ledger.Event, c recognize.Caller) *ledger.Announcement {
	return announcement(TypeCallStarted, struct {
		ends
		StartedAt time.Time        `json:"started_at"`
		Caller    recognize.Caller `json:"caller"`
	}{endsOf(e), e.StartedAt.UTC(), c})
}

// CallCompleted announces the event with a call's final status.
func CallCompleted(e *ledger.Event) *ledger.Announcement {
	return announcement(TypeCallCompleted, struct {
		ends
		Status    string    `json:"status"`
		StartedAt time.Time `json:"started_at"`
		EndedAt   time.Time `json:"ended_at"`
		DurationS int       `json:"duration_s"`
	}{endsOf(e), e.Status, e.StartedAt.UTC(), e.EndedAt.UTC(), e.DurationS})
}

// SMSReceived announces a message that came in, with its sender as the voice agent is told.
func SMSReceived(e *ledger.Event, c recognize.Caller) *ledger.Announcement {
	media := e.Media
	if media == nil {
		media = []ledger.Media{}
	}
	return announcement(TypeSMSReceived, struct {
		ends
		Text   string           `json:"text"`
		Media  []ledger.Media   `json:"media"`
		Caller recognize.Caller `json:"caller"`
	}{endsOf(e), e.Text, media, c})
}

func announcement(kind string, payload any) *ledger.Announcement {
	raw, err := json.Marshal(payload)
	if err != nil { // a time beyond the year 9999
		raw = nil
	}
	return &ledger.Announcement{Type: kind, Payload: raw}
}
