package voice

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/recognize"
)

// session is one call on the relay: Twilio's socket, the runtime's, and what passes between them.
type session struct {
	service   *Service
	caller    *peer // Twilio
	runtime   *peer // the agent runtime
	first     []byte
	route     *org.Route
	sessionID string
	attempt   int
	incoming  recognize.Call
	decision  *recognize.Decision
	call      agent.Call

	transcript transcript
	tools      chan toolRequest
	// shut ends the session from outside: the sidecar stops.
	shut     chan struct{}
	shutOnce sync.Once
}

type toolRequest struct {
	message   agent.Message
	malformed error
}

// run dials the runtime and carries frames until one side ends.
func (s *session) run(ctx context.Context) {
	s.shut = make(chan struct{})
	s.service.sessions.add(s)
	defer s.service.sessions.remove(s)
	s.service.Metrics.RelaySessions.Inc()
	defer s.service.Metrics.RelaySessions.Dec()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	if s.attempt == 0 {
		s.transcript.said(time.Now(), whoAgent, s.decision.Greeting)
	}
	if err := s.connect(ctx); err != nil {
		s.unreachable(err)
		return
	}
	var side sync.WaitGroup
	side.Go(func() { s.ping(ctx) })
	side.Go(func() { s.work(ctx) })
	if s.decision.OutOfTime && s.call.Trusted {
		side.Go(func() { s.tellLate(ctx) })
	}
	by := s.carry()
	cancel()
	side.Wait()
	s.service.Metrics.RelayEnds.WithLabelValues(by).Inc()
	s.finish()
}

// connect dials the runtime and gives it Twilio's first message with the caller added.
func (s *session) connect(ctx context.Context) error {
	conn, err := dialRuntime(ctx, s.route.Agent, s.call.SID)
	if err != nil {
		return err
	}
	s.runtime = newPeer(conn, runtimeLimit)
	caller := s.decision.Caller
	if s.service.Tools.Disowned(ctx, s.call.SID) {
		caller = recognize.Unknown()
	}
	packet, err := agent.AddCaller(s.first, caller)
	if err != nil { // it was JSON a moment ago; the runtime still gets what Twilio said
		s.service.Log.Error("could not add the caller to setup", "call_sid", s.call.SID, "error", err)
		packet = s.first
	}
	if err := s.runtime.write(websocket.TextMessage, packet); err != nil {
		_ = s.runtime.conn.Close()
		return err
	}
	s.first = nil
	return nil
}

// unreachable ends a session whose runtime cannot be had. Twilio comes back through the Connect
// action with the reason, and the caller hears an apology or a person.
func (s *session) unreachable(cause error) {
	s.service.Metrics.RelayEnds.WithLabelValues("runtime_unreachable").Inc()
	if s.service.notice.due("unreachable " + s.route.Agent.ID) {
		s.service.Log.Error("the agent runtime cannot be reached; callers hear the apology or get the fallback number",
			"agent", s.route.Agent.Name, "runtime_url", redactedURL(s.route.Agent.RuntimeURL), "call_sid", s.call.SID, "error", cause)
	}
	handoff, _ := json.Marshal(map[string]string{"reasonCode": reasonUnreachable})
	end, _ := json.Marshal(map[string]string{"type": "end", "handoffData": string(handoff)}) // strings always marshal
	if err := s.caller.write(websocket.TextMessage, end); err != nil {
		_ = s.caller.conn.Close()
		return
	}
	s.caller.awaitClose(setupWait) // after end it is Twilio that closes
}

// carry moves frames both ways until a side ends, tells the other side in the same words, and
// returns what ended the session.
func (s *session) carry() (by string) {
	type end struct {
		side string
		err  error
	}
	ended := make(chan end, 2)
	go func() { ended <- end{"caller", pump(s.caller, s.runtime, s.fromCaller)} }()
	go func() { ended <- end{"runtime", pump(s.runtime, s.caller, s.fromRuntime)} }()
	var first end
	left := 1
	select {
	case first = <-ended:
	case <-s.shut:
		// Twilio then asks what comes next, and another sidecar takes the call on.
		s.caller.farewell(websocket.CloseServiceRestart, "restarting")
		s.runtime.farewell(websocket.CloseServiceRestart, "restarting")
		first, left = end{side: "shutdown"}, 2
	}
	by = first.side
	if first.err != nil {
		by = s.passOn(first.side, first.err)
	}
	// The other reader ends when its side has agreed to close, or here.
	giveUp := time.AfterFunc(closeWait, func() {
		_ = s.caller.conn.Close()
		_ = s.runtime.conn.Close()
	})
	defer giveUp.Stop()
	for range left {
		<-ended
	}
	return by
}

