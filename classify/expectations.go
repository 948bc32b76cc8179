package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"pcapaudit/rules"
)

// openCounts is what expectations contribute to the result.
type openCounts struct{ missing, attempted, untestable int }

// expectations applies every vendor and local flow to the hosts that should originate it.
func (a *Auditor) expectations(w *window, files []Input) (rows []Expectation, found []Finding, open openCounts) {
	tracks := map[*rules.Flow][]party{}
	for k := range a.expect.rows {
		tracks[k.flow] = append(tracks[k.flow], k.orig)
	}
	rows, found = []Expectation{}, []Finding{}
	done := map[party]bool{}
	for _, p := range a.set.Packs {
		if p.Kind == rules.Baseline {
			continue
		}
		for _, f := range p.Flows {
			if f.Reference {
				continue
			}
			x := a.expectedFlow(f, w)
			clear(done)
			list := a.statuses(x, tracks[f], w, done)
			rows = append(rows, a.expectationRow(x, list, files))
			found = append(found, a.expectationFindings(x, list, &open, files)...)
		}
	}
	return rows, found, open
}

// expectedFlow finds what all hosts share: condition, responders, and whether the flow can be tested at all.
func (a *Auditor) expectedFlow(f *rules.Flow, w *window) *expected {
	x := &expected{flow: f, state: a.set.Condition(f, w.from)}
	if later := a.set.Condition(f, w.last); later == rules.On || x.state == rules.Off {
		x.state = later
	}
	bound := false
	for _, name := range f.ToRoles() {
		if reserved(name) {
			x.reserved = append(x.reserved, name)
			bound = true
			continue
		}
		for _, h := range a.set.HostsOf(name) {
			if !slices.Contains(x.hosts, h) {
				x.hosts = append(x.hosts, h)
			}
		}
		x.documented = append(x.documented, roleAddresses(f.Pack, name)...)
		bound = bound || a.set.Bound(name)
	}
	switch {
	case a.set.Site == nil:
		x.untestable = "no site file was given"
	case !bound:
		x.untestable = "no host of the site holds " + roleList(f.To)
	case a.portless(f):
		x.untestable = "the document states no port"
	}
	return x
}

// statuses judges every originating host, in the site's order; hosts of a prefix are those that were seen. Parties without a host entry that used the flow come last.
// done is empty, and used for those that were judged.
func (a *Auditor) statuses(x *expected, tracks []party, w *window, done map[party]bool) []verdictOn {
	hosts := 0
	for _, role := range x.flow.FromRoles() {
		hosts += len(a.set.HostsOf(role))
	}
	list := make([]verdictOn, 0, hosts+len(tracks)) // of sites with thousands of hosts most of the time went into making room
	judge := func(p party) {
		if done[p] {
			return
		}
		done[p] = true
		var t *tracked
		if len(tracks) > 0 {
			t = a.expect.rows[expectKey{x.flow, p}]
		}
		list = append(list, a.statusOf(x, p, t, w))
	}
	for _, role := range x.flow.FromRoles() {
		for _, h := range a.set.HostsOf(role) {
			if _, many := a.peopled[h]; !many {
				judge(party{host: h})
				continue
			}
			for _, p := range a.parties(h) {
				judge(p)
			}
		}
	}
	slices.SortFunc(tracks, compareParties)
	for _, p := range tracks {
		judge(p)
	}
	return list
}

func compareParties(a, b party) int {
	return cmp.Or(cmp.Compare(a.name(), b.name()), a.addr.Compare(b.addr))
}

// parties of a host entry: itself, or where it stands for many those that were seen; itself if none was.
func (a *Auditor) parties(h *rules.Host) []party {
	exact, many := a.peopled[h]
	if !many {
		return []party{{host: h}}
	}
	list := slices.Clone(a.people[h])
	if len(exact) > 0 && !slices.Contains(list, party{host: h}) || len(list) == 0 {
		list = append([]party{{host: h}}, list...)
	}
	return list
}

