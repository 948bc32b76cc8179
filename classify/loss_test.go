package classify

import (
	"fmt"
	"strings"
	"testing"

	"pcapaudit/rules"
)

const lossSite = `
name: test
networks: [10.0.1.0/24, 10.0.2.0/24, 10.0.9.0/24]
hosts:
  - {name: agent-1, addresses: [10.0.1.1], os: windows, roles: [p/agent]}
  - {name: agent-2, addresses: [10.0.2.1], os: windows, roles: [p/agent]}
  - {name: server-1, addresses: [10.0.9.1], os: windows, roles: [p/server]}
`

const seesAll = `
vantage:
  - {name: core, sees: [{from: inside, to: inside}]}
`

// Both agents use a flow (20 lines of 9 packets each), neither the required one.
func lossTraffic(first, second string) string {
	var b strings.Builder
	for i := range 20 {
		word1, word2 := " missed=0", " missed=0"
		if i == 7 {
			word1, word2 = first, second
		}
		fmt.Fprintf(&b, "10.0.1.1:%d > 10.0.9.1:700 tcp established handshake @%ds%s\n", 50000+i, 30*i, word1)
		fmt.Fprintf(&b, "10.0.2.1:%d > 10.0.9.1:700 tcp established handshake @%ds%s\n", 50000+i, 30*i, word2)
	}
	return b.String()
}

// checkIns gives status and reason of the required flow of each agent.
func checkIns(a *Audit) map[string]HostStatus {
	found := map[string]HostStatus{}
	for _, e := range a.Expectations {
		if e.Flow == "p/check-in" {
			for _, s := range e.Open {
				found[s.Host] = s
			}
		}
	}
	return found
}

func TestLossOfAPair(t *testing.T) {
	rules := func(site string) *rules.Set { return set(t, site, testPack) }
	a := audit(t, rules(lossSite), lossTraffic(" missed=6", " missed=1"), nil)
	l := a.Coverage.Loss
	if l.Packets != 360 || l.Missed != 7 || l.Connections != 40 || len(l.Pairs) != 2 || l.OtherPairs != 0 {
		t.Fatalf("loss %+v", l)
	}
	want := PairLoss{From: "10.0.1.0/24", To: "10.0.9.0/24", Packets: 180, Missed: 6, Percent: 100 * 6. / 186, AboveBound: true,
		WorstMinute: "2026-01-02T03:03:00.000000000Z", WorstMissed: 6, Connections: 20}
	if l.Pairs[0] != want || l.Pairs[1].AboveBound || l.Pairs[1].Missed != 1 {
		t.Errorf("pairs %+v, want %+v first", l.Pairs, want)
	}
	in := checkIns(a)
	if s := in["agent-1"]; s.Status != "not-testable" || !strings.Contains(s.Reason, "an estimated 3.23 % of the packets between 10.0.1.0/24 and 10.0.9.0/24") {
		t.Errorf("agent-1: %+v", s)
	}
	if s := in["agent-2"]; s.Status != "missing" {
		t.Errorf("agent-2: %+v", s)
	}
	text := strings.Join(a.Coverage.CannotShow, "\n")
	if !strings.Contains(text, "an estimated 7 packets of TCP (1.91 %)") || !strings.Contains(text, "3.23 % between 10.0.1.0/24 and 10.0.9.0/24, at worst 6 in the minute of 2026-01-02T03:03") {
		t.Error(text)
	}

	tight := audit(t, rules(lossSite+"limits: {loss_percent: 0.5}\n"), lossTraffic(" missed=6", " missed=1"), nil)
	if s := checkIns(tight)["agent-2"]; s.Status != "not-testable" {
		t.Errorf("tight bound, agent-2: %+v", s)
	}
	if tight.Result.Verdict != "inconclusive" || !strings.Contains(strings.Join(tight.Result.Reasons, "\n"), "0.55 % between 10.0.2.0/24 and 10.0.9.0/24") {
		t.Errorf("tight bound: %+v", tight.Result)
	}
	none := audit(t, rules(lossSite), lossTraffic(" missed=0", " missed=0"), nil)
	if l := none.Coverage.Loss; l.Missed != 0 || l.Percent != 0 || len(l.Pairs) != 0 || strings.Contains(strings.Join(none.Coverage.CannotShow, "\n"), "estimate") {
		t.Errorf("nothing missed: %+v", l)
	}
}

