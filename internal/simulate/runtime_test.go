package simulate_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"ringside/internal/simulate"
)

const setupWithCaller = `{"type":"setup","sessionId":"VX1","callSid":"CA1","from":"+14155551200","to":"+12125550199","direction":"inbound",
"customParameters":{"caller_known":"true","caller_name":"Alex Chen","caller_email":"alex@acme.io","caller_notes":"Prefers morning calls","caller_context":"Caller: Alex Chen"},
"caller":{"known":true,"source":"contact","name":"Alex Chen","email":"alex@acme.io","tags":["vip"],"notes":"Prefers morning calls","campaign":null,
"history":[{"at":"2026-11-20T10:00:00Z","kind":"call","direction":"inbound","duration_s":184,"summary":"Asked about pricing"}],"greeted_by_name":true}}`

func startRuntime(tb testing.TB, options simulate.RuntimeOptions) *simulate.Runtime {
	tb.Helper()
	r, err := simulate.StartRuntime(options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

// dial connects to the runtime as a sidecar does.
func dial(tb testing.TB, r *simulate.Runtime, header http.Header) *wire {
	tb.Helper()
	conn, _, err := websocket.DefaultDialer.DialContext(tb.Context(), r.URL(), header)
	if err != nil {
		tb.Fatalf("dial the runtime: %v", err)
	}
	tb.Cleanup(func() { conn.Close() })
	return &wire{Conn: conn, tb: tb}
}

// hears reads the agent's next whole talk cycle, and fails if it comes in one piece though it has
// several words.
func (x *wire) hears() string {
	x.tb.Helper()
	var text strings.Builder
	for tokens := 1; ; tokens++ {
		m := x.read()
		if m["type"] != "text" {
			x.tb.Fatalf("the agent sent %v, want text", m)
		}
		text.WriteString(m["token"].(string))
		if m["last"] == true {
			if tokens == 1 && strings.Contains(text.String(), " ") {
				x.tb.Errorf("%q was not streamed", text.String())
			}
			return text.String()
		}
	}
}

func TestRuntimeKeepsWhatArrives(t *testing.T) {
	t.Parallel()
	r := startRuntime(t, simulate.RuntimeOptions{})
	x := dial(t, r, http.Header{"X-Extra": {"1"}})
	messages := []string{setupWithCaller, `{"type":"prompt","voicePrompt":"Hi","lang":"en-US","last":true}`, `not JSON`, `{"type":"dtmf","digit":"5"}`,
		`{"type":"ringside.context","caller":{"known":true,"name":"Late"}}`, `{"type":"ringside.result","id":"7","ok":true}`, `{"type":"ringside.result","id":8}`}
	for _, m := range messages {
		x.send(m)
	}
	session, err := r.AwaitSession(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.Await(t.Context(), func(m simulate.Message) bool { return m.Type == "ringside.result" && m.ID == "" }); err != nil {
		t.Fatal(err)
	}
	var raw []string
	for _, m := range session.Messages() {
		raw = append(raw, string(m.Raw))
	}
	if diff := cmp.Diff(messages, raw); diff != "" {
		t.Errorf("messages (-sent +kept):\n%s", diff)
	}
	setup, ok := session.Setup()
	if !ok || string(setup.Raw) != setupWithCaller || setup.CallSID != "CA1" || setup.CustomParameters["caller_email"] != "alex@acme.io" || !setup.HasCaller {
		t.Errorf("setup = %+v, %v", setup, ok)
	}
	want := simulate.Caller{Known: true, Source: "contact", Name: "Alex Chen", Email: "alex@acme.io", Tags: []string{"vip"},
		Notes: "Prefers morning calls", Campaign: []byte("null"), GreetedByName: true,
		History: []simulate.PastContact{{At: time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC), Kind: "call", Direction: "inbound", DurationS: 184, Summary: "Asked about pricing"}}}
	if diff := cmp.Diff(want, setup.Caller); diff != "" {
		t.Errorf("caller (-want +got):\n%s", diff)
	}
	if session.Header.Get("X-Extra") != "1" || session.Path != "/agent" {
		t.Errorf("Header = %v, Path = %q", session.Header, session.Path)
	}
	if c, res := session.Contexts(), session.Results(); len(c) != 1 || len(res) != 2 || res[0].ID != "7" {
		t.Errorf("Contexts = %v, Results = %v", c, res)
	}
	if _, _, over := session.Closed(); over {
		t.Error("Closed before the end")
	}
	x.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1001, "draining"), time.Now().Add(time.Second))
	<-session.Context().Done()
	if code, reason, over := session.Closed(); code != 1001 || reason != "draining" || !over {
		t.Errorf("Closed = %d %q %v", code, reason, over)
	}
	if _, err := session.Await(t.Context(), func(simulate.Message) bool { return false }); !errors.Is(err, simulate.ErrSessionOver) {
		t.Errorf("Await after the end: %v", err)
	}
}

