// Package redistest gives tests a real redis-server of their own, which they may stop and start.
package redistest

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	startLimit = 10 * time.Second
	startPoll  = 5 * time.Millisecond
	replyLimit = 5 * time.Second
	portTries  = 5
)

// guard runs the server and kills it when its own standard input ends, as it does when the test
// process dies, however it dies.
const guard = `exec 3<&0
"$@" </dev/null &
server=$!
{ cat <&3 >/dev/null; kill -9 "$server"; } 2>/dev/null &
wait "$server"`

// Server is one test's redis-server. It keeps nothing on disk. Its methods must be called on the
// test's goroutine: they fail the test when they cannot do what they say.
type Server struct {
	tb   testing.TB
	port int
	dir  string

	lifeline *os.File      // closing it kills the server; nil while it is stopped
	exited   chan struct{} // closed when the server has ended
}

// Start starts a server on a free port of 127.0.0.1, which ends with the test. Where no
// redis-server is installed it fails the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Fatal("no redis-server is installed: run `make test`, which installs it")
	}
	s := &Server{tb: tb, dir: tb.TempDir()}
	tb.Cleanup(s.Stop)
	var err error
	for range portTries { // another process may be quicker to take a port that was just free
		if s.port, err = freePort(); err != nil {
			tb.Fatalf("find a free port: %v", err)
		}
		if err = s.launch(); err == nil {
			return s
		}
	}
	tb.Fatalf("start redis-server: %v", err)
	return nil
}

// Addr returns the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL returns the URL of the server's database 0.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Stop kills the server and returns when it is gone; its data is gone with it. Clients find that
// nobody listens.
func (s *Server) Stop() {
	if s.lifeline == nil {
		return
	}
	s.lifeline.Close()
	<-s.exited
	s.lifeline = nil
}

// Restart starts the server again, empty and on the same port, stopping it first if it runs.
func (s *Server) Restart() {
	s.tb.Helper()
	s.Stop()
	if err := s.launch(); err != nil {
		s.tb.Fatalf("restart redis-server: %v", err)
	}
}

// Flush removes every key.
func (s *Server) Flush() {
	s.tb.Helper()
	if reply, err := s.ask("FLUSHALL"); err != nil || reply != "+OK" {
		s.tb.Fatalf("empty redis-server: %q, %v", reply, err)
	}
}

// launch runs the server and waits until it answers.
func (s *Server) launch() error {
	logPath := filepath.Join(s.dir, "redis.log")
	log, err := os.Create(logPath)
	if err != nil {
		return fmt.Errorf("make the server's log: %w", err)
	}
	defer log.Close()
	stdin, lifeline, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe to the server's guard: %w", err)
	}
	defer stdin.Close()
	cmd := exec.Command("/bin/sh", "-c", guard, "sh", "redis-server",
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir,
		"--save", "", "--appendonly", "no", "--daemonize", "no")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = stdin, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is for the test
	if err := cmd.Start(); err != nil {
		lifeline.Close()
		return fmt.Errorf("run redis-server: %w", err)
	}
	s.lifeline, s.exited = lifeline, make(chan struct{})
	go func() {
		defer close(s.exited)
		_ = cmd.Wait() // what went wrong is in the log
	}()
	if err := s.awaitAnswer(); err != nil {
		s.Stop()
		said, readErr := os.ReadFile(logPath)
		if readErr != nil {
			return err
		}
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
	}
	return nil
}

// awaitAnswer waits for this server, not just any: another may have taken the port.
func (s *Server) awaitAnswer() error {
	timeout := time.After(startLimit)
	for {
		if reply, err := s.ask("PING"); err == nil && reply == "+PONG" {
			select {
			case <-s.exited:
				return fmt.Errorf("it ended at once; another server answers on port %d", s.port)
			default:
				return nil
			}
		}
		select {
		case <-s.exited:
			return fmt.Errorf("it ended at once")
		case <-timeout:
			return fmt.Errorf("no answer on port %d within %s", s.port, startLimit)
		case <-time.After(startPoll):
		}
	}
}

// ask sends one inline command, in Redis' protocol, and returns the first line of the reply.
func (s *Server) ask(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", s.Addr(), replyLimit)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(replyLimit)); err != nil {
		return "", err
	}
	if _, err := conn.Write([]byte(command + "\r\n")); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimRight(line, "\r\n"), err
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}
