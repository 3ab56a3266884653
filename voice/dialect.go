package voice

import (
	"ringside/recognize"
)

// dialect is what the sockets of Twilio's differ in. Everything else of a session is the same.
type dialect struct {
	// path is the socket's, also in metrics and logs.
	path string
	// text: what passes is text, of which a transcript can be kept.
	text bool
	// bound is what a token is bound to besides its call: it opens no other socket.
	bound string
	// sealed: the token says between whom the call is, since Twilio does not on this socket.
	sealed bool
	// open reads Twilio's first messages, up to the one that names the call. refused says what is
	// wrong with them; it is shown to Twilio and counted.
	open func(caller *peer) (o opening, refused string)
	// addCaller returns the message that names the call with the caller added, for the runtime.
	addCaller func(s *session, message []byte, c recognize.Caller) ([]byte, error)
	// giveUp ends Twilio's session whose runtime cannot be had: what comes next is asked for at the
	// Connect action.
	giveUp func(s *session)
	// handOver is the reason with which a runtime closes to hand the caller over to a person; "" where
	// it has a message for that.
	handOver string
	// isMedia tells from its first bytes that a message of the runtime's is not for Ringside and need
	// not be looked at; nil: all of them are.
	isMedia func(message []byte) bool
}

// opening is what Twilio's first messages say of a session.
type opening struct {
	messages   [][]byte // as they came; the last one names the call
	sessionID  string
	accountSID string
	callSID    string
	token      string // from the custom parameters
	ends       ends   // zero where the token has them
}

// ends are the two addresses of a call as Twilio names them, and its direction in the ledger.
type ends struct{ from, to, direction string }

// ours and theirs tell our number from the other party's, as [partiesOf] does for webhooks.
func (e ends) ours() string {
	if e.direction == outboundCall {
		return e.from
	}
	return e.to
}

func (e ends) theirs() string {
	if e.direction == outboundCall {
		return e.to
	}
	return e.from
}
