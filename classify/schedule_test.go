package classify

import (
	"fmt"
	"strings"
	"testing"
)

const hourly = "expect: [{flow: p/check-in, every: 1h, within: 15m, reason: r}]"

// scheduledAudit audits connections over the hours after start.
func scheduledAudit(t *testing.T, expect, text string, hours int64, change func(*Capture)) *Audit {
	t.Helper()
	return audit(t, set(t, testSite+expect+"\n", testPack), text, func(c *Capture) {
		c.Last = start + hours*3600e9
		if change != nil {
			change(c)
		}
	})
}

func statusOn(t *testing.T, a *Audit, flow, host string) HostStatus {
	t.Helper()
	for _, e := range a.Expectations {
		for _, h := range e.Open {
			if e.Flow == flow && h.Host == host {
				return h
			}
		}
		for _, h := range e.Observed {
			if e.Flow == flow && h == host {
				return HostStatus{Host: host, Status: "observed"}
			}
		}
	}
	t.Fatalf("no %s of %s", flow, host)
	return HostStatus{}
}

func TestScheduledStatuses(t *testing.T) {
	use := func(at ...string) string {
		text := busy
		for _, a := range at {
			text += "10.0.0.1:50000 > 10.0.0.10:9876 tcp established @" + a + "\n"
		}
		return text
	}
	for _, c := range []struct {
		name, expect, conns string
		hours               int64
		want, missed        string
		change              func(*Capture)
	}{
		{"every window used", hourly, use("10m", "70m", "130m"), 3, "observed", "", nil},
		{"used late", hourly, use("10m", "130m"), 3, "observed", "", nil}, // 05:10 is within 15 minutes of the window to 05:00
		{"one window missed", hourly, use("10m", "150m"), 4, "missing", "[04:00-05:00]", nil},
		{"never used", hourly, use(), 3, "missing", "[03:00-04:00 04:00-05:00]", nil},
		{"attempted only", hourly, busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp refused", 3, "attempted", "", nil},
		{"no window ended", hourly, use(), 1, "not-observed", "", nil},
		{"used, no window ended", hourly, use("10m"), 1, "observed", "", nil},
		{"blind in the window", hourly, use("10m", "150m"), 4, "not-testable", "", func(c *Capture) {
			c.Blind = []BlindSpan{{"eth0", start + 4000e9, start + 4001e9, "down"}}
		}},
		{"blind in the grace", hourly, use("10m", "150m"), 4, "not-testable", "", func(c *Capture) {
			c.Blind = []BlindSpan{{"eth0", start + 7300e9, start + 7301e9, "down"}}
		}},
		{"blind elsewhere", hourly, use("10m", "150m"), 4, "missing", "[04:00-05:00]", func(c *Capture) {
			c.Blind = []BlindSpan{{"eth0", start + 13000e9, start + 13600e9, "down"}}
		}},
		{"much of the period blind, the window not", hourly, use("10m", "150m"), 5, "missing", "[04:00-05:00]", func(c *Capture) {
			c.Blind = []BlindSpan{{"eth0", start + 13600e9, start + 17900e9, "down"}}
		}},
		{"lossy", hourly, use("10m", "150m"), 4, "not-testable", "", func(c *Capture) { c.Dropped = 100 }},
		{"an hour of the night", `expect: [{flow: p/check-in, every: night, at: "04:00-06:00", reason: r}]`, use("10m"), 4, "missing", "[04:00-06:00]", nil},
		{"not on Fridays", `expect: [{flow: p/check-in, every: 1h, days: [mon], reason: r}]`, use(), 4, "not-observed", "", nil},
		{"on demand but scheduled", "expect: [{flow: p/talk, every: 1h, reason: r}]", busy, 3, "missing", "[03:00-04:00 04:00-05:00 05:00-06:00]", nil},
		{"condition unknown", "expect: [{flow: p/license, every: 1h, reason: r}]", busy, 3, "not-observed", "", nil},
		{"condition off", "conditions: [{name: p/licensed, state: \"off\"}]\nexpect: [{flow: p/license, every: 1h, reason: r}]", busy, 3, "not-triggered", "", nil},
		{"one connection through all windows", hourly, busy + "10.0.0.1:50000 > 10.0.0.10:9876 tcp established @5m for=170m", 3, "observed", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			flow := "p/" + strings.Split(strings.Split(c.expect, "flow: p/")[1], ",")[0]
			text, long := c.conns, strings.HasSuffix(c.conns, " for=170m")
			text = strings.TrimSuffix(text, " for=170m")
			var a *Audit
			if long {
				a = auditOfLong(t, c.expect, text, 170*60e9, c.hours)
			} else {
				a = scheduledAudit(t, c.expect, text, c.hours, c.change)
			}
			h := statusOn(t, a, flow, "agent-1")
			var missed []string
			for _, w := range h.Missed {
				missed = append(missed, w.From[11:16]+"-"+w.Until[11:16])
			}
			got := ""
			if len(missed) > 0 {
				got = fmt.Sprint(missed)
			}
			if h.Status != c.want || got != c.missed {
				t.Errorf("%s %s, want %s %s: %s", h.Status, got, c.want, c.missed, h.Reason)
			}
		})
	}
}

