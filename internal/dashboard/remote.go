package dashboard

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// remote is the address that the visitor comes from: the peer's, unless that is a trusted proxy. Then
// it is the last address in X-Forwarded-For that no trusted proxy has: what stands before it, a
// visitor may have written.
func (v *visit) remote() string {
	host, _, err := net.SplitHostPort(v.r.RemoteAddr)
	if err != nil {
		return v.r.RemoteAddr
	}
	at, err := netip.ParseAddr(host)
	if err != nil || !v.trusted(at) {
		return host
	}
	hops := strings.Split(strings.Join(v.r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		from, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // what a proxy of ours would not write
		}
		if at = from.Unmap(); !v.trusted(at) {
			break
		}
	}
	return at.String()
}

// trusted reports whether an address is a trusted proxy's.
func (d *Dashboard) trusted(at netip.Addr) bool {
	return slices.ContainsFunc(d.Proxies, func(network netip.Prefix) bool { return network.Contains(at.Unmap()) })
}
