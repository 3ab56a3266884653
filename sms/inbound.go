package sms

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"ringside/internal/agent"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
	"ringside/recognize"
)

// incoming is a message on its way in.
type incoming struct {
	req      *webhook.Request
	sid      string
	route    *org.Route // nil: the number leads to no voice agent
	sender   phone.Address
	keyword  keyword
	decision *recognize.Decision // nil without a route
	unheard  bool                // no runtime hears of it before Postgres is back
	returns  bool                // it brings somebody back who may have opted out
}

// inbound takes a message. It is acknowledged once it is durable (rule 14); what a runtime answers in
// time is in the answer.
func (s *Service) inbound(r *http.Request, req *webhook.Request) webhook.Reply {
	m, refused := s.read(r, req)
	if m == nil {
		return refused
	}
	if m.keyword == maybe {
		s.consider(r.Context(), m)
	}
	s.recognise(r.Context(), m)
	wait := s.expect(m)
	defer wait.leave()
	written, err := s.record(r.Context(), s.event(m))
	if err != nil {
		return s.notKept(err, m.sid)
	}
	m.unheard = !written
	return s.answer(r.Context(), m, wait)
}

// read reads a message, or answers a request that is none.
func (s *Service) read(r *http.Request, req *webhook.Request) (m *incoming, refused webhook.Reply) {
	m = &incoming{req: req, sid: messageSID(req.Form), sender: sender(req.Form.Get("From")), keyword: keywordOf(req.Form)}
	if !webhook.UsableSID(m.sid) {
		return nil, webhook.Reply{Status: http.StatusBadRequest, Outcome: "unreadable"}
	}
	to, _ := phone.CutChannel(req.Form.Get("To"))
	var forbidden bool
	if m.route, forbidden = s.Line(r, req, to); forbidden {
		return nil, s.Refuse(r, req.Form, "foreign_account")
	}
	if m.route == nil && s.Due("not in service "+req.Form.Get("To")) {
		s.Log.Warn("a message came for a number that leads to no voice agent; it is kept", "to", phone.Classify(req.Form.Get("To")), "account_sid", req.Account.SID)
	}
	return m, webhook.Reply{}
}

// messageSID is the message's name; the older parameters have the same value.
func messageSID(form *twilio.Form) string {
	for _, name := range []string{"MessageSid", "SmsMessageSid", "SmsSid"} {
		if sid := form.Text(name); sid != "" {
			return sid
		}
	}
	return ""
}

// sender classifies who wrote. An RCS user shows a number or none, as on WhatsApp.
func sender(from string) phone.Address {
	a := phone.Classify(from)
	rest, _ := phone.CutChannel(from)
	if n := phone.Classify(rest); n.Class == phone.ClassNumber {
		a.Class, a.Number = n.Class, n.Number
	}
	return a
}

// considerWithin bounds what a "yes" waits for the ledger before it is kept.
const considerWithin = time.Second

// consider finds out whether a "yes" brings somebody back who has asked for no more messages. Of everybody else it is a
// word like any other. Where the ledger cannot be asked it is both: what it says may be the answer to a question.
func (s *Service) consider(ctx context.Context, m *incoming) {
	ctx, cancel := context.WithTimeout(ctx, min(s.WriteBudget, considerWithin))
	defer cancel()
	at, err := s.Ledger.OptedOut(ctx, m.req.Account.OrgID, m.sender.Number)
	m.returns = at != nil || err != nil
	if at == nil {
		m.keyword = ordinary
	}
}

// recognise finds who wrote. A message has no attestation to be judged by: a voice agent's threshold
// is for calls.
func (s *Service) recognise(ctx context.Context, m *incoming) {
	if m.route == nil {
		return
	}
	judged := true
	m.decision = s.Recognizer.Decide(ctx, recognize.Call{SID: m.sid, Org: m.route.Org, Agent: m.route.Agent, Party: m.sender,
		Own: s.own(m.req.Account.OrgID, m.sender), Judged: &judged, At: m.req.Arrived, Hurried: m.req.Hurried})
	m.decision.Greeting, m.decision.Caller.GreetedByName, m.decision.Trace.GreetedByName = "", false, false // nobody is greeted
	s.Metrics.Recognitions.WithLabelValues(string(m.decision.Trace.Rule)).Inc()
}

func (s *Service) own(id org.ID, a phone.Address) bool {
	return a.Class == phone.ClassNumber && s.Lines.Owns(id, a.Number)
}

