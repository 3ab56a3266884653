package simulate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// frameEvery is how often Twilio sends sound, and silence such a frame of it in mu-law, as base64 (Twilio:
// Media Streams, "media message": 8000 samples a second).
const frameEvery = 20 * time.Millisecond

var silence = strings.Repeat("/", 213) + "w=="

// streamNoun is a <Stream> of a <Connect> as Twilio would act on it.
type streamNoun struct {
	url, status string
	parameters  map[string]string
}

// streamAttributes are the attributes of <Stream> (Twilio: Stream noun).
var streamAttributes = []string{"url", "name", "track", "statusCallback", "statusCallbackMethod"}

// readStreamNoun checks a <Stream>. The error keeps the stream from being opened.
func readStreamNoun(e Element, insecureAllowed bool) (noun streamNoun, warnings []*Error, err *Error) {
	wrong := func(format string, args ...any) (streamNoun, []*Error, *Error) {
		return streamNoun{}, warnings, &Error{Code: CodeStreamHandshake, Detail: "<Stream> " + fmt.Sprintf(format, args...)}
	}
	for name := range e.Attr {
		if !slices.Contains(streamAttributes, name) {
			warnings = append(warnings, &Error{Code: CodeTwiMLSchema, Detail: "<Stream> has no attribute " + name})
		}
	}
	u, parseErr := url.Parse(e.Attr["url"])
	switch {
	case parseErr != nil || u.Host == "" || (u.Scheme != "wss" && (u.Scheme != "ws" || !insecureAllowed)):
		return wrong("url=%q is not a wss:// URL", e.Attr["url"])
	case u.RawQuery != "":
		return wrong("url=%q has a query", e.Attr["url"])
	case e.Attr["track"] != "" && e.Attr["track"] != "inbound_track":
		return wrong("track=%q cannot be had in <Connect>", e.Attr["track"])
	}
	noun = streamNoun{url: e.Attr["url"], status: e.Attr["statusCallback"], parameters: map[string]string{}}
	for _, c := range e.Children {
		name, value := c.Attr["name"], c.Attr["value"]
		switch {
		case c.Name != "Parameter":
			warnings = append(warnings, &Error{Code: CodeTwiMLSchema, Detail: "<Stream> takes no <" + c.Name + ">"})
		case name == "" || len(name)+len(value) >= maxParameter:
			return wrong("<Parameter name=%q> needs a name, and fewer than %d characters with its value", name, maxParameter)
		default:
			noun.parameters[name] = value
		}
	}
	return noun, warnings, nil
}

// StreamStart is the start message's object start (Twilio: Media Streams).
type StreamStart struct {
	AccountSID       string            `json:"accountSid"`
	StreamSID        string            `json:"streamSid"`
	CallSID          string            `json:"callSid"`
	Tracks           []string          `json:"tracks"`
	MediaFormat      mediaFormat       `json:"mediaFormat"`
	CustomParameters map[string]string `json:"customParameters"`
}

type mediaFormat struct {
	Encoding   string `json:"encoding"`
	SampleRate int    `json:"sampleRate"`
	Channels   int    `json:"channels"`
}

// StreamEnd is how a stream ended, and what was on it.
type StreamEnd struct {
	StreamSID string `json:"stream_sid"`
	// Status is "completed" (the caller hung up), "ended" (the sidecar closed it) or "failed".
	Status      string        `json:"status"`
	Duration    time.Duration `json:"duration_ns"`
	CloseCode   int           `json:"close_code,omitempty"`
	CloseReason string        `json:"close_reason,omitempty"`
	// Sent and Heard are frames of sound: to the agent, and from it. Marks are the agent's that came back.
	Sent  int      `json:"sent"`
	Heard int      `json:"heard"`
	Marks []string `json:"marks,omitempty"`
	// Clears is how often the agent has stopped what was being played.
	Clears int `json:"clears,omitempty"`
	// Unknown are messages that Twilio does not know.
	Unknown []string `json:"unknown,omitempty"`
}

// StreamSession is the Twilio side of one Media Streams WebSocket. Its methods may be used from several
// goroutines at once.
type StreamSession struct {
	Start StreamStart

	conn  *websocket.Conn
	raw   net.Conn
	tell  func(Event)
	began time.Time
	done  chan struct{} // closed when the connection is gone

	writing  sync.Mutex
	sequence int

	mu    sync.Mutex
	end   StreamEnd
	ended bool
}

// OpenStream opens the WebSocket at target with a signed handshake and sends connected and start. What holds for
// [Twilio.OpenRelay] holds for it; a refused handshake has the code 31920.
func (t *Twilio) OpenStream(ctx context.Context, target string, start StreamStart, mods ...Mod) (*StreamSession, error) {
	return t.openStream(ctx, target, start, nil, &narrator{began: time.Now(), observe: t.Observe, callSID: start.CallSID}, mods)
}

