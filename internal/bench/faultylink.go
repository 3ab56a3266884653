package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// faultyLink stands between a sidecar and a server that it needs. It passes everything on until it is
// told to swallow it or to delay the answers.
type faultyLink struct {
	network, upstream string
	listener          net.Listener
	silent            atomic.Bool
	delay             atomic.Int64 // nanoseconds

	mu    sync.Mutex
	conns []net.Conn
	all   sync.WaitGroup
}

// openLink returns a link to the server at address, on a port of its own.
func openLink(network, upstream string) (*faultyLink, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a link to a server: %w", err)
	}
	l := &faultyLink{network: network, upstream: upstream, listener: listener}
	l.all.Go(l.accept)
	return l, nil
}

func (l *faultyLink) addr() string { return l.listener.Addr().String() }

func (l *faultyLink) accept() {
	for {
		client, err := l.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial(l.network, l.upstream)
		if err != nil {
			client.Close()
			continue
		}
		l.mu.Lock()
		l.conns = append(l.conns, client, server)
		l.mu.Unlock()
		l.all.Go(func() { l.ask(server, client) })
		l.all.Go(func() { l.answer(client, server) })
	}
}

// ask carries what the client says.
func (l *faultyLink) ask(server, client net.Conn) {
	defer server.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if n > 0 && !l.silent.Load() {
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// answer carries what the server says, late if so told. What is said meanwhile waits in the sockets:
// one request at a time is under way on the connections that this is for.
func (l *faultyLink) answer(client, server net.Conn) {
	defer client.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if n > 0 && !l.silent.Load() {
			time.Sleep(time.Duration(l.delay.Load()))
			if _, err := client.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// close ends the link and everything on it.
func (l *faultyLink) close() error {
	err := l.listener.Close()
	l.mu.Lock()
	for _, conn := range l.conns {
		_ = conn.Close() // its other end may have done so
	}
	l.mu.Unlock()
	l.all.Wait()
	return err
}
