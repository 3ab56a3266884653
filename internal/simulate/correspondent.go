package simulate

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Correspondent is an agent's program that answers messages over the events socket, as small as it can be.
type Correspondent struct {
	URL string // of the sidecar
	Key string // an API key with the scope events
	// Answer returns what to write back to somebody; "" is nothing.
	Answer func(Received) string
	// Observe is told what it does; nil is nobody.
	Observe func(Event)

	conn    *websocket.Conn
	reading sync.WaitGroup
}

// Received is a message that somebody wrote.
type Received struct {
	Type       string `json:"type"`
	Cursor     string `json:"cursor"`
	MessageSID string `json:"message_sid"`
	Text       string `json:"text"`
	Caller     Caller `json:"caller"`
}

// Open connects and begins to answer, until [Correspondent.Close].
func (c *Correspondent) Open(ctx context.Context) error {
	at := "ws" + strings.TrimPrefix(strings.TrimRight(c.URL, "/"), "http") + "/v1/events?consumer=simulated"
	conn, response, err := websocket.DefaultDialer.DialContext(ctx, at, http.Header{"Authorization": {"Bearer " + c.Key}})
	if err != nil {
		if response != nil {
			return fmt.Errorf("open the events socket: answered with status %d", response.StatusCode)
		}
		return fmt.Errorf("open the events socket: %w", err)
	}
	c.conn = conn
	c.reading.Go(c.read)
	return nil
}

// Close ends it, and returns when nothing is answered any more.
func (c *Correspondent) Close() {
	if c.conn == nil {
		return
	}
	_ = c.conn.Close() // to end the reading is all that is wanted
	c.reading.Wait()
}

// read does what events ask for. What cannot be written is lost with the connection: the sidecar keeps what was
// not acknowledged.
func (c *Correspondent) read() {
	for {
		_, raw, err := c.conn.ReadMessage()
		if err != nil {
			return
		}
		var m Received
		if json.Unmarshal(raw, &m) != nil {
			continue
		}
		if m.Type == "sms.received" {
			c.answer(m)
		}
		if m.Cursor != "" && m.Type != "hello" {
			_ = c.conn.WriteJSON(map[string]string{"type": "ack", "cursor": m.Cursor})
		}
	}
}

func (c *Correspondent) answer(m Received) {
	text := c.Answer(m)
	if text == "" {
		return
	}
	raw, err := json.Marshal(map[string]string{"type": "ringside.send_sms", "id": m.Cursor, "message_sid": m.MessageSID, "text": text})
	if err != nil {
		return // strings always marshal
	}
	if c.Observe != nil {
		c.Observe(Event{Time: time.Now(), CallSID: m.MessageSID, Kind: KindAgentTool, Text: "ringside.send_sms", Raw: string(raw)})
	}
	_ = c.conn.WriteMessage(websocket.TextMessage, raw)
}
