package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Message is one message that the runtime received. Members that its type does not have are zero.
type Message struct {
	Type        string `json:"type"`
	Event       string `json:"event"`       // of Media Streams, in the place of type
	VoicePrompt string `json:"voicePrompt"` // prompt
	Lang        string `json:"lang"`        // prompt
	Last        bool   `json:"last"`        // prompt
	Digit       string `json:"digit"`       // dtmf
	Heard       string `json:"utteranceUntilInterrupt"`
	ID          string `json:"id"` // ringside.result: the id of the tool message
	// Raw is the frame as it came. A frame that is not a JSON object has only this.
	Raw json.RawMessage `json:"-"`
}

// Decode reads the frame into v.
func (m Message) Decode(v any) error { return json.Unmarshal(m.Raw, v) }

// AgentSession is the agent's side of one WebSocket from the sidecar. It keeps everything that
// arrives. Its methods may be used from several goroutines at once.
type AgentSession struct {
	// Header are the handshake's headers, and Path its request URI.
	Header http.Header
	Path   string
	// Memory is the behaviour's own; nothing else touches it.
	Memory any

	runtime *Runtime
	conn    *websocket.Conn
	ctx     context.Context
	cancel  context.CancelFunc
	tell    func(Event)
	story   *narrator
	writing sync.Mutex

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced for every message
	messages  []Message
	setup     *AgentSetup
	tools     int
	closeCode int
	closeText string
}

func newAgentSession(r *Runtime, conn *websocket.Conn, req *http.Request) *AgentSession {
	story := &narrator{began: time.Now(), observe: r.options.Observe}
	s := &AgentSession{Header: req.Header, Path: req.RequestURI, runtime: r, conn: conn, story: story, tell: story.tell,
		changed: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(r.ctx)
	return s
}

// run reads until the connection is gone.
func (s *AgentSession) run() {
	defer s.conn.Close()
	defer s.cancel()
	s.tell(Event{Kind: KindAgentSession, Text: "opens " + s.Path})
	for {
		_, frame, err := s.conn.ReadMessage()
		if err == nil {
			err = s.ctx.Err() // a closed runtime hears nothing more, not even what was received before
		}
		if err != nil {
			s.over(err)
			return
		}
		m := Message{Raw: frame}
		json.Unmarshal(frame, &m) // what does not fit stays zero
		s.keep(m)
		if s.runtime.options.Behaviour != nil {
			s.runtime.options.Behaviour(s, m)
		}
	}
}

// keep records a message and tells of what is the sidecar's own.
func (s *AgentSession) keep(m Message) {
	e := Event{Raw: string(m.Raw)}
	switch m.Type {
	case "setup":
		setup := readAgentSetup(m.Raw)
		s.story.called(setup.CallSID)
		e.Kind, e.Text = KindAgentSetup, setup.Caller.describe()
		s.mu.Lock()
		s.setup = &setup
		s.mu.Unlock()
	case "":
		if m.Event != "start" {
			break
		}
		setup := readAgentStart(m.Raw)
		s.story.called(setup.CallSID)
		e.Kind, e.Text = KindAgentSetup, setup.Caller.describe()
		s.mu.Lock()
		s.setup = &setup
		s.mu.Unlock()
	case "ringside.context":
		var late struct {
			Caller Caller `json:"caller"`
		}
		m.Decode(&late) // what cannot be read is described as unknown
		e.Kind, e.Text = KindAgentContext, late.Caller.describe()
	case "ringside.result":
		e.Kind, e.Text = KindAgentResult, oneLine(string(m.Raw), 200)
	}
	if e.Kind != "" {
		s.tell(e)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, m)
	close(s.changed)
	s.changed = make(chan struct{})
}

// over records how the connection ended.
func (s *AgentSession) over(err error) {
	code, text := websocket.CloseAbnormalClosure, ""
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		code, text = closed.Code, closed.Text
	}
	s.mu.Lock()
	s.closeCode, s.closeText = code, text
	s.mu.Unlock()
	s.tell(Event{Kind: KindAgentEnd, Text: strings.TrimSpace("closes with code " + strconv.Itoa(code) + " " + text), Code: code})
}

// Context ends when the connection does.
func (s *AgentSession) Context() context.Context { return s.ctx }

// Setup returns the setup message, and whether it has arrived.
func (s *AgentSession) Setup() (AgentSetup, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.setup == nil {
		return AgentSetup{}, false
	}
	return *s.setup, true
}

