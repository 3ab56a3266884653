package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/postgres/pgtest"
)

// peak is the most memory that the program has had so far, in bytes.
func (p *program) peak() int {
	p.t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	must(p.t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kilobytes, err := strconv.Atoi(strings.Fields(text)[0])
			must(p.t, err)
			return kilobytes << 10
		}
	}
	p.t.Fatal("the kernel does not say how much memory a process has had")
	return 0
}

// sockets is how many files and sockets the program has open.
func (p *program) sockets() int {
	p.t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	must(p.t, err)
	return len(entries)
}

// endless is a body of so many bytes.
func endless(bytes int64) io.Reader { return io.LimitReader(repeated('x'), bytes) }

type repeated byte

func (b repeated) Read(into []byte) (int, error) {
	for i := range into {
		into[i] = byte(b)
	}
	return len(into), nil
}

// Whoever has neither Twilio's signature nor a key cannot make the program take in what they send.
func TestAGiantBodyDoesNotMoveMemory(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	s := serve(t, "DATABASE_URL="+url)
	answered(t, shop.call(s.Listen, alex, askAgent...)) // so that everything is there that a call needs
	before := s.peak()
	const size = 200 << 20
	var senders sync.WaitGroup
	for _, to := range []struct{ path, kind string }{
		{"/twilio/voice", "application/x-www-form-urlencoded"}, {"/twilio/voice/status", "application/x-www-form-urlencoded"}, {"/twilio/sms", "application/x-www-form-urlencoded"},
		{"/v1/contacts", "application/json"}, {"/v1/contacts/import", "text/csv"}, {"/signin", "application/x-www-form-urlencoded"}, {"/nothing", "text/plain"},
	} {
		senders.Go(func() {
			request, err := http.NewRequestWithContext(t.Context(), "POST", s.Listen+to.path, endless(size))
			if err != nil {
				t.Error(err)
				return
			}
			request.ContentLength = size
			request.Header.Set("Content-Type", to.kind)
			request.Header.Set("X-Twilio-Signature", "bm90IFR3aWxpbydzIHNpZ25hdHVyZQ==")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return // the connection was cut while the body was being sent
			}
			defer response.Body.Close()
			if response.StatusCode < 400 {
				t.Errorf("%s is answered %d", to.path, response.StatusCode)
			}
		})
	}
	senders.Wait()
	if grown := s.peak() - before; grown > 48<<20 {
		t.Errorf("%d MB of bodies have cost %d MB of memory", 7*size>>20, grown>>20)
	}
	answered(t, shop.call(s.Listen, alex, askAgent...))
}

// A request has at most so many headers, and no more is read of it.
func TestAFloodOfHeadersIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t, "DATABASE_URL="+pgtest.URL(t))
	before := s.peak()
	for name, flood := range map[string]io.Reader{
		"one endless header": io.MultiReader(strings.NewReader("POST /twilio/voice HTTP/1.1\r\nHost: x\r\nX-Header: "), endless(100<<20)),
		"a million headers":  io.MultiReader(strings.NewReader("POST /twilio/voice HTTP/1.1\r\nHost: x\r\n"), strings.NewReader(strings.Repeat("X-Header: value\r\n", 1_000_000))),
		"an endless line":    io.MultiReader(strings.NewReader("POST /"), endless(100<<20)),
	} {
		conn, err := net.Dial("tcp", s.address())
		must(t, err)
		must(t, conn.SetDeadline(time.Now().Add(30*time.Second)))
		sent, _ := io.Copy(conn, flood) // until it is cut
		answer, _ := io.ReadAll(conn)
		conn.Close()
		if sent > 20<<20 { // what the buffers of both sides hold
			t.Errorf("%s: %d MB were taken", name, sent>>20)
		}
		if len(answer) > 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
			t.Errorf("%s: answered %.60q", name, answer)
		}
	}
	if grown := s.peak() - before; grown > 32<<20 {
		t.Errorf("headers have cost %d MB of memory", grown>>20)
	}
}

// However many visitors have a session looked up, and a key, none takes a connection from a caller who has to be.
func TestCallersDoNotWaitForVisitors(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	s := serve(t, "DATABASE_URL="+url, "RINGSIDE_RECOGNITION_BUDGET=10s")
	tx, err := shop.db.Begin(t.Context())
	must(t, err)
	_, err = tx.Exec(t.Context(), `LOCK TABLE sessions, api_keys IN ACCESS EXCLUSIVE MODE`)
	must(t, err)
	ctx, leave := context.WithCancel(t.Context())
	var visitors sync.WaitGroup
	for i := range 60 {
		visitors.Go(func() {
			path, header, value := "/contacts", "Cookie", fmt.Sprintf("ringside_session=guess%d", i)
			if i%2 == 0 {
				path, header, value = "/v1/contacts", "Authorization", fmt.Sprintf("Bearer rs_%064d", i)
			}
			request, _ := http.NewRequestWithContext(ctx, "GET", s.Listen+path, nil)
			request.Header.Set(header, value)
			if response, err := http.DefaultClient.Do(request); err == nil {
				response.Body.Close()
			}
		})
	}
	until(t, "visitors wait", func() bool {
		var waiting int
		must(t, shop.db.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting))
		return waiting >= 2
	})
	outcome := shop.call(s.Listen, alex, askAgent...)
	answered(t, outcome)
	if !strings.Contains(outcome.Greeting, "Alex") {
		t.Errorf("a caller is greeted as %q", outcome.Greeting)
	}
	leave()
	visitors.Wait()
	must(t, tx.Rollback(t.Context()))
}

