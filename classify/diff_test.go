package classify

import (
	"strings"
	"testing"
)

// A finding that is gone is fixed only where the new audit has seen its host.
func TestGoneWithItsHostIsNotFixed(t *testing.T) {
	old := audit(t, set(t, testSite, testPack), busy+"10.0.0.1:50000 > 10.0.0.10:4444 tcp established", nil)
	for _, c := range []struct{ name, conns, want string }{
		{"seen", busy, "fixed: not seen in the new audit"},
		{"never seen", "10.0.0.2:50000 > 10.1.0.3:22 tcp established", "no longer testable: the new audit never saw agent-1"},
	} {
		d := Compare(old, audit(t, set(t, testSite, testPack), c.conns, nil))
		got := "nowhere"
		for word, list := range map[string][]Difference{"fixed": d.Fixed, "no longer testable": d.Lost} {
			for _, e := range list {
				if strings.Contains(e.Summary, "agent-1 opened tcp/4444") {
					got = word + ": " + e.Reason
				}
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestShorterAuditSaysSo(t *testing.T) {
	old, now := &Audit{}, &Audit{}
	old.Period = Period{CoveredFrom: "2026-01-02T00:00:00.000000000Z", CoveredLast: "2026-01-02T08:00:00.000000000Z"}
	now.Period = Period{CoveredFrom: "2026-01-03T00:00:00.000000000Z", CoveredLast: "2026-01-03T03:00:00.000000000Z"}
	if d := Compare(old, now); len(d.Limits) != 1 || !strings.Contains(d.Limits[0], "less than half as much time") {
		t.Errorf("limits %q", d.Limits)
	}
	if d := Compare(now, old); len(d.Limits) != 0 {
		t.Errorf("limits %q", d.Limits)
	}
}
