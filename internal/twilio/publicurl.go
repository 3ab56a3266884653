package twilio

import (
	"net/url"
	"strconv"
	"strings"

	"ringside/internal/problem"
)

// PublicURL is the address under which Twilio reaches this program, as the operator configured it.
// Twilio signs the URL that it asked for; behind a proxy the request itself no longer shows it, and
// a forwarded header could be anybody's. The zero value is no address.
type PublicURL struct {
	scheme string // "https" or "http"
	host   string // with the port, if one was given
	prefix string // path in front of every route, "" or "/like/this"
}

// ParsePublicURL reads an address such as https://ringside.example.com, or one with a port or a
// path in front of Ringside's own (a proxy is then expected to take that path off again). Its
// errors are a [problem.Error] and never repeat a password.
func ParsePublicURL(raw string) (PublicURL, error) {
	u, err := url.Parse(raw)
	switch {
	case strings.TrimSpace(raw) == "":
		return PublicURL{}, invalidPublicURL("It is empty")
	case err != nil:
		return PublicURL{}, invalidPublicURL("It is not a URL")
	case u.Scheme != "https" && u.Scheme != "http":
		return PublicURL{}, invalidPublicURL("It does not begin with https:// (or http://)")
	case u.User != nil:
		return PublicURL{}, invalidPublicURL("It has a user name or password in it, which Twilio does not sign")
	case u.Hostname() == "":
		return PublicURL{}, invalidPublicURL("It has no host")
	case u.RawQuery != "" || u.ForceQuery:
		return PublicURL{}, invalidPublicURL("It has a query (?…)")
	case strings.Contains(raw, "#"):
		return PublicURL{}, invalidPublicURL("It has a fragment (#…), which belongs on the webhook URL at Twilio")
	}
	if complaint := checkHost(u); complaint != "" {
		return PublicURL{}, invalidPublicURL(complaint)
	}
	prefix := strings.TrimRight(u.EscapedPath(), "/")
	if !plainPath(prefix) {
		return PublicURL{}, invalidPublicURL("Its path may have letters, digits and . _ ~ - between single slashes")
	}
	return PublicURL{scheme: u.Scheme, host: u.Host, prefix: prefix}, nil
}

func invalidPublicURL(complaint string) error {
	return problem.Invalid("public_url", "%s. Write the address that Twilio calls, like https://ringside.example.com.", complaint)
}

// checkHost returns what is wrong with the URL's host and port, or "".
func checkHost(u *url.URL) string {
	name := u.Hostname()
	literal := strings.HasPrefix(u.Host, "[") // an IPv6 address
	for _, c := range name {
		switch {
		case c == '_':
			return "Its host has an underscore, which Twilio refuses"
		case !isASCIILetterOrDigit(c) && c != '-' && c != '.' && (c != ':' || !literal):
			return "Its host may have ASCII letters, digits, dots and hyphens (an international name in its xn-- form)"
		}
	}
	if strings.HasSuffix(u.Host, ":") {
		return "Its port is missing after the colon"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "Its port is not between 1 and 65535"
		}
	}
	return ""
}

// plainPath reports whether a path is "" or reads the same to every proxy: nothing to encode, no
// empty or dotted segment.
func plainPath(path string) bool {
	if path == "" {
		return true
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "" || segment == "." || segment == ".." {
			return false
		}
		for _, c := range segment {
			if !isASCIILetterOrDigit(c) && !strings.ContainsRune("._~-", c) {
				return false
			}
		}
	}
	return true
}

func isASCIILetterOrDigit(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// String returns the address without a final slash, or "" for the zero value.
func (p PublicURL) String() string {
	if p == (PublicURL{}) {
		return ""
	}
	return p.scheme + "://" + p.host + p.prefix
}

// Webhook returns the URL at which Twilio finds one of our routes; path begins with a slash.
func (p PublicURL) Webhook(path string) string {
	return p.String() + path
}

// Socket returns the WebSocket URL of one of our routes: wss:// (or ws://, where the public URL is
// http, which only a simulator accepts); path begins with a slash.
func (p PublicURL) Socket(path string) string {
	return p.socketScheme() + "://" + p.host + p.prefix + path
}

// Origin returns scheme and host, as browsers send it for requests from our pages (RFC 6454).
func (p PublicURL) Origin() string { return p.scheme + "://" + p.host }

// Secure reports whether the address is reached over TLS.
func (p PublicURL) Secure() bool { return p.scheme == "https" }

func (p PublicURL) socketScheme() string {
	if p.scheme == "http" {
		return "ws"
	}
	return "wss"
}

// hosts returns the spellings of the host that Twilio may have signed: as configured, and with the
// port left out or the scheme's own put in.
func (p PublicURL) hosts() [2]string {
	name, port := p.host, ""
	if i := strings.LastIndexByte(p.host, ':'); i > strings.LastIndexByte(p.host, ']') {
		name, port = p.host[:i], p.host[i:]
	}
	switch {
	case port != "":
		return [2]string{p.host, name}
	case p.scheme == "http":
		return [2]string{p.host, p.host + ":80"}
	}
	return [2]string{p.host, p.host + ":443"}
}