// Sockets that say nothing, or a byte a second, hold nobody up and are closed soon.
func TestSlowAndIdleSocketsAreClosed(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	shop := openShop(t, url)
	s := serve(t, "DATABASE_URL="+url)
	answered(t, shop.call(s.Listen, alex, askAgent...))
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	most := int(min(mostConnections, (limit.Cur-1000)/2)) // of what this process may have open
	before, memory := s.sockets(), s.peak()
	kinds := []string{"", "POST /twilio/voice HTTP/1.1\r\nHost: x\r\n", "POST /twilio/voice HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n"}
	var open sync.WaitGroup
	var crawling []net.Conn
	for i := range most {
		conn, err := net.Dial("tcp", s.address())
		must(t, err)
		kind := kinds[i%len(kinds)]
		_, _ = io.WriteString(conn, kind) // what is closed is seen below
		if kind != "" {
			crawling = append(crawling, conn)
		}
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
		open.Go(func() {
			defer conn.Close()
			if _, err := io.Copy(io.Discard, conn); err != nil && os.IsTimeout(err) {
				t.Errorf("a socket that sends %.40q and crawls is open after a minute", kind)
			}
		})
	}
	crawl, stopped := time.NewTicker(time.Second), make(chan struct{})
	defer crawl.Stop()
	go func() {
		for {
			select {
			case <-crawl.C:
			case <-stopped:
				return
			}
			for _, conn := range crawling {
				_, _ = conn.Write([]byte("x"))
			}
		}
	}()
	for range 5 { // others are answered meanwhile
		outcome := shop.call(s.Listen, alex, askAgent...)
		answered(t, outcome)
		promptly(t, outcome, 5*time.Second)
	}
	open.Wait()
	close(stopped)
	if each := (s.peak() - memory) / most; each > connectionCost {
		t.Errorf("each of %d sockets has cost %d kB of memory", most, each>>10)
	}
	until(t, "the sockets are given back", func() bool { return s.sockets() <= before+20 })
}

// A file is taken as it is: nothing that is sent is unpacked, so that a megabyte cannot become a gigabyte here.
func TestCompressedFilesAreNotUnpacked(t *testing.T) {
	t.Parallel()
	url := pgtest.URL(t)
	openShop(t, url)
	s := serve(t, "DATABASE_URL="+url)
	key := object(t, []string{"DATABASE_URL=" + url}, "key", "create", "--name", "test")["key"].(string)
	var bomb bytes.Buffer
	packed, err := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	must(t, err)
	_, err = io.Copy(packed, io.MultiReader(strings.NewReader("name,phone\n"), endless(512<<20)))
	must(t, err)
	must(t, packed.Close())
	before := s.peak()
	for _, header := range [][2]string{{"Content-Encoding", "gzip"}, {"Content-Type", "application/gzip"}, {"X-Nothing", "1"}} {
		request, err := http.NewRequestWithContext(t.Context(), "POST", s.Listen+"/v1/contacts/import", bytes.NewReader(bomb.Bytes()))
		must(t, err)
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Content-Type", "text/csv")
		request.Header.Set(header[0], header[1])
		response, err := http.DefaultClient.Do(request)
		must(t, err)
		said, err := io.ReadAll(response.Body)
		must(t, err)
		response.Body.Close()
		if response.StatusCode < 400 || response.StatusCode >= 500 {
			t.Errorf("with %v it is answered %d %.200s", header, response.StatusCode, said)
		}
	}
	if grown := s.peak() - before; grown > 32<<20 {
		t.Errorf("%d KB have cost %d MB of memory", bomb.Len()>>10, grown>>20)
	}
	// Nor are the messages of sockets.
	dialer := websocket.Dialer{EnableCompression: true}
	socket, response, err := dialer.DialContext(t.Context(), strings.Replace(s.Listen, "http", "ws", 1)+"/v1/events", http.Header{"Authorization": {"Bearer " + key}})
	must(t, err)
	defer socket.Close()
	if extensions := response.Header.Get("Sec-Websocket-Extensions"); extensions != "" {
		t.Errorf("the socket speaks %s", extensions)
	}
}
