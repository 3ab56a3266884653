package voice

import "context"

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
