package voice

import (
	"cmp"
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
)

// Why a session ended, as its call's mark says; the first also comes back in Twilio's HandoffData.
const (
	reasonUnreachable = "ringside-runtime-unreachable"
	reasonHandOver    = "hand over"
	reasonAgentEnded  = "1"
)

// closedMark names the mark of a call whose session ended for a reason: because the runtime wanted it
// to, or could not be had.
func closedMark(id org.ID, callSID string) string {
	return "runtime_closed:" + string(id) + ":" + callSID
}

// status takes Twilio's status callback. It is acknowledged once the event is durable.
func (s *Service) status(r *http.Request, req *webhook.Request) webhook.Reply {
	if req.Form.Get("StreamEvent") != "" {
		return s.streamStatus(r, req)
	}
	e, reject := s.event(r, req)
	if e == nil {
		return reject
	}
	if e.Name = "status:" + e.Status; e.Status == "" && req.Form.Get("AnsweredBy") != "" {
		e.Name = "answered_by" // Twilio: AsyncAmd, whose callback names nothing but the call
	}
	placed := s.placed(r, e.OrgID, e.SID)
	if e.From == "" && placed.ID != "" {
		e.From, e.To, e.Direction, e.Party = string(placed.From), string(placed.To), outboundCall, placed.To
	}
	e.At = timestamp(req)
	if ledger.Final(e.Status) {
		ended(e, seconds(req.Form.Get("CallDuration")))
		e.Announce = agent.CallCompleted(e)
	}
	e.Detail = webhook.Details(req.Form, "SipResponseCode", "AnsweredBy", "MachineDetectionDuration", "ErrorCode", "ErrorMessage", "CallerName", "ForwardedFrom", "RecordingUrl")
	return s.durable(r.Context(), e)
}

// ended completes the event of a call that ended when the event happened, after a time in seconds.
func ended(e *ledger.Event, duration int) {
	e.EndedAt = e.At
	e.DurationS = duration
	e.StartedAt = e.At.Add(-time.Duration(duration) * time.Second)
}

// after takes the request that Twilio makes when a session has ended, and says what comes next: a
// reconnect if the session was lost, a person if the agent hands over, else the end.
func (s *Service) after(r *http.Request, req *webhook.Request) webhook.Reply {
	if !webhook.UsableSID(req.Form.Text("CallSid")) {
		return s.nameless(r, req)
	}
	e, reject := s.event(r, req)
	if e == nil {
		return reject
	}
	session := req.Form.Text("SessionStatus")
	// A stream's end has no session in it: the attempt tells it from those before.
	id := cmp.Or(webhook.Bounded(req.Form.Text("SessionId"), webhook.MaxSID), strconv.Itoa(readAction(r.URL).attempt))
	e.Name = "after:" + id + ":" + webhook.Bounded(session, webhook.MaxWord)
	e.At = req.Arrived
	e.Detail = webhook.Details(req.Form, "SessionStatus", "SessionDuration", "HandoffData", "ErrorCode", "ErrorMessage")
	if ledger.Final(e.Status) || session == "completed" {
		if ledger.Final(e.Status) {
			ended(e, seconds(req.Form.Get("SessionDuration")))
		}
		s.Recorder.Later(e) // the status callback is the durable one; nobody is on the line
		return webhook.Reply{TwiML: empty(), Outcome: "ended"}
	}
	next, outcome := s.next(r, req, session, &e.Reason)
	s.Recorder.Later(e)
	return webhook.Reply{TwiML: next, Outcome: outcome}
}

