package voice

import (
	"errors"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// errPanicked ends a side whose frames made us panic.
var errPanicked = errors.New("panicked")

// takingError is the failure of the other side to take a message: that one is lost, not the one
// that was read.
type takingError struct{ error }

// hindsight is how long a side that takes no message has to say why.
const hindsight = 250 * time.Millisecond

// end is how the reader of one side ended.
type end struct {
	side string // sideCaller or sideRuntime
	err  error
}

const (
	sideCaller  = "caller"
	sideRuntime = "runtime"
)

// carry moves frames both ways until a side ends, tells the other side in the same words, and
// returns what ended the session. Both connections are closed then.
func (s *session) carry() (by string) {
	ended := make(chan end, 2)
	var pumps sync.WaitGroup
	pumps.Go(func() { ended <- end{sideCaller, s.move(sideCaller, s.caller, s.runtime, s.fromCaller)} })
	pumps.Go(func() {
		ended <- end{sideRuntime, s.move(sideRuntime, s.runtime, s.caller, s.fromRuntime)}
		s.hearOut()
	})
	select {
	case first := <-ended:
		by = s.passOn(whoEnded(first, ended))
	case <-s.shut.Done():
		// Twilio then asks what comes next, and another sidecar takes the call on.
		s.caller.farewell(websocket.CloseServiceRestart, "restarting")
		s.runtime.farewell(websocket.CloseServiceRestart, "restarting")
		by = "shutdown"
	}
	// The readers end when their sides have agreed to close, or here.
	giveUp := time.AfterFunc(s.service.timing.Close, s.drop)
	pumps.Wait()
	giveUp.Stop()
	s.drop()
	return by
}

func (s *session) drop() {
	s.caller.drop()
	s.runtime.drop()
}

// whoEnded tells which side ended the session, and how, from the first reader that ended. If that
// one could not pass a message on, it is the other side that ended, and often a close frame that was
// just read says how: a runtime that closes on purpose must not count as lost because the caller
// happened to speak.
func whoEnded(first end, others <-chan end) end {
	if _, deaf := errors.AsType[*takingError](first.err); !deaf {
		return first
	}
	select {
	case other := <-others:
		if _, deaf := errors.AsType[*takingError](other.err); !deaf {
			return other
		}
	case <-time.After(hindsight):
	}
	if first.side == sideCaller {
		return end{sideRuntime, first.err}
	}
	return end{sideCaller, first.err}
}

// passOn tells one side how the other ended.
func (s *session) passOn(e end) (by string) {
	code, reason, lost := ending(e.err)
	if e.side == sideCaller {
		if lost {
			s.runtime.farewell(websocket.CloseGoingAway, "the call's connection was lost")
			return "caller_lost"
		}
		s.runtime.farewell(code, reason)
		return "caller"
	}
	if lost {
		s.caller.farewell(websocket.CloseInternalServerErr, "the agent's connection was lost")
		return "runtime_lost"
	}
	if code == websocket.CloseNormalClosure || code == websocket.CloseNoStatusReceived {
		s.closed(s.closedBecause(reason))
	}
	s.caller.farewell(code, reason)
	return "runtime"
}

// move pumps messages from one side until that ends, and says why.
func (s *session) move(side string, from, to *peer, look func(kind int, message []byte) (keep bool)) (err error) {
	err = errPanicked
	defer s.service.survive("frames of the "+side, s.call.SID)
	took := s.service.Metrics.FrameSeconds.WithLabelValues(s.dialect.path, side)
	return pump(from, to, look, took.Observe)
}

// pump moves messages from one side to the other, in order and unchanged, until reading or writing
// fails. look sees each message first; what it keeps is not moved. The buffer serves all messages,
// and the next one is read only when this one has been taken.
//
// passed is told how many seconds each one that was moved took, from read to written.
func pump(from, to *peer, look func(kind int, message []byte) (keep bool), passed func(seconds float64)) error {
	var buf []byte
	for {
		kind, message, err := from.read(buf)
		if err != nil {
			return err
		}
		read := time.Now()
		buf = message
		if cap(buf) > largeMessage { // it must not cost its memory for the whole call
			buf = nil
		}
		from.heard()
		if look(kind, message) {
			continue
		}
		if err := to.write(kind, message); err != nil {
			return &takingError{err}
		}
		passed(time.Since(read).Seconds())
	}
}

// largeMessage is what the buffer of one direction may hold on to, in bytes.
const largeMessage = 16 << 10

// fromCaller reads along for the transcript.
func (s *session) fromCaller(kind int, message []byte) (keep bool) {
	if kind == websocket.TextMessage {
		s.transcript.fromCaller(message)
	}
	return false
}

// fromRuntime takes out what is for Ringside; it never reaches Twilio.
func (s *session) fromRuntime(kind int, message []byte) (keep bool) {
	if kind != websocket.TextMessage {
		return false
	}
	if s.takeTool(message) {
		return true
	}
	s.transcript.fromRuntime(message)
	return false
}

// hearOut takes what the runtime still has for Ringside once the caller cannot be spoken to any
// more, until the runtime has closed as well: the summary of a call is what it says last.
func (s *session) hearOut() {
	defer s.service.survive("last frames of the runtime", s.call.SID)
	for {
		kind, message, err := s.runtime.read(nil)
		if err != nil {
			return
		}
		if kind == websocket.TextMessage {
			s.takeTool(message)
		}
	}
}

// keepAlive pings both sides now and then until it is stopped; a side that is lost fails its reader.
func (s *session) keepAlive() (stop func()) {
	p := &pings{session: s}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = time.AfterFunc(s.service.timing.Ping, p.beat)
	return p.stop
}

// pings is a timer rather than a goroutine, which would cost its stack for the whole call.
type pings struct {
	session *session
	mu      sync.Mutex
	next    *time.Timer
	stopped bool
}

func (p *pings) beat() {
	_ = p.session.caller.ping()
	_ = p.session.runtime.ping()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopped {
		p.next.Reset(p.session.service.timing.Ping)
	}
}

func (p *pings) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.next.Stop()
}
