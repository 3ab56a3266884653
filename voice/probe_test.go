package voice_test

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
	"ringside/internal/simulate"
	"ringside/voice"
)

// steps are the names of a probe's steps, with a ! behind the one that failed.
func steps(p voice.Probe) string {
	var names []string
	for _, s := range p.Steps {
		name := s.Name
		if s.Failed != "" {
			name += "!"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func TestProbeOfARuntimeThatWorks(t *testing.T) {
	t.Parallel()
	runtime, err := simulate.StartRuntime(simulate.RuntimeOptions{Secret: bearer})
	check(t, err)
	t.Cleanup(runtime.Close)
	p := voice.ProbeRuntime(t.Context(), nil, &org.Agent{RuntimeURL: strings.Replace(runtime.URL(), "127.0.0.1", "localhost", 1), RuntimeSecret: bearer})
	if want := "Name, Connection, WebSocket, Answer to a ping, Staying open, Goodbye"; !p.OK || steps(p) != want {
		t.Errorf("%+v, want %s", p, want)
	}
	for _, s := range p.Steps {
		if s.Took < 0 || s.Took > 30*time.Second {
			t.Errorf("%s took %v", s.Name, s.Took)
		}
	}
	session, err := runtime.AwaitSession(t.Context(), 1)
	check(t, err)
	if _, began := session.Setup(); began {
		t.Error("the runtime got a setup, as if a call had begun")
	}
	if code, _ := closedBy(t, session); code != websocket.CloseNormalClosure {
		t.Errorf("closed with %d", code)
	}
}

// serves starts a server whose sockets, once accepted, are used as said, and returns its ws:// address.
func serves(t *testing.T, use func(*websocket.Conn)) string {
	t.Helper()
	upgrader := websocket.Upgrader{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		use(conn)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// answers starts a server that answers every request with a status.
func answers(t *testing.T, status int, header ...string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

// quiet keeps what a server has to say of broken handshakes out of the test's output.
func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// hears starts a server that does something with each connection.
func hears(t *testing.T, do func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			do(conn)
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

func TestProbeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	closing := func(code int, reason string) func(*websocket.Conn) {
		return func(c *websocket.Conn) {
			_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(code, reason), time.Now().Add(time.Second))
		}
	}
	tlsServer := httptest.NewUnstartedServer(http.NotFoundHandler())
	tlsServer.Config.ErrorLog = quiet()
	tlsServer.StartTLS()
	t.Cleanup(tlsServer.Close)
	encrypted := tlsServer.Listener.Addr().String()
	plain := strings.TrimPrefix(answers(t, http.StatusOK), "ws")
	ended := make(chan struct{})
	t.Cleanup(func() { close(ended) })
	free, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	nobody := free.Addr().String()
	check(t, free.Close())
	for _, tt := range []struct{ name, url, step, says string }{
		{"no such name", "ws://ringside-test.invalid/agent", "Name", "The name ringside-test.invalid is not known"},
		{"refused", "ws://" + nobody, "Connection", "Nothing takes connections at " + nobody},
		{"unauthorised", answers(t, http.StatusUnauthorized), "WebSocket", "It probably expects a secret"},
		{"forbidden", answers(t, http.StatusForbidden), "WebSocket", "(403 Forbidden)"},
		{"no such path", answers(t, http.StatusNotFound), "WebSocket", "nothing at this path"},
		{"elsewhere", answers(t, http.StatusMovedPermanently, "Location", "/"), "WebSocket", "another address"},
		{"a page", answers(t, http.StatusOK), "WebSocket", "does not speak WebSocket"},
		{"broken", answers(t, http.StatusInternalServerError), "WebSocket", "The program failed"},
		{"behind a proxy", answers(t, http.StatusBadGateway), "WebSocket", "is not there"},
		{"another refusal", answers(t, http.StatusTeapot), "WebSocket", "refuses the connection (418"},
		{"upgraded to something else", answers(t, http.StatusSwitchingProtocols), "WebSocket", "not as the standard asks for"},
		{"TLS without asking for it", "ws://" + encrypted, "WebSocket", "write the address with wss://"},
		{"a strange certificate", "wss://" + encrypted, "Encryption", "made by nobody that this machine trusts"},
		{"no TLS there", "wss" + plain, "Encryption", "does not use TLS"},
		{"hangs up", "ws://" + hears(t, func(c net.Conn) { c.Close() }), "WebSocket", "hung up before it answered"},
		{"hangs up on TLS", "wss://" + hears(t, func(c net.Conn) { c.Close() }), "WebSocket", "hung up before it answered"},
		{"speaks something else", "ws://" + hears(t, func(c net.Conn) { _, _ = c.Write([]byte("220 mail.example.com ESMTP\r\n")); <-ended }), "WebSocket", "does not speak WebSocket"},
		{"never answers", "ws://" + hears(t, func(net.Conn) { <-ended }), "WebSocket", "did not answer within 3 seconds"},
		{"closes", serves(t, closing(1011, "out of tokens")), "Staying open", "code 1011, “out of tokens”"},
		{"closes for the secret", serves(t, closing(1008, "who are you")), "Staying open", "The secret that is set here"},
		{"closes without a code", serves(t, closing(websocket.CloseNoStatusReceived, "")), "Staying open", "(without a code)"},
		{"is lost", serves(t, func(c *websocket.Conn) { c.NetConn().Close() }), "Staying open", "lost it at once"},
		{"does not read", serves(t, func(*websocket.Conn) { <-ended }), "Answer to a ping", "does not answer pings"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := voice.ProbeRuntime(t.Context(), nil, &org.Agent{RuntimeURL: tt.url})
			last := p.Steps[len(p.Steps)-1]
			if p.OK || last.Name != tt.step || last.Failed != p.Text || !strings.Contains(p.Text, tt.says) {
				t.Errorf("%s: %q, want %s to fail and say %q", steps(p), p.Text, tt.step, tt.says)
			}
			for _, s := range p.Steps[:len(p.Steps)-1] {
				if s.Failed != "" {
					t.Errorf("%s failed as well: %s", s.Name, s.Failed)
				}
			}
		})
	}
}

func TestProbeWithTheWrongSecret(t *testing.T) {
	t.Parallel()
	runtime, err := simulate.StartRuntime(simulate.RuntimeOptions{Secret: bearer})
	check(t, err)
	t.Cleanup(runtime.Close)
	p := voice.ProbeRuntime(t.Context(), nil, &org.Agent{RuntimeURL: runtime.URL(), RuntimeSecret: "hunter2"})
	if p.OK || !strings.Contains(p.Text, "probably not the one that it expects") || strings.Contains(p.Text, "hunter2") {
		t.Errorf("%+v", p)
	}
}
