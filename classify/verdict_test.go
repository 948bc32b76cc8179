package classify

import (
	"strings"
	"testing"
)

// verdictCase is a connection and its judgement, "" for a connection that is only there for another.
type verdictCase struct{ conn, want string }

func checkVerdicts(t *testing.T, site string, cases []verdictCase) {
	t.Helper()
	checkLearned(t, site, "", cases)
}

func checkLearned(t *testing.T, site, learned string, cases []verdictCase) {
	t.Helper()
	s := set(t, site, testPack)
	var text strings.Builder
	for _, c := range cases {
		text.WriteString(c.conn + "\n")
	}
	got := learnedLines(t, s, conns(t, text.String()), learned)
	explainEach(t, site, conns(t, text.String()), learned)
	for i, c := range cases {
		if g := got[uint64(i+1)]; c.want != "" && g != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.conn, g, c.want)
		}
	}
}

func TestScope(t *testing.T) {
	site := testSite + `
background:
  - {from: plain, to: any, proto: udp, ports: ["514"], reason: syslog}
period: {from: "2026-01-02T02:00:00Z", until: "2026-01-02T04:00:00Z"}
`
	checkVerdicts(t, site, []verdictCase{
		{"198.51.100.1:1000 > 198.51.100.2:80 tcp established", "out-of-scope outside-site"},
		{"198.51.100.1:1000 > 10.0.99.2:80 tcp established", "unexpected unknown-host"},
		{"0.0.0.0:68 > 255.255.255.255:67 udp one-way", "unexpected unknown-host"},
		{"10.0.0.50:40000 > 198.51.100.2:514 udp one-way", "out-of-scope background"},
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp established @-2h", "out-of-scope outside-period"},
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp established @1h", "out-of-scope outside-period"},
		{"fe80::1 > ff02::1 icmp6 one-way type=135", "out-of-scope link-control"},
		{"fe80::1 > ff02::16 icmp6 one-way type=143", "out-of-scope link-control"},
		{"10.0.0.1 > 224.0.0.22 igmp seen", "out-of-scope link-control"},
		{"10.0.0.1 > 224.0.0.1 icmp one-way type=10", "out-of-scope link-control"},
		{"10.0.0.1:50000 > 10.0.0.50:5000 tcp established", "out-of-scope platform-service"},
		{"10.0.88.1:50000 > 10.0.88.2:5000 tcp established", "out-of-scope platform-service"},
		{"10.0.0.1:50000 > 10.0.0.50:9876 tcp established", "unexpected wrong-roles"},
	})
}

func TestDocumented(t *testing.T) {
	checkVerdicts(t, testSite, []verdictCase{
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=encryption"},
		{"10.0.0.1:50000 > 10.0.0.11:9876 tcp refused", "documented flow=p/check-in unverified=encryption"},
		{"10.0.7.9:50000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=encryption match=network"},
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp midstream port", "documented flow=p/check-in unverified=originator,source-port,encryption"},
		{"10.0.0.10:9876 > 10.0.0.1:50000 tcp midstream unknown", "documented flow=p/check-in unverified=originator,source-port,encryption"},
		{"10.0.0.1:50000 > 10.0.0.10:700 tcp established", "documented flow=p/talk"},
		{"10.0.0.10:50000 > 10.0.0.1:700 tcp established", "documented flow=p/talk"},
		{"10.0.0.10:50000 > 10.0.0.1:700 tcp midstream port", "documented flow=p/talk unverified=source-port"},
		{"10.0.0.10:50000 > 10.0.0.1:701 tcp established", "documented flow=p/call-back"},
		{"10.0.0.1:50000 > 10.0.0.10:702 tcp established", "documented flow=p/license note=condition licensed is not stated by the site"},
		{"10.0.0.1:50000 > 203.0.113.10:8443 tcp established", "documented flow=p/report"},
		{"10.0.0.1:50000 > 203.0.113.70:8443 tcp established", "documented flow=p/report match=network"},
		{"10.0.0.1 > 10.0.0.2 icmp answered type=8", "documented flow=p/ping"},
		{"10.0.0.10:50000 > 10.0.255.255:9 udp one-way", "documented flow=p/wake"},
	})
}

