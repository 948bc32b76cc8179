package rules

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// interval is the time from (inclusive) to until (exclusive), in ns since 1970 UTC.
type interval struct{ from, until int64 }

var always = interval{math.MinInt64, math.MaxInt64}

func (i interval) contains(at int64) bool {
	return i.from <= at && (at < i.until || i.until == math.MaxInt64)
}

// last is the last time within.
func (i interval) last() int64 {
	if i.until == math.MaxInt64 {
		return i.until
	}
	return i.until - 1
}

func (i interval) overlaps(o interval) bool { return i.from < o.until && o.from < i.until }

// parseTime reads RFC 3339 or a date, which is midnight UTC. Years outside 1678-2261 do not fit the nanoseconds of packet time.
func parseTime(text string) (ns int64, ok bool) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UnixNano(), t.Year() > 1677 && t.Year() < 2262
		}
	}
	return 0, false
}

// interval parses from and until, either of which may be empty, and reports what is wrong with them.
func (c *checker) interval(from, until *string, entry any) interval {
	i := always
	if *from != "" {
		i.from = c.instant(from, i.from)
	}
	if *until != "" {
		i.until = c.instant(until, i.until)
	}
	if i.from >= i.until {
		c.fail(fmt.Sprintf("until %s is not after %s", *until, *from), "the end is exclusive: write a later one", until, entry)
		return always
	}
	return i
}

func (c *checker) instant(text *string, otherwise int64) int64 {
	ns, ok := parseTime(*text)
	if !ok {
		c.fail(fmt.Sprintf("%q is no time", *text), "write 2026-01-31 (midnight UTC) or 2026-01-31T22:00:00+01:00", text)
		return otherwise
	}
	return ns
}

// Condition is the state of a flow's condition at a time: On where the flow has none, the site's word, else the pack's default. A "!x" flow is On where x is Off.
func (s *Set) Condition(f *Flow, at int64) State {
	name, negated := strings.CutPrefix(f.Condition, "!")
	if name == "" {
		return On
	}
	state := s.conditionState(f.Pack, name, at)
	switch {
	case !negated || state == Unknown:
		return state
	case state == On:
		return Off
	}
	return On
}

// SteadyCondition is Condition where that is the same at all times: the site's entries for it, if there are any, have no dates.
func (s *Set) SteadyCondition(f *Flow) (state State, steady bool) {
	for _, entry := range s.conditions[f.Pack.Name+"/"+strings.TrimPrefix(f.Condition, "!")] {
		if entry.valid != always {
			return Unknown, false
		}
	}
	return s.Condition(f, 0), true
}

func (s *Set) conditionState(p *Pack, name string, at int64) State {
	for _, entry := range s.conditions[p.Name+"/"+name] {
		if entry.valid.contains(at) {
			return stateOf(entry.State)
		}
	}
	for _, c := range p.Conditions {
		if c.Name == name {
			return stateOf(c.Default)
		}
	}
	return Unknown
}

func stateOf(word string) State {
	return State(max(0, slices.Index(stateNames[:], word)))
}

// Period is the time that is judged, until exclusive; the least and the greatest int64 where the site leaves an end open.
func (s *Set) Period() (from, until int64) {
	if s.Site == nil {
		return always.from, always.until
	}
	return s.Site.Period.valid.from, s.Site.Period.valid.until
}

// Expected is the site's word on whether this originating host is to use the flow in this period.
func (s *Set) Expected(f *Flow, orig *Host) Expected {
	switch e := s.expectation(f, orig); {
	case e == nil:
		return AsDocumented
	case e.Period == "not":
		return NotExpected
	}
	return ExpectedIn
}

// expectation is the site's entry for a flow and a host, nil where there is none. One that names hosts goes before one that does not.
func (s *Set) expectation(f *Flow, orig *Host) *Expect {
	if len(s.expects) == 0 {
		return nil
	}
	var general *Expect
	for _, e := range s.expects[f.Ref()] {
		switch {
		case len(e.Hosts) == 0:
			general = e
		case orig != nil && slices.Contains(e.Hosts, orig.Name):
			return e
		}
	}
	return general
}

// window is one entry of the site's hours, parsed: minutes of the day in a zone. until <= from ends on the next day.
type window struct {
	days        [7]bool // by time.Weekday, of the day on which the window opens
	from, until int
	zone        *time.Location
}

// open says whether the window is open at a time.
func (w window) open(at int64) bool {
	t := time.Unix(at/1e9, at%1e9).In(w.zone)
	minute, day := t.Hour()*60+t.Minute(), t.Weekday()
	yesterday := (day + 6) % 7
	if w.until > w.from {
		return w.days[day] && w.from <= minute && minute < w.until
	}
	return w.days[day] && w.from <= minute || w.days[yesterday] && minute < w.until
}

// AllowedAt says whether the site's hours let the flow run at a time. Hours that name the flow go before those of its pack, and these before those of all flows.
func (s *Set) AllowedAt(f *Flow, at int64) bool {
	for _, name := range []string{f.Ref(), f.Pack.Name + "/*", ""} {
		if windows := s.hours[name]; len(windows) > 0 {
			return slices.ContainsFunc(windows, func(w window) bool { return w.open(at) })
		}
	}
	return true
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// window checks and parses one entry of hours.
func (c *checker) window(h *Hours) window {
	w := window{zone: time.UTC, from: c.minute(&h.From, h), until: c.minute(&h.Until, h), days: c.days(h.Days)}
	switch zone, err := time.LoadLocation(h.Zone); {
	case h.Zone == "":
		c.fail("hours without a time zone", "add zone: an IANA name such as Europe/Paris, or UTC", h)
	case err != nil || h.Zone == "Local":
		c.fail(fmt.Sprintf("unknown time zone %q", h.Zone), "write an IANA name such as Europe/Paris, or UTC", &h.Zone)
	default:
		w.zone = zone
	}
	return w
}

// days reads names of weekdays, by time.Weekday; none is every day.
func (c *checker) days(names []string) (days [7]bool) {
	for i := range names {
		day := slices.Index(weekdays, names[i])
		if day < 0 {
			c.fail(fmt.Sprintf("unknown day %q", names[i]), meant(names[i], weekdays), &names[i])
			continue
		}
		days[day] = true
	}
	if len(names) == 0 {
		days = [7]bool{true, true, true, true, true, true, true}
	}
	return days
}

// minute reads "HH:MM"; 24:00 is the end of the day.
func (c *checker) minute(text *string, entry any) int {
	if *text == "24:00" {
		return 24 * 60
	}
	t, err := time.Parse("15:04", *text)
	if err != nil || len(*text) != len("15:04") {
		c.fail(fmt.Sprintf("%q is no time of day", *text), "write it as 22:00", text, entry)
		return 0
	}
	return t.Hour()*60 + t.Minute()
}
