package simulate

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind says what an [Event] is about.
type Kind string

// What happens on Twilio's side of a call.
const (
	KindCall      Kind = "call"       // a call begins; Text names both ends
	KindWebhook   Kind = "webhook"    // a request was answered, or not; Text is method and path
	KindTwiML     Kind = "twiml"      // the answer is acted on; Raw is the document
	KindSay       Kind = "say"        // <Say>: the caller hears Text
	KindPlay      Kind = "play"       // <Play>: the caller hears the audio at Text
	KindPause     Kind = "pause"      // <Pause>
	KindDial      Kind = "dial"       // <Dial>: the caller is put through to Text
	KindRedirect  Kind = "redirect"   // <Redirect>
	KindReject    Kind = "reject"     // <Reject>: the call is not answered
	KindHangup    Kind = "hangup"     // the call is over; Text says who ended it
	KindSkipped   Kind = "skipped"    // something that this simulator does not act on
	KindAlert     Kind = "alert"      // an entry of Twilio's debugger, with its Code
	KindSocket    Kind = "socket"     // the ConversationRelay WebSocket is open
	KindGreeting  Kind = "greeting"   // the caller hears the welcome greeting
	KindSetup     Kind = "setup"      // the setup message is sent
	KindPrompt    Kind = "prompt"     // the caller said Text
	KindPartial   Kind = "partial"    // the caller has said Text so far
	KindDigit     Kind = "dtmf"       // the caller pressed a key
	KindInterrupt Kind = "interrupt"  // the caller cut the agent short
	KindRaw       Kind = "raw"        // a frame sent as it is, by [SendRaw]
	KindComplaint Kind = "complaint"  // the error message that answers what is not valid
	KindToken     Kind = "token"      // a piece of what the agent says
	KindReply     Kind = "reply"      // the agent's whole talk cycle: the caller hears Text
	KindMessage   Kind = "message"    // another message of the agent's, such as "end"; Text is its type
	KindSilence   Kind = "silence"    // the agent did not answer in time, or an input was not reported
	KindEnd       Kind = "end"        // the session is over; Text says how
	KindStatus    Kind = "status"     // the status callback was answered, or not
	KindText      Kind = "text"       // a message begins; Text names both ends
	KindWritten   Kind = "written"    // the sender wrote Text
	KindAnswered  Kind = "answered"   // the sender reads Text
	KindDelivery  Kind = "redelivery" // a repeated copy of a webhook was answered, or not
)

// What happens on the agent runtime's side.
const (
	KindAgentSession Kind = "agent.session" // the sidecar opened a WebSocket to the runtime
	KindAgentSetup   Kind = "agent.setup"   // the setup message arrived; Text sums up what it says of the caller
	KindAgentContext Kind = "agent.context" // late context arrived
	KindAgentTool    Kind = "agent.tool"    // the agent sent a ringside.* message; Text is its type
	KindAgentResult  Kind = "agent.result"  // its result arrived
	KindAgentEnd     Kind = "agent.end"     // the WebSocket is closed
)

// Event is something that happened in a simulation, told as it happens.
type Event struct {
	Time    time.Time     `json:"time"`
	At      time.Duration `json:"at_ns"`              // since the call, or the runtime's session, began
	CallSID string        `json:"call_sid,omitempty"` // whose call
	Kind    Kind          `json:"kind"`
	Text    string        `json:"text,omitempty"`
	Raw     string        `json:"raw,omitempty"`     // what was on the wire: a frame or a document
	Status  int           `json:"status,omitempty"`  // HTTP status
	Code    int           `json:"code,omitempty"`    // Twilio's error code
	Took    time.Duration `json:"took_ns,omitempty"` // how long it took
}

// narrator tells one observer of one call or session, one event after the other.
type narrator struct {
	began   time.Time
	observe func(Event)

	mu      sync.Mutex
	callSID string
}

// called sets whose call it is, for a session that learns it from its setup message.
func (n *narrator) called(callSID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.callSID = callSID
}

func (n *narrator) tell(e Event) {
	if n.observe == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	e.Time = time.Now()
	e.At = e.Time.Sub(n.began)
	e.CallSID = n.callSID
	n.observe(e)
}

// describeSetup names the custom parameters of a setup, whose values are Twilio's to keep.
func describeSetup(s Setup) string {
	text := "session " + s.SessionID
	if len(s.CustomParameters) > 0 {
		text += " with parameters " + strings.Join(slices.Sorted(maps.Keys(s.CustomParameters)), ", ")
	}
	return text
}

// describeWebhook sums up an answer, or the lack of one.
func describeWebhook(method string, w Webhook) string {
	if w.Err != nil {
		return method + " " + w.Path + ": " + w.Err.Error()
	}
	return method + " " + w.Path
}

// describeEnd says in words how a session ended.
func describeEnd(end SessionEnd) string {
	switch end.Status {
	case SessionCompleted:
		return "the caller hung up"
	case SessionEnded:
		if end.HandoffData != "" {
			return "the agent ended the session and handed over: " + end.HandoffData
		}
		return "the agent ended the session"
	}
	text := fmt.Sprintf("the session failed: %d %s", end.ErrorCode, end.ErrorMessage)
	if end.CloseCode != 0 {
		text += fmt.Sprintf(" (close code %d %s)", end.CloseCode, end.CloseReason)
	}
	return strings.TrimSpace(text)
}

// oneLine shortens what was on the wire to one line of a page.
func oneLine(text string, most int) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// compactJSON returns raw as one line, or as it is if it is not JSON.
func compactJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
