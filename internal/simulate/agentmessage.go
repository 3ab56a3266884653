package simulate

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
)

// agentMessage is a message to Twilio that Twilio takes (Twilio: ConversationRelay, WebSocket
// messages, "messages sent to Twilio").
type agentMessage struct {
	Type        string
	Token       string // text
	Last        bool   // text
	HandoffData string // end
}

var digitsToSend = regexp.MustCompile(`^[0-9wW#*]+$`)

// errUnidentified marks a message whose type Twilio does not know, or that has none.
var errUnidentified = errors.New("no type that is known")

// readAgentMessage checks a message as Twilio does: a JSON object of a known type, with the members
// that the type needs. Members that the type does not have are passed over.
func readAgentMessage(raw []byte) (agentMessage, error) {
	var members map[string]json.RawMessage // not a struct: member names are case-sensitive
	if err := json.Unmarshal(raw, &members); err != nil {
		return agentMessage{}, fmt.Errorf("not a JSON object: %w", errUnidentified)
	}
	var m agentMessage
	if err := member(members, "type", &m.Type, true); err != nil {
		return agentMessage{}, fmt.Errorf("%w: %w", err, errUnidentified)
	}
	switch m.Type {
	case "text":
		return m, errors.Join(member(members, "token", &m.Token, true), member(members, "last", &m.Last, false),
			check[string](members, "lang"), check[bool](members, "interruptible"), check[bool](members, "preemptible"))
	case "play":
		var source string
		return m, errors.Join(member(members, "source", &source, true), check[int](members, "loop"),
			check[bool](members, "interruptible"), check[bool](members, "preemptible"))
	case "sendDigits":
		var digits string
		if err := member(members, "digits", &digits, true); err != nil {
			return m, err
		}
		if !digitsToSend.MatchString(digits) {
			return m, errors.New("digits may hold 0-9, w, # and *")
		}
		return m, nil
	case "language":
		var tts, transcription string
		err := errors.Join(member(members, "ttsLanguage", &tts, false), member(members, "transcriptionLanguage", &transcription, false))
		if err == nil && tts == "" && transcription == "" {
			err = errors.New("needs ttsLanguage or transcriptionLanguage")
		}
		return m, err
	case "end":
		return m, member(members, "handoffData", &m.HandoffData, false)
	case "config", "hints": // their members are not documented
		return m, nil
	}
	return m, fmt.Errorf("type %q: %w", m.Type, errUnidentified)
}

// member decodes one member into value. A member that is null counts as missing.
func member(members map[string]json.RawMessage, name string, value any, required bool) error {
	raw, ok := members[name]
	if !ok || string(raw) == "null" {
		if required {
			return fmt.Errorf("%s is missing", name)
		}
		return nil
	}
	if err := json.Unmarshal(raw, value); err != nil {
		return fmt.Errorf("%s has the wrong type", name)
	}
	return nil
}

func check[T any](members map[string]json.RawMessage, name string) error {
	var value T
	return member(members, name, &value, false)
}
