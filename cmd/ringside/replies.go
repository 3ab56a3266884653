package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"

	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/outgoing"
	"ringside/internal/phone"
	"ringside/internal/problem"
	"ringside/sms"
)

// replies sends what runtimes have to say to people: as the answer to Twilio's webhook while one waits
// for it, else as a message of its own.
type replies struct {
	sms    *sms.Service
	desk   *outgoing.Desk
	orgs   *org.Store
	memory sms.Memory
}

// SendSMS implements [agent.Messages].
func (r replies) SendSMS(ctx context.Context, m agent.SMS) (agent.SentSMS, error) {
	if m.InReplyTo != "" {
		if answered, err := r.answer(ctx, m); answered || err != nil {
			return agent.SentSMS{Status: "answered"}, err
		}
	}
	if _, channel := phone.CutChannel(m.To); channel != "" {
		return agent.SentSMS{}, problem.New("unavailable_here", "A message that came over another channel than SMS can be answered only while it comes in. Answer sooner, or go on without.")
	}
	o, err := r.orgs.Org(ctx, m.OrgID)
	if err != nil {
		return agent.SentSMS{}, err
	}
	item, err := r.desk.Message(ctx, o, outgoing.MessageRequest{To: m.To, From: m.From, Text: m.Text, InReplyTo: m.InReplyTo, Key: "tool:" + m.Key})
	if err != nil {
		return agent.SentSMS{}, err
	}
	return agent.SentSMS{SID: item.SID, Status: "queued"}, nil // with Twilio, or for it
}

// answer gives a reply to the webhook that waits for it. Asked again with the same key it has done so already.
func (r replies) answer(ctx context.Context, m agent.SMS) (answered bool, err error) {
	mark := "answered:" + string(m.OrgID) + ":" + m.Key
	sum := sha256.Sum256([]byte(m.InReplyTo + "\x00" + m.Text))
	this := hex.EncodeToString(sum[:16])
	switch held := r.memory.Marked(ctx, mark); held {
	case "":
	case this:
		return true, nil
	default:
		return false, problem.New(problem.CodeIdempotencyKeyReused, "Something else was answered under this key. Use another key for another message.")
	}
	to, _ := phone.CutChannel(m.To)
	if n, ok := phone.Strict(to); ok {
		if err := r.desk.Wanted(ctx, m.OrgID, n); err != nil {
			return false, err
		}
	}
	if !r.sms.Reply(m.OrgID, m.InReplyTo, m.Text) {
		return false, nil
	}
	r.memory.Mark(ctx, mark, this)
	return true, nil
}
