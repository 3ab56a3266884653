package voice

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
	"ringside/recognize"
)

// Bounds of the sockets.
const (
	setupWait     = 10 * time.Second // for Twilio's first message
	dialWait      = 3 * time.Second  // for the runtime to accept a connection
	dialTries     = 2
	writeWait     = 10 * time.Second // for one message to be taken; then the peer is lost
	pingEvery     = 25 * time.Second
	silenceWait   = 60 * time.Second // without a message or a pong the peer is lost
	closeWait     = 2 * time.Second  // for the other side's close frame
	twilioLimit   = 1 << 20          // bytes of one message
	runtimeLimit  = 1 << 20
	toolsInFlight = 16
)

// upgrader accepts Twilio's sockets. The buffers are those of the HTTP connection; frames are
// small. Compression would cost memory a call and save nothing.
var upgrader = websocket.Upgrader{
	HandshakeTimeout: 5 * time.Second,
	WriteBufferPool:  &writeBuffers,
	// The signature says who this is; an Origin header, which Twilio does not send, says nothing.
	CheckOrigin: func(*http.Request) bool { return true },
}

// relay accepts Twilio's socket and carries its frames until the call ends.
func (s *Service) relay(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		s.count(pathRelay, "no_upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This address is for Twilio's WebSocket connections.", http.StatusUpgradeRequired)
		return
	}
	account := s.handshakeAccount(r)
	if account == nil {
		s.count(pathRelay, "signature")
		if s.notice.due("relay signature") {
			s.Log.Warn("refused a socket: its signature is missing or matches no account", "path", r.URL.Path, "public_url", s.PublicURL.String())
		}
		http.Error(w, refusal(http.StatusForbidden), http.StatusForbidden)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // Upgrade has answered
		s.count(pathRelay, "upgrade")
		return
	}
	caller := newPeer(conn, twilioLimit)
	// The request's context does not end when the socket does; the session has its own.
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()
	session, refused := s.begin(ctx, caller, account)
	if refused != "" {
		s.count(pathRelay, refused)
		caller.close(websocket.ClosePolicyViolation, refused)
		return
	}
	s.count(pathRelay, "accepted")
	session.run(ctx)
}

// handshakeAccount returns the account whose token signed the handshake, which names none, or nil.
// Each account costs a few microseconds.
func (s *Service) handshakeAccount(r *http.Request) *org.Account {
	signature := r.Header.Get(twilio.SignatureHeader)
	if signature == "" {
		return nil
	}
	for _, account := range s.Lines.Accounts() {
		if s.verifier.Handshake(s.key(account), r.RequestURI, signature) {
			return account
		}
	}
	return nil
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
	caller.expect(setupWait)
	kind, first, err := caller.read(nil)
	if err != nil {
		return nil, "no setup message"
	}
	var m setup
	if kind != websocket.TextMessage || json.Unmarshal(first, &m) != nil || m.Type != "setup" {
		return nil, "the first message must be setup"
	}
	token := m.CustomParameters[tokenParameter]
	attempt, trusted, ok := s.checkToken(m.CallSID, token)
	switch {
	case !ok:
		return nil, "token not valid"
	case m.AccountSID != account.SID && !s.sameToken(ctx, m.AccountSID, account):
		return nil, "account does not match"
	case !s.Calls.Once(ctx, "token:"+token):
		return nil, "token used"
	}
	ours, theirs, direction := m.To, m.From, "inbound"
	if m.Direction != "" && m.Direction != "inbound" {
		ours, theirs, direction = m.From, m.To, "outbound"
	}
	n, _ := phone.Strict(ours)
	route := s.Lines.Route(ctx, n)
	if route == nil || route.AccountSID != m.AccountSID {
		return nil, "number not connected"
	}
	return s.newSession(ctx, caller, first, m, route, connection{attempt: attempt, trusted: trusted, theirs: theirs, direction: direction}), ""
}

// sameToken reports whether the account named in the message has the token that signed the
// handshake: accounts may share one in tests and after a merge.
func (s *Service) sameToken(ctx context.Context, sid string, signed *org.Account) bool {
	named := s.Lines.Account(ctx, sid)
	return named != nil && named.AuthToken == signed.AuthToken && named.OrgID == signed.OrgID
}

// connection is what is known of a session beside its first message.
type connection struct {
	attempt           int
	trusted           bool
	theirs, direction string
}

func (s *Service) newSession(ctx context.Context, caller *peer, first []byte, m setup, route *org.Route, c connection) *session {
	party := phone.Classify(c.theirs)
	incoming := recognize.Call{SID: m.CallSID, Org: route.Org, Agent: route.Agent, Party: party, At: time.Now(),
		Own: party.Class == phone.ClassNumber && s.Lines.Owns(route.Org.ID, party.Number)}
	decision := s.Calls.Decided(ctx, route.Org.ID, m.CallSID)
	if decision != nil {
		incoming.At, incoming.Attestation = decision.At, decision.Trace.Attestation
	} else { // lost with the sidecar that made it; its token has kept what cannot be found out again
		incoming.Judged = &c.trusted
		decision = s.Recognizer.Decide(ctx, incoming)
	}
	return &session{
		service: s, caller: caller, first: first, route: route, sessionID: m.SessionID, attempt: c.attempt, incoming: incoming, decision: decision,
		transcript: transcript{keep: route.Agent.KeepTranscript},
		tools:      make(chan toolRequest, toolsInFlight),
		call: agent.Call{Org: *route.Org, AgentID: route.Agent.ID, SID: m.CallSID, Direction: c.direction, From: bounded(m.From), To: bounded(m.To),
			Party: decision.Number, StartedAt: decision.At, Trusted: decision.Trusted},
	}
}