func (t *Twilio) openStream(ctx context.Context, target string, start StreamStart, jar http.CookieJar, n *narrator, mods []Mod) (*StreamSession, error) {
	start.StreamSID = first(start.StreamSID, NewSID("MZ"))
	start.Tracks, start.MediaFormat = []string{"inbound"}, mediaFormat{"audio/x-mulaw", 8000, 1}
	conn, raw, err := t.handshake(ctx, target, jar, mods)
	if failed, ok := errors.AsType[*Error](err); ok {
		failed.Code = CodeStreamHandshake
	}
	if err != nil {
		return nil, err
	}
	s := &StreamSession{Start: start, conn: conn, raw: raw, tell: n.tell, began: time.Now(), done: make(chan struct{})}
	conn.SetReadLimit(relayReadLimit)
	n.tell(Event{Kind: KindSocket, Text: target})
	cut := context.AfterFunc(ctx, s.Drop)
	go func() {
		defer cut()
		s.read()
	}()
	if s.send(map[string]any{"event": "connected", "protocol": "Call", "version": "1.0.0"}) == nil {
		s.tell(Event{Kind: KindSetup, Text: "stream " + start.StreamSID, Raw: compactJSON(start)})
		_ = s.next("start", start) // the reader finds out why
	}
	return s, nil
}

// next sends a message with its number in sequence.
func (s *StreamSession) next(event string, body any) error {
	s.writing.Lock()
	s.sequence++
	number := strconv.Itoa(s.sequence)
	s.writing.Unlock()
	return s.send(map[string]any{"event": event, "sequenceNumber": number, "streamSid": s.Start.StreamSID, event: body})
}

func (s *StreamSession) send(v any) error {
	frame, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("simulate: encode a message: %w", err)
	}
	return s.SendRaw(string(frame))
}

// SendRaw sends text as it is, valid or not.
func (s *StreamSession) SendRaw(text string) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, over := s.End(); over {
		return ErrSessionOver
	}
	s.conn.SetWriteDeadline(time.Now().Add(relayWriteTimeout))
	if err := s.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		s.conn.SetReadDeadline(time.Now().Add(relayCloseTimeout))
		return ErrSessionOver
	}
	return nil
}

// Media sends one frame of sound, as base64.
func (s *StreamSession) Media(payload string) error {
	s.mu.Lock()
	s.end.Sent++
	chunk := s.end.Sent
	s.mu.Unlock()
	return s.next("media", map[string]string{"track": "inbound", "chunk": strconv.Itoa(chunk), "timestamp": strconv.Itoa(chunk * 20), "payload": payload})
}

// Press reports a digit.
func (s *StreamSession) Press(digit string) error {
	s.tell(Event{Kind: KindDigit, Text: digit})
	return s.next("dtmf", map[string]string{"track": "inbound_track", "digit": digit})
}

// Hangup is the caller hanging up: stop is sent and the WebSocket closed.
func (s *StreamSession) Hangup() {
	_ = s.next("stop", map[string]string{"accountSid": s.Start.AccountSID, "callSid": s.Start.CallSID}) // it may be over
	if s.finish(SessionCompleted, 0, "") {
		deadline := time.Now().Add(relayCloseTimeout)
		s.conn.SetReadDeadline(deadline)
		if err := s.conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), deadline); err != nil {
			s.raw.Close()
		}
	}
	<-s.done
}

// Drop cuts the TCP connection without a word.
func (s *StreamSession) Drop() {
	s.finish(SessionFailed, 0, "")
	cutConnection(s.raw)
	<-s.done
}

func (s *StreamSession) finish(status string, code int, reason string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	s.ended = true
	s.end.StreamSID, s.end.Status, s.end.Duration, s.end.CloseCode, s.end.CloseReason = s.Start.StreamSID, status, time.Since(s.began), code, reason
	return true
}

// End returns how the stream ended, or how it stands, and whether it has ended.
func (s *StreamSession) End() (StreamEnd, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	end := s.end
	end.Marks, end.Unknown = slices.Clone(end.Marks), slices.Clone(end.Unknown)
	return end, s.ended
}

// Done is closed when the stream is over and its connection gone.
func (s *StreamSession) Done() <-chan struct{} { return s.done }

func (s *StreamSession) read() {
	defer close(s.done)
	defer s.raw.Close()
	for {
		_, frame, err := s.conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok && closed.Code != websocket.CloseAbnormalClosure {
			s.finish(SessionEnded, closed.Code, closed.Text)
			return
		}
		if err != nil {
			s.finish(SessionFailed, 0, "")
			return
		}
		s.receive(frame)
	}
}

