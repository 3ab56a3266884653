package sms

import (
	"context"
	"net/http"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/webhook"
)

// codeOptedOut is Twilio's error for a message to somebody who wants none (Twilio: error 21610).
const codeOptedOut = "21610"

// status takes Twilio's word on a message that was sent. It is acknowledged once it is durable; states
// only rise, in whatever order they come ([ledger.Rank]).
func (s *Service) status(r *http.Request, req *webhook.Request) webhook.Reply {
	form, sid := req.Form, messageSID(req.Form)
	if !webhook.UsableSID(sid) {
		return webhook.Reply{Status: http.StatusBadRequest, Outcome: "unreadable"}
	}
	from, _ := phone.CutChannel(form.Get("From"))
	route, forbidden := s.Line(r, req, from)
	if forbidden {
		return s.Refuse(r, form, "foreign_account")
	}
	state := form.Text("MessageStatus")
	if state == "" {
		state = form.Text("SmsStatus")
	}
	e := &ledger.Event{OrgID: req.Account.OrgID, SID: sid, At: req.Arrived, Kind: "message", Direction: "outbound",
		From: webhook.Bounded(form.Text("From"), webhook.MaxAddress), To: webhook.Bounded(form.Text("To"), webhook.MaxAddress),
		Status: webhook.Bounded(state, webhook.MaxWord), StartedAt: req.Arrived,
		Detail: webhook.Details(form, "ErrorCode", "ErrorMessage", "RawDlrDoneDate", "ChannelStatusMessage", "EventType", "MessagingServiceSid")}
	e.Name = "status:" + e.Status
	if to := sender(form.Get("To")); to.Class == phone.ClassNumber && !s.own(e.OrgID, to) {
		e.Party = to.Number
	}
	if route != nil {
		e.AgentID = route.Agent.ID
	}
	if form.Get("ErrorCode") == codeOptedOut {
		e.Consent = ledger.OptOut
	}
	e.Text = s.textOf(r, e)
	if _, err := s.record(r.Context(), e); err != nil {
		return s.notKept(err, sid)
	}
	return webhook.Reply{Status: http.StatusNoContent, Outcome: "recorded"}
}

// textWithin is how long it may take to find what a message says. Its states are kept without.
const textWithin = 300 * time.Millisecond

// textOf is what a message says whose state is told, as far as the address of the callback names it.
func (s *Service) textOf(r *http.Request, e *ledger.Event) string {
	itemID := r.URL.Query().Get(outgoing.QueryID)
	if itemID == "" {
		return s.replyText(r.Context(), e, repliedTo(r))
	}
	ctx, cancel := context.WithTimeout(r.Context(), textWithin)
	defer cancel()
	item, err := s.Outgoing.Bind(ctx, e.OrgID, itemID, e.SID)
	if err != nil {
		if s.Due("sent message") {
			s.Log.Warn("it could not be looked up what a message says; its next state brings it", "message_sid", e.SID, "error", err)
		}
		return ""
	}
	return item.Text
}

// replyText is what a reply says that went out as the answer to a webhook. A ledger that cannot be
// asked in time leaves it to the next state: there is always another.
func (s *Service) replyText(ctx context.Context, e *ledger.Event, sid string) string {
	if sid == "" {
		return ""
	}
	if text := s.Memory.Marked(ctx, textMark(e.OrgID, sid)); text != "" {
		return text
	}
	ctx, cancel := context.WithTimeout(ctx, textWithin)
	defer cancel()
	text, err := s.Ledger.Reply(ctx, e.OrgID, sid)
	if err != nil && s.Due("reply") {
		s.Log.Warn("what a message was answered could not be read; its next state brings it", "message_sid", e.SID, "error", err)
	}
	return text
}
