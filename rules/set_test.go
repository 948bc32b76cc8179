package rules

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // Europe/Paris, also on machines without zone files

	"pcapaudit/capture/flow"
)

const demoPack = `name: demo
kind: vendor
title: Demo
documents: [{id: d, title: D}]
source_ranges: {windows: 50000-60000}
roles:
  - {name: agent, title: A}
  - {name: server, title: S}
  - {name: portal, title: P, addresses: [10.0.82.12]}
  - {name: minimum, title: M, addresses: [10.0.82.0/24]}
  - {name: network, title: N, addresses: [10.0.0.0/8]}
conditions:
  - {name: tls, title: T, default: "on"}
flows:
  - {id: c-portal, title: t, from: [agent], to: [network], proto: tcp, ports: ["8086"], occurrence: on-demand, cite: [{document: d, section: s}]}
  - {id: b-portal, title: t, from: [agent], to: [minimum], proto: tcp, ports: ["8086"], occurrence: on-demand, cite: [{document: d, section: s}]}
  - {id: d-portal, title: t, from: [agent], to: [portal], proto: tcp, ports: ["8086"], occurrence: on-demand, cite: [{document: d, section: s}]}
  - {id: a-range, title: t, from: [agent], to: [portal], proto: tcp, ports: ["8000-9000"], occurrence: on-demand, cite: [{document: d, section: s}]}
  - {id: report, title: t, from: [agent], to: [server], proto: tcp, ports: ["9876"], occurrence: periodic, condition: tls, cite: [{document: d, section: s}]}
  - {id: plain, title: t, from: [agent], to: [server], proto: tcp, ports: ["9875"], occurrence: periodic, condition: "!tls", cite: [{document: d, section: s}]}
  - {id: vault, title: t, from: [agent], to: [server], proto: tcp, ports: [unstated], occurrence: periodic, cite: [{document: d, section: s}]}
  - {id: web, title: t, from: [agent], to: [internet], proto: tcp, ports: ["443"], proxy: true, scope: wan, occurrence: on-demand, cite: [{document: d, section: s}]}
  - {id: dhcp, title: t, from: [any], to: [server, broadcast], proto: udp, ports: ["67"], source_ports: "68", occurrence: on-demand, cite: [{document: d, section: s}]}
  - {id: list, title: t, from: [any], to: [any], proto: tcp, ports: ["8086"], reference: true, cite: [{document: d, section: s}]}
`

const demoSite = `name: demo
networks: [10.1.0.0/24, 10.0.0.0/9]
hosts:
  - {name: a1, addresses: [10.1.0.1], os: windows, roles: [demo/agent]}
  - {name: a2, addresses: [10.1.0.2], os: linux, roles: [demo/agent], source_range: 20000-20999}
  - {name: a3, addresses: [10.1.0.3], roles: [demo/agent]}
  - {name: s1, addresses: [10.1.0.10, {address: 10.1.0.20, from: 2026-01-02, until: 2026-01-03}], roles: [demo/server]}
  - {name: rest, addresses: [10.1.0.0/24]}
  - {name: proxy, addresses: [10.1.0.80]}
conditions:
  - {name: demo/tls, state: "off", until: 2026-01-02}
ports:
  - {flow: demo/vault, ports: ["7001"], to: [s1], source: ticket, approver: me}
proxies: [{host: proxy, ports: ["3128"]}]
translations:
  - {kind: source-pat, inside: [a1, a2], outside: [203.0.113.1]}
  - {kind: static, inside: [s1], outside: [203.0.113.2]}
  - {kind: destination, inside: [s1], outside: ["203.0.113.3:443"], port: 9876}
vantage:
  - {name: tap, sees: [{from: 10.1.0.0/24, to: internet}, {from: a1, to: s1, one_way: true}]}
period: {from: 2026-01-01, until: 2026-02-01}
hours:
  - {flows: [demo/report], days: [thu], from: "22:00", until: "06:00", zone: UTC}
expect:
  - {flow: demo/report, in: not, reason: r}
  - {flow: demo/report, hosts: [a1], in: period, reason: r}
background: [{from: any, to: multicast, reason: r}]
exceptions:
  - {id: old, from: a1, to: s1, proto: tcp, ports: ["22"], owner: o, approver: a, reason: r, ticket: t, until: 2026-01-02}
  - {id: new, from: a1, to: s1, proto: tcp, ports: ["22-23"], owner: o, approver: a, reason: r, ticket: t, since: 2026-01-05, until: 2026-01-09}
flows:
  - {id: ssh, from: [a3], to: [rest, demo/server], proto: tcp, ports: ["22"], owner: o, justification: j, approver: a, date: 2026-01-01}
`

