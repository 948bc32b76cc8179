package classify

import (
	"fmt"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// An uncertain originator never gives a deviation of a flow that one side opens.
func TestUncertainOriginatorGivesNoDeviation(t *testing.T) {
	site := testSite + `
conditions: [{name: p/reverse, state: "off"}]
hours: [{flows: [p/check-in, p/talk], from: "02:00", until: "04:00", zone: UTC}]
`
	checkVerdicts(t, site, []verdictCase{
		{"10.0.0.10:50000 > 10.0.0.1:701 tcp midstream port", "indeterminate condition flow=p/call-back unverified=originator,source-port"},
		{"10.0.0.1:50000 > 10.0.0.10:9876 tcp midstream port @2h", "indeterminate hours flow=p/check-in unverified=originator,source-port,encryption"},
		{"10.0.0.1:50000 > 10.0.0.10:700 tcp midstream port @2h", "deviation hours flow=p/talk unverified=source-port"}, // either side may open it
		{"10.0.0.10:50000 > 10.0.0.1:9876 tcp midstream unknown", "indeterminate originator flow=p/check-in"},
		{"10.0.0.40:443 > 10.0.0.1:50000 tcp midstream unknown", "documented flow=p/update-https unverified=originator,source-port"},
	})
	a := audit(t, set(t, testSite, testPack), "10.0.0.1:50000 > 10.0.0.40:8530 tcp midstream port\n10.0.0.2:40000 > 10.0.0.40:443 tcp established", nil)
	for _, f := range a.Findings {
		if f.Kind == kindCoupled {
			t.Errorf("coupled ports by a guess: %+v", f)
		}
	}
}

// Where the originator is a guess, the other orientation counts for what excuses and explains.
func TestGuessedOrientation(t *testing.T) {
	site := testSite + `
background: [{from: plain, to: any, proto: tcp, ports: ["6000"], reason: screens}]
exceptions:
  - {id: E1, from: agent-1, to: plain, proto: tcp, ports: ["7777"], owner: o, approver: a, reason: r, ticket: t, since: "2026-01-01", until: "2026-02-01"}
`
	checkVerdicts(t, site, []verdictCase{
		{"10.0.0.1:6000 > 10.0.0.50:50000 tcp midstream unknown", "out-of-scope background"},
		{"10.0.0.1:6000 > 10.0.0.50:50000 tcp established", "unexpected undocumented-service"},
		{"10.0.0.50:7777 > 10.0.0.1:50000 tcp midstream unknown", "excepted undocumented-service was=unexpected by=E1"},
		{"10.0.0.50:7777 > 10.0.0.1:50000 tcp established", "unexpected undocumented-service"},
		{"10.0.0.20:9876 > 10.0.0.50:50000 tcp midstream unknown", "unexpected wrong-roles"},
	})
	a := audit(t, set(t, testSite, testPack), "10.0.0.20:9876 > 10.0.0.50:50000 tcp midstream unknown", nil)
	if f := findingOf(t, a, "connection unexpected"); f.Summary != "plain perhaps opened tcp/9876 on console-1" {
		t.Error(f.Summary)
	}
}

// The outside address of a translation stands for hosts of the site wherever it lies, and a platform list speaks of the site's own traffic.
func TestScopeOfTranslationsAndPlatform(t *testing.T) {
	site := testSite + "translations: [{kind: source-pat, inside: [agent-1, agent-2], outside: [198.51.100.5]}]\n"
	checkVerdicts(t, site, []verdictCase{
		{"198.51.100.5:2000 > 203.0.113.10:8443 tcp established", "documented flow=p/report unverified=source-port match=network"},
		{"198.51.100.5:2000 > 203.0.113.99:22 tcp established", "unexpected unknown-host"},
		{"198.51.100.77:2000 > 10.0.0.50:5000 tcp established", "unexpected unknown-host"},
		{"10.0.0.50:50000 > 198.51.100.77:5000 tcp established", "unexpected unknown-host"},
		{"10.0.0.50:50000 > 10.0.0.40:5000 tcp established", "out-of-scope platform-service"},
		{"198.51.100.5:2000 > 10.0.0.10:50000 tcp established", "unexpected undocumented-service"},
		{"10.0.0.10:50000 > 198.51.100.5:9876 tcp established", "indeterminate originator flow=p/check-in match=network"},
	})
}

// Without a site a condition's default is nobody's word.
func TestWithoutSiteConditionsBreakNothing(t *testing.T) {
	pack := strings.Replace(testPack, `title: servers may call back, default: "on"`, `title: servers may call back, default: "off"`, 1)
	got := judgedLines(set(t, "", pack), conns(t, "10.0.0.10:50000 > 10.0.0.1:701 tcp established"))[1]
	if want := "documented flow=p/call-back match=port-only"; !strings.HasPrefix(got, "documented flow=p/call-back") || !strings.Contains(got, "note=") {
		t.Errorf("got %s, want %s and a note", got, want)
	}
	a := audit(t, set(t, "", testPack), "10.0.0.1:50000 > 10.0.0.10:9 tcp established", nil)
	if f := findingOf(t, a, "connection unexpected"); f.Summary != "10.0.0.1 opened tcp/9 on 10.0.0.10" {
		t.Error(f.Summary)
	}
}

// What is no use, no attempt and no absence.
func TestBlindSpotsAreNeverMissing(t *testing.T) {
	const attemptOn8087 = "10.0.0.20:50001 > 10.0.0.30:8087 tcp "
	const used8086 = "10.0.0.20:50000 > 10.0.0.30:8086 tcp established\n"
	for _, c := range []struct{ name, flow, site, conns, want string }{
		{"one port good, one refused", "p/both-ports", "", busy + used8086 + attemptOn8087 + "refused", "0 of 1 observed, 1 attempted, no connection | console-1 attempted"},
		{"one port good, one one-sided", "p/both-ports", "", busy + used8086 + attemptOn8087 + "one-sided", "0 of 1 observed, 1 not testable | console-1 not-testable"},
		{"one port good, one with a lone SYN-ACK", "p/both-ports", "", busy + used8086 + attemptOn8087 + "half-open answer-only", "0 of 1 observed, 1 not testable | console-1 not-testable"},
		{"lone SYN-ACK", "p/check-in", "", busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp half-open synack answer-only",
			"0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable"},
		{"one-sided beside refused", "p/check-in", "", busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp refused\n10.0.0.1:50001 > 10.0.0.10:9876 tcp one-sided",
			"0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable"},
		{"indeterminate on the flow", "p/check-in", "", busy + "10.0.0.1:20000 > 10.0.0.10:9876 tcp midstream port",
			"0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable"},
		{"perhaps the other side opened", "p/check-in", "", busy + "10.0.0.10:9000 > 10.0.0.1:9876 tcp midstream port",
			"0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable"},
		{"attempt on a wrong responder", "p/check-in", "", busy + "10.0.0.1:50000 > 10.0.0.20:9876 tcp refused",
			"0 of 3 observed, 2 missing, 1 silent | agent-1 missing, agent-2 missing, agents not-testable"},
		{"only broadcasts of the host", "p/check-in", "", "10.0.0.50:40000 > 10.0.0.10:9999 tcp established\n10.0.0.1:138 > 10.0.255.255:138 udp one-way",
			"0 of 3 observed, 2 silent, 1 not testable | agent-1 not-testable, agent-2 not-testable, agents not-testable"},
		{"background makes active", "p/check-in", "background: [{from: any, to: any, proto: tcp, ports: [\"9999\"], reason: r}]", busy,
			"0 of 3 observed, 2 missing, 1 silent | agent-1 missing, agent-2 missing, agents not-testable"},
		{"condition on only after the period", "p/license", "conditions: [{name: p/licensed, state: \"off\", until: \"2026-01-02T03:50:00Z\"}, {name: p/licensed, state: \"on\", from: \"2026-01-02T03:50:00Z\"}]\nperiod: {from: \"2026-01-02T03:00:00Z\", until: \"2026-01-02T03:50:00Z\"}", busy,
			"0 of 3 observed, 3 not triggered | agent-1 not-triggered, agent-2 not-triggered, agents not-triggered"},
		{"documented by a local flow, source port broken", "p/check-in",
			"flows: [{id: l, title: L, from: [agent-1], to: [server-1], proto: tcp, ports: [\"9876\"], source_ports: any, owner: o, justification: j, approver: a, date: \"2026-01-01\"}]",
			busy + "10.0.0.1:20000 > 10.0.0.10:9876 tcp established", "1 of 3 observed, 1 missing, 1 silent | agent-2 missing, agents not-testable"},
		{"unlisted originator seen one-sided", "p/portal-push", "", busy + "203.0.113.10:50000 > 10.0.0.1:443 tcp one-sided", "0 of 1 observed, 1 not testable | 203.0.113.10 not-testable"},
		{"an answer without its question", "p/query", "", busy + "10.0.0.1:50000 > 10.0.0.10:53 udp one-way answer-only", "0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable"},
		{"a notice by the other end", "p/notice", "", busy + "10.0.0.1:50000 > 10.0.0.10:54 udp one-way port answer-only", "0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pack := testPack + `
  - {id: portal-push, title: Portal pushes, from: [portal], to: [agent], proto: tcp, ports: ["443"], need: required, occurrence: periodic, cite: [{document: d, lines: "20", section: s}]}
  - {id: query, title: Query, from: [agent], to: [server], proto: udp, ports: ["53"], need: required, occurrence: periodic, cite: [{document: d, lines: "21", section: s}]}
  - {id: notice, title: Notice, from: [agent], to: [server], proto: udp, ports: ["54"], reply: none, need: required, occurrence: periodic, cite: [{document: d, lines: "22", section: s}]}
`
			a := audit(t, set(t, testSite+c.site+"\n", pack), c.conns, nil)
			if got := statusesOf(a, c.flow); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A host that plays both ends may do inside itself what the capture never shows.
func TestBothRolesOnOneHost(t *testing.T) {
	site := strings.Replace(testSite, "{name: server-1, addresses: [10.0.0.10, 10.0.0.11], os: windows, roles: [p/server]}",
		"{name: server-1, addresses: [10.0.0.10, 10.0.0.11], os: windows, roles: [p/server, p/agent]}\n  - {name: server-2, addresses: [10.0.0.12], os: windows, roles: [p/server]}", 1)
	for _, c := range []struct{ name, flow, conns, want string }{
		{"unseen", "p/check-in", "", "server-1 holds both roles: the traffic stays inside the host"},
		{"refused elsewhere", "p/check-in", "10.0.0.10:50000 > 10.0.0.12:9876 tcp refused", "server-1 holds both roles: the traffic stays inside the host"},
		{"observed elsewhere", "p/check-in", "10.0.0.10:50000 > 10.0.0.12:9876 tcp established", ""},
		{"between equals", "p/ping", "", "not seen, and not required"},
	} {
		a := audit(t, set(t, site, testPack), busy+c.conns, nil)
		got := ""
		for _, e := range a.Expectations {
			for _, h := range e.Open {
				if e.Flow == c.flow && h.Host == "server-1" {
					got = h.Reason
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	a := audit(t, set(t, site, testPack), busy, nil)
	for _, f := range a.Findings {
		if f.Flow == "p/check-in" && fmt.Sprint(f.Hosts) != "[agent-1 agent-2]" && f.Verdict != "not-testable" {
			t.Errorf("%s %v", f.Summary, f.Hosts)
		}
	}
}

// Where each responder is needed, each is judged by what was seen of it.
func TestEachResponderByItself(t *testing.T) {
	pack := strings.Replace(testPack, "{id: report, title: Agent reports, from: [agent], to: [portal]", "{id: report, satisfied_by: each, title: Agent reports, from: [console], to: [server, wsus]", 1)
	pack = strings.Replace(pack, "occurrence: once", "occurrence: periodic", 1)
	site := strings.Replace(testSite, "addresses: [10.0.0.40]", "addresses: [10.1.0.40]", 1)
	const server = "10.0.0.20:50000 > 10.0.0.10:8443 tcp established\n"
	for _, c := range []struct{ conns, want string }{
		{server, "not-testable"}, // nothing crossed between the two networks
		{server + "10.0.0.1:50000 > 10.1.0.40:80 tcp established", "missing"},
		{server + "10.0.0.1:50000 > 10.1.0.40:80 tcp established\n10.0.0.20:50000 > 10.1.0.40:8443 tcp unanswered", "attempted"},
		{server + "10.0.0.1:50000 > 10.1.0.40:80 tcp established\n10.0.0.20:50000 > 10.1.0.40:8443 tcp one-sided", "not-testable"},
	} {
		a := audit(t, set(t, site, pack), busy+c.conns, nil)
		if got, want := statusesOf(a, "p/report"), "console-1 "+c.want; !strings.HasSuffix(got, want) {
			t.Errorf("%s\ngot %s, want %s", c.conns, got, want)
		}
	}
}

// A flow of two ports that runs through the site's proxy shows neither port.
func TestProxySatisfiesAllPorts(t *testing.T) {
	pack := strings.Replace(testPack, `from: [console], to: [vault], proto: tcp, ports: ["8086", "8087"]`, `from: [console], to: [vault], proxy: true, proto: tcp, ports: ["8086", "8087"]`, 1)
	s := set(t, testSite+"proxies: [{host: plain, ports: [\"3128\"]}]\n", pack)
	a := audit(t, s, busy+"10.0.0.20:50000 > 10.0.0.50:3128 tcp established", nil)
	if got := statusesOf(a, "p/both-ports"); got != "1 of 1 observed | " {
		t.Error(got)
	}
}

// A host whose addresses had passed to nobody before the period owes nothing.
func TestRetiredHost(t *testing.T) {
	site := strings.Replace(testSite, "addresses: [10.0.0.2],", `expected_active: true, addresses: [{address: 10.0.0.2, until: "2025-12-01"}],`, 1)
	a := audit(t, set(t, site, testPack), strings.Replace(quiet, "10.0.0.2:50000 > 10.0.0.10:9876 tcp established", "", 1), nil)
	if a.Result.Verdict != "clean" {
		t.Errorf("%s %q", a.Result.Verdict, a.Result.Reasons)
	}
}

func TestWordsOfFindings(t *testing.T) {
	site := testSite + "translations: [{kind: static, inside: [agent-1], outside: [10.1.0.9]}]\n" + `
exceptions: [{id: E, from: agent-2, to: any, proto: tcp, ports: ["9876"], owner: o, approver: a, reason: r, ticket: t, since: "2026-01-01", until: "2026-02-01"}]
conditions: [{name: p/reverse, state: "off"}]
`
	for _, c := range []struct{ conn, summary, reason, look string }{
		{"192.0.2.1:50000 > 10.0.99.1:25 tcp established", "192.0.2.1 (no host of the site) opened tcp/25 on 10.0.99.1 (no host of the site)",
			"192.0.2.1 and 10.0.99.1 are no hosts of the site file and play no documented role", "find out what the unlisted addresses are; if they belong here, add them to the site file with their roles"},
		{"10.0.99.1:50000 > 203.0.113.10:25 tcp established", "10.0.99.1 (no host of the site) opened tcp/25 on 203.0.113.10 (portal)",
			"10.0.99.1 is no host of the site file and plays no documented role", ""},
		{"10.0.0.1:50000 > 203.0.113.70:25 tcp established", "agent-1 opened tcp/25 on 203.0.113.70 (portal)", "203.0.113.70 is no host of the site file", ""},
		{"10.0.0.1:5000 > 224.0.0.251:5000 udp one-way", "agent-1 tried udp/5000 on 224.0.0.251 (multicast): one-way", "no flow of the chosen packs has udp/5000", "find out which program on agent-1 sends it"},
		{"10.0.0.20:50001 > 10.0.0.10:50500 tcp established", "console-1 opened tcp/50500 on server-1",
			"p/rpc-dynamic uses a dynamic port, and no tcp/135 conversation between the two hosts announced it before; the announcement may lie before the capture, or where it could not be read",
			"find out which program on server-1 listens there, or capture from before the two hosts begin to talk"},
		{"10.0.0.10:50000 > 10.1.0.9:9876 tcp established", "server-1 opened tcp/9876 on agent-1",
			"p/check-in lets agent open to server, not the reverse; an address is translated, so it is not certain which host it stands for", ""},
		{"10.0.0.10:50000 > 10.0.0.1:701 tcp established", "server-1 opened tcp/701 on agent-1", "p/call-back applies only where reverse is on, which was not so", ""},
		{"10.0.0.2:50000 > 10.0.0.10:9877 tcp established", "agent-2 opened tcp/9877 on server-1", "no flow of the chosen packs has tcp/9877", ""},
		{"10.0.0.40:1 > 10.0.0.30:8087 tcp established", "wsus-1 opened tcp/8087 on vault-1", "tcp/8087 is documented, but not between the roles of these hosts", ""},
		{"10.0.0.1:20000 > 10.0.0.40:80 tcp established", "agent-1 opened tcp/80 on wsus-1 from source port 20000", "p/update-http documents source ports 49152-65535", "compare the ephemeral port range of agent-1 with its OS in the site file"},
	} {
		a := audit(t, set(t, site, testPack), c.conn, nil)
		var f Finding
		for _, x := range a.Findings {
			if x.Kind == kindConnection {
				f = x
			}
		}
		if f.Summary != c.summary || f.Reason != c.reason || c.look != "" && f.Look != c.look {
			t.Errorf("%s\n%s\n%s\n%s", c.conn, f.Summary, f.Reason, f.Look)
		}
	}
}

// A document without source ranges is not cited for them.
func TestWordsOfSourcePorts(t *testing.T) {
	pack := strings.Replace(testPack, "source_ranges: {windows: 49152-65535, linux: 32768-61000}", "source_ranges: {}", 1)
	for os, want := range map[string]string{
		"os: windows,": "p/check-in is opened from an ephemeral port, which on windows is one of 49152-65535",
		"":             "p/check-in is opened from an ephemeral port, one of 1025-5000, 49152-65535, 32768-61000 where the OS is not known",
		"os: windows, source_range: \"1000-2000\",": "the site gives agent-1 the source ports 1000-2000",
	} {
		site := strings.Replace(testSite, "addresses: [10.0.0.1], os: windows,", "addresses: [10.0.0.1], "+os, 1)
		a := audit(t, set(t, site, pack), "10.0.0.1:20000 > 10.0.0.10:9876 tcp established", nil)
		if f := findingOf(t, a, "connection deviation"); f.Reason != want {
			t.Errorf("%q: %s", os, f.Reason)
		}
	}
}

func TestExceptedUseIsSaidToBeExcepted(t *testing.T) {
	site := testSite + "exceptions: [{id: E, from: agent-1, to: any, proto: tcp, ports: [\"9876\"], owner: o, approver: a, reason: r, ticket: t, since: \"2026-01-01\", until: \"2026-02-01\"}]\n"
	a := audit(t, set(t, site, testPack), busy+"10.0.0.1:20000 > 10.0.0.10:9876 tcp established", nil)
	want := "agent-1 is active in the capture, 2 connections, but opened tcp/9876 to a server under an exception only (1 connection)"
	if f := findingOf(t, a, "expectation missing p/check-in"); f.Look != want {
		t.Error(f.Look)
	}
}

func TestScanIsOneGroup(t *testing.T) {
	var b strings.Builder
	for i := range 40 {
		fmt.Fprintf(&b, "10.0.0.50:50000 > 10.0.99.%d:445 tcp %s\n", i+1, []string{"refused", "unanswered"}[i%2])
	}
	for _, f := range []string{"one-sided", "midstream", "half-open", "partial", "established"} {
		b.WriteString("10.0.0.50:50000 > 10.0.99.99:446 tcp " + f + "\n")
	}
	a := audit(t, set(t, testSite, testPack), b.String(), nil)
	var titles []string
	for _, g := range Groups(a.Findings) {
		if g.Verdict == "unexpected" {
			titles = append(titles, fmt.Sprintf("%s %s %v", g.Severity, g.Title, g.Decides))
		}
	}
	want := "high plain opened tcp/446 on 10.0.99.99 (no host of the site) true|low plain tried tcp/445 on 40 responders and got no connection false"
	if got := strings.Join(titles, "|"); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if a.Result.Reasons[0] != "5 unexpected connections went beyond an attempt" {
		t.Error(a.Result.Reasons)
	}
}

// A million unexpected connections between distinct hosts leave bounded tables and exact totals.
func TestManyDistinctUnexpectedConnections(t *testing.T) {
	const n = 1_000_000
	a := New(set(t, testSite, testPack), Options{})
	c := connOf(t, "192.0.2.1:50000 > 10.0.0.10:1 tcp established", 1)
	for i := range n {
		k := *c
		k.ID.Packet = uint64(i + 1)
		k.Orig = netipPort([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}, 50000)
		k.Resp = netipPort([4]byte{10, 0, byte(100 + i>>16&15), byte(i >> 8)}, uint16(20_000+i%1000))
		k.Outcome = []flow.Outcome{flow.Established, flow.Refused}[i&1]
		a.Observe(&k)
	}
	if a.sums.verdicts[unexpected].connections != n || a.sums.deciding != n/2 || len(a.findings.byKey) > maxFindings {
		t.Errorf("%d unexpected, %d decide, %d findings", a.sums.verdicts[unexpected].connections, a.sums.deciding, len(a.findings.byKey))
	}
	var kept uint64
	for _, f := range a.findings.byKey {
		kept += f.connections
	}
	if kept+a.findings.overflow != n {
		t.Errorf("%d in findings and %d beyond, of %d", kept, a.findings.overflow, n)
	}
	if len(a.sight.pairs) > maxSeenPairs || len(a.sight.reached) > maxSeenPairs || len(a.plans) > maxPlans {
		t.Errorf("%d pairs, %d networks, %d plans", len(a.sight.pairs), len(a.sight.reached), len(a.plans))
	}
}

// An exception not yet valid and then expired is worded by the first connection, whatever the order.
func TestExceptionValidityOfAFindingIsThatOfItsFirstConnection(t *testing.T) {
	site := testSite + "exceptions: [{id: E, from: agent-1, to: any, proto: tcp, owner: o, approver: a, reason: r, ticket: t, since: \"2026-01-02T03:10:00Z\", until: \"2026-01-02T03:20:00Z\"}]\n"
	list := conns(t, "10.0.0.1:50000 > 10.0.0.10:9877 tcp established\n10.0.0.1:50000 > 10.0.0.10:9877 tcp established @30m")
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		a := New(set(t, site, testPack), Options{})
		for _, i := range order {
			a.Observe(list[i])
		}
		for _, f := range a.findings.byKey {
			if f.validity != rules.NotYet {
				t.Errorf("order %v: validity %v", order, f.validity)
			}
		}
	}
}