// forRuntime reports whether the message is for the agent's runtime: keywords are between the sender
// and Twilio, and nobody hears from whoever is blocked.
func (m *incoming) forRuntime() bool {
	return m.decision != nil && m.keyword == ordinary && !m.decision.Blocked
}

// event is the message as the ledger keeps it. It may wait for Postgres: its texts are copies, since
// those of a form share the memory of all of it, three times what a message says in emoji.
func (s *Service) event(m *incoming) *ledger.Event {
	form, at := m.req.Form, m.req.Arrived
	e := &ledger.Event{OrgID: m.req.Account.OrgID, SID: strings.Clone(m.sid), Name: "sms", At: at, Kind: "message", Direction: "inbound",
		From: strings.Clone(webhook.Bounded(form.Text("From"), webhook.MaxAddress)), To: strings.Clone(webhook.Bounded(form.Text("To"), webhook.MaxAddress)),
		Status: "received", StartedAt: at, EndedAt: at, Text: strings.Clone(said(form.Get("Body"))), Media: media(form), Consent: m.keyword.consent(),
		Detail: webhook.Details(form, kept...)}
	if m.returns {
		e.Consent = ledger.OptIn
	}
	if m.sender.Class == phone.ClassNumber && !s.own(e.OrgID, m.sender) {
		e.Party = phone.Number(strings.Clone(string(m.sender.Number)))
	}
	if d := m.decision; d != nil {
		trace, _ := json.Marshal(d.Trace) // a failure loses the trace alone
		e.AgentID, e.ContactID, e.Recognition = d.AgentID, d.ContactID, trace
	}
	if m.forRuntime() {
		e.Announce = agent.SMSReceived(e, m.decision.Caller)
	}
	return e
}

// kept are the parameters that no field holds.
var kept = []string{"NumSegments", "MessagingServiceSid", "OptOutType", "ProfileName", "WaId", "ExternalUserId", "MessageType",
	"ButtonText", "ButtonPayload", "ButtonType", "Latitude", "Longitude", "Address", "Label", "Forwarded", "FrequentlyForwarded",
	"OriginalRepliedMessageSid", "ReferralBody", "ReferralHeadline", "ReferralSourceId", "ReferralSourceType", "ReferralSourceUrl", "ReferralCtwaClid"}

// maxSaid bounds what is kept of a message that says more than any network carries, in characters.
const maxSaid = 10_000

// said is what a message says, fit to be kept: line breaks and emoji stay, other control characters do not.
func said(body string) string {
	body = strings.Map(func(r rune) rune { // which makes U+FFFD of invalid bytes
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, body)
	if runes := []rune(body); len(runes) > maxSaid {
		return string(runes[:maxSaid])
	}
	return body
}

// Bounds of what is kept of a message's files. Twilio sends up to ten.
const (
	maxMedia    = 10
	maxMediaURL = 2000
)

// media are the files that came along, by their addresses at Twilio, which may ask for the account's
// credentials. What has no type is kept as unknown data (RFC 2046, 4.5.1).
func media(form *twilio.Form) (files []ledger.Media) {
	most, _ := strconv.Atoi(form.Get("NumMedia")) // no number: none
	for i := range min(most, maxMedia) {
		n := strconv.Itoa(i)
		address := form.Text("MediaUrl" + n)
		if address == "" || len(address) > maxMediaURL {
			continue
		}
		kind := webhook.Bounded(form.Text("MediaContentType"+n), 200)
		if kind == "" {
			kind = "application/octet-stream"
		}
		files = append(files, ledger.Media{URL: strings.Clone(webhook.Bounded(address, maxMediaURL)), Type: strings.Clone(kind)})
	}
	return files
}

// record makes an event durable, within the write budget.
func (s *Service) record(ctx context.Context, e *ledger.Event) (written bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.WriteBudget)
	defer cancel()
	began := time.Now()
	written, err = s.Recorder.Keep(ctx, e)
	s.Metrics.WriteSeconds.WithLabelValues(e.Kind).Observe(time.Since(began).Seconds())
	return written, err
}

func (s *Service) notKept(err error, sid string) webhook.Reply {
	if s.Due("not durable") {
		s.Log.Error("messages cannot be made durable and are not acknowledged", "message_sid", sid, "error", err)
	}
	return webhook.Unavailable(nil, nil)
}
