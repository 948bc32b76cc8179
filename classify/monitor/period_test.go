package monitor

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
)

func TestPeriodsAreAligned(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Skip("no time zone database: ", err)
	}
	havana, err := time.LoadLocation("America/Havana") // where summer time begins at midnight
	if err != nil {
		t.Skip("no time zone database: ", err)
	}
	for _, c := range []struct {
		name     string
		interval time.Duration
		zone     *time.Location
		now      string
		want     string
	}{
		{"a day, UTC", 24 * time.Hour, nil, "2026-01-02T03:00:00Z", "2026-01-02T00:00:00Z 2026-01-03T00:00:00Z"},
		{"at the boundary", 24 * time.Hour, nil, "2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z 2026-01-03T00:00:00Z"},
		{"a day, Paris", 24 * time.Hour, paris, "2026-01-02T23:30:00Z", "2026-01-02T23:00:00Z 2026-01-03T23:00:00Z"},
		{"a day of 23 hours", 24 * time.Hour, paris, "2026-03-29T12:00:00Z", "2026-03-28T23:00:00Z 2026-03-29T22:00:00Z"},
		{"a day of 25 hours", 24 * time.Hour, paris, "2026-10-25T22:30:00Z", "2026-10-24T22:00:00Z 2026-10-25T23:00:00Z"},
		{"six hours of one of 25", 6 * time.Hour, paris, "2026-10-25T22:30:00Z", "2026-10-25T16:00:00Z 2026-10-25T23:00:00Z"},
		{"the hour before a midnight that falls out", time.Hour, havana, "2026-03-08T04:30:00Z", "2026-03-08T04:00:00Z 2026-03-08T05:00:00Z"},
		{"the day before a midnight that falls out", 24 * time.Hour, havana, "2026-03-08T04:30:00Z", "2026-03-07T05:00:00Z 2026-03-08T05:00:00Z"},
		{"a day without midnight", 24 * time.Hour, havana, "2026-03-08T05:30:00Z", "2026-03-08T05:00:00Z 2026-03-09T04:00:00Z"},
		{"an hour", time.Hour, nil, "2026-01-02T03:59:59Z", "2026-01-02T03:00:00Z 2026-01-02T04:00:00Z"},
		{"a week", 7 * 24 * time.Hour, nil, "2026-01-02T03:00:00Z", "2026-01-01T00:00:00Z 2026-01-08T00:00:00Z"},
		{"seven hours", 7 * time.Hour, nil, "1970-01-01T08:00:00Z", "1970-01-01T07:00:00Z 1970-01-01T14:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			now, err := time.Parse(time.RFC3339, c.now)
			if err != nil {
				t.Fatal(err)
			}
			m := New(compiled(t, testPack, testSite), nil, now.UnixNano(), Options{Interval: int64(c.interval), Zone: c.zone})
			p := m.Period()
			if got := flow.Time(p.From).Format(time.RFC3339) + " " + flow.Time(p.Until).Format(time.RFC3339); got != c.want {
				t.Errorf("period %s, want %s", got, c.want)
			}
			if m.Due(p.Until-1) || !m.Due(p.Until) {
				t.Error("it is due at another time than its end")
			}
		})
	}
}

func TestOnePeriodUntilTheEnd(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{})
	r.see(documented)
	if r.Due(start + 1000*24*hour) {
		t.Error("it ends")
	}
	a := r.endPeriod()
	if a.Connections.Emitted != 1 || a.Period.AskedFrom != flow.Stamp(start) || a.Period.AskedUntil != "" || a.Period.CoveredFrom != flow.Stamp(start) {
		t.Errorf("ledger %+v, period %+v", a.Connections, a.Period)
	}
}

// TestConnectionAcrossPeriods follows a connection that is open over two boundaries: it counts once, in the period that emits it, and satisfies in each.
func TestConnectionAcrossPeriods(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: hour})
	r.Tick(start + minute)
	c := r.conn(documented)
	r.open = []*flow.Conn{c}
	for n := range 3 {
		r.see("10.0.0.2:50009 > 10.0.0.10:9876 tcp established")
		if n == 2 {
			r.observe(c)
			r.open = nil
		}
		end := start + int64(n+1)*hour
		c.Last = end
		if !r.Due(end) {
			t.Fatalf("period %d does not end", n)
		}
		a := r.endPeriod()
		if got := statuses(a, "p/check-in"); got != "agent-1 observed, agent-2 observed" {
			t.Errorf("period %d: %s", n, got)
		}
		emitted := map[int]uint64{0: 1, 1: 1, 2: 2}[n]
		if a.Connections.Emitted != emitted || a.Connections.Created != emitted+a.Connections.Open || len(a.Residuals) > 0 {
			t.Errorf("period %d: ledger %+v, residuals %v", n, a.Connections, a.Residuals)
		}
		if a.Period.AskedFrom != flow.Stamp(end-hour) || a.Period.AskedUntil != flow.Stamp(end) {
			t.Errorf("period %d: asked %s to %s", n, a.Period.AskedFrom, a.Period.AskedUntil)
		}
	}
	r.want("nothing is missing", "")
}

