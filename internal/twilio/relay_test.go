package twilio_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ringside/internal/problem"
	"ringside/internal/twilio"
)

func TestCheckRelaySettingsAccepts(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"welcomeGreetingInterruptible": {"none", "dtmf", "speech", "any", "true", "false"},
		"language":                     {"en-US", "es", "zh-Hans-CN", "es-419", "multi"},
		"ttsLanguage":                  {"en-US"},
		"transcriptionLanguage":        {"de-DE"},
		"ttsProvider":                  {"Google", "Amazon", "ElevenLabs"},
		"voice":                        {"UgBBYS2sOqTuMpoF3BR0", "en-US-Journey-O", "Joanna-Neural", "UgBBYS2sOqTuMpoF3BR0-flash_v2_5-1.0_0.5_0.5"},
		"transcriptionProvider":        {"Google", "Deepgram"},
		"speechModel":                  {"telephony", "nova-3-general", "flux"},
		"deepgramSmartFormat":          {"true", "false"},
		"interruptible":                {"none", "dtmf", "speech", "any", "true", "false"},
		"interruptSensitivity":         {"low", "medium", "high"},
		"dtmfDetection":                {"true", "false"},
		"reportInputDuringAgentSpeech": {"none", "dtmf", "speech", "any"},
		"preemptible":                  {"true", "false"},
		"hints":                        {"Ringside, ConversationRelay, Zoë"},
		"debug":                        {"debugging", "debugging speaker-events tokens-played"},
		"events":                       {"tokens-played", "tokens-played config-updated"},
		"elevenlabsTextNormalization":  {"on", "auto", "off"},
		"intelligenceService":          {"GA00000000000000000000000000000001", "my-service"},
		"conversationConfiguration":    {"conv_configuration_1"},
		"conversationId":               {"conv_1"},
		"partialPrompts":               {"true", "false"},
		"profanityFilter":              {"true", "false"},
		"speechTimeout":                {"auto", "600", "5000"},
		"eotThreshold":                 {"0.5", "0.75", "0.9"},
		"ignoreBackchannel":            {"true", "false"},
		"backgroundNoiseReduction":     {"anything"},
		"echoPromptFiltering":          {"anything"},
		"applicationReconnect":         {"true", "false"},
	}
	for name, values := range tests {
		for _, value := range values {
			if err := twilio.CheckRelaySettings(map[string]string{name: value}); err != nil {
				t.Errorf("%s=%q: %v", name, value, err)
			}
		}
	}
	if err := twilio.CheckRelaySettings(nil); err != nil {
		t.Errorf("no settings: %v", err)
	}
}

func TestCheckRelaySettingsRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, value, field, says string }{
		{"dtmfDetection", "yes", "dtmfDetection", `dtmfDetection cannot be "yes"; use true or false.`},
		{"dtmfDetection", "True", "dtmfDetection", "use true or false"},
		{"interruptible", "sometimes", "interruptible", "use none, dtmf, speech, any, true or false"},
		{"reportInputDuringAgentSpeech", "true", "reportInputDuringAgentSpeech", "use none, dtmf, speech or any"},
		{"ttsProvider", "google", "ttsProvider", "use Google, Amazon or ElevenLabs"},
		{"transcriptionProvider", "ElevenLabs", "transcriptionProvider", "use Google or Deepgram"},
		{"language", "english", "language", "a language tag like en-US"},
		{"language", "en_US", "language", "a language tag like en-US"},
		{"transcriptionLanguage", "en-", "transcriptionLanguage", "a language tag like en-US"},
		{"debug", "debugging verbose", "debug", "debugging, speaker-events or tokens-played, or several"},
		{"debug", "debugging debugging", "debug", "several"},
		{"debug", "debugging  tokens-played", "debug", "several"},
		{"speechTimeout", "599", "speechTimeout", "from 600 to 5000"},
		{"speechTimeout", "5001", "speechTimeout", "from 600 to 5000"},
		{"speechTimeout", "+900", "speechTimeout", "from 600 to 5000"},
		{"speechTimeout", "0900", "speechTimeout", "from 600 to 5000"},
		{"speechTimeout", "1s", "speechTimeout", "from 600 to 5000"},
		{"eotThreshold", "0.49", "eotThreshold", "from 0.5 to 0.9"},
		{"eotThreshold", "0.91", "eotThreshold", "from 0.5 to 0.9"},
		{"eotThreshold", "NaN", "eotThreshold", "from 0.5 to 0.9"},
		{"eotThreshold", "7e-1", "eotThreshold", "from 0.5 to 0.9"},
		{"voice", "two\nlines", "voice", "one line of at most 200 printable characters"},
		{"voice", "\xff", "voice", "printable"},
		{"voice", strings.Repeat("v", 201), "voice", "at most 200"},
		{"backgroundNoiseReduction", "\x00", "backgroundNoiseReduction", "printable"},
		{"hints", "", "hints", "hints is empty; leave it out"},
		{"url", "wss://h.example.com", "url", "Ringside sets url itself"},
		{"welcomeGreeting", "Hi", "welcomeGreeting", "Ringside sets welcomeGreeting itself"},
		{"speechtimeout", "auto", "speechTimeout", `"speechtimeout" is not an attribute of ConversationRelay; it is written speechTimeout.`},
		{"colour", "red", "relay_settings", "use welcomeGreetingInterruptible, language"},
	}
	for _, tt := range tests {
		err := twilio.CheckRelaySettings(map[string]string{tt.name: tt.value})
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Code != problem.CodeInvalid || p.Field != tt.field || !strings.Contains(p.Detail, tt.says) {
			t.Errorf("%s=%q: error %v, want one about %s that says %q", tt.name, tt.value, err, tt.field, tt.says)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: the error is %d bytes long", tt.name, len(err.Error()))
		}
	}
}

func TestCheckRelaySettingsNamesTheFirstByName(t *testing.T) {
	t.Parallel()
	for range 20 { // maps are read in random order
		err := twilio.CheckRelaySettings(map[string]string{"voice": "", "debug": "x", "hints": "", "preemptible": "true"})
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Field != "debug" {
			t.Fatalf("error %v, want one about debug", err)
		}
	}
}

func TestRelaySettingsAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		settings twilio.RelaySettings
		language string
		want     []twilio.Attribute
	}{
		{"none", nil, "", []twilio.Attribute{}},
		{"the agent's language", nil, "en-US", []twilio.Attribute{{"language", "en-US"}}},
		{"a language among the settings", twilio.RelaySettings{"language": "multi"}, "en-US", []twilio.Attribute{{"language", "multi"}}},
		{"fixed order", twilio.RelaySettings{
			"applicationReconnect": "true", "hints": "Acme", "voice": "Joanna-Neural", "ttsProvider": "Amazon",
			"welcomeGreetingInterruptible": "none", "debug": "", "unknown": "x", "url": "wss://h.example.com",
		}, "en-US", []twilio.Attribute{
			{"welcomeGreetingInterruptible", "none"}, {"language", "en-US"}, {"ttsProvider", "Amazon"},
			{"voice", "Joanna-Neural"}, {"hints", "Acme"}, {"applicationReconnect", "true"},
		}},
	}
	for _, tt := range tests {
		for range 20 { // maps are read in random order
			if diff := cmp.Diff(tt.want, tt.settings.Attributes(tt.language)); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	}
}
