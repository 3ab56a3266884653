package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"ringside/contacts"
	"ringside/internal/ledger"
	"ringside/internal/org"
	"ringside/internal/phone"
	"ringside/recognize"
)

// toolBudget bounds how long a runtime waits for the result of a tool.
const toolBudget = 3 * time.Second

// Marks remembers a value for the rest of a call, for every sidecar. Package cache implements it.
type Marks interface {
	Mark(ctx context.Context, name, value string)
	Marked(ctx context.Context, name string) string
}

// Recorder writes events to the ledger.
type Recorder interface {
	Record(ctx context.Context, e *ledger.Event) error
}

// Call is the call or message that a runtime speaks about: on the relay, the one whose socket it is.
type Call struct {
	Kind      string // "message", or "call", which may be left out
	Org       org.Org
	AgentID   string
	SID       string
	Direction string
	From, To  string
	Party     phone.Number // the other party's; "" if it has no person's number
	StartedAt time.Time
	Trusted   bool // the number may be taken for the caller's
	Disowned  bool // the other party has said that they are not the contact
}

// Event returns an event of this call with the given name, happening now.
func (c *Call) Event(name string) *ledger.Event {
	now := time.Now()
	return &ledger.Event{OrgID: c.Org.ID, SID: c.SID, Name: name, At: now, Kind: c.kind(), Direction: c.Direction,
		From: c.From, To: c.To, Party: c.Party, AgentID: c.AgentID, StartedAt: c.StartedAt, Untrusted: !c.Trusted}
}

func (c *Call) kind() string { return cmp.Or(c.Kind, "call") }

// Tools carries out what a runtime asks for with ringside.* messages.
type Tools struct {
	Book     *contacts.Book
	Recorder Recorder
	Marks    Marks
	// Messages sends messages; nil: none can be sent here.
	Messages Messages
	Log      *slog.Logger
}

// outcome is what became of what a tool asked for.
type outcome struct {
	contacts.CaptureResult
	// Of a message that is on its way.
	MessageSID string `json:"message_sid,omitempty"`
	Status     string `json:"status,omitempty"`
}

// result is the answer to a tool, of type ringside.result.
type result struct {
	Type string          `json:"type"`
	ID   json.RawMessage `json:"id,omitempty"`
	outcome
}

func refused(code, format string, args ...any) outcome {
	return outcome{CaptureResult: contacts.CaptureResult{Code: code, Message: fmt.Sprintf(format, args...)}}
}

// Disowned reports whether the caller of this call has said that they are not the contact.
func (t *Tools) Disowned(ctx context.Context, call *Call) bool {
	return call.Disowned || t.Marks.Marked(ctx, call.disownedMark()) != ""
}

func (c *Call) disownedMark() string { return "not_me:" + string(c.Org.ID) + ":" + c.SID }

// Handle carries out one message and returns the messages to send back to the runtime. It never
// says saved of what is not.
func (t *Tools) Handle(ctx context.Context, call *Call, m Message, malformed error) [][]byte {
	reply, ok := t.Answer(ctx, call, m, malformed)
	replies := [][]byte{reply}
	if m.Type == typeNotMe && ok {
		if forget, err := ContextMessage(recognize.Unknown()); err == nil {
			replies = append(replies, forget)
		}
	}
	return replies
}

