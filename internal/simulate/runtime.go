package simulate

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Behaviour is how an agent answers: it is called with every message of a session, the setup
// first, one after the other. While it has not returned, nothing more of that session is read: a
// behaviour that blocks is an agent that does not keep up. It must return when the session's
// Context ends.
type Behaviour func(session *AgentSession, msg Message)

// RuntimeOptions are the settings of a [Runtime]. The zero value accepts every connection on a free
// port and says nothing.
type RuntimeOptions struct {
	// Listen is the address to listen on. Default: "127.0.0.1:0".
	Listen string
	// Secret is expected as "Authorization: Bearer …"; without it a connection is refused with 401.
	// Empty: none is expected.
	Secret string
	// Behaviour answers. Default: an agent that only listens.
	Behaviour Behaviour
	// Observe is told what happens, as it happens. For one session it is never called twice at once.
	Observe func(Event)
}

// Runtime is an agent runtime: a WebSocket server as a user of ConversationRelay would write it.
// It knows ringside.* messages but needs none of them. Its methods may be used from several
// goroutines at once.
type Runtime struct {
	options  RuntimeOptions
	listener net.Listener
	server   *http.Server
	upgrader websocket.Upgrader
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	serving  sync.WaitGroup // the listener and the sessions

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced for every session
	sessions []*AgentSession
	refusal  int  // HTTP status of every handshake, or 0
	hanging  bool // handshakes get no answer
}

// StartRuntime starts an agent runtime; stop it with Close.
func StartRuntime(options RuntimeOptions) (*Runtime, error) {
	listener, err := net.Listen("tcp", first(options.Listen, "127.0.0.1:0"))
	if err != nil {
		return nil, fmt.Errorf("simulate: start the agent runtime: %w", err)
	}
	r := &Runtime{options: options, listener: listener, changed: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.server = &http.Server{Handler: http.HandlerFunc(r.serve), ReadHeaderTimeout: 10 * time.Second}
	r.serving.Go(func() { r.server.Serve(listener) }) // returns when Close closes it
	return r, nil
}

// URL is the address to give to the sidecar as the agent's: ws://host:port/agent. Any path will do.
func (r *Runtime) URL() string { return "ws://" + r.listener.Addr().String() + "/agent" }

// Close stops listening, closes the sessions' connections and waits for the behaviours to return.
// New connections are refused from then on.
func (r *Runtime) Close() {
	r.cancel()
	r.server.Close()
	for _, s := range r.Sessions() {
		s.conn.Close()
	}
	r.serving.Wait()
}

// Refuse has every further handshake answered with an HTTP status, such as 503; 0 accepts again.
func (r *Runtime) Refuse(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusal = status
}

// Hang leaves every further handshake without an answer, for as long as the other side waits.
func (r *Runtime) Hang(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hanging = on
}

// Sessions returns all sessions so far, also those that are over, in the order of their handshakes.
func (r *Runtime) Sessions() []*AgentSession {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.sessions)
}

// AwaitSession waits for the n-th session, counted from 1.
func (r *Runtime) AwaitSession(ctx context.Context, n int) (*AgentSession, error) {
	for {
		r.mu.Lock()
		sessions, changed := r.sessions, r.changed
		r.mu.Unlock()
		if len(sessions) >= n {
			return sessions[n-1], nil
		}
		select {
		case <-changed:
		case <-r.ctx.Done():
			return nil, errors.New("simulate: the agent runtime was closed")
		case <-ctx.Done():
			return nil, fmt.Errorf("simulate: wait for session %d of the agent runtime: %w", n, ctx.Err())
		}
	}
}

func (r *Runtime) serve(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	refusal, hanging := r.refusal, r.hanging
	r.mu.Unlock()
	switch {
	case hanging:
		select {
		case <-r.ctx.Done():
		case <-req.Context().Done():
		}
		return
	case refusal != 0:
		http.Error(w, "not now", refusal)
		return
	case !r.authorised(req):
		w.Header().Set("WWW-Authenticate", "Bearer")
		http.Error(w, "send the agent's secret as Authorization: Bearer", http.StatusUnauthorized)
		return
	}
	conn, err := r.upgrader.Upgrade(w, req, nil)
	if err != nil {
		return // Upgrade has answered
	}
	s := newAgentSession(r, conn, req)
	if !r.admit(s) {
		conn.Close()
		return
	}
	defer r.serving.Done()
	s.run()
}

func (r *Runtime) authorised(req *http.Request) bool {
	if r.options.Secret == "" {
		return true
	}
	want, got := "Bearer "+r.options.Secret, req.Header.Get("Authorization")
	return subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

// admit counts a session in, unless the runtime is closing, which would not wait for it.
func (r *Runtime) admit(s *AgentSession) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil {
		return false
	}
	r.serving.Add(1)
	r.sessions = append(r.sessions, s)
	close(r.changed)
	r.changed = make(chan struct{})
	return true
}
