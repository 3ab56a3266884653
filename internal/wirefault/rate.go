package wirefault

import (
	"net"
	"time"
)

// piecesPerSecond is how evenly a slow line carries: in pieces, each of which takes that part of a second.
const piecesPerSecond = 50

// line is one direction of a proxy, for all its connections together. The proxy's mutex guards it.
type line struct {
	free time.Time // when all that was let on it so far is through
}

// SetRate lets through so many bytes a second, in each direction, for all connections together; 0 is as many
// as there are. What waits is carried at the new rate. Whoever sends more than that is held up in the end, as
// by a slow line, and nothing is lost.
func (p *Proxy) SetRate(bytesPerSecond int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = bytesPerSecond
	p.up, p.down = line{}, line{}
}

// carry writes what goes over a line, piece by piece. It ends with the link, and loses what a black hole
// swallows.
func (p *Proxy) carry(l *link, over *line, to net.Conn, data []byte) error {
	for len(data) > 0 {
		piece, wait := p.book(over, len(data))
		if wait > 0 {
			select {
			case <-l.ended:
				return net.ErrClosed
			case <-time.After(wait):
			}
		}
		if p.swallowing() {
			return nil
		}
		if _, err := to.Write(data[:piece]); err != nil {
			return err
		}
		data = data[piece:]
	}
	return nil
}

// book lets the next piece of n bytes on a line, and returns its length and how long it takes to be through.
func (p *Proxy) book(over *line, n int) (piece int, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate <= 0 {
		return n, 0
	}
	piece = min(n, max(1, p.rate/piecesPerSecond))
	now := time.Now()
	if over.free.Before(now) {
		over.free = now
	}
	over.free = over.free.Add(time.Duration(piece) * time.Second / time.Duration(p.rate))
	return piece, over.free.Sub(now)
}
