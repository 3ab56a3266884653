package twilio

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// ContentType is the media type of a TwiML answer. With text/plain Twilio would read a document
	// that it cannot parse aloud to the caller.
	ContentType = "text/xml; charset=utf-8"
	// MaxTwiML is the size in bytes of the largest document that Twilio takes (Twilio: error 11750).
	MaxTwiML = 64 << 10
)

const (
	xmlHeader = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
	// initialRoom holds an ordinary answer, so that building it allocates once.
	initialRoom = 1 << 10
)

// Document builds a TwiML answer, verb by verb in the order of the calls. The zero value is the
// empty answer, with which Twilio does nothing. The same calls always make the same bytes, so that
// a repeated webhook can be answered alike.
//
// All text is escaped; a character that XML cannot hold becomes U+FFFD. Arguments that are empty
// leave their attribute out. A Document is for one goroutine.
type Document struct {
	verbs []byte
}

// Bytes returns the document as it is so far. The caller owns the result.
func (d *Document) Bytes() []byte {
	if len(d.verbs) == 0 {
		return []byte(xmlHeader + "<Response/>")
	}
	return slices.Concat([]byte(xmlHeader+"<Response>"), d.verbs, []byte("</Response>"))
}

// Say speaks text. language is a tag such as en-US; voice is one of Twilio's names.
func (d *Document) Say(text, language, voice string) {
	d.open("Say")
	d.optional("language", language)
	d.optional("voice", voice)
	d.content("Say", text)
}

// Play plays the audio file at url.
func (d *Document) Play(url string) {
	d.open("Play")
	d.content("Play", url)
}

// Pause waits for a number of seconds; fewer than one adds nothing. As the first verb it also
// delays answering the call.
func (d *Document) Pause(seconds int) {
	if seconds < 1 {
		return
	}
	d.open("Pause")
	d.attribute("length", strconv.Itoa(seconds))
	d.closeEmpty()
}

// Hangup ends the call; as the first verb it answers the call before.
func (d *Document) Hangup() {
	d.open("Hangup")
	d.closeEmpty()
}

// Reject refuses the call unanswered and unbilled; it must be the first verb. reason is "busy" or
// "rejected", which is Twilio's default.
func (d *Document) Reject(reason string) {
	d.open("Reject")
	d.optional("reason", reason)
	d.closeEmpty()
}

// Message sends text to whoever wrote, in an answer to a messaging webhook. Twilio tells status what
// becomes of it ("" tells nobody).
func (d *Document) Message(text, status string) {
	d.open("Message")
	d.optional("statusCallback", status)
	d.content("Message", text)
}

// Redirect goes on with the TwiML at url; verbs after it never run.
func (d *Document) Redirect(url string) {
	d.open("Redirect")
	d.content("Redirect", url)
}

// Dial is a call to a person, joined with the caller's.
type Dial struct {
	Number         string // E.164
	CallerID       string // E.164; "" shows the caller's own number
	Action         string // URL asked for TwiML afterwards; "" goes on with the next verb
	TimeoutSeconds int    // how long it rings; 0 is Twilio's default of 30
}

// Dial connects the caller with a person.
func (d *Document) Dial(dial Dial) {
	d.open("Dial")
	d.optional("action", dial.Action)
	if dial.TimeoutSeconds > 0 {
		d.attribute("timeout", strconv.Itoa(dial.TimeoutSeconds))
	}
	d.optional("callerId", dial.CallerID)
	d.closeStart()
	d.open("Number")
	d.content("Number", dial.Number)
	d.closeElement("Dial")
}

// Relay is a ConversationRelay session: Twilio turns speech into text and back, and exchanges the
// text over a WebSocket.
type Relay struct {
	URL             string // wss://…, without a query
	WelcomeGreeting string
	// Attributes are further settings, from [RelaySettings.Attributes]. Names that are not settings
	// of ConversationRelay are left out: TwiML with an attribute twice is no XML.
	Attributes []Attribute
	// Parameters come back in the setup message. Twilio does not treat them as sensitive: nothing
	// personal belongs in them. Name and value together stay under 500 characters.
	Parameters []Parameter
}

// Attribute is one XML attribute of a TwiML noun.
type Attribute struct{ Name, Value string }

// Parameter is one custom parameter of a session; an empty value is kept.
type Parameter struct{ Name, Value string }

// Stream is a two-way Media Streams session: Twilio exchanges the sound of the call over a WebSocket.
type Stream struct {
	URL string // wss://…, without a query
	// StatusCallback is told when the stream has started, stopped or failed; "" tells nobody.
	StatusCallback string
	// Parameters come back in the start message; what holds for those of a [Relay] holds for them.
	Parameters []Parameter
}

