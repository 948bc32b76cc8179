package classify

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

const namePack = `
name: p
kind: vendor
title: Product
product_version: "1"
documents: [{id: d, title: Document, date: "", file: d.txt}]
roles:
  - {name: agent, title: Agent}
  - {name: portal, title: Portal, addresses: [203.0.113.10], names: [portal.example]}
  - {name: proxy, title: Proxy, addresses: [203.0.113.10, 203.0.113.11], names: [proxy.example, "*.proxies.example"]}
  - {name: nameless, title: N, addresses: [203.0.113.20]}
  - {name: vault, title: Vault}
flows:
  - {id: portal, title: t, from: [agent], to: [portal], proto: tcp, ports: ["443"], need: required, occurrence: periodic, cite: [{document: d, lines: "1", section: s}]}
  - {id: proxy, title: t, from: [agent], to: [proxy], proto: tcp, ports: ["443"], occurrence: on-demand, cite: [{document: d, lines: "2", section: s}]}
  - {id: other, title: t, from: [agent], to: [nameless], proto: tcp, ports: ["443"], occurrence: on-demand, cite: [{document: d, lines: "3", section: s}]}
  - {id: vault, title: t, from: [agent], to: [vault], proto: tcp, ports: ["443"], need: required, occurrence: periodic, cite: [{document: d, lines: "4", section: s}]}
`

const nameSite = `
name: s
networks: [10.0.0.0/24]
hosts:
  - {name: a, addresses: [10.0.0.1, 10.0.0.2], os: windows, roles: [p/agent]}
  - {name: b, addresses: [10.0.0.3], os: windows, roles: [p/agent]}
  - {name: cloud, names: ["*.backup.example"], roles: [p/vault]}
  - {name: inner, addresses: [10.0.0.9], names: [inner.example]}
`

// A responder goes by the site's entry, then by the name that DNS told this originator, then by the documented address, then by the claim.
func TestResponderByName(t *testing.T) {
	const learned = `
dns 10.0.0.1 portal.example 198.51.100.7 @1s for=60s
dns 10.0.0.1 www.example 198.51.100.8 @1s for=60s
dns 10.0.0.1 alias.example 198.51.100.9 @1s for=60s chain=proxy.example
dns 10.0.0.1 x.y.backup.example 198.51.100.10 @1s for=60s
dns 10.0.0.1 proxy.example 203.0.113.10 @1s for=60s
dns 10.0.0.1 portal.example 10.0.0.9 @1s for=60s
dns 10.0.0.3 portal.example 203.0.113.10 @1s for=60s
dns 10.0.0.3 proxy.example 203.0.113.10 @1s for=60s
dns 10.0.0.3 portal.example 198.51.100.11 @1s for=60s
dns 10.0.0.3 proxy.example 198.51.100.11 @1s for=60s
`
	const to = " tcp established @5s "
	cases := []struct{ conn, want, by string }{
		{"10.0.0.1:50000 > 198.51.100.7:443" + to, "documented flow=p/portal", "name"},
		{"10.0.0.2:50000 > 198.51.100.7:443" + to, "documented flow=p/portal", "name"}, // the host's other address
		{"10.0.0.3:50000 > 198.51.100.7:443" + to, "unexpected unknown-host", ""},      // another host was told nothing
		{"10.0.0.1:50000 > 198.51.100.7:443 tcp established", "unexpected unknown-host", ""},
		{"10.0.0.1:50000 > 198.51.100.7:443 tcp established @62s", "unexpected unknown-host", ""},
		{"10.0.0.1:50000 > 198.51.100.8:443" + to, "unexpected unknown-host", ""},
		{"10.0.0.1:50000 > 198.51.100.8:443" + to + "sni=portal.example", "unexpected unknown-host", ""}, // DNS told another
		{"10.0.0.1:50000 > 198.51.100.9:443" + to, "documented flow=p/proxy", "name"},
		{"10.0.0.1:50000 > 198.51.100.10:443" + to, "documented flow=p/vault", "name"},
		{"10.0.0.3:50000 > 198.51.100.10:443" + to + "sni=z.backup.example", "documented flow=p/vault unverified=name", "claim"},
		{"10.0.0.3:50000 > 198.51.100.10:443" + to + "host=a.proxies.example", "documented flow=p/proxy unverified=name", "claim"},
		{"10.0.0.3:50000 > 198.51.100.10:443" + to + "sni=proxies.example", "unexpected unknown-host", ""},
		{"10.0.0.3:50000 > 198.51.100.10:443" + to + "note=CONNECT_to_portal.example:443_through_a_proxy host=portal.example", "unexpected unknown-host", ""},
		{"10.0.0.1:50000 > 203.0.113.10:443" + to, "documented flow=p/proxy", "name"},
		{"10.0.0.2:50000 > 203.0.113.10:443 tcp established", "documented flow=p/portal shared=p/proxy", "address"}, // nothing tells the two apart
		{"10.0.0.2:50000 > 203.0.113.10:443 tcp established sni=portal.example", "documented flow=p/portal", "address"},
		{"10.0.0.3:50000 > 203.0.113.10:443" + to, "documented flow=p/portal shared=p/proxy", "name"},
		{"10.0.0.3:50000 > 203.0.113.10:443" + to + "sni=proxy.example", "documented flow=p/proxy", "name"},
		{"10.0.0.3:50000 > 198.51.100.11:443" + to, "documented flow=p/portal shared=p/proxy", "name"},
		{"10.0.0.1:50000 > 203.0.113.20:443" + to, "documented flow=p/other", ""},
		{"10.0.0.1:50000 > 10.0.0.9:443" + to, "unexpected wrong-roles", ""}, // the site knows better
		{"198.51.100.7:50000 > 10.0.0.1:443" + to, "unexpected unknown-host", ""},
	}
	s := set(t, nameSite, namePack)
	var text strings.Builder
	for _, c := range cases {
		text.WriteString(c.conn + "\n")
	}
	got, by := map[uint64]string{}, map[uint64]string{}
	a := New(s, Options{OnJudged: func(c *flow.Conn, j Judgement) { got[c.ID.Packet], by[c.ID.Packet] = words(j), j.MatchBy }})
	learn(t, a, learned)
	for _, c := range conns(t, text.String()) {
		a.Observe(c)
	}
	for i, c := range cases {
		if n := uint64(i + 1); got[n] != c.want || by[n] != c.by {
			t.Errorf("%s\n got %s by %q\nwant %s by %q", c.conn, got[n], by[n], c.want, c.by)
		}
	}
}

