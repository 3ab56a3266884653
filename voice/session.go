package voice

import (
	"context"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// session is one call on the relay: Twilio's socket, the runtime's, and what passes between them.
type session struct {
	service   *Service
	dialect   *dialect
	caller    *peer    // Twilio
	runtime   *peer    // the agent runtime
	first     [][]byte // Twilio's first messages, until the runtime has them
	route     *org.Route
	sessionID string
	attempt   int
	incoming  recognize.Call
	decision  *recognize.Decision
	call      agent.Call

	transcript transcript
	asides     asides
	side       sync.WaitGroup // what goes on beside the frames
	// shut ends when the sidecar stops, which ends the session.
	shut     context.Context
	shutDown context.CancelFunc
}

// run dials the runtime and carries frames until one side ends.
func (s *session) run(ctx context.Context) {
	s.shut, s.shutDown = context.WithCancel(context.Background())
	defer s.shutDown()
	s.service.sessions.add(s)
	defer s.service.sessions.remove(s)
	sessions := s.service.Metrics.RelaySessions.WithLabelValues(s.dialect.path)
	sessions.Inc()
	defer sessions.Dec()
	ctx, endCall := context.WithCancel(ctx)
	defer endCall()

	if s.attempt == 0 {
		s.transcript.said(time.Now(), whoAgent, s.decision.Greeting)
	}
	began := time.Now()
	err := s.connect(ctx)
	s.service.Metrics.ConnectSeconds.WithLabelValues(s.dialect.path).Observe(time.Since(began).Seconds())
	if err != nil {
		s.unreachable(err)
		return
	}
	stopPings := s.keepAlive()
	var cancel context.CancelFunc
	s.asides.ctx, cancel = context.WithCancel(context.WithoutCancel(ctx)) // a tool has its own budget
	defer cancel()
	if s.decision.Caller.Provisional && s.call.Trusted {
		s.side.Go(func() { s.findLate(ctx) })
	}
	by := s.carry()
	stopPings()
	endCall()
	defer time.AfterFunc(finishWithin, cancel).Stop()
	s.side.Wait()
	s.service.Metrics.RelayEnds.WithLabelValues(s.dialect.path, by).Inc()
	s.keepTranscript()
}

// connect dials the runtime and gives it Twilio's first messages, the last one with the caller added.
func (s *session) connect(ctx context.Context) error {
	conn, err := s.service.dialRuntime(ctx, s.route.Agent, s.call.SID)
	if err != nil {
		return err
	}
	s.runtime = newPeer(conn, runtimeLimit, &s.service.timing)
	caller := s.decision.Caller
	if s.service.Tools.Disowned(ctx, &s.call) {
		caller = recognize.Unknown()
	}
	last := len(s.first) - 1
	packet, err := s.dialect.addCaller(s, s.first[last], caller)
	if err != nil { // it was JSON a moment ago; the runtime still gets what Twilio said
		s.service.Log.Error("could not add the caller to Twilio's first message", "path", s.dialect.path, "call_sid", s.call.SID, "error", err)
		packet = s.first[last]
	}
	for _, message := range append(s.first[:last:last], packet) {
		if err := s.runtime.write(websocket.TextMessage, message); err != nil {
			s.runtime.drop()
			return err
		}
	}
	s.first = nil
	return nil
}

// unreachable ends a session whose runtime cannot be had. Twilio comes back through the Connect
// action with the reason, and the caller hears an apology or a person.
func (s *session) unreachable(cause error) {
	s.service.Metrics.RelayEnds.WithLabelValues(s.dialect.path, "runtime_unreachable").Inc()
	if s.service.Due("unreachable " + s.route.Agent.ID) {
		s.service.Log.Error("the agent runtime cannot be reached; callers hear the apology or get the fallback number",
			"path", s.dialect.path, "agent", s.route.Agent.Name, "runtime_url", redactedURL(s.route.Agent.RuntimeURL), "call_sid", s.call.SID, "error", cause)
	}
	defer context.AfterFunc(s.shut, s.caller.drop)()
	s.dialect.giveUp(s)
	s.keepTranscript()
}

// closedBecause tells from the reason with which the runtime has closed on purpose what it wants.
func (s *session) closedBecause(reason string) string {
	if s.dialect.handOver != "" && reason == s.dialect.handOver {
		return reasonHandOver
	}
	return reasonAgentEnded
}

// closed notes why a session has ended, for the Connect action, which Twilio asks next.
func (s *session) closed(because string) {
	s.service.Calls.Mark(context.Background(), closedMark(s.call.Org.ID, s.call.SID), because)
}

// greeted returns what the caller has heard before this session, as far as the runtime may be told
// it: nothing where it is not told the name that was said.
func (s *session) greeted(told recognize.Caller) string {
	switch {
	case s.attempt > 0:
		return ""
	case s.decision.Caller.GreetedByName && told.Name == "":
		return "" // it has the name in it
	}
	return s.decision.Greeting
}

// keepTranscript records what was said.
func (s *session) keepTranscript() {
	lines := s.transcript.lines()
	if len(lines) == 0 {
		return
	}
	id := webhook.Bounded(s.sessionID, webhook.MaxSID)
	e := s.call.Event("transcript:" + id)
	e.Transcript = &ledger.Transcript{SessionID: id, Lines: lines}
	s.service.Recorder.Later(e)
}
