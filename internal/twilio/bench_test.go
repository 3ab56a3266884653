package twilio_test

import (
	"net/url"
	"testing"

	"github.com/twilio/twilio-go/client"

	"ringside/internal/twilio"
)

const benchToken = "test-auth-token-not-a-secret"

// BenchmarkWebhook is what the voice webhook pays for: reading the form and checking the signature,
// beside twilio-go's validator doing the same.
func BenchmarkWebhook(b *testing.B) {
	const address = "https://sidecar.example.com/twilio/voice"
	body := readTestdata(b, "voice_inbound_known.form")
	values, err := url.ParseQuery(string(body))
	if err != nil {
		b.Fatal(err)
	}
	signature := twilio.Sign(benchToken, address, values)

	b.Run("ringside", func(b *testing.B) {
		b.ReportAllocs()
		key := twilio.NewKey(benchToken)
		verifier := twilio.NewVerifier(mustPublicURL(b, "https://sidecar.example.com"))
		for b.Loop() {
			form, err := twilio.ParseForm(body)
			if err != nil || !verifier.Webhook(key, "/twilio/voice", signature, form) {
				b.Fatal("refused", err)
			}
		}
	})
	b.Run("ringside/verify only", func(b *testing.B) {
		b.ReportAllocs()
		key := twilio.NewKey(benchToken)
		verifier := twilio.NewVerifier(mustPublicURL(b, "https://sidecar.example.com"))
		form := mustParseForm(b, string(body))
		for b.Loop() {
			if !verifier.Webhook(key, "/twilio/voice", signature, form) {
				b.Fatal("refused")
			}
		}
	})
	b.Run("ringside/refused", func(b *testing.B) {
		b.ReportAllocs()
		key := twilio.NewKey(benchToken)
		verifier := twilio.NewVerifier(mustPublicURL(b, "https://sidecar.example.com"))
		form := mustParseForm(b, string(body))
		for b.Loop() {
			if verifier.Webhook(key, "/twilio/sms", signature, form) {
				b.Fatal("accepted")
			}
		}
	})
	b.Run("twilio-go", func(b *testing.B) {
		b.ReportAllocs()
		validator := client.NewRequestValidator(benchToken)
		for b.Loop() {
			if !validator.ValidateBody(address, body, signature) {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkHandshake(b *testing.B) {
	b.ReportAllocs()
	key := twilio.NewKey(benchToken)
	verifier := twilio.NewVerifier(mustPublicURL(b, "https://sidecar.example.com"))
	signature := twilio.Sign(benchToken, "wss://sidecar.example.com/twilio/relay", nil)
	for b.Loop() {
		if !verifier.Handshake(key, "/twilio/relay", signature) {
			b.Fatal("refused")
		}
	}
}

func BenchmarkParseForm(b *testing.B) {
	body := readTestdata(b, "voice_inbound_known.form")
	b.Run("ringside", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := twilio.ParseForm(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("net/url", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := url.ParseQuery(string(body)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkDocument(b *testing.B) {
	b.ReportAllocs()
	settings := twilio.RelaySettings{"dtmfDetection": "true", "voice": "Joanna-Neural", "ttsProvider": "Amazon"}
	for b.Loop() {
		var d twilio.Document
		d.Connect("https://sidecar.example.com/twilio/voice/after", twilio.Relay{
			URL: "wss://sidecar.example.com/twilio/relay", WelcomeGreeting: "Hello Jane, how can I help?",
			Attributes: settings.Attributes("en-US"),
			Parameters: []twilio.Parameter{{Name: "ctx", Value: "k3v9Qh2mT0aZ"}},
		})
		if len(d.Bytes()) > twilio.MaxTwiML {
			b.Fatal("too large")
		}
	}
}