// TestConnectionThatEndsInSilence has a connection end in the period after the one of its last packet: it counts there, and says nothing of who was active in it.
func TestConnectionThatEndsInSilence(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: hour})
	r.Tick(start + 59*minute)
	used, other := r.conn(documented), r.conn("10.0.0.2:50009 > 10.0.0.10:8530 tcp established")
	attempt := r.conn("10.0.0.2:50010 > 10.0.0.10:9876 tcp unanswered")
	r.open = []*flow.Conn{used, other}
	r.Due(start + hour)
	if got := statuses(r.endPeriod(), "p/check-in"); got != "agent-1 observed, agent-2 missing" {
		t.Errorf("the period of the packets: %s", got)
	}
	r.took()
	r.open = nil
	for _, c := range []*flow.Conn{used, other} {
		r.observe(c)
	}
	r.Due(start + 2*hour)
	a := r.endPeriod()
	if got := statuses(a, "p/check-in"); got != "agent-1 not-testable, agent-2 not-testable" || a.Connections.Emitted != 2 {
		t.Errorf("the period after it: %s, %d connections", got, a.Connections.Emitted)
	}
	r.see("10.0.0.2:50011 > 10.0.0.10:8530 tcp established")
	r.observe(attempt)
	r.Due(start + 3*hour)
	if got := statuses(r.endPeriod(), "p/check-in"); !strings.Contains(got, "agent-2 attempted") {
		t.Errorf("an attempt counts when it is emitted: %s", got)
	}
}

func TestStandingFindings(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: hour})
	const other = "10.0.0.1:50009 > 10.0.0.10:8530 tcp established"
	active := []string{"10.0.0.2:50009 > 10.0.0.10:9876 tcp established", other}
	missing := "high missing new: agent-1 never opened tcp/9876 to a server (p/check-in): p/check-in is required and periodic: Agent checks in"
	for n, step := range []struct {
		lines []string
		want  string
	}{
		{active, missing},
		{active, ""},
		{nil, ""}, // nothing was seen: not recovered
		{append(active, documented), "info recovered: not so in this period: agent-1 never opened tcp/9876 to a server (p/check-in)"},
		{active, strings.Replace(missing, "new", "again", 1)},
	} {
		r.see(step.lines...)
		r.Due(start + int64(n+1)*hour)
		r.endPeriod()
		r.want(string(rune('0'+n)), step.want)
	}
}