func (a *Auditor) expectationRow(x *expected, list []verdictOn, files []Input) Expectation {
	f := x.flow
	row := Expectation{Flow: f.Ref(), Title: f.Title, Service: a.service(f), Need: f.Need, Occurrence: f.Occurrence, From: f.From, To: f.To,
		Hosts: len(list), Statuses: []StatusCount{}, Open: []HostStatus{}, Observed: []string{}, Samples: evidence(a.expect.samplesOf(f), files), Cite: cites(f)}
	var counts [numStatuses]int
	silent, open := 0, 0
	shown := list // of it the hosts that are not observed are named
	for i := range list {
		s := &list[i]
		counts[s.status]++
		if s.status != observed {
			if open++; open == maxOpenHosts {
				shown = list[:i+1]
			}
		}
		if s.status == notTestable && s.cause == causeSilent {
			silent++
		}
		if s.status == observed && len(row.Observed) < maxOpenHosts {
			row.Observed = append(row.Observed, s.party.name())
		}
	}
	for s, n := range counts {
		if n > 0 {
			row.Statuses = append(row.Statuses, StatusCount{status(s).String(), n})
		}
	}
	row.Summary = a.statusSummary(x, counts, silent, len(list))
	row.Open = slices.Grow(row.Open, min(open, maxOpenHosts))
	for s := missing; s < numStatuses; s++ {
		for i := range shown {
			if counts[s] > 0 && shown[i].status == s {
				row.Open = append(row.Open, shown[i].export())
			}
		}
	}
	return row
}

func (v *verdictOn) export() HostStatus {
	h := HostStatus{Host: v.party.name(), Status: v.status.String(), Reason: v.reason, Decides: v.decides, Due: v.due.ended}
	if v.status == missing {
		h.Missed = v.due.export()
	}
	if v.status == notTestable {
		h.Cause = causeNames[v.cause]
	}
	return h
}

// statusSummary gives "584 of 600 observed, 9 missing, 4 silent, 3 not testable".
func (a *Auditor) statusSummary(x *expected, counts [numStatuses]int, silent, hosts int) string {
	if hosts == 0 {
		switch {
		case x.untestable != "":
			return "not testable: " + x.untestable
		case slices.ContainsFunc(x.flow.From, reserved):
			return "not observed"
		}
		return "not testable: no host of the site holds " + roleList(x.flow.From)
	}
	if x.untestable != "" {
		return "not testable: " + x.untestable
	}
	return countsSummary(counts, silent, hosts)
}

func countsSummary(counts [numStatuses]int, silent, hosts int) string {
	parts := []string{fmt.Sprintf("%d of %d observed", counts[observed], hosts)}
	for _, p := range []struct {
		n    int
		word string
	}{{counts[missing], "missing"}, {counts[attempted], "attempted, no connection"}, {counts[notObserved], "not observed"}, {counts[notTriggered], "not triggered"},
		{silent, "silent"}, {counts[notTestable] - silent, "not testable"}} {
		if p.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.word))
		}
	}
	return strings.Join(parts, ", ")
}

