package simulate

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
)

// A connection that can no longer be written to is a network loss, not a caller who hung up; what
// was to be said is kept for the next session.
func TestConverseOnADeadConnection(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var up websocket.Upgrader
		conn, err := up.Upgrade(w, r, nil)
		if err != nil {
			t.Errorf("upgrade: %v", err)
			return
		}
		defer conn.Close()
		<-over // reads nothing, so that it does not notice
	}))
	defer server.Close()
	defer close(over)

	twilio := &Twilio{BaseURL: server.URL, AuthToken: "12345"}
	session, err := twilio.OpenRelay(t.Context(), strings.Replace(server.URL, "http", "ws", 1), Setup{})
	if err != nil {
		t.Fatal(err)
	}
	if err := session.raw.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	l := &leg{twilio: twilio, call: Call{Script: []Step{Say("Hi")}}}
	if err := l.converse(t.Context(), &conversation{twilio: twilio, session: session, tell: session.tell}); err != nil {
		t.Fatal(err)
	}
	if end, _ := session.End(); end.Status != SessionFailed || end.ErrorCode != CodeRelayNetwork || l.played != 0 {
		t.Errorf("session = %+v, %d steps played", end, l.played)
	}
}
