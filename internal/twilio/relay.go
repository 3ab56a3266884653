package twilio

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ringside/internal/problem"
)

// RelaySettings are a voice agent's settings of ConversationRelay, by the names that the attributes
// have in TwiML (Twilio: <ConversationRelay>).
type RelaySettings map[string]string

// relaySetting is an attribute that a user may set, and what it may be set to.
type relaySetting struct {
	name    string
	allowed valueSet
}

// valueSet is a set of attribute values, and how a person is told about it.
type valueSet struct {
	has   func(string) bool
	words string // completes "use …"
}

// relaySettings are all settings, in the order in which they are written. Twilio answers a wrong
// value with error 64101 in the middle of a call, so it is better refused here. Combinations of
// provider, voice and model are Twilio's to judge: they change too often to be copied.
var relaySettings = []relaySetting{
	{"welcomeGreetingInterruptible", oneOf("none", "dtmf", "speech", "any", "true", "false")},
	{"language", languageTag},
	{"ttsLanguage", languageTag},
	{"transcriptionLanguage", languageTag},
	{"ttsProvider", oneOf("Google", "Amazon", "ElevenLabs")},
	{"voice", textUpTo(200)},
	{"transcriptionProvider", oneOf("Google", "Deepgram")},
	{"speechModel", textUpTo(100)},
	{"deepgramSmartFormat", boolean},
	{"interruptible", oneOf("none", "dtmf", "speech", "any", "true", "false")},
	{"interruptSensitivity", oneOf("low", "medium", "high")},
	{"dtmfDetection", boolean},
	{"reportInputDuringAgentSpeech", oneOf("none", "dtmf", "speech", "any")},
	{"preemptible", boolean},
	{"hints", textUpTo(4000)},
	{"debug", listOf("debugging", "speaker-events", "tokens-played")},
	{"events", textUpTo(200)},
	{"elevenlabsTextNormalization", oneOf("on", "auto", "off")},
	{"intelligenceService", textUpTo(100)},
	{"conversationConfiguration", textUpTo(100)},
	{"conversationId", textUpTo(100)},
	{"partialPrompts", boolean},
	{"profanityFilter", boolean},
	{"speechTimeout", valueSet{isSpeechTimeout, "auto, or a whole number of milliseconds from 600 to 5000"}},
	{"eotThreshold", valueSet{isEOTThreshold, "a number from 0.5 to 0.9"}},
	{"ignoreBackchannel", boolean},
	{"backgroundNoiseReduction", textUpTo(100)}, // Twilio does not list the values of these two
	{"echoPromptFiltering", textUpTo(100)},
	{"applicationReconnect", boolean},
}

// relaySettingNamed finds a setting by its exact name; TwiML tells upper from lower case.
func relaySettingNamed(name string) (relaySetting, bool) {
	i := slices.IndexFunc(relaySettings, func(s relaySetting) bool { return s.name == name })
	if i < 0 {
		return relaySetting{}, false
	}
	return relaySettings[i], true
}

var boolean = oneOf("true", "false")

var languageTag = valueSet{
	has:   regexp.MustCompile(`^([A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*|multi)$`).MatchString,
	words: "a language tag like en-US (or multi)",
}

func oneOf(words ...string) valueSet {
	return valueSet{
		has:   func(v string) bool { return slices.Contains(words, v) },
		words: orList(words),
	}
}

// listOf allows some of the words, each once, with single spaces between them.
func listOf(words ...string) valueSet {
	return valueSet{
		has: func(v string) bool {
			chosen := strings.Split(v, " ")
			slices.Sort(chosen)
			for i, word := range chosen {
				if !slices.Contains(words, word) || i > 0 && word == chosen[i-1] {
					return false
				}
			}
			return true
		},
		words: orList(words) + ", or several of them with a space between",
	}
}

func textUpTo(characters int) valueSet {
	return valueSet{
		has: func(v string) bool {
			return utf8.ValidString(v) && utf8.RuneCountInString(v) <= characters &&
				!strings.ContainsFunc(v, func(r rune) bool { return !unicode.IsPrint(r) })
		},
		words: fmt.Sprintf("one line of at most %d printable characters", characters),
	}
}

func isSpeechTimeout(v string) bool {
	if v == "auto" {
		return true
	}
	ms, err := strconv.ParseUint(v, 10, 16)
	return err == nil && v[0] != '0' && 600 <= ms && ms <= 5000
}

var decimalFraction = regexp.MustCompile(`^0\.[0-9]{1,6}$`)

func isEOTThreshold(v string) bool {
	threshold, err := strconv.ParseFloat(v, 64)
	return err == nil && decimalFraction.MatchString(v) && 0.5 <= threshold && threshold <= 0.9
}

// orList joins words for a sentence: "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// CheckRelaySettings returns nil if every setting is an attribute that ConversationRelay has and
// that a user may set, with a value that Twilio accepts. Otherwise it returns a [problem.Error]
// about the first one, by name, that is not: which attribute, what it was set to, what is allowed.
func CheckRelaySettings(settings map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := checkRelaySetting(name, settings[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkRelaySetting(name, value string) error {
	setting, known := relaySettingNamed(name)
	switch {
	case name == "url" || name == "welcomeGreeting":
		return problem.Invalid(name, "Ringside sets %s itself, from its public URL and the agent's greeting; leave it out.", name)
	case !known:
		return unknownRelaySetting(name)
	case value == "":
		return problem.Invalid(name, "%s is empty; leave it out, or use %s.", name, setting.allowed.words)
	case !setting.allowed.has(value):
		return problem.Invalid(name, "%s cannot be %s; use %s.", name, quote(value), setting.allowed.words)
	}
	return nil
}

func unknownRelaySetting(name string) error {
	for _, s := range relaySettings {
		if strings.EqualFold(s.name, name) {
			return problem.Invalid(s.name, "%s is not an attribute of ConversationRelay; it is written %s.", quote(name), s.name)
		}
	}
	known := make([]string, 0, len(relaySettings))
	for _, s := range relaySettings {
		known = append(known, s.name)
	}
	return problem.Invalid("relay_settings", "%s is not an attribute of ConversationRelay that can be set; use %s.", quote(name), orList(known))
}

// quote shows what a user wrote, shortened where it is long.
func quote(s string) string {
	const most = 60
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return strconv.Quote(s)
}

// Attributes returns the settings as TwiML attributes, always in the same order. language is the
// agent's; a language among the settings takes its place. Names that are no settings, and empty
// values, are left out.
func (s RelaySettings) Attributes(language string) []Attribute {
	attributes := make([]Attribute, 0, len(s)+1)
	for _, setting := range relaySettings {
		value := s[setting.name]
		if setting.name == "language" && value == "" {
			value = language
		}
		if value != "" {
			attributes = append(attributes, Attribute{Name: setting.name, Value: value})
		}
	}
	return attributes
}