// next decides what a caller who is still on the line hears.
func (s *Service) next(r *http.Request, req *webhook.Request, session string, reason *string) (twiml []byte, outcome string) {
	route, forbidden := s.Line(r, req, partiesOf(req.Form).ours())
	if route == nil || forbidden {
		return hangup(), "no_route"
	}
	sid := req.Form.Text("CallSid")
	handoff, asked, closed := req.Form.Get("HandoffData"), readAction(r.URL), ""
	if session != "ended" {
		closed, handoff = s.Calls.Marked(r.Context(), closedMark(route.Org.ID, sid)), ""
	}
	switch {
	case strings.Contains(handoff, reasonUnreachable) || closed == reasonUnreachable:
		*reason = "runtime_unreachable"
		return sorry(route.Agent), "apology"
	case (handoff != "" || closed == reasonHandOver) && route.Agent.FallbackNumber != "":
		*reason = "handoff"
		return sorry(route.Agent), "handoff"
	case session == "ended" || closed != "" || route.Agent.Transport == org.TransportDirect:
		return hangup(), "agent_ended"
	case asked.attempt+1 >= maxAttempts:
	case s.sessions.closed():
		return s.askAgain(asked), "restarting"
	default:
		next := action{attempt: asked.attempt + 1, unverified: asked.unverified}
		// The greeting is not repeated: the runtime has the caller's context and goes on.
		return s.connect(route.Agent, sid, next, partiesOf(req.Form).ends(), ""), "reconnected"
	}
	*reason = "runtime_lost"
	return sorry(route.Agent), "apology"
}

// askAgain lets a call wait a moment and then ask the same again. This sidecar is stopping: by then
// another one, or this one started anew, takes the call on.
func (s *Service) askAgain(a action) []byte {
	var d twilio.Document
	d.Pause(restartPause)
	d.Redirect(s.actionURL(a))
	return d.Bytes()
}

// restartPause is how many seconds a caller hears nothing while a sidecar restarts.
const restartPause = 3

// event returns the ledger's event of a webhook, without name and time, or the answer to a webhook
// of which there is none.
func (s *Service) event(r *http.Request, req *webhook.Request) (*ledger.Event, webhook.Reply) {
	ends := partiesOf(req.Form)
	route, forbidden := s.Line(r, req, ends.ours())
	if forbidden {
		return nil, s.Refuse(r, req.Form, "foreign_account")
	}
	sid := req.Form.Text("CallSid")
	if !webhook.UsableSID(sid) {
		return nil, webhook.Reply{Status: http.StatusBadRequest, Outcome: "unreadable"}
	}
	e := &ledger.Event{OrgID: req.Account.OrgID, SID: sid, Kind: "call", Direction: ends.direction, From: ends.from(), To: ends.to(),
		Status: webhook.Bounded(req.Form.Text("CallStatus"), webhook.MaxWord)}
	if theirs := phone.Classify(ends.theirs()); theirs.Class == phone.ClassNumber && !s.Lines.Owns(req.Account.OrgID, theirs.Number) {
		e.Party = theirs.Number
	}
	if route != nil {
		e.AgentID = route.Agent.ID
	}
	if d := s.Calls.Decided(r.Context(), e.OrgID, sid); d != nil {
		e.Untrusted = !d.Trusted // also where the event that said so first has been lost
	}
	return e, webhook.Reply{}
}

// durable waits until an event is in Postgres, within the write budget, and acknowledges it.
func (s *Service) durable(ctx context.Context, e *ledger.Event) webhook.Reply {
	ctx, cancel := context.WithTimeout(ctx, s.WriteBudget)
	defer cancel()
	began := time.Now()
	err := s.Recorder.Record(ctx, e)
	s.Metrics.WriteSeconds.WithLabelValues(e.Kind).Observe(time.Since(began).Seconds())
	if err != nil {
		if s.Due("not durable") {
			s.Log.Error("status callbacks cannot be made durable and are not acknowledged", "call_sid", e.SID, "error", err)
		}
		return webhook.Unavailable(nil, nil)
	}
	return webhook.Reply{Status: http.StatusNoContent, Outcome: "recorded"}
}

// timestamp is when Twilio says an event happened, or when it arrived. A time ahead of ours is not
// believed: last_contacted_at only moves forward and would stay there.
func timestamp(req *webhook.Request) time.Time {
	at, err := time.Parse(time.RFC1123Z, req.Form.Get("Timestamp"))
	if err != nil || at.After(req.Arrived.Add(5*time.Minute)) {
		return req.Arrived
	}
	return at
}

// seconds reads a duration in whole seconds; what is no such number is 0.
func seconds(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 7*24*3600 {
		return 0
	}
	return n
}

func empty() []byte {
	var d twilio.Document
	return d.Bytes()
}

func hangup() []byte {
	var d twilio.Document
	d.Hangup()
	return d.Bytes()
}
