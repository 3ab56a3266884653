package voice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"

	"github.com/gorilla/websocket"

	"ringside/internal/org"
	"ringside/internal/reach"
	"ringside/internal/webhook"
)

// dialProblem says at which step a connection to a runtime could not be made, and why.
func dialProblem(err error, response *http.Response, a *org.Agent) (step, sentence string) {
	u, parseErr := url.Parse(a.RuntimeURL)
	if parseErr != nil { // settings are checked before they are kept
		return "Address", "The address cannot be read."
	}
	host := u.Host
	if refused, ok := errors.AsType[*reach.RefusedError](err); ok {
		return "Address", fmt.Sprintf("Agent programs at this address are not allowed here: %s.", refused.Why)
	}
	if response != nil {
		return "WebSocket", handshakeProblem(response, a)
	}
	if step, sentence := tlsProblem(err, host); sentence != "" {
		return step, sentence
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return "Name", fmt.Sprintf("The name %s is not known here. Look for a slip of the pen in the address.", u.Hostname())
	}
	_, dialling := errors.AsType[*net.OpError](err)
	timeout := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) || isNetTimeout(err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "Connection", fmt.Sprintf("Nothing takes connections at %s. Is the agent program running, and is the port right?", host)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "Connection", fmt.Sprintf("There is no way from here to %s. Is the address one that this machine can reach?", host)
	case errors.Is(err, syscall.ECONNRESET), strings.Contains(err.Error(), "EOF"):
		return "WebSocket", fmt.Sprintf("The program at %s hung up before it answered. %s", host, schemeHint(u.Scheme))
	case strings.Contains(err.Error(), "malformed HTTP"):
		return "WebSocket", fmt.Sprintf("What answers at %s does not speak WebSocket. %s", host, schemeHint(u.Scheme))
	case timeout && dialling && strings.Contains(err.Error(), "dial"):
		return "Connection", fmt.Sprintf("No answer from %s within 3 seconds. A firewall may be in the way, or the machine is off.", host)
	case timeout:
		return "WebSocket", fmt.Sprintf("The program at %s takes connections and did not answer within 3 seconds. A call waits no longer than that.", host)
	}
	return "Connection", fmt.Sprintf("The connection to %s could not be made. Look at the address, and whether the program runs.", host)
}

func isNetTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// schemeHint names the commonest reason for an answer that makes no sense.
func schemeHint(scheme string) string {
	if scheme == "wss" {
		return "If it does not use TLS, write the address with ws:// instead of wss://."
	}
	return "If it uses TLS, write the address with wss:// instead of ws://."
}

// tlsProblem says what is wrong with the encryption; "" if nothing is.
func tlsProblem(err error, host string) (step, sentence string) {
	step = "Encryption"
	if wrong, ok := errors.AsType[x509.HostnameError](err); ok {
		return step, fmt.Sprintf("The certificate at %s is for another name. It has to be for %s.", host, wrong.Host)
	}
	if wrong, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		if wrong.Reason == x509.Expired {
			return step, fmt.Sprintf("The certificate at %s has expired, or is not valid yet. Renew it.", host)
		}
		return step, fmt.Sprintf("The certificate at %s is not valid for a server. Get one from a public authority.", host)
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return step, fmt.Sprintf("The certificate at %s was made by nobody that this machine trusts. Use one of a public authority, or make this machine trust yours.", host)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return step, fmt.Sprintf("What answers at %s does not use TLS. Write the address with ws:// instead of wss://, or set up TLS there.", host)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return step, fmt.Sprintf("The certificate at %s is not trusted here.", host)
	}
	if alert, ok := errors.AsType[tls.AlertError](err); ok {
		return step, fmt.Sprintf("The program at %s and this one could not agree on the encryption (%s).", host, alert.Error())
	}
	return "", ""
}

// handshakeProblem says why an HTTP answer is no WebSocket.
func handshakeProblem(response *http.Response, a *org.Agent) string {
	status := response.Status
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		if a.RuntimeSecret == "" {
			return fmt.Sprintf("The program refuses the connection (%s). It probably expects a secret, and none is set here.", status)
		}
		return fmt.Sprintf("The program refuses the connection (%s). The secret that is set here is probably not the one that it expects.", status)
	case code == http.StatusNotFound:
		return fmt.Sprintf("There is a web server at this address, but nothing at this path (%s). Look at what follows the host in the address.", status)
	case code >= 300 && code < 400:
		return fmt.Sprintf("The server sends us to another address (%s). Write that address here.", status)
	case code == http.StatusBadRequest && strings.HasPrefix(a.RuntimeURL, "ws:"):
		return fmt.Sprintf("The server did not understand the request (%s). If it uses TLS, write the address with wss:// instead of ws://.", status)
	case code == http.StatusServiceUnavailable || code == http.StatusBadGateway || code == http.StatusGatewayTimeout:
		return fmt.Sprintf("The server answers that the program behind it is not there (%s). Is it running?", status)
	case code >= 500:
		return fmt.Sprintf("The program failed while it answered (%s). Its own log says why.", status)
	case code == http.StatusSwitchingProtocols:
		return "The server agrees to speak WebSocket, but not as the standard asks for. Look at the program's WebSocket library."
	case code >= 200 && code < 300:
		return fmt.Sprintf("A web server answers at this address, but it does not speak WebSocket (%s). Look at the path in the address.", status)
	}
	return fmt.Sprintf("The server refuses the connection (%s).", status)
}

// endProblem says how a runtime ended a connection that it had accepted.
func endProblem(err error) string {
	code, reason, lost := ending(err)
	switch {
	case lost:
		return "The program accepted the connection and lost it at once. Its own log says why."
	case code == websocket.ClosePolicyViolation || code == 4001 || code == 4003 || code == 4401 || code == 4403:
		return fmt.Sprintf("The program accepted the connection and closed it at once (%s). The secret that is set here is probably not the one that it expects.", closing(code, reason))
	}
	return fmt.Sprintf("The program accepted the connection and closed it at once (%s). Its own log says why.", closing(code, reason))
}

// closing writes a close code and its reason, which is the runtime's and may be anything.
func closing(code int, reason string) string {
	if code == websocket.CloseNoStatusReceived {
		return "without a code"
	}
	if reason = webhook.Bounded(reason, 123); reason != "" {
		return fmt.Sprintf("code %d, “%s”", code, reason)
	}
	return fmt.Sprintf("code %d", code)
}
