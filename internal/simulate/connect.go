package simulate

import (
	"context"
	"errors"
	"time"
)

// connect runs a <Connect> with a <ConversationRelay> or a <Stream>, then its action. Another noun is passed
// over, as is one that was refused if there is no action.
func (l *leg) connect(ctx context.Context, verb Element, base string) (over bool, then *next, err error) {
	if e, ok := verb.Child("Stream"); ok {
		return l.connectStream(ctx, verb, e, base)
	}
	e, ok := verb.Child("ConversationRelay")
	if !ok {
		l.tell(Event{Kind: KindSkipped, Text: "<Connect> without <ConversationRelay> or <Stream> is not simulated"})
		return false, nil, nil
	}
	end, err := l.relay(ctx, e)
	if err != nil {
		return false, nil, err
	}
	l.out.Sessions = append(l.out.Sessions, end)
	l.tell(Event{Kind: KindEnd, Text: describeEnd(end), Code: end.ErrorCode, Raw: compactJSON(end)})
	if end.Status == SessionCompleted {
		l.hangUp(l.call.party() + " hung up")
		over = true
	}
	if verb.Attr["action"] == "" {
		return over, nil, nil
	}
	then, err = l.request(verb.Attr["method"], verb.Attr["action"], base, l.call.relayActionForm(l.status, end))
	if err == nil && over {
		return true, nil, l.notify(ctx, *then) // no call is left for its TwiML
	}
	return over, then, err
}

// connectStream is connect with a <Stream>, of whose end the action is told nothing.
func (l *leg) connectStream(ctx context.Context, verb, e Element, base string) (over bool, then *next, err error) {
	end, err := l.stream(ctx, e)
	if err != nil {
		return false, nil, err
	}
	l.out.Streams = append(l.out.Streams, end)
	l.call.Digits = ""
	if end.Status == SessionCompleted {
		l.hangUp(l.call.party() + " hung up")
		over = true
	}
	if verb.Attr["action"] == "" {
		return over, nil, nil
	}
	then, err = l.request(verb.Attr["method"], verb.Attr["action"], base, l.call.form(l.status))
	if err == nil && over {
		return true, nil, l.notify(ctx, *then) // no call is left for its TwiML
	}
	return over, then, err
}

// relay holds one ConversationRelay session and returns how it ended.
func (l *leg) relay(ctx context.Context, e Element) (SessionEnd, error) {
	setup := Setup{AccountSID: l.call.AccountSID, CallSID: l.call.SID, From: l.call.From, To: l.call.To,
		ForwardedFrom: l.call.ForwardedFrom, CallerName: l.call.CallerName, Direction: l.call.direction()}.withDefaults()
	l.out.SessionIDs = append(l.out.SessionIDs, setup.SessionID)
	began := time.Now()
	failed := func(e *Error) (SessionEnd, error) {
		l.alert(e)
		return SessionEnd{SessionID: setup.SessionID, Status: SessionFailed, Duration: time.Since(began),
			ErrorCode: e.Code, ErrorMessage: e.Detail}, nil
	}

	to, err := l.twilio.resolve(l.call.voiceURL(l.twilio))
	if err != nil {
		return SessionEnd{}, err
	}
	// Twilio takes wss:// only; without TLS in front there is only ws://, and only at home.
	noun, warnings, refused := readRelayNoun(e, to.public.Scheme == "http")
	for _, w := range warnings {
		l.alert(w)
	}
	if refused != nil {
		return failed(refused)
	}
	setup.CustomParameters = noun.parameters
	session, err := l.twilio.openRelay(ctx, noun.url, setup, l.jar, l.story, nil)
	if ctx.Err() != nil {
		return SessionEnd{}, ctx.Err()
	}
	if err != nil {
		refused, ok := errors.AsType[*Error](err)
		if !ok {
			return SessionEnd{}, err
		}
		return failed(refused)
	}
	if noun.greeting != "" {
		l.hear(noun.greeting)
	}
	c := &conversation{twilio: l.twilio, session: session, noun: noun, tell: l.tell}
	err = l.converse(ctx, c)
	l.account(c)
	if err != nil {
		return SessionEnd{}, err
	}
	end, _ := session.End()
	if end.Status == SessionFailed {
		l.out.Alerts = append(l.out.Alerts, &Error{Code: end.ErrorCode, Detail: end.ErrorMessage})
	}
	return end, nil
}

func (l *leg) hear(greeting string) {
	if len(l.out.SessionIDs) == 1 {
		l.out.Greeting = greeting
	}
	l.out.Heard = append(l.out.Heard, greeting)
	l.tell(Event{Kind: KindGreeting, Text: greeting})
}

// converse plays the script from where the call has come to, hangs up when it is over, and returns
// when the session's connection is gone.
func (l *leg) converse(ctx context.Context, c *conversation) error {
	lost := false
	for l.played < len(l.call.Script) {
		if _, over := c.session.End(); over {
			break
		}
		err := l.call.Script[l.played].play(ctx, c)
		if lost = errors.Is(err, ErrSessionOver); lost {
			break // not begun: kept for the next session
		}
		l.played++
		if errors.Is(err, errHungUp) {
			break
		}
		if err != nil {
			c.session.Drop()
			return err
		}
	}
	if !lost {
		c.session.Hangup() // has no effect on a session that is over
	}
	<-c.session.Done()
	return ctx.Err()
}

// account adds what the session brought to the outcome.
func (l *leg) account(c *conversation) {
	replies := c.session.Replies()
	l.out.Replies = append(l.out.Replies, replies...)
	for _, r := range replies {
		if r.Text != "" {
			l.out.Heard = append(l.out.Heard, r.Text)
		}
	}
	l.out.Turns = append(l.out.Turns, c.turns...)
	l.out.Alerts = append(l.out.Alerts, c.session.Alerts()...)
}
