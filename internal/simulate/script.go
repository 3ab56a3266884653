package simulate

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Step is one thing that the caller does in a conversation: see [Say], [Partial], [Press],
// [Interrupt], [AwaitReply], [AwaitEnd], [Wait], [Hangup], [DropSocket] and [SendRaw].
//
// A step that begins after its session has ended is kept for the next session of the call. One
// whose session ends while it waits is over.
type Step interface {
	play(ctx context.Context, c *conversation) error
}

// errHungUp is returned by the step with which the caller hangs up.
var errHungUp = errors.New("the caller hung up")

// Turn is what the caller said and what the agent answered.
type Turn struct {
	Said string `json:"said"`
	// Answered is false if no reply was complete in time, or if nobody waited for it.
	Answered bool          `json:"answered"`
	Reply    string        `json:"reply,omitempty"`
	First    time.Duration `json:"first_token_ns,omitempty"` // from the prompt to the first token
	Took     time.Duration `json:"took_ns,omitempty"`        // from the prompt to the last token
}

// conversation is a script being played on one session.
type conversation struct {
	twilio  *Twilio
	session *RelaySession
	noun    relayNoun
	tell    func(Event)
	turns   []Turn
}

// Utterance is something that the caller says.
type Utterance struct {
	text   string
	lang   string
	parts  bool
	nowait bool
	within time.Duration
}

// Say speaks text: one prompt message with "last":true. The caller then waits for the agent's next
// talk cycle, up to the Twilio's ReplyTimeout.
func Say(text string) Utterance { return Utterance{text: text} }

// In sets the language that the prompt is reported in. Default: the TwiML's.
func (u Utterance) In(lang string) Utterance { u.lang = lang; return u }

// Within bounds the wait for the answer.
func (u Utterance) Within(d time.Duration) Utterance { u.within = d; return u }

// WithoutWaiting goes on at once.
func (u Utterance) WithoutWaiting() Utterance { u.nowait = true; return u }

// InParts has the words reported as they come in, before the whole, if the TwiML asks for
// partialPrompts.
func (u Utterance) InParts() Utterance { u.parts = true; return u }

func (u Utterance) play(ctx context.Context, c *conversation) error {
	lang := first(u.lang, c.noun.language)
	if u.parts && c.noun.partial {
		words := strings.Fields(u.text)
		for i := 1; i < len(words); i++ {
			if err := c.partial(strings.Join(words[:i], " "), lang); err != nil {
				return err
			}
		}
	}
	before := len(c.session.Replies())
	said := time.Now()
	if err := c.session.Prompt(u.text, lang); err != nil {
		return err
	}
	turn := Turn{Said: u.text}
	defer func() { c.turns = append(c.turns, turn) }()
	if u.nowait {
		return nil
	}
	reply, ok, err := c.answer(ctx, before, u.within)
	if ok {
		turn.Answered, turn.Reply = true, reply.Text
		turn.First, turn.Took = reply.FirstToken.Sub(said), reply.Complete.Sub(said)
	}
	return err
}

// answer waits for the first reply after the given number of them.
func (c *conversation) answer(ctx context.Context, before int, within time.Duration) (Reply, bool, error) {
	if within <= 0 {
		within = c.twilio.replyTimeout()
	}
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	replies, err := c.session.AwaitReplies(bounded, before+1)
	switch {
	case err == nil:
		return replies[before], true, nil
	case ctx.Err() != nil:
		return Reply{}, false, ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		c.tell(Event{Kind: KindSilence, Text: "the agent did not answer within " + within.String(), Took: within})
	}
	return Reply{}, false, nil
}

// Partial is the caller having said text so far: a prompt message with "last":false. Twilio sends
// it only if the TwiML asks for partialPrompts.
func Partial(text string) Step { return partial(text) }

type partial string

func (p partial) play(_ context.Context, c *conversation) error {
	if !c.noun.partial {
		c.notReported("a partial prompt", "partialPrompts is off")
		return nil
	}
	return c.partial(string(p), c.noun.language)
}

func (c *conversation) partial(text, lang string) error {
	return c.session.send(KindPartial, text, prompt{"prompt", text, lang, false})
}

func (c *conversation) notReported(what, why string) {
	c.tell(Event{Kind: KindSilence, Text: what + " is not reported: " + why})
}

// Press presses keys, a dtmf message each. Twilio sends them only if the TwiML asks for
// dtmfDetection.
func Press(digits string) Step { return press(digits) }

type press string

func (p press) play(_ context.Context, c *conversation) error {
	if !c.noun.dtmf {
		c.notReported("a pressed key", "dtmfDetection is off")
		return nil
	}
	for i, digit := range string(p) {
		err := c.session.send(KindDigit, string(digit), dtmf{"dtmf", string(digit)})
		if err != nil && i > 0 {
			return nil // the step has begun
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Interrupt is the caller speaking while the agent speaks, who had come as far as heard. If heard
// is empty, it is what has arrived of the present talk cycle. Twilio sends nothing if the TwiML's
// interruptible excludes speech.
func Interrupt(heard string) Step { return interrupting(heard) }

type interrupting string

func (i interrupting) play(_ context.Context, c *conversation) error {
	if !c.noun.speechInterrupts() {
		c.notReported("an interruption", "interruptible excludes speech")
		return nil
	}
	heard := first(string(i), c.session.heardSoFar())
	// At about 60 ms a character, which is ordinary speech.
	spoken := int64(len([]rune(heard))) * 60
	return c.session.send(KindInterrupt, heard, interruption{"interrupt", heard, spoken})
}

// AwaitReply waits until the agent has completed n talk cycles in this session, whether asked or
// not, up to the given time (0: the Twilio's ReplyTimeout).
func AwaitReply(n int, within time.Duration) Step { return awaiting{n, within} }

type awaiting struct {
	replies int
	within  time.Duration
}

func (a awaiting) play(ctx context.Context, c *conversation) error {
	_, _, err := c.answer(ctx, a.replies-1, a.within)
	return err
}

// AwaitEnd stays on the line, up to the given time, until the session ends from the other side.
func AwaitEnd(within time.Duration) Step { return awaitingEnd(within) }

type awaitingEnd time.Duration

func (a awaitingEnd) play(ctx context.Context, c *conversation) error {
	timer := time.NewTimer(time.Duration(a))
	defer timer.Stop()
	select {
	case <-c.session.Done():
	case <-timer.C:
		c.tell(Event{Kind: KindSilence, Text: "the session did not end within " + time.Duration(a).String()})
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// Wait stays silent for a while, by the Twilio's Sleep.
func Wait(d time.Duration) Step { return waiting(d) }

type waiting time.Duration

func (w waiting) play(ctx context.Context, c *conversation) error {
	return c.twilio.sleep(ctx, time.Duration(w))
}

// Hangup is the caller hanging up. It ends the call; what follows it is not played.
func Hangup() Step { return hangingUp{} }

type hangingUp struct{}

func (hangingUp) play(context.Context, *conversation) error { return errHungUp }

// DropSocket cuts the WebSocket's TCP connection without a word, as when Twilio's network is lost.
// The call goes on with the <Connect action>.
func DropSocket() Step { return dropping{} }

type dropping struct{}

func (dropping) play(_ context.Context, c *conversation) error {
	c.session.Drop()
	return nil
}

// SendRaw sends text to the sidecar as it is, valid or not.
func SendRaw(text string) Step { return raw(text) }

type raw string

func (r raw) play(_ context.Context, c *conversation) error {
	return c.session.SendRaw(string(r))
}
