package simulate

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// relayNoun is a <ConversationRelay> as Twilio would act on it.
type relayNoun struct {
	url         string
	greeting    string
	language    string // of what the caller says
	dtmf        bool   // report pressed digits
	partial     bool   // report prompts before they are complete
	interruptBy string // none, dtmf, speech or any
	parameters  map[string]string
}

// maxParameter bounds a <Parameter>'s name and value together (documented for <Stream>).
const maxParameter = 500

var (
	anyText   []string // any value will do
	booleans  = []string{"true", "false"}
	interrupt = []string{"none", "dtmf", "speech", "any", "true", "false"}
)

// relayAttributes are the attributes of <ConversationRelay> and the values they may have (Twilio:
// ConversationRelay noun). Where the documentation lists no values, any will do.
var relayAttributes = map[string][]string{
	"url":                          anyText,
	"welcomeGreeting":              anyText,
	"welcomeGreetingInterruptible": interrupt,
	"language":                     anyText,
	"ttsLanguage":                  anyText,
	"transcriptionLanguage":        anyText,
	"ttsProvider":                  {"Google", "Amazon", "ElevenLabs"},
	"voice":                        anyText,
	"transcriptionProvider":        {"Google", "Deepgram"},
	"speechModel":                  anyText,
	"deepgramSmartFormat":          booleans,
	"interruptible":                interrupt,
	"interruptSensitivity":         {"low", "medium", "high"},
	"dtmfDetection":                booleans,
	"reportInputDuringAgentSpeech": {"none", "dtmf", "speech", "any"},
	"preemptible":                  booleans,
	"hints":                        anyText,
	"debug":                        anyText,
	"events":                       anyText,
	"elevenlabsTextNormalization":  {"on", "auto", "off"},
	"intelligenceService":          anyText,
	"conversationConfiguration":    anyText,
	"conversationId":               anyText,
	"partialPrompts":               booleans,
	"profanityFilter":              booleans,
	"speechTimeout":                anyText, // checked beside the table
	"eotThreshold":                 anyText,
	"ignoreBackchannel":            booleans,
	"backgroundNoiseReduction":     anyText,
	"echoPromptFiltering":          anyText,
	"applicationReconnect":         booleans,
}

// readRelayNoun checks a <ConversationRelay>. The error (64101) keeps the session from being
// opened; the warnings (12200) do not.
func readRelayNoun(e Element, insecureAllowed bool) (noun relayNoun, warnings []*Error, err *Error) {
	wrong := func(format string, args ...any) (relayNoun, []*Error, *Error) {
		return relayNoun{}, warnings, &Error{Code: CodeRelaySettings, Detail: "<ConversationRelay> " + fmt.Sprintf(format, args...)}
	}
	for name, value := range e.Attr {
		allowed, known := relayAttributes[name]
		switch {
		case !known:
			warnings = append(warnings, &Error{Code: CodeTwiMLSchema, Detail: "<ConversationRelay> has no attribute " + name})
		case allowed != nil && !slices.Contains(allowed, value):
			return wrong("%s=%q is none of %s", name, value, strings.Join(allowed, ", "))
		}
	}
	if v := e.Attr["speechTimeout"]; v != "" && v != "auto" && !within(v, 600, 5000) {
		return wrong("speechTimeout=%q is neither auto nor 600 to 5000 ms", v)
	}
	if v := e.Attr["eotThreshold"]; v != "" && !within(v, 0.5, 0.9) {
		return wrong("eotThreshold=%q is not 0.5 to 0.9", v)
	}
	u, parseErr := url.Parse(e.Attr["url"])
	if parseErr != nil || u.Host == "" || (u.Scheme != "wss" && (u.Scheme != "ws" || !insecureAllowed)) {
		return wrong("url=%q is not a wss:// URL", e.Attr["url"])
	}
	noun = relayNoun{
		url:         e.Attr["url"],
		greeting:    e.Attr["welcomeGreeting"],
		language:    first(e.Attr["transcriptionLanguage"], e.Attr["language"], "en-US"),
		dtmf:        e.Attr["dtmfDetection"] == "true",
		partial:     e.Attr["partialPrompts"] == "true",
		interruptBy: first(e.Attr["interruptible"], "any"),
	}
	for _, c := range e.Children {
		switch c.Name {
		case "Parameter":
			name, value := c.Attr["name"], c.Attr["value"]
			if name == "" || len(name)+len(value) >= maxParameter {
				return wrong("<Parameter name=%q> needs a name, and fewer than %d characters with its value", name, maxParameter)
			}
			if noun.parameters == nil {
				noun.parameters = map[string]string{}
			}
			noun.parameters[name] = value
		case "Language", "Failover":
		default:
			warnings = append(warnings, &Error{Code: CodeTwiMLSchema, Detail: "<ConversationRelay> takes no <" + c.Name + ">"})
		}
	}
	return noun, warnings, nil
}

func within(value string, least, most float64) bool {
	n, err := strconv.ParseFloat(value, 64)
	return err == nil && n >= least && n <= most
}

// speechInterrupts tells whether the caller cuts the agent short by speaking.
func (n relayNoun) speechInterrupts() bool {
	return n.interruptBy == "speech" || n.interruptBy == "any" || n.interruptBy == "true"
}

// first returns the first text that is not empty, or "".
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
