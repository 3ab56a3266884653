package simulate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"ringside/internal/simulate"
	"ringside/internal/twilio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token   = "12345"
	account = "AC00000000000000000000000000000001"
	caller  = "+14155550123"
	dialled = "+12125550199"
)

// request is one that the sidecar received, signature checked.
type request struct {
	Method, Path string
	Form         url.Values
	Header       http.Header
	Host         string
}

// sidecar is a server in the sidecar's place: it refuses what is not signed, answers as the test
// says, and keeps what it got.
type sidecar struct {
	*httptest.Server
	tb     testing.TB
	public string // what Twilio signs for

	mu       sync.Mutex
	requests []request
	webhooks map[string]http.HandlerFunc
	session  func(*wire)
	sessions sync.WaitGroup
}

// wire is the sidecar's end of one ConversationRelay WebSocket.
type wire struct {
	*websocket.Conn
	tb     testing.TB
	setup  map[string]any
	header http.Header
}

func newSidecar(tb testing.TB) *sidecar {
	tb.Helper()
	s := &sidecar{tb: tb, webhooks: map[string]http.HandlerFunc{}}
	s.Server = httptest.NewServer(s)
	s.public = s.URL
	tb.Cleanup(func() { s.Close(); s.sessions.Wait() })
	return s
}

// twilio returns a Twilio that calls this sidecar, and does not really wait.
func (s *sidecar) twilio() *simulate.Twilio {
	return &simulate.Twilio{
		BaseURL: s.URL, PublicURL: s.public, AccountSID: account, AuthToken: token,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
	}
}

func (s *sidecar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.tb.Errorf("read the body: %v", err)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		s.tb.Errorf("read the form: %v", err)
	}
	base := s.public
	if r.Header.Get("Upgrade") != "" {
		base = strings.Replace(base, "http", "ws", 1)
	}
	if r.Method == http.MethodGet {
		form = nil
	}
	if got, want := r.Header.Get(simulate.SignatureHeader), twilio.Sign(token, base+r.RequestURI, form); got != want {
		http.Error(w, "bad signature for "+base+r.RequestURI, http.StatusForbidden)
		return
	}
	s.mu.Lock()
	s.requests = append(s.requests, request{r.Method, r.URL.Path, form, r.Header, r.Host})
	webhook, session := s.webhooks[r.URL.Path], s.session
	s.mu.Unlock()
	switch {
	case r.Header.Get("Upgrade") != "" && session != nil:
		s.accept(w, r, session)
	case webhook != nil:
		webhook(w, r)
	case strings.HasSuffix(r.URL.Path, "/status"):
		w.WriteHeader(http.StatusNoContent)
	case strings.HasSuffix(r.URL.Path, "/after"):
		twiml(`<Response/>`)(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (s *sidecar) accept(w http.ResponseWriter, r *http.Request, session func(*wire)) {
	s.sessions.Add(1)
	defer s.sessions.Done()
	var up websocket.Upgrader
	conn, err := up.Upgrade(w, r, nil)
	if err != nil {
		s.tb.Errorf("upgrade: %v", err)
		return
	}
	defer conn.Close()
	x := &wire{Conn: conn, tb: s.tb, header: r.Header}
	x.setup = x.read()
	if x.setup["type"] != "setup" {
		s.tb.Errorf("first message = %v, want setup", x.setup)
	}
	session(x)
}

// on answers a webhook.
func (s *sidecar) on(path string, answer http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.webhooks[path] = answer
}

// onSocket answers every WebSocket; the connection is closed when session returns.
func (s *sidecar) onSocket(session func(*wire)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = session
}

// got returns the requests to path so far.
func (s *sidecar) got(path string) []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.requests), func(r request) bool { return r.Path != path })
}

// paths returns the paths of all requests so far.
func (s *sidecar) paths() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var paths []string
	for _, r := range s.requests {
		paths = append(paths, r.Path)
	}
	return paths
}

// read returns the next message, or nil when the connection is gone.
func (x *wire) read() map[string]any {
	_, frame, err := x.ReadMessage()
	if err != nil {
		return nil
	}
	var m map[string]any
	if err := json.Unmarshal(frame, &m); err != nil {
		x.tb.Errorf("Twilio sent %q: %v", frame, err)
	}
	return m
}

// say sends one whole talk cycle.
func (x *wire) say(text string) {
	x.send(fmt.Sprintf(`{"type":"text","token":%q,"last":true}`, text))
}

// send sends a frame; a connection that is gone is seen by the next read.
func (x *wire) send(frame string) { x.WriteMessage(websocket.TextMessage, []byte(frame)) }

// echo answers every prompt until the connection is gone.
func echo(x *wire) {
	for m := x.read(); m != nil; m = x.read() {
		if m["type"] == "prompt" && m["last"] == true {
			x.say("You said: " + m["voicePrompt"].(string))
		}
	}
}

// hold reads until the connection is gone.
func hold(x *wire) {
	for x.read() != nil {
	}
}

func twiml(document string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml; charset=utf-8")
		io.WriteString(w, document)
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// connect is TwiML for a ConversationRelay session with the given attributes and children.
func (s *sidecar) connect(attributes, children string) string {
	socket := strings.Replace(s.public, "http", "ws", 1) + "/twilio/relay"
	return `<?xml version="1.0" encoding="UTF-8"?><Response><Connect action="/twilio/voice/after"><ConversationRelay url="` +
		socket + `" ` + attributes + `>` + children + `</ConversationRelay></Connect></Response>`
}

// place makes a call and fails the test if it ends in an error.
func place(tb testing.TB, t *simulate.Twilio, script ...simulate.Step) *simulate.Outcome {
	tb.Helper()
	out, err := t.Place(tb.Context(), simulate.Call{From: caller, To: dialled, Script: script})
	if err != nil {
		tb.Fatalf("Place: %v", err)
	}
	return out
}

func sample(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func sampleForm(tb testing.TB, name string) url.Values {
	tb.Helper()
	form, err := url.ParseQuery(string(sample(tb, name)))
	if err != nil {
		tb.Fatal(err)
	}
	return form
}

// codes are the Twilio error codes among the alerts.
func codes(alerts []*simulate.Error) []int {
	var codes []int
	for _, a := range alerts {
		codes = append(codes, a.Code)
	}
	return codes
}
