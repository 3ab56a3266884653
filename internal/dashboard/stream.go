package dashboard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"ringside/internal/problem"
)

// Streams of server-sent events (WHATWG HTML, section 9.2).
const (
	maxStreams = 1000             // that this process keeps open
	maxTheirs  = 8                // for one session
	heartbeat  = 15 * time.Second // proxies close what is silent for long
	sendWithin = 10 * time.Second // a viewer who reads slower than this is let go
)

// streams counts those open, by session.
type streams struct {
	mu     sync.Mutex
	all    int
	theirs map[string]int
}

// enter counts one more of a session, and reports whether there is room for it. leave is to be
// called in either case.
func (s *streams) enter(sessionID string) (leave func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.theirs == nil {
		s.theirs = map[string]int{}
	}
	s.all++
	s.theirs[sessionID]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.theirs[sessionID]--; s.theirs[sessionID] == 0 {
			delete(s.theirs, sessionID)
		}
	}, s.all <= maxStreams && s.theirs[sessionID] <= maxTheirs
}

// stream answers with events until the viewer has gone, their session has ended, the program stops,
// or feed returns. What feed sends is put into the page by htmx: an event's name says where.
func (v *visit) stream(feed func(ctx context.Context, send func(event, id string, body []byte) error) error) error {
	leave, ok := v.streams.enter(v.session.ID)
	defer leave()
	if !ok {
		return problem.New(problem.CodeUnavailable, "Too many pages are watching just now. Reload this page to see what is new.")
	}
	ctx, cancel := context.WithCancel(v.r.Context())
	defer cancel()
	s := sender{w: v.w, control: http.NewResponseController(v.w)}
	if err := s.control.SetReadDeadline(time.Time{}); err != nil { // the server's own is for requests
		return fmt.Errorf("keep a stream open: %w", err)
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // nginx would wait for more
	v.w.WriteHeader(http.StatusOK)
	if err := s.write([]byte(":\n\n")); err != nil {
		return nil // gone
	}
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		v.keep(ctx, &s)
	})
	defer watch.Wait()
	defer cancel()
	if err := feed(ctx, s.send); err != nil && ctx.Err() == nil && !errors.Is(err, errGone) {
		v.Log.Warn("a live page has stopped; the browser asks again", "path", v.route.path, "error", err)
	}
	return nil
}

// keep beats until the stream has to end.
func (v *visit) keep(ctx context.Context, s *sender) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-v.stopped:
			return
		case <-beat.C:
			if v.signedOut(ctx) {
				return
			}
			if s.write([]byte(":\n\n")) != nil {
				return
			}
		}
	}
}

// signedOut reports whether the session of a stream has ended meanwhile. A database that is away ends none.
func (v *visit) signedOut(ctx context.Context) bool {
	cookie, err := v.r.Cookie(v.sessionCookieName())
	if err != nil {
		return true
	}
	_, err = v.Members.Look(ctx, cookie.Value)
	p, ok := asProblem(err)
	return ok && p.Code == problem.CodeUnauthorized
}

// errGone says that nobody reads any more.
var errGone = errors.New("the viewer has gone")

// sender writes events, one at a time.
type sender struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes one event with some HTML; id is what the browser names when it asks again.
func (s *sender) send(event, id string, body []byte) error {
	var b bytes.Buffer
	if id != "" {
		fmt.Fprintf(&b, "id: %s\n", id)
	}
	fmt.Fprintf(&b, "event: %s\n", event)
	for line := range bytes.Lines(body) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return s.write(b.Bytes())
}

func (s *sender) write(body []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.control.SetWriteDeadline(time.Now().Add(sendWithin)) != nil {
		return errGone
	}
	if _, err := s.w.Write(body); err != nil {
		return errGone
	}
	if s.control.Flush() != nil {
		return errGone
	}
	return nil
}
