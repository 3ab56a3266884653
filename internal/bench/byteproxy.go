package main

import (
	"io"
	"net"
	"sync"
)

// proxyBytes passes connections on to an upstream, both ways, without looking at them.
func proxyBytes(listener net.Listener, upstream string) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				return
			}
			defer server.Close()
			var both sync.WaitGroup
			both.Go(func() { copyBytes(server, client) })
			both.Go(func() { copyBytes(client, server) })
			both.Wait()
		}()
	}
}

// copyBytes copies until the end of one direction, and passes the end on.
func copyBytes(to, from net.Conn) {
	_, _ = io.Copy(to, from) // either side has gone
	_ = to.(*net.TCPConn).CloseWrite()
}
