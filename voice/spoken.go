package voice

import (
	"bytes"
	"encoding/json"
)

// spoken is a piece of what the agent says (Twilio: ConversationRelay, "text tokens message").
type spoken struct {
	token string
	last  bool
}

// readSpoken reads a message of the runtime. Nearly every frame of a call is such a piece, a flat
// object without escapes, which is read in place; anything else is left to the JSON decoder.
func readSpoken(message []byte) (piece spoken, ok bool) {
	kind, piece, read := scanSpoken(message)
	if !read {
		var m struct {
			Type  string `json:"type"`
			Token string `json:"token"`
			Last  bool   `json:"last"`
		}
		if json.Unmarshal(message, &m) != nil {
			return spoken{}, false
		}
		kind, piece = m.Type, spoken{m.Token, m.Last}
	}
	return piece, kind == "text"
}

// scanSpoken reads a flat object of lower-case ASCII names whose values are booleans and strings
// of printable ASCII without escapes. read is false for anything else.
func scanSpoken(message []byte) (kind string, piece spoken, read bool) {
	rest, ok := after(message, '{')
	for ok {
		var name, text []byte
		var truth, isText bool
		if name, rest, ok = scanString(rest); !ok || !isLower(name) {
			break
		}
		if rest, ok = after(rest, ':'); !ok {
			break
		}
		if text, rest, isText = scanString(rest); !isText {
			if truth, rest, ok = scanBool(rest); !ok {
				break
			}
		}
		switch string(name) {
		case "type":
			kind, ok = string(text), isText
		case "token":
			piece.token, ok = string(text), isText
		case "last":
			piece.last, ok = truth, !isText
		}
		if end, closed := after(rest, '}'); ok && closed {
			return kind, piece, len(end) == 0
		}
		if ok {
			rest, ok = after(rest, ',')
		}
	}
	return "", spoken{}, false
}

// after returns what follows the next character, with the space around that taken away, if the
// character is c.
func after(text []byte, c byte) (rest []byte, ok bool) {
	text = skipSpace(text)
	if len(text) == 0 || text[0] != c {
		return text, false
	}
	return skipSpace(text[1:]), true
}

func skipSpace(text []byte) []byte {
	for len(text) > 0 && (text[0] == ' ' || text[0] == '\n' || text[0] == '\t' || text[0] == '\r') {
		text = text[1:]
	}
	return text
}

// scanString reads a string of printable ASCII without escapes.
func scanString(text []byte) (value, rest []byte, ok bool) {
	if len(text) == 0 || text[0] != '"' {
		return nil, text, false
	}
	for i, c := range text[1:] {
		switch {
		case c == '"':
			return text[1 : i+1], text[i+2:], true
		case c == '\\' || c < ' ' || c > '~':
			return nil, text, false
		}
	}
	return nil, text, false
}

func scanBool(text []byte) (value bool, rest []byte, ok bool) {
	if rest, ok = bytes.CutPrefix(text, []byte("true")); ok {
		return true, rest, true
	}
	rest, ok = bytes.CutPrefix(text, []byte("false"))
	return false, rest, ok
}

func isLower(name []byte) bool {
	for _, c := range name {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}
