package voice

import (
	"encoding/json"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/recognize"
)

// relayDialect is ConversationRelay: Twilio turns speech into text and back.
var relayDialect = &dialect{
	path:  pathRelay,
	text:  true,
	bound: "relay",
	open:  openRelay,
	addCaller: func(_ *session, setup []byte, c recognize.Caller) ([]byte, error) {
		return agent.AddCaller(setup, c)
	},
	giveUp: endRelay,
}

// setup is what Ringside reads of ConversationRelay's first message; all of it goes on to the runtime.
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

// openRelay reads setup.
func openRelay(caller *peer) (o opening, refused string) {
	kind, first, err := caller.read(nil)
	if err != nil {
		return opening{}, "no setup message"
	}
	var m setup
	if kind != websocket.TextMessage || json.Unmarshal(first, &m) != nil || m.Type != "setup" {
		return opening{}, "the first message must be setup"
	}
	call := ends{m.From, m.To, inboundCall}
	if m.Direction != "" && m.Direction != inboundCall {
		call.direction = outboundCall
	}
	return opening{messages: [][]byte{first}, sessionID: m.SessionID, accountSID: m.AccountSID, callSID: m.CallSID,
		token: m.CustomParameters[tokenParameter], ends: call}, ""
}

// endRelay ends a session with the reason, which comes back with the Connect action.
func endRelay(s *session) {
	handoff, _ := json.Marshal(map[string]string{"reasonCode": reasonUnreachable})
	end, _ := json.Marshal(map[string]string{"type": "end", "handoffData": string(handoff)}) // strings always marshal
	if err := s.caller.write(websocket.TextMessage, end); err == nil {
		s.caller.awaitClose(s.service.timing.Setup) // after end it is Twilio that closes
	}
}
