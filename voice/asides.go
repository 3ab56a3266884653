package voice

import (
	"context"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
)

type toolRequest struct {
	message   agent.Message
	malformed error
}

// takeTool hands a message that is for Ringside to [session.work], and reports whether it is one.
func (s *session) takeTool(message []byte) bool {
	m, ours, malformed := agent.ParseMessage(message)
	if !ours {
		return false
	}
	select {
	case s.tools <- toolRequest{m, malformed}:
	default:
		s.toRuntime(agent.Busy(m))
	}
	return true
}

// finishWithin bounds what the tools may take that were asked for before the call ended.
const finishWithin = 5 * time.Second

// work tells the runtime what is not Twilio's: it carries out tools, one after another, beside the
// conversation, and passes on late context. After the call it carries out what is still waiting.
func (s *session) work(ctx context.Context) {
	lasting := context.WithoutCancel(ctx) // a tool has its own budget
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case t := <-s.tools:
			s.handle(lasting, t)
		case late := <-s.late:
			if s.service.Tools.Disowned(ctx, &s.call) { // not_me came first, and holds
				s.service.Log.Debug("late context is not told: the caller is somebody else", "call_sid", s.call.SID)
				continue
			}
			s.toRuntime(late)
		}
	}
	lasting, cancel := context.WithTimeout(lasting, finishWithin)
	defer cancel()
	for {
		select {
		case t := <-s.tools:
			s.handle(lasting, t)
		default:
			return
		}
	}
}

// handle carries out one tool.
func (s *session) handle(ctx context.Context, t toolRequest) {
	s.service.Metrics.Tools.WithLabelValues(t.message.Kind()).Inc()
	for _, reply := range s.service.Tools.Handle(ctx, &s.call, t.message, t.malformed) {
		s.toRuntime(reply)
	}
}

// toRuntime sends a message of ours. A runtime that does not take it is noticed by the pumps.
func (s *session) toRuntime(message []byte) { _ = s.runtime.write(websocket.TextMessage, message) }

// findLate finds who is calling after all, for the runtime that is already talking to them.
func (s *session) findLate(ctx context.Context) {
	defer s.service.survive("late context", s.call.SID)
	d, ok := s.service.Recognizer.Late(ctx, s.incoming)
	if !ok {
		return
	}
	message, err := agent.ContextMessage(d.Caller)
	if err != nil {
		s.service.Log.Error("could not encode late context", "call_sid", s.call.SID, "error", err)
		return
	}
	select {
	case s.late <- message:
	case <-ctx.Done():
	}
}
