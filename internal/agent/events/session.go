package events

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/agent"
	"ringside/internal/org"
	"ringside/internal/outbox"
	"ringside/internal/problem"
)

// protocol is the version of what goes over the socket.
const protocol = 1

// session is one program on the socket.
type session struct {
	service  *Service
	socket   *socket
	org      org.Org
	key      string // for looking whether it still holds; never logged
	asked    outbox.Joining
	consumer outbox.Consumer

	ctx    context.Context // ends with the socket
	cancel context.CancelFunc
	wake   chan struct{}
	acks   acks
	tools  chan tool
	ending sync.Once
}

// begin completes a session whose socket is there.
func (c *session) begin(conn *websocket.Conn) {
	c.socket = newSocket(conn, &c.service.timing)
	c.ctx, c.cancel = context.WithCancel(org.Within(context.Background(), c.org.ID))
	c.wake, c.tools = make(chan struct{}, 1), make(chan tool, toolsInFlight)
	c.acks = acks{acked: c.consumer.Acked, kept: c.consumer.Acked, passed: c.consumer.Acked, changed: make(chan struct{}, 1)}
}

// run serves the socket until one side ends it.
func (c *session) run() {
	defer c.socket.drop()
	defer c.cancel()
	c.service.Log.Info("a program listens for events", "org_id", c.org.ID, "consumer", c.consumer.Name, "cursor", c.consumer.Acked)
	if c.greet() != nil {
		return
	}
	var side sync.WaitGroup
	for part, work := range map[string]func(){"delivery": c.deliver, "acknowledgements": c.keepAcks, "keep-alive": c.keepAlive, "tools": c.work} {
		side.Go(func() {
			defer c.service.survive(part)
			defer c.end(closeFailed, "something went wrong here") // if it is the first to end
			work()
		})
	}
	c.read()
	c.ending.Do(func() {}) // the other side has ended it
	c.cancel()
	close(c.tools)
	side.Wait()
	c.service.Log.Info("a program has stopped listening for events", "org_id", c.org.ID, "consumer", c.consumer.Name)
}

// greet says to whom the program is connected, and where it continues.
func (c *session) greet() error {
	hello, err := json.Marshal(struct {
		Type     string `json:"type"`
		Protocol int    `json:"protocol"`
		OrgID    org.ID `json:"org_id"`
		Consumer string `json:"consumer"`
		AgentID  string `json:"agent_id,omitempty"`
		Cursor   string `json:"cursor"`
		InFlight int    `json:"max_in_flight"`
	}{"hello", protocol, c.org.ID, c.consumer.Name, c.consumer.AgentID, cursor(c.consumer.Acked), maxInFlight})
	if err != nil {
		return err
	}
	return c.socket.write(hello)
}

// end closes the socket and says why. Only the first reason counts.
func (c *session) end(code int, reason string) {
	c.ending.Do(func() {
		c.socket.farewell(code, reason)
		c.cancel()
	})
}

func (c *session) wakeUp() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// read takes what the program says, until it is gone.
func (c *session) read() {
	defer c.service.survive("reader")
	for {
		kind, message, err := c.socket.conn.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) { // the library has said so with 1009
			c.socket.hearOut()
		}
		if err != nil {
			return
		}
		c.socket.heard()
		if kind != websocket.TextMessage {
			c.end(closeNotText, "send text messages, each a JSON object")
			continue // until it has closed as well
		}
		if reply := c.take(message); reply != nil {
			c.send(reply)
		}
	}
}

// send sends a message, or loses the socket.
func (c *session) send(message []byte) bool {
	if c.socket.write(message) != nil {
		c.socket.drop()
		return false
	}
	return true
}

// page is how many events are read at once.
const page = 100

// retryEvery is how often Postgres is asked again when it is away.
const retryEvery = time.Second

// deliver sends events as they come, in order.
func (c *session) deliver() {
	poll := time.NewTimer(0)
	defer poll.Stop()
	failing := false
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.wake:
		case <-poll.C:
		}
		more, err := true, error(nil)
		for more && err == nil && c.ctx.Err() == nil {
			more, err = c.deliverPage()
		}
		next := c.service.timing.Poll
		switch {
		case c.ctx.Err() != nil:
			return
		case errors.Is(err, outbox.ErrTakenOver):
			c.end(closeTakenOver, "taken over: another connection has this consumer now")
			return
		case err != nil:
			if !failing { // once an outage, not once a try
				c.service.Log.Warn("events cannot be read; trying again", "org_id", c.org.ID, "consumer", c.consumer.Name, "error", err)
			}
			next = min(next, retryEvery)
		}
		failing = err != nil
		poll.Reset(next)
	}
}

// deliverPage sends the next events, and reports whether there may be more. While as many are on their
// way as may be, none is sent: an acknowledgement wakes it up.
func (c *session) deliverPage() (more bool, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
	defer cancel()
	room, after := c.acks.room()
	limit := min(room, page)
	events, upTo, err := c.service.Outbox.Next(ctx, c.consumer, after, limit)
	if err != nil {
		return false, err
	}
	for _, e := range events {
		c.acks.sending(e.Seq)
		if !c.send(encode(e)) {
			return false, nil
		}
		c.service.Metrics.EventsSent.WithLabelValues(e.Type).Inc()
	}
	c.acks.pass(upTo)
	return upTo > after, nil
}

// keepAlive pings the program, and looks now and then whether it may still listen.
func (c *session) keepAlive() {
	ping, renew := time.NewTicker(c.service.timing.Ping), time.NewTicker(c.service.timing.Renew)
	defer ping.Stop()
	defer renew.Stop()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-ping.C:
			_ = c.socket.ping() // the reader notices
		case <-renew.C:
			ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
			_, err := c.service.authenticate(ctx, c.key)
			cancel()
			if p, ok := errors.AsType[*problem.Error](err); ok && (p.Code == problem.CodeUnauthorized || p.Code == problem.CodeForbidden) {
				c.end(closePolicy, "the API key is no longer valid for events")
				return
			}
			c.acks.renew()
		}
	}
}

// done returns the answer to an acknowledgement that asked for one.
func done(id json.RawMessage) []byte { return agent.Done(id, "Acknowledged.") }
