// Package events is the events socket, GET /v1/events: the programs of voice agents hear on it what
// happens, also what happened while they were away, and act on it with the tools of the relay. The
// protocol is docs/agent-protocol.md; the order and the cursors are package outbox's.
package events

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/metrics"
	"ringside/internal/org"
	"ringside/internal/outbox"
)

// Path is where the socket is.
const Path = "/v1/events"

// Scope is what a key needs for it.
const Scope = "events"

// Keys finds the key behind a bearer token.
type Keys interface {
	Authenticate(ctx context.Context, plain string) (org.Key, error)
}

// Orgs finds organisations and their voice agents.
type Orgs interface {
	Org(ctx context.Context, id org.ID) (org.Org, error)
	Agent(ctx context.Context, id org.ID, agentID string) (org.Agent, error)
}

// Ledger finds the call or message that a tool is about.
type Ledger interface {
	Parties(ctx context.Context, id org.ID, sid string) (ledger.Parties, error)
}

// Config is what the socket is made of. All fields are required.
type Config struct {
	Keys    Keys
	Orgs    Orgs
	Outbox  *outbox.Outbox
	Ledger  Ledger
	Tools   *agent.Tools
	Metrics *metrics.Metrics
	Log     *slog.Logger
}

// Service serves the socket.
type Service struct {
	Config
	timing timing

	mu     sync.Mutex
	open   map[org.ID]map[*session]struct{}
	closed bool
	// running are the sessions that have not ended.
	running sync.WaitGroup
}

// timing is how long sockets have patience. Tests shorten it.
type timing struct {
	Poll    time.Duration // for something new, where no notification says so
	Write   time.Duration // for one message to be taken; then the consumer is lost
	Ping    time.Duration // between two pings
	Silence time.Duration // without a message or a pong; then the consumer is lost
	Renew   time.Duration // until it is looked whether the key still holds
	Close   time.Duration // for the other side's close frame
}

var defaultTiming = timing{Poll: 2 * time.Second, Write: 10 * time.Second, Ping: 25 * time.Second, Silence: 60 * time.Second,
	Renew: 30 * time.Second, Close: 2 * time.Second}

// New returns the socket; [Service.Register] puts it on a router.
func New(c Config) *Service {
	return &Service{Config: c, timing: defaultTiming, open: map[org.ID]map[*session]struct{}{}}
}

// Register adds the socket to mux.
func (s *Service) Register(mux *http.ServeMux) { mux.HandleFunc("GET "+Path, s.connect) }

// Notified is told of each notification on [outbox.Channel].
func (s *Service) Notified(payload string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open[org.ID(payload)] {
		c.wakeUp()
	}
}

// Listening reports whether a program is connected here that is told of this voice agent's messages.
func (s *Service) Listening(id org.ID, agentID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open[id] {
		if c.consumer.AgentID == "" || c.consumer.AgentID == agentID {
			return true
		}
	}
	return false
}

// maxSockets bounds the sockets of one organisation at one sidecar.
const maxSockets = 50

// crowded reports whether an organisation has as many sockets as it may, or the sidecar stops.
func (s *Service) crowded(id org.ID) (full, stopping bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open[id]) >= maxSockets, s.closed
}

// add begins a session. It reports false if the sidecar is stopping.
func (s *Service) add(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.open[c.org.ID] == nil {
		s.open[c.org.ID] = map[*session]struct{}{}
	}
	s.open[c.org.ID][c] = struct{}{}
	s.running.Add(1)
	s.Metrics.EventSockets.Inc()
	return true
}

func (s *Service) remove(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open[c.org.ID], c)
	if len(s.open[c.org.ID]) == 0 {
		delete(s.open, c.org.ID)
	}
	s.Metrics.EventSockets.Dec()
	s.running.Done()
}

// Close ends all sockets (service restart), and waits until what their programs have asked for is done,
// or ctx ends. New ones are refused from then on.
func (s *Service) Close(ctx context.Context) {
	s.mu.Lock()
	s.closed = true
	for _, sessions := range s.open {
		for c := range sessions {
			go c.end(closeRestart, "restarting")
		}
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// survive is deferred where one session is worked on: a panic is logged, and ends neither the process
// nor the other sessions in it.
func (s *Service) survive(part string) {
	if cause := recover(); cause != nil {
		s.Log.Error("a part of an events socket panicked", "part", part, "cause", cause, "stack", string(debug.Stack()))
	}
}
