package voice

import (
	"context"
	"sync"
	"time"
)

// sessions are the calls on the relay now. http.Server.Shutdown does not know them: their
// connections were taken over.
type sessions struct {
	mu   sync.Mutex
	open map[*session]struct{}
	// changed is closed when a session ends while somebody drains.
	changed chan struct{}
}

func (l *sessions) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[s] = struct{}{}
}

func (l *sessions) remove(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, s)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// left returns how many sessions are open, and a channel that is closed when one ends.
func (l *sessions) left() (int, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return len(l.open), l.changed
}

func (l *sessions) shutAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for s := range l.open {
		s.shutOnce.Do(func() { close(s.shut) })
	}
}

// OpenCalls returns how many calls are on the relay.
func (s *Service) OpenCalls() int {
	n, _ := s.sessions.left()
	return n
}

// Drain waits for the calls on the relay to end by themselves. When ctx ends first, the remaining
// sessions are closed (service restart), so that Twilio reconnects those calls through the Connect
// action, to another sidecar or to this one started anew.
func (s *Service) Drain(ctx context.Context) {
	report := time.NewTicker(5 * time.Second)
	defer report.Stop()
	for {
		n, changed := s.sessions.left()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-report.C:
			s.Log.Info("waiting for calls to end", "open_calls", n)
		case <-ctx.Done():
			s.Log.Warn("closing calls that did not end in time; Twilio reconnects them", "open_calls", n)
			s.sessions.shutAll()
			s.awaitClosed(2 * closeWait)
			return
		}
	}
}

// awaitClosed gives closing sessions time to say goodbye.
func (s *Service) awaitClosed(within time.Duration) {
	timeout := time.After(within)
	for {
		n, changed := s.sessions.left()
		if n == 0 {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			return
		}
	}
}
