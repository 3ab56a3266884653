package events

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
	"ringside/internal/outbox"
	"ringside/internal/problem"
)

// handshakeBudget bounds what is asked of Postgres before a socket is accepted.
const handshakeBudget = 5 * time.Second

// readLimit bounds a message of a program's, in bytes.
const readLimit = 1 << 20

var writeBuffers sync.Pool

var upgrader = websocket.Upgrader{
	HandshakeTimeout: 5 * time.Second,
	ReadBufferSize:   1 << 10,
	WriteBufferSize:  2 << 10,
	WriteBufferPool:  &writeBuffers,
	// The key says who this is. No page of another site can send one.
	CheckOrigin: func(*http.Request) bool { return true },
}

// connect accepts a program's socket, or says why not.
func (s *Service) connect(w http.ResponseWriter, r *http.Request) {
	c, err := s.admit(r)
	if err != nil {
		s.refuse(w, err)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This address is for WebSocket connections: see docs/agent-protocol.md.", http.StatusUpgradeRequired)
		return
	}
	if c.consumer, err = s.join(r, c.asked); err != nil {
		s.refuse(w, err)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // Upgrade has answered
		return
	}
	c.begin(conn)
	if !s.add(c) {
		c.cancel()
		c.socket.close(closeRestart, "restarting")
		return
	}
	s.Notified(string(c.org.ID)) // for the connection that had the consumer, if it was here
	// In a goroutine of its own, the socket does not hold on to the request and all that served it.
	go func() {
		defer s.remove(c)
		c.run()
	}()
}

func (s *Service) refuse(w http.ResponseWriter, err error) {
	if !problem.Write(w, err) {
		s.Log.Error("an events socket could not be opened", "error", err)
	}
}

// admit lets a request in by its key, and reads what it asks for.
func (s *Service) admit(r *http.Request) (*session, error) {
	ctx, cancel := context.WithTimeout(r.Context(), handshakeBudget)
	defer cancel()
	plain, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	key, err := s.authenticate(ctx, strings.TrimSpace(plain))
	if err != nil {
		return nil, err
	}
	ctx = org.Within(ctx, key.OrgID)
	asked, err := readQuery(r.URL.RawQuery)
	if err != nil {
		return nil, err
	}
	asked.OrgID = key.OrgID
	if asked.Name == "" {
		asked.Name = key.ID
	}
	if asked.AgentID != "" {
		if _, err := s.Orgs.Agent(ctx, key.OrgID, asked.AgentID); err != nil {
			return nil, err
		}
	}
	o, err := s.Orgs.Org(ctx, key.OrgID)
	if err != nil {
		return nil, err
	}
	full, stopping := s.crowded(o.ID)
	switch {
	case stopping:
		return nil, problem.New(problem.CodeUnavailable, "This sidecar is stopping. Connect again in a moment.")
	case full:
		refused := problem.New(problem.CodeRateLimited, "The organisation has %d events sockets here already. Close one, or connect to another sidecar.", maxSockets)
		refused.RetryAfter = time.Minute
		return nil, refused
	}
	return &session{service: s, org: o, key: strings.TrimSpace(plain), asked: asked}, nil
}

// authenticate returns the key, which has to be one for events.
func (s *Service) authenticate(ctx context.Context, plain string) (org.Key, error) {
	key, err := s.Keys.Authenticate(ctx, plain)
	if err != nil {
		return org.Key{}, err
	}
	if !slices.Contains(key.Scopes, Scope) {
		return org.Key{}, problem.New(problem.CodeForbidden, "This key lacks the scope %q.", Scope)
	}
	return key, nil
}

// readQuery reads what the address asks for.
func readQuery(raw string) (asked outbox.Joining, err error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return asked, problem.Invalid("", "The query string cannot be read; encode it as a form is.")
	}
	for name, given := range values {
		switch {
		case len(given) > 1:
			return asked, problem.Invalid(name, "This is given more than once.")
		case name == "consumer":
			asked.Name = given[0]
		case name == "agent":
			asked.AgentID = given[0]
		case name == "from" && (given[0] == "beginning" || given[0] == "now"):
			asked.FromBeginning = given[0] == "beginning"
		case name == "from":
			return asked, problem.Invalid(name, "A consumer that is new begins from=now or from=beginning.")
		default:
			return asked, problem.Invalid(name, "There is no such parameter. There are: consumer, agent, from.")
		}
	}
	return asked, nil
}

func (s *Service) join(r *http.Request, asked outbox.Joining) (outbox.Consumer, error) {
	ctx, cancel := context.WithTimeout(org.Within(r.Context(), asked.OrgID), handshakeBudget)
	defer cancel()
	return s.Outbox.Join(ctx, asked)
}
