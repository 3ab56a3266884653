// Package agent is what the user's agent runtime sees of Ringside on its socket: the caller added to
// Twilio's first message, messages that begin with "ringside.", and the tools behind them. The
// protocol is docs/agent-protocol.md. Carrying frames between the sockets is package voice's.
package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"ringside/recognize"
)

// AddCaller returns ConversationRelay's first message with the caller added: an object "caller", and
// the same as strings in customParameters, which runtimes that know nothing of Ringside already pass
// to their prompt. Everything Twilio sent stays byte for byte as it came.
func AddCaller(setup []byte, c recognize.Caller) ([]byte, error) {
	setup, err := addParameters(setup, parameters(c))
	if err != nil {
		return nil, err
	}
	return addObject(setup, c)
}

// AddCallerToStart does the same for the start message of Media Streams, whose customParameters are
// those of its object "start". There is one more: greeting is what the caller has heard before the
// stream began, since no message of a stream has words in it.
func AddCallerToStart(message []byte, c recognize.Caller, greeting string) ([]byte, error) {
	start, _, err := locate(message, "start")
	if err != nil {
		return nil, err
	}
	if start.empty() {
		return nil, errors.New("the message has no object start")
	}
	inner, err := addParameters(message[start.start:start.end], append(parameters(c), parameter{"call_greeting", greeting}))
	if err != nil {
		return nil, err
	}
	return addObject(slices.Concat(message[:start.start], inner, message[start.end:]), c)
}

// addParameters returns an object with more members in its customParameters, which are made if there
// are none.
func addParameters(object []byte, added []parameter) ([]byte, error) {
	params, end, err := locate(object, "customParameters")
	if err != nil {
		return nil, err
	}
	members, err := encodeParameters(added)
	if err != nil {
		return nil, err
	}
	if params.empty() {
		return slices.Concat(object[:end-1], separator(object[:end]), []byte(`"customParameters":{`), members, []byte("}"), object[end-1:]), nil
	}
	// In before its brace.
	return slices.Concat(object[:params.end-1], separator(object[params.start:params.end]), members, object[params.end-1:]), nil
}

// addObject returns an object with the caller as its last member.
func addObject(object []byte, c recognize.Caller) ([]byte, error) {
	_, end, err := locate(object, "caller")
	if err != nil {
		return nil, err
	}
	caller, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encode caller: %w", err)
	}
	return slices.Concat(object[:end-1], []byte(`,"caller":`), caller, object[end-1:]), nil
}

// separator is what stands between the members of an object and one more.
func separator(object []byte) []byte {
	begin := bytes.IndexByte(object, '{')
	if len(bytes.TrimSpace(object[begin+1:len(object)-1])) == 0 {
		return nil
	}
	return []byte(",")
}

type span struct{ start, end int }

func (s span) empty() bool { return s.end == s.start }

// locate returns where the member of this name stands in a JSON object, if it is an object itself (an
// empty span if there is none), and where the object around it ends.
func locate(object []byte, name string) (member span, end int, err error) {
	dec := json.NewDecoder(bytes.NewReader(object))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return span{}, 0, errors.New("the first message is no JSON object")
	}
	members := 0
	for ; dec.More(); members++ {
		key, err := dec.Token()
		if err != nil {
			return span{}, 0, fmt.Errorf("read the first message: %w", err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return span{}, 0, fmt.Errorf("read the first message: %w", err)
		}
		if key == name && len(value) > 0 && value[0] == '{' {
			stop := int(dec.InputOffset())
			member = span{stop - len(value), stop}
		}
	}
	if _, err := dec.Token(); err != nil {
		return span{}, 0, fmt.Errorf("read the first message: %w", err)
	}
	if members == 0 {
		return span{}, 0, errors.New("the first message is empty")
	}
	return member, int(dec.InputOffset()), nil
}

// parameter is a custom parameter: a name and a string.
type parameter struct{ name, value string }

// parameters returns what the custom parameters say of a caller. Every one is always there, so that a
// prompt template never meets a missing variable.
func parameters(c recognize.Caller) []parameter {
	return []parameter{
		{"caller_known", strconv.FormatBool(c.Known)}, {"caller_name", c.Name}, {"caller_email", c.Email},
		{"caller_notes", c.Notes}, {"caller_context", c.Context()},
	}
}

// encodeParameters returns parameters as members of an object, without its braces.
func encodeParameters(parameters []parameter) ([]byte, error) {
	var b []byte
	for i, p := range parameters {
		value, err := json.Marshal(p.value)
		if err != nil {
			return nil, fmt.Errorf("encode %s: %w", p.name, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendQuote(b, p.name), ':')
		b = append(b, value...)
	}
	return b, nil
}

// ContextMessage returns the message that tells a runtime of a caller later than in setup, or that
// takes back what it was told.
func ContextMessage(c recognize.Caller) ([]byte, error) {
	return json.Marshal(struct {
		Type   string           `json:"type"`
		Caller recognize.Caller `json:"caller"`
	}{"ringside.context", c})
}

// prefix marks the messages of the socket that are ours and never reach Twilio.
const prefix = "ringside."

// The marks of a frame that may be ours: the word, or any ASCII character written as an escape, which
// could hide it.
var (
	mark        = []byte(prefix)
	escapedMark = []byte(`\u00`)
)

// Message is a runtime's message to Ringside.
type Message struct {
	Type string          `json:"type"`
	ID   json.RawMessage `json:"id"` // given back as it came
	// capture_contact
	Name       string `json:"name"`
	Email      string `json:"email"`
	Notes      string `json:"notes"`
	OtherPhone string `json:"other_phone"` // explicitly another number than the call's
	// note and summary
	Text    string `json:"text"`
	Note    string `json:"note"`
	Summary string `json:"summary"`
	// send_sms
	To  string `json:"to"`  // another number than the other party's
	Key string `json:"key"` // the same key is the same message
	// On the events socket: the call or message that it is about.
	CallSID    string `json:"call_sid"`
	MessageSID string `json:"message_sid"`
}

// ParseMessage reports whether a frame from the runtime is for Ringside rather than for Twilio, and
// reads it. It looks closer only where the word may occur, so that ordinary frames cost next to
// nothing. A message for Ringside whose fields have the wrong form comes back with its type, its id
// and an error fit to be shown.
func ParseMessage(frame []byte) (m Message, ours bool, err error) {
	if !bytes.Contains(frame, mark) && !bytes.Contains(frame, escapedMark) {
		return Message{}, false, nil
	}
	return readMessage(frame)
}

// readMessage is the part of [ParseMessage] that allocates.
func readMessage(frame []byte) (m Message, ours bool, err error) {
	var head struct {
		Type string `json:"type"`
	}
	if json.Unmarshal(frame, &head) != nil || !strings.HasPrefix(head.Type, prefix) {
		return Message{}, false, nil
	}
	if err := json.Unmarshal(frame, &m); err != nil {
		return Message{Type: head.Type, ID: idOf(frame)}, true, wrongForm(err)
	}
	return m, true, nil
}

// wrongForm says to the author of a runtime what is wrong with a message that is JSON.
func wrongForm(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("%q must be a string, and is of type %s", wrong.Field, wrong.Value)
	}
	return errors.New("a field has the wrong type")
}

// idOf reads the id alone, so that even a malformed request is answered under it.
func idOf(frame []byte) json.RawMessage {
	var only struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(frame, &only) != nil {
		return nil
	}
	return only.ID
}