func TestDeviation(t *testing.T) {
	site := testSite + `
conditions: [{name: p/reverse, state: "off"}]
hours: [{flows: [p/check-in], from: "02:00", until: "04:00", zone: UTC}]
translations: [{kind: source-pat, inside: [agent-1], outside: [10.1.0.9]}]
`
	checkVerdicts(t, site, []verdictCase{
		{"10.0.0.1:20000 > 10.0.0.10:9876 tcp established", "deviation source-port flow=p/check-in unverified=encryption"},
		{"10.0.0.2:61500 > 10.0.0.10:9876 tcp established", "deviation source-port flow=p/check-in unverified=encryption"},
		{"10.0.7.2:40000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=encryption match=network"},
		{"10.0.0.1:20000 > 10.0.0.10:9876 tcp midstream port", "indeterminate source-port flow=p/check-in unverified=originator,encryption"},
		{"10.0.0.10:50000 > 10.0.0.1:701 tcp established", "deviation condition flow=p/call-back"},
		{"10.0.0.10:1500 > 10.0.0.1:701 tcp established", "deviation source-port,condition flow=p/call-back"},
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp established @2h", "deviation hours flow=p/check-in unverified=encryption"},
		{"10.1.0.9:2000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=source-port,encryption match=network"},
		{"10.0.0.10:50000 > 10.0.0.1:9876 tcp established", "deviation originator flow=p/check-in"},
		{"10.0.0.10:9000 > 10.0.0.1:9876 tcp midstream port", "indeterminate originator flow=p/check-in"},
	})
}

func TestSilentAndUnexpected(t *testing.T) {
	checkVerdicts(t, testSite, []verdictCase{
		{"10.0.0.10:50000 > 10.0.0.30:8888 tcp established", "indeterminate document-silent flow=p/store"},
		{"10.0.0.10:50000 > 10.0.0.30:8888 udp answered", "unexpected undocumented-service"},
		{"10.0.0.1:50000 > 10.0.0.10:9877 tcp established", "unexpected undocumented-service"},
		{"10.0.0.1:50000 > 10.0.55.5:9877 tcp established", "unexpected unknown-host"},
		{"192.0.2.1:50000 > 10.0.0.10:9876 tcp established", "unexpected unknown-host"},
		{"10.0.0.1:50000 > 10.0.0.20:9876 tcp established", "unexpected wrong-roles"},
		{"10.0.0.1:50000 > 203.0.113.10:25 tcp established", "unexpected undocumented-service"},
		{"10.0.0.1:50000 > 203.0.113.70:25 tcp established", "unexpected unknown-host"},
		{"203.0.113.10:50000 > 10.0.0.1:8443 tcp established", "deviation originator flow=p/report"},
	})
}

func TestSiteSuppliesPort(t *testing.T) {
	site := testSite + `
ports: [{flow: p/store, ports: ["8888"], source: storage handbook, approver: A. Lead}]
`
	checkVerdicts(t, site, []verdictCase{
		{"10.0.0.10:50000 > 10.0.0.30:8888 tcp established", "documented flow=p/store"},
		{"10.0.0.10:50000 > 10.0.0.30:8889 tcp established", "unexpected undocumented-service"},
	})
}

func TestExceptions(t *testing.T) {
	site := testSite + `
exceptions:
  - {id: E1, from: agent-1, to: server-1, proto: tcp, ports: ["9877"], owner: o, approver: a, reason: migration, ticket: T1, since: "2026-01-01", until: "2026-01-02T03:30:00Z"}
  - {id: E2, from: agent-2, to: server-1, proto: tcp, ports: ["9876"], owner: o, approver: a, reason: old image, ticket: T2, since: "2026-01-01", until: "2026-02-01"}
`
	checkVerdicts(t, site, []verdictCase{
		{"10.0.0.1:50000 > 10.0.0.10:9877 tcp established", "excepted undocumented-service was=unexpected by=E1"},
		{"10.0.0.1:50000 > 10.0.0.10:9877 tcp established @40m", "unexpected undocumented-service"},
		{"10.0.0.2:100 > 10.0.0.10:9876 tcp established", "excepted source-port flow=p/check-in unverified=encryption was=deviation by=E2"},
		{"10.0.0.2:40000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=encryption"},
	})
}

// A flow that its fixed source port names is not any traffic between its hosts, and a broadcast address opens nothing.
func TestFixedSourcesAndGroups(t *testing.T) {
	const pack = `
name: p
kind: baseline
title: P
product_version: ""
documents: [{id: d, title: D, date: "", file: ""}]
roles: [{name: h, title: H}]
flows:
  - {id: answer, title: A, from: [h], to: [h], proto: udp, ports: ["1024-65535"], source_ports: "5355", need: optional, occurrence: on-demand, cite: [{document: d, lines: "", section: s}]}
  - {id: names, title: N, from: [h], to: [broadcast], proto: udp, ports: ["137"], source_ports: "137", reply: none, need: optional, occurrence: on-demand, cite: [{document: d, lines: "", section: s}]}
`
	const site = `
name: s
networks: [10.0.0.0/24]
hosts:
  - {name: a, addresses: [10.0.0.1], roles: [p/h]}
  - {name: b, addresses: [10.0.0.2], roles: [p/h]}
`
	a := New(set(t, site, pack), Options{})
	for line, want := range map[string]string{
		"10.0.0.1:5355 > 10.0.0.2:50000 udp one-way":              "documented",
		"10.0.0.1:5356 > 10.0.0.2:50000 udp one-way":              "unexpected",
		"10.0.0.1:50000 > 10.0.0.2:5355 udp one-way first-packet": "unexpected",
		"10.0.0.1:137 > 10.0.0.255:137 udp one-way port":          "documented",
		"10.0.0.1:50001 > 10.0.0.255:137 udp one-way port":        "deviation",
		"10.0.0.255:137 > 10.0.0.1:137 udp one-way unknown":       "documented",
	} {
		j := a.judge(connOf(t, line, 1))
		if j.verdict.String() != want {
			t.Errorf("%s: %s %v, want %s", line, j.verdict, j.why.names(), want)
		}
	}
}

