package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// told is the status of one expectation in one audit.
type told struct {
	HostStatus
	file  string
	named bool // the audit's finding on attempts names the host

	from, last string // what the audit covers
	timeless   bool   // it is a part that covers no time, or none at all
}

// expectations merges them host by host, with the findings that follow and what they contribute to the result.
func (c *combination) expectations() (rows []Expectation, found []Finding, open openCounts) {
	rows = []Expectation{}
	byFlow := make([]map[string]*Expectation, len(c.list))
	named := make([]map[flowHost]bool, len(c.list))
	for i, s := range c.list {
		byFlow[i], named[i] = map[string]*Expectation{}, map[flowHost]bool{}
		for j := range s.Audit.Expectations {
			byFlow[i][s.Audit.Expectations[j].Flow] = &s.Audit.Expectations[j]
		}
		for j := range s.Audit.Findings {
			if f := &s.Audit.Findings[j]; f.Kind == kindExpectation && f.Verdict == attempted.String() {
				for _, h := range f.Hosts {
					named[i][flowHost{f.Flow, h}] = true
				}
			}
		}
	}
	for _, flow := range c.expectedFlows() {
		row, list := c.expectation(flow, byFlow, named)
		rows = append(rows, row)
		found = append(found, c.unmet(&row, list, &open)...)
	}
	return rows, found, open
}

// expectedFlows are the flows of all audits, in the order in which they first appear.
func (c *combination) expectedFlows() []string {
	var list []string
	known := map[string]bool{}
	for _, s := range c.list {
		for i := range s.Audit.Expectations {
			if flow := s.Audit.Expectations[i].Flow; !known[flow] {
				known[flow] = true
				list = append(list, flow)
			}
		}
	}
	return list
}

// expectation merges the rows of one flow. What it is, the last audit that has it says; those of a sequence that do not know it say nothing.
func (c *combination) expectation(flow string, byFlow []map[string]*Expectation, named []map[flowHost]bool) (Expectation, []told) {
	var row Expectation
	for i := range c.list {
		if x := byFlow[i][flow]; x != nil {
			row = *x
		}
	}
	hosts, known := map[string]bool{}, make([]map[string]HostStatus, len(c.list))
	unnamed := 0
	row.Samples = nil
	for i := range c.list {
		known[i] = map[string]HostStatus{}
		x := byFlow[i][flow]
		if x == nil {
			continue
		}
		for _, h := range x.Open {
			known[i][h.Host], hosts[h.Host] = h, true
		}
		for _, h := range x.Observed {
			known[i][h], hosts[h] = HostStatus{Host: h, Status: observed.String()}, true
		}
		unnamed = max(unnamed, x.unnamed())
		for _, e := range x.Samples {
			row.Samples = append(row.Samples, c.shifted(i, e))
		}
	}
	row.Samples = firstEvidence(row.Samples, maxSamples)
	var list []told
	for _, host := range sortedKeys(hosts) {
		var of []told
		for i, s := range c.list {
			h, ok := known[i][host]
			if c.sequence && byFlow[i][flow] == nil {
				continue
			}
			switch x := byFlow[i][flow]; {
			case ok:
			case x == nil || x.unnamed() > 0:
				h = HostStatus{Host: host, Status: notTestable.String(), Cause: causeNames[causeBlind], Reason: "the audit counts more hosts than it names"}
			default:
				h = HostStatus{Host: host, Status: notTestable.String(), Cause: causeNames[causeSilent], Reason: host + " was never seen"}
			}
			p := &s.Audit.Period
			of = append(of, told{h, s.File, named[i][flowHost{flow, host}], p.CoveredFrom, p.CoveredLast, c.sequence && p.CoveredFrom == p.CoveredLast})
		}
		list = append(list, mergeStatuses(c.holed(of)))
	}
	c.fill(&row, list, unnamed)
	return row, list
}