// auditOfLong makes the last connection as long as given.
func auditOfLong(t *testing.T, expect, text string, ns, hours int64) *Audit {
	t.Helper()
	list := conns(t, text)
	list[len(list)-1].Last += ns
	a := New(set(t, testSite+expect+"\n", testPack), Options{})
	for _, c := range list {
		a.Observe(c)
	}
	facts := captureOf(list)
	facts.Last = start + hours*3600e9
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMissedWindowsInWords(t *testing.T) {
	a := scheduledAudit(t, strings.Replace(hourly, "reason", "hosts: [agent-1], reason", 1), busy+"10.0.0.1:50000 > 10.0.0.10:9876 tcp established @10m\n10.0.0.2:50000 > 10.0.0.10:9876 tcp established", 4, nil)
	f := findingOf(t, a, "expectation missing p/check-in")
	if want := "agent-1 did not open tcp/9876 to a server when the site expects it (p/check-in)"; f.Summary != want {
		t.Errorf("summary %q", f.Summary)
	}
	if want := "agent-1 did not open tcp/9876 to a server in 2 of 3 windows (every 1h, within 15m), last 2026-01-02T05:00:00Z to 2026-01-02T06:00:00Z"; f.Look != want {
		t.Errorf("look %q", f.Look)
	}
	if want := "p/check-in is required and periodic: Agent checks in; the site expects it every 1h, within 15m"; f.Reason != want {
		t.Errorf("reason %q", f.Reason)
	}
	if a.Result.Verdict != "deviations" {
		t.Error(a.Result)
	}
}

// TestScheduled holds what a watcher is told of schedules while it observes.
func TestScheduled(t *testing.T) {
	site := testSite + "expect: [{flow: p/check-in, every: 1h, within: 15m, reason: r}, {flow: p/license, every: 1h, reason: r}]\n"
	site = strings.Replace(site, "addresses: [10.0.0.2]", "addresses: [10.1.0.2]", 1)
	a := New(set(t, site, testPack), Options{Since: start - 7200e9, Scheduled: []ScheduledUse{{Flow: "p/check-in", Host: "agent-1", Seen: start - 60e9}, {Flow: "p/gone", Host: "agent-1", Seen: 5}}})
	tell := func() string {
		var lines []string
		for _, u := range a.Scheduled(start + 60e9) {
			if u.Flow == "p/check-in" {
				lines = append(lines, fmt.Sprintf("%s %s %d %s", u.Host, u.Schedule, (u.Seen-start)/1e9, u.Doubt))
			} else if u.Doubt != "the site does not say whether p/licensed is on" && u.Doubt != "the site does not say whether licensed is on" {
				t.Errorf("%+v", u)
			}
		}
		return strings.Join(lines, "\n")
	}
	never := fmt.Sprint(-start / 1e9)
	want := "agent-1 every 1h, within 15m -60 agent-1 was never seen\nagent-2 every 1h, within 15m " + never + " agent-2 was never seen\nagents every 1h, within 15m " + never + " agents was never seen"
	if got := tell(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, c := range conns(t, busy+"10.1.0.2:40000 > 10.0.0.10:9999 tcp unanswered\n10.0.7.5:50000 > 10.0.0.10:9876 tcp established @10s") {
		a.Observe(c)
	}
	preview := conns(t, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established @20s")[0]
	a.Preview(preview)
	want = "agent-1 every 1h, within 15m 21 \nagent-2 every 1h, within 15m " + never + " the capture shows no two-way traffic between the networks of agent-2 and of server\nagents 10.0.7.5 every 1h, within 15m 11 "
	if got := tell(); got != strings.ReplaceAll(want, "of server\n", "of p/server\n") && got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestScheduleGoesOnAcrossAuditors holds a window that begins before an auditor's time: it is judged by what was seen before.
func TestScheduleGoesOnAcrossAuditors(t *testing.T) {
	s := set(t, testSite+"expect: [{flow: p/check-in, every: night, at: \"22:00-04:00\", reason: r}]\n", testPack)
	for _, c := range []struct {
		seen, since int64
		want        string
	}{
		{start - 3600e9, start - 7200e9, "not-observed"}, // since 01:00: the window was not watched whole
		{start - 3600e9, start - 9*3600e9, "observed"},
		{start - 8*3600e9, start - 9*3600e9, "missing"}, // before the window
		{0, 0, "not-observed"},
	} {
		a := New(s, Options{Period: Span{start, start + 24*3600e9}, Since: c.since, Scheduled: []ScheduledUse{{Flow: "p/check-in", Host: "agent-1", Seen: c.seen}}})
		list := conns(t, busy)
		for _, o := range list {
			a.Observe(o)
		}
		facts := captureOf(list)
		facts.Last = start + 2*3600e9
		out, err := a.Finish(facts)
		if err != nil {
			t.Fatal(err)
		}
		if h := statusOn(t, out, "p/check-in", "agent-1"); h.Status != c.want {
			t.Errorf("seen %d, since %d: %s, want %s: %s", c.seen, c.since, h.Status, c.want, h.Reason)
		}
	}
}

// TestSchedulesAreBounded holds that a host of which no more windows can be remembered is not called missing.
func TestSchedulesAreBounded(t *testing.T) {
	s := set(t, testSite+"expect: [{flow: p/check-in, every: 1m, reason: r}]\n", testPack)
	a := New(s, Options{})
	list := conns(t, busy)
	long := conns(t, "10.0.0.1:50000 > 10.0.0.10:9876 tcp established")[0]
	long.ID.Packet, long.Last = 99, start+int64(maxUsedWindows+500)*60e9
	list = append(list, long)
	for _, c := range list {
		a.Observe(c)
	}
	facts := captureOf(list)
	facts.Last = long.Last + 3600e9
	out, err := a.Finish(facts)
	if err != nil {
		t.Fatal(err)
	}
	if h := statusOn(t, out, "p/check-in", "agent-1"); h.Status != "not-testable" || a.schedules.unkept == 0 {
		t.Errorf("%+v", h)
	}
}

func BenchmarkObserveScheduled(b *testing.B) {
	a := New(builtinSet(b, benchSite()+"expect: [{flow: acronis-abr-11.5/agent-registers, every: 1h, within: 15m, reason: r}]\n", "acronis-abr-11.5"), Options{})
	list := benchConns(1 << 16)
	for i := range list {
		list[i].Last = list[i].First + 1e9
		a.Observe(&list[i])
	}
	if len(a.schedules.rows) == 0 {
		b.Fatal("nothing is scheduled")
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		a.Observe(&list[i&(len(list)-1)])
	}
}
