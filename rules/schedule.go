package rules

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Schedule says when a flow is expected: once in each of its windows. Windows follow the clocks of a time zone: where these jump, one may be shorter, longer or
// fall out. It is not changed after loading.
type Schedule struct {
	text        string
	from, until int     // minutes of the day between which windows lie; until may be up to two days
	step        int     // minutes of a window
	days        [7]bool // by time.Weekday, of the day on which the first window opens
	within      int64   // ns that a use may come late
	zone        *time.Location
}

// Window is a time in which a flow is expected, from From to Until in ns since 1970 UTC; a use may come until Deadline. All ends are exclusive.
type Window struct{ From, Until, Deadline int64 }

// String is the schedule as the site has it: "every night at 22:00-06:00, within 15m".
func (s *Schedule) String() string { return s.text }

// Last gives the window whose deadline was the last to pass by now, as its beginning and its deadline: a flow that was used at no time between them is missing. ok is
// false where there was none in the ten days before.
func (s *Schedule) Last(now int64) (from, until int64, ok bool) {
	day := s.noon(now)
	for range maxDaysBack {
		for w := range s.windowsOf(day) {
			if w.Deadline <= now {
				from, until, ok = w.From, w.Deadline, true
			}
		}
		if ok {
			return from, until, true
		}
		day = day.AddDate(0, 0, -1)
	}
	return 0, 0, false
}

// maxDaysBack is more days than lie between a time and the beginning of the window before, also where windows open once a week.
const maxDaysBack = 10

// Windows calls yield for each window of which some time to its deadline lies between from and until, both inclusive, in order.
func (s *Schedule) Windows(from, until int64) func(yield func(Window) bool) {
	return func(yield func(Window) bool) {
		for day, last := s.noon(from).AddDate(0, 0, -3), s.noon(until); !day.After(last); day = day.AddDate(0, 0, 1) {
			for w := range s.windowsOf(day) {
				if w.From <= until && w.Deadline > from && !yield(w) {
					return
				}
			}
		}
	}
}

// noon stands for the day of a time: every day has one, which is not so of midnight.
func (s *Schedule) noon(at int64) time.Time {
	y, m, d := time.Unix(at/1e9, at%1e9).In(s.zone).Date()
	return time.Date(y, m, d, 12, 0, 0, 0, s.zone)
}

// windowsOf gives the windows that open between the hours of a day, in order and without overlap.
func (s *Schedule) windowsOf(day time.Time) func(yield func(Window) bool) {
	return func(yield func(Window) bool) {
		if !s.days[day.Weekday()] {
			return
		}
		y, m, d := day.Date()
		midnight := time.Date(y, m, d, 0, 0, 0, 0, s.zone)
		even := midnight.Hour() == 0 && time.Date(y, m, d+2, 0, 0, 0, 0, s.zone).Sub(midnight) == 48*time.Hour
		at := func(minute int) int64 {
			if even {
				return midnight.UnixNano() + int64(minute)*int64(time.Minute)
			}
			return time.Date(y, m, d, 0, minute, 0, 0, s.zone).UnixNano()
		}
		last := at(s.from)
		for minute := s.from; minute < s.until; minute += s.step {
			w := Window{From: at(minute), Until: at(minute + s.step)}
			w.Deadline = w.Until + s.within
			if w.From < last || w.Until <= w.From {
				continue
			}
			if last = w.Until; !yield(w) {
				return
			}
		}
	}
}

const dayMinutes = 24 * 60

// schedule checks and parses the schedule of an expectation; nil where it has none or a mistake.
func (c *checker) schedule(e *Expect) *Schedule {
	if e.Every == "" {
		c.unscheduled(e)
		return nil
	}
	before := len(c.problems)
	s := &Schedule{text: "every " + e.Every, until: dayMinutes, zone: time.UTC, days: c.days(e.Days)}
	if e.Every == "night" {
		s.from, s.until = 22*60, 30*60
	}
	if e.At != "" {
		s.text += " at " + e.At
		c.hoursOf(s, e)
	}
	s.step = c.step(s, e)
	if e.Within != "" {
		s.text += ", within " + e.Within
		s.within = c.within(s, e)
	}
	if e.Zone != "" {
		zone, err := time.LoadLocation(e.Zone)
		if err != nil || e.Zone == "Local" {
			c.fail(fmt.Sprintf("unknown time zone %q", e.Zone), "write an IANA name such as Europe/Paris, or UTC", &e.Zone)
		} else {
			s.zone = zone
			s.text += " (" + e.Zone + ")"
		}
	}
	if e.Period == "not" {
		c.fail(fmt.Sprintf("the expectation of %q is not expected, and has a schedule", e.Flow), "remove every, or in: not", &e.Every, e)
	}
	if len(c.problems) > before {
		return nil
	}
	return s
}