func TestScheduledExpectations(t *testing.T) {
	const both = "agent-1 observed, agent-2 observed"
	missed := func(host string) string {
		return "high missing: " + host + " did not use p/update in its time (every 1h, within 15m)"
	}
	t.Run("missing and recovered", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{Interval: 24 * hour})
		r.Tick(start + minute)
		r.see(update, update2)
		r.Tick(start + 75*minute)
		r.want("first window", "")
		r.see(update)
		r.Tick(start + 2*hour + 15*minute - 1)
		r.want("before the time has passed", "")
		r.Tick(start + 2*hour + 15*minute)
		r.want("after it", missed("agent-2"))
		r.Tick(start + 3*hour)
		r.want("still", "")
		if n := r.Counters().Missing; n != 1 {
			t.Errorf("%d missing", n)
		}
		r.see(update, update2)
		r.Tick(start + 3*hour + lookEach)
		r.want("used again", "info recovered: agent-2 uses p/update again")
	})
	t.Run("blind time is no absence", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{Interval: 24 * hour})
		r.see(update, update2)
		r.Blind(start+90*minute, "eth0", "down")
		r.Seeing(start+91*minute, "eth0")
		r.took()
		r.Tick(start + 135*minute)
		r.want("a window with blind time", "")
		r.Tick(start + 195*minute)
		r.want("the next one", missed("agent-1")+"\n"+missed("agent-2"))
	})
	t.Run("time that is told to be blind afterwards", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{})
		r.see(update, update2)
		r.Tick(start + 91*minute)
		for range 2 {
			r.Unwatched(classify.BlindSpan{Interface: "eth0", From: start + 90*minute, To: start + 90*minute + 3*second, Cause: "packets dropped"})
		}
		r.Tick(start + 135*minute)
		r.want("a window with it", "medium blind: eth0 was not watched as a whole for 3s: packets dropped")
	})
	t.Run("a host that was never seen", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{Interval: 24 * hour})
		r.see(update)
		r.Tick(start + 75*minute)
		r.Tick(start + 135*minute)
		r.want("two windows", missed("agent-1"))
	})
	t.Run("an open connection", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{Interval: 24 * hour})
		r.see(update2, update)
		c := r.conn(update2)
		r.open = []*flow.Conn{c}
		for n := range int64(5) {
			r.Tick(start + n*hour + 30*minute)
			r.see(update)
			c.Last = r.now
			r.Tick(start + (n+1)*hour + 15*minute)
		}
		r.want("it goes on", "")
		r.see(update)
		r.Tick(start + 7*hour + 15*minute)
		r.want("it does nothing more", missed("agent-2")+"\n"+missed("agent-1"))
	})
	t.Run("over the end of a period", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{Interval: 90 * minute}) // ends at 04:30, within a window
		alive := []string{documented, "10.0.0.2:50002 > 10.0.0.10:9876 tcp established"}
		r.see(alive...)
		r.see(update, update2)
		r.Tick(start + 70*minute)
		r.see(update, update2)
		r.Due(start + 90*minute)
		if got := statuses(r.endPeriod(), "p/update"); got != both {
			t.Errorf("first period: %s", got)
		}
		r.see(alive...)
		r.Tick(start + 135*minute)
		r.want("used before the boundary", "")
		r.Due(start + 180*minute)
		if got := statuses(r.endPeriod(), "p/update"); got != both {
			t.Errorf("second period: %s", got)
		}
		r.Tick(start + 195*minute + 1)
		r.see(alive...)
		r.Tick(start + 196*minute)
		r.want("not used after it", missed("agent-1")+"\n"+missed("agent-2"))
		r.Due(start + 270*minute)
		if got := statuses(r.endPeriod(), "p/update"); got != "agent-1 missing, agent-2 missing" {
			t.Errorf("third period: %s", got)
		}
	})
	t.Run("no more expected", func(t *testing.T) {
		r := begin(t, compiled(t, testPack, hourly), Options{})
		r.see(update)
		r.Tick(start + 75*minute)
		r.Tick(start + 135*minute)
		r.took()
		if err := r.Reload(compiled(t, testPack, testSite), nil, r.capture(true)); err != nil {
			t.Fatal(err)
		}
		r.Tick(start + 136*minute)
		if got := r.took(); !strings.Contains(got, "info recovered: agent-1 is not expected to use p/update any more") {
			t.Error(got)
		}
	})
}

func TestReload(t *testing.T) {
	ssh := strings.Replace(testSite, "hosts:", "flows:\n  - {id: ssh, title: Administration, from: [agent-1], to: [server-1], proto: tcp, ports: [\"22\"], owner: o, justification: j, approver: a, date: 2026-01-01}\nhosts:", 1)
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: 24 * hour})
	r.LearnName(&flow.Name{At: start, Origin: flow.NameDNS, Asker: netip.MustParseAddr("10.0.0.2"), Name: "portal.example", Addr: netip.MustParseAddr("203.0.113.9")})
	r.Tick(start + minute)
	r.see(documented, "10.0.0.2:50000 > 10.0.0.10:9876 tcp established", unexpected)
	open := r.conn(unexpected)
	r.Young(open)
	r.open = []*flow.Conn{open}
	r.want("before", "high finding new: agent-1 opened tcp/22 on server-1, 1 connections")

	r.Tick(start + hour)
	if err := r.Reload(compiled(t, testPack, ssh), []string{"a warning"}, r.capture(true)); err != nil {
		t.Fatal(err)
	}
	if got := r.took(); !strings.HasPrefix(got, "info reload: other rules hold from now on: 2 packs, site test (sha256 ") {
		t.Error(got)
	}
	r.open = nil
	r.observe(open)
	r.want("it is approved now, and another one was seen", "")
	r.see(unexpected, "10.0.0.2:50000 > 203.0.113.9:8443 tcp established")
	r.want("approved, and known by its name", "")

	r.Tick(start + 90*minute)
	r.ReloadRefused(start+90*minute, errors.New("site.yaml:3:1: unknown key \x1b[1m"))
	r.want("refused", "medium reload: the rules stay as they were: site.yaml:3:1: unknown key \x1b[1m")

	r.Due(start + 21*hour)
	a := r.endPeriod()
	if a.Connections.Emitted != 6 || a.Connections.Created != 6 || len(a.Rules) != 2 || len(a.Residuals) > 0 {
		t.Errorf("ledger %+v, %d rules held, residuals %v", a.Connections, len(a.Rules), a.Residuals)
	}
	if got := statuses(a, "p/check-in"); got != "agent-1 observed, agent-2 observed" {
		t.Error(got)
	}
	if len(a.Findings) == 0 || a.Findings[0].Connections != 1 || a.Findings[0].Service != "tcp/22" {
		t.Errorf("findings %+v", a.Findings)
	}
	for range 3 * maxParts {
		r.see(documented)
		r.Tick(r.now + minute)
		if err := r.Reload(compiled(t, testPack, testSite), nil, r.capture(true)); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.parts) >= maxParts {
		t.Errorf("%d parts", len(r.parts))
	}
	r.Due(start + 45*hour)
	if a := r.endPeriod(); a.Connections.Emitted != 3*maxParts {
		t.Errorf("ledger %+v after many reloads", a.Connections)
	}
}