func sortedKeys(set map[string]bool) []string {
	list := make([]string, 0, len(set))
	for k := range set {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// fill counts the hosts of a row. Those that no audit names are not testable here.
func (c *combination) fill(row *Expectation, list []told, unnamed int) {
	row.Open, row.Observed, row.Statuses, row.Hosts = []HostStatus{}, []string{}, []StatusCount{}, len(list)+unnamed
	var n [numStatuses]int
	silent := 0
	n[notTestable] = unnamed
	for _, t := range list {
		n[statusOfName(t.Status)]++
		switch {
		case t.Status != observed.String() && len(row.Open) < maxOpenHosts:
			row.Open = append(row.Open, t.HostStatus)
		case t.Status == observed.String() && len(row.Observed) < maxOpenHosts:
			row.Observed = append(row.Observed, t.Host)
		}
		if t.Cause == causeNames[causeSilent] {
			silent++
		}
	}
	for s, hosts := range n {
		if hosts > 0 {
			row.Statuses = append(row.Statuses, StatusCount{status(s).String(), hosts})
		}
	}
	slices.SortStableFunc(row.Open, func(a, b HostStatus) int { return cmp.Compare(statusOfName(a.Status), statusOfName(b.Status)) })
	if row.Hosts > 0 && !strings.HasPrefix(row.Summary, "not testable: ") { // what no capture can test is worded by its reason
		row.Summary = countsSummary(n, silent, row.Hosts)
	}
}

// statusOfName reads a word of HostStatus; an unknown one is not testable.
func statusOfName(s string) status {
	if i := slices.Index(statusNames[:], s); i >= 0 {
		return status(i)
	}
	return notTestable
}

// mergeStatuses gives the status of an expectation in all audits together, which is that of one audit of all captures as far as they can tell:
//
//   - missing if a window of its schedule passed without a use, and no other audit of that time saw it observed;
//   - observed if any saw it, and no window of its schedule ended where another could not tell: then not testable;
//   - not testable if packs and site do not let it be tested;
//   - attempted or missing if one audit says so and every other that should have shown it could: one in which the host was never seen, or whose capture
//     point does not see the pair, takes nothing away; one that was blind there (period, loss, filter, tunnel) makes it not testable;
//   - else not testable if an audit was blind, then not observed, not testable (silent, vantage) and last, where all say so, not triggered.
func mergeStatuses(of []told) told {
	first := func(holds func(*told) bool) *told {
		for i := range of {
			if holds(&of[i]) {
				return &of[i]
			}
		}
		return nil
	}
	is := func(s status) *told { return first(func(t *told) bool { return statusOfName(t.Status) == s }) }
	because := func(k cause) *told {
		return first(func(t *told) bool {
			return statusOfName(t.Status) == notTestable && (t.Cause == causeNames[k] || k == causeBlind && !slices.Contains(causeNames[:], t.Cause))
		})
	}
	blind := because(causeBlind)
	late := missedWindows(of)
	unmet := cmp.Or(is(attempted), is(missing))
	pick := cmp.Or(late, metUnlessDue(of, is(observed)), because(causeSite), unmet, blind, is(notObserved), because(causeVantage), because(causeSilent), is(notTriggered))
	out := *pick
	switch {
	case late != nil:
	case pick == unmet && blind != nil:
		out.Status, out.Cause = notTestable.String(), causeNames[causeBlind]
		why := blind.Reason
		if i := strings.LastIndex(why, " not testable: "); i >= 0 { // it is of a combined audit: the first cause is enough
			why = why[i+len(" not testable: "):]
		}
		out.Reason = fmt.Sprintf("%s in %s, and in %s not testable: %s", strings.ReplaceAll(unmet.Status, "-", " "), unmet.file, blind.file, why)
	case statusOfName(pick.Status) == observed:
		out.HostStatus = HostStatus{Host: pick.Host, Status: observed.String()}
	default:
		n, all := 0, 0
		for i := range of {
			if of[i].timeless {
				continue
			}
			all++
			if of[i].Status == pick.Status {
				n++
			}
		}
		if !pick.timeless && n < all && !strings.HasSuffix(out.Reason, " audits)") {
			out.Reason += fmt.Sprintf(" (so in %d of %d audits)", n, all)
		}
	}
	out.Decides = false
	for i := range of {
		same := of[i].Status == out.Status
		out.named = out.named || same && of[i].named
		switch statusOfName(out.Status) {
		case missing, attempted:
			out.Decides = out.Decides || of[i].Decides && (same || of[i].Status == missing.String())
		case notTestable:
			out.Decides = out.Decides || of[i].Decides
		}
	}
	return out
}

// metUnlessDue gives the status of an expectation that was met in some audit: that one, or of an audit of another time in which windows of its schedule ended and that cannot
// tell.
func metUnlessDue(of []told, met *told) *told {
	if met == nil {
		return nil
	}
	for i := range of {
		t := &of[i]
		elsewhere := slices.ContainsFunc(of, func(o told) bool { return statusOfName(o.Status) == observed && o.from <= t.from && t.last <= o.last })
		if statusOfName(t.Status) == notTestable && t.Due > 0 && !elsewhere {
			return t
		}
	}
	return met
}

// missedWindows gives the status that says missing for windows of a schedule, with those of all audits; nil where there are none. An audit that covers such a window and says
// observed saw it used; one that was blind in its time may have missed it.
func missedWindows(of []told) *told {
	var late *told
	for i := range of {
		var missed []Gap
		for _, w := range of[i].Missed {
			if !slices.ContainsFunc(of, func(o told) bool { return o.excuses(w) }) {
				missed = append(missed, w)
			}
		}
		if len(missed) == 0 || statusOfName(of[i].Status) != missing {
			continue
		}
		next := of[i]
		if late != nil {
			missed = append(slices.Clone(late.Missed), missed...)
		}
		slices.SortFunc(missed, func(a, b Gap) int { return cmp.Compare(a.From, b.From) })
		missed = slices.Compact(missed)
		next.Missed, late = missed[max(0, len(missed)-maxMissedShown):], &next
	}
	return late
}

func (t *told) excuses(w Gap) bool {
	switch statusOfName(t.Status) {
	case observed:
		return t.from <= w.From && w.Until <= t.last
	case notTestable:
		return t.Cause == causeNames[causeBlind] && t.from < w.Until && w.From < t.last
	}
	return false
}

// unmet gives the findings of a row, as a single audit does, and counts what decides.
func (c *combination) unmet(row *Expectation, list []told, open *openCounts) []Finding {
	var found []Finding
	template := c.expectationTemplate(row.Flow)
	for _, s := range []status{missing, attempted, notTestable} {
		var hosts []HostStatus
		decides := 0
		for _, t := range list {
			if statusOfName(t.Status) == s && (t.Decides || s == attempted && t.named) {
				hosts = append(hosts, t.HostStatus)
			}
			if statusOfName(t.Status) == s && t.Decides {
				decides++
			}
		}
		switch s {
		case missing:
			open.missing += decides
		case attempted:
			open.attempted += decides
		default:
			open.untestable += decides
		}
		if len(hosts) > 0 && template != nil {
			found = append(found, unmetFinding(template, row, s, hosts))
		}
	}
	return found
}
