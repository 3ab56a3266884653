package wirefault_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"ringside/internal/wirefault"
)

const mouthful = 4000 // bytes that an upstream takes or pours

// taking answers one byte to each mouthful.
func taking(conn net.Conn) {
	for taken := make([]byte, mouthful); ; {
		if _, err := io.ReadFull(conn, taken); err != nil {
			return
		}
		_, _ = conn.Write([]byte("!"))
	}
}

// pouring answers a mouthful to each byte.
func pouring(conn net.Conn) {
	for asked := make([]byte, 1); ; {
		if _, err := io.ReadFull(conn, asked); err != nil {
			return
		}
		_, _ = conn.Write(bytes.Repeat([]byte("!"), mouthful))
	}
}

// ask sends so many bytes, receives so many, and returns how long that took.
func (c *client) ask(send, receive int) time.Duration {
	began := time.Now()
	if _, err := c.Conn.Write(make([]byte, send)); err != nil {
		c.Errorf("send: %v", err)
	}
	if _, err := io.ReadFull(c.lines, make([]byte, receive)); err != nil {
		c.Errorf("receive: %v", err)
	}
	return time.Since(began)
}

func TestSetRate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name          string
		upstream      func(net.Conn)
		send, receive int
	}{
		{"to the upstream", taking, mouthful, 1},
		{"to the client", pouring, 1, mouthful},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := wirefault.New(t, "tcp", serve(t, "tcp", "127.0.0.1:0", tt.upstream))
			one, other := dial(t, p), dial(t, p)
			p.SetRate(10 * mouthful)
			const takes = time.Second / 10
			if took := one.ask(tt.send, tt.receive); took < takes || took > 25*takes {
				t.Errorf("at ten mouthfuls a second, one took %s", took)
			}
			// The line is everybody's.
			began := time.Now()
			var both sync.WaitGroup
			for _, c := range []*client{one, other} {
				both.Go(func() { c.ask(tt.send, tt.receive) })
			}
			both.Wait()
			if took := time.Since(began); took < 2*takes || took > 25*takes {
				t.Errorf("at ten mouthfuls a second, two at once took %s", took)
			}
			// What is on its way at less than a byte each 10 ms is there at once when the line is free again.
			p.SetRate(100)
			time.AfterFunc(20*time.Millisecond, func() { p.SetRate(0) })
			if took := one.ask(tt.send, tt.receive); took < 20*time.Millisecond || took > patience/2 {
				t.Errorf("on a line that was freed after 20 ms it took %s", took)
			}
		})
	}
}

func TestASlowLineDoesNotHoldUpTheEndOfATest(t *testing.T) {
	t.Parallel()
	upstream := serve(t, "tcp", "127.0.0.1:0", taking)
	began := time.Now()
	t.Run("a byte a second", func(t *testing.T) {
		p := wirefault.New(t, "tcp", upstream)
		p.SetRate(1)
		dial(t, p).send("hello, hello, hello, hello, hello, hello, hello")
	})
	if took := time.Since(began); took > patience {
		t.Errorf("the proxy ended after %s", took)
	}
}
