// Package reach decides which addresses agents' runtimes may have. People of an organisation choose
// them; without a limit they could have the sidecar connect to whatever it can reach (server-side
// request forgery).
//
// What counts is the address that is connected to, after the name was looked up: a name that leads to
// another address the second time (DNS rebinding) gains nothing.
package reach

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
)

// Policy says which runtimes are dialled. The nil policy is that of a program without settings: any
// host, addresses inside the network too.
type Policy struct {
	hosts   []pattern // empty: any
	private bool
}

// pattern is one entry of a list of hosts.
type pattern struct {
	host   string // in lower case, or what follows the * of a suffix
	suffix bool
	port   string // "": any
}

// NewPolicy returns the policy of a list of hosts (host, host:port, *.suffix, *.suffix:port; with commas between;
// empty: any), and whether addresses inside the network may be dialled.
func NewPolicy(hosts string, private bool) (*Policy, error) {
	p := &Policy{private: private}
	for text := range strings.SplitSeq(hosts, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		entry, err := parse(text)
		if err != nil {
			return nil, err
		}
		p.hosts = append(p.hosts, entry)
	}
	return p, nil
}

func parse(text string) (pattern, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		host, port = strings.Trim(text, "[]"), ""
	}
	entry := pattern{host: canonical(host), port: port}
	if rest, ok := strings.CutPrefix(entry.host, "*"); ok {
		entry.host, entry.suffix = rest, true
	}
	_, portErr := net.LookupPort("tcp", port)
	_, notIP := netip.ParseAddr(entry.host)
	switch {
	case entry.host == "" || strings.ContainsAny(entry.host, "*/@ ") || notIP != nil && strings.Contains(entry.host, ":"),
		entry.suffix && (!strings.HasPrefix(entry.host, ".") || len(entry.host) < 2), port != "" && portErr != nil:
		return pattern{}, fmt.Errorf("%q is not a host: write it like agent.example.com, agent.example.com:9000 or *.example.com", text)
	}
	return entry, nil
}

// canonical is a host as it is compared: in lower case, without the dot of a full name.
func canonical(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

// RefusedError says that a runtime is not dialled, and by which setting.
type RefusedError struct{ What, Why string }

// Error returns a sentence without the full stop.
func (e *RefusedError) Error() string { return e.What + " is not dialled: " + e.Why }

// CheckHost returns a *RefusedError unless host and port may be dialled by the list of hosts.
func (p *Policy) CheckHost(host, port string) error {
	if p == nil || len(p.hosts) == 0 {
		return nil
	}
	host = canonical(host)
	for _, h := range p.hosts {
		matches := host == h.host
		if h.suffix {
			matches = strings.HasSuffix(host, h.host) && len(host) > len(h.host)
		}
		if matches && (h.port == "" || h.port == port) {
			return nil
		}
	}
	return &RefusedError{net.JoinHostPort(host, port), "RINGSIDE_RUNTIME_HOSTS does not have it"}
}

// CheckAddress returns a *RefusedError unless a network address may be connected to.
func (p *Policy) CheckAddress(address netip.Addr) error {
	address = address.WithZone("").Unmap()
	kind := kindOf(address)
	if inner, ok := embedded(address); ok {
		kind = max(kind, kindOf(inner))
	}
	switch {
	case kind == forbidden:
		return &RefusedError{address.String(), "it is a link-local, multicast or cloud metadata address, where no runtime can be"}
	case kind == inside && p != nil && !p.private:
		return &RefusedError{address.String(), "it is an address inside the network, and RINGSIDE_RUNTIME_PRIVATE is false"}
	}
	return nil
}

// Dialing returns how a runtime is dialled: over which proxy, if there is one in the environment, and
// by whom. It returns a *RefusedError at once if the URL cannot be allowed. An address behind a proxy
// is looked up there and is the proxy's to judge, as far as it is not written in the URL.
func (p *Policy) Dialing(runtimeURL string) (proxy func(*http.Request) (*url.URL, error), dial func(ctx context.Context, network, address string) (net.Conn, error), err error) {
	u, err := url.Parse(runtimeURL)
	if err != nil {
		return nil, nil, fmt.Errorf("read the runtime's address: %w", err)
	}
	asked := &url.URL{Scheme: "http", Host: u.Host}
	port := u.Port()
	if u.Scheme == "wss" {
		asked.Scheme = "https"
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[asked.Scheme]
	}
	if err := p.CheckHost(u.Hostname(), port); err != nil {
		return nil, nil, err
	}
	if literal, err := netip.ParseAddr(u.Hostname()); err == nil {
		if err := p.CheckAddress(literal); err != nil {
			return nil, nil, err
		}
	}
	through, err := http.ProxyFromEnvironment(&http.Request{URL: asked})
	if err != nil {
		return nil, nil, fmt.Errorf("read the proxy of the environment: %w", err)
	}
	var dialer net.Dialer
	if through == nil {
		dialer.Control = p.control
	}
	return http.ProxyURL(through), dialer.DialContext, nil
}

// control stands between looking a name up and connecting to what was found.
func (p *Policy) control(_, address string, _ syscall.RawConn) error {
	found, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("read the address %s: %w", address, err)
	}
	return p.CheckAddress(found.Addr())
}
