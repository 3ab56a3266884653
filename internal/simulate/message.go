package simulate

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// The messaging webhooks of a phone number that is set up for Ringside.
const (
	smsPath       = "/twilio/sms"
	smsStatusPath = "/twilio/sms/status"
)

// Text is a message that somebody sends to one of the account's numbers. From, To and Body are what
// a person decides; the rest has defaults.
type Text struct {
	SID        string // made up if empty
	AccountSID string
	From       string // "+1…", "whatsapp:+1…", a short code or a name
	To         string
	Body       string
	Media      []string // addresses of pictures that come along
	OptOutType string   // STOP, START or HELP, from a service with words of its own
}

// Receipt is what became of a message.
type Receipt struct {
	MessageSID string        `json:"message_sid"`
	Status     int           `json:"status"` // of the answer
	Latency    time.Duration `json:"latency_ns"`
	// Replies are the messages that the sender gets back in the answer.
	Replies []SentReply `json:"replies,omitempty"`
	Alerts  []*Error    `json:"alerts,omitempty"`
}

// SentReply is a message that the account sends back.
type SentReply struct {
	SID  string `json:"sid"`
	Text string `json:"text"`
}

// MessageForm is the body of the webhook of a message (Twilio: Messaging webhooks).
func MessageForm(m Text) url.Values {
	form := url.Values{"MessageSid": {m.SID}, "SmsMessageSid": {m.SID}, "SmsSid": {m.SID}, "AccountSid": {m.AccountSID}, "ApiVersion": {"2010-04-01"},
		"From": {m.From}, "To": {m.To}, "Body": {m.Body}, "SmsStatus": {"received"}, "NumSegments": {"1"}, "NumMedia": {strconv.Itoa(len(m.Media))}}
	for i, address := range m.Media {
		form.Set("MediaUrl"+strconv.Itoa(i), address)
		form.Set("MediaContentType"+strconv.Itoa(i), "image/jpeg")
	}
	if m.OptOutType != "" {
		form.Set("OptOutType", m.OptOutType)
	}
	if number, ok := strings.CutPrefix(m.From, "whatsapp:+"); ok {
		form.Set("WaId", number)
	}
	return form
}

// Send delivers a message to the sidecar and plays what it answers: each <Message> becomes one that is
// sent, and delivered, with the status callbacks that it asks for.
//
// The error is an [*Error] if the sidecar's answer could not be used, or ctx's.
func (t *Twilio) Send(ctx context.Context, m Text) (*Receipt, error) {
	m.SID, m.AccountSID = first(m.SID, NewSID("SM")), first(m.AccountSID, t.AccountSID, NewSID("AC"))
	story := &narrator{began: time.Now(), callSID: m.SID, observe: t.Observe}
	receipt := &Receipt{MessageSID: m.SID}
	story.tell(Event{Kind: KindText, Text: first(m.From, "(no number)") + " writes to " + m.To})
	story.tell(Event{Kind: KindWritten, Text: m.Body})
	form := MessageForm(m)
	answer, err := t.Post(ctx, t.webhookURL(smsPath), form)
	if err != nil {
		return receipt, err
	}
	receipt.Status, receipt.Latency = answer.Status, answer.Latency
	story.tell(Event{Kind: KindWebhook, Text: "POST " + smsPath, Raw: form.Encode(), Status: answer.Status, Took: answer.Latency})
	document, failure := instructions(Webhook{Status: answer.Status, Body: answer.Body, header: answer.Header, url: answer.URL})
	if failure != nil {
		story.tell(Event{Kind: KindAlert, Text: failure.Error(), Code: failure.Code, Status: failure.Status})
		receipt.Alerts = append(receipt.Alerts, failure)
		return receipt, failure
	}
	for _, verb := range document.Children {
		if verb.Name != "Message" {
			story.tell(Event{Kind: KindSkipped, Text: "<" + verb.Name + ">"})
			continue
		}
		reply := SentReply{SID: NewSID("SM"), Text: verb.said()}
		receipt.Replies = append(receipt.Replies, reply)
		story.tell(Event{Kind: KindAnswered, Text: reply.Text})
		if err := t.deliverReply(ctx, story, receipt, m, reply, verb.Attr["statusCallback"]); err != nil {
			return receipt, err
		}
	}
	return receipt, nil
}

// said is what a <Message> says, in itself or in its <Body>.
func (e Element) said() string {
	if body, ok := e.Child("Body"); ok {
		return body.Text
	}
	return e.Text
}

// deliverReply tells how a reply is sent and delivered.
func (t *Twilio) deliverReply(ctx context.Context, story *narrator, receipt *Receipt, m Text, reply SentReply, status string) error {
	if status == "" {
		return nil
	}
	for _, state := range []string{"sent", "delivered"} {
		form := url.Values{"MessageSid": {reply.SID}, "SmsSid": {reply.SID}, "AccountSid": {m.AccountSID}, "ApiVersion": {"2010-04-01"},
			"From": {m.To}, "To": {m.From}, "MessageStatus": {state}, "SmsStatus": {state}}
		answer, err := t.Post(ctx, status, form)
		if err != nil {
			return err
		}
		story.tell(Event{Kind: KindStatus, Text: "POST " + smsStatusPath, Raw: form.Encode(), Status: answer.Status, Took: answer.Latency})
		if failure := answer.usable(); failure != nil {
			receipt.Alerts = append(receipt.Alerts, failure)
			story.tell(Event{Kind: KindAlert, Text: failure.Error(), Code: failure.Code, Status: failure.Status})
		}
	}
	return nil
}

// Refused reports whether the sidecar did not believe that a request was signed.
func Refused(err error) bool {
	refused, ok := errors.AsType[*Error](err)
	return ok && refused.Status == http.StatusForbidden
}
