package webhook

import (
	"encoding/json"
	"strings"
	"unicode"

	"ringside/internal/twilio"
)

// Bounds of what is kept of a request, in bytes. Nothing that Twilio sends comes near them; a row
// that Postgres would refuse must not cost an event.
const (
	MaxSID     = 64
	MaxWord    = 40 // a state such as "in-progress"
	MaxAddress = 300
	MaxDetail  = 2000
)

// Bounded cuts a text and takes out control characters, which Postgres cannot hold all of.
func Bounded(text string, most int) string {
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "")
	}
	if !strings.ContainsFunc(text, unicode.IsControl) {
		return text
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, text)
}

// UsableSID reports whether a call or message can be told from others by its Sid.
func UsableSID(sid string) bool { return sid != "" && len(sid) <= MaxSID }

// Details keeps those of the named parameters that have a value, as an object, or nil.
func Details(form *twilio.Form, names ...string) json.RawMessage {
	kept := map[string]string{}
	for _, name := range names {
		if value := form.Text(name); value != "" {
			kept[name] = Bounded(value, MaxDetail)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	raw, _ := json.Marshal(kept) // strings always marshal
	return raw
}
