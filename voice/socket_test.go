package voice_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
	"ringside/internal/twilio"
)

// patience bounds what must happen; it never has to pass for a test to succeed.
const patience = 15 * time.Second

func within(tb testing.TB) context.Context {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), patience)
	tb.Cleanup(cancel)
	return ctx
}

// connectOf reads the answer that hands a call to the agent.
type connectOf struct {
	Action, URL, Greeting, Token string
	Attributes                   map[string]string // of ConversationRelay, all of them
}

func readConnect(tb testing.TB, twiml string) connectOf {
	tb.Helper()
	root := must(simulate.ParseTwiML([]byte(twiml)))(tb)
	connect, ok := root.Child("Connect")
	relay, ok2 := connect.Child("ConversationRelay")
	parameter, ok3 := relay.Child("Parameter")
	if !ok || !ok2 || !ok3 || len(root.Children) != 1 || len(connect.Children) != 1 || len(relay.Children) != 1 {
		tb.Fatalf("the answer does not hand the call to the agent: %s", twiml)
	}
	if parameter.Attr["name"] != "ringside" {
		tb.Errorf("the parameter is named %q", parameter.Attr["name"])
	}
	return connectOf{Action: connect.Attr["action"], URL: relay.Attr["url"], Greeting: relay.Attr["welcomeGreeting"],
		Token: parameter.Attr["value"], Attributes: relay.Attr}
}

// ring lets a call come in and returns the answer that hands it to the agent.
func (e *edge) ring(callSID, from string) connectOf {
	e.tb.Helper()
	a := e.post("/twilio/voice", inbound(callSID, from))
	if a.status != http.StatusOK {
		e.tb.Fatalf("the voice webhook answered %d", a.status)
	}
	return readConnect(e.tb, a.body)
}

// socket is Twilio's end of a relay socket, frame by frame.
type socket struct {
	*websocket.Conn
	tb     testing.TB
	header http.Header // of the handshake, at the runtime's end
}

// dial opens the relay's socket with a handshake signed with token.
func (e *edge) dial(token string) (*socket, *http.Response, error) {
	e.tb.Helper()
	header := http.Header{twilio.SignatureHeader: {twilio.Sign(token, strings.Replace(publicURL, "https", "wss", 1)+"/twilio/relay", nil)}}
	conn, res, err := websocket.DefaultDialer.DialContext(within(e.tb), strings.Replace(e.server.URL, "http", "ws", 1)+"/twilio/relay", header)
	if err != nil {
		return nil, res, err
	}
	e.tb.Cleanup(func() { conn.Close() })
	check(e.tb, conn.SetReadDeadline(time.Now().Add(patience)))
	return &socket{Conn: conn, tb: e.tb}, res, nil
}

// open opens the socket of a call and sends setup, as Twilio does.
func (e *edge) open(callSID, from, token string) *socket {
	e.tb.Helper()
	s, _, err := e.dial(authToken)
	if err != nil {
		e.tb.Fatalf("open the relay: %v", err)
	}
	s.send(setupOf(callSID, from, token))
	return s
}

// answered lets a call come in, opens its socket and returns both ends: Twilio's, and the n-th
// session of the runtime, with its setup message read.
func (e *edge) answered(callSID, from string, n int) (*socket, *simulate.AgentSession) {
	e.tb.Helper()
	s := e.open(callSID, from, e.ring(callSID, from).Token)
	return s, e.session(n)
}

// session waits for the n-th session of the runtime and its setup message.
func (e *edge) session(n int) *simulate.AgentSession {
	e.tb.Helper()
	session := must(e.runtime.AwaitSession(within(e.tb), n))(e.tb)
	must(session.Await(within(e.tb), func(m simulate.Message) bool { return m.Type == "setup" }))(e.tb)
	return session
}

func setupOf(callSID, from, token string) string {
	setup := map[string]any{"type": "setup", "sessionId": "VX" + callSID[2:], "accountSid": accountSID, "parentCallSid": "", "callSid": callSID,
		"from": from, "to": dialled, "forwardedFrom": "", "callType": "PSTN", "callerName": "", "direction": "inbound", "callStatus": "RINGING",
		"customParameters": map[string]string{"ringside": token}}
	text, _ := json.Marshal(setup) // strings always marshal
	return string(text)
}

// send sends a text message.
func (s *socket) send(text string) {
	s.tb.Helper()
	if err := s.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.tb.Fatalf("send to the relay: %v", err)
	}
}

// next returns the next message as text.
func (s *socket) next() string {
	s.tb.Helper()
	_, message, err := s.ReadMessage()
	if err != nil {
		s.tb.Fatalf("read from the relay: %v", err)
	}
	followSchema(s.tb, message)
	return string(message)
}

// ending reads on until the other side has ended the connection, and returns with which code and
// reason; 1006 without a close frame.
func (s *socket) ending() (code int, reason string) {
	s.tb.Helper()
	for {
		if _, _, err := s.ReadMessage(); err != nil {
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
				return closed.Code, closed.Text
			}
			if isTimeout(err) {
				s.tb.Fatal("the relay did not end the connection")
			}
			return websocket.CloseAbnormalClosure, ""
		}
	}
}

// shut closes as Twilio does, and reads until the other side has agreed.
func (s *socket) shut(code int, reason string) {
	s.tb.Helper()
	check(s.tb, s.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(patience)))
	s.ending()
}

// cut ends the TCP connection without a word.
func (s *socket) cut() { s.NetConn().Close() }

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// closedBy waits until the session's connection is over, and returns how.
func closedBy(tb testing.TB, session *simulate.AgentSession) (code int, reason string) {
	tb.Helper()
	select {
	case <-session.Context().Done():
	case <-within(tb).Done():
		tb.Fatal("the runtime's connection was not closed")
	}
	code, reason, _ = session.Closed()
	return code, reason
}

// callSID is a CallSid made of a word, so that a failing test shows whose it is.
func callSID(word string) string { return "CA" + word + strings.Repeat("0", 32-len(word)) }
