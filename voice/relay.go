package voice

import (
	"context"
	"encoding/json"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// Bounds of the sockets.
const (
	twilioLimit   = 1 << 20 // bytes of one message
	runtimeLimit  = 1 << 20
	toolsInFlight = 16 // of one call, waiting for their turn
)

// upgrader accepts Twilio's sockets. Compression would cost memory a call and save nothing.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: 5 * time.Second,
	ReadBufferSize:   readBuffer,
	WriteBufferSize:  writeBuffer,
	WriteBufferPool:  &writeBuffers,
	// The signature says who this is; an Origin header, which Twilio does not send, says nothing.
	CheckOrigin: func(*http.Request) bool { return true },
}

// relay accepts Twilio's socket and carries its frames until the call ends.
func (s *Service) relay(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		s.Count(pathRelay, "no_upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This address is for Twilio's WebSocket connections.", http.StatusUpgradeRequired)
		return
	}
	account := s.Handshake(r)
	if account == nil {
		s.Count(pathRelay, "signature")
		if s.Due("relay signature") {
			s.Log.Warn("refused a socket: its signature is missing or matches no account", "path", r.URL.Path, "public_url", s.PublicURL.String())
		}
		http.Error(w, webhook.Refusal(http.StatusForbidden), http.StatusForbidden)
		return
	}
	if s.sessions.closed() {
		s.Count(pathRelay, "draining")
		http.Error(w, "This sidecar is stopping.", http.StatusServiceUnavailable)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // Upgrade has answered
		s.Count(pathRelay, "upgrade")
		return
	}
	// In a goroutine of its own, the call does not hold on to the request and all that served it.
	go s.serve(newPeer(conn, twilioLimit, &s.timing), account)
}

// serve carries a call on Twilio's socket until it ends.
func (s *Service) serve(caller *peer, account *org.Account) {
	defer caller.drop()
	defer s.survive("relay", "")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session, refused := s.begin(ctx, caller, account)
	if refused != "" {
		s.Count(pathRelay, refused)
		caller.close(websocket.ClosePolicyViolation, refused)
		return
	}
	s.Count(pathRelay, "accepted")
	session.run(ctx)
}

// survive is deferred where one call is worked on: a panic is logged, and ends neither the process
// nor the other calls in it.
func (s *Service) survive(part, callSID string) {
	if cause := recover(); cause != nil {
		s.Log.Error("a part of a call panicked", "part", part, "call_sid", callSID, "cause", cause, "stack", string(debug.Stack()))
	}
}

// setup is what Ringside reads of Twilio's first message; all of it goes on to the runtime.
type setup struct {
	Type             string            `json:"type"`
	SessionID        string            `json:"sessionId"`
	AccountSID       string            `json:"accountSid"`
	CallSID          string            `json:"callSid"`
	From             string            `json:"from"`
	To               string            `json:"to"`
	Direction        string            `json:"direction"`
	CustomParameters map[string]string `json:"customParameters"`
}

// begin reads the first message and checks that this socket was asked for: by this account, for
// this call, and not before. refused names what is wrong.
func (s *Service) begin(ctx context.Context, caller *peer, account *org.Account) (session *session, refused string) {
	caller.expect(s.timing.Setup)
	kind, first, err := caller.read(nil)
	if err != nil {
		return nil, "no setup message"
	}
	caller.heard() // from here on the caller may be silent
	var m setup
	if kind != websocket.TextMessage || json.Unmarshal(first, &m) != nil || m.Type != "setup" {
		return nil, "the first message must be setup"
	}
	token := m.CustomParameters[tokenParameter]
	a, ok := s.checkToken(account.OrgID, m.CallSID, token)
	switch {
	case !ok:
		return nil, "token not valid"
	case m.AccountSID != account.SID && !s.sameToken(ctx, m.AccountSID, account):
		return nil, "account does not match"
	case !s.Calls.Once(ctx, "token:"+token):
		return nil, "token used"
	}
	ours, _, _ := m.parties()
	n, _ := phone.Strict(ours)
	route := s.Lines.Route(ctx, n)
	if route == nil || route.AccountSID != m.AccountSID {
		return nil, "number not connected"
	}
	session = s.newSession(ctx, &m, route, a)
	session.caller, session.first = caller, first
	return session, ""
}

// parties tells our number from the other party's, as [partiesOf] does for webhooks.
func (m *setup) parties() (ours, theirs, direction string) {
	if m.Direction == "" || m.Direction == "inbound" {
		return m.To, m.From, "inbound"
	}
	return m.From, m.To, "outbound"
}

// sameToken reports whether the account named in the message has the token that signed the
// handshake: accounts may share one in tests and after a merge.
func (s *Service) sameToken(ctx context.Context, sid string, signed *org.Account) bool {
	named := s.Lines.Account(ctx, sid)
	return named != nil && named.AuthToken == signed.AuthToken && named.OrgID == signed.OrgID
}

// newSession returns the session of a call, without its sockets.
func (s *Service) newSession(ctx context.Context, m *setup, route *org.Route, a action) *session {
	_, theirs, direction := m.parties()
	party := phone.Classify(theirs)
	incoming := recognize.Call{SID: m.CallSID, Org: route.Org, Agent: route.Agent, Party: party, At: time.Now(),
		Own: party.Class == phone.ClassNumber && s.Lines.Owns(route.Org.ID, party.Number)}
	decision := s.Calls.Decided(ctx, route.Org.ID, m.CallSID)
	if decision != nil {
		incoming.At, incoming.Attestation = decision.At, decision.Trace.Attestation
	} else { // lost with the sidecar that made it; its token has kept what cannot be found out again
		trusted := !a.unverified
		incoming.Judged = &trusted
		decision = s.Recognizer.Decide(ctx, incoming)
	}
	return &session{
		service: s, route: route, sessionID: m.SessionID, attempt: a.attempt, incoming: incoming, decision: decision,
		transcript: transcript{keep: route.Agent.KeepTranscript},
		call: agent.Call{Org: *route.Org, AgentID: route.Agent.ID, SID: m.CallSID, Direction: direction,
			From: webhook.Bounded(m.From, webhook.MaxAddress), To: webhook.Bounded(m.To, webhook.MaxAddress),
			Party: decision.Number, StartedAt: decision.At, Trusted: decision.Trusted},
	}
}
