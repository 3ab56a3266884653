package voice

import (
	"context"
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

// socket accepts Twilio's sockets of a dialect, and carries the frames of each until its call ends.
func (s *Service) socket(d *dialect) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { s.accept(d, w, r) }
}

// accept accepts one socket, or says why not.
func (s *Service) accept(d *dialect, w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		s.Count(d.path, "no_upgrade")
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This address is for Twilio's WebSocket connections.", http.StatusUpgradeRequired)
		return
	}
	account := s.Handshake(r)
	if account == nil {
		s.Count(d.path, "signature")
		if s.Due("relay signature") {
			s.Log.Warn("refused a socket: its signature is missing or matches no account", "path", r.URL.Path, "public_url", s.PublicURL.String())
		}
		http.Error(w, webhook.Refusal(http.StatusForbidden), http.StatusForbidden)
		return
	}
	if s.sessions.closed() {
		s.Count(d.path, "draining")
		http.Error(w, "This sidecar is stopping.", http.StatusServiceUnavailable)
		return
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // Upgrade has answered
		s.Count(d.path, "upgrade")
		return
	}
	// In a goroutine of its own, the call does not hold on to the request and all that served it.
	go s.serve(d, newPeer(conn, twilioLimit, &s.timing), account)
}

// serve carries a call on Twilio's socket until it ends.
func (s *Service) serve(d *dialect, caller *peer, account *org.Account) {
	defer caller.drop()
	defer s.survive(d.path, "")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	session, refused := s.begin(ctx, d, caller, account)
	if refused != "" {
		s.Count(d.path, refused)
		caller.close(websocket.ClosePolicyViolation, refused)
		return
	}
	s.Count(d.path, "accepted")
	session.run(ctx)
}

// survive is deferred where one call is worked on: a panic is logged, and ends neither the process
// nor the other calls in it.
func (s *Service) survive(part, callSID string) {
	if cause := recover(); cause != nil {
		s.Log.Error("a part of a call panicked", "part", part, "call_sid", callSID, "cause", cause, "stack", string(debug.Stack()))
	}
}

// begin reads the first messages and checks that this socket was asked for: by this account, for
// this call, and not before. refused names what is wrong.
func (s *Service) begin(ctx context.Context, d *dialect, caller *peer, account *org.Account) (session *session, refused string) {
	caller.expect(s.timing.Setup)
	o, refused := d.open(caller)
	if refused != "" {
		return nil, refused
	}
	caller.heard() // from here on the caller may be silent
	a, sealed, ok := s.checkToken(d, account.OrgID, o.callSID, o.token)
	if d.sealed {
		o.ends = sealed
	}
	switch {
	case !ok:
		return nil, "token not valid"
	case o.accountSID != account.SID && !s.sameToken(ctx, o.accountSID, account):
		return nil, "account does not match"
	case !s.Calls.Once(ctx, "token:"+o.token):
		return nil, "token used"
	}
	n, _ := phone.Strict(o.ends.ours())
	route := s.Lines.Route(ctx, n)
	if route == nil || route.AccountSID != o.accountSID {
		return nil, "number not connected"
	}
	session = s.newSession(ctx, &o, route, a)
	session.dialect, session.caller = d, caller
	session.transcript.keep = d.text && route.Agent.KeepTranscript
	return session, ""
}

// sameToken reports whether the account named in the message has the token that signed the
// handshake: accounts may share one in tests and after a merge.
func (s *Service) sameToken(ctx context.Context, sid string, signed *org.Account) bool {
	named := s.Lines.Account(ctx, sid)
	return named != nil && named.AuthToken == signed.AuthToken && named.OrgID == signed.OrgID
}

// newSession returns the session of a call, without its sockets.
func (s *Service) newSession(ctx context.Context, o *opening, route *org.Route, a action) *session {
	party := phone.Classify(o.ends.theirs())
	incoming := recognize.Call{SID: o.callSID, Org: route.Org, Agent: route.Agent, Party: party, At: time.Now(),
		Own: party.Class == phone.ClassNumber && s.Lines.Owns(route.Org.ID, party.Number)}
	decision := s.Calls.Decided(ctx, route.Org.ID, o.callSID)
	lost := decision == nil
	if lost {
		decision = s.decideAgain(ctx, &incoming, a, o.ends.direction)
	}
	incoming.At, incoming.Attestation = decision.At, decision.Trace.Attestation
	incoming.Judged, incoming.Context = &decision.Trusted, decision.Caller.CallContext // as it was settled
	session := &session{
		service: s, route: route, first: o.messages, sessionID: o.sessionID, attempt: a.attempt, incoming: incoming, decision: decision,
		call: agent.Call{Org: *route.Org, AgentID: route.Agent.ID, SID: o.callSID, Direction: o.ends.direction,
			From: webhook.Bounded(o.ends.from, webhook.MaxAddress), To: webhook.Bounded(o.ends.to, webhook.MaxAddress),
			Party: decision.Number, StartedAt: decision.At, Trusted: decision.Trusted},
	}
	if a.attempt > 0 {
		session.call.Disowned = s.disowned(ctx, &session.call, lost)
	}
	return session
}
