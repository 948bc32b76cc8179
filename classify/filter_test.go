package classify

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

func filteredAudit(t *testing.T, s *rules.Set, f *flow.Filter, text string) *Audit {
	t.Helper()
	list := conns(t, text)
	f.Compile()
	a := New(s, Options{Filter: f})
	for _, c := range list {
		a.Observe(c)
	}
	facts := captureOf(list)
	facts.Filtered, facts.Packets.Read = 7, facts.Packets.Read+7
	facts.Packets.Classes = append(facts.Packets.Classes, Count{"filtered", 7})
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Absence tells something only where the filter would have shown the flow, whatever else was left out.
func TestFilterAndAbsence(t *testing.T) {
	s := set(t, strings.Replace(testSite, "name: agent-2,", "name: agent-2, expected_active: true,", 1), testPack)
	const seen = busy + "10.0.7.5:50000 > 10.0.0.10:22 tcp established\n10.0.0.1:50000 > 10.0.0.10:9876 tcp refused\n"
	const outside = "0 of 3 observed, 3 not testable | agent-1 not-testable, agent-2 not-testable, agents 10.0.7.5 not-testable"
	const told = "0 of 3 observed, 2 missing, 1 attempted, no connection | agent-2 missing, agents 10.0.7.5 missing, agent-1 attempted"
	net := func(list ...string) (f flow.Filter) {
		for _, p := range list {
			f.Nets = append(f.Nets, netip.MustParsePrefix(p))
		}
		return f
	}
	host := func(list ...string) (f flow.Filter) {
		for _, a := range list {
			f.Hosts = append(f.Hosts, netip.MustParseAddr(a))
		}
		return f
	}
	port := func(f flow.Filter, list ...flow.PortRange) flow.Filter {
		f.Ports = list
		return f
	}
	for _, c := range []struct {
		name   string
		filter flow.Filter
		want   string
	}{
		{"net of both", net("10.0.0.0/16"), told},
		{"net of the responder", net("10.0.0.10/31"), told},
		{"net of one address of the responder", net("10.0.0.10/32"), outside},
		{"all addresses of the responder", host("10.0.0.10", "10.0.0.11"), told},
		{"one originator", host("10.0.0.2"), "0 of 3 observed, 1 missing, 2 not testable | agent-2 missing, agent-1 not-testable, agents 10.0.7.5 not-testable"},
		{"an address of a prefix", host("10.0.7.5"), "0 of 3 observed, 1 missing, 2 not testable | agents 10.0.7.5 missing, agent-1 not-testable, agent-2 not-testable"},
		{"elsewhere", net("192.0.2.0/24"), outside},
		{"its port", port(flow.Filter{}, flow.PortRange{First: 9000, Last: 9999}), told},
		{"another port", port(flow.Filter{}, flow.PortRange{First: 80, Last: 443}), outside},
		{"its port, net of neither", port(net("192.0.2.0/24"), flow.PortRange{First: 9876, Last: 9876}), outside},
	} {
		a := filteredAudit(t, s, &c.filter, seen)
		if got := statusesOf(a, "p/check-in"); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
		if want := "filtered by " + c.filter.String() + ": 7 packets were not judged"; a.Coverage.Filter != want {
			t.Errorf("%s: coverage %q, want %q", c.name, a.Coverage.Filter, want)
		}
	}
	f := net("10.0.0.10/31")
	if got := statusesOf(filteredAudit(t, s, &f, seen), "p/wake"); !strings.Contains(got, "observed") {
		t.Error(got)
	}
	f = host("10.0.0.2")
	if got := statusesOf(filteredAudit(t, s, &f, seen+"10.0.0.2:50000 > 10.0.0.10:9876 tcp established"), "p/check-in"); !strings.HasPrefix(got, "1 of 3 observed, 2 not testable") {
		t.Error("what was seen is observed, filter or not:", got)
	}
}

// A host that the filter hides is not silent, and ports that it hides are not uncoupled.
func TestFilterAndFindings(t *testing.T) {
	s := set(t, strings.Replace(testSite, "name: agent-2,", "name: agent-2, expected_active: true,", 1), testPack)
	const text = "10.0.0.1:50000 > 10.0.0.10:9876 tcp established\n" +
		"10.0.0.1:50001 > 10.0.0.40:80 tcp established\n10.0.0.1:50002 > 10.0.0.40:8531 tcp established"
	kinds := func(f flow.Filter) (list []string) {
		for _, finding := range filteredAudit(t, s, &f, text).Findings {
			if finding.Kind != kindExpectation && !slices.Contains(list, finding.Kind) {
				list = append(list, finding.Kind)
			}
		}
		slices.Sort(list)
		return list
	}
	for _, c := range []struct {
		name   string
		filter flow.Filter
		want   []string
	}{
		{"everything passes", flow.Filter{Nets: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}, []string{kindCoupled, kindSilentHost}},
		{"by port", flow.Filter{Ports: []flow.PortRange{{First: 80, Last: 80}, {First: 8531, Last: 9876}}}, nil},
		{"another host", flow.Filter{Hosts: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, nil},
	} {
		if got := kinds(c.filter); !slices.Equal(got, c.want) {
			t.Errorf("%s: findings %v, want %v", c.name, got, c.want)
		}
	}
}

// Times are the period where the site has none, and clip what the capture covers where it has.
func TestFilterAndPeriod(t *testing.T) {
	since, until := start+600e9, start+1800e9
	f := flow.Filter{Since: &since, Until: &until}
	a := filteredAudit(t, set(t, testSite, testPack), &f, busy+"10.0.0.1:50000 > 10.0.0.10:9876 tcp established")
	p := a.Period
	if p.AskedFrom != flow.Stamp(since) || p.AskedUntil != flow.Stamp(until) || p.CoveredFrom != flow.Stamp(since) || p.CoveredLast != flow.Stamp(until-1) {
		t.Errorf("%+v", p)
	}
	if n := a.Totals[outOfScope].Connections; n != 6 { // all before it
		t.Errorf("%d connections outside of the period, want 6", n)
	}
	site := testSite + "period: {from: 2026-01-02T03:00:00Z, until: 2026-01-02T04:00:00Z}\n"
	a = filteredAudit(t, set(t, site, testPack), &f, busy+"10.0.0.1:50000 > 10.0.0.10:9876 tcp established")
	if p := a.Period; p.AskedFrom != flow.Stamp(start) || p.CoveredFrom != flow.Stamp(since) {
		t.Errorf("%+v", p)
	}
	if got := statusesOf(a, "p/check-in"); !strings.HasPrefix(got, "1 of 3 observed, 2 not testable") && !strings.HasPrefix(got, "1 of 3 observed, 1 silent, 1 not testable") {
		t.Error("most of the site's period is filtered out:", got)
	}
}
