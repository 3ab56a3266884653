package reach_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"ringside/internal/reach"
)

func policy(t *testing.T, hosts string, private bool) *reach.Policy {
	t.Helper()
	p, err := reach.NewPolicy(hosts, private)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func refused(err error) bool {
	_, ok := errors.AsType[*reach.RefusedError](err)
	return ok
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	open, closed := policy(t, "", true), policy(t, "", false)
	var none *reach.Policy
	for _, tt := range []struct {
		addresses     []string
		inside, never bool
	}{
		{[]string{"8.8.8.8", "54.1.2.3", "172.32.0.1", "100.63.255.255", "2606:4700::1111", "2002:0808:0808::1", "64:ff9b::808:808"}, false, false},
		{[]string{"127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd12::1", "fec0::1",
			"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "::7f00:1", "240.0.0.1", "2001:db8::1"}, true, false},
		{[]string{"169.254.169.254", "169.254.170.2", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
			"::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "::a9fe:a9fe", "224.0.0.1", "ff02::1", "255.255.255.255"}, true, true},
	} {
		for _, text := range tt.addresses {
			address := netip.MustParseAddr(text)
			if got := refused(closed.CheckAddress(address)); got != tt.inside {
				t.Errorf("%s refused where private addresses are: %t, want %t", text, got, tt.inside)
			}
			for _, p := range []*reach.Policy{open, none} {
				if got := refused(p.CheckAddress(address)); got != tt.never {
					t.Errorf("%s refused where private addresses are allowed: %t, want %t", text, got, tt.never)
				}
			}
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	p := policy(t, "agent.example.com, Voice.Example.net:9000 ,*.agents.example.org,*.k8s.example:443,10.0.0.7:9000,[::1]:9000,fd12::7", true)
	for _, tt := range []struct {
		host, port string
		allowed    bool
	}{
		{"agent.example.com", "443", true}, {"AGENT.example.com.", "1", true}, {"xagent.example.com", "443", false}, {"agent.example.com.evil.net", "443", false},
		{"voice.example.net", "9000", true}, {"voice.example.net", "443", false},
		{"a.agents.example.org", "80", true}, {"a.b.agents.example.org", "80", true}, {"agents.example.org", "80", false}, {"evilagents.example.org", "80", false},
		{"x.k8s.example", "443", true}, {"x.k8s.example", "80", false},
		{"10.0.0.7", "9000", true}, {"10.0.0.8", "9000", false}, {"::1", "9000", true}, {"fd12::7", "1", true}, {"", "80", false},
	} {
		if got := !refused(p.CheckHost(tt.host, tt.port)); got != tt.allowed {
			t.Errorf("%s:%s allowed: %t, want %t", tt.host, tt.port, got, tt.allowed)
		}
	}
	for _, bad := range []string{"*", "*example.com", "*.", "a*b.com", "wss://agent.example.com", "agent.example.com/path", "host:port:9", "host:99999", "me@host"} {
		if _, err := reach.NewPolicy(bad, true); err == nil {
			t.Errorf("%q is taken for a host", bad)
		}
	}
}

// What counts is what a name leads to when it is dialled, not how it looks: localhost looks like any name.
func TestTheResolvedAddressCounts(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	dial := func(p *reach.Policy) error {
		_, dial, err := p.Dialing("ws://localhost:" + port + "/")
		if err != nil {
			return err
		}
		conn, err := dial(context.Background(), "tcp", "localhost:"+port)
		if err == nil {
			conn.Close()
		}
		return err
	}
	if err := dial(policy(t, "", true)); err != nil {
		t.Errorf("allowed, it is not dialled: %v", err)
	}
	if err := dial(policy(t, "", false)); !refused(err) {
		t.Errorf("a name that leads inside: %v", err)
	}
	if err := dial(policy(t, "localhost", false)); !refused(err) {
		t.Errorf("a name on the list that leads inside: %v", err)
	}
	if err := dial(policy(t, "agent.example.com", true)); !refused(err) {
		t.Errorf("a name that is not on the list: %v", err)
	}
	for _, text := range []string{"ws://169.254.169.254/latest/meta-data", "ws://[fe80::1]/", "ws://[::ffff:169.254.169.254]/"} {
		if _, _, err := policy(t, "", true).Dialing(text); !refused(err) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
