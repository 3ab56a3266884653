package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/twilio"
)

// Limits of a session.
const (
	relayWriteTimeout = 5 * time.Second
	relayCloseTimeout = time.Second // for the other side to answer a close
	relayReadLimit    = 1 << 20
	maxUnidentified   = 10 // in a row, then Twilio closes with 1007
)

// Setup is the first message of a session (Twilio: ConversationRelay, "setup message").
type Setup struct {
	Type             string            `json:"type"` // "setup"; filled in
	SessionID        string            `json:"sessionId"`
	AccountSID       string            `json:"accountSid"`
	ParentCallSID    string            `json:"parentCallSid"`
	CallSID          string            `json:"callSid"`
	From             string            `json:"from"`
	To               string            `json:"to"`
	ForwardedFrom    string            `json:"forwardedFrom"`
	CallType         string            `json:"callType"` // default "PSTN"
	CallerName       string            `json:"callerName"`
	Direction        string            `json:"direction"`  // default "inbound"
	CallStatus       string            `json:"callStatus"` // default "RINGING", in capitals
	CustomParameters map[string]string `json:"customParameters,omitempty"`
}

func (s Setup) withDefaults() Setup {
	s.Type = "setup"
	s.SessionID = first(s.SessionID, NewSID("VX"))
	s.CallType = first(s.CallType, "PSTN")
	s.Direction = first(s.Direction, "inbound")
	s.CallStatus = first(s.CallStatus, "RINGING")
	return s
}

// Reply is one talk cycle of the agent's: the text messages up to the one with "last":true.
type Reply struct {
	Text       string    `json:"text"`
	Tokens     int       `json:"tokens"` // text messages it came in
	FirstToken time.Time `json:"first_token"`
	Complete   time.Time `json:"complete"`
}

// SessionEnd is how a session ended, as the <Connect action> is told.
type SessionEnd struct {
	SessionID string        `json:"session_id"`
	Status    string        `json:"status"` // "completed" (the caller hung up), "ended" (by the agent) or "failed"
	Duration  time.Duration `json:"duration_ns"`
	// HandoffData is the agent's, with "ended".
	HandoffData string `json:"handoff_data,omitempty"`
	// ErrorCode and ErrorMessage say why it failed.
	ErrorCode    int    `json:"error_code,omitempty"`
	ErrorMessage string `json:"error_message,omitempty"`
	// CloseCode and CloseReason are the sidecar's, if it closed the WebSocket first (RFC 6455, 7.4).
	CloseCode   int    `json:"close_code,omitempty"`
	CloseReason string `json:"close_reason,omitempty"`
}

// The values of SessionEnd.Status.
const (
	SessionCompleted = "completed"
	SessionEnded     = "ended"
	SessionFailed    = "failed"
)

// ErrSessionOver is returned by whatever needs an open session after its end.
var ErrSessionOver = errors.New("simulate: the session is over")

// RelaySession is the Twilio side of one ConversationRelay WebSocket. It checks what it receives
// as Twilio does, answers what is not valid, and keeps everything. Its methods may be used from
// several goroutines at once.
type RelaySession struct {
	// Setup is what was sent first.
	Setup Setup

	conn  *websocket.Conn
	raw   net.Conn // below TLS, to cut the connection
	tell  func(Event)
	began time.Time

	writing sync.Mutex

	mu           sync.Mutex
	changed      chan struct{} // closed and replaced at every change
	frames       [][]byte
	replies      []Reply
	reply        Reply // the talk cycle in progress
	alerts       []*Error
	unidentified int
	end          *SessionEnd

	done chan struct{} // closed when the connection is gone
}

// OpenRelay opens the WebSocket at target (a ws:// or wss:// URL) with a signed handshake and sends
// the setup message. The end of ctx, also later on, cuts the connection like a network loss. A
// refused or failed handshake is an [*Error] with code 64102 and the HTTP status, if there was one.
// Close the session with Hangup or Drop.
func (t *Twilio) OpenRelay(ctx context.Context, target string, setup Setup, mods ...Mod) (*RelaySession, error) {
	return t.openRelay(ctx, target, setup, nil, &narrator{began: time.Now(), observe: t.Observe, callSID: setup.CallSID}, mods)
}

func (t *Twilio) openRelay(ctx context.Context, target string, setup Setup, jar http.CookieJar, n *narrator, mods []Mod) (*RelaySession, error) {
	setup = setup.withDefaults()
	conn, raw, err := t.handshake(ctx, target, jar, mods)
	if err != nil {
		return nil, err
	}
	s := &RelaySession{Setup: setup, conn: conn, raw: raw, tell: n.tell, began: time.Now(),
		changed: make(chan struct{}), done: make(chan struct{})}
	conn.SetReadLimit(relayReadLimit)
	n.tell(Event{Kind: KindSocket, Text: target})
	cut := context.AfterFunc(ctx, s.Drop)
	go func() {
		defer cut()
		s.read()
	}()
	if err := s.send(KindSetup, describeSetup(setup), setup); err != nil && !errors.Is(err, ErrSessionOver) {
		s.Drop()
		return nil, err
	}
	return s, nil
}