// Connect hands the call to a ConversationRelay session. When that ends, action is asked for
// TwiML; without an action the next verb runs.
func (d *Document) Connect(action string, relay Relay) {
	d.openConnect(action)
	d.open("ConversationRelay")
	d.attribute("url", relay.URL)
	d.optional("welcomeGreeting", relay.WelcomeGreeting)
	for _, a := range relay.Attributes {
		if _, known := relaySettingNamed(a.Name); known {
			d.optional(a.Name, a.Value)
		}
	}
	d.parameters("ConversationRelay", relay.Parameters)
	d.closeElement("Connect")
}

// ConnectStream hands the call to a Media Streams session, as [Document.Connect] does to a relay. A
// stream has no greeting: a verb before it says one.
func (d *Document) ConnectStream(action string, stream Stream) {
	d.openConnect(action)
	d.open("Stream")
	d.attribute("url", stream.URL)
	d.optional("statusCallback", stream.StatusCallback)
	d.parameters("Stream", stream.Parameters)
	d.closeElement("Connect")
}

func (d *Document) openConnect(action string) {
	d.open("Connect")
	d.optional("action", action)
	d.closeStart()
}

// parameters ends the start tag, writes the custom parameters and closes the element.
func (d *Document) parameters(element string, parameters []Parameter) {
	if len(parameters) == 0 {
		d.closeEmpty()
		return
	}
	d.closeStart()
	for _, p := range parameters {
		d.open("Parameter")
		d.attribute("name", p.Name)
		d.attribute("value", p.Value)
		d.closeEmpty()
	}
	d.closeElement(element)
}

// open begins a start tag; attributes may follow, then one of the close methods or content.
func (d *Document) open(element string) {
	if d.verbs == nil {
		d.verbs = make([]byte, 0, initialRoom)
	}
	d.verbs = append(append(d.verbs, '<'), element...)
}

func (d *Document) attribute(name, value string) {
	d.verbs = append(append(append(d.verbs, ' '), name...), '=', '"')
	d.verbs = append(appendEscaped(d.verbs, value, true), '"')
}

func (d *Document) optional(name, value string) {
	if value != "" {
		d.attribute(name, value)
	}
}

func (d *Document) closeStart() { d.verbs = append(d.verbs, '>') }

func (d *Document) closeEmpty() { d.verbs = append(d.verbs, "/>"...) }

func (d *Document) closeElement(element string) {
	d.verbs = append(append(append(d.verbs, "</"...), element...), '>')
}

// content ends the start tag, writes text and closes the element.
func (d *Document) content(element, text string) {
	d.closeStart()
	d.verbs = appendEscaped(d.verbs, text, false)
	d.closeElement(element)
}

// appendEscaped appends text as XML 1.0 character data. Inside an attribute tabs and line feeds are
// written as references, because a parser turns bare ones into spaces; a carriage return is one
// everywhere, because a parser turns it into a line feed.
func appendEscaped(b []byte, text string, inAttribute bool) []byte {
	plain := 0 // text[plain:i] stands for itself and is not yet in b
	for i := 0; i < len(text); {
		if isPlain(text[i]) {
			i++
			continue
		}
		r, size := rune(text[i]), 1
		if r >= utf8.RuneSelf {
			r, size = utf8.DecodeRuneInString(text[i:])
		}
		if instead := escape(r, size, inAttribute); instead != "" {
			b = append(append(b, text[plain:i]...), instead...)
			plain = i + size
		}
		i += size
	}
	return append(b, text[plain:]...)
}

// isPlain reports whether a byte is an ASCII character that stands for itself everywhere.
func isPlain(c byte) bool {
	return ' ' <= c && c < utf8.RuneSelf && c != '&' && c != '<' && c != '>' && c != '"'
}

// escape returns what is written in place of r, or "" where r stands for itself.
func escape(r rune, size int, inAttribute bool) string {
	switch {
	case r == '&':
		return "&amp;"
	case r == '<':
		return "&lt;"
	case r == '>':
		return "&gt;"
	case r == '\r':
		return "&#13;"
	case r == '"' && inAttribute:
		return "&quot;"
	case r == '\t' && inAttribute:
		return "&#9;"
	case r == '\n' && inAttribute:
		return "&#10;"
	case r == utf8.RuneError && size == 1, r < ' ' && !strings.ContainsRune("\t\n", r), r == 0xFFFE, r == 0xFFFF:
		return "\uFFFD"
	}
	return ""
}
