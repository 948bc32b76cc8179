package monitor

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"pcapaudit/capture/flow"
	"pcapaudit/classify"
	"pcapaudit/rules"
)

const (
	maxUses  = 1 << 16                 // scheduled expectations that are followed
	lookEach = int64(10 * time.Second) // between looks at expectations that are missing or in doubt; the others are looked at when a window has passed
	lookDays = int64(10 * 24 * time.Hour)
)

// useKey is an expectation: a flow and an originating host, as audits name them.
type useKey struct{ flow, host string }

// use is what is known of a scheduled expectation.
type use struct {
	Flow    string `json:"flow"`
	Host    string `json:"host"`
	Seen    int64  `json:"seen"` // latest use, 0 for none
	Missing bool   `json:"missing"`
	Missed  int64  `json:"missed"` // where Missing: the beginning of the window that was missed
}

// looks is when scheduled expectations are looked at.
type looks struct {
	deadline int64 // of the next window
	again    int64 // sooner, because something is missing or in doubt
}

// plan finds the next deadline of the schedules that hold.
func (m *Monitor) plan() {
	m.looks = looks{never, never}
	for _, s := range m.set.Schedules() {
		for w := range s.Windows(m.now, m.now+lookDays) {
			if w.Deadline > m.now {
				m.looks.deadline = min(m.looks.deadline, w.Deadline)
				break
			}
		}
	}
	if len(m.set.Schedules()) > 0 {
		m.looks.deadline = min(m.looks.deadline, m.now+lookDays)
	}
}

// overdue judges the scheduled expectations of which a window has passed.
func (m *Monitor) overdue() {
	if m.now < min(m.looks.deadline, m.looks.again) {
		return
	}
	passed := m.now >= m.looks.deadline
	list := m.auditor.Scheduled(m.now)
	if m.needed(list, passed) {
		list = m.auditor.Scheduled(m.now)
	}
	m.plan()
	due := map[useKey]bool{}
	for i := range list {
		due[useKey{list[i].Flow, list[i].Host}] = true
		if m.expected(&list[i]) {
			m.looks.again = m.now + lookEach
		}
	}
	m.unplanned(due)
}

// missed gives the window in which an expectation was not met, as far as is known.
func (m *Monitor) missed(u *classify.ScheduledUse) (from int64, missed bool) {
	from, until, ok := u.Schedule.Last(m.now)
	return from, ok && u.Seen < from && u.Doubt == "" && !m.blind.touches(from, until)
}

// needed has open connections looked at, where one of them may be the use that is missing; false where none need be.
func (m *Monitor) needed(list []classify.ScheduledUse, passed bool) bool {
	if m.opts.Open == nil {
		return false
	}
	hosts := map[*rules.Host]bool{}
	byName := map[string]*rules.Host{}
	if m.set.Site != nil {
		for _, h := range m.set.Site.Hosts {
			byName[h.Name] = h
		}
	}
	for i := range list {
		old := m.uses[useKey{list[i].Flow, list[i].Host}]
		known := old != nil && old.Missing
		if _, missed := m.missed(&list[i]); missed && (!known || passed) {
			hosts[byName[hostEntry(list[i].Host)]] = true
		}
	}
	if len(hosts) == 0 {
		return false
	}
	m.opts.Open(func(c *flow.Conn) {
		if hosts[m.set.Lookup(c.Orig.Addr(), c.First).Host] || hosts[m.set.Lookup(c.Resp.Addr(), c.First).Host] {
			m.auditor.Preview(c)
		}
	})
	return true
}

// hostEntry is the site's name of a host that an audit names with its address, because one entry stands for many.
func hostEntry(name string) string {
	if i := strings.LastIndexByte(name, ' '); i >= 0 {
		if _, err := netip.ParseAddr(name[i+1:]); err == nil {
			return name[:i]
		}
	}
	return name
}

// expected tells what is new about a scheduled expectation. again is true where it must be looked at before the next window has passed.
func (m *Monitor) expected(s *classify.ScheduledUse) (again bool) {
	k := useKey{s.Flow, s.Host}
	u := m.uses[k]
	if u == nil {
		if len(m.uses) >= maxUses {
			m.counters.Uses++
			return false
		}
		u = &use{Flow: s.Flow, Host: s.Host}
		m.uses[k] = u
	}
	u.Seen = max(u.Seen, s.Seen)
	from, missed := m.missed(s)
	switch {
	case u.Missing && u.Seen >= u.Missed:
		u.Missing = false
		m.raise(Alert{ID: u.id(), Kind: KindRecovered, Severity: severities[info], Since: u.Seen, Text: s.Host + " uses " + s.Flow + " again"})
	case !u.Missing && missed:
		u.Missing, u.Missed = true, from
		m.raise(Alert{ID: u.id(), Kind: KindMissing, Severity: severities[high], Since: u.Seen, Text: s.Host + " did not use " + s.Flow + " in its time (" + s.Schedule.String() + ")",
			Next: "find out on " + s.Host + " why it did not"})
	}
	return u.Missing || s.Doubt != ""
}

// unplanned forgets expectations that are none any more. Those of hosts behind a prefix are listed only where the auditor has seen them: they are kept.
func (m *Monitor) unplanned(due map[useKey]bool) {
	scheduled := m.scheduled()
	for _, k := range m.sortedUses() {
		if due[k] || hostEntry(k.host) != k.host && scheduled[k.flow] {
			continue
		}
		u := m.uses[k]
		delete(m.uses, k)
		if u.Missing {
			m.raise(Alert{ID: u.id(), Kind: KindRecovered, Severity: severities[info], Text: k.host + " is not expected to use " + k.flow + " any more"})
		}
	}
}

// scheduled are the flows, as audits name them, that the rules have a schedule for.
func (m *Monitor) scheduled() map[string]bool {
	flows := map[string]bool{}
	for _, p := range m.set.Packs {
		for _, f := range p.Flows {
			if m.set.Scheduled(f) {
				flows[f.Ref()] = true
			}
		}
	}
	return flows
}

func (m *Monitor) sortedUses() []useKey {
	return slices.SortedFunc(maps.Keys(m.uses), func(a, b useKey) int { return cmp.Or(cmp.Compare(a.flow, b.flow), cmp.Compare(a.host, b.host)) })
}

func (u *use) id() string { return hashID("missing", u.Flow, u.Host) }

// followed brings uses up to date before an auditor goes, and gives what the next one must know.
func (m *Monitor) followed() []classify.ScheduledUse {
	if m.auditor != nil {
		for _, s := range m.auditor.Scheduled(m.now) {
			k := useKey{s.Flow, s.Host}
			if u := m.uses[k]; u != nil {
				u.Seen = max(u.Seen, s.Seen)
			} else if len(m.uses) < maxUses {
				m.uses[k] = &use{Flow: s.Flow, Host: s.Host, Seen: s.Seen}
			}
		}
	}
	var list []classify.ScheduledUse
	for _, k := range m.sortedUses() {
		list = append(list, classify.ScheduledUse{Flow: k.flow, Host: k.host, Seen: m.uses[k].Seen})
	}
	return list
}
