package simulate

import (
	"encoding/json"
	"strconv"

	"github.com/gorilla/websocket"
)

// Operator is a [Behaviour] for Media Streams: an agent without ears. It plays every frame of sound back, marks each
// second of it, and takes what the caller presses: 1 has it stop what is being played, 2 captures a made-up name, # sums the
// call up, 0 hands over to a person, * ends the call.
func Operator(session *AgentSession, msg Message) {
	o, ok := session.Memory.(*operator)
	if !ok {
		o = &operator{}
		session.Memory = o
	}
	switch msg.Event {
	case "start":
		setup, _ := session.Setup()
		o.stream = setup.SessionID
	case "media":
		o.play(session, msg)
	case "dtmf":
		o.pressed(session, msg)
	}
}

// operator is what an agent keeps of one stream. Sends that fail are not looked at: the connection is gone then.
type operator struct {
	stream string
	frames int
}

func (o *operator) play(session *AgentSession, msg Message) {
	var m struct {
		Media struct {
			Payload string `json:"payload"`
		} `json:"media"`
	}
	if msg.Decode(&m) != nil {
		return
	}
	_ = session.Send(map[string]any{"event": "media", "streamSid": o.stream, "media": map[string]string{"payload": m.Media.Payload}})
	if o.frames++; o.frames%50 == 0 {
		_ = session.Send(map[string]any{"event": "mark", "streamSid": o.stream, "mark": map[string]string{"name": "second-" + strconv.Itoa(o.frames/50)}})
	}
}

func (o *operator) pressed(session *AgentSession, msg Message) {
	var m struct {
		DTMF struct {
			Digit string `json:"digit"`
		} `json:"dtmf"`
	}
	if json.Unmarshal(msg.Raw, &m) != nil {
		return
	}
	switch m.DTMF.Digit {
	case "1":
		_ = session.Send(map[string]any{"event": "clear", "streamSid": o.stream})
	case "2":
		_, _ = session.Tool("ringside.capture_contact", map[string]any{"name": "Robin Park"})
	case "#":
		_, _ = session.Tool("ringside.summary", map[string]any{"summary": "The caller pressed keys."})
	case "0":
		_ = session.CloseWith(websocket.CloseNormalClosure, "handoff")
	case "*":
		_ = session.CloseWith(websocket.CloseNormalClosure, "")
	}
}
