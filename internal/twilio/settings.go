package twilio

// NumberSetting is an address that has to be set for a phone number at Twilio. All are asked by POST.
type NumberSetting struct {
	ID    string // names it: "voice", "fallback", "status", "sms"
	Label string // what it is called in Twilio's console
	Path  string // with connection overrides behind a "#", which Twilio neither sends nor signs
}

// repeated lets Twilio repeat what could not be made durable (Twilio: Webhooks, connection overrides).
// By itself it repeats only what it could not connect.
const repeated = "#rc=3&rp=5xx,ct,rt"

// prompt has Twilio give up soon on a sidecar that does not answer a call, ask once more, and then the fallback:
// it would wait 15 seconds otherwise, with somebody on the line. An answer takes a fraction of a second, and the
// same call asked for again gets the same one.
const prompt = "#ct=2000&rt=3000&rc=1&rp=5xx,ct,rt"

// NumberSettings are the addresses that Ringside needs, in the console's order.
func NumberSettings() []NumberSetting {
	return []NumberSetting{
		{"voice", "A call comes in", "/twilio/voice" + prompt},
		{"fallback", "Primary handler fails", "/twilio/voice/fallback"},
		{"status", "Call status changes", "/twilio/voice/status" + repeated},
		{"sms", "A message comes in", "/twilio/sms" + repeated},
	}
}