// unscheduled reports what says nothing without every.
func (c *checker) unscheduled(e *Expect) {
	for _, field := range []struct {
		key   string
		value *string
	}{{"at", &e.At}, {"within", &e.Within}, {"zone", &e.Zone}} {
		if *field.value != "" {
			c.fail(field.key+" without every", "add every: night, day, or a duration such as 1h", field.value, e)
		}
	}
	if len(e.Days) > 0 {
		c.fail("days without every", "add every: night, day, or a duration such as 1h", &e.Days, e)
	}
}

// hoursOf reads "22:00-06:00"; an end that is not after the beginning is of the next day.
func (c *checker) hoursOf(s *Schedule, e *Expect) {
	from, until, ok := strings.Cut(e.At, "-")
	var parts checker
	s.from, s.until = parts.minute(&from, nil), parts.minute(&until, nil)
	if !ok || len(parts.problems) > 0 || s.from == dayMinutes {
		c.fail(fmt.Sprintf("at is %q", e.At), "write the hours as 22:00-06:00", &e.At, e)
		s.from, s.until = 0, dayMinutes
	}
	if s.until <= s.from {
		s.until += dayMinutes
	}
}

// step is the length of a window: all of the hours, or a part of which they hold a whole number.
func (c *checker) step(s *Schedule, e *Expect) int {
	span := s.until - s.from
	if slices.Contains([]string{"night", "day", "24h"}, e.Every) {
		return span
	}
	d, err := time.ParseDuration(e.Every)
	step := int(d / time.Minute)
	switch {
	case err != nil:
		c.fail(fmt.Sprintf("every is %q", e.Every), "write night, day, or a duration such as 1h", &e.Every, e)
	case step < 1 || d%time.Minute != 0 || span%step != 0:
		c.fail(fmt.Sprintf("every %s does not divide the %s of its hours", e.Every, minutes(span)), "write whole minutes of which the hours (at, else the day) hold a whole number", &e.Every, e)
	default:
		return step
	}
	return span
}

// within reads how late a use may come: no later than the next window is over.
func (c *checker) within(s *Schedule, e *Expect) int64 {
	d, err := time.ParseDuration(e.Within)
	switch {
	case err != nil || d < 0:
		c.fail(fmt.Sprintf("within is %q", e.Within), "write a duration such as 15m", &e.Within, e)
	case d > time.Duration(s.step)*time.Minute:
		c.fail(fmt.Sprintf("within %s is longer than a window of %s", e.Within, minutes(s.step)), "write a shorter one, or a longer every", &e.Within, e)
	}
	return int64(d)
}

// minutes in words: "8h", "90m".
func minutes(n int) string {
	if n%60 == 0 {
		return fmt.Sprintf("%dh", n/60)
	}
	return fmt.Sprintf("%dm", n)
}

// Schedules are those of the site, in its order.
func (s *Set) Schedules() []*Schedule {
	var list []*Schedule
	if s.Site != nil {
		for i := range s.Site.Expect {
			if plan := s.Site.Expect[i].schedule; plan != nil {
				list = append(list, plan)
			}
		}
	}
	return list
}

// Scheduled says whether the site states a schedule for a flow, for any host.
func (s *Set) Scheduled(f *Flow) bool {
	return slices.ContainsFunc(s.expects[f.Ref()], func(e *Expect) bool { return e.schedule != nil })
}

// Schedule says when this originating host is to use the flow; nil where the site states no schedule.
func (s *Set) Schedule(f *Flow, orig *Host) *Schedule {
	if e := s.expectation(f, orig); e != nil {
		return e.schedule
	}
	return nil
}
