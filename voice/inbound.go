package voice

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// inbound answers the webhook of a call that comes in, and its fallback: who is calling is decided
// once a call, so that a repeat gets the same bytes.
func (s *Service) inbound(r *http.Request, req *webhook.Request) webhook.Reply {
	ends := partiesOf(req.Form)
	route, forbidden := s.Line(r, req, ends.ours())
	switch {
	case forbidden:
		return s.Refuse(r, req.Form, "foreign_account")
	case route == nil:
		if s.Due("not in service " + ends.ours()) {
			s.Log.Warn("a call came for a number that leads to no voice agent", "to", phone.Classify(ends.ours()), "account_sid", req.Account.SID)
		}
		return webhook.Reply{TwiML: notInService(), Outcome: "not_in_service"}
	}
	sid := req.Form.Text("CallSid")
	if !webhook.UsableSID(sid) {
		return s.nameless(r, req)
	}
	// Copies, since a decision is kept for hours, and the texts of a form hold the memory of all of it.
	sid = strings.Clone(sid)
	if req.Repeated || req.Path == pathFallback { // who was called for before is known, and needs no look-up
		if held := s.Calls.Decided(r.Context(), route.Org.ID, sid); held != nil && len(held.Answer) > 0 {
			return webhook.Reply{TwiML: held.Answer, Outcome: "answered"}
		}
	}
	call := recognize.Call{SID: sid, Org: route.Org, Agent: route.Agent, Party: phone.Classify(strings.Clone(ends.theirs())),
		Attestation: strings.Clone(req.Form.Text("StirVerstat")), At: req.Arrived, Hurried: req.Hurried}
	if ends.direction == outboundCall {
		trusted := true // whoever is called has the number that was dialled
		item := s.placed(r, route.Org.ID, sid)
		call.Judged, call.Context, call.Greeting, call.Variables = &trusted, item.Context, item.Greeting, item.Variables
	}
	call.Own = call.Party.Class == phone.ClassNumber && s.Lines.Owns(route.Org.ID, call.Party.Number)
	d := s.Recognizer.Decide(r.Context(), call)
	d.Answer = s.connect(route.Agent, sid, action{unverified: !d.Trusted}, ends.ends(), d.Greeting)
	if d.Blocked {
		d.Answer = rejected()
	}
	held := s.Calls.Claim(r.Context(), d)
	if len(held.Answer) == 0 { // rubbish in Redis is no answer (rule 18)
		held = d
	}
	if held == d {
		s.observe(d, time.Since(req.Arrived))
		s.Recorder.Later(began(d, ends))
	}
	return webhook.Reply{TwiML: held.Answer, Outcome: "answered"}
}

// nameless answers a call that cannot be told from others: somebody is on the line all the same.
func (s *Service) nameless(r *http.Request, req *webhook.Request) webhook.Reply {
	if s.Due("no CallSid") {
		s.Log.Error("Twilio sent a call without a usable CallSid; the caller hears the apology", "path", req.Path)
	}
	return s.apology(r, req)
}

// observe counts a new decision.
func (s *Service) observe(d *recognize.Decision, took time.Duration) {
	s.Metrics.Recognitions.WithLabelValues(string(d.Trace.Rule)).Inc()
	s.Metrics.RecognizeTime.Observe(took.Seconds())
	if !s.Log.Enabled(context.Background(), slog.LevelDebug) {
		return
	}
	s.Log.Debug("decided who is calling", "call_sid", d.CallSID, "caller", d.Number, "rule", d.Trace.Rule, "micros", d.Trace.TookMicros)
}

