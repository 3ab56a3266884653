package simulate

import "time"

// Outcome is what became of a call: what the caller heard, and what was on the wire.
type Outcome struct {
	CallSID    string   `json:"call_sid"`
	SessionIDs []string `json:"session_ids,omitempty"` // one for each ConversationRelay session, in order

	// Status is the final CallStatus: "completed", "busy" or "no-answer"; of a call that was placed also
	// "failed" or "canceled".
	Status   string `json:"status"`
	Answered bool   `json:"answered"`

	// Webhooks are the requests in the order in which they were sent, with their answers.
	Webhooks []Webhook `json:"webhooks"`
	// VoiceLatency is how long the first webhook took; 0 if it had no answer.
	VoiceLatency time.Duration `json:"voice_latency_ns"`

	// Heard is everything that was said to the caller, in order: greetings, <Say>, replies.
	Heard []string `json:"heard,omitempty"`
	// Greeting is the welcome greeting of the first session.
	Greeting string   `json:"greeting,omitempty"`
	Spoken   []string `json:"spoken,omitempty"` // texts of <Say>
	Played   []string `json:"played,omitempty"` // URLs of <Play>
	Dialed   []Dial   `json:"dialed,omitempty"`
	// Replies are the agent's complete talk cycles.
	Replies []Reply `json:"replies,omitempty"`
	Turns   []Turn  `json:"turns,omitempty"`

	Sessions []SessionEnd `json:"sessions,omitempty"`
	// Streams are the Media Streams sessions.
	Streams []StreamEnd `json:"streams,omitempty"`
	// Alerts is what Twilio's debugger would hold about the call, whether the call was saved or not.
	Alerts []*Error `json:"alerts,omitempty"`
	// StepsLeft is how many steps of the script found no session to be played in.
	StepsLeft int `json:"steps_left,omitempty"`
}

// Dial is a <Dial> that the TwiML asked for.
type Dial struct {
	Targets  []string          `json:"targets"` // numbers, clients, SIP addresses, in order
	CallerID string            `json:"caller_id,omitempty"`
	Attr     map[string]string `json:"attr,omitempty"` // all attributes of <Dial>
	Status   string            `json:"status"`         // the call's DialStatus
}

// Answers returns the bodies that the webhook at path was answered with, in the order in which the
// requests were sent, copies included. One without an answer is nil.
func (o *Outcome) Answers(path string) [][]byte {
	var bodies [][]byte
	for _, w := range o.Webhooks {
		if w.Path == path {
			bodies = append(bodies, w.Body)
		}
	}
	return bodies
}

// Statuses returns the HTTP status of every request to path; 0 without an answer.
func (o *Outcome) Statuses(path string) []int {
	var statuses []int
	for _, w := range o.Webhooks {
		if w.Path == path {
			statuses = append(statuses, w.Status)
		}
	}
	return statuses
}
