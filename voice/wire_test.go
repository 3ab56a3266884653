package voice_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
	"ringside/internal/simulate"
)

// wireRuntime is an agent runtime whose every frame the test sends and reads itself.
type wireRuntime struct {
	tb       testing.TB
	server   *httptest.Server
	accepted chan *socket
}

func newWireRuntime(tb testing.TB) *wireRuntime {
	r := &wireRuntime{tb: tb, accepted: make(chan *socket, 1)}
	var open sync.WaitGroup
	up := websocket.Upgrader{}
	r.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		conn, err := up.Upgrade(w, req, nil)
		if err != nil {
			return // answered
		}
		open.Add(1)
		tb.Cleanup(func() { conn.Close(); open.Done() })
		_ = conn.SetReadDeadline(time.Now().Add(patience)) // reported by the first read
		r.accepted <- &socket{Conn: conn, tb: tb, header: req.Header}
	}))
	tb.Cleanup(func() { r.server.Close(); open.Wait() })
	return r
}

func (r *wireRuntime) url() string {
	return strings.Replace(r.server.URL, "http", "ws", 1) + "/agent?tenant=7"
}

// use points an agent at this runtime.
func (r *wireRuntime) use(a *org.Agent) { a.RuntimeURL = r.url() }

// accept waits for the next connection, and returns it with the setup message read.
func (r *wireRuntime) accept() (s *socket, setup string) {
	r.tb.Helper()
	select {
	case s = <-r.accepted:
		return s, s.next()
	case <-within(r.tb).Done():
		r.tb.Fatal("nobody connected to the runtime")
		return nil, ""
	}
}

// wired is an edge for calls between a socket as Twilio's and one as the runtime's.
type wired struct {
	*edge
	twilio, runtime *socket
	setup           simulate.AgentSetup // what the runtime was told last
	setupRaw        []byte
	wire            *wireRuntime
}

func newWired(tb testing.TB, p parts) *wired {
	tb.Helper()
	wire := newWireRuntime(tb)
	configure := p.agent
	p.agent = func(a *org.Agent) {
		wire.use(a)
		if configure != nil {
			configure(a)
		}
	}
	return &wired{edge: newEdge(tb, p), wire: wire}
}

// newWiredCall is newWired with a call on the relay.
func newWiredCall(tb testing.TB, p parts) *wired {
	tb.Helper()
	w := newWired(tb, p)
	w.call(callSID("wire"))
	return w
}

// call places a call of Jane's; its sockets take the place of the last one's.
func (w *wired) call(sid string) {
	w.tb.Helper()
	w.callFrom(sid, jane)
}

func (w *wired) callFrom(sid, from string) {
	w.tb.Helper()
	w.connect(sid, from, w.ring(sid, from).Token)
}

// connect opens the sockets of a call that has been answered.
func (w *wired) connect(sid, from, token string) {
	w.tb.Helper()
	w.twilio = w.open(sid, from, token)
	var setup string
	w.runtime, setup = w.wire.accept()
	w.setup, w.setupRaw = simulate.AgentSetup{}, []byte(setup)
	check(w.tb, json.Unmarshal(w.setupRaw, &w.setup))
}

// ended waits until no call is on the relay, and checks what ended the session.
func (w *wired) ended(by string) {
	w.tb.Helper()
	w.AwaitIdle(within(w.tb))
	if n := w.OpenCalls(); n != 0 {
		w.tb.Errorf("%d sessions are still open", n)
	}
	if n := w.metric(`ringside_relay_ends_total{by="` + by + `",path="/twilio/relay"}`); n != 1 {
		w.tb.Errorf("%d sessions ended by %s", n, by)
	}
}

// frame is one message on the wire.
type frame struct {
	Kind int
	Data string
}

func (s *socket) frame() frame {
	s.tb.Helper()
	kind, data, err := s.ReadMessage()
	if err != nil {
		s.tb.Fatalf("read a frame: %v", err)
	}
	return frame{kind, string(data)}
}

func (s *socket) sendFrame(f frame) {
	s.tb.Helper()
	if err := s.WriteMessage(f.Kind, []byte(f.Data)); err != nil {
		s.tb.Fatalf("send a frame: %v", err)
	}
}
