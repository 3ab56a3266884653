// Package sms is the edge to Twilio's messages, be they SMS, MMS or WhatsApp: it keeps each one
// before it is acknowledged, recognises who wrote, lets the organisation's agent runtimes answer, and
// follows what is sent to its end.
//
// Whoever does not want messages any more ([ledger.OptOut]) is heard here, and sent none.
package sms

import (
	"context"
	"net/http"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// Paths are the contract with Twilio's settings (design, Contracts).
const (
	pathSMS    = "/twilio/sms"
	pathStatus = "/twilio/sms/status"
)

// Recorder writes events to the ledger durably, or when there is time.
type Recorder interface {
	// Keep says whether the event is in Postgres already.
	Keep(ctx context.Context, e *ledger.Event) (written bool, err error)
	Later(e *ledger.Event)
}

// Ledger is what has to be known of earlier messages.
type Ledger interface {
	// OptedOut returns when somebody asked for no more messages; nil: they did not, or came back.
	OptedOut(ctx context.Context, id org.ID, n phone.Number) (*time.Time, error)
	// Reply returns what a message was answered, or "".
	Reply(ctx context.Context, id org.ID, sid string) (string, error)
}

// Memory remembers what holds for a message, for all sidecars. Package cache implements it.
type Memory interface {
	Once(ctx context.Context, name string) bool
	Mark(ctx context.Context, name, value string)
	Marked(ctx context.Context, name string) string
}

// Runtimes are the programs that may answer.
type Runtimes interface {
	// Listening reports whether a runtime is connected to this sidecar that is told of messages to
	// this voice agent.
	Listening(id org.ID, agentID string) bool
}

// Outgoing knows the messages that were sent. Package outgoing's Store implements it.
type Outgoing interface {
	// Bind notes under which Sid Twilio has sent a message, and returns the message.
	Bind(ctx context.Context, id org.ID, itemID, sid string) (*outgoing.Item, error)
}

// Config is what the edge is made of. All fields are required.
type Config struct {
	*webhook.Gate
	Recognizer *recognize.Recognizer
	Memory     Memory
	Recorder   Recorder
	Ledger     Ledger
	Runtimes   Runtimes
	Outgoing   Outgoing
	// WriteBudget bounds how long a webhook waits for its event to be durable, ReplyBudget how long it
	// then waits for what a runtime answers.
	WriteBudget, ReplyBudget time.Duration
}

// Service answers Twilio's messaging webhooks.
type Service struct {
	Config
	replies replies
}

// New returns the edge; [Service.Register] puts it on a router.
func New(c Config) *Service {
	return &Service{Config: c, replies: replies{waiting: map[string]*waiting{}}}
}

// Register adds the messaging paths to mux.
func (s *Service) Register(mux *http.ServeMux) {
	mux.Handle(pathSMS, s.HandleKept(pathSMS, s.inbound))
	mux.Handle(pathStatus, s.HandleKept(pathStatus, s.status))
}
