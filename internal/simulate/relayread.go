package simulate

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Messages to the sidecar (Twilio: ConversationRelay, "messages sent from Twilio").
type (
	prompt struct {
		Type        string `json:"type"`
		VoicePrompt string `json:"voicePrompt"`
		Lang        string `json:"lang"`
		Last        bool   `json:"last"`
	}
	dtmf struct {
		Type  string `json:"type"`
		Digit string `json:"digit"`
	}
	interruption struct {
		Type                     string `json:"type"`
		UtteranceUntilInterrupt  string `json:"utteranceUntilInterrupt"`
		DurationUntilInterruptMS int64  `json:"durationUntilInterruptMs"`
	}
	complaint struct {
		Type        string `json:"type"`
		Description string `json:"description"`
	}
)

// Replies returns the agent's complete talk cycles so far.
func (s *RelaySession) Replies() []Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.replies)
}

// Frames returns every frame received so far, as it came.
func (s *RelaySession) Frames() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// Alerts returns what Twilio's debugger would hold about this session so far.
func (s *RelaySession) Alerts() []*Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.alerts)
}

// AwaitReplies waits until the agent has completed n talk cycles and returns all of them. It
// returns what there is, with ErrSessionOver or the context's error, if that never happens.
func (s *RelaySession) AwaitReplies(ctx context.Context, n int) ([]Reply, error) {
	return s.await(ctx, func() bool { return len(s.replies) >= n })
}

// await waits until enough, which is called with mu held, says so.
func (s *RelaySession) await(ctx context.Context, enough func() bool) ([]Reply, error) {
	for {
		s.mu.Lock()
		replies, met, over, changed := slices.Clone(s.replies), enough(), s.end != nil, s.changed
		s.mu.Unlock()
		switch {
		case met:
			return replies, nil
		case over:
			return replies, ErrSessionOver
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return replies, ctx.Err()
		}
	}
}

// heardSoFar is the text of the talk cycle in progress, or else of the last complete one.
func (s *RelaySession) heardSoFar() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reply.Tokens > 0 || len(s.replies) == 0 {
		return s.reply.Text
	}
	return s.replies[len(s.replies)-1].Text
}

// read takes the sidecar's frames until the connection is gone.
func (s *RelaySession) read() {
	defer close(s.done)
	defer s.raw.Close()
	for {
		kind, frame, err := s.conn.ReadMessage()
		if err != nil {
			s.lost(err)
			return
		}
		if _, over := s.End(); !over { // else only the answer to our close is awaited
			s.receive(kind, frame)
		}
	}
}

// lost records that the connection ended from the other side.
func (s *RelaySession) lost(err error) {
	end := networkLost()
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
		end.ErrorCode, end.ErrorMessage = CodeRelayClosed, "WebSocket ended"
		end.CloseCode, end.CloseReason = closed.Code, closed.Text
	}
	s.finish(end)
}

// receive acts on one frame.
func (s *RelaySession) receive(kind int, frame []byte) {
	m, err := agentMessage{}, errUnidentified
	if kind == websocket.TextMessage {
		m, err = readAgentMessage(frame)
	}
	s.mu.Lock()
	s.frames = append(s.frames, frame)
	if err != nil {
		s.mu.Unlock()
		s.refuse(frame, err)
		return
	}
	s.unidentified = 0
	if m.Type == "text" {
		s.mu.Unlock()
		s.hear(m, frame)
		return
	}
	s.announce()
	s.mu.Unlock()

	s.tell(Event{Kind: KindMessage, Text: m.Type, Raw: string(frame)})
	if m.Type == "end" {
		s.closeWith(SessionEnd{Status: SessionEnded, HandoffData: m.HandoffData}, websocket.CloseNormalClosure, "")
	}
}

// hear adds a text message to the talk cycle. The reply is told of before it is announced, so that
// what the caller says next is told later.
func (s *RelaySession) hear(m agentMessage, frame []byte) {
	now := time.Now()
	s.tell(Event{Kind: KindToken, Text: m.Token, Raw: string(frame)})
	s.mu.Lock()
	if s.reply.Tokens == 0 {
		s.reply.FirstToken = now
	}
	s.reply.Text += m.Token
	s.reply.Tokens++
	finished := s.reply
	s.mu.Unlock()
	if !m.Last {
		return
	}
	finished.Text = strings.TrimSpace(finished.Text)
	finished.Complete = now
	s.tell(Event{Kind: KindReply, Text: finished.Text, Took: now.Sub(finished.FirstToken)})
	s.mu.Lock()
	s.replies = append(s.replies, finished)
	s.reply = Reply{}
	s.announce()
	s.mu.Unlock()
}

// refuse answers a message that is not valid; after ten unidentified ones in a row it closes
// (Twilio: errors 64107 and 64105).
func (s *RelaySession) refuse(frame []byte, why error) {
	alert := &Error{Code: CodeRelayMessage, Detail: "invalid message from the server", Err: why}
	s.mu.Lock()
	s.alerts = append(s.alerts, alert)
	s.unidentified++
	if !errors.Is(why, errUnidentified) {
		s.unidentified = 0
	}
	tooMany := s.unidentified >= maxUnidentified
	s.announce()
	s.mu.Unlock()

	s.tell(Event{Kind: KindAlert, Text: alert.Error(), Code: alert.Code, Raw: string(frame)})
	if tooMany {
		s.closeWith(SessionEnd{Status: SessionFailed, ErrorCode: CodeRelayClosed, ErrorMessage: "WebSocket ended"},
			websocket.CloseInvalidFramePayloadData, "too many consecutive malformed messages")
		return
	}
	description := "Invalid message received: " + strings.ToValidUTF8(string(frame), "�")
	s.send(KindComplaint, description, complaint{"error", description}) // a lost connection is seen by the reader
}
