// Package simulate plays the two parties that a sidecar stands between: Twilio, which posts signed
// webhooks, acts on the TwiML it gets back and speaks ConversationRelay ([Twilio]); and an agent
// runtime as a user would write it ([Runtime], with the ready-made [Receptionist]).
//
// It serves `ringside demo`, `ringside simulate` and tests. It talks over the wire only: nothing
// here knows how the sidecar is built, so what it shows is what Twilio would see. Speech itself is
// not simulated: what a caller says is text, and what is spoken to them takes no time.
//
// Where a comment names "Twilio:", the behaviour follows Twilio's documentation of that name.
package simulate

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// The webhooks of a phone number that is set up for Ringside.
const (
	voicePath    = "/twilio/voice"
	fallbackPath = "/twilio/voice/fallback"
	statusPath   = "/twilio/voice/status"
)

// defaultReplyTimeout is how long a caller waits for the agent to answer what they said.
const defaultReplyTimeout = 10 * time.Second

// Twilio is one Twilio account calling one sidecar. BaseURL and AuthToken must be set; the rest
// has defaults. Its methods may be used from several goroutines at once.
type Twilio struct {
	// BaseURL is where requests go, such as "http://127.0.0.1:8080".
	BaseURL string
	// PublicURL is the base URL that the sidecar is configured with and that requests are signed
	// for; URLs in TwiML that lie under it are sent to BaseURL instead. Default: BaseURL.
	PublicURL string
	// AccountSID is the account that the requests name. Default: a made-up one.
	AccountSID string
	// AuthToken is the account's token, the key of every signature.
	AuthToken string

	// HTTP sends the webhooks. A Timeout below Twilio's 15 s shortens that total; cookies and
	// redirects are Twilio's business, so its Jar and CheckRedirect are not used. Default: a client
	// that opens a connection for each request, with 5 s to connect.
	HTTP *http.Client
	// ConnectionOverrides are those of the number's webhook URLs, without the "#", such as
	// "rc=2&rp=5xx" (Twilio: Webhooks, connection overrides; rc, rp, rt and tt are understood).
	ConnectionOverrides string
	// NoFallback is for a number without a fallback URL.
	NoFallback bool
	// Delivery spoils the delivery of the webhooks of Place. The zero value is a perfect network.
	Delivery Delivery

	// ReplyTimeout bounds the wait for the agent's answer to a prompt. Default: 10 s.
	ReplyTimeout time.Duration
	// Sleep waits out <Pause> and [Wait]; a test may replace it to save time. It returns early, with
	// the context's error, when ctx ends. Default: real time.
	Sleep func(ctx context.Context, d time.Duration) error
	// Observe is told what happens, as it happens. For one call it is never called twice at once.
	Observe func(Event)
}

// NewSID returns a made-up Twilio identifier: the two letters of prefix and 32 hex digits.
func NewSID(prefix string) string {
	var b [16]byte
	rand.Read(b[:]) // never fails (crypto/rand)
	return prefix + hex.EncodeToString(b[:])
}

func (t *Twilio) publicURL() string {
	if t.PublicURL != "" {
		return t.PublicURL
	}
	return t.BaseURL
}

func (t *Twilio) replyTimeout() time.Duration {
	if t.ReplyTimeout > 0 {
		return t.ReplyTimeout
	}
	return defaultReplyTimeout
}

func (t *Twilio) sleep(ctx context.Context, d time.Duration) error {
	if t.Sleep != nil {
		return t.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// webhookURL is the public URL of one of the number's webhooks, with the number's overrides.
func (t *Twilio) webhookURL(path string) string {
	if t.ConnectionOverrides == "" {
		return path
	}
	return path + "#" + t.ConnectionOverrides
}

// The numbers of Twilio's debugger that the simulator gives (Twilio: Errors and warnings).
const (
	CodeInvalidURL       = 11100 // a URL in TwiML that is none
	CodeHTTPRetrieval    = 11200 // an answer other than 2xx
	CodeConnection       = 11205 // no connection, no answer in time, or it was lost
	CodeTooManyRedirects = 11215 // more than 10
	CodeTooLarge         = 11750 // an answer over 64 kB
	CodeBadTwiML         = 12100 // a document that cannot be read
	CodeTwiMLSchema      = 12200 // a readable document with an element or attribute that Twilio does not know
	CodeContentType      = 12300 // an answer of a type that Twilio cannot use
	CodeStreamHandshake  = 31920 // a stream could not be opened: its address, or the handshake's answer
	CodeRelaySettings    = 64101 // a ConversationRelay attribute with a wrong value: the session is not opened
	CodeRelayConnect     = 64102 // the WebSocket could not be opened
	CodeRelayClosed      = 64105 // the other side closed the WebSocket without ending the session
	CodeRelayMessage     = 64107 // a message that is not valid; the session goes on
	CodeRelayNetwork     = 39001 // the WebSocket's connection was lost
)

// Error is an entry of Twilio's debugger: something that the sidecar did and Twilio could not use.
type Error struct {
	Code   int    `json:"code"` // one of the Code constants
	Detail string `json:"detail"`
	URL    string `json:"url,omitempty"`    // what was asked, if a request failed
	Status int    `json:"status,omitempty"` // the HTTP status of the answer, if there was one
	Err    error  `json:"-"`                // the cause, if it came from the network
}

// Error names Twilio's code, the URL and what was wrong.
func (e *Error) Error() string {
	text := e.Detail
	if e.Err != nil {
		text = fmt.Sprintf("%s: %v", text, e.Err)
	}
	if e.URL != "" {
		text = e.URL + ": " + text
	}
	return fmt.Sprintf("Twilio error %d: %s", e.Code, text)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

var errNoBaseURL = errors.New("simulate: no BaseURL: set it to the sidecar's address, such as http://127.0.0.1:8080")
