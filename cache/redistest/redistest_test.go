package redistest_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"ringside/cache/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func command(t *testing.T, addr, line string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "%s\r\n", line)
	reply, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return strings.TrimSpace(reply)
}

func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	if got := command(t, s.Addr(), "SET key value"); got != "+OK" {
		t.Fatalf("SET = %s", got)
	}
	s.Flush()
	if got := command(t, s.Addr(), "DBSIZE"); got != ":0" {
		t.Errorf("after Flush, DBSIZE = %s, want :0", got)
	}
	url := s.URL()
	s.Stop()
	if conn, err := net.Dial("tcp", s.Addr()); err == nil {
		conn.Close()
		t.Error("after Stop, somebody still listens")
	}
	s.Restart()
	if s.URL() != url {
		t.Errorf("after Restart, URL = %s, want %s", s.URL(), url)
	}
	if got := command(t, s.Addr(), "PING"); got != "+PONG" {
		t.Errorf("after Restart, PING = %s", got)
	}
}

func TestServersDoNotShare(t *testing.T) {
	t.Parallel()
	a, b := redistest.Start(t), redistest.Start(t)
	command(t, a.Addr(), "SET key value")
	if got := command(t, b.Addr(), "DBSIZE"); got != ":0" {
		t.Errorf("the other server's DBSIZE = %s, want :0", got)
	}
}

// childVariable makes the test binary a process that starts a server and waits for its end, by a
// kill or by that of its parent.
const childVariable = "RINGSIDE_REDISTEST_CHILD"

func TestEndsWithAKilledTestProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(childVariable) != "" {
		fmt.Printf("server at %s\n", redistest.Start(t).Addr())
		_, _ = io.Copy(io.Discard, os.Stdin) // ends with the parent
		return
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+t.TempDir())
	if _, err := child.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var addr string
	for lines := bufio.NewScanner(stdout); addr == "" && lines.Scan(); {
		addr, _ = strings.CutPrefix(lines.Text(), "server at ")
		if addr == lines.Text() {
			addr = ""
		}
	}
	if addr == "" {
		t.Fatal("the child started no server")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait()
	for deadline := time.Now().Add(10 * time.Second); ; {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
		if time.Now().After(deadline) {
			t.Fatalf("redis-server at %s outlived its test process", addr)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
