package simulate

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// unsimulated are verbs that Twilio has and this simulator passes over.
var unsimulated = []string{"Gather", "Record", "Enqueue", "Leave", "Start", "Stop", "Pay", "Prompt", "Refer", "Sms", "Queue"}

// perform runs a document's verbs in order. It returns the request to go on with, or nil when the
// call is over, which it also is when the verbs have run out.
func (l *leg) perform(ctx context.Context, document Element, base string) (*next, error) {
	for i, verb := range document.Children {
		over, then, err := l.act(ctx, verb, base, i == 0)
		if err != nil || over || then != nil {
			return then, err
		}
	}
	if err := l.pickUp(ctx); err != nil { // an empty document answers, then hangs up
		return nil, err
	}
	l.hangUp("the TwiML is at its end")
	return nil, nil
}

// answering are the verbs that need an answered call.
var answering = []string{"Say", "Play", "Hangup", "Reject", "Dial", "Connect"}

// act runs one verb; over tells that it has ended the call.
func (l *leg) act(ctx context.Context, verb Element, base string, isFirst bool) (over bool, then *next, err error) {
	if verb.Name == "Reject" && isFirst && l.answered.IsZero() {
		l.reject(verb)
		return true, nil, nil
	}
	if slices.Contains(answering, verb.Name) {
		if err := l.pickUp(ctx); err != nil {
			return false, nil, err
		}
	}
	switch verb.Name {
	case "Pause": // as the first verb it delays the answer
		err = l.pause(ctx, verb)
	case "Redirect":
		l.tell(Event{Kind: KindRedirect, Text: verb.Text})
		then, err = l.request(verb.Attr["method"], verb.Text, base, l.call.form(l.status))
	case "Say":
		l.say(spokenText(verb))
	case "Play":
		played := first(verb.Text, verb.Attr["digits"])
		l.out.Played = append(l.out.Played, played)
		l.tell(Event{Kind: KindPlay, Text: played})
	case "Hangup", "Reject":
		l.hangUp("<" + verb.Name + ">")
		over = true
	case "Dial":
		then, err = l.dial(verb, base)
	case "Connect":
		over, then, err = l.connect(ctx, verb, base)
	default:
		l.skip(verb.Name)
	}
	return over, then, err
}

// skip passes over a verb: one that Twilio has, or else with an alert.
func (l *leg) skip(name string) {
	if slices.Contains(unsimulated, name) {
		l.tell(Event{Kind: KindSkipped, Text: "<" + name + "> is not simulated"})
		return
	}
	l.alert(&Error{Code: CodeTwiMLSchema, Detail: "TwiML has no <" + name + "> here"})
}

func (l *leg) pause(ctx context.Context, verb Element) error {
	seconds, err := strconv.Atoi(first(verb.Attr["length"], "1"))
	if err != nil || seconds < 0 {
		l.alert(&Error{Code: CodeTwiMLSchema, Detail: "<Pause length> must be a whole number of seconds"})
		seconds = 1
	}
	length := time.Duration(seconds) * time.Second
	l.tell(Event{Kind: KindPause, Text: length.String(), Took: length})
	return l.twilio.sleep(ctx, length)
}

// reject ends the call unanswered. Which final status a plain rejection has is not documented.
func (l *leg) reject(verb Element) {
	l.status = statusNoAnswer
	if verb.Attr["reason"] == "busy" {
		l.status = statusBusy
	}
	l.tell(Event{Kind: KindReject, Text: first(verb.Attr["reason"], "rejected")})
}

// dial records whom the caller is put through to; the call's DialStatus says how it went.
func (l *leg) dial(verb Element, base string) (*next, error) {
	dialed := Dial{CallerID: verb.Attr["callerId"], Attr: verb.Attr, Status: l.call.DialStatus}
	if verb.Text != "" {
		dialed.Targets = append(dialed.Targets, verb.Text)
	}
	for _, noun := range verb.Children {
		dialed.Targets = append(dialed.Targets, noun.Text)
	}
	l.out.Dialed = append(l.out.Dialed, dialed)
	l.tell(Event{Kind: KindDial, Text: strings.Join(dialed.Targets, ", ") + ": " + dialed.Status})
	if verb.Attr["action"] == "" {
		return nil, nil
	}
	return l.request(verb.Attr["method"], verb.Attr["action"], base, l.call.dialActionForm())
}

// request is the one that a verb's URL and method ask for; the URL may be relative to base.
func (l *leg) request(method, target, base string, form url.Values) (*next, error) {
	if method != http.MethodGet {
		method = http.MethodPost
	}
	to, err := l.twilio.resolve(base)
	if err != nil {
		return nil, err
	}
	u, err := to.public.Parse(target)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		failure := &Error{Code: CodeInvalidURL, URL: target, Detail: "is not a URL that can be asked", Err: err}
		l.alert(failure)
		return nil, failure
	}
	return &next{method, u.String(), form}, nil
}

// spokenText is the text of a <Say> with that of its SSML elements.
func spokenText(e Element) string {
	parts := []string{e.Text}
	for _, c := range e.Children {
		parts = append(parts, spokenText(c))
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}
