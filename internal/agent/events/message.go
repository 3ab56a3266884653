package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"time"

	"ringside/internal/agent"
	"ringside/internal/outbox"
	"ringside/internal/problem"
)

// encode renders an event as it is sent: type, cursor, time and contact, and what its payload has.
func encode(e outbox.Event) []byte {
	head, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Cursor    string    `json:"cursor"`
		At        time.Time `json:"at"`
		ContactID string    `json:"contact_id,omitempty"`
	}{e.Type, cursor(e.Seq), e.At.UTC(), e.ContactID})
	payload := bytes.TrimSpace(e.Payload)
	rest, ok := bytes.CutPrefix(payload, []byte("{"))
	if rest = bytes.TrimSpace(rest); err != nil || !ok || len(rest) < 2 { // "}": nothing else
		return head
	}
	return append(append(head[:len(head)-1], ','), rest...)
}

// toolsInFlight is how many tools of one socket may wait for their turn.
const toolsInFlight = 16

// tool is something that the program asks to be done.
type tool struct {
	message   agent.Message
	malformed error
}

// take takes one message, and returns what is to be answered at once, if anything is.
func (c *session) take(message []byte) (reply []byte) {
	var head struct {
		Type   string          `json:"type"`
		ID     json.RawMessage `json:"id"`
		Cursor json.RawMessage `json:"cursor"`
	}
	if err := json.Unmarshal(message, &head); err != nil {
		return agent.Refuse(nil, "invalid", "The message cannot be used: it is no JSON object with a \"type\". See docs/agent-protocol.md.")
	}
	if head.Type == "ack" {
		return c.takeAck(head.ID, head.Cursor)
	}
	m, ours, malformed := agent.ParseMessage(message)
	if !ours {
		return agent.Refuse(head.ID, "unknown_type", "%.60q is no message that Ringside knows. See docs/agent-protocol.md.", head.Type)
	}
	select {
	case c.tools <- tool{m, malformed}:
		return nil
	default:
		return agent.Busy(m)
	}
}

// takeAck takes an acknowledgement: the cursor of the last event that the program is done with.
func (c *session) takeAck(id, given json.RawMessage) (reply []byte) {
	text := string(given)
	if unquoted, err := strconv.Unquote(text); err == nil {
		text = unquoted
	}
	upTo, err := strconv.ParseInt(text, 10, 64)
	if err != nil || upTo < 0 {
		return agent.Refuse(id, "invalid_cursor", "An acknowledgement has the \"cursor\" of an event, as it was sent.")
	}
	switch err := c.acks.take(upTo, id); {
	case errors.Is(err, errAhead):
		return agent.Refuse(id, "invalid_cursor", "No event with the cursor %s was sent here yet.", text)
	case err != nil:
		return agent.Refuse(id, "busy", "Too many acknowledgements wait for an answer. Send them without \"id\".")
	}
	return nil
}

// work does what the program asks for, one after the other, until there is no more to come. What was
// asked before the socket was closed is done all the same.
func (c *session) work() {
	for t := range c.tools {
		c.do(t)
	}
}

// lookUpBudget bounds the look for the call or message that a tool is about.
const lookUpBudget = 3 * time.Second

func (c *session) do(t tool) {
	defer c.service.survive("a tool")
	c.service.Metrics.Tools.WithLabelValues(t.message.Kind()).Inc()
	ctx := context.WithoutCancel(c.ctx)
	subject, refusal := c.subject(ctx, t)
	if refusal == nil {
		refusal, _ = c.service.Tools.Answer(ctx, &subject, t.message, t.malformed)
	}
	if c.ctx.Err() == nil {
		c.send(refusal)
	}
}

// subject finds the call or message that a tool is about, or refuses the tool.
func (c *session) subject(ctx context.Context, t tool) (call agent.Call, refusal []byte) {
	m := t.message
	call = agent.Call{Org: c.org, Kind: "call", SID: m.CallSID}
	if t.malformed != nil || m.Kind() == agent.Unknown { // it is refused anyhow
		return call, nil
	}
	switch {
	case (m.CallSID == "") == (m.MessageSID == ""):
		return call, agent.Refuse(m.ID, "invalid", "Send either \"call_sid\" or \"message_sid\": it says what this is about.")
	case m.MessageSID != "":
		call.Kind, call.SID = "message", m.MessageSID
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpBudget)
	defer cancel()
	p, err := c.service.Ledger.Parties(ctx, c.org.ID, call.SID)
	if err == nil && p.Kind != call.Kind {
		err = problem.NotFound("There is no %s %q.", call.Kind, call.SID)
	}
	if found, ok := errors.AsType[*problem.Error](err); ok {
		return call, agent.Refuse(m.ID, string(found.Code), "%s", found.Error())
	}
	if err != nil {
		c.service.Log.Warn("what a tool is about could not be looked up", call.Kind+"_sid", call.SID, "error", err)
		return call, agent.Refuse(m.ID, "unavailable", "This could not be saved just now. Try again, or go on without it.")
	}
	call.AgentID, call.Direction, call.From, call.To = p.AgentID, p.Direction, p.From, p.To
	call.Party, call.StartedAt, call.Trusted, call.Disowned = p.Party, p.StartedAt, p.Trusted, p.Disowned
	return call, nil
}