// Answer carries out one message and returns its result alone, and whether it is done.
func (t *Tools) Answer(ctx context.Context, call *Call, m Message, malformed error) (reply []byte, ok bool) {
	budget := toolBudget
	if m.Type == typeSendSMS {
		budget = sendBudget
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	r, err := t.carryOut(ctx, call, m, malformed)
	if err != nil {
		t.Log.Warn("a tool could not be carried out", call.kind()+"_sid", call.SID, "tool", m.Kind(), "error", err)
		r = refused("unavailable", "This could not be saved just now. Try again, or go on without it.")
	}
	return encode(result{Type: prefix + "result", ID: m.ID, outcome: r}), r.OK
}

// Refuse is the answer to a message that is not carried out, for a reason that has a code.
func Refuse(id json.RawMessage, code, format string, args ...any) []byte {
	return encode(result{Type: prefix + "result", ID: id, outcome: refused(code, format, args...)})
}

// Done is the answer to a message for which there is nothing to tell but that it is done.
func Done(id json.RawMessage, message string) []byte {
	return encode(result{Type: prefix + "result", ID: id, outcome: outcome{CaptureResult: contacts.CaptureResult{OK: true, Message: message}}})
}

// Capture carries out one ringside.capture_contact that came another way than on the call's socket.
func (t *Tools) Capture(ctx context.Context, call *Call, m Message) (contacts.CaptureResult, error) {
	ctx, cancel := context.WithTimeout(ctx, toolBudget)
	defer cancel()
	m.Type = typeCapture
	r, err := t.carryOut(ctx, call, m, nil)
	return r.CaptureResult, err
}

// carryOut does what a message asks for. A panic is an error: it must not cost the call.
func (t *Tools) carryOut(ctx context.Context, call *Call, m Message, malformed error) (r outcome, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panicked: %v\n%s", cause, debug.Stack())
		}
	}()
	switch {
	case malformed != nil:
		return refused("invalid", "The message cannot be used: %v. See docs/agent-protocol.md.", malformed), nil
	case m.Type == typeCapture:
		r.CaptureResult, err = t.capture(ctx, call, m)
	case m.Type == typeNote:
		r.CaptureResult, err = t.note(ctx, call, m)
	case m.Type == typeSummary:
		r.CaptureResult, err = t.summary(ctx, call, m)
	case m.Type == typeNotMe:
		r.CaptureResult, err = t.notMe(ctx, call)
	case m.Type == typeSendSMS:
		return t.sendSMS(ctx, call, m)
	default:
		return refused("unknown_type", "%q is no message that Ringside knows. See docs/agent-protocol.md.", limit(m.Type, 60)), nil
	}
	return r, err
}

// The messages that a runtime may send.
const (
	typeCapture = prefix + "capture_contact"
	typeNote    = prefix + "note"
	typeSummary = prefix + "summary"
	typeNotMe   = prefix + "not_me"
	typeSendSMS = prefix + "send_sms"
)

// Unknown is the kind of what is no message that Ringside knows.
const Unknown = "unknown"

// Kind returns the type of the message if it is one that Ringside knows, else [Unknown]: what may
// stand in a log or a metric.
func (m Message) Kind() string {
	switch m.Type {
	case typeCapture, typeNote, typeSummary, typeNotMe, typeSendSMS:
		return m.Type
	}
	return Unknown
}

// Busy is the answer to a message that came while too many others were waiting.
func Busy(m Message) []byte {
	return Refuse(m.ID, "busy", "Too many requests at once. Wait for the results of the earlier ones, then try again.")
}

func encode(r result) []byte {
	b, err := json.Marshal(r)
	if err != nil { // only an id that is no JSON, which the decoder would not have let through
		r.ID = nil
		b, _ = json.Marshal(r)
	}
	return b
}

// capture keeps what the caller told the agent. What may not go into the address book is kept with
// the call.
func (t *Tools) capture(ctx context.Context, call *Call, m Message) (contacts.CaptureResult, error) {
	if n, err := phone.Parse(m.OtherPhone, call.Org.Country); err == nil && n == call.Party {
		m.OtherPhone = "" // it is no other: what holds for the caller's number holds
	}
	c := contacts.Capture{Org: call.Org, CallSID: call.SID, Phone: call.Party, OtherPhone: m.OtherPhone,
		Name: m.Name, Email: m.Email, Notes: m.Notes, At: time.Now()}
	switch {
	case !call.Trusted: // whose number they give makes no difference: they may be anybody
		c.CallOnly = "The caller's number could not be verified, so this is kept with the " + call.kind() + " and not in the address book."
	case m.OtherPhone == "" && t.Disowned(ctx, call):
		c.CallOnly = "The caller said they are not the contact of this number, so this is kept with the " + call.kind() + " and not in the address book."
	}
	r, err := t.Book.Capture(ctx, c)
	if err != nil || !(c.CallOnly != "" && r.OK || r.Code == "no_number") {
		return r, err
	}
	text := strings.TrimSpace(fmt.Sprintf("Captured: name %q, email %q, phone %q. %s",
		limit(m.Name, contacts.MaxName), limit(m.Email, contacts.MaxEmail), limit(m.OtherPhone, 40), limit(m.Notes, maxNote)))
	return r, t.keepNote(ctx, call, text)
}

