package voice

import (
	"context"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
)

// aside is something to do beside the conversation: a tool of the runtime's, or late context.
type aside struct {
	tool      agent.Message
	malformed error
	late      []byte // context that was found later, for the runtime
}

// asides are what a session has still to do beside the conversation. They are done one after
// another, by a goroutine that is there only while there are any: most calls have none at a time.
type asides struct {
	ctx context.Context // ends some time after the call

	mu      sync.Mutex
	waiting []aside
	working bool
}

// add appends an aside, and reports whether it was taken and whether somebody has to begin working.
func (a *asides) add(next aside, most int) (taken, begin bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) >= most {
		return false, false
	}
	a.waiting = append(a.waiting, next)
	begin, a.working = !a.working, true
	return true, begin
}

// next removes the oldest aside. Without any, the work has ended.
func (a *asides) next() (aside, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		a.waiting, a.working = nil, false
		return aside{}, false
	}
	first := a.waiting[0]
	a.waiting = a.waiting[1:]
	return first, true
}

// takeTool takes a message that is for Ringside, and reports whether it is one.
func (s *session) takeTool(message []byte) bool {
	if s.dialect.isMedia != nil && s.dialect.isMedia(message) {
		return false
	}
	m, ours, malformed := agent.ParseMessage(message)
	if !ours {
		return false
	}
	if !s.begin(aside{tool: m, malformed: malformed}, toolsInFlight) {
		s.toRuntime(agent.Busy(m))
	}
	return true
}

// begin has an aside done unless so many are waiting already, and reports whether it will be.
func (s *session) begin(next aside, most int) bool {
	taken, begin := s.asides.add(next, most)
	if begin {
		s.side.Go(s.work)
	}
	return taken
}

// finishWithin bounds what the tools may take that were asked for before the call ended.
const finishWithin = 5 * time.Second

// work does what there is to do beside the conversation.
func (s *session) work() {
	for next, ok := s.asides.next(); ok; next, ok = s.asides.next() {
		s.do(next)
	}
}

// do does one aside.
func (s *session) do(next aside) {
	defer s.service.survive("a tool or late context", s.call.SID)
	if next.late == nil {
		s.service.Metrics.Tools.WithLabelValues(next.tool.Kind()).Inc()
		for _, reply := range s.service.Tools.Handle(s.asides.ctx, &s.call, next.tool, next.malformed) {
			s.toRuntime(reply)
		}
		return
	}
	if s.service.Tools.Disowned(s.asides.ctx, &s.call) { // not_me came first, and holds
		s.service.Log.Debug("late context is not told: the caller is somebody else", "call_sid", s.call.SID)
		return
	}
	s.toRuntime(next.late)
}

// toRuntime sends a message of ours. A runtime that does not take it is noticed by the pumps.
func (s *session) toRuntime(message []byte) { _ = s.runtime.write(websocket.TextMessage, message) }

// findLate finds who is calling after all, for the runtime that is already talking to them.
func (s *session) findLate(ctx context.Context) {
	defer s.service.survive("late context", s.call.SID)
	before := s.decision.Caller
	d, ok := s.service.Recognizer.Late(ctx, s.incoming, before.Known)
	if !ok {
		return
	}
	d.Caller.GreetedByName = before.GreetedByName && d.Caller.Name == before.Name
	message, err := agent.ContextMessage(d.Caller)
	if err != nil {
		s.service.Log.Error("could not encode late context", "call_sid", s.call.SID, "error", err)
		return
	}
	if ctx.Err() == nil {
		s.begin(aside{late: message}, toolsInFlight+1)
	}
}
