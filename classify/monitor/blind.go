package monitor

import (
	"slices"

	"pcapaudit/classify"
)

// Limits of what is remembered of blind time.
const (
	maxWatched    = 1 << 8 // interfaces; of further ones no blindness is told one by one
	maxBlindSpans = 1 << 8 // beyond it the two oldest become one with the time between
)

// blindness is what is not watched now, and what was not.
type blindness struct {
	now    map[string]outage // by interface
	spans  []classify.Span   // in order of their beginning; since is always one
	since  int64             // nothing was watched before
	joined uint64
	told   map[[2]string]int64 // when Unwatched was told, by interface and cause
}

type outage struct {
	since int64
	cause string
}

func newBlindness(since int64) blindness {
	return blindness{now: map[string]outage{}, since: since, told: map[[2]string]int64{}}
}

// touches says whether some of a time was not watched.
func (b *blindness) touches(from, until int64) bool {
	if from < b.since {
		return true
	}
	for _, o := range b.now {
		if o.since < until {
			return true
		}
	}
	return slices.ContainsFunc(b.spans, func(s classify.Span) bool { return s.From < until && from < s.Until })
}

// setBack forgets blind times to come, and has the clock's jump be one.
func (b *blindness) setBack(now int64) {
	for iface, o := range b.now {
		b.now[iface] = outage{min(o.since, now), o.cause}
	}
	for i := range b.spans {
		b.spans[i] = classify.Span{From: min(b.spans[i].From, now-1), Until: min(b.spans[i].Until, now)}
	}
	b.since = min(b.since, now)
	for k, at := range b.told {
		b.told[k] = min(at, now)
	}
	b.add(classify.Span{From: now - 1, Until: now})
}

// clear is since when everything is watched.
func (b *blindness) clear(now int64) int64 {
	since := b.since
	for _, s := range b.spans {
		since = max(since, s.Until)
	}
	if len(b.now) > 0 {
		since = now
	}
	return min(since, now)
}

func (b *blindness) add(s classify.Span) {
	if s.Until <= s.From {
		return
	}
	b.spans = append(b.spans, s)
	slices.SortFunc(b.spans, func(x, y classify.Span) int {
		if x.From < y.From {
			return -1
		}
		return 1
	})
	if len(b.spans) > maxBlindSpans {
		b.spans[1] = classify.Span{From: b.spans[0].From, Until: max(b.spans[0].Until, b.spans[1].Until)}
		b.spans = b.spans[1:]
		b.joined++
	}
}

// list names what is not watched now, sorted.
func (b *blindness) list() []string {
	var list []string
	for iface, o := range b.now {
		list = append(list, iface+" ("+o.cause+")")
	}
	slices.Sort(list)
	return list
}

// Blind says that an interface is not watched from now on. It is told once, until it is seen again.
func (m *Monitor) Blind(now int64, iface, cause string) {
	m.advance(now)
	m.begun = true
	_, known := m.blind.now[iface]
	if !known && len(m.blind.now) >= maxWatched {
		m.blind.add(classify.Span{From: m.now, Until: never})
		return
	}
	if known {
		return
	}
	m.blind.now[iface] = outage{m.now, cause}
	m.raise(Alert{ID: blindID(iface), Kind: KindBlind, Severity: severities[high], Since: m.now, Text: "blind on " + iface + ": " + cause,
		Next: "bring " + iface + " back; until then its connections are not judged, and what is missing there is not known"})
}

// Seeing says that an interface is watched again.
func (m *Monitor) Seeing(now int64, iface string) {
	m.advance(now)
	o, known := m.blind.now[iface]
	if !known {
		return
	}
	delete(m.blind.now, iface)
	m.blind.add(classify.Span{From: o.since, Until: m.now})
	m.raise(Alert{ID: blindID(iface), Kind: KindResolved, Severity: severities[info], Since: o.since, Text: "seeing again on " + iface + " after " + words(m.now-o.since) + " (" + o.cause + ")"})
}

// Unwatched takes a time that was not watched, or not as a whole, and that is told afterwards: a stall, a step of the clock, packets that the kernel dropped. No expectation is
// missing for what it touches. It is an alert once an hour for each interface and cause.
func (m *Monitor) Unwatched(s classify.BlindSpan) {
	m.begun = true
	m.blind.add(classify.Span{From: s.From, Until: s.To})
	k := [2]string{s.Interface, s.Cause}
	told, known := m.blind.told[k]
	if known && m.now-told < quietAfter || !known && len(m.blind.told) >= maxWatched {
		return
	}
	m.blind.told[k] = m.now
	m.raise(Alert{ID: hashID("unwatched", s.Interface, s.Cause), Kind: KindBlind, Severity: severities[medium], Since: s.From, Text: s.Interface + " was not watched as a whole for " + words(s.To-s.From) + ": " + s.Cause})
}

func blindID(iface string) string { return hashID("blind", iface) }
