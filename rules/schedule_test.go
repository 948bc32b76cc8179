package rules

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// scheduleOf reads the keys of a schedule as a site has them.
func scheduleOf(t *testing.T, keys string) *Schedule {
	t.Helper()
	site, problems := LoadSiteBytes("f", []byte("hosts:\n  - {name: h, addresses: [10.0.0.1]}\nexpect:\n  - {flow: p/f, reason: r, "+keys+"}\n"))
	if Failed(problems) {
		t.Fatal(problems)
	}
	return site.Expect[0].schedule
}

func at(t *testing.T, text string) int64 {
	t.Helper()
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when.UnixNano()
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format("01-02T15:04") }

func TestLastWindow(t *testing.T) {
	for _, c := range []struct{ keys, now, want string }{
		{"every: night", "2026-01-05T05:59:59Z", "01-03T22:00 01-04T06:00"},
		{"every: night", "2026-01-05T06:00:00Z", "01-04T22:00 01-05T06:00"},
		{"every: night", "2026-01-05T23:00:00Z", "01-04T22:00 01-05T06:00"},
		{"every: night, within: 15m", "2026-01-05T06:14:59Z", "01-03T22:00 01-04T06:15"},
		{"every: night, within: 15m", "2026-01-05T06:15:00Z", "01-04T22:00 01-05T06:15"},
		{`every: night, at: "20:00-05:00"`, "2026-01-05T05:00:00Z", "01-04T20:00 01-05T05:00"},
		{"every: night, zone: Europe/Paris", "2026-01-05T05:00:00Z", "01-04T21:00 01-05T05:00"},
		{"every: night, zone: Europe/Paris", "2026-07-05T04:00:00Z", "07-04T20:00 07-05T04:00"},
		{"every: night, days: [fri]", "2026-01-08T12:00:00Z", "01-02T22:00 01-03T06:00"}, // 2026-01-02 is a Friday
		{"every: night, days: [fri]", "2026-01-10T05:00:00Z", "01-02T22:00 01-03T06:00"},
		{"every: day", "2026-01-05T12:00:00Z", "01-04T00:00 01-05T00:00"},
		{"every: 24h", "2026-01-05T12:00:00Z", "01-04T00:00 01-05T00:00"},
		{`every: day, at: "08:00-18:00"`, "2026-01-05T18:00:00Z", "01-05T08:00 01-05T18:00"},
		{`every: 24h, at: "06:00-06:00", within: 24h`, "2026-01-05T06:00:00Z", "01-03T06:00 01-05T06:00"},
		{"every: 1h", "2026-01-05T12:34:00Z", "01-05T11:00 01-05T12:00"},
		{"every: 1h, within: 15m", "2026-01-05T12:14:00Z", "01-05T10:00 01-05T11:15"},
		{`every: 1h, at: "22:00-06:00"`, "2026-01-05T12:34:00Z", "01-05T05:00 01-05T06:00"},
		{`every: 30m, at: "08:00-18:00", days: [mon, tue, wed, thu, fri]`, "2026-01-04T12:00:00Z", "01-02T17:30 01-02T18:00"},
		{"every: day, zone: Europe/Paris", "2026-03-30T00:00:00Z", "03-28T23:00 03-29T22:00"}, // 23 hours
		{"every: day, zone: Europe/Paris", "2026-10-26T00:00:00Z", "10-24T22:00 10-25T23:00"}, // 25 hours
		{"every: 1h, zone: Europe/Paris", "2026-03-29T01:30:00Z", "03-29T00:00 03-29T01:00"},
		{"every: night, zone: America/Havana", "2026-03-08T12:00:00Z", "03-08T03:00 03-08T10:00"}, // has no midnight on that day
	} {
		from, until, ok := scheduleOf(t, c.keys).Last(at(t, c.now))
		if got := stamp(from) + " " + stamp(until); got != c.want || !ok {
			t.Errorf("%s at %s: %s %v, want %s", c.keys, c.now, got, ok, c.want)
		}
	}
}

// TestWindows holds, across changes of the clock: windows are in order and do not overlap, all that touch the time asked for are given, and Last is the last of them.
func TestWindows(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	begin := at(t, "2026-03-01T00:00:00Z")
	for _, keys := range []string{"every: night, within: 1h", "every: 1h, within: 15m, zone: Europe/Paris", `every: 15m, at: "22:00-06:00", zone: America/New_York`, "every: day, days: [sun], zone: America/Havana",
		"every: 2h, zone: Australia/Lord_Howe", "every: 1m, within: 1m", `every: 24h, at: "23:59-23:59", within: 24h, zone: Pacific/Apia`} {
		s := scheduleOf(t, keys)
		all := slices.Collect(s.Windows(begin-20*86400e9, begin+300*86400e9))
		for i, w := range all {
			if w.Until <= w.From || w.Deadline != w.Until+s.within || i > 0 && w.From < all[i-1].Until {
				t.Fatalf("%s: window %d is %s to %s, %s", keys, i, stamp(w.From), stamp(w.Until), stamp(w.Deadline))
			}
		}
		for range 200 {
			now := begin + rng.Int64N(250*86400)*1e9
			until := now + rng.Int64N(50*3600)*1e9
			var want []Window
			var last Window
			for _, w := range all {
				if w.Deadline > now && w.From <= until {
					want = append(want, w)
				}
				if w.Deadline <= now {
					last = w
				}
			}
			if got := slices.Collect(s.Windows(now, until)); !slices.Equal(got, want) {
				t.Fatalf("%s: %d windows from %s to %s, want %d", keys, len(got), stamp(now), stamp(until), len(want))
			}
			if from, deadline, ok := s.Last(now); !ok || from != last.From || deadline != last.Deadline {
				t.Fatalf("%s at %s: last is %s to %s, want %s to %s", keys, stamp(now), stamp(from), stamp(deadline), stamp(last.From), stamp(last.Deadline))
			}
		}
	}
}

func TestSchedulesOfASite(t *testing.T) {
	packs := []*Pack{mustPack(t, "acronis-abr-11.5")}
	site, problems := LoadSiteBytes("f", []byte(`
hosts:
  - {name: srv-1, addresses: [10.1.0.11], roles: [acronis-abr-11.5/agent]}
  - {name: srv-2, addresses: [10.1.0.12], roles: [acronis-abr-11.5/agent]}
  - {name: ams, addresses: [10.1.0.2], roles: [acronis-abr-11.5/management-server]}
expect:
  - {flow: acronis-abr-11.5/agent-registers, hosts: [srv-2], in: not, reason: new}
  - {flow: acronis-abr-11.5/agent-registers, every: night, at: "20:00-06:00", within: 15m, zone: Europe/Paris, reason: backup}
`))
	if Failed(problems) {
		t.Fatal(problems)
	}
	s, problems := Compile(packs, site)
	if Failed(problems) {
		t.Fatal(problems)
	}
	f := s.Flow("acronis-abr-11.5/agent-registers")
	if !s.Scheduled(f) || len(s.Schedules()) != 1 || s.Expected(f, site.Hosts[0]) != ExpectedIn || s.Expected(f, site.Hosts[1]) != NotExpected {
		t.Error("the schedule is not in force")
	}
	if got := fmt.Sprint(s.Schedule(f, site.Hosts[0]), s.Schedule(f, site.Hosts[1]) == nil); got != "every night at 20:00-06:00, within 15m (Europe/Paris) true" {
		t.Error(got)
	}
}
