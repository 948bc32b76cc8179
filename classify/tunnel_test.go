package classify

import (
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
		{"10.0.0.1:40000 > 10.0.0.10:1194 tcp refused", ""},
		{"10.0.0.1:40000 > 10.0.0.10:1723 tcp refused", ""},
		{"10.0.0.1:40000 > 10.0.0.10:51820 udp one-way", ""},
		{"10.0.0.1:500 > 10.0.0.10:500 udp answered", ""},
	} {
		a := audit(t, set(t, testSite, testPack), busy+c.conn, nil)
		status, reason := "", ""
		for _, e := range a.Expectations {
			for _, h := range e.Open {
				if e.Flow == "p/check-in" && h.Host == "agent-1" {
					status, reason = h.Status, h.Reason
				}
			}
		}
		said := slices.ContainsFunc(a.Coverage.CannotShow, func(s string) bool { return strings.Contains(s, "inside opaque tunnels ("+c.tunnel+")") })
		if want := map[bool]string{true: "not-testable", false: "missing"}[c.tunnel != ""]; status != want || said != (c.tunnel != "") ||
			c.tunnel != "" && !strings.HasPrefix(reason, "inside tunnel: agent-1 and ") {
			t.Errorf("%s: %s: %q, in coverage %v", c.conn, status, reason, said)
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
