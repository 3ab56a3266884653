package voice

import (
	"encoding/json"
	"net/http"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// streamDialect is Media Streams: the sound itself, in messages of 20 ms.
var streamDialect = &dialect{
	path:   pathStream,
	bound:  "stream",
	sealed: true,
	open:   openStream,
	addCaller: func(s *session, start []byte, c recognize.Caller) ([]byte, error) {
		return agent.AddCallerToStart(start, c, s.greeted(c))
	},
	giveUp:   closeStream,
	handOver: "handoff",
	isMedia:  isMedia,
}

// start is what Ringside reads of the second message of a stream, after connected; all of both goes on
// to the runtime.
type start struct {
	Event string `json:"event"`
	Start struct {
		StreamSID        string            `json:"streamSid"`
		AccountSID       string            `json:"accountSid"`
		CallSID          string            `json:"callSid"`
		CustomParameters map[string]string `json:"customParameters"`
	} `json:"start"`
}

// openStream reads connected and start.
func openStream(caller *peer) (o opening, refused string) {
	kind, first, err := caller.read(nil)
	if err != nil {
		return opening{}, "no connected message"
	}
	var m start
	if kind != websocket.TextMessage || json.Unmarshal(first, &m) != nil || m.Event != "connected" {
		return opening{}, "the first message must be connected"
	}
	kind, second, err := caller.read(nil)
	if err != nil {
		return opening{}, "no start message"
	}
	m = start{}
	if kind != websocket.TextMessage || json.Unmarshal(second, &m) != nil || m.Event != "start" {
		return opening{}, "the second message must be start"
	}
	return opening{messages: [][]byte{first, second}, sessionID: m.Start.StreamSID, accountSID: m.Start.AccountSID,
		callSID: m.Start.CallSID, token: m.Start.CustomParameters[tokenParameter]}, ""
}

// closeStream ends a stream. It has no message that could carry the reason to the Connect action.
func closeStream(s *session) {
	s.closed(reasonUnreachable)
	s.caller.close(websocket.CloseInternalServerErr, "the agent cannot be reached")
}

// mediaHead is how much of a message is looked at to tell whether it is sound.
const mediaHead = 256

// isMedia reports whether a message of the runtime's is sound: an object that begins with "media", or
// with "event":"media". streamSid and the like may stand before. Sound comes 50 times a second, and
// its base64 may hold what looks like an escape worth decoding (\u002B for +), so that it must not be
// looked at any further.
func isMedia(message []byte) bool {
	rest, ok := after(message[:min(len(message), mediaHead)], '{')
	for ok {
		var name, value []byte
		if name, rest, ok = scanString(rest); !ok {
			break
		}
		if rest, ok = after(rest, ':'); !ok {
			break
		}
		switch string(name) {
		case "media":
			return true
		case "type": // Twilio's messages have none; Ringside's begin so
			return false
		}
		if value, rest, ok = scanString(rest); !ok {
			break
		}
		if string(name) == "event" {
			return string(value) == "media"
		}
		rest, ok = after(rest, ',')
	}
	return false
}

// streamStatus takes Twilio's callback about a stream (Twilio: <Stream>, statusCallback), which names
// the call by its Sid alone. It is kept with the call; what went wrong is worth a look.
func (s *Service) streamStatus(r *http.Request, req *webhook.Request) webhook.Reply {
	sid := req.Form.Text("CallSid")
	if !webhook.UsableSID(sid) {
		return webhook.Reply{Status: http.StatusBadRequest, Outcome: "unreadable"}
	}
	event := webhook.Bounded(req.Form.Text("StreamEvent"), webhook.MaxWord)
	if event == "stream-error" && s.Due("stream error") {
		s.Log.Warn("Twilio reports an error of a stream", "path", pathStream, "call_sid", sid, "error", webhook.Bounded(req.Form.Text("StreamError"), 200))
	}
	e := &ledger.Event{OrgID: req.Account.OrgID, SID: sid, At: req.Arrived, Kind: "call", Direction: inboundCall, // outbound outranks it
		Name:   "stream:" + webhook.Bounded(req.Form.Text("StreamSid"), webhook.MaxSID) + ":" + event,
		Detail: webhook.Details(req.Form, "StreamSid", "StreamEvent", "StreamError")}
	if d := s.Calls.Decided(r.Context(), e.OrgID, sid); d != nil {
		e.Untrusted = !d.Trusted
	}
	return s.durable(r.Context(), e)
}