func TestSnapshot(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: 24 * hour})
	for n := range uint64(3) {
		r.see(documented, unexpected)
		r.Tick(r.now + minute)
		a, err := r.Snapshot(r.capture(false))
		if err != nil || a.Connections.Emitted != 2*(n+1) || statuses(a, "p/check-in") != "agent-1 observed, agent-2 not-testable" {
			t.Errorf("%v, ledger %+v, %s", err, a.Connections, statuses(a, "p/check-in"))
		}
	}
	if r.Counters().PeriodsEnded != 0 {
		t.Error("the period has ended")
	}
}

// TestPartsThatDoNotBalance has a ledger with a residual: the report says so, and the next period begins.
func TestPartsThatDoNotBalance(t *testing.T) {
	r := begin(t, compiled(t, testPack, testSite), Options{Interval: hour})
	r.see(documented)
	c := r.capture(true)
	c.Created = 7
	r.Due(start + hour)
	a, err := r.EndPeriod(c)
	if !errors.Is(err, classify.ErrLedger) || len(a.Residuals) == 0 || r.Counters().Ledgers != 1 {
		t.Errorf("%v, residuals %v", err, a.Residuals)
	}
	r.see(documented)
	r.Due(start + 2*hour)
	r.endPeriod()
}

// TestMissingAfterRestart restores a state in which something is missing: it recovers when it is seen, not only when the next window has passed.
func TestMissingAfterRestart(t *testing.T) {
	set, o := compiled(t, testPack, hourly), Options{Interval: 24 * hour}
	r := begin(t, set, o)
	r.see(update, documented)
	r.Tick(start + 75*minute)
	r.Tick(start + 135*minute)
	r.want("a window", "high missing: agent-1 did not use p/update in its time (every 1h, within 15m)")
	data := r.checkpoint()
	r = beginAt(t, set, r.now+second, o)
	if err := r.Restore(data, r.now); err != nil {
		t.Fatal(err)
	}
	r.took()
	r.see(update)
	r.Tick(r.now + lookEach)
	r.want("used again", "info recovered: agent-1 uses p/update again")
}

// TestMissingWhileTheClockIsSetBack does the same where the clock was set back.
func TestMissingWhileTheClockIsSetBack(t *testing.T) {
	r := begin(t, compiled(t, testPack, hourly), Options{Interval: 24 * hour})
	r.see(update, documented)
	r.Tick(start + 75*minute)
	r.Tick(start + 135*minute)
	r.took()
	r.Monitor.Tick(r.now - 2*minute)
	r.want("the clock", "medium blind: the clock was set back by 2m")
	r.Tick(r.now + minute)
	r.see(update)
	r.Tick(r.now + lookEach)
	r.want("used again", "info recovered: agent-1 uses p/update again")
}

// TestOpenConnectionOfHostWithSpace has a host whose name looks like that of one among many.
func TestOpenConnectionOfHostWithSpace(t *testing.T) {
	site := strings.ReplaceAll(hourly, "name: agent-1,", "name: first agent,")
	r := begin(t, compiled(t, testPack, site), Options{})
	r.see(update, documented)
	c := r.conn(update)
	r.open = []*flow.Conn{c}
	for n := range int64(3) {
		r.Tick(start + n*hour + 30*minute)
		c.Last = r.now
		r.Tick(start + (n+1)*hour + 15*minute)
	}
	r.want("it goes on", "")
}