func demoSet(t testing.TB) *Set {
	t.Helper()
	p, problems := LoadPackBytes("demo.yaml", []byte(demoPack))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	site, problems := LoadSiteBytes("site.yaml", []byte(demoSite))
	if site == nil {
		t.Fatal(problems)
	}
	set, problems := Compile([]*Pack{p}, site)
	if set == nil {
		t.Fatal(problems)
	}
	return set
}

func day(text string) int64 {
	ns, ok := parseTime(text)
	if !ok {
		panic(text)
	}
	return ns
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func TestCandidateOrder(t *testing.T) {
	s := demoSet(t)
	at := day("2026-01-10")
	list := s.Candidates(s.Lookup(addr("10.1.0.1"), at), s.Lookup(addr("10.0.82.12"), at), flow.TCP, 8086, 0)
	var got []string
	for _, c := range list {
		got = append(got, fmt.Sprintf("%s %s %s %s", c.Flow.ID, c.Port, c.From.By, c.To.By))
	}
	want := []string{"d-portal exact address address", "b-portal exact address network", "c-portal exact address network", "a-range range address address", "list exact reserved reserved"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func candidateIDs(s *Set, orig, resp string, proto flow.Proto, port uint16) string {
	at := day("2026-01-10")
	r, p := s.Responder(netip.AddrPortFrom(addr(resp), port), at)
	var ids []string
	for _, c := range s.Candidates(s.Lookup(addr(orig), at), r, proto, p, 0) {
		id := c.Flow.ID
		if c.Proxied {
			id += "*"
		}
		if c.Port == PortUnstated {
			id += "?"
		}
		ids = append(ids, id)
	}
	return strings.Join(ids, " ")
}

func TestCandidates(t *testing.T) {
	s := demoSet(t)
	for _, c := range []struct {
		name, orig, resp string
		proto            flow.Proto
		port             uint16
		want             string
	}{
		{"exact", "10.1.0.1", "10.1.0.10", flow.TCP, 9876, "report"},
		{"mapped address", "::ffff:10.1.0.1", "10.1.0.10", flow.TCP, 9876, "report"},
		{"wrong way round", "10.1.0.10", "10.1.0.1", flow.TCP, 9876, ""},
		{"other protocol", "10.1.0.1", "10.1.0.10", flow.UDP, 9876, ""},
		{"port that the site knows for an unstated one", "10.1.0.1", "10.1.0.10", flow.TCP, 7001, "vault"},
		{"not expired entry only", "10.1.0.1", "10.1.0.20", flow.TCP, 9876, ""},
		{"wide area", "10.1.0.1", "198.51.100.1", flow.TCP, 443, "web"},
		{"proxy", "10.1.0.1", "10.1.0.80", flow.TCP, 3128, "web*"},
		{"proxy, port of the destination", "10.1.0.1", "10.1.0.80", flow.TCP, 443, ""},
		{"unspecified originator", "0.0.0.0", "255.255.255.255", flow.UDP, 67, "dhcp"},
		{"directed broadcast", "10.1.0.1", "10.1.0.255", flow.UDP, 67, "dhcp"},
		{"behind source translation", "203.0.113.1", "10.1.0.10", flow.TCP, 9876, "report"},
		{"source translation does not respond", "10.1.0.10", "203.0.113.1", flow.TCP, 9876, ""},
		{"static", "10.1.0.1", "203.0.113.2", flow.TCP, 9876, "report"},
		{"destination with port", "10.1.0.1", "203.0.113.3", flow.TCP, 443, "report"},
		{"destination, other port", "10.1.0.1", "203.0.113.3", flow.TCP, 9876, ""},
		{"own flow, host by name", "10.1.0.3", "10.1.0.200", flow.TCP, 22, "ssh"},
		{"own flow, role", "10.1.0.3", "10.1.0.10", flow.TCP, 22, "ssh"},
		{"own flow, other originator", "10.1.0.1", "10.1.0.10", flow.TCP, 22, ""},
	} {
		if got := candidateIDs(s, c.orig, c.resp, c.proto, c.port); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestUnstatedWithoutOverride(t *testing.T) {
	p, _ := LoadPackBytes("demo.yaml", []byte(demoPack))
	site, _ := LoadSiteBytes("s", []byte("hosts:\n  - {name: a, addresses: [10.1.0.1], roles: [demo/agent]}\n  - {name: b, addresses: [10.1.0.10], roles: [demo/server]}\n"))
	s, problems := Compile([]*Pack{p}, site)
	if s == nil {
		t.Fatal(problems)
	}
	if got := candidateIDs(s, "10.1.0.1", "10.1.0.10", flow.TCP, 5555); got != "vault?" {
		t.Errorf("candidates %q", got)
	}
	joining := s.Joining(s.Lookup(addr("10.1.0.1"), 0), s.Lookup(addr("10.1.0.10"), 0))
	var got []string
	for _, c := range joining {
		got = append(got, c.Flow.ID+" "+c.Port.String())
	}
	slices.Sort(got)
	// 10.1.0.10 is in 10.0.0.0/8, which the pack documents.
	if want := []string{"c-portal other", "dhcp other", "plain other", "report other", "vault unstated"}; !slices.Equal(got, want) {
		t.Errorf("joining %q, want %q", got, want)
	}
}

func TestMembership(t *testing.T) {
	s := demoSet(t)
	before, during, after := s.Lookup(addr("10.1.0.20"), day("2026-01-01")), s.Lookup(addr("10.1.0.20"), day("2026-01-02")), s.Lookup(addr("10.1.0.20"), day("2026-01-03"))
	if before.Host.Name != "rest" || during.Host.Name != "s1" || after != before {
		t.Errorf("10.1.0.20 is %s, %s, then %s", before.Host.Name, during.Host.Name, after.Host.Name)
	}
	if m := s.Lookup(addr("0.0.0.0"), 0); len(m.Roles) != 1 || m.Roles[0].Role != "any" || m.Host != nil || !m.Inside {
		t.Errorf("unspecified: %+v", m)
	}
	if m := s.Lookup(addr("fe80::1%eth0"), 0); !m.Inside {
		t.Error("link-local is outside")
	}
	if a, b := s.Lookup(addr("198.51.100.1"), 0), s.Lookup(addr("198.51.100.2"), 5); a != b || a.Inside || a.Host != nil {
		t.Errorf("two addresses outside: %p %p", a, b)
	}
	if kind, hosts := s.Translated(addr("203.0.113.1")); kind != "source-pat" || len(hosts) != 2 || !s.Hidden(hosts[0]) {
		t.Errorf("translated: %s %v", kind, hosts)
	}
	if m := s.Lookup(addr("203.0.113.2"), 0); m.Host == nil || m.Host.Name != "s1" || m.Translation != "static" {
		t.Errorf("static: %+v", m)
	}
	var names []string
	for _, h := range s.HostsOf("demo/agent") {
		names = append(names, h.Name)
	}
	if !slices.Equal(names, []string{"a1", "a2", "a3"}) || !s.Bound("demo/portal") || s.Bound("demo/nobody") {
		t.Errorf("hosts of demo/agent: %v", names)
	}
}

func TestScanStaysBounded(t *testing.T) {
	s := demoSet(t)
	a := addr("100.0.0.0")
	for range 3 * maxAddresses {
		s.Candidates(s.Lookup(addr("10.1.0.1"), 0), s.Lookup(a, 0), flow.TCP, uint16(a.As4()[3])|uint16(a.As4()[2])<<8, 0)
		a = a.Next()
	}
	if len(s.addresses) > maxAddresses || s.remembered > maxRemembered || len(s.members) > 20 {
		t.Errorf("%d addresses, %d candidate lists, %d memberships remembered", len(s.addresses), s.remembered, len(s.members))
	}
}

func TestPorts(t *testing.T) {
	s := demoSet(t)
	host := func(name string) *Host {
		return s.Site.Hosts[slices.IndexFunc(s.Site.Hosts, func(h *Host) bool { return h.Name == name })]
	}
	for _, c := range []struct {
		host *Host
		flow string
		want string
	}{
		{host("a1"), "report", "[{50000 60000}] false"}, // the pack's documented range
		{host("a2"), "report", "[{20000 20999}] false"}, // the host's own
		{host("a3"), "report", "[{50000 60000}] false"}, // unknown OS: all that the pack documents
		{nil, "report", "[{50000 60000}] false"},
		{host("a1"), "dhcp", "[{68 68}] false"},
	} {
		ranges, any := s.SourcePorts(c.host, s.Flow("demo/"+c.flow))
		if got := fmt.Sprint(ranges, any); got != c.want {
			t.Errorf("source ports of %s: %s, want %s", c.flow, got, c.want)
		}
	}
	linux := &Host{OS: "linux"}
	if r, _ := s.SourcePorts(linux, s.Flow("demo/report")); !slices.Equal(r, []PortRange{{32768, 61000}}) {
		t.Errorf("an OS that the pack does not state: %v", r)
	}
	if r, _ := s.SourcePorts(nil, s.Flow("local/ssh")); !slices.Equal(r, []PortRange{{1025, 5000}, {49152, 65535}, {32768, 61000}}) {
		t.Errorf("no documented range, unknown OS: %v", r)
	}
	if r := s.PortsOf(s.Flow("demo/vault"), host("s1")); !slices.Equal(r, []PortRange{{7001, 7001}}) {
		t.Errorf("overridden: %v", r)
	}
	if r := s.PortsOf(s.Flow("demo/vault"), nil); len(r) != 0 {
		t.Errorf("unstated: %v", r)
	}
}

func TestTimes(t *testing.T) {
	s := demoSet(t)
	report, plain := s.Flow("demo/report"), s.Flow("demo/plain")
	for _, c := range []struct {
		at   string
		flow *Flow
		want State
	}{{"2026-01-01", report, Off}, {"2026-01-01", plain, On}, {"2026-01-02", report, On}, {"2026-01-02", plain, Off}, {"2026-01-02", s.Flow("demo/web"), On}} {
		if got := s.Condition(c.flow, day(c.at)); got != c.want {
			t.Errorf("condition of %s at %s: %s, want %s", c.flow.ID, c.at, got, c.want)
		}
	}
	if from, until := s.Period(); from != day("2026-01-01") || until != day("2026-02-01") {
		t.Errorf("period %d %d", from, until)
	}
	for at, want := range map[string]bool{ // 2026-01-01 is a Thursday
		"2026-01-01T21:59:59Z": false, "2026-01-01T22:00:00Z": true, "2026-01-02T05:59:59Z": true, "2026-01-02T06:00:00Z": false, "2026-01-02T23:00:00Z": false, "2026-01-01T03:00:00Z": false,
	} {
		if got := s.AllowedAt(report, day(at)); got != want {
			t.Errorf("allowed at %s: %v", at, got)
		}
	}
	if !s.AllowedAt(plain, 0) {
		t.Error("a flow without hours is not allowed")
	}
	a1, a2 := s.Site.Hosts[0], s.Site.Hosts[1]
	if s.Expected(report, a1) != ExpectedIn || s.Expected(report, a2) != NotExpected || s.Expected(plain, a1) != AsDocumented {
		t.Error("expectations")
	}
}

// The clock change: 02:30 does not exist on the last Sunday of March in Paris, and happens twice in October.
func TestHoursFollowTheWallClock(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	w := window{[7]bool{true, true, true, true, true, true, true}, 2 * 60, 3 * 60, zone}
	open := 0
	for minute := day("2026-10-24T22:00:00Z"); minute < day("2026-10-25T23:00:00Z"); minute += 60e9 {
		if w.open(minute) {
			open++
		}
	}
	if open != 120 {
		t.Errorf("open for %d minutes on the day with 25 hours, want 120", open)
	}
}

func TestExceptionsAndVantage(t *testing.T) {
	s := demoSet(t)
	exception := func(orig, resp string, port uint16, at string) string {
		o, r := End{addr(orig), s.Lookup(addr(orig), day(at))}, End{addr(resp), s.Lookup(addr(resp), day(at))}
		e, validity := s.Exception(o, r, flow.TCP, port, day(at))
		if e == nil {
			return "none"
		}
		return fmt.Sprint(e.ID, " ", validity)
	}
	for _, c := range []struct {
		orig, resp string
		port       uint16
		at, want   string
	}{
		{"10.1.0.1", "10.1.0.10", 22, "2026-01-01", fmt.Sprint("old ", Active)},
		{"10.1.0.1", "10.1.0.10", 22, "2026-01-03", fmt.Sprint("old ", Expired)},
		{"10.1.0.1", "10.1.0.10", 22, "2026-01-06", fmt.Sprint("new ", Active)},
		{"10.1.0.1", "10.1.0.10", 23, "2026-01-03", fmt.Sprint("new ", NotYet)},
		{"10.1.0.1", "10.1.0.10", 24, "2026-01-06", "none"},
		{"10.1.0.10", "10.1.0.1", 22, "2026-01-01", "none"},
	} {
		if got := exception(c.orig, c.resp, c.port, c.at); got != c.want {
			t.Errorf("%s -> %s:%d at %s: %s, want %s", c.orig, c.resp, c.port, c.at, got, c.want)
		}
	}
	for _, c := range []struct {
		orig, resp string
		want       Sight
	}{{"10.1.0.1", "198.51.100.1", Seen}, {"198.51.100.1", "10.1.0.1", Seen}, {"10.1.0.1", "10.1.0.10", SeenOneWay}, {"10.1.0.10", "10.1.0.1", SeenOneWay}, {"10.1.0.2", "10.1.0.10", NotSeen}} {
		if got := s.Sees(addr(c.orig), addr(c.resp)); got != c.want {
			t.Errorf("sees %s -> %s: %d, want %d", c.orig, c.resp, got, c.want)
		}
	}
	m := End{addr("224.0.0.251"), s.Lookup(addr("224.0.0.251"), 0)}
	if s.Background(End{addr("10.1.0.1"), s.Lookup(addr("10.1.0.1"), 0)}, m, flow.UDP, 5353) == nil {
		t.Error("background does not match")
	}
}

func TestWithoutSite(t *testing.T) {
	s, problems := Compile([]*Pack{mustPack(t, "acronis-abr-11.5")}, nil)
	if s == nil {
		t.Fatal(problems)
	}
	if list := s.ByService(flow.TCP, 25001, 0); len(list) == 0 || !slices.Contains(list[0].Ports, "25001") {
		t.Errorf("flows on 25001: %v", list)
	}
	if from, until := s.Period(); from != math.MinInt64 || until != math.MaxInt64 || s.Sees(addr("10.0.0.1"), addr("10.0.0.2")) != NotStated {
		t.Error("a set without a site states a period or a vantage point")
	}
}
