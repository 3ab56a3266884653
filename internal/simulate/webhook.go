package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"ringside/internal/twilio"
)

// maxTwiML is the largest answer that Twilio takes (error 11750).
const maxTwiML = 64 << 10

// Header names of Twilio's requests.
const (
	// SignatureHeader carries the signature (Twilio: Security).
	SignatureHeader = "X-Twilio-Signature"
	// IdempotencyHeader is the same on every try of one request (Twilio: Webhooks, connection
	// overrides).
	IdempotencyHeader = "I-Twilio-Idempotency-Token"
)

// defaultClient leaves no idle connection behind, so that nothing runs on after a simulation.
var defaultClient = &http.Client{Transport: &http.Transport{
	DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
	TLSHandshakeTimeout: connectTimeout,
	DisableKeepAlives:   true,
}}

// Mod changes a signed request just before it is sent, for tests of what a sidecar must refuse.
type Mod func(*http.Request)

// WithHeader sets a header; with SignatureHeader it forges the signature.
func WithHeader(name, value string) Mod {
	return func(r *http.Request) { r.Header.Set(name, value) }
}

// WithoutHeader removes a header.
func WithoutHeader(name string) Mod {
	return func(r *http.Request) { r.Header.Del(name) }
}

// Response is the answer to a webhook.
type Response struct {
	Status  int
	Header  http.Header
	Body    []byte        // at most 64 kB and one byte: Twilio reads no further
	URL     string        // the public URL that answered, after redirects
	Latency time.Duration // from the first try to the last byte
	Tries   int           // 1 and the repeats after failures
}

// Post sends form to target as Twilio does: signed, with redirects followed and a failed
// connection tried again. The target is a path under the public URL, such as "/twilio/voice", or a
// whole URL. Any status is a Response; without an answer the error is an [*Error] (11205, or 11215
// for endless redirects). Delivery does not apply.
func (t *Twilio) Post(ctx context.Context, target string, form url.Values, mods ...Mod) (*Response, error) {
	return t.fetch(ctx, fetch{method: http.MethodPost, target: target, form: form, mods: mods})
}

// fetch is one logical request of Twilio's.
type fetch struct {
	method string // POST, or GET with the form in the query
	target string
	form   url.Values
	mods   []Mod
	jar    http.CookieJar // the call's cookies, or nil
	token  string         // idempotency token; made up if empty
}

// tryFailure is how one try of a request ended; Twilio's retry policy tells them apart.
type tryFailure int

const (
	answered        tryFailure = iota
	failedToConnect            // TCP or TLS
	failedToAnswer             // connected, but no whole answer
)

func (t *Twilio) fetch(ctx context.Context, f fetch) (*Response, error) {
	to, err := t.resolve(f.target)
	if err != nil {
		return nil, err
	}
	if f.token == "" {
		f.token = NewSID("RT")
	}
	client := t.client(f.jar)
	together := to.overrides.together
	if t.HTTP != nil && t.HTTP.Timeout > 0 {
		together = min(together, t.HTTP.Timeout)
	}
	whole, cancel := context.WithTimeout(ctx, together)
	defer cancel()

	began := time.Now()
	for try := 1; ; try++ {
		r, failure, err := t.try(whole, client, to, f)
		if r != nil {
			r.Latency, r.Tries = time.Since(began), try
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if try > to.overrides.retries || whole.Err() != nil || !to.overrides.repeats(r, failure) {
			return r, err
		}
	}
}

// client is the one to send with: the user's or the default, without a total of its own, and with
// redirects left to follow.
func (t *Twilio) client(jar http.CookieJar) *http.Client {
	c := *defaultClient
	if t.HTTP != nil {
		c = *t.HTTP
	}
	c.Timeout = 0
	c.Jar = jar
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// try makes one try, with its redirects. Each hop is signed for the URL it goes to.
func (t *Twilio) try(ctx context.Context, client *http.Client, to address, f fetch) (*Response, tryFailure, error) {
	ctx, cancel := context.WithTimeout(ctx, to.overrides.attempt)
	defer cancel()
	for range maxRedirects + 1 {
		r, failure, err := t.hop(ctx, client, to, f)
		if err != nil {
			return nil, failure, &Error{Code: CodeConnection, URL: to.public.String(), Detail: failure.String(), Err: err}
		}
		location := r.Header.Get("Location")
		if r.Status/100 != 3 || location == "" {
			return r, answered, nil
		}
		next, err := to.public.Parse(location)
		if err != nil {
			return r, answered, nil // a redirect to nowhere is an answer other than 2xx
		}
		if to, err = t.resolve(next.String()); err != nil {
			return r, answered, nil
		}
		if r.Status != http.StatusTemporaryRedirect && r.Status != http.StatusPermanentRedirect {
			f.method, f.form = http.MethodGet, nil
		}
	}
	return nil, answered, &Error{Code: CodeTooManyRedirects, URL: f.target, Detail: "more than 10 redirects"}
}

func (t *Twilio) hop(ctx context.Context, client *http.Client, to address, f fetch) (*Response, tryFailure, error) {
	failure := failedToConnect
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { failure = failedToAnswer }}
	req, err := t.request(httptrace.WithClientTrace(ctx, trace), to, f)
	if err != nil {
		return nil, failedToAnswer, err
	}
	res, err := client.Do(req)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the URL is named by Error
		}
		return nil, failure, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTwiML+1))
	if err != nil {
		return nil, failedToAnswer, err
	}
	return &Response{Status: res.StatusCode, Header: res.Header, Body: body, URL: to.public.String()}, answered, nil
}

// request builds and signs one request.
func (t *Twilio) request(ctx context.Context, to address, f fetch) (*http.Request, error) {
	var body io.Reader
	signedForm := f.form
	if f.method == http.MethodGet {
		if len(f.form) > 0 {
			to = to.withQuery(f.form)
		}
		signedForm = nil
	} else {
		body = bytes.NewReader([]byte(f.form.Encode()))
	}
	req, err := http.NewRequestWithContext(ctx, f.method, to.wire.String(), body)
	if err != nil {
		return nil, fmt.Errorf("build the request: %w", err)
	}
	req.Host = to.public.Host // as through a proxy that keeps it
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8")
	}
	req.Header.Set("Accept", "*/*")
	req.Header.Set("User-Agent", "TwilioProxy/1.1")
	req.Header.Set(IdempotencyHeader, f.token)
	req.Header.Set(SignatureHeader, twilio.Sign(t.AuthToken, to.signed(), signedForm))
	for _, mod := range f.mods {
		mod(req)
	}
	return req, nil
}

func (a address) withQuery(form url.Values) address {
	public, wire := *a.public, *a.wire
	query := form.Encode()
	if public.RawQuery != "" {
		query = public.RawQuery + "&" + query
	}
	public.RawQuery, wire.RawQuery = query, query
	a.public, a.wire = &public, &wire
	return a
}

func (f tryFailure) String() string {
	if f == failedToConnect {
		return "could not connect"
	}
	return "got no whole answer in time"
}

// usable tells whether the answer can be read as TwiML, and if not, with which error.
func (r *Response) usable() *Error {
	switch {
	case r.Status/100 != 2:
		return &Error{Code: CodeHTTPRetrieval, URL: r.URL, Status: r.Status,
			Detail: fmt.Sprintf("answered %d %s", r.Status, strings.ToLower(http.StatusText(r.Status)))}
	case len(r.Body) > maxTwiML:
		return &Error{Code: CodeTooLarge, URL: r.URL, Status: r.Status, Detail: "answered with more than 64 kB"}
	}
	return nil
}
