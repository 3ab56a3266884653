package simulate

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// address is a URL as Twilio knows it and as the simulator reaches it.
type address struct {
	public    *url.URL // as written in TwiML or made from PublicURL; without fragment and user info
	wire      *url.URL // where the request goes
	path      string   // below PublicURL if it is there, else the whole path
	overrides overrides
}

// resolve reads target: an absolute URL, or a path under the public URL (such as "/twilio/voice").
func (t *Twilio) resolve(target string) (address, error) {
	if t.BaseURL == "" {
		return address{}, errNoBaseURL
	}
	base, err := url.Parse(t.BaseURL)
	if err != nil {
		return address{}, fmt.Errorf("simulate: read BaseURL: %w", err)
	}
	public, err := url.Parse(t.publicURL())
	if err != nil {
		return address{}, fmt.Errorf("simulate: read PublicURL: %w", err)
	}
	if strings.HasPrefix(target, "/") {
		target = strings.TrimSuffix(t.publicURL(), "/") + target
	}
	u, err := url.Parse(target)
	if err != nil {
		return address{}, fmt.Errorf("simulate: read the URL to ask: %w", err)
	}
	if u.Host == "" {
		return address{}, fmt.Errorf("simulate: %q is neither a path nor a URL with a host", target)
	}
	o, err := parseOverrides(u.Fragment)
	if err != nil {
		return address{}, err
	}
	u.Fragment, u.RawFragment, u.User = "", "", nil
	to := address{public: u, wire: u, path: u.Path, overrides: o}
	if rest, ok := below(u, public); ok {
		to.wire = moved(u, base, rest)
		to.path, _ = url.PathUnescape(rest) // was escaped by net/url itself
	}
	return to, nil
}

// below returns the rest of u's escaped path if u lies under base.
func below(u, base *url.URL) (rest string, ok bool) {
	rest, ok = strings.CutPrefix(u.EscapedPath(), strings.TrimSuffix(base.EscapedPath(), "/"))
	ok = ok && (rest == "" || rest[0] == '/') &&
		strings.EqualFold(u.Hostname(), base.Hostname()) && port(u) == port(base) && secure(u.Scheme) == secure(base.Scheme)
	return rest, ok
}

func port(u *url.URL) string {
	if secure(u.Scheme) {
		return first(u.Port(), "443")
	}
	return first(u.Port(), "80")
}

// moved returns u with its scheme, host and path taken to base, and rest after base's path.
func moved(u, base *url.URL, rest string) *url.URL {
	moved := *u
	moved.Host = base.Host
	moved.User = base.User
	moved.Scheme = base.Scheme
	if strings.HasPrefix(u.Scheme, "ws") {
		moved.Scheme = "ws"
		if secure(base.Scheme) {
			moved.Scheme = "wss"
		}
	}
	moved.RawPath = strings.TrimSuffix(base.EscapedPath(), "/") + rest
	moved.Path, _ = url.PathUnescape(moved.RawPath) // likewise
	return &moved
}

func secure(scheme string) bool { return scheme == "https" || scheme == "wss" }

// signed is the URL that Twilio signs: the public one, for https without its port (Twilio:
// Security, "Validating signatures"; the ws and wss forms keep theirs).
func (a address) signed() string {
	if a.public.Scheme != "https" || a.public.Port() == "" {
		return a.public.String()
	}
	u := *a.public
	u.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
	return u.String()
}

// Limits of a webhook, in the absence of overrides (Twilio: Webhooks, connection overrides).
const (
	totalTimeout   = 15 * time.Second
	connectTimeout = 5 * time.Second
	defaultRetries = 1
	maxRetries     = 5
	maxRedirects   = 10
)

// overrides are the parts of a URL's fragment that change how often and how long Twilio tries.
type overrides struct {
	retries  int
	policy   []string      // what is repeated: ct, rt, 4xx, 5xx, all
	attempt  time.Duration // one try
	together time.Duration // all tries
}

// parseOverrides reads a fragment such as "rc=2&rp=5xx,rt&rt=3000". Keys that the simulator has no
// use for (ct, sni, e) are passed over.
func parseOverrides(fragment string) (overrides, error) {
	o := overrides{retries: defaultRetries, policy: []string{"ct"}, attempt: totalTimeout, together: totalTimeout}
	for pair := range strings.SplitSeq(fragment, "&") {
		key, value, _ := strings.Cut(pair, "=")
		var err error
		switch key {
		case "rc":
			o.retries, err = number(value, 0, maxRetries)
		case "rp":
			o.policy = strings.Split(value, ",")
		case "rt":
			o.attempt, err = milliseconds(value)
		case "tt":
			o.together, err = milliseconds(value)
		}
		if err != nil {
			return o, fmt.Errorf("simulate: connection override %s=%s: %w", key, value, err)
		}
	}
	return o, nil
}

func number(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("must be a whole number from %d to %d", least, most)
	}
	return n, nil
}

func milliseconds(text string) (time.Duration, error) {
	n, err := number(text, 100, int(totalTimeout/time.Millisecond))
	return time.Duration(n) * time.Millisecond, err
}

// repeats tells whether a try that ended this way is made again.
func (o overrides) repeats(r *Response, failure tryFailure) bool {
	if failure == answered && r == nil {
		return false // redirected for ever: it would be again
	}
	for _, p := range o.policy {
		switch {
		case p == "ct" && failure == failedToConnect,
			p == "rt" && failure == failedToAnswer,
			p == "4xx" && failure == answered && r.Status/100 == 4,
			p == "5xx" && failure == answered && r.Status/100 == 5,
			p == "all" && (failure != answered || r.Status >= 400):
			return true
		}
	}
	return false
}