// expectationFindings is one finding for the missing hosts of a flow, one for those that tried, one for those that decide that the result is inconclusive.
// Attempts that another flow covers better, and that decide nothing, are that flow's.
func (a *Auditor) expectationFindings(x *expected, list []verdictOn, open *openCounts, files []Input) []Finding {
	var found []Finding
	for _, s := range []status{missing, attempted, notTestable} {
		var of []verdictOn
		decides := 0
		for i := range list {
			v := &list[i]
			if v.status == s && (v.decides || s == attempted && v.named) {
				of = append(of, *v)
			}
			if v.status == s && v.decides {
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
		if len(of) > 0 {
			found = append(found, a.expectationFinding(x, s, of, decides > 0, files))
		}
	}
	return found
}

// statusClauses word an expectation that is not met: who, service, whom, flow.
var statusClauses = map[status]string{
	missing:     "%s never opened %s to %s (%s)",
	attempted:   "%s tried %s to %s and got no connection (%s)",
	notTestable: "whether %s opened %s to %s could not be tested (%s)",
}

// scheduleClause words missing where a window of a schedule passed without a use; in others there may have been some.
const scheduleClause = "%s did not open %s to %s when the site expects it (%s)"

func (a *Auditor) expectationFinding(x *expected, s status, of []verdictOn, decides bool, files []Input) Finding {
	f := x.flow
	out := Finding{Kind: kindExpectation, Severity: severities[statusSeverity(s, decides)], Verdict: s.String(), Why: []string{}, Flow: f.Ref(), Decides: decides,
		Service: a.service(f), Proto: f.Proto, Port: strings.Join(f.Ports, ","), Orig: EndRef{Roles: f.FromRoles()}, Resp: EndRef{Roles: f.ToRoles()},
		Outcomes: []OutcomeCount{}, Evidence: []Evidence{}, Hosts: []string{}, Cite: cites(f), Look: of[0].reason}
	var tried []seen
	for _, v := range of[:min(len(of), maxOpenHosts)] {
		out.Hosts = append(out.Hosts, v.party.name())
		tried = append(tried, v.tried...)
	}
	if s == attempted {
		slices.SortFunc(tried, func(a, b seen) int { return a.id.Compare(b.id) })
		out.Evidence = evidence(tried[:min(len(tried), maxEvidence)], files)
	}
	who := of[0].party.name()
	if len(of) > 1 {
		who = plural(uint64(len(of)), "host")
	}
	clause := statusClauses[s]
	if s == missing && !slices.ContainsFunc(of, func(v verdictOn) bool { return len(v.due.missed) == 0 }) {
		clause = scheduleClause
	}
	out.Summary = fmt.Sprintf(clause, who, a.service(f), article(f.To), f.Ref())
	out.Reason = fmt.Sprintf("%s is %s: %s", f.Ref(), needWords(f), f.Title)
	if plan := of[0].due.plan; plan != nil {
		out.Reason += "; the site expects it " + plan.String()
	} else if a.set.Expected(f, of[0].party.host) == rules.ExpectedIn {
		out.Reason += "; the site expects it in this period"
	}
	out.ID = findingID(out.Kind, out.Verdict, "", out.Flow, "", "", out.Proto, out.Port, "")
	return out
}

func needWords(f *rules.Flow) string {
	if f.Need == "conditional" {
		return f.Occurrence + " and required where " + conditionWords(f.Condition)
	}
	if f.Need == "unstated" || f.Need == "" {
		return f.Occurrence
	}
	return f.Need + " and " + f.Occurrence
}

// silentHosts is a finding for each host that the site expects to be active and that sent nothing.
func (a *Auditor) silentHosts(w *window) []Finding {
	var found []Finding
	if a.set.Site == nil {
		return nil
	}
	for _, h := range a.set.Site.Hosts {
		if !h.ExpectedActive || len(a.people[h]) > 0 || a.retired(party{host: h}, w) || !a.shows(a.exactAddresses(party{host: h}), nil, nil) {
			continue
		}
		f := Finding{Kind: kindSilentHost, Severity: severities[medium], Verdict: notTestable.String(), Why: []string{}, Orig: EndRef{Host: h.Name, Roles: h.Roles},
			Summary: h.Name + " sent nothing in this capture", Reason: "the site marks it expected_active; nothing that it should do can be tested",
			Look:     "check that " + h.Name + " is up, that its addresses in the site file are right, and that the capture point sees it",
			Outcomes: []OutcomeCount{}, Evidence: []Evidence{}, Hosts: []string{h.Name}, Cite: []string{}}
		f.Resp.Roles = []string{}
		f.ID = findingID(f.Kind, f.Verdict, "", "", h.Name, "", "", "", "")
		found = append(found, f)
	}
	return found
}
