package reach

import "net/netip"

// kind is what an address is good for.
type kind int

const (
	outside kind = iota
	inside       // this machine, or the network it is in
	forbidden
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// forbiddenRanges hold no runtime of anybody, and some give whoever asks the machine's own credentials.
var forbiddenRanges = prefixes(
	"169.254.0.0/16", "fe80::/10", // link-local: also metadata of AWS, Google Cloud, Azure, DigitalOcean, and of ECS tasks
	"fd00:ec2::/32",                                            // metadata and name servers of AWS over IPv6
	"fd20:ce::/32",                                             // metadata of Google Cloud over IPv6
	"100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", // metadata of Alibaba, Azure and Oracle
	"224.0.0.0/4", "ff00::/8", "255.255.255.255/32", // many at once
)

// insideRanges are those of the IANA registries of special addresses that are not the internet.
var insideRanges = prefixes(
	"127.0.0.0/8", "::1/128", "0.0.0.0/8", "::/128",
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10",
	"100.64.0.0/10", // behind a provider's NAT, and Tailscale's
	"192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
	"100::/64", "2001::/23", "2001:db8::/32", "64:ff9b:1::/48", "3fff::/20", "5f00::/16",
)

func kindOf(address netip.Addr) kind {
	for _, r := range forbiddenRanges {
		if r.Contains(address) {
			return forbidden
		}
	}
	for _, r := range insideRanges {
		if r.Contains(address) {
			return inside
		}
	}
	return outside
}

// embedded returns the IPv4 address that an IPv6 address leads to: of NAT64 (RFC 6052), 6to4 (RFC 3056) and the
// old IPv4-compatible form (RFC 4291).
func embedded(address netip.Addr) (netip.Addr, bool) {
	if !address.Is6() {
		return netip.Addr{}, false
	}
	b := address.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(address), netip.MustParsePrefix("::/96").Contains(address):
		return netip.AddrFrom4([4]byte(b[12:])), true
	case netip.MustParsePrefix("2002::/16").Contains(address):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}
