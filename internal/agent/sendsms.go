package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/internal/problem"
)

// Messages sends messages to people.
type Messages interface {
	// SendSMS sends one. Asked again with the same key, it sends nothing and returns what it did the
	// first time. An error that is a problem is told to the runtime, with its code.
	SendSMS(ctx context.Context, m SMS) (SentSMS, error)
}

// SMS is a message that a runtime asks to be sent.
type SMS struct {
	OrgID   org.ID
	AgentID string
	// InReplyTo is the Sid of the inbound message that it answers, or "".
	InReplyTo string
	// From is one of the organisation's addresses: the one at which the other party was in touch. To is
	// theirs, as Twilio named it ("whatsapp:+1…"), or a number.
	From, To string
	Text     string
	Key      string // unique within the organisation
}

// SentSMS is a message on its way.
type SentSMS struct {
	SID    string // Twilio's; "" of one that goes as the answer to Twilio's webhook
	Status string
}

const (
	// sendBudget bounds how long a runtime waits until a message is on its way.
	sendBudget = 12 * time.Second
	// maxSMS is what one message may say, in characters (Twilio: messages.create, Body).
	maxSMS = 1600
	maxKey = 200
)

// sendSMS sends a message to the other party of a call or message, or to whom they named.
func (t *Tools) sendSMS(ctx context.Context, call *Call, m Message) (outcome, error) {
	text := strings.TrimSpace(strings.ReplaceAll(m.Text, "\x00", ""))
	sms := SMS{OrgID: call.Org.ID, AgentID: call.AgentID, From: call.To, To: call.From, Text: text, Key: m.Key}
	if call.Direction == "outbound" {
		sms.From, sms.To = call.From, call.To
	}
	if n, err := phone.Parse(m.To, call.Org.Country); err == nil && n == call.Party {
		m.To = "" // it is no other number: what holds for the caller's holds
	}
	switch {
	case text == "":
		return refused("nothing_to_send", "The message is empty: send what it says as \"text\"."), nil
	case utf8.RuneCountInString(text) > maxSMS:
		return refused("too_long", "The message has %d characters, and %d at most can be sent. Shorten it, or send several.", utf8.RuneCountInString(text), maxSMS), nil
	case len(m.Key) > maxKey:
		return refused("invalid", "The message cannot be used: \"key\" has more than %d bytes.", maxKey), nil
	case m.To != "":
		n, err := phone.Parse(m.To, call.Org.Country)
		if err != nil {
			return refused("invalid_phone", "%v Nothing was sent; ask for the number again.", err), nil
		}
		sms.From, _ = phone.CutChannel(sms.From)
		sms.To = string(n)
	case !call.Trusted:
		return refused("unverified", "The caller's number could not be verified, so nothing is sent to it."), nil
	case call.kind() == "message" && call.Direction == "inbound":
		sms.InReplyTo = call.SID
	case call.Party == "":
		return refused("no_number", "The caller has no number that a message could be sent to."), nil
	}
	if sms.Key == "" { // saying the same thing twice is one message
		sum := sha256.Sum256([]byte(call.SID + "\x00" + sms.To + "\x00" + text))
		sms.Key = "text:" + hex.EncodeToString(sum[:16])
	}
	if t.Messages == nil {
		return refused("unavailable_here", "No messages can be sent from here. Go on without."), nil
	}
	sent, err := t.Messages.SendSMS(ctx, sms)
	if p, ok := errors.AsType[*problem.Error](err); ok {
		return refused(string(p.Code), "%s", p.Error()), nil
	}
	if err != nil {
		return outcome{}, err
	}
	r := outcome{MessageSID: sent.SID, Status: sent.Status}
	r.OK, r.Message = true, "The message is on its way."
	return r, nil
}
