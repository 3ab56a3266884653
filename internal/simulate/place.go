package simulate

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// maxDocuments bounds a call that is redirected for ever, where Twilio would go on for hours.
const maxDocuments = 50

// applicationError is what Twilio says when it has no TwiML to go on with.
const applicationError = "We are sorry. An application error has occurred. Goodbye."

var xmlDeclaration = regexp.MustCompile(`^\s*<\?xml[^>]*>`)

// leg is one call in progress.
type leg struct {
	twilio *Twilio
	call   Call
	out    *Outcome
	tell   func(Event)
	story  *narrator
	jar    http.CookieJar // Twilio keeps an application's cookies for the call

	status    string
	answered  time.Time // zero until the first answering verb
	documents int
	played    int // steps of the script
	fellBack  bool
	talked    time.Duration // on streams
	events    int           // status events sent, which numbers them
	held      []fetch       // requests that await no TwiML, in the order in which they happened
}

// next is a request for TwiML: what the call does after a verb with an action.
type next struct {
	method string
	target string // absolute, or a path
	form   url.Values
}

// Place makes the call and plays it to its end: the voice webhook, the TwiML that comes back and
// whatever it leads to, the <Connect action>, the status callback.
//
// The error is an [*Error] if the call was ended by a failure that nothing saved; the context's
// error if ctx ended, upon which the line is cut and nothing more is sent; anything else is a wrong
// setting, or TwiML without end. The Outcome holds all that happened; it is nil only if a setting
// kept the call from being made.
func (t *Twilio) Place(ctx context.Context, call Call) (*Outcome, error) {
	call, err := call.withDefaults(t.AccountSID)
	if err != nil {
		return nil, err
	}
	if _, err := t.resolve(call.voiceURL(t)); err != nil {
		return nil, err
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, fmt.Errorf("simulate: keep cookies: %w", err)
	}
	story := &narrator{began: time.Now(), callSID: call.SID, observe: t.Observe}
	l := &leg{twilio: t, call: call, out: &Outcome{CallSID: call.SID}, tell: story.tell, story: story, jar: jar, status: statusRinging}
	err = l.live(ctx)
	l.out.StepsLeft = len(call.Script) - l.played
	return l.out, err
}

// live takes the call from the first ring to the last status callback.
func (l *leg) live(ctx context.Context) error {
	l.tell(Event{Kind: KindCall, Text: first(l.call.From, "(no number)") + " calls " + l.call.To})
	for _, event := range []string{"initiated", "ringing"} {
		if err := l.report(ctx, event); err != nil {
			return err
		}
	}
	failure, err := l.talk(ctx)
	if err != nil {
		return err
	}
	if failure != nil {
		if err := l.pickUp(ctx); err != nil {
			return err
		}
		l.say(applicationError)
		l.hangUp("an application error ended the call")
	}
	l.out.Status, l.out.Answered = l.status, !l.answered.IsZero()
	if err := l.report(ctx, "completed"); err != nil {
		return err
	}
	if err := l.release(ctx); err != nil {
		return err
	}
	return failure
}

// talk is what happens between the first ring and the end, and how it failed.
func (l *leg) talk(ctx context.Context) (failure, err error) {
	if l.call.Placed != nil {
		return l.talkPlaced(ctx)
	}
	failure = l.follow(ctx, next{http.MethodPost, l.call.voiceURL(l.twilio), VoiceForm(l.call)})
	return failure, ctx.Err()
}

// follow asks for TwiML and acts on it until the call is over.
func (l *leg) follow(ctx context.Context, n next) error {
	for {
		if l.documents++; l.documents > maxDocuments {
			return fmt.Errorf("simulate: the call was given up after %d TwiML documents", maxDocuments)
		}
		document, base, err := l.obtain(ctx, n)
		if err != nil {
			return err
		}
		then, err := l.perform(ctx, document, base)
		if err != nil || then == nil {
			return err
		}
		n = *then
	}
}

// obtain asks for TwiML, if need be of the fallback URL, and returns the document with the URL that
// its relative URLs start from.
func (l *leg) obtain(ctx context.Context, n next) (Element, string, error) {
	w, err := l.ask(ctx, n)
	if err != nil {
		return Element{}, "", err
	}
	document, failure := l.read(w)
	if failure == nil {
		return document, w.url, nil
	}
	fallback := l.call.fallbackURL(l.twilio)
	if fallback == "" || l.fellBack {
		return Element{}, "", failure
	}
	l.fellBack = true
	form := l.call.form(l.status)
	form.Set("ErrorCode", strconv.Itoa(failure.Code))
	form.Set("ErrorUrl", first(failure.URL, n.target))
	if w, err = l.ask(ctx, next{http.MethodPost, fallback, form}); err != nil {
		return Element{}, "", err
	}
	if document, failure = l.read(w); failure != nil {
		return Element{}, "", failure
	}
	return document, w.url, nil
}

