package voice

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
)

// Why a session ended, where Ringside ended it; it comes back in Twilio's HandoffData.
const reasonUnreachable = "ringside-runtime-unreachable"

// closedMark names the mark of a call whose runtime ended the session on purpose.
func closedMark(id org.ID, callSID string) string {
	return "runtime_closed:" + string(id) + ":" + callSID
}

// status takes Twilio's status callback. It is acknowledged once the event is durable.
func (s *Service) status(r *http.Request, req *request) reply {
	e, reject := s.event(r, req)
	if e == nil {
		return reject
	}
	e.Name = "status:" + e.Status
	e.At = timestamp(req)
	if ledger.Final(e.Status) {
		ended(e, seconds(req.form.Get("CallDuration")))
	}
	e.Detail = details(req.form, "SipResponseCode", "AnsweredBy", "ErrorCode", "ErrorMessage", "CallerName", "ForwardedFrom", "RecordingUrl")
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
func (s *Service) after(r *http.Request, req *request) reply {
	if !usableSID(req.form.Text("CallSid")) {
		return s.nameless(r, req)
	}
	e, reject := s.event(r, req)
	if e == nil {
		return reject
	}
	session := req.form.Text("SessionStatus")
	e.Name = "after:" + bounded(req.form.Text("SessionId"), maxSID) + ":" + bounded(session, maxWord)
	e.At = req.arrived
	e.Detail = details(req.form, "SessionStatus", "SessionDuration", "HandoffData", "ErrorCode", "ErrorMessage")
	if ledger.Final(e.Status) || session == "completed" {
		if ledger.Final(e.Status) {
			ended(e, seconds(req.form.Get("SessionDuration")))
		}
		s.Recorder.Later(e) // the status callback is the durable one; nobody is on the line
		return reply{twiml: empty(), outcome: "ended"}
	}
	next, outcome := s.next(r, req, session, &e.Reason)
	s.Recorder.Later(e)
	return reply{twiml: next, outcome: outcome}
}

// next decides what a caller who is still on the line hears.
func (s *Service) next(r *http.Request, req *request, session string, reason *string) (twiml []byte, outcome string) {
	route, forbidden := s.line(r, req, partiesOf(req.form).ours())
	if route == nil || forbidden {
		return hangup(), "no_route"
	}
	sid := req.form.Text("CallSid")
	handoff := req.form.Get("HandoffData")
	switch {
	case session == "ended" && strings.Contains(handoff, reasonUnreachable):
		*reason = "runtime_unreachable"
		return sorry(route.Agent), "apology"
	case session == "ended" && handoff != "" && route.Agent.FallbackNumber != "":
		*reason = "handoff"
		return sorry(route.Agent), "handoff"
	case session == "ended" || s.Calls.Marked(r.Context(), closedMark(route.Org.ID, sid)) != "":
		return hangup(), "agent_ended"
	case req.action.attempt+1 >= maxAttempts:
	case s.sessions.closed():
		return s.askAgain(req.action), "restarting"
	default:
		next := action{attempt: req.action.attempt + 1, unverified: req.action.unverified}
		// The greeting is not repeated: the runtime has the caller's context and goes on.
		return s.connect(route.Agent, sid, next, ""), "reconnected"
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
func (s *Service) event(r *http.Request, req *request) (*ledger.Event, reply) {
	ends := partiesOf(req.form)
	route, forbidden := s.line(r, req, ends.ours())
	if forbidden {
		return nil, s.refuse(r, req.form, "foreign_account")
	}
	sid := req.form.Text("CallSid")
	if !usableSID(sid) {
		return nil, reply{status: http.StatusBadRequest, outcome: "unreadable"}
	}
	e := &ledger.Event{OrgID: req.account.OrgID, SID: sid, Kind: "call", Direction: ends.direction, From: ends.from(), To: ends.to(),
		Status: bounded(req.form.Text("CallStatus"), maxWord)}
	if theirs := phone.Classify(ends.theirs()); theirs.Class == phone.ClassNumber && !s.Lines.Owns(req.account.OrgID, theirs.Number) {
		e.Party = theirs.Number
	}
	if route != nil {
		e.AgentID = route.Agent.ID
	}
	if d := s.Calls.Decided(r.Context(), e.OrgID, sid); d != nil {
		e.Untrusted = !d.Trusted // also where the event that said so first has been lost
	}
	return e, reply{}
}

// durable waits until an event is in Postgres, within the write budget, and acknowledges it.
func (s *Service) durable(ctx context.Context, e *ledger.Event) reply {
	ctx, cancel := context.WithTimeout(ctx, s.WriteBudget)
	defer cancel()
	if err := s.Recorder.Record(ctx, e); err != nil {
		if s.notice.due("not durable") {
			s.Log.Error("status callbacks cannot be made durable and are not acknowledged", "call_sid", e.SID, "error", err)
		}
		return reply{status: http.StatusServiceUnavailable, outcome: "unavailable"}
	}
	return reply{status: http.StatusNoContent, outcome: "recorded"}
}

// timestamp is when Twilio says an event happened, or when it arrived. A time ahead of ours is not
// believed: last_contacted_at only moves forward and would stay there.
func timestamp(req *request) time.Time {
	at, err := time.Parse(time.RFC1123Z, req.form.Get("Timestamp"))
	if err != nil || at.After(req.arrived.Add(5*time.Minute)) {
		return req.arrived
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

// details keeps those of the named parameters that have a value, or nil.
func details(form *twilio.Form, names ...string) json.RawMessage {
	kept := map[string]string{}
	for _, name := range names {
		if value := form.Text(name); value != "" {
			kept[name] = bounded(value, maxDetail)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	raw, _ := json.Marshal(kept) // strings always marshal
	return raw
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
