package simulate

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Placed is how a call goes that the account places (Twilio: Call resource, create).
type Placed struct {
	// URL is asked for TwiML once somebody answers, FallbackURL if that fails, StatusURL told of the call's
	// StatusEvents. The last two may be empty.
	URL, FallbackURL, StatusURL string

	// Result is how it ends: "completed" (the default: somebody answers, and the script is played), "busy",
	// "no-answer", "failed" or "canceled".
	Result string
	// AnsweredBy is what machine detection says, such as "human"; nothing is detected if it is empty. With
	// Async the verdict is posted to AsyncURL beside the call, else it comes with the webhooks.
	AnsweredBy string
	Async      bool
	AsyncURL   string
	// Rings is how long it rings.
	Rings time.Duration

	// Ended ends the call when it is closed, as when the account ends it over the REST API. Nil never does.
	Ended <-chan struct{}
	// Becomes is told each status, as the call comes to it.
	Becomes func(status string)
}

func (p *Placed) result() string { return first(p.Result, statusCompleted) }

// direction is Twilio's word for who began the call.
func (c Call) direction() string {
	if c.Placed != nil {
		return "outbound-api"
	}
	return "inbound"
}

// party is who talks to the agent.
func (c Call) party() string {
	if c.Placed != nil {
		return "whoever was called"
	}
	return "the caller"
}

func (c Call) voiceURL(t *Twilio) string {
	if c.Placed != nil {
		return c.Placed.URL
	}
	return t.webhookURL(voicePath)
}

// fallbackURL is "" where there is none.
func (c Call) fallbackURL(t *Twilio) string {
	switch {
	case t.NoFallback:
		return ""
	case c.Placed != nil:
		return c.Placed.FallbackURL
	}
	return t.webhookURL(fallbackPath)
}

// statusURL is "" where there is none.
func (c Call) statusURL(t *Twilio) string {
	if c.Placed != nil {
		return c.Placed.StatusURL
	}
	return t.webhookURL(statusPath)
}

// becomes changes the call's status.
func (l *leg) becomes(status string) {
	l.status = status
	if l.call.Placed != nil && l.call.Placed.Becomes != nil {
		l.call.Placed.Becomes(status)
	}
}

// talkPlaced rings whoever is called, and if they answer, does what the TwiML says.
func (l *leg) talkPlaced(ctx context.Context) (failure, err error) {
	p := l.call.Placed
	l.becomes(statusRinging)
	talking, hangUp := context.WithCancel(ctx)
	defer hangUp()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case <-p.Ended:
			hangUp()
		case <-stop:
		}
	}()
	ended := func() bool { return talking.Err() != nil && ctx.Err() == nil }
	if p.Rings > 0 {
		if err := l.twilio.sleep(talking, p.Rings); ctx.Err() != nil {
			return nil, err
		}
	}
	switch {
	case ended():
		l.never(statusCanceled)
		return nil, nil
	case p.result() != statusCompleted:
		l.never(p.result())
		return nil, nil
	}
	if err := l.pickUp(ctx); err != nil {
		return nil, err
	}
	l.detect(ctx)
	failure = l.follow(talking, next{http.MethodPost, p.URL, l.call.form(l.status)})
	if ended() && l.status == statusInProgress {
		l.hangUp("the account ended the call")
		return nil, nil
	}
	return failure, ctx.Err()
}

// never ends a call that nobody has answered.
func (l *leg) never(status string) {
	l.becomes(status)
	l.tell(Event{Kind: KindHangup, Text: status})
}

// detect tells beside the call who has answered (Twilio: Answering machine detection, asynchronous).
func (l *leg) detect(ctx context.Context) {
	p := l.call.Placed
	if p.AnsweredBy == "" || !p.Async || p.AsyncURL == "" {
		return
	}
	form := url.Values{"CallSid": {l.call.SID}, "AccountSid": {l.call.AccountSID}, "AnsweredBy": {p.AnsweredBy}, "MachineDetectionDuration": {strconv.Itoa(2400)}}
	_ = l.notify(ctx, next{http.MethodPost, p.AsyncURL, form}) // an alert has what went wrong; the end of ctx is noticed by who goes on
}
