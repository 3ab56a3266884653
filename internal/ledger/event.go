// Package ledger keeps every call and message: the interactions, and the [Recorder] that writes
// them durably, many at a time, without a caller ever waiting.
//
// What is recorded are events: the webhook that began a call, a status callback, an agent's note.
// Applying an event is idempotent and independent of order: each is keyed by its Sid and name,
// states are ranked and only rise, times are merged by least or greatest. Every permutation of a
// call's events, with repeats, ends in the same rows (rule 15).
//
// Who a caller is and what an agent is told of earlier calls is read elsewhere: package recognize.
package ledger

import (
	"encoding/json"
	"time"

	"ringside/internal/org"
	"ringside/internal/phone"
)

// Event is one thing that happened to an interaction. Zero fields say nothing: an event changes
// only what it knows.
type Event struct {
	OrgID org.ID
	SID   string // Twilio's CallSid or MessageSid
	// Name tells this event from the others of the same Sid: "voice", "status:completed",
	// "note:7". The same Sid and name is the same event, however often it comes.
	Name string
	At   time.Time // when it happened

	Kind      string // "call" or "message"
	Direction string // "inbound" or "outbound"
	From, To  string // as Twilio sent them
	// Party is the other party's number, if it is a person's number.
	Party     phone.Number
	AgentID   string
	ContactID string

	// Text and Media are what a message says and brings along.
	Text  string
	Media []Media
	// Consent is what a message says of whether its sender wants more of them.
	Consent Consent

	Status    string // Twilio's word; see [Rank]
	StartedAt time.Time
	EndedAt   time.Time
	DurationS int // whole seconds; 0 says nothing
	// Untrusted and Disowned keep the interaction out of the contact's history.
	Untrusted, Disowned bool
	Reason              string
	Summary             string // the one of the latest event stays
	// Recognition is the trace. Only the event that begins a call has one, and with it the contact
	// that was found.
	Recognition json.RawMessage
	Note        string          // what the agent noted
	Detail      json.RawMessage // what no field holds, as an object
	Transcript  *Transcript
	// Announce is what the agents' programs are told of it; nil: nothing.
	Announce *Announcement
}

// Transcript is what was said in one relay session.
type Transcript struct {
	SessionID string
	Lines     []Line
}

// Line is one utterance.
type Line struct {
	At   time.Time `json:"at"`
	Who  string    `json:"who"` // "caller" or "agent"
	Text string    `json:"text"`
}

// Media is a file that came with a message.
type Media struct {
	URL  string `json:"url"`
	Type string `json:"type"`
}

// Consent is whether the other party wants messages. The zero value says nothing of it.
type Consent string

// What a message may say of it. Who says last is believed.
const (
	OptOut Consent = "out"
	OptIn  Consent = "in"
)

// Rank orders Twilio's states of calls and of messages; a state never falls back. Twilio does not
// promise the order of its callbacks, so that final states are ranked among themselves too: whichever
// comes first, the same one stays. An unknown word ranks lowest.
func Rank(status string) int {
	switch status {
	case "queued":
		return 1
	case "initiated", "sending", "receiving":
		return 2
	case "ringing", statusSent:
		return 3
	case "in-progress":
		return 4
	case "canceled":
		return finalRank
	case "failed":
		return finalRank + 1
	case "no-answer", "undelivered":
		return finalRank + 2
	case "busy", "partially_delivered":
		return finalRank + 3
	case "completed", "delivered", "received":
		return finalRank + 4
	case "read":
		return finalRank + 5
	}
	return 0
}

// statusSent is the last that is ever heard of many messages: not every network tells of the delivery.
const statusSent = "sent"

const finalRank = 10

// Final reports whether a state is one that a call or message ends in.
func Final(status string) bool { return Rank(status) >= finalRank }

// contacted reports whether the event means that the organisation and the other party were in
// contact: any end of an inbound call (they called), the completion of an outbound one, a message that
// came or went.
func (e *Event) contacted() bool {
	if e.Party == "" {
		return false
	}
	switch e.Status {
	case "completed", statusSent, "delivered", "partially_delivered", "read":
		return true
	}
	return Final(e.Status) && e.Direction == "inbound"
}

// changesHistory reports whether what is cached of the party must be fenced.
func (e *Event) changesHistory() bool {
	return e.Party != "" && (e.endedAt() != nil || e.Summary != "" || e.Note != "" || e.Disowned)
}

// detail returns what is kept under the event's name, or nil.
func (e *Event) detail() json.RawMessage {
	if e.Note == "" {
		return e.Detail
	}
	note, err := json.Marshal(struct {
		Note string    `json:"note"`
		At   time.Time `json:"at"`
	}{e.Note, e.At})
	if err != nil { // a string and a time always marshal
		return e.Detail
	}
	return note
}
