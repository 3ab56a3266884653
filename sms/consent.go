package sms

import (
	"strings"

	"ringside/internal/ledger"
	"ringside/internal/twilio"
)

// keyword is what a message says of whether its sender wants messages.
type keyword int

// The kinds of messages. Only the first is for a runtime.
const (
	ordinary keyword = iota
	stop             // asks for no more
	start            // takes that back
	maybe            // takes it back if it was asked for, and is an ordinary answer otherwise
	help             // asks who this is; Twilio answers it
)

// keywords are Twilio's default words (Twilio: "Support for opt-out keywords"). The whole message is
// the word: somebody who writes "please stop by" wants no stop.
var keywords = map[string]keyword{
	"STOP": stop, "STOPALL": stop, "UNSUBSCRIBE": stop, "CANCEL": stop, "END": stop, "QUIT": stop, "REVOKE": stop, "OPTOUT": stop,
	"START": start, "UNSTOP": start, "YES": maybe,
	"HELP": help, "INFO": help,
}

// keywordOf reads a message. OptOutType, which Twilio adds where Advanced Opt-Out has words of its
// own, is believed first.
func keywordOf(form *twilio.Form) keyword {
	switch form.Get("OptOutType") {
	case "STOP":
		return stop
	case "START":
		return start
	case "HELP":
		return help
	}
	return keywords[strings.ToUpper(strings.TrimSpace(form.Text("Body")))]
}

// consent is what a keyword makes of the sender's wish.
func (k keyword) consent() ledger.Consent {
	switch k {
	case stop:
		return ledger.OptOut
	case start:
		return ledger.OptIn
	}
	return ""
}
