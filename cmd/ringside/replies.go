package main

import (
	"context"
	"strings"

	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/outgoing"
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
	answered := "answered:" + string(m.OrgID) + ":" + m.Key
	if m.InReplyTo != "" {
		if r.memory.Marked(ctx, answered) != "" {
			return agent.SentSMS{Status: "answered"}, nil
		}
		if r.sms.Reply(m.OrgID, m.InReplyTo, m.Text) {
			r.memory.Mark(ctx, answered, "1")
			return agent.SentSMS{Status: "answered"}, nil
		}
	}
	for _, channel := range []string{"whatsapp:", "rcs:"} {
		if strings.HasPrefix(m.To, channel) {
			return agent.SentSMS{}, problem.New("unavailable_here", "A message that came over another channel than SMS can be answered only while it comes in. Answer sooner, or go on without.")
		}
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
