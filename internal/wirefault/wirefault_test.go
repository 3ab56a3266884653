package wirefault_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringside/internal/wirefault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds what must happen; it never has to pass for a test to succeed.
const patience = 10 * time.Second

// serve starts an upstream that does one thing with each connection.
func serve(t *testing.T, network, address string, with func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				with(conn)
			}()
		}
	}()
	return listener.Addr().String()
}

// echo starts an upstream that sends back each line it gets.
func echo(t *testing.T, network, address string) string {
	t.Helper()
	return serve(t, network, address, func(conn net.Conn) { _, _ = io.Copy(conn, conn) })
}

type client struct {
	*testing.T
	net.Conn
	lines *bufio.Reader
}

func dial(t *testing.T, p *wirefault.Proxy) *client {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatalf("dial the proxy: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &client{t, conn, bufio.NewReader(conn)}
}

func (c *client) send(line string) {
	c.Helper()
	if _, err := fmt.Fprintln(c.Conn, line); err != nil {
		c.Fatalf("send: %v", err)
	}
}

func (c *client) wantLine(want string) {
	c.Helper()
	got, err := c.lines.ReadString('\n')
	if err != nil || strings.TrimSpace(got) != want {
		c.Fatalf("received %q, %v; want %q", got, err, want)
	}
}

func (c *client) wantReset() {
	c.Helper()
	if _, err := c.lines.ReadByte(); !errors.Is(err, syscall.ECONNRESET) {
		c.Fatalf("read: %v, want a connection reset", err)
	}
}

func TestPassesOn(t *testing.T) {
	t.Parallel()
	for _, upstream := range []struct{ network, address string }{
		{"tcp", "127.0.0.1:0"},
		{"unix", filepath.Join(socketDir(t), "echo")},
	} {
		t.Run(upstream.network, func(t *testing.T) {
			t.Parallel()
			p := wirefault.New(t, upstream.network, echo(t, upstream.network, upstream.address))
			c := dial(t, p)
			c.send("hello")
			c.wantLine("hello")
			if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if _, err := c.lines.ReadByte(); err != io.EOF {
				t.Errorf("after our end, read: %v, want the upstream's end", err)
			}
		})
	}
}

// socketDir is short enough for a Unix socket, which t.TempDir need not be.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestSetDelay(t *testing.T) {
	t.Parallel()
	const delay = 80 * time.Millisecond
	p := wirefault.New(t, "tcp", echo(t, "tcp", "127.0.0.1:0"))
	c := dial(t, p)
	p.SetDelay(delay)
	start := time.Now()
	c.send("one")
	c.wantLine("one")
	if took := time.Since(start); took < delay {
		t.Errorf("an answer took %s, want at least %s", took, delay)
	}

	// Many chunks under way at once share the delay: 50 of them one after the other would take 4 s.
	start = time.Now()
	for n := range 50 {
		c.send(fmt.Sprint(n))
	}
	for n := range 50 {
		c.wantLine(fmt.Sprint(n))
	}
	if took := time.Since(start); took > 25*delay {
		t.Errorf("50 answers under way at once took %s", took)
	}
}

func TestBlackHole(t *testing.T) {
	t.Parallel()
	p := wirefault.New(t, "tcp", echo(t, "tcp", "127.0.0.1:0"))
	before := dial(t, p)
	before.send("hello")
	before.wantLine("hello")
	p.BlackHole(true)
	during := dial(t, p)
	for _, c := range []*client{before, during} {
		c.send("lost")
		if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if b, err := c.lines.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read from a black hole: %q, %v; want silence", b, err)
		}
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	p.BlackHole(false)
	before.wantReset()
	during.wantReset()
	after := dial(t, p)
	after.send("again")
	after.wantLine("again")
}

func TestReset(t *testing.T) {
	t.Parallel()
	p := wirefault.New(t, "tcp", echo(t, "tcp", "127.0.0.1:0"))
	c := dial(t, p)
	c.send("hello")
	c.wantLine("hello")
	p.Reset()
	c.wantReset()
	again := dial(t, p)
	again.send("hello")
	again.wantLine("hello")
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	p := wirefault.New(t, "tcp", echo(t, "tcp", "127.0.0.1:0"))
	c := dial(t, p)
	c.send("hello")
	c.wantLine("hello")
	p.Refuse(true)
	p.Refuse(true) // changes nothing
	c.wantReset()
	if conn, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("dial: %v, want refused", err)
	}
	p.Refuse(false)
	again := dial(t, p)
	again.send("hello")
	again.wantLine("hello")
}

func TestUpstreamGone(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := wirefault.New(t, "tcp", listener.Addr().String())
	listener.Close()
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil { // else the reset came before the dial was done
		defer conn.Close()
		_, err = conn.Read(make([]byte, 1))
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a connection reset", err)
	}
}

func TestDelayDoesNotHoldUpTheEndOfATest(t *testing.T) {
	t.Parallel()
	upstream := echo(t, "tcp", "127.0.0.1:0")
	start := time.Now()
	t.Run("delayed by an hour", func(t *testing.T) {
		p := wirefault.New(t, "tcp", upstream)
		p.SetDelay(time.Hour)
		dial(t, p).send("hello")
	})
	if took := time.Since(start); took > patience {
		t.Errorf("the proxy ended after %s", took)
	}
}
