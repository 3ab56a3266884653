package events

// Timing is how long sockets have patience.
type Timing = timing

// Timing returns it, to be shortened before the first socket opens.
func (s *Service) Timing() *Timing { return &s.timing }

// Bounds.
const (
	MaxInFlight    = maxInFlight
	MaxSockets     = maxSockets
	CloseTakenOver = closeTakenOver
)
