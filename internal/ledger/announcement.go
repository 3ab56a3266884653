package ledger

import "encoding/json"

// Announcement is what the agents' programs are told of an event, on the events socket. It is written
// with the event, in the same statement: once for each call or message and type, if the event is new
// and its other party was not erased. Package agent makes the payloads, and package outbox delivers them.
type Announcement struct {
	Type    string          // "call.started", "call.completed", "sms.received"
	Payload json.RawMessage // an object: what the message has besides its type, cursor, time and contact
}

// The rest take a nil announcement.

func (a *Announcement) kind() string {
	if a == nil {
		return ""
	}
	return a.Type
}

func (a *Announcement) payload() json.RawMessage {
	switch {
	case a == nil:
		return nil
	case len(a.Payload) == 0:
		return json.RawMessage("{}")
	}
	return a.Payload
}