// What nothing tells apart is said.
func TestNamesakes(t *testing.T) {
	s := set(t, nameSite, namePack)
	const sentence = "Which of several documented names 1 connection mean: the responder has them all, and no name in the traffic tells."
	contains(t, audit(t, s, "10.0.0.2:50000 > 203.0.113.10:443 tcp established\n10.0.0.2:50001 > 203.0.113.10:443 tcp established sni=proxy.example", nil).Coverage.CannotShow, sentence)
}

func TestNamesOfResponder(t *testing.T) {
	var got []string
	a := New(set(t, nameSite, namePack), Options{OnJudged: func(c *flow.Conn, j Judgement) { got = j.Names }})
	learn(t, a, "dns 10.0.0.1 b.example 198.51.100.7 for=60s\ndns 10.0.0.1 a.example 198.51.100.7 for=60s\ndns 10.0.0.3 c.example 198.51.100.7 for=60s\n")
	a.LearnName(&flow.Name{At: start, Origin: flow.NameDHCP, Name: "dhcp.example", Addr: netip.MustParseAddr("198.51.100.7")})
	a.Observe(connOf(t, "10.0.0.1:50000 > 198.51.100.7:443 tcp established @1s sni=a.example host=claimed.example", 1))
	if want := []string{"b.example", "a.example", "dhcp.example", "claimed.example"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	a.Observe(connOf(t, "10.0.0.1:50000 > 198.51.100.8:443 tcp established @1s", 2))
	if got == nil || len(got) != 0 {
		t.Errorf("got %q", got)
	}
}

func TestNameFindings(t *testing.T) {
	const site = nameSite + "proxies: []\n"
	list := conns(t, `
10.0.0.1:50000 > 198.51.100.8:443 tcp established @5s sni=portal.example
10.0.0.1:50001 > 198.51.100.8:443 tcp established @6s sni=portal.example
10.0.0.1:50002 > 198.51.100.8:443 tcp established @6s sni=www.example
10.0.0.1:50003 > 198.51.100.8:443 tcp established @6s sni=late.example
10.0.0.3:50004 > 198.51.100.8:443 tcp established @6s sni=portal.example
10.0.0.1:50005 > 198.51.100.8:443 tcp established @6s host=cdn.example`)
	a := New(set(t, site, namePack), Options{})
	learn(t, a, `
dns 10.0.0.1 www.example 198.51.100.8 @1s for=60s chain=cdn.example
dns 10.0.0.1 portal.example 203.0.113.10 @1s for=60s
dns 10.0.0.1 portal.example 198.51.100.7 @2s for=60s
dns 10.0.0.3 portal.example 198.51.100.7 @3s for=60s
dns 10.0.0.1 inner.example 10.0.0.8 @2s for=60s
dns 10.0.0.1 x.backup.example 198.51.100.9 @2s for=60s
dns 10.0.0.1 late.example 198.51.100.8 @90s for=60s`)
	for _, c := range list {
		a.Observe(c)
	}
	out, err := a.Finish(captureOf(list))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range out.Findings {
		if f.Kind == kindNameClaim || f.Kind == kindNameDrift {
			got = append(got, fmt.Sprintf("%s %s %v %d: %s %v", f.Kind, f.Severity, f.Decides, f.Connections, f.Summary, f.Hosts))
		}
	}
	slices.Sort(got)
	want := []string{
		"name-claim low false 1: b calls 198.51.100.8 (portal) portal.example (TLS server name), DNS told it that name for 198.51.100.7 []",
		"name-claim low false 2: a calls 198.51.100.8 (no host of the site) portal.example (TLS server name), DNS told it www.example []",
		"name-drift low false 0: inner.example is at 10.0.0.8, documented at 10.0.0.9 [a]",
		"name-drift low false 0: portal.example is at 198.51.100.7, documented at 203.0.113.10 [a b]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNamesAreBounded(t *testing.T) {
	a := New(set(t, nameSite, namePack), Options{})
	n := flow.Name{At: start, Until: start + 60e9, Origin: flow.NameDNS, Asker: netip.MustParseAddr("10.0.0.1"), Addr: netip.MustParseAddr("198.51.100.7")}
	for i := range 2 * maxNamesOf {
		n.Name = fmt.Sprintf("n%d.example", i)
		a.LearnName(&n)
	}
	if list := a.names.knownTo(party{host: a.set.Site.Hosts[0]}, n.Addr); len(list) != maxNamesOf || a.names.unkept != maxNamesOf {
		t.Errorf("%d names, %d forgotten", len(list), a.names.unkept)
	}
	a.names = newNames()
	for i := range 2 * maxNamesOf { // one name, asked for again and again
		n.At = start + int64(i)*600e9
		n.Until = n.At + 60e9
		n.Name = "n.example"
		a.LearnName(&n)
	}
	for _, at := range []int64{start, n.At} {
		if list := a.names.knownTo(party{host: a.set.Site.Hosts[0]}, n.Addr); len(list) != maxNamesOf || !slices.ContainsFunc(list, func(k alias) bool { return k.valid(at) }) {
			t.Errorf("at %d: %+v", at, list)
		}
	}
	a.names = newNames()
	n.Name = "n.example"
	for i := range 3*maxNames + 5 {
		n.Addr = netip.AddrFrom4([4]byte{1, byte(i >> 16), byte(i >> 8), byte(i)})
		n.At = start + int64(i)
		n.Until = n.At + 1000 // expired when there is no room for it
		a.LearnName(&n)
	}
	if a.names.known.used != maxNames || len(a.names.order)-a.names.next != maxNames || len(a.names.order) > 2*maxNames+1 || a.names.unkept != 0 {
		t.Errorf("%d addresses, order %d from %d, forgotten %d", a.names.known.used, len(a.names.order), a.names.next, a.names.unkept)
	}
}

// A host known by names alone is reached on the Internet: what it lacks can be missing.
func TestHostWithoutAddresses(t *testing.T) {
	s := set(t, nameSite, namePack)
	status := func(learned, text string) string {
		list := conns(t, text)
		a := New(s, Options{})
		learn(t, a, learned)
		for _, c := range list {
			a.Observe(c)
		}
		out, err := a.Finish(captureOf(list))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Expectations {
			if e.Flow == "p/vault" {
				return e.Summary
			}
		}
		return ""
	}
	const seen = "10.0.0.1:50000 > 198.51.100.99:443 tcp established\n10.0.0.3:50000 > 198.51.100.99:443 tcp established\n"
	if got := status("", seen); got != "0 of 2 observed, 2 missing" {
		t.Error(got)
	}
	if got := status("dns 10.0.0.1 x.backup.example 198.51.100.7 for=60s\n", seen+"10.0.0.1:50000 > 198.51.100.7:443 tcp established @1s"); got != "1 of 2 observed, 1 missing" {
		t.Error(got)
	}
}
