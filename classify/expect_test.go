package classify

import (
	"fmt"
	"strings"
	"testing"
)

// statusesOf gives "host status" of one flow, and its summary.
func statusesOf(a *Audit, flow string) string {
	for _, e := range a.Expectations {
		if e.Flow == flow {
			var open []string
			for _, h := range e.Open {
				open = append(open, h.Host+" "+h.Status)
			}
			return e.Summary + " | " + strings.Join(open, ", ")
		}
	}
	return "no such flow"
}

// busy makes all hosts active and all pairs of their network visible.
const busy = `
10.0.0.50:40000 > 10.0.0.1:9999 tcp established
10.0.0.50:40000 > 10.0.0.2:9999 tcp established
10.0.0.50:40000 > 10.0.0.10:9999 tcp established
10.0.0.50:40000 > 10.0.0.20:9999 tcp established
10.0.0.50:40000 > 10.0.0.30:9999 tcp established
`

func TestStatuses(t *testing.T) {
	for _, c := range []struct {
		name, flow, site, conns, want string
		change                        func(*Capture)
	}{
		{"observed and missing", "p/check-in", "", busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp established",
			"1 of 3 observed, 1 missing, 1 silent | agent-2 missing, agents not-testable", nil},
		{"seen of a prefix", "p/check-in", "", busy + "10.0.7.5:50000 > 10.0.0.10:9876 tcp established\n10.0.7.6:50000 > 10.0.0.10:22 tcp established",
			"1 of 4 observed, 3 missing | agent-1 missing, agent-2 missing, agents 10.0.7.6 missing", nil},
		{"never by an attempt", "p/check-in", "", busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp refused\n10.0.0.2:50000 > 10.0.0.10:9876 tcp unanswered\n10.0.7.1:50000 > 10.0.0.10:9876 tcp half-open",
			"0 of 3 observed, 3 attempted, no connection | agent-1 attempted, agent-2 attempted, agents 10.0.7.1 attempted", nil},
		{"two-way partial and midstream", "p/check-in", "", busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp partial\n10.0.0.2:50000 > 10.0.0.10:9876 tcp midstream port\n10.0.7.1:50000 > 10.0.0.10:9876 tcp midstream port one-side",
			"2 of 3 observed, 1 not testable | agents 10.0.7.1 not-testable", nil},
		{"source port broken still observed, originator not", "p/check-in", "", busy + "10.0.0.1:20000 > 10.0.0.10:9876 tcp established\n10.0.0.10:50000 > 10.0.0.2:9876 tcp established",
			"1 of 3 observed, 1 missing, 1 silent | agent-2 missing, agents not-testable", nil},
		{"either direction", "p/talk", "", busy + "10.0.0.1:50000 > 10.0.0.10:700 tcp established\n10.0.0.10:50000 > 10.0.0.2:700 tcp established",
			"2 of 3 observed, 1 silent | agents not-testable", nil},
		{"condition off", "p/call-back", "conditions: [{name: p/reverse, state: \"off\"}]", busy + "10.0.0.10:50000 > 10.0.0.1:701 tcp established",
			"0 of 1 observed, 1 not triggered | server-1 not-triggered", nil},
		{"condition unknown", "p/license", "", busy + "10.0.0.1:50000 > 10.0.0.10:702 tcp established",
			"1 of 3 observed, 1 not observed, 1 silent | agent-2 not-observed, agents not-testable", nil},
		{"condition on", "p/license", "conditions: [{name: p/licensed, state: \"on\"}]", busy,
			"0 of 3 observed, 2 missing, 1 silent | agent-1 missing, agent-2 missing, agents not-testable", nil},
		{"port unstated", "p/store", "", busy, "not testable: the document states no port | server-1 not-testable", nil},
		{"role not bound", "p/update-http", "remove wsus", busy, "not testable: no host of the site holds wsus | agent-1 not-testable, agent-2 not-testable, agents not-testable", nil},
		{"nobody originates", "p/both-ports", "remove console", busy, "not testable: no host of the site holds console | ", nil},
		{"every port", "p/both-ports", "", busy + "10.0.0.20:50000 > 10.0.0.30:8086 tcp established\n10.0.0.20:50001 > 10.0.0.30:8087 tcp established", "1 of 1 observed | ", nil},
		{"one port of two", "p/both-ports", "", busy + "10.0.0.20:50000 > 10.0.0.30:8086 tcp established", "0 of 1 observed, 1 missing | console-1 missing", nil},
		{"on demand", "p/rpc", "", busy, "0 of 1 observed, 1 not observed | console-1 not-observed", nil},
		{"on demand but expected", "p/rpc", "expect: [{flow: p/rpc, in: period, reason: patch night}]", busy, "0 of 1 observed, 1 missing | console-1 missing", nil},
		{"periodic but not expected", "p/check-in", "expect: [{flow: p/check-in, in: not, reason: weekly}]", busy, "0 of 3 observed, 2 not observed, 1 silent | agent-1 not-observed, agent-2 not-observed, agents not-testable", nil},
		{"no reply needed", "p/wake", "", busy + "10.0.0.10:50000 > 10.0.255.255:9 udp one-way", "1 of 1 observed | ", nil},
		{"broadcast never sent", "p/wake", "", busy + "10.0.0.50:138 > 10.0.255.255:138 udp one-way", "0 of 1 observed, 1 missing | server-1 missing", nil},
		{"no broadcast was seen at all", "p/wake", "", busy, "0 of 1 observed, 1 not testable | server-1 not-testable", nil},
		{"vantage by traffic", "p/check-in", "", "10.0.0.1:50000 > 10.0.0.10:22 tcp unanswered\n10.0.0.2:50000 > 10.1.0.3:22 tcp established",
			"0 of 3 observed, 1 silent, 2 not testable | agent-1 not-testable, agent-2 not-testable, agents not-testable", nil},
		{"vantage as stated", "p/check-in", "vantage: [{name: tap, sees: [{from: 10.1.0.0/24, to: 10.0.0.0/16}]}]", busy,
			"0 of 3 observed, 1 silent, 2 not testable | agent-1 not-testable, agent-2 not-testable, agents not-testable", nil},
		{"behind a translation", "p/check-in", "translations: [{kind: source-pat, inside: [agent-1], outside: [10.1.0.9]}]", busy + "10.1.0.9:2000 > 10.0.0.10:9876 tcp established",
			"0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable", nil},
		{"loss", "p/check-in", "", busy, "0 of 3 observed, 1 silent, 2 not testable | agent-1 not-testable, agent-2 not-testable, agents not-testable", func(c *Capture) { c.Dropped = 100 }},
		{"period not covered", "p/check-in", "period: {from: \"2026-01-02T00:00:00Z\", until: \"2026-01-02T04:00:00Z\"}", busy,
			"0 of 3 observed, 1 silent, 2 not testable | agent-1 not-testable, agent-2 not-testable, agents not-testable", nil},
		{"esp", "p/check-in", "", busy + "10.0.0.1 > 10.0.0.10 esp seen", "0 of 3 observed, 1 missing, 1 silent, 1 not testable | agent-2 missing, agent-1 not-testable, agents not-testable", nil},
		{"excepted satisfies nothing", "p/check-in",
			"exceptions: [{id: E, from: agent-1, to: any, proto: tcp, ports: [\"9876\"], owner: o, approver: a, reason: r, ticket: t, since: \"2026-01-01\", until: \"2026-02-01\"}]",
			busy + "10.0.0.1:20000 > 10.0.0.10:9876 tcp established", "0 of 3 observed, 2 missing, 1 silent | agent-1 missing, agent-2 missing, agents not-testable", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := testSite + c.site + "\n"
			if role, ok := strings.CutPrefix(c.site, "remove "); ok {
				site = strings.Replace(testSite, "roles: [p/"+role+"]", "roles: []", 1)
			}
			a := audit(t, set(t, site, testPack), c.conns, c.change)
			if got := statusesOf(a, c.flow); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestMissingNamesHostsAndTheFirstThingToLookAt(t *testing.T) {
	a := audit(t, set(t, testSite, testPack), busy, nil)
	f := findingOf(t, a, "expectation missing p/check-in")
	want := "agent-1 is active in the capture, 1 connection, but never opened tcp/9876 to a server"
	if f.Look != want || fmt.Sprint(f.Hosts) != "[agent-1 agent-2]" || f.Severity != "high" || !f.Decides {
		t.Errorf("%+v", f)
	}
	if want := "2 hosts never opened tcp/9876 to a server (p/check-in)"; f.Summary != want {
		t.Errorf("summary %q, want %q", f.Summary, want)
	}
}

func TestEachResponder(t *testing.T) {
	pack := strings.Replace(testPack, "{id: report, title: Agent reports, from: [agent], to: [portal]", "{id: report, satisfied_by: each, title: Agent reports, from: [console], to: [server, wsus]", 1)
	pack = strings.Replace(pack, "occurrence: once", "occurrence: periodic", 1)
	s := set(t, testSite, pack)
	a := audit(t, s, busy+"10.0.0.20:50000 > 10.0.0.10:8443 tcp established", nil)
	if got := statusesOf(a, "p/report"); got != "0 of 1 observed, 1 missing | console-1 missing" {
		t.Error(got)
	}
	a = audit(t, s, busy+"10.0.0.20:50000 > 10.0.0.10:8443 tcp established\n10.0.0.20:50000 > 10.0.0.40:8443 tcp established", nil)
	if got := statusesOf(a, "p/report"); got != "1 of 1 observed | " {
		t.Error(got)
	}
}

func TestExpectedActiveHostIsSilent(t *testing.T) {
	site := strings.Replace(testSite, "name: agent-2,", "name: agent-2, expected_active: true,", 1)
	a := audit(t, set(t, site, testPack), "10.0.0.1:50000 > 10.0.0.10:9876 tcp established", nil)
	if f := findingOf(t, a, "silent-host not-testable "); f.Orig.Host != "agent-2" {
		t.Errorf("%+v", f)
	}
}

// findingOf finds the only finding that begins with "kind verdict flow".
func findingOf(t *testing.T, a *Audit, what string) Finding {
	t.Helper()
	var found []Finding
	var all []string
	for _, f := range a.Findings {
		name := f.Kind + " " + f.Verdict + " " + f.Flow
		all = append(all, name+": "+f.Summary)
		if strings.HasPrefix(name, what) {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d findings %q among\n%s", len(found), what, strings.Join(all, "\n"))
	}
	return found[0]
}