// maxNote bounds a note or a summary, in characters.
const maxNote = 2000

// keepNote keeps a text with the call. The same text again is the same event.
func (t *Tools) keepNote(ctx context.Context, call *Call, text string) error {
	e := call.Event(eventName("note", text))
	e.Note = text
	return t.Recorder.Record(ctx, e)
}

// note keeps a remark with the call.
func (t *Tools) note(ctx context.Context, call *Call, m Message) (contacts.CaptureResult, error) {
	text := limit(firstOf(m.Note, m.Text, m.Notes), maxNote)
	if text == "" {
		return contacts.CaptureResult{Code: "nothing_to_save", Message: "The note is empty: send it as \"note\"."}, nil
	}
	if err := t.keepNote(ctx, call, text); err != nil {
		return contacts.CaptureResult{}, err
	}
	return contacts.CaptureResult{OK: true, Saved: []string{"note"}, Message: "The note is kept with the " + call.kind() + "."}, nil
}

// summary keeps what the call was about; a later summary replaces an earlier one.
func (t *Tools) summary(ctx context.Context, call *Call, m Message) (contacts.CaptureResult, error) {
	text := limit(firstOf(m.Summary, m.Text), maxNote)
	if text == "" {
		return contacts.CaptureResult{Code: "nothing_to_save", Message: "The summary is empty: send it as \"summary\"."}, nil
	}
	// Named by its time as well: going back to an earlier summary is news.
	e := call.Event("")
	e.Name = eventName("summary", e.At.Format(time.RFC3339Nano)+text)
	e.Summary = text
	if err := t.Recorder.Record(ctx, e); err != nil {
		return contacts.CaptureResult{}, err
	}
	return contacts.CaptureResult{OK: true, Saved: []string{"summary"}, Message: "The summary is kept with the " + call.kind() + "."}, nil
}

// notMe takes back who the caller was thought to be, for the rest of the call. The mark is what
// counts while the call lasts; the ledger needs it so that the call is no part of the contact's
// history, and for whoever takes the call on where the mark was lost.
func (t *Tools) notMe(ctx context.Context, call *Call) (contacts.CaptureResult, error) {
	call.Disowned = true
	t.Marks.Mark(ctx, call.disownedMark(), "1")
	e := call.Event("not_me")
	e.Disowned = true
	if err := t.Recorder.Record(ctx, e); err != nil {
		t.Log.Warn("not_me holds for this call but is not in the ledger yet", call.kind()+"_sid", call.SID, "error", err)
	}
	return contacts.CaptureResult{OK: true, Message: "Forget what you were told about the caller. Nothing more of this " + call.kind() + " goes to that contact."}, nil
}

// eventName names an event by what it says, not by the runtime's id: a runtime that reconnects may
// count from 1 again, and saying the same thing twice is one event.
func eventName(kind, text string) string {
	sum := sha256.Sum256([]byte(text))
	return kind + ":" + hex.EncodeToString(sum[:12])
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if strings.TrimSpace(text) != "" {
			return text
		}
	}
	return ""
}

// limit makes a text of an agent fit to be stored: valid UTF-8 without NUL, trimmed, at most n
// characters.
func limit(s string, n int) string {
	s = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\x00", ""))
	if utf8.RuneCountInString(s) > n {
		return string([]rune(s)[:n])
	}
	return s
}
