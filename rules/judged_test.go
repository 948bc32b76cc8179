package rules

import (
	"net/netip"
	"slices"
	"testing"
)

// TestJudged: an address is among them if the site says something of it at any time, and only then.
func TestJudged(t *testing.T) {
	s := demoSet(t)
	judged := s.Judged()
	for i, p := range judged {
		if p != p.Masked() || i > 0 && judged[i-1].Addr().Compare(p.Addr()) >= 0 || i > 0 && judged[i-1].Overlaps(p) {
			t.Errorf("%v: not in order", judged)
		}
	}
	var asked []netip.Addr
	for _, p := range judged {
		last := prefixRange(p).last
		asked = append(asked, p.Addr(), p.Addr().Prev(), last, last.Next())
	}
	for _, a := range []string{"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "10.1.0.20", "10.128.0.1", "192.168.0.1", "8.8.8.8", "2001:db8::1", "fe80::1", "127.0.0.1", "0.0.0.0"} {
		asked = append(asked, addr(a))
	}
	for _, a := range asked {
		if !a.IsValid() {
			continue
		}
		known := false
		for _, at := range []int64{day("2026-01-01"), day("2026-01-02") + 1, day("2026-01-10")} {
			m := s.Lookup(a, at)
			behind, _ := s.Translated(a)
			known = known || m.Host != nil || m.Inside || len(m.Behind) > 0 || behind != "" || s.translationOf(a, 443) != nil
		}
		if got := slices.ContainsFunc(judged, func(p netip.Prefix) bool { return p.Contains(a) }); got != known {
			t.Errorf("%v: among them %v, known %v", a, got, known)
		}
	}
}