// ask sends one webhook and records it; the error is only ever the end of ctx or a setting.
func (l *leg) ask(ctx context.Context, n next) (Webhook, error) {
	return l.send(ctx, fetch{method: n.method, target: n.target, form: n.form, jar: l.jar})
}

func (l *leg) send(ctx context.Context, f fetch) (Webhook, error) {
	copies, err := l.twilio.deliver(ctx, f)
	l.out.Webhooks = append(l.out.Webhooks, copies...)
	if err != nil {
		return Webhook{}, err
	}
	w := counting(copies)
	for _, c := range copies {
		kind := KindWebhook
		switch {
		case c.Copy != w.Copy:
			kind = KindDelivery
		case c.Path == statusPath:
			kind = KindStatus
		}
		l.tell(Event{Kind: kind, Text: describeWebhook(f.method, c), Raw: f.form.Encode(), Status: c.Status, Took: c.Latency})
	}
	if w.Path == voicePath && l.out.VoiceLatency == 0 {
		l.out.VoiceLatency = w.Latency
	}
	return w, nil
}

// read takes the answer as TwiML.
func (l *leg) read(w Webhook) (Element, *Error) {
	if w.Err != nil {
		failure, ok := errors.AsType[*Error](w.Err)
		if !ok {
			failure = &Error{Code: CodeHTTPRetrieval, URL: w.url, Detail: "could not be asked", Err: w.Err}
		}
		l.alert(failure)
		return Element{}, failure
	}
	document, failure := instructions(w)
	if failure != nil {
		l.alert(failure)
		return Element{}, failure
	}
	l.tell(Event{Kind: KindTwiML, Text: oneLine(xmlDeclaration.ReplaceAllString(string(w.Body), ""), 400), Raw: string(w.Body)})
	return document, nil
}

func (l *leg) alert(e *Error) {
	l.out.Alerts = append(l.out.Alerts, e)
	l.tell(Event{Kind: KindAlert, Text: e.Error(), Code: e.Code, Status: e.Status})
}

func (l *leg) say(text string) {
	l.out.Spoken = append(l.out.Spoken, text)
	l.out.Heard = append(l.out.Heard, text)
	l.tell(Event{Kind: KindSay, Text: text})
}

// pickUp answers the call, at the first verb that needs an answered call.
func (l *leg) pickUp(ctx context.Context) error {
	if !l.answered.IsZero() {
		return nil
	}
	l.answered = time.Now()
	l.becomes(statusInProgress)
	return l.report(ctx, "answered")
}

// hangUp ends the call with the status that it has earned.
func (l *leg) hangUp(how string) {
	if l.answered.IsZero() {
		l.becomes(statusNoAnswer)
	} else {
		l.becomes(statusCompleted)
	}
	l.tell(Event{Kind: KindHangup, Text: how})
}

// report sends the status callback of an event, if the call has subscribed to it.
func (l *leg) report(ctx context.Context, event string) error {
	target := l.call.statusURL(l.twilio)
	if target == "" || !slices.Contains(l.call.StatusEvents, event) {
		return nil
	}
	status, now := statusOfEvent[event], time.Now()
	var talked *time.Duration
	if event == "completed" {
		status, talked = l.status, new(time.Duration)
		if !l.answered.IsZero() {
			*talked = now.Sub(l.answered)
		}
	}
	form := l.call.statusForm(status, l.events, now, talked)
	l.events++
	return l.notify(ctx, next{http.MethodPost, target, form})
}

// notify sends a request whose answer is of no use, or holds it back for [Delivery.Reorder].
func (l *leg) notify(ctx context.Context, n next) error {
	f := fetch{method: n.method, target: n.target, form: n.form, jar: l.jar}
	if l.twilio.Delivery.Reorder != nil {
		l.held = append(l.held, f)
		return nil
	}
	return l.sendNotice(ctx, f)
}

func (l *leg) sendNotice(ctx context.Context, f fetch) error {
	w, err := l.send(ctx, f)
	if err != nil {
		return err
	}
	if failure, ok := errors.AsType[*Error](w.Err); ok {
		l.alert(failure)
	} else if failure := (&Response{Status: w.Status, URL: w.url}).usable(); w.Err == nil && failure != nil {
		l.alert(failure)
	}
	return nil
}

// release sends what was held back, in the order that Delivery asks for.
func (l *leg) release(ctx context.Context) error {
	order, err := l.twilio.Delivery.order(len(l.held))
	if err != nil {
		return err
	}
	for _, i := range order {
		if err := l.sendNotice(ctx, l.held[i]); err != nil {
			return err
		}
	}
	return nil
}
