package voice

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
)

// dialTries is how often a connection to a runtime is tried, over about three seconds where it is
// refused at once: long enough for a runtime that is being restarted, while the caller hears the
// greeting.
const dialTries = 5

// dialRuntime connects to an agent's runtime, and tries once more after a failure: a runtime that is
// just being replaced answers the second time. The runtime knows us by the agent's secret, since it
// cannot check Twilio's signature on this hop.
func (s *Service) dialRuntime(ctx context.Context, a *org.Agent, callSID string) (*websocket.Conn, error) {
	dialer, header := runtimeDialer(&s.timing), runtimeHeader(a, callSID)
	var err error
	for try := range dialTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(s.timing.Retry << (try - 1)): // twice as long each time
			}
		}
		var conn *websocket.Conn
		var response *http.Response
		if conn, response, err = dialer.DialContext(ctx, a.RuntimeURL, header); err == nil {
			return conn, nil
		}
		if response != nil {
			err = fmt.Errorf("it answered %s", response.Status)
		}
	}
	return nil, fmt.Errorf("connect to the agent runtime: %w", err)
}

// runtimeDialer opens connections to runtimes.
func runtimeDialer(t *timing) *websocket.Dialer {
	return &websocket.Dialer{Proxy: http.ProxyFromEnvironment, HandshakeTimeout: t.Dial,
		ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &writeBuffers}
}

// runtimeHeader is what a runtime's handshake has besides what WebSocket asks for.
func runtimeHeader(a *org.Agent, callSID string) http.Header {
	header := http.Header{"X-Ringside-Call-Sid": {callSID}}
	if a.RuntimeSecret != "" {
		header.Set("Authorization", "Bearer "+a.RuntimeSecret)
	}
	return header
}

// redactedURL is an address fit for the log: without password and query.
func redactedURL(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "(unreadable)"
	}
	u.RawQuery = ""
	return u.Redacted()
}