func TestWithoutSite(t *testing.T) {
	checkVerdicts(t, "", []verdictCase{
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=encryption match=port-only"},
		{"10.0.0.1:40000 > 10.0.0.10:9876 tcp established", "documented flow=p/check-in unverified=encryption match=port-only"},
		{"10.0.0.1:20000 > 10.0.0.10:9876 tcp established", "deviation source-port flow=p/check-in unverified=encryption match=port-only"},
		{"10.0.0.1:50000 > 10.0.0.10:5000 tcp established", "out-of-scope platform-service"},
		{"10.0.0.1:50000 > 10.0.0.10:9 tcp established", "unexpected undocumented-service"},
		{"10.0.0.1:50000 > 10.0.0.10:51000 tcp established", "unexpected undocumented-service"},
		{"198.51.100.1:50000 > 198.51.100.2:9876 tcp established", "documented flow=p/check-in unverified=encryption match=port-only"},
		{"10.0.0.3:50000 > 10.0.0.10:135 tcp established", "documented flow=p/rpc match=port-only"},
		{"10.0.0.3:50000 > 10.0.0.10:51000 tcp established @1s", "unexpected undocumented-service"},
	})
}

func TestTies(t *testing.T) {
	const one = `
name: one
kind: vendor
title: One
product_version: ""
documents: [{id: d, title: D, date: "", file: d.txt}]
source_ranges: {}
roles: [{name: a, title: A}, {name: b, title: B}]
conditions: []
flows:
  - {id: z-range, title: t, from: [a], to: [b], proto: tcp, ports: [10-20], need: optional, occurrence: on-demand, cite: [{document: d, lines: "1", section: s}]}
  - {id: any-role, title: t, from: [any], to: [b], proto: tcp, ports: ["15"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "1", section: s}]}
  - {id: m-named, title: t, from: [a], to: [b], proto: tcp, ports: ["15"], need: optional, occurrence: on-demand, cite: [{document: d, lines: "1", section: s}]}
  - {id: k-named, title: t, from: [a], to: [b], proto: tcp, ports: ["15"], source_ports: any, need: optional, occurrence: on-demand, cite: [{document: d, lines: "1", section: s}]}
`
	site := "name: s\nhosts:\n  - {name: x, addresses: [10.0.0.1], os: windows, roles: [one/a]}\n  - {name: y, addresses: [10.0.0.2], roles: [one/b]}\n"
	s := set(t, site, one)
	got := judgedLines(s, conns(t, `
10.0.0.1:50000 > 10.0.0.2:15 tcp established
10.0.0.1:1 > 10.0.0.2:15 tcp established
10.0.0.1:50000 > 10.0.0.2:16 tcp established`))
	for i, want := range []string{
		"documented flow=one/k-named shared=one/m-named,one/any-role,one/z-range",
		"documented flow=one/k-named", // whatever others break
		"documented flow=one/z-range",
	} {
		if got[uint64(i+1)] != want {
			t.Errorf("%d: got %s\nwant %s", i+1, got[uint64(i+1)], want)
		}
	}
}

func TestSilentFlowThatDoesNotApplyAsksNothing(t *testing.T) {
	pack := strings.Replace(testPack, `from: [server], to: [vault], proto: tcp, ports: [unstated], need: required`,
		`from: [server], to: [vault], proto: unstated, ports: [unstated], need: conditional, condition: licensed`, 1)
	for _, c := range []struct{ site, conn, want string }{
		{"", "10.0.0.10:50000 > 10.0.0.30:8888 udp answered", "indeterminate document-silent flow=p/store"},
		{"conditions: [{name: p/licensed, state: \"off\"}]", "10.0.0.10:50000 > 10.0.0.30:8888 udp answered", "unexpected undocumented-service"},
		{"ports: [{flow: p/store, ports: [\"21\"], to: [vault-1], source: s, approver: a}]", "10.0.0.10:50000 > 10.0.0.30:21 tcp established",
			"documented flow=p/store note=condition licensed is not stated by the site"},
	} {
		if got := judgedLines(set(t, testSite+c.site+"\n", pack), conns(t, c.conn))[1]; got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.conn, got, c.want)
		}
	}
}