// passOn tells one side how the other ended.
func (s *session) passOn(side string, err error) (by string) {
	code, reason, lost := ending(err)
	if _, deaf := errors.AsType[*takingError](err); deaf {
		side = map[string]string{"caller": "runtime", "runtime": "caller"}[side]
	}
	if side == "caller" {
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
		s.service.Calls.Mark(context.Background(), closedMark(s.call.SID), "1")
	}
	s.caller.farewell(code, reason)
	return "runtime"
}

// pump moves messages from one side to the other, in order and unchanged, until reading or writing
// fails. look sees each message first; what it keeps is not moved. The buffer serves all messages,
// and the next one is read only when this one has been taken.
func pump(from, to *peer, look func(kind int, message []byte) (keep bool)) error {
	var buf []byte
	for {
		kind, message, err := from.read(buf)
		if err != nil {
			return err
		}
		buf = message
		if len(buf) > 64<<10 { // one large message must not cost its memory for the whole call
			buf = nil
		}
		from.expect(silenceWait)
		if look(kind, message) {
			continue
		}
		if err := to.write(kind, message); err != nil {
			return &takingError{err}
		}
	}
}

// takingError is the failure of the other side to take a message: that one is lost, not the one
// that was read.
type takingError struct{ error }

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
	m, ours, malformed := agent.ParseMessage(message)
	if !ours {
		s.transcript.fromRuntime(message)
		return false
	}
	select {
	case s.tools <- toolRequest{m, malformed}:
	default:
		s.toRuntime(agent.Busy(m))
	}
	return true
}

// work carries out tools, one after another, beside the conversation.
func (s *session) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			s.finishTools(ctx)
			return
		case t := <-s.tools:
			s.handle(ctx, t)
		}
	}
}

// finishTools carries out what the runtime asked for before the call ended: the summary of a call is
// what it says last.
func (s *session) finishTools(ctx context.Context) {
	for {
		select {
		case t := <-s.tools:
			s.handle(ctx, t)
		default:
			return
		}
	}
}

// handle carries out one tool. It goes on after the call has ended; only its own budget bounds it.
func (s *session) handle(ctx context.Context, t toolRequest) {
	s.service.Metrics.Tools.WithLabelValues(toolLabel(t)).Inc()
	for _, reply := range s.service.Tools.Handle(context.WithoutCancel(ctx), &s.call, t.message, t.malformed) {
		s.toRuntime(reply)
	}
}

// toolLabel bounds what a runtime can write into the metrics.
func toolLabel(t toolRequest) string {
	switch t.message.Type {
	case "ringside.capture_contact", "ringside.note", "ringside.summary", "ringside.not_me":
		return t.message.Type
	}
	return "unknown"
}

// toRuntime sends a message of ours. A runtime that does not take it is noticed by the pumps.
func (s *session) toRuntime(message []byte) { _ = s.runtime.write(websocket.TextMessage, message) }

// tellLate tells the runtime who is calling once that is known.
func (s *session) tellLate(ctx context.Context) {
	d, ok := s.service.Recognizer.Late(ctx, s.incoming)
	if !ok || s.service.Tools.Disowned(ctx, s.call.SID) {
		return
	}
	message, err := agent.ContextMessage(d.Caller)
	if err != nil {
		s.service.Log.Error("could not encode late context", "call_sid", s.call.SID, "error", err)
		return
	}
	s.toRuntime(message)
}

// ping keeps both connections known to be alive; a side that is lost fails its reader.
func (s *session) ping(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = s.caller.ping()
			_ = s.runtime.ping()
		}
	}
}

// finish closes both connections and keeps what was said.
func (s *session) finish() {
	_ = s.caller.conn.Close()
	_ = s.runtime.conn.Close()
	lines := s.transcript.lines()
	if len(lines) == 0 {
		return
	}
	e := s.call.Event("transcript:" + bounded(s.sessionID))
	e.Transcript = &ledger.Transcript{SessionID: bounded(s.sessionID), Lines: lines}
	s.service.Recorder.Later(e)
}
