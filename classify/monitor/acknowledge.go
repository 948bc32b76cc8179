package monitor

import (
	"maps"
	"slices"

	"pcapaudit/rules"
)

// Acknowledged says who knows of a finding.
type Acknowledged struct {
	Who, Text string
	Until     int64 // ns since 1970 UTC; not after the time of an alert about a finding that is told again because this is over
}

// acknowledged is a finding that is not told.
type acknowledged struct {
	Acknowledged
	held *Alert // the last one of it that was held back, unless what it told is over
}

// Acknowledge has the alerts about the findings of list held back until the end of each acknowledgement, in place of those of the list before. What becomes graver is told all
// the same. A finding that goes on when its acknowledgement ends, or is not in the list any more, is told again.
func (m *Monitor) Acknowledge(now int64, list []*rules.Acknowledgement) {
	m.advance(now)
	before := m.acknowledged
	m.acknowledged = map[string]*acknowledged{}
	for _, n := range list {
		if n.End() <= m.now {
			continue
		}
		a := &acknowledged{Acknowledged: Acknowledged{n.Who, n.Text, n.End()}}
		if old := before[n.Finding]; old != nil {
			a.held = old.held
			delete(before, n.Finding)
		}
		m.acknowledged[n.Finding] = a
	}
	for _, id := range slices.Sorted(maps.Keys(before)) {
		m.lapse(id, before[id])
	}
}

// lapsed tells what goes on and is not acknowledged any more.
func (m *Monitor) lapsed() {
	var over []string
	for id, a := range m.acknowledged {
		if a.Until <= m.now {
			over = append(over, id)
		}
	}
	slices.Sort(over)
	for _, id := range over {
		a := m.acknowledged[id]
		delete(m.acknowledged, id)
		m.lapse(id, a)
	}
}

// lapse ends an acknowledgement that is in force no more.
func (m *Monitor) lapse(id string, a *acknowledged) {
	again, goesOn := m.ongoing(id)
	if a.held != nil {
		if s := m.stories.get(id); s != nil && s.Resolved {
			return
		}
		first := *a.held
		if goesOn {
			first.Severity, first.Connections, first.Bytes = again.Severity, again.Connections, again.Bytes
		}
		again, goesOn = first, true
	}
	if !goesOn {
		return
	}
	over := a.Acknowledged
	over.Until = min(over.Until, m.now)
	again.Acknowledged = &over
	if again.Change != "" {
		again.Change = ChangeAgain
	}
	m.raise(again)
}

// ongoing is an alert about a finding that was told and is not over.
func (m *Monitor) ongoing(id string) (a Alert, ok bool) {
	if s := m.stories.get(id); s != nil && !s.Resolved {
		a = Alert{ID: id, Kind: KindFinding, Change: ChangeAgain, Severity: severities[s.Severity], Text: s.Summary, Connections: s.Connections, Bytes: s.Bytes, Since: s.Since}
		if s.Kind == "expectation" {
			a.Kind = KindMissing
		}
		return a, true
	}
	for _, u := range m.uses {
		if u.Missing && u.id() == id {
			return Alert{ID: id, Kind: KindMissing, Severity: severities[high], Since: u.Seen, Text: u.Host + " does not use " + u.Flow}, true
		}
	}
	return Alert{}, false
}

// hold says whether an alert is not to be told now, because what it is about is acknowledged.
func (m *Monitor) hold(a *Alert) bool {
	known := m.acknowledged[a.ID]
	if known == nil {
		return false
	}
	switch a.Kind {
	case KindFinding, KindMissing:
		if a.Change == ChangeGraver {
			a.Acknowledged = &known.Acknowledged
			return false
		}
		held := *a
		known.held = &held
	case KindResolved, KindRecovered:
		known.held = nil
	default:
		return false
	}
	m.counters.Acknowledged++
	return true
}
