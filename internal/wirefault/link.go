package wirefault

import (
	"net"
	"time"
)

// link is one client's connection and the one to the upstream that belongs to it. The proxy's
// mutex guards its fields; the connections themselves need no guard.
type link struct {
	client   *net.TCPConn
	upstream net.Conn // nil until dialled, and for a link that began in a black hole
	touched  bool     // by a black hole: something may be missing
	over     bool
	ended    chan struct{} // closed when over
}

// reset ends the link so that the client sees a reset rather than an end.
func (l *link) reset() {
	if !l.over {
		_ = l.client.SetLinger(0) // fails only on a connection that has ended already
	}
	l.close()
}

func (l *link) close() {
	if l.over {
		return
	}
	l.over = true
	close(l.ended)
	l.client.Close()
	if l.upstream != nil {
		l.upstream.Close()
	}
}

// toUpstream carries what the client sends, as fast as the rate allows, until either side ends.
func (p *Proxy) toUpstream(l *link) {
	buf := make([]byte, chunkSize)
	for {
		n, err := l.client.Read(buf)
		if n > 0 && p.carry(l, &p.up, l.upstream, buf[:n]) != nil {
			break
		}
		if err != nil {
			break
		}
	}
	closeWrite(l.upstream)
}

// chunk is what one read from the upstream gave, and when it is to arrive.
type chunk struct {
	data []byte
	due  time.Time
}

// toClient carries what the upstream sends through a queue, so that a delay moves the stream in
// time without thinning it.
func (p *Proxy) toClient(l *link) {
	queue := make(chan chunk, queueLength)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.deliver(l, queue)
	}()
	for {
		buf := make([]byte, chunkSize)
		n, err := l.upstream.Read(buf)
		if n > 0 {
			queue <- chunk{data: buf[:n], due: time.Now().Add(p.currentDelay())}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	<-done
	closeWrite(l.client)
}

// deliver empties the queue to its end, also when the link is over, so that the reader never hangs
// on it.
func (p *Proxy) deliver(l *link, queue <-chan chunk) {
	for c := range queue {
		select {
		case <-l.ended:
			continue
		case <-time.After(time.Until(c.due)):
		}
		if p.carry(l, &p.down, l.client, c.data) != nil {
			l.upstream.Close() // nobody is left to read it
		}
	}
}

// closeWrite passes on that one side has nothing more to say; the other direction goes on.
func closeWrite(conn net.Conn) {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // fails only on a connection that has ended
	}
}
