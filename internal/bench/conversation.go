package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
)

// framesPerSecond is how often each side of a call sends: what a fast model's tokens come to.
const framesPerSecond = 50

// The messages of a call (Twilio: ConversationRelay, "WebSocket messages"), over and over. A talk
// cycle is three seconds long: one prompt or token in it is the last.
var (
	promptFrames = frames(`{"type":"prompt","voicePrompt":"%s","lang":"en-US","last":%t}`,
		"I would like to move my appointment to Friday if there is still something free in the morning please")
	tokenFrames = frames(`{"type":"text","token":"%s ","last":%t}`,
		"Of course Casey let me see what is free on Friday morning I have nine fifteen and half past ten")
)

func frames(form, words string) [][]byte {
	said := strings.Fields(words)
	cycle := make([][]byte, 3*framesPerSecond)
	for i := range cycle {
		cycle[i] = fmt.Appendf(nil, form, said[i%len(said)], i == len(cycle)-1)
	}
	return cycle
}

// stream is one direction of a call. One goroutine sends and one receives.
type stream struct {
	from, to *websocket.Conn
	frames   [][]byte
	sent     atomic.Int64
	received atomic.Int64
	// at holds when each of the frames under way was sent, in nanoseconds since epoch; 0 for one that
	// does not count. Frames keep their order, so the n-th that comes is the n-th that went.
	at        [8 * framesPerSecond]atomic.Int64
	latencies []time.Duration // of those that count; whoever receives adds to it
	failed    error           // why receiving ended
}

var epoch = time.Now()

// send sends the next frame.
func (s *stream) send(counts bool) error {
	n := s.sent.Load()
	var now int64
	if counts {
		now = int64(time.Since(epoch))
	}
	if n-s.received.Load() >= int64(len(s.at)) {
		return fmt.Errorf("%d frames are under way on one call", len(s.at))
	}
	s.at[n%int64(len(s.at))].Store(now)
	s.sent.Store(n + 1)
	return s.from.WriteMessage(websocket.TextMessage, s.frames[n%int64(len(s.frames))])
}

// receive takes frames until the call ends, and checks that each is the one that was sent.
func (s *stream) receive() {
	for n := int64(0); ; n++ {
		_, message, err := s.to.ReadMessage()
		if err != nil {
			s.failed = fmt.Errorf("receive a frame: %w", err)
			return
		}
		if !bytes.Equal(message, s.frames[n%int64(len(s.frames))]) {
			s.failed = fmt.Errorf("frame %d arrived as %q", n, message)
			return
		}
		if sent := s.at[n%int64(len(s.at))].Load(); sent != 0 {
			s.latencies = append(s.latencies, time.Since(epoch)-time.Duration(sent))
		}
		s.received.Store(n + 1)
	}
}

// conversations are a number of calls over the same way.
type conversations struct {
	streams   []*stream
	conns     []*websocket.Conn
	receivers sync.WaitGroup
}

// add joins the two ends of a call.
func (c *conversations) add(caller, agent *websocket.Conn) {
	c.conns = append(c.conns, caller, agent)
	for _, s := range []*stream{
		{from: caller, to: agent, frames: promptFrames},
		{from: agent, to: caller, frames: tokenFrames},
	} {
		c.streams = append(c.streams, s)
		c.receivers.Go(s.receive)
	}
}

// close hangs up on every call.
func (c *conversations) close() {
	for _, conn := range c.conns {
		closeSocket(conn)
	}
	c.receivers.Wait()
}

// talk lets both sides of every call speak for a while, and returns how long the frames were under
// way and which share of those that were due was sent in time. Frames of the warm-up do not count.
func (c *conversations) talk(ctx context.Context, warmUp, lasts time.Duration) (latencies []time.Duration, pace float64, err error) {
	for _, s := range c.streams {
		s.latencies = s.latencies[:0]
	}
	half := len(c.streams) / 2
	errs := make([]error, 2)
	rounds := make([]int, 2)
	began := time.Now()
	var pacers sync.WaitGroup
	for i, streams := range [][]*stream{c.streams[:half], c.streams[half:]} {
		pacers.Go(func() { rounds[i], errs[i] = keepPace(ctx, streams, began, warmUp, warmUp+lasts) })
	}
	pacers.Wait()
	err = errors.Join(append(errs, c.quiet(ctx))...)
	for _, s := range c.streams {
		latencies = append(latencies, s.latencies...)
	}
	return latencies, float64(rounds[0]+rounds[1]) / (2 * (warmUp + lasts).Seconds() * framesPerSecond), err
}

// keepPace has each stream send at its own moment within every round, and returns how many rounds there
// was time for. Moments that lie close together are taken together: waking up for each would be most
// of the work.
func keepPace(ctx context.Context, streams []*stream, began time.Time, warmUp, until time.Duration) (rounds int, err error) {
	const together = 500 * time.Microsecond
	const round = time.Second / framesPerSecond
	for {
		for i, s := range streams {
			due := time.Duration(rounds)*round + time.Duration(i)*round/time.Duration(len(streams))
			now := time.Since(began)
			if now < due {
				time.Sleep(max(due-now, together))
			}
			if due >= until || now >= until || ctx.Err() != nil {
				return rounds, ctx.Err()
			}
			if err := s.send(due >= warmUp); err != nil {
				return rounds, fmt.Errorf("send a frame: %w", err)
			}
		}
		rounds++
	}
}

// quiet waits until every frame that was sent has arrived.
func (c *conversations) quiet(ctx context.Context) error {
	all, err := await(ctx, answerPatience, func() (bool, error) {
		for _, s := range c.streams {
			if s.received.Load() != s.sent.Load() {
				return false, nil
			}
		}
		return true, nil
	})
	if err == nil && !all {
		err = errors.New("not every frame that was sent has arrived")
	}
	return err
}
