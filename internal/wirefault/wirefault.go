// Package wirefault is a proxy that makes a connection bad, for tests of what happens when Redis,
// Postgres or an agent runtime is slow, silent or gone. It knows nothing of what it carries.
package wirefault

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

const (
	chunkSize = 64 << 10
	// queueLength bounds what a delayed direction holds; when it is full, the upstream waits.
	queueLength = 256
	dialTimeout = 5 * time.Second
)

// Proxy passes connections on to an upstream and does to them what it is told. It starts faultless.
// Its methods may be called at any time, from any goroutine.
type Proxy struct {
	tb                testing.TB
	network, upstream string
	addr              string
	wg                sync.WaitGroup

	mu        sync.Mutex
	listener  net.Listener // nil while connections are refused, and when closed
	links     map[*link]struct{}
	delay     time.Duration
	rate      int  // bytes a second; 0: as many as there are
	up, down  line // to the upstream, to the clients
	blackHole bool
	closed    bool
}

// New returns a proxy on a free port of 127.0.0.1 in front of upstream, which need not exist yet:
// network and upstream are as for [net.Dial], such as "tcp" or "unix". The proxy ends with the test.
func New(tb testing.TB, network, upstream string) *Proxy {
	tb.Helper()
	p := &Proxy{tb: tb, network: network, upstream: upstream, addr: "127.0.0.1:0", links: make(map[*link]struct{})}
	if err := p.listen(); err != nil {
		tb.Fatalf("start a proxy in front of %s: %v", upstream, err)
	}
	tb.Cleanup(p.close)
	return p
}

// Addr returns the host and port to connect to instead of the upstream. It never changes.
func (p *Proxy) Addr() string { return p.addr }

// SetDelay makes every chunk that the upstream sends arrive d later than it otherwise would; what
// the client sends is not delayed. So an answer takes d longer to come, and a long answer in many
// chunks takes d longer as well, not d for each chunk. What is on its way keeps its delay.
func (p *Proxy) SetDelay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// BlackHole makes the proxy accept connections and swallow what is sent, in both directions and on
// connections that exist as well: nothing fails, and nothing is ever answered. When it ends,
// connections that it has touched are reset, since what they lost cannot be made up for.
func (p *Proxy) BlackHole(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.blackHole = on
	for l := range p.links {
		if on {
			l.touched = true
		} else if l.touched {
			l.reset()
		}
	}
}

// Reset ends every present connection, on the client's side by a TCP reset.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.resetAll()
}

// Refuse makes the proxy's port closed, as if the upstream were not running: present connections are
// reset, new ones refused. The test fails if another program has taken the port by the time that
// refusing ends.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || on == (p.listener == nil) {
		return
	}
	if !on {
		if err := p.listenLocked(); err != nil {
			p.tb.Errorf("listen on %s again: %v", p.addr, err)
		}
		return
	}
	p.listener.Close()
	p.listener = nil
	p.resetAll()
}

func (p *Proxy) resetAll() {
	for l := range p.links {
		l.reset()
	}
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
	p.resetAll()
	p.mu.Unlock()
	p.wg.Wait()
}

func (p *Proxy) listen() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listenLocked()
}

func (p *Proxy) listenLocked() error {
	listener, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.listener, p.addr = listener, listener.Addr().String()
	p.wg.Go(func() { p.accept(listener) })
	return nil
}

func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.tb.Errorf("accept a connection: %v", err)
			}
			return
		}
		p.wg.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	l := &link{client: client, ended: make(chan struct{})}
	if !p.add(l) {
		l.reset()
		return
	}
	defer p.remove(l)
	if p.swallowing() {
		// A connection made while nothing gets through never had an upstream.
		_, _ = io.Copy(io.Discard, client)
		return
	}
	upstream, err := net.DialTimeout(p.network, p.upstream, dialTimeout)
	if err != nil || !p.attach(l, upstream) {
		p.mu.Lock()
		l.reset()
		p.mu.Unlock()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.toUpstream(l) })
	both.Go(func() { p.toClient(l) })
	both.Wait()
}

// add registers a link, unless the proxy refuses connections by now.
func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return false
	}
	l.touched = p.blackHole
	p.links[l] = struct{}{}
	return true
}

// attach gives a link its upstream, unless the link was reset meanwhile.
func (p *Proxy) attach(l *link, upstream net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.over {
		upstream.Close()
		return false
	}
	l.upstream = upstream
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
	l.close()
}

func (p *Proxy) swallowing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.blackHole
}

func (p *Proxy) currentDelay() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.delay
}