// began is the event of a call that has begun. A failure to encode the trace loses the trace alone.
func began(d *recognize.Decision, ends parties) *ledger.Event {
	trace, _ := json.Marshal(d.Trace)
	e := &ledger.Event{OrgID: d.OrgID, SID: d.CallSID, Name: "voice", At: d.At, Kind: "call", Direction: ends.direction,
		From: ends.from(), To: ends.to(), Party: d.Number, AgentID: d.AgentID, ContactID: d.ContactID,
		Status: webhook.Bounded(ends.form.Text("CallStatus"), webhook.MaxWord), StartedAt: d.At, Untrusted: !d.Trusted, Recognition: trace}
	if !d.Blocked {
		e.Announce = agent.CallStarted(e, d.Caller)
	}
	return e
}

// connect renders the answer that hands the call to the agent, after the greeting.
func (s *Service) connect(to *org.Agent, callSID string, a action, call ends, greeting string) []byte {
	var d twilio.Document
	token := func(of *dialect) []twilio.Parameter {
		return []twilio.Parameter{{Name: tokenParameter, Value: s.token(of, to.OrgID, callSID, a, call)}}
	}
	if to.Transport == org.TransportDirect {
		return s.connectDirectly(to, a, greeting)
	}
	if to.Transport == org.TransportStream {
		if greeting != "" { // a stream says nothing by itself
			d.Say(greeting, to.Language, "")
		}
		d.ConnectStream(s.actionURL(a), twilio.Stream{URL: s.PublicURL.Socket(pathStream),
			StatusCallback: s.PublicURL.Webhook(pathStatus), Parameters: token(streamDialect)})
		d.Redirect(s.actionURL(a)) // the same, should Twilio go on after a stream instead of asking the action
		return d.Bytes()
	}
	d.Connect(s.actionURL(a), twilio.Relay{
		URL:             s.PublicURL.Socket(pathRelay),
		WelcomeGreeting: greeting,
		Attributes:      twilio.RelaySettings(to.RelaySettings).Attributes(to.Language),
		Parameters:      token(relayDialect),
	})
	return d.Bytes()
}

// connectDirectly hands the sound of a call to the agent's program past Ringside, which tells it who is calling on the
// events socket. Nothing personal goes into parameters.
func (s *Service) connectDirectly(to *org.Agent, a action, greeting string) []byte {
	var d twilio.Document
	if greeting != "" {
		d.Say(greeting, to.Language, "")
	}
	d.ConnectStream(s.actionURL(a), twilio.Stream{URL: to.RuntimeURL, StatusCallback: s.PublicURL.Webhook(pathStatus)})
	d.Redirect(s.actionURL(a))
	return d.Bytes()
}

// rejected refuses a call unanswered: nobody's time and no agent's is spent on it.
func rejected() []byte {
	var d twilio.Document
	d.Reject("")
	return d.Bytes()
}

func notInService() []byte {
	var d twilio.Document
	d.Say("The number you have called is not in service. Goodbye.", "en-US", "")
	d.Hangup()
	return d.Bytes()
}

// defaultApology is what a caller hears when the agent cannot be had and no other words are set.
const defaultApology = "Sorry, we cannot take your call right now. Please try again in a little while. Goodbye."

// apology is the answer when Ringside itself fails: something a person can hear (rule 20).
func (s *Service) apology(r *http.Request, req *webhook.Request) webhook.Reply {
	if route, forbidden := s.Line(r, req, partiesOf(req.Form).ours()); route != nil && !forbidden {
		return webhook.Reply{TwiML: sorry(route.Agent), Outcome: "apology"}
	}
	return webhook.Reply{TwiML: sorry(nil), Outcome: "apology"}
}

// sorry dials the agent's fallback number if there is one, else says so and hangs up.
func sorry(a *org.Agent) []byte {
	var d twilio.Document
	switch {
	case a != nil && a.FallbackNumber != "":
		d.Dial(twilio.Dial{Number: a.FallbackNumber.String()})
	case a != nil && a.Apology != "":
		d.Say(a.Apology, a.Language, "")
		d.Hangup()
	default:
		d.Say(defaultApology, "en-US", "")
		d.Hangup()
	}
	return d.Bytes()
}