// Messages returns everything received so far: of the given types, or all.
func (s *AgentSession) Messages(types ...string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(types) == 0 {
		return slices.Clone(s.messages)
	}
	var some []Message
	for _, m := range s.messages {
		if slices.Contains(types, m.Type) {
			some = append(some, m)
		}
	}
	return some
}

// Contexts returns the late contexts (ringside.context) so far.
func (s *AgentSession) Contexts() []Message { return s.Messages("ringside.context") }

// Results returns the answers to tools (ringside.result) so far.
func (s *AgentSession) Results() []Message { return s.Messages("ringside.result") }

// Await waits for a message that match accepts, and returns the first one, also of those that
// arrived before. It gives up when ctx or the connection ends.
func (s *AgentSession) Await(ctx context.Context, match func(Message) bool) (Message, error) {
	for {
		s.mu.Lock()
		messages, changed := s.messages, s.changed
		s.mu.Unlock()
		if i := slices.IndexFunc(messages, match); i >= 0 {
			return messages[i], nil
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
			return Message{}, ErrSessionOver
		case <-ctx.Done():
			return Message{}, fmt.Errorf("simulate: wait for a message to the agent: %w", ctx.Err())
		}
	}
}

// Closed returns the close code and reason with which the connection ended, and whether it has;
// 1006 without a close frame (RFC 6455, 7.4).
func (s *AgentSession) Closed() (code int, reason string, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeCode, s.closeText, s.closeCode != 0
}

// Send sends v as JSON, or []byte and string as they are. The error is why it could not be sent.
func (s *AgentSession) Send(v any) error {
	var frame []byte
	switch v := v.(type) {
	case string:
		frame = []byte(v)
	case []byte:
		frame = v
	default:
		var err error
		if frame, err = json.Marshal(v); err != nil {
			return fmt.Errorf("simulate: encode a message of the agent: %w", err)
		}
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.conn.SetWriteDeadline(time.Now().Add(relayWriteTimeout))
	return s.conn.WriteMessage(websocket.TextMessage, frame)
}

// textMessage is a piece of what the agent says.
type textMessage struct {
	Type  string `json:"type"`
	Token string `json:"token"`
	Last  bool   `json:"last"`
}

// Token sends one piece of a talk cycle; last ends it.
func (s *AgentSession) Token(token string, last bool) error {
	return s.Send(textMessage{"text", token, last})
}

// Reply says text, word by word as a language model would, and ends the talk cycle.
func (s *AgentSession) Reply(text string) error {
	words := strings.SplitAfter(text, " ")
	for i, word := range words {
		if err := s.Token(word, i == len(words)-1); err != nil {
			return err
		}
	}
	return nil
}

// Tool sends a ringside.* message with the given members and returns its id: the "id" among the
// members, or else one that is new in this session. A "type" among them is not sent.
func (s *AgentSession) Tool(name string, members map[string]any) (id string, err error) {
	s.mu.Lock()
	s.tools++
	id = strconv.Itoa(s.tools)
	s.mu.Unlock()
	if given, ok := members["id"].(string); ok {
		id = given
	}
	message := maps.Clone(members)
	delete(message, "type")
	delete(message, "id")
	rest, err := json.Marshal(message)
	if err != nil {
		return id, fmt.Errorf("simulate: encode a tool message of the agent: %w", err)
	}
	// The type comes first, as people write it.
	frame := fmt.Sprintf(`{"type":%s,"id":%s`, compactJSON(name), compactJSON(id))
	if len(message) > 0 {
		frame += "," + string(rest[1:])
	} else {
		frame += "}"
	}
	s.tell(Event{Kind: KindAgentTool, Text: name, Raw: frame})
	return id, s.Send(frame)
}

// End ends the session with handoff data for the <Connect action>, or none.
func (s *AgentSession) End(handoffData string) error {
	return s.Send(struct {
		Type        string `json:"type"`
		HandoffData string `json:"handoffData,omitempty"`
	}{"end", handoffData})
}

// CloseWith closes the WebSocket with a code and a reason, as a runtime that shuts down does.
func (s *AgentSession) CloseWith(code int, reason string) error {
	return s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(relayWriteTimeout))
}

// Crash cuts the TCP connection without a word, as a runtime that is killed does.
func (s *AgentSession) Crash() { cutConnection(s.conn.NetConn()) }
