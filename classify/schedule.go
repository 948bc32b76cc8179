package classify

import (
	"fmt"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered of schedules.
const (
	maxUsedWindows = 1 << 12 // of one flow and host; beyond it they cannot be told from missed ones, and their absence proves nothing
	maxWindowsKept = 1 << 20 // of all
	maxDueWindows  = 1 << 14 // that one audit judges for one flow and host, the first ones
	maxMissedShown = 100     // that an audit names for one flow and host
)

// ScheduledUse is an expectation with a schedule: a flow of one originating host of the site. Flow and Host are as the audit names them.
type ScheduledUse struct {
	Flow, Host string
	Schedule   *rules.Schedule
	Seen       int64  // latest packet of a connection that used it, in ns since 1970; 0: there was none
	Doubt      string // why absence proves nothing here as far as is known now; "" where it does
}

// scheduled is what was seen of a flow and a host with a schedule.
type scheduled struct {
	seen    int64
	windows map[int64]struct{} // used ones, by their beginnings
	only    rules.Window       // the last one used
	clear   int64              // from here to its end a use tells nothing new
	crowded bool
}

// schedules follows the uses of flows with a schedule.
type schedules struct {
	any     bool // the site has a schedule
	rows    map[expectKey]*scheduled
	carried map[flowHost]int64 // latest uses before this auditor's time
	windows int
	unkept  uint64
}

func newSchedules(set *rules.Set, before []ScheduledUse) schedules {
	s := schedules{any: len(set.Schedules()) > 0, rows: map[expectKey]*scheduled{}, carried: map[flowHost]int64{}}
	for _, u := range before {
		s.carried[flowHost{u.Flow, u.Host}] = u.Seen
	}
	return s
}

// use notes that a connection used a flow: in every window from its first packet to its last.
func (s *schedules) use(a *Auditor, key expectKey, c *flow.Conn) {
	if !s.any || key.orig.host == nil {
		return
	}
	plan := a.set.Schedule(key.flow, key.orig.host)
	if plan == nil {
		return
	}
	r := s.rows[key]
	if r == nil {
		if len(s.rows) >= maxTracked {
			s.unkept++
			return
		}
		r = &scheduled{windows: map[int64]struct{}{}}
		s.rows[key] = r
	}
	r.seen = max(r.seen, c.Last)
	if r.clear <= c.First && c.Last < r.only.Until {
		return
	}
	for w := range plan.Windows(max(c.First, a.opts.Since, c.Last-maxUse), c.Last) {
		s.mark(r, w)
	}
	if c.First < r.clear && r.only.From <= c.Last {
		r.clear = r.only.From // the one before is used as well
	}
}

// maxUse is how much of a long connection counts for a schedule: its last 366 days.
const maxUse = int64(366 * 24 * 3600e9)

// mark notes that a window was used.
func (s *schedules) mark(r *scheduled, w rules.Window) {
	if w.From >= r.only.From {
		r.clear, r.only = w.From+w.Deadline-w.Until, w
	}
	if _, known := r.windows[w.From]; known {
		return
	}
	if len(r.windows) >= maxUsedWindows || s.windows >= maxWindowsKept {
		r.crowded = true
		s.unkept++
		return
	}
	s.windows++
	r.windows[w.From] = struct{}{}
}

// seen is the latest use of a flow by a host, also before this auditor's time.
func (s *schedules) seen(key expectKey) int64 {
	latest := s.carried[flowHost{key.flow.Ref(), key.orig.name()}]
	if r := s.rows[key]; r != nil {
		latest = max(latest, r.seen)
	}
	return latest
}

// due is what the windows of a schedule come to that lie in the time covered.
type due struct {
	plan   *rules.Schedule // nil: there is none
	ended  int             // windows
	hidden int             // of them, not used as far as is known, and touched by time that was not covered
	missed []rules.Window  // covered and not used
}

func (d *due) lacks() bool { return d.hidden > 0 || len(d.missed) > 0 }

// due judges the windows of a host's schedule.
func (a *Auditor) due(f *rules.Flow, p party, w *window) due {
	var d due
	if !a.schedules.any || p.host == nil {
		return d
	}
	if d.plan = a.set.Schedule(f, p.host); d.plan == nil {
		return d
	}
	key := expectKey{f, p}
	r, carried := a.schedules.rows[key], a.schedules.carried[flowHost{f.Ref(), p.name()}]
	for o := range d.plan.Windows(max(w.begin, w.start), w.end) {
		if o.From < w.begin || o.Deadline > w.end {
			continue
		}
		if d.ended++; d.ended > maxDueWindows {
			break
		}
		used := o.From <= carried && carried < o.Deadline
		if r != nil {
			_, known := r.windows[o.From]
			used = used || known
		}
		switch {
		case used:
		case w.touched(o.From, o.Deadline) || r != nil && r.crowded:
			d.hidden++
		default:
			d.missed = append(d.missed, o)
		}
	}
	return d
}

// words say which windows were missed; there is one.
func (d *due) words() string {
	w := d.missed[len(d.missed)-1]
	return fmt.Sprintf(" in %d of %s (%s), last %s to %s", len(d.missed), plural(uint64(d.ended), "window"), d.plan, brief(flow.Stamp(w.From)), brief(flow.Stamp(w.Until)))
}

// export names the missed windows, the last ones.
func (d *due) export() []Gap {
	var list []Gap
	for _, w := range d.missed[max(0, len(d.missed)-maxMissedShown):] {
		list = append(list, Gap{flow.Stamp(w.From), flow.Stamp(w.Until)})
	}
	return list
}

// Scheduled lists the expectations with a schedule that hold at a time, in the order of packs, flows and the site's hosts. Those whose condition is off are left out,
// and so are hosts of a prefix that were not seen.
func (a *Auditor) Scheduled(now int64) []ScheduledUse {
	if !a.schedules.any {
		return nil
	}
	a.settleAll()
	a.people = a.sight.people()
	a.losses.judge(a.lossBound())
	var list []ScheduledUse
	w := &window{from: now, last: now}
	for _, p := range a.set.Packs {
		for _, f := range p.Flows {
			if p.Kind == rules.Baseline || f.Reference || !a.set.Scheduled(f) {
				continue
			}
			x := a.expectedFlow(f, w)
			if x.state == rules.Off {
				continue
			}
			for _, who := range a.originators(f) {
				if plan := a.set.Schedule(f, who.host); plan != nil {
					list = append(list, ScheduledUse{Flow: f.Ref(), Host: who.name(), Schedule: plan, Seen: a.schedules.seen(expectKey{f, who}), Doubt: a.doubt(x, who, w)})
				}
			}
		}
	}
	return list
}

// originators are the hosts that should open a flow, each once, in the site's order; hosts of a prefix are those that were seen.
func (a *Auditor) originators(f *rules.Flow) []party {
	var list []party
	listed := map[party]bool{}
	for _, role := range f.FromRoles() {
		for _, h := range a.set.HostsOf(role) {
			for _, p := range a.parties(h) {
				if !listed[p] {
					listed[p] = true
					list = append(list, p)
				}
			}
		}
	}
	return list
}

// doubt is why the absence of a flow would prove nothing for a host; "" where it would.
func (a *Auditor) doubt(x *expected, p party, w *window) string {
	s := verdictOn{party: p}
	switch {
	case x.untestable != "":
		return x.untestable
	case x.state == rules.Unknown:
		return "the site does not say whether " + conditionWords(x.flow.Condition)
	case a.set.Hidden(p.host):
		return p.name() + " is behind a source translation"
	case inside(x, p):
		return p.name() + " holds both roles"
	case a.retired(p, w):
		return p.name() + " has no address at that time"
	}
	a.unseen(&s, x, a.lacking(x, p, nil), w)
	return s.reason
}