// receive acts on a message. What is played is over at once, so that marks come back at once.
func (s *StreamSession) receive(frame []byte) {
	var m struct {
		Event     string `json:"event"`
		StreamSID string `json:"streamSid"`
		Mark      struct {
			Name string `json:"name"`
		} `json:"mark"`
	}
	_ = json.Unmarshal(frame, &m) // what cannot be read is unknown
	s.mu.Lock()
	switch {
	case m.Event == "media" && m.StreamSID == s.Start.StreamSID:
		s.end.Heard++
	case m.Event == "clear" && m.StreamSID == s.Start.StreamSID:
		s.end.Clears++
	case m.Event == "mark" && m.StreamSID == s.Start.StreamSID:
		s.end.Marks = append(s.end.Marks, m.Mark.Name)
	default:
		s.end.Unknown = append(s.end.Unknown, string(frame))
	}
	s.mu.Unlock()
	switch m.Event {
	case "media":
	case "mark":
		s.tell(Event{Kind: KindMessage, Text: "mark " + m.Mark.Name, Raw: string(frame)})
		_ = s.next("mark", map[string]string{"name": m.Mark.Name}) // it may be over
	default:
		s.tell(Event{Kind: KindMessage, Text: m.Event, Raw: string(frame)})
	}
}

// talk sends sound for as long as the caller stays on the line, and the digits that they press.
func (s *StreamSession) talk(ctx context.Context, length time.Duration, digits string) error {
	every := time.NewTicker(frameEvery)
	defer every.Stop()
	for n := 0; time.Duration(n)*frameEvery < length || digits != ""; n++ {
		if s.Media(silence) != nil {
			return nil // it is over
		}
		if n%10 == 9 && digits != "" {
			_ = s.Press(digits[:1]) // it may be over
			digits = digits[1:]
		}
		select {
		case <-every.C:
		case <-s.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// stream holds one Media Streams session of a call, and returns how it ended.
func (l *leg) stream(ctx context.Context, e Element) (StreamEnd, error) {
	to, err := l.twilio.resolve(l.call.voiceURL(l.twilio))
	if err != nil {
		return StreamEnd{}, err
	}
	noun, warnings, refused := readStreamNoun(e, to.public.Scheme == "http")
	for _, w := range warnings {
		l.alert(w)
	}
	failed := func(e *Error) (StreamEnd, error) {
		l.alert(e)
		return StreamEnd{Status: SessionFailed}, nil
	}
	if refused != nil {
		return failed(refused)
	}
	session, err := l.twilio.openStream(ctx, noun.url, StreamStart{AccountSID: l.call.AccountSID, CallSID: l.call.SID, CustomParameters: noun.parameters}, l.jar, l.story, nil)
	if ctx.Err() != nil {
		return StreamEnd{}, ctx.Err()
	}
	if err != nil {
		if refused, ok := errors.AsType[*Error](err); ok {
			return failed(refused)
		}
		return StreamEnd{}, err
	}
	l.streamStatus(ctx, noun, session, "stream-started")
	if err := session.talk(ctx, max(l.call.Talk, frameEvery)-l.talked, l.call.Digits); err != nil {
		session.Drop()
		return StreamEnd{}, err
	}
	session.Hangup()
	end, _ := session.End()
	l.talked += end.Duration
	l.streamStatus(ctx, noun, session, "stream-stopped")
	l.tell(Event{Kind: KindEnd, Text: describeStream(end), Raw: compactJSON(end)})
	return end, nil
}

func describeStream(e StreamEnd) string {
	text := map[string]string{SessionCompleted: "the caller hung up", SessionEnded: "the agent ended the stream", SessionFailed: "the stream was lost"}[e.Status]
	text += fmt.Sprintf("; %d frames to the agent, %d from it", e.Sent, e.Heard)
	if len(e.Marks) > 0 {
		text += ", marks " + strings.Join(e.Marks, ", ")
	}
	return text
}

// streamStatus tells of a stream, where somebody wants to know.
func (l *leg) streamStatus(ctx context.Context, noun streamNoun, s *StreamSession, event string) {
	if noun.status == "" {
		return
	}
	form := url.Values{"AccountSid": {l.call.AccountSID}, "CallSid": {l.call.SID}, "StreamSid": {s.Start.StreamSID}, "StreamName": {s.Start.StreamSID},
		"StreamEvent": {event}, "Timestamp": {time.Now().UTC().Format("2006-01-02T15:04:05.000Z")}}
	if _, err := l.twilio.Post(ctx, noun.status, form); err != nil {
		l.tell(Event{Kind: KindAlert, Text: "the stream's status callback failed: " + err.Error()})
	}
}
