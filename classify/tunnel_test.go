package classify

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// What hosts that talk through an opaque tunnel did not show is not missing.
func TestOpaqueTunnels(t *testing.T) {
	for _, c := range []struct {
		conn, tunnel string
	}{
		{"10.0.0.1 > 10.0.0.10 esp seen", "ESP"},
		{"10.0.0.1:4500 > 10.0.0.10:4500 udp answered", "ESP in UDP"},
		{"10.0.0.10:40000 > 10.0.0.1:51820 udp answered", "WireGuard"},
		{"10.0.0.1:40000 > 10.0.0.10:1194 udp answered", "OpenVPN"},
		{"10.0.0.1:40000 > 10.0.0.10:1194 tcp established", "OpenVPN"},
		{"10.0.0.1:40000 > 10.0.0.10:1701 udp answered", "L2TP"},
		{"10.0.0.1:40000 > 10.0.0.10:1723 tcp established", "PPTP"},
		{"10.0.0.1 > 10.0.0.10 esp seen one-side", "ESP"},
		{"10.0.0.1 > 10.0.0.10 esp seen answer-only", "ESP"},
		{"10.0.0.1 > 10.0.0.10 ipcomp seen", "IPComp"},
		{"10.0.0.10 > 10.0.0.1 l2tp seen one-side", "L2TPv3"},
		{"10.0.0.10 > 10.0.0.1 mpls seen", "MPLS in IP"},
		{"10.0.0.10:40000 > 10.0.0.1:51820 udp one-way", "WireGuard"},
		{"10.0.0.1:4500 > 10.0.0.10:1011 udp one-way", ""},
		{"10.0.0.1:4500 > 10.0.0.10:40000 udp one-way", "ESP in UDP"},
		{"10.0.0.1:40000 > 10.0.0.10:1194 tcp one-sided", "OpenVPN"},
		{"10.0.0.1:1194 > 10.0.0.10:40000 tcp midstream port", "OpenVPN"},
		{"10.0.0.1:1194 > 10.0.0.10:40000 tcp established", ""},
		{"10.0.0.1:40000 > 10.0.0.10:1194 tcp unanswered", ""},
		{"10.0.0.1:40000 > 10.0.0.10:1194 tcp refused", ""},
		{"10.0.0.1:40000 > 10.0.0.10:1723 tcp refused", ""},
		{"10.0.0.1:500 > 10.0.0.10:500 udp answered", ""},
	} {
		a := audit(t, set(t, testSite, testPack), busy+c.conn, nil)
		status, reason := openStatus(a, "p/check-in", "agent-1")
		said := slices.ContainsFunc(a.Coverage.CannotShow, func(s string) bool { return strings.Contains(s, "inside opaque tunnels ("+c.tunnel+")") })
		if want := map[bool]string{true: "not-testable", false: "missing"}[c.tunnel != ""]; status != want || said != (c.tunnel != "") ||
			c.tunnel != "" && !strings.HasPrefix(reason, "inside tunnel: agent-1 and ") {
			t.Errorf("%s: %s: %q, in coverage %v", c.conn, status, reason, said)
		}
	}
}

func openStatus(a *Audit, flow, host string) (status, reason string) {
	for _, e := range a.Expectations {
		for _, h := range e.Open {
			if e.Flow == flow && h.Host == host {
				status, reason = h.Status, h.Reason
			}
		}
	}
	return status, reason
}

// Who exchanges packets that the decoder could not open may have said in them what was not seen.
func TestUnopenedTunnels(t *testing.T) {
	for _, c := range []struct {
		name, a, b string
		more       uint64
		want       string
	}{
		{"between the two", "10.0.0.10", "10.0.0.1", 0, "not-testable"},
		{"another address of the host", "10.0.0.1", "10.0.0.11", 0, "not-testable"},
		{"of another host", "10.0.0.2", "10.0.0.10", 0, "missing"},
		{"to somebody unknown", "10.0.0.1", "198.51.100.9", 0, "missing"},
		{"more than were remembered", "10.0.0.2", "10.0.0.10", 1, "not-testable"},
	} {
		out := audit(t, set(t, testSite, testPack), busy, func(k *Capture) {
			k.Opaque = []OpaqueTunnel{{netip.MustParseAddr(c.a), netip.MustParseAddr(c.b), "pptp"}}
			k.OpaqueMore = c.more
		})
		if status, reason := openStatus(out, "p/check-in", "agent-1"); status != c.want {
			t.Errorf("%s: %s: %s, want %s", c.name, status, reason, c.want)
		}
		if !slices.ContainsFunc(out.Coverage.CannotShow, func(s string) bool { return strings.Contains(s, "inside opaque tunnels (pptp)") }) {
			t.Errorf("%s: the tunnel is not said", c.name)
		}
	}
}

// A tunnel to any address of an entry that stands for many hides what goes to the entry, and one to somebody unknown what goes to the internet or
// to addresses that the document names.
func TestTunnelsToMany(t *testing.T) {
	site := strings.Replace(testSite, "roles: [p/server]", "roles: []", 1) + "  - {name: servers, addresses: [10.0.8.0/24], roles: [p/server]}\n" +
		"expect: [{flow: p/report, in: period, reason: r}]\n"
	const direct = "10.0.0.1:50000 > 10.0.8.3:443 tcp established\n10.0.0.1:50001 > 203.0.113.70:443 tcp established\n"
	for _, c := range []struct{ conn, flow, want string }{
		{"", "p/check-in", "missing"},
		{"10.0.0.1 > 10.0.8.7 esp seen", "p/check-in", "not-testable"},
		{"", "p/report", "missing"},
		{"10.0.0.1 > 10.0.8.7 esp seen", "p/report", "missing"},
		{"10.0.0.1:40000 > 198.51.100.9:51820 udp one-way", "p/report", "not-testable"},
		{"10.0.0.1:40000 > 198.51.100.9:51820 udp one-way", "p/check-in", "missing"},
	} {
		out := audit(t, set(t, site, testPack), direct+c.conn, nil)
		if status, reason := openStatus(out, c.flow, "agent-1"); status != c.want {
			t.Errorf("%q, %s: %s: %s, want %s", c.conn, c.flow, status, reason, c.want)
		}
	}
}

func TestCarrier(t *testing.T) {
	checkVerdicts(t, testSite+`
background:
  - {from: plain, to: server-1, proto: udp, ports: ["4789"], reason: overlay, carrier: true}
`, []verdictCase{
		{"10.0.0.50:50000 > 10.0.0.10:4789 udp answered", "out-of-scope carrier"},
		{"10.0.0.50:50000 > 10.0.0.10:4790 udp answered", "unexpected undocumented-service"},
	})
}
