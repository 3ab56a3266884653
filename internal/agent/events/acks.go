package events

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"ringside/internal/outbox"
)

// maxInFlight is how many events may be on their way without being acknowledged.
const maxInFlight = 1000

// maxAcksAsking is how many acknowledgements may wait for their answers.
const maxAcksAsking = 100

// cursor is a place in the stream as programs see it: a text, to be given back as it is.
func cursor(seq int64) string { return strconv.FormatInt(seq, 10) }

// acks are what a program was sent, and what it has acknowledged of that. Acknowledgements are written
// one at a time: those that come meanwhile go together in the next.
type acks struct {
	changed chan struct{}

	mu     sync.Mutex
	passed int64   // up to here everything was sent, or is not for this consumer
	sent   []int64 // what is not acknowledged, in order
	acked  int64   // what the program has acknowledged
	kept   int64   // what is written of that
	renews bool    // it is to be written that the consumer is still there
	asking []asking
}

// asking is an acknowledgement that wants to be told when it is written.
type asking struct {
	upTo int64
	id   json.RawMessage
}

// room returns how many events may be sent, and after which one.
func (a *acks) room() (room int, after int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return max(maxInFlight-len(a.sent), 0), a.passed
}

// sending notes an event before it is sent: it may be acknowledged before sending returns.
func (a *acks) sending(seq int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sent = append(a.sent, seq)
	a.passed = max(a.passed, seq)
}

// pass notes up to where there is nothing else for this consumer.
func (a *acks) pass(upTo int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.passed = max(a.passed, upTo)
}

var (
	errAhead   = errors.New("ahead")
	errTooMany = errors.New("too many")
)

// take takes an acknowledgement, which only moves forward. It fails for an event that was not sent.
func (a *acks) take(upTo int64, id json.RawMessage) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case upTo > a.passed:
		return errAhead
	case len(id) > 0 && len(a.asking) >= maxAcksAsking:
		return errTooMany
	case len(id) > 0:
		a.asking = append(a.asking, asking{upTo, id})
	}
	a.acked = max(a.acked, upTo)
	n := 0
	for n < len(a.sent) && a.sent[n] <= a.acked {
		n++
	}
	a.sent = a.sent[n:]
	a.signal()
	return nil
}

// renew has it written that the consumer is still there. What was not for it counts as acknowledged once
// all that was is: it need not be read again after a reconnect.
func (a *acks) renew() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.sent) == 0 {
		a.acked = a.passed
	}
	a.renews = true
	a.signal()
}

func (a *acks) signal() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// due returns what has to be written, if anything has.
func (a *acks) due() (upTo int64, due bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.acked, a.acked > a.kept || a.renews || len(a.asking) > 0
}

// written notes what was written, and returns who asked to be told.
func (a *acks) written(upTo int64) (told []json.RawMessage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept, a.renews = max(a.kept, upTo), false
	waiting := a.asking[:0]
	for _, asked := range a.asking {
		if asked.upTo <= a.kept {
			told = append(told, asked.id)
		} else {
			waiting = append(waiting, asked)
		}
	}
	a.asking = waiting
	return told
}

// lastAck bounds the writing of what was acknowledged just before the socket was closed.
const lastAck = 2 * time.Second

// keepAcks writes acknowledgements, also the last one.
func (c *session) keepAcks() {
	for {
		select {
		case <-c.acks.changed:
			ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
			err := c.keepAck(ctx)
			cancel()
			if errors.Is(err, outbox.ErrTakenOver) {
				c.end(closeTakenOver, "taken over: another connection has this consumer now")
				return
			}
			if err != nil && c.ctx.Err() == nil { // deliver tells the log; here is only tried again
				time.AfterFunc(retryEvery, c.acks.signal)
			}
		case <-c.ctx.Done():
			ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), lastAck)
			defer cancel()
			_ = c.keepAck(ctx) // then it comes again
			return
		}
	}
}

func (c *session) keepAck(ctx context.Context) error {
	upTo, due := c.acks.due()
	if !due {
		return nil
	}
	if err := c.service.Outbox.Ack(ctx, c.consumer, upTo); err != nil {
		return err
	}
	for _, id := range c.acks.written(upTo) {
		if !c.send(done(id)) {
			return nil
		}
	}
	c.wakeUp() // there is room for more
	return nil
}