// handshake opens the WebSocket and returns it with the connection below it.
func (t *Twilio) handshake(ctx context.Context, target string, jar http.CookieJar, mods []Mod) (*websocket.Conn, net.Conn, error) {
	to, err := t.resolve(target)
	if err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.wire.String(), nil)
	if err != nil {
		return nil, nil, fmt.Errorf("simulate: build the handshake: %w", err)
	}
	req.Header.Set(SignatureHeader, twilio.Sign(t.AuthToken, to.signed(), nil))
	req.Header.Set("User-Agent", "Twilio.ConversationRelay/1.0")
	req.Host = to.public.Host
	for _, mod := range mods {
		mod(req)
	}
	if signature := req.Header.Values(SignatureHeader); signature != nil {
		req.Header.Del(SignatureHeader)
		req.Header[strings.ToLower(SignatureHeader)] = signature // as on Twilio's handshakes
	}
	req.Header["Host"] = []string{req.Host} // where the dialer looks for it

	opening, cancel := context.WithTimeout(ctx, totalTimeout)
	defer cancel()
	var raw net.Conn
	unwatch := func() bool { return true }
	dialer := websocket.Dialer{Jar: jar, NetDialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		var err error
		raw, err = (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, addr)
		if err == nil {
			// The handshake itself watches the deadline only, not the end of the context.
			unwatch = context.AfterFunc(opening, func() { raw.Close() })
		}
		return raw, err
	}}
	conn, res, err := dialer.DialContext(opening, req.URL.String(), req.Header)
	if !unwatch() && err == nil {
		err = context.Cause(opening) // cut in the moment it was opened
	}
	if err != nil {
		failed := &Error{Code: CodeRelayConnect, URL: to.public.String(), Detail: "could not open the WebSocket", Err: err}
		if res != nil {
			failed.Status, failed.Err = res.StatusCode, nil
			failed.Detail = fmt.Sprintf("answered the WebSocket handshake with %d", res.StatusCode)
		}
		return nil, nil, failed
	}
	return conn, raw, nil
}

// Send sends v as JSON, or an error: ErrSessionOver, or why it could not be written.
func (s *RelaySession) Send(v any) error {
	return s.send("", "", v)
}

func (s *RelaySession) send(kind Kind, text string, v any) error {
	frame, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("simulate: encode a message: %w", err)
	}
	return s.sendFrame(kind, text, frame)
}

// SendRaw sends text as it is, valid or not.
func (s *RelaySession) SendRaw(text string) error {
	return s.sendFrame(KindRaw, text, []byte(text))
}

// sendFrame tells of the frame before it is written, so that what answers it is told later.
func (s *RelaySession) sendFrame(kind Kind, text string, frame []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, over := s.End(); over {
		return ErrSessionOver
	}
	if kind != "" {
		s.tell(Event{Kind: kind, Text: text, Raw: string(frame)})
	}
	s.conn.SetWriteDeadline(time.Now().Add(relayWriteTimeout))
	if err := s.conn.WriteMessage(websocket.TextMessage, frame); err != nil {
		// The reader finds out why: there may be a close frame that it has yet to read.
		s.conn.SetReadDeadline(time.Now().Add(relayCloseTimeout))
		return ErrSessionOver
	}
	return nil
}

// Prompt tells that the caller said text.
func (s *RelaySession) Prompt(text, lang string) error {
	return s.send(KindPrompt, text, prompt{"prompt", text, lang, true})
}

// Hangup is the caller hanging up: the session is completed and the WebSocket closed. It returns
// when the connection is gone, at most a second later.
func (s *RelaySession) Hangup() {
	s.closeWith(SessionEnd{Status: SessionCompleted}, websocket.CloseNormalClosure, "")
	<-s.done
}

// Drop cuts the TCP connection without a word, as when a network or a host is lost.
func (s *RelaySession) Drop() {
	s.finish(networkLost())
	cutConnection(s.raw)
	<-s.done
}

func networkLost() SessionEnd {
	return SessionEnd{Status: SessionFailed, ErrorCode: CodeRelayNetwork, ErrorMessage: "Network connection to websocket server failed"}
}

// closeWith ends the session from Twilio's side; the reader goes on until the close is answered.
func (s *RelaySession) closeWith(end SessionEnd, code int, reason string) {
	if !s.finish(end) {
		return
	}
	now := time.Now()
	s.conn.SetReadDeadline(now.Add(relayCloseTimeout))
	if err := s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), now.Add(relayCloseTimeout)); err != nil {
		s.raw.Close()
	}
}

// finish records the end, if there is none yet.
func (s *RelaySession) finish(end SessionEnd) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end != nil {
		return false
	}
	end.SessionID = s.Setup.SessionID
	end.Duration = time.Since(s.began)
	s.end = &end
	s.announce()
	return true
}

// announce wakes whoever waits for a change. The caller holds mu.
func (s *RelaySession) announce() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// End returns how the session ended, and whether it has.
func (s *RelaySession) End() (SessionEnd, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.end == nil {
		return SessionEnd{}, false
	}
	return *s.end, true
}

// Done is closed when the session is over and its connection gone.
func (s *RelaySession) Done() <-chan struct{} { return s.done }

// cutConnection closes a TCP connection with a reset, without sending what is still unsent.
func cutConnection(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}
