package voice

import (
	"context"

	"ringside/internal/ledger"
)

// The limits that the protocol's page tells.
const (
	MessageLimit  = runtimeLimit
	ToolsInFlight = toolsInFlight
	MaxAttempts   = maxAttempts
)

// Timing is what tests shorten of the sockets' patience.
type Timing = timing

// AwaitIdle returns when no call is on the relay, or ctx has ended.
func (s *Service) AwaitIdle(ctx context.Context) {
	for {
		n, changed := s.sessions.left()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// Timing returns the service's own, to be changed before the first request.
func (s *Service) Timing() *Timing { return &s.timing }

// Heard is one message as the transcript sees it pass.
type Heard struct {
	FromCaller bool
	Message    []byte
}

// TranscriptOf returns what is kept of messages that pass one after the other.
func TranscriptOf(messages ...Heard) []ledger.Line {
	t := transcript{keep: true}
	for _, m := range messages {
		if m.FromCaller {
			t.fromCaller(m.Message)
		} else {
			t.fromRuntime(m.Message)
		}
	}
	return t.lines()
}

// IsMedia is how streams tell sound from what is for Ringside.
var IsMedia = isMedia
