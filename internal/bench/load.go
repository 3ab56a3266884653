package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// answerPatience is how long an answer may take before a server counts as broken: longer than Twilio
// would wait.
const answerPatience = 20 * time.Second

// load is a number of connections, each of which sends a request as soon as the last is answered
// (HTTP/1.1, kept alive).
type load struct {
	addr        string
	connections int
	warmUp      time.Duration // at first, when nothing counts
	lasts       time.Duration // after that
	expect      []byte        // what an answer should have in it; nil expects nothing
}

// outcome is what came of a load.
type outcome struct {
	answers    int             // that came after the warm-up
	took       time.Duration   // until the end, or until there were no more requests
	latencies  []time.Duration // of each of the answers
	unexpected int             // answers without what was expected, the warm-up's too
}

func (o *outcome) perSecond() float64 { return float64(o.answers) / o.took.Seconds() }

// run puts the load on a server. An answer that is no 200 is an error.
func (l load) run(ctx context.Context, requests *supply) (*outcome, error) {
	lines := make([]*line, l.connections)
	for i := range lines {
		conn, err := net.Dial("tcp", l.addr)
		if err != nil {
			return nil, fmt.Errorf("connect to the server: %w", err)
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(l.warmUp + l.lasts + answerPatience)); err != nil {
			return nil, err
		}
		lines[i] = &line{conn: conn, reader: bufio.NewReaderSize(conn, 16<<10)}
	}
	run := &running{load: l, requests: requests, begins: time.Now().Add(l.warmUp), over: make(chan struct{})}
	var all sync.WaitGroup
	for _, line := range lines {
		all.Go(func() {
			line.err = line.keepAsking(run)
			run.end() // for want of requests, if it was not over yet
		})
	}
	run.keepTime(ctx)
	all.Wait()
	o := &outcome{took: run.ended.Sub(run.begins)}
	errs := []error{ctx.Err()}
	for _, line := range lines {
		o.answers += len(line.latencies)
		o.latencies = append(o.latencies, line.latencies...)
		o.unexpected += line.unexpected
		errs = append(errs, line.err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if o.answers == 0 {
		return nil, errors.New("the requests were used up in the warm-up")
	}
	return o, nil
}

// running is a load while it is put on a server.
type running struct {
	load
	requests *supply
	begins   time.Time   // the time that counts
	answered atomic.Bool // something that counts
	isOver   atomic.Bool // the same as over, at less cost
	over     chan struct{}
	once     sync.Once
	ended    time.Time
}

func (r *running) end() {
	r.once.Do(func() {
		r.ended = time.Now()
		r.isOver.Store(true)
		close(r.over)
	})
}

// keepTime ends the load in time, or later if nothing was answered: a machine with other work to do
// may take a while.
func (r *running) keepTime(ctx context.Context) {
	for wait := r.warmUp + r.lasts; ; wait = r.lasts {
		select {
		case <-r.over:
			return
		case <-ctx.Done():
			r.end()
		case <-time.After(wait):
			if r.answered.Load() {
				r.end()
			}
		}
	}
}

// line is one connection of a load.
type line struct {
	conn       net.Conn
	reader     *bufio.Reader
	latencies  []time.Duration
	unexpected int
	err        error
}

// keepAsking sends requests until the load is over or there are none left.
func (l *line) keepAsking(run *running) error {
	for {
		request := run.requests.next()
		if request == nil {
			return nil
		}
		sent := time.Now()
		if _, err := l.conn.Write(request); err != nil {
			return fmt.Errorf("send a request: %w", err)
		}
		expected, err := l.answer(run.expect)
		if err != nil {
			return fmt.Errorf("read an answer: %w", err)
		}
		if run.isOver.Load() {
			return nil
		}
		if !expected {
			l.unexpected++
		}
		if now := time.Now(); now.After(run.begins) {
			l.latencies = append(l.latencies, now.Sub(sent))
			if len(l.latencies) == 1 {
				run.answered.Store(true)
			}
		}
	}
}

var contentLength = []byte("Content-Length: ")

// answer reads one answer, and reports whether expect is in it.
func (l *line) answer(expect []byte) (bool, error) {
	status, err := l.reader.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	if !bytes.HasPrefix(status, []byte("HTTP/1.1 200 ")) {
		return false, fmt.Errorf("the server answered %q", bytes.TrimSpace(status))
	}
	length := -1
	for {
		header, err := l.reader.ReadSlice('\n')
		if err != nil {
			return false, err
		}
		if len(header) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(header, contentLength); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return false, fmt.Errorf("read the answer's length: %w", err)
			}
		}
	}
	if length < 0 || length > l.reader.Size() {
		return false, fmt.Errorf("an answer of %d bytes", length)
	}
	body, err := l.reader.Peek(length)
	if err != nil {
		return false, io.ErrUnexpectedEOF
	}
	expected := bytes.Contains(body, expect)
	_, err = l.reader.Discard(length)
	return expected, err
}
