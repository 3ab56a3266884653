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
	// shut: no session may stay or begin.
	shut bool
	// changed is closed when a session ends while somebody drains.
	changed chan struct{}
}

func (l *sessions) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open[s] = struct{}{}
	if l.shut {
		s.shutDown()
	}
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

func (l *sessions) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
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

// shutIfEmpty refuses new sessions if there are none now, and reports whether that is so.
func (l *sessions) shutIfEmpty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = l.shut || len(l.open) == 0
	return len(l.open) == 0
}

// shutAll ends every session, and those that begin later.
func (l *sessions) shutAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.shut = true
	for s := range l.open {
		s.shutDown()
	}
}

func (l *sessions) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.shut
}

// OpenCalls returns how many calls are on the relay.
func (s *Service) OpenCalls() int { return s.sessions.count() }

// Drain waits for the calls on the relay to end by themselves. When ctx ends first, the remaining
// sessions are closed (service restart). Once there is none, no new one is accepted. Of a call that
// was closed so, Twilio asks the Connect action what comes next; it is told to ask again in a moment,
// when another sidecar, or this one started anew, reconnects the call.
func (s *Service) Drain(ctx context.Context) {
	report := time.NewTicker(5 * time.Second)
	defer report.Stop()
	for !s.sessions.shutIfEmpty() {
		n, changed := s.sessions.left()
		if n == 0 {
			continue
		}
		select {
		case <-changed:
		case <-report.C:
			s.Log.Info("waiting for calls to end", "open_calls", n)
		case <-ctx.Done():
			s.Log.Warn("closing calls that did not end in time; Twilio reconnects them", "open_calls", n)
			s.sessions.shutAll()
			s.awaitClosed(2 * s.timing.Close)
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