func TestRuntimeSecret(t *testing.T) {
	t.Parallel()
	r := startRuntime(t, simulate.RuntimeOptions{Secret: "s3cret"})
	for _, header := range []string{"", "s3cret", "Bearer s3cret2", "bearer s3cret"} {
		_, res, err := websocket.DefaultDialer.DialContext(t.Context(), r.URL(), http.Header{"Authorization": {header}})
		if err == nil || res == nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("Authorization %q: %v, %v", header, res, err)
		}
	}
	dial(t, r, http.Header{"Authorization": {"Bearer s3cret"}})
	if _, err := r.AwaitSession(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestRuntimeRefusesAndHangs(t *testing.T) {
	t.Parallel()
	r := startRuntime(t, simulate.RuntimeOptions{})
	r.Refuse(503)
	if _, res, err := websocket.DefaultDialer.DialContext(t.Context(), r.URL(), nil); err == nil || res.StatusCode != 503 {
		t.Errorf("refused: %v", err)
	}
	r.Refuse(0)
	r.Hang(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, res, err := websocket.DefaultDialer.DialContext(ctx, r.URL(), nil); err == nil || res != nil {
		t.Errorf("hanging: %v, %v", res, err)
	}
	r.Hang(false)
	dial(t, r, nil)
	if got := len(r.Sessions()); got > 1 {
		t.Errorf("%d sessions, want 1", got)
	}
	r.Close()
	if _, _, err := websocket.DefaultDialer.DialContext(t.Context(), r.URL(), nil); err == nil {
		t.Error("connected to a closed runtime")
	}
	if _, err := r.AwaitSession(t.Context(), 9); err == nil {
		t.Error("AwaitSession of a closed runtime succeeded")
	}
}

// A runtime can go wrong in the middle of a call.
func TestRuntimeMisbehaves(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		behave func(*simulate.AgentSession) error
		check  func(frame []byte, err error) bool
	}{
		"close": {func(s *simulate.AgentSession) error { return s.CloseWith(1012, "restart") }, func(_ []byte, err error) bool {
			closed, ok := errors.AsType[*websocket.CloseError](err)
			return ok && closed.Code == 1012 && closed.Text == "restart"
		}},
		"crash": {func(s *simulate.AgentSession) error { s.Crash(); return nil }, func(_ []byte, err error) bool {
			return err != nil && !websocket.IsCloseError(err, 1000, 1001)
		}},
		"garbage": {func(s *simulate.AgentSession) error { return s.Send("{\x00") }, func(frame []byte, err error) bool {
			return err == nil && string(frame) == "{\x00"
		}},
		"bytes": {func(s *simulate.AgentSession) error { return s.Send([]byte(`{"type":"new"}`)) }, func(frame []byte, err error) bool {
			return err == nil && string(frame) == `{"type":"new"}`
		}},
		"end": {func(s *simulate.AgentSession) error { return s.End("") }, func(frame []byte, err error) bool {
			return err == nil && string(frame) == `{"type":"end"}`
		}},
		"unencodable": {func(s *simulate.AgentSession) error {
			if s.Send(func() {}) == nil {
				return errors.New("a function was sent")
			}
			return s.Token("ok", true)
		}, func(frame []byte, err error) bool {
			return err == nil && string(frame) == `{"type":"text","token":"ok","last":true}`
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startRuntime(t, simulate.RuntimeOptions{Behaviour: func(s *simulate.AgentSession, _ simulate.Message) {
				if err := test.behave(s); err != nil {
					t.Errorf("behaviour: %v", err)
				}
			}})
			x := dial(t, r, nil)
			x.send(setupWithCaller)
			if _, frame, err := x.ReadMessage(); !test.check(frame, err) {
				t.Errorf("received %q, %v", frame, err)
			}
		})
	}
}

// A behaviour that blocks stops the reading; closing the runtime ends it.
func TestRuntimeCloseEndsBlockedBehaviour(t *testing.T) {
	t.Parallel()
	blocked := make(chan struct{})
	r := startRuntime(t, simulate.RuntimeOptions{Behaviour: func(s *simulate.AgentSession, _ simulate.Message) {
		close(blocked)
		<-s.Context().Done()
	}})
	x := dial(t, r, nil)
	x.send(setupWithCaller)
	x.send(`{"type":"prompt"}`)
	<-blocked
	r.Close()
	if got := r.Sessions()[0].Messages(); len(got) != 1 {
		t.Errorf("%d messages were read past a blocked behaviour", len(got)-1)
	}
}

func TestRuntimeTools(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []simulate.Event
	r := startRuntime(t, simulate.RuntimeOptions{
		Behaviour: func(s *simulate.AgentSession, m simulate.Message) {
			switch m.Type {
			case "setup":
				s.Tool("ringside.capture_contact", map[string]any{"email": "sam@example.com"})
				s.Tool("ringside.note", map[string]any{"id": "mine", "type": "not this"})
				if _, err := s.Tool("ringside.note", map[string]any{"notes": func() {}}); err == nil {
					t.Error("a function was sent")
				}
			case "ringside.result":
				s.Token("got-"+m.ID, true)
			}
		},
		Observe: func(e simulate.Event) { mu.Lock(); defer mu.Unlock(); events = append(events, e) },
	})
	x := dial(t, r, nil)
	x.send(setupWithCaller)
	want := []map[string]any{{"type": "ringside.capture_contact", "id": "1", "email": "sam@example.com"}, {"type": "ringside.note", "id": "mine"}}
	if diff := cmp.Diff(want, []map[string]any{x.read(), x.read()}); diff != "" {
		t.Errorf("tools (-want +got):\n%s", diff)
	}
	x.send(`{"type":"ringside.result","id":"mine","ok":true}`)
	if got := x.hears(); got != "got-mine" {
		t.Errorf("the agent said %q", got)
	}
	x.Close()
	r.Close()
	mu.Lock()
	defer mu.Unlock()
	var kinds []simulate.Kind
	for _, e := range events {
		kinds = append(kinds, e.Kind)
		if e.Kind != simulate.KindAgentSession && e.CallSID != "CA1" {
			t.Errorf("event of no call: %+v", e)
		}
	}
	wantKinds := []simulate.Kind{simulate.KindAgentSession, simulate.KindAgentSetup, simulate.KindAgentTool, simulate.KindAgentTool,
		simulate.KindAgentResult, simulate.KindAgentEnd}
	if !slices.Equal(kinds, wantKinds) {
		t.Errorf("events = %v, want %v", kinds, wantKinds)
	}
	if text := events[1].Text; !strings.Contains(text, "Alex Chen (from the contacts)") || !strings.Contains(text, "alex@acme.io") ||
		!strings.Contains(text, "Prefers morning calls") || !strings.Contains(text, "history of 1") {
		t.Errorf("agent is told %q", text)
	}
}

func TestRuntimeNeedsAnAddress(t *testing.T) {
	t.Parallel()
	r := startRuntime(t, simulate.RuntimeOptions{})
	address := strings.TrimSuffix(strings.TrimPrefix(r.URL(), "ws://"), "/agent")
	if second, err := simulate.StartRuntime(simulate.RuntimeOptions{Listen: address}); err == nil {
		second.Close()
		t.Error("two runtimes at one address")
	}
}
