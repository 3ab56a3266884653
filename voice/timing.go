package voice

import "time"

// timing is how long the sockets have patience. Tests shorten it.
type timing struct {
	Setup   time.Duration // for Twilio's first message
	Dial    time.Duration // for the runtime to accept a connection, each time it is tried
	Connect time.Duration // for all tries together: the caller hears nothing after the greeting
	Retry   time.Duration // before the runtime is tried again
	Write   time.Duration // for one message to be taken; then the peer is lost
	Ping    time.Duration // between two pings
	Silence time.Duration // without a message or a pong; then the peer is lost
	Close   time.Duration // for the other side's close frame
}

var defaultTiming = timing{
	Setup:   10 * time.Second,
	Dial:    3 * time.Second,
	Connect: 8 * time.Second,
	Retry:   200 * time.Millisecond,
	Write:   10 * time.Second,
	Ping:    25 * time.Second,
	Silence: 60 * time.Second,
	Close:   2 * time.Second,
}
