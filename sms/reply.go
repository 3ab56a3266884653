package sms

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/twilio"
	"ringside/internal/webhook"
)

// replies are the messages whose webhooks wait for what a runtime answers.
type replies struct {
	mu      sync.Mutex
	waiting map[string]*waiting
}

// waiting is one message that may be answered.
type waiting struct {
	replies  *replies
	key      string
	webhooks int           // of this message that wait: Twilio may send it several times at once
	answered chan struct{} // closed when text is set
	text     string
}

// key names a message over all organisations.
func key(id org.ID, sid string) string { return string(id) + ":" + sid }

// expect begins to wait for an answer. It comes before the message is written, since a runtime may
// answer before the writer returns.
func (s *Service) expect(m *incoming) *waiting {
	l := &s.replies
	l.mu.Lock()
	defer l.mu.Unlock()
	k := key(m.req.Account.OrgID, m.sid)
	w := l.waiting[k]
	if w == nil {
		w = &waiting{replies: l, key: k, answered: make(chan struct{})}
		l.waiting[k] = w
	}
	w.webhooks++
	return w
}

// leave ends one webhook's wait.
func (w *waiting) leave() {
	w.replies.mu.Lock()
	defer w.replies.mu.Unlock()
	if w.webhooks--; w.webhooks == 0 && w.replies.waiting[w.key] == w {
		delete(w.replies.waiting, w.key)
	}
}

// Reply hands a runtime's answer to the webhook that waits for it, and reports whether one does. The
// first answer is the webhook's; whatever comes later has to be sent as a message of its own.
func (s *Service) Reply(id org.ID, sid, text string) (taken bool) {
	l := &s.replies
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.waiting[key(id, sid)]
	if w == nil {
		return false
	}
	select {
	case <-w.answered:
		return false
	default:
	}
	w.text = text
	close(w.answered) // it stays for the other webhooks of this message, of which any may be the first to ask
	return true
}

// answer is what Twilio sends to whoever wrote. The same message always gets the same answer, over all
// sidecars: the first webhook of it waits for the runtime and leaves word of what it heard.
func (s *Service) answer(ctx context.Context, m *incoming, w *waiting) webhook.Reply {
	id := m.req.Account.OrgID
	mark := "sms:" + key(id, m.sid)
	switch {
	case m.keyword != ordinary:
		return webhook.Reply{TwiML: empty(), Outcome: "keyword"}
	case !m.forRuntime():
		return webhook.Reply{TwiML: empty(), Outcome: "kept"}
	case !s.Memory.Once(ctx, mark+":first"):
		return s.answerAgain(ctx, m, w, mark)
	case !s.Runtimes.Listening(id, m.decision.AgentID):
		s.Memory.Mark(ctx, mark, noAnswer)
		return webhook.Reply{TwiML: empty(), Outcome: "no_runtime"}
	}
	ctx, cancel := s.patience(ctx, m)
	defer cancel()
	select {
	case <-w.answered:
	case <-ctx.Done():
		if !s.giveUp(w, true) { // it came in this very moment
			s.Memory.Mark(context.WithoutCancel(ctx), mark, noAnswer)
			return webhook.Reply{TwiML: empty(), Outcome: "no_answer"}
		}
	}
	return webhook.Reply{TwiML: s.answered(ctx, m, w, mark), Outcome: "answered"}
}

// answered is what a runtime has answered, which is kept and remembered.
func (s *Service) answered(ctx context.Context, m *incoming, w *waiting, mark string) (twiml []byte) {
	ctx = context.WithoutCancel(ctx)
	s.keepReply(m, w.text)
	s.Memory.Mark(ctx, textMark(m.req.Account.OrgID, m.sid), w.text)
	twiml = s.message(m.sid, w.text)
	s.Memory.Mark(ctx, mark, string(twiml))
	return twiml
}

// answerWithin is the most that a webhook may take: Twilio waits 15 s.
const answerWithin = 14 * time.Second

// patience is how long a webhook waits for what a runtime answers. What comes later is sent over REST.
func (s *Service) patience(ctx context.Context, m *incoming) (context.Context, context.CancelFunc) {
	if m.req.Hurried || m.unheard {
		return context.WithTimeout(ctx, 0)
	}
	return context.WithTimeout(ctx, min(s.ReplyBudget, answerWithin-time.Since(m.req.Arrived)))
}

// giveUp takes no answer any more, and reports whether there is one after all. Only the first webhook gives up for others
// that wait here.
func (s *Service) giveUp(w *waiting, first bool) (answered bool) {
	s.replies.mu.Lock()
	defer s.replies.mu.Unlock()
	if (first || w.webhooks == 1) && s.replies.waiting[w.key] == w {
		delete(s.replies.waiting, w.key)
	}
	select {
	case <-w.answered:
		return true
	default:
		return false
	}
}

// textMark is where it is remembered what a message was answered.
func textMark(id org.ID, sid string) string { return "sms:" + key(id, sid) + ":text" }

// noAnswer marks a message that was answered with nothing.
const noAnswer = "-"

// repeatEvery is how often a repeated webhook looks for what the first one was answered.
const repeatEvery = 25 * time.Millisecond

// answerAgain answers a webhook whose message another one is, or was, answered for. That one may be with another sidecar,
// and the runtime with this one.
func (s *Service) answerAgain(ctx context.Context, m *incoming, w *waiting, mark string) webhook.Reply {
	ctx, cancel := s.patience(ctx, m)
	defer cancel()
	for {
		switch held := s.Memory.Marked(ctx, mark); held {
		case noAnswer:
			return webhook.Reply{TwiML: empty(), Outcome: "repeated"}
		case "":
		default:
			return webhook.Reply{TwiML: []byte(held), Outcome: "repeated"}
		}
		select {
		case <-w.answered:
			return webhook.Reply{TwiML: s.answered(ctx, m, w, mark), Outcome: "repeated"}
		case <-time.After(repeatEvery):
		case <-ctx.Done():
			if s.giveUp(w, false) { // it came in this very moment
				return webhook.Reply{TwiML: s.answered(ctx, m, w, mark), Outcome: "repeated"}
			}
			return webhook.Reply{TwiML: empty(), Outcome: "repeated"}
		}
	}
}

// queryReply names, in the address of a reply's status callback, the message that it answers: it is
// how the reply is known again, which has no Sid before Twilio makes it one.
const queryReply = "reply"

// message renders a reply.
func (s *Service) message(sid, text string) []byte {
	var d twilio.Document
	d.Message(text, s.PublicURL.Webhook(pathStatus)+"?"+queryReply+"="+url.QueryEscape(sid))
	return d.Bytes()
}

// repliedTo is the message that a status callback's reply answers, or "".
func repliedTo(r *http.Request) string {
	sid := r.URL.Query().Get(queryReply)
	if !webhook.UsableSID(sid) {
		return ""
	}
	return sid
}

// keepReply keeps what was answered with the message, until the reply's own row has it.
func (s *Service) keepReply(m *incoming, text string) {
	detail, _ := json.Marshal(map[string]string{"reply": text}) // strings always marshal
	e := s.event(m)
	s.Recorder.Later(&ledger.Event{OrgID: e.OrgID, SID: e.SID, Name: ledger.EventReply, At: time.Now(), Kind: e.Kind, Direction: e.Direction,
		From: e.From, To: e.To, Party: e.Party, Status: e.Status, StartedAt: e.StartedAt, EndedAt: e.EndedAt, Detail: detail})
}

func empty() []byte {
	var d twilio.Document
	return d.Bytes()
}
