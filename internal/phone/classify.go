package phone

import (
	"log/slog"
	"strings"
)

// Class says what an address that Twilio sends as From or To is.
type Class string

// The classes. Only a number is ever looked up or becomes a contact (design, rule 5).
const (
	ClassNumber       Class = "number"       // strict E.164, also on WhatsApp
	ClassWithheld     Class = "withheld"     // the caller hides, in any of the known forms
	ClassClient       Class = "client"       // client:…, Twilio's Voice SDK
	ClassSIP          Class = "sip"          // sip:… or sips:…, even if its user part looks like a number
	ClassSIM          Class = "sim"          // sim:…, Twilio's Super SIM
	ClassShortCode    Class = "short_code"   // three to eight digits
	ClassAlphanumeric Class = "alphanumeric" // a sender's name of up to eleven characters
	ClassChannel      Class = "channel"      // rcs:…, messenger:…, or a WhatsApp user who shows no number
	ClassOther        Class = "other"        // anything else, also a number that lost its plus
)

// ChannelWhatsApp is the [Address.Channel] of calls and messages over WhatsApp.
const ChannelWhatsApp = "whatsapp"

// Address is a From or To as Twilio sent it, and what it is.
type Address struct {
	Raw     string // as received
	Class   Class
	Number  Number // set only for ClassNumber
	Channel string // ChannelWhatsApp, or "" for the telephone network and whatever Class names
}

// Classify tells what raw is. It is on the path of every webhook, takes the value exactly as it
// stands, and does not allocate.
//
// The forms are those of Twilio's voice and messaging webhooks. Schemes are compared in lower case,
// as Twilio writes them.
func Classify(raw string) Address {
	a := Address{Raw: raw}
	value, whatsApp := strings.CutPrefix(raw, "whatsapp:")
	if whatsApp {
		a.Channel = ChannelWhatsApp
	}
	n, ok := Strict(value)
	switch {
	case ok && !spellsWithheld(value):
		a.Class, a.Number = ClassNumber, n
	case whatsApp:
		// WhatsApp users may show an opaque id in place of their number.
		a.Class = ClassChannel
	default:
		a.Class = classifyOther(raw)
	}
	return a
}

// CutChannel takes the channel off the address of a message: "whatsapp:+1…" and "rcs:+1…" are reached at the same number.
// channel is "" for SMS and MMS.
func CutChannel(address string) (rest, channel string) {
	for _, channel := range [...]string{ChannelWhatsApp, "rcs"} {
		if strings.HasPrefix(address, channel+":") {
			return address[len(channel)+1:], channel
		}
	}
	return address, ""
}

func classifyOther(raw string) Class {
	switch {
	case withheld(raw):
		return ClassWithheld
	case strings.HasPrefix(raw, "client:"):
		return ClassClient
	case strings.HasPrefix(raw, "sip:"), strings.HasPrefix(raw, "sips:"):
		return ClassSIP
	case strings.HasPrefix(raw, "sim:"):
		return ClassSIM
	case strings.HasPrefix(raw, "rcs:"), strings.HasPrefix(raw, "messenger:"):
		return ClassChannel
	case shortCode(raw):
		return ClassShortCode
	case alphanumeric(raw):
		return ClassAlphanumeric
	default:
		return ClassOther
	}
}

// spellsWithheld tells whether s is one of the words of a withheld caller typed on a keypad, as
// Twilio sent them until November 2022 and as other carriers still do. Most pass every check of the
// form. +17378742833, RESTRICTED behind a 1, is missing on purpose: it is a real number in Texas.
func spellsWithheld(s string) bool {
	switch s {
	case "+266696687", // ANONYMOUS
		"+7378742833",  // RESTRICTED
		"+2562533",     // BLOCKED
		"+8656696",     // UNKNOWN
		"+86282452253", // UNAVAILABLE
		"+464":         // of unknown origin, in every public list
		return true
	}
	return false
}

var withheldWords = [...]string{"anonymous", "restricted", "unknown", "unavailable", "private", "blocked", "withheld"}

func withheld(raw string) bool {
	if spellsWithheld(raw) {
		return true
	}
	word := strings.TrimSpace(raw)
	if word == "" {
		return true
	}
	for _, w := range withheldWords {
		if strings.EqualFold(word, w) {
			return true
		}
	}
	return false
}

func shortCode(raw string) bool {
	if len(raw) < 3 || len(raw) > 8 {
		return false
	}
	for _, r := range raw {
		if !asciiDigit(r) {
			return false
		}
	}
	return true
}

// alphanumeric tells whether raw is a sender ID in letters: up to eleven letters, digits, spaces
// and a few signs, with at least one letter.
func alphanumeric(raw string) bool {
	if len(raw) > 11 {
		return false
	}
	letters := false
	for _, r := range raw {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z':
			letters = true
		case asciiDigit(r), strings.ContainsRune(" +-_&", r):
		default:
			return false
		}
	}
	return letters
}

// LogValue implements [slog.LogValuer]. It shows a number masked, a short code as it is, since it
// belongs to a service, and of everything else the class alone: a client's identity, a SIP user or
// a caller's name in letters may be personal (design, rule 21).
func (a Address) LogValue() slog.Value {
	switch {
	case a.Class == ClassShortCode:
		return slog.StringValue(a.Raw)
	case a.Class != ClassNumber:
		return slog.StringValue(string(a.Class))
	case a.Channel != "":
		return slog.StringValue(a.Channel + ":" + a.Number.Masked())
	default:
		return slog.StringValue(a.Number.Masked())
	}
}
