// Package rest asks Twilio's REST API: it places calls, sends messages, and looks for what was made of
// them. It stands on Twilio's own library, with a client below it that has a context and a bound for each
// request, and that tells a request that Twilio cannot have acted on from one whose answer was lost.
//
// It is apart from package twilio, which the webhooks are made of, so that these stay light.
package rest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"

	"ringside/internal/problem"
)

// DefaultURL is where Twilio's API is.
const DefaultURL = "https://api.twilio.com"

// Bounds of a request.
const (
	maxAnswer      = 1 << 20 // bytes
	connectTimeout = 5 * time.Second
)

// ErrUnclear is wrapped by the error of a request that Twilio may have acted on.
var ErrUnclear = errors.New("maybe Twilio has acted on the request")

// Client asks the API of one place. It is safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// NewClient returns a client of the API at a base URL: [DefaultURL], a regional edge of Twilio's, or what
// stands in for it in tests.
func NewClient(base string) (*Client, error) {
	u, err := url.Parse(strings.TrimSuffix(base, "/"))
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, problem.Invalid("twilio_api_url", "%q is no address of an API: write it like %s.", base, DefaultURL)
	}
	return &Client{base: u, http: &http.Client{
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: connectTimeout, MaxIdleConnsPerHost: 8,
			IdleConnTimeout: time.Minute, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
		// The API has no redirects, and credentials must not follow one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close ends idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Account is whose credentials a request has.
type Account struct{ SID, AuthToken string }

// service is Twilio's library for one request.
func (c *Client) service(ctx context.Context, a Account) (*api.ApiService, *request) {
	r := &request{ctx: ctx, client: c, account: a}
	return api.NewApiServiceWithClient(r), r
}

// request is one request of Twilio's library, which knows of no context. It implements
// [client.BaseClient].
type request struct {
	ctx     context.Context
	client  *Client
	account Account
	failure error     // why there is no answer that the library can read
	dated   time.Time // what Twilio's clock said with the answer; zero if it did not
}

var _ client.BaseClient = (*request)(nil)

// AccountSid is the account whose resources are meant.
func (r *request) AccountSid() string { return r.account.SID }

// SetTimeout does nothing: the context bounds a request.
func (r *request) SetTimeout(time.Duration) {}

// SetOauth does nothing: requests bear the account's token.
func (r *request) SetOauth(client.OAuth) {}

// OAuth is none.
func (r *request) OAuth() client.OAuth { return nil }

// SendRequest sends the request to the client's base URL, once.
func (r *request) SendRequest(method, rawURL string, data url.Values, headers map[string]any, body ...byte) (*http.Response, error) {
	response, err := r.send(method, rawURL, data, headers, body)
	r.failure = err
	return response, err
}

func (r *request) send(method, rawURL string, data url.Values, headers map[string]any, body []byte) (*http.Response, error) {
	at, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("read the address that Twilio's library asks: %w", err)
	}
	at.Scheme, at.Host, at.Path = r.client.base.Scheme, r.client.base.Host, r.client.base.Path+at.Path
	var form io.Reader
	switch {
	case len(body) > 0:
		form = bytes.NewReader(body)
	case method == http.MethodGet || method == http.MethodDelete:
		at.RawQuery = data.Encode()
	default:
		form = strings.NewReader(data.Encode())
	}
	var connected bool
	var wrote atomic.Bool // set by the connection's own goroutine
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected = true }, WroteHeaders: func() { wrote.Store(true) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(r.ctx, trace), method, at.String(), form)
	if err != nil {
		return nil, fmt.Errorf("build the request to Twilio: %w", err)
	}
	req.GetBody = nil // without it, net/http sends nothing a second time
	for name, value := range headers {
		req.Header.Set(name, fmt.Sprint(value))
	}
	req.SetBasicAuth(r.account.SID, r.account.AuthToken)
	req.Header.Set("Accept", "application/json")
	response, err := r.client.http.Do(req)
	switch {
	// A request whose time is up may still be written just now, by a connection that it has.
	case err != nil && (wrote.Load() || connected && r.ctx.Err() != nil):
		return nil, fmt.Errorf("%w: %w", ErrUnclear, withoutURL(err))
	case err != nil:
		return nil, unreachable(err)
	}
	return r.read(method, response)
}

// read reads an answer whole, so that one that is cut short is noticed here.
func (r *request) read(method string, response *http.Response) (*http.Response, error) {
	defer response.Body.Close()
	r.dated, _ = http.ParseTime(response.Header.Get("Date")) // zero without one
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case response.StatusCode >= 400 && (err == nil || response.StatusCode < 500):
		return nil, refusal(response, body)
	case err != nil:
		return nil, fmt.Errorf("%w: the answer was cut short: %w", ErrUnclear, err)
	case len(body) > maxAnswer:
		return nil, fmt.Errorf("%w: the answer to %s is longer than %d bytes", ErrUnclear, method, maxAnswer)
	case response.StatusCode >= 300:
		return nil, problem.New(problem.CodeUnavailable, "Twilio's API answered with a redirect (%d), which it never does: check TWILIO_API_URL and the proxy between.", response.StatusCode)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// withoutURL takes the address off an error of net/http: it names numbers.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// unreachable is the problem with a Twilio that was not asked.
func unreachable(err error) error {
	return &unasked{problem.New(problem.CodeUnavailable, "Twilio's API cannot be reached just now."), withoutURL(err)}
}

// unasked is a problem with its cause, for the log.
type unasked struct {
	shown *problem.Error
	cause error
}

func (e *unasked) Error() string   { return e.shown.Detail + " (" + e.cause.Error() + ")" }
func (e *unasked) Unwrap() []error { return []error{e.shown, e.cause} }

// outcome is what came of a request: what Twilio's library says, or why there was nothing that it could
// have read.
func (r *request) outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case r.failure != nil:
		return r.failure
	}
	return fmt.Errorf("%w: the answer cannot be read: %w", ErrUnclear, err)
}
