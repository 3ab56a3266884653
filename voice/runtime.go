package voice

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
	"ringside/internal/reach"
)

// dialTries is how often a connection to a runtime is tried, over about three seconds where it is
// refused at once: long enough for a runtime that is being restarted, while the caller hears the
// greeting.
const dialTries = 5

// dialRuntime connects to an agent's runtime, and tries again after a failure: a runtime that is
// just being replaced answers a little later. The runtime knows us by the agent's secret, since it
// cannot check Twilio's signature on this hop.
func (s *Service) dialRuntime(ctx context.Context, a *org.Agent, callSID string) (*websocket.Conn, error) {
	dialer, err := runtimeDialer(&s.timing, s.Runtimes, a.RuntimeURL)
	if err != nil {
		return nil, fmt.Errorf("connect to the agent runtime: %w", err)
	}
	header := runtimeHeader(a, callSID)
	ctx, cancel := context.WithTimeout(ctx, s.timing.Connect)
	defer cancel()
	for try := range dialTries {
		if try > 0 {
			select {
			case <-ctx.Done():
				return nil, fmt.Errorf("connect to the agent runtime: %w", err)
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
		if _, refused := errors.AsType[*reach.RefusedError](err); refused { // by us; it will not do next time
			break
		}
	}
	return nil, fmt.Errorf("connect to the agent runtime: %w", err)
}

// runtimeDialer opens connections to a runtime, as far as it is one that may be dialled. It follows no
// redirects: where a runtime is, is what the agent's settings say.
func runtimeDialer(t *timing, allowed *reach.Policy, runtimeURL string) (*websocket.Dialer, error) {
	proxy, dial, err := allowed.Dialing(runtimeURL)
	if err != nil {
		return nil, err
	}
	return &websocket.Dialer{Proxy: proxy, NetDialContext: dial, HandshakeTimeout: t.Dial,
		ReadBufferSize: readBuffer, WriteBufferSize: writeBuffer, WriteBufferPool: &writeBuffers}, nil
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
