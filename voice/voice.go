// Package voice is the edge to Twilio Voice: it verifies webhooks, answers them with TwiML, relays
// between Twilio's socket and the agent runtime's, and follows each call to its end.
//
// Who is calling is decided by package recognize, what an agent may ask for is package agent's, and
// what happened is written by the ledger's recorder. Nothing here waits for a write before a caller
// is answered (rule 16), and nothing that fails here is heard as an error (rule 20).
package voice

import (
	"context"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/reach"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// Paths are the contract with Twilio's settings (design, Contracts).
const (
	pathVoice    = "/twilio/voice"
	pathStatus   = "/twilio/voice/status"
	pathAfter    = "/twilio/voice/after"
	pathFallback = "/twilio/voice/fallback"
	pathRelay    = "/twilio/relay"
	pathStream   = "/twilio/stream"
)

// Recorder writes events to the ledger: at once and durably, or when there is time.
type Recorder interface {
	Record(ctx context.Context, e *ledger.Event) error
	Later(e *ledger.Event)
}

// Calls remembers what holds for a whole call, for all sidecars. Package cache implements it.
type Calls interface {
	recognize.Decisions
	agent.Marks
	// Once reports whether name is claimed for the first time.
	Once(ctx context.Context, name string) bool
}

// Outgoing knows the calls that were placed. Package outgoing's Store implements it.
type Outgoing interface {
	// Bind notes under which Sid Twilio has placed a call, and returns the call.
	Bind(ctx context.Context, id org.ID, itemID, sid string) (*outgoing.Item, error)
	// Placed returns the call that Twilio has placed under a Sid.
	Placed(ctx context.Context, id org.ID, sid string) (*outgoing.Item, error)
}

// Ledger knows what was written of a call. Package ledger's Reader implements it.
type Ledger interface {
	// Disowned reports whether the caller has said that they are not the contact.
	Disowned(ctx context.Context, id org.ID, sid string) (bool, error)
}

// Config is what the edge is made of. All fields but Runtimes are required.
type Config struct {
	*webhook.Gate        // lets Twilio's requests in
	Secret        []byte // signs and seals the sockets' tokens; the same for all sidecars
	Recognizer    *recognize.Recognizer
	Calls         Calls
	Recorder      Recorder
	Tools         *agent.Tools
	Outgoing      Outgoing
	Ledger        Ledger
	// Runtimes says which runtimes may be dialled; nil: any but at link-local and metadata addresses.
	Runtimes *reach.Policy
	// WriteBudget bounds how long a status callback waits for its event to be durable.
	WriteBudget time.Duration
}

// Service answers Twilio's voice webhooks and sockets.
type Service struct {
	Config
	macs     sync.Pool    // of hash.Hash, for tokens
	seal     cipher.Block // for what tokens keep to themselves
	sessions sessions
	timing   timing
}

// New returns the edge; [Service.Register] puts it on a router.
func New(c Config) *Service {
	s := &Service{Config: c, timing: defaultTiming, seal: sealOf(c.Secret)}
	s.macs.New = func() any { return hmac.New(sha256.New, c.Secret) }
	s.sessions.open = map[*session]struct{}{}
	return s
}

// Register adds the voice paths to mux.
func (s *Service) Register(mux *http.ServeMux) {
	mux.Handle(pathVoice, s.Handle(pathVoice, s.inbound, s.apology))
	mux.Handle(pathFallback, s.Handle(pathFallback, s.inbound, s.apology))
	mux.Handle(pathAfter, s.Handle(pathAfter, s.after, s.apology))
	mux.Handle(pathStatus, s.HandleKept(pathStatus, s.status))
	for _, d := range []*dialect{relayDialect, streamDialect} {
		mux.HandleFunc(d.path, s.socket(d))
		// Shown before the first call, too: an increase from nothing is none to Prometheus.
		s.Metrics.RelaySessions.WithLabelValues(d.path)
		for _, by := range []string{"runtime_unreachable", "runtime_lost"} {
			s.Metrics.RelayEnds.WithLabelValues(d.path, by)
		}
	}
}