// One direction alone is a loss where the vantage points see both.
func TestLossOfADirection(t *testing.T) {
	traffic := lossTraffic(" one-side missed=9", " missed=0")
	silent := audit(t, set(t, lossSite, testPack), traffic, nil).Coverage.Loss
	if silent.Missed != 0 || silent.Packets != 39*9 || len(silent.Pairs) != 1 || silent.Pairs[0].OneSided != 1 || silent.Pairs[0].AboveBound || silent.Pairs[0].Vantage {
		t.Errorf("vantage not stated: %+v", silent)
	}
	a := audit(t, set(t, lossSite+seesAll, testPack), traffic, nil)
	stated := a.Coverage.Loss
	if stated.Missed != 9 || len(stated.Pairs) != 1 || stated.Pairs[0].OneSided != 1 || !stated.Pairs[0].AboveBound || !stated.Pairs[0].Vantage {
		t.Errorf("vantage stated: %+v", stated)
	}
	if text := strings.Join(a.Coverage.CannotShow, "\n"); !strings.Contains(text, "1 of 20 between 10.0.1.0/24 and 10.0.9.0/24") {
		t.Error(text)
	}
}

func TestLossIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range 30 {
		fmt.Fprintf(&b, "10.0.1.1:50000 > 172.16.%d.1:700 tcp established handshake missed=%d\n", i, 1+i%7)
	}
	l := audit(t, set(t, lossSite, testPack), b.String(), nil).Coverage.Loss
	if len(l.Pairs) != shownLossPairs || l.OtherPairs != 10 {
		t.Fatalf("%d pairs and %d others", len(l.Pairs), l.OtherPairs)
	}
	for i := range l.Pairs[1:] {
		if l.Pairs[i].Percent < l.Pairs[i+1].Percent {
			t.Errorf("pair %d before %d: %+v", i, i+1, l.Pairs)
		}
	}
}

// What a capture filter passes cannot be known; the site's vantage is the site's word for it.
func TestCaptureFilter(t *testing.T) {
	filtered := func(c *Capture) {
		c.Inputs[0].Interfaces = []Interface{{Name: "eth0", Filter: "tcp port 700", Packets: 360}, {Name: "eth1", Filter: "udp"}}
	}
	traffic := lossTraffic(" missed=0", " missed=0")
	a := audit(t, set(t, lossSite, testPack), traffic, filtered)
	if s := checkIns(a)["agent-1"]; s.Status != "not-testable" || !strings.Contains(s.Reason, "filter") {
		t.Errorf("vantage not stated: %+v", s)
	}
	if a.Result.Verdict != "inconclusive" || len(a.Coverage.CaptureFilters) != 1 || !strings.Contains(strings.Join(a.Coverage.CannotShow, "\n"), "tcp port 700") {
		t.Errorf("result %+v, filters %q", a.Result, a.Coverage.CaptureFilters)
	}
	if s := checkIns(audit(t, set(t, lossSite+seesAll, testPack), traffic, filtered))["agent-1"]; s.Status != "missing" {
		t.Errorf("vantage stated: %+v", s)
	}
}

func TestUndecoded(t *testing.T) {
	cut := func(n uint64) func(*Capture) {
		return func(c *Capture) {
			c.HeadersCut, c.Undecoded = n, n
			c.Packets.Read += n
			c.Packets.Classes = append(c.Packets.Classes, Count{"truncated", n})
		}
	}
	traffic := lossTraffic(" missed=0", " missed=0")
	few := audit(t, set(t, lossSite, testPack), traffic, cut(3))
	if s := checkIns(few)["agent-1"]; s.Status != "missing" || few.Coverage.HeadersCut != 3 {
		t.Errorf("3 of 363 cut: %+v", s)
	}
	many := audit(t, set(t, lossSite, testPack), traffic, cut(40))
	if s := checkIns(many)["agent-1"]; s.Status != "not-testable" || many.Result.Verdict != "inconclusive" {
		t.Errorf("40 of 400 cut: %+v, %+v", s, many.Result)
	}
}

// Gaps between rotated files: up to the bound absence still counts, beyond it proves nothing.
func TestGapsBetweenFiles(t *testing.T) {
	for _, c := range []struct {
		minutes int64
		status  string
	}{{2, "missing"}, {4, "not-testable"}} {
		site := lossSite + "period: {from: 2026-01-02T03:00:00Z, until: 2026-01-02T04:00:00Z}\n"
		a := audit(t, set(t, site, testPack), lossTraffic(" missed=0", " missed=0"), func(k *Capture) {
			k.Gaps = []Span{{start + 1800e9, start + 1800e9 + c.minutes*60e9}}
		})
		if s := checkIns(a)["agent-1"]; s.Status != c.status {
			t.Errorf("%d minutes: %+v, want %s", c.minutes, s, c.status)
		}
		if len(a.Period.Gaps) != 1 {
			t.Errorf("gaps %+v", a.Period.Gaps)
		}
	}
}
