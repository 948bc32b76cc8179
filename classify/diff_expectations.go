package classify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

type flowHost struct{ flow, host string }

// hostStatuses are the statuses of all expectations of an audit by flow and host, as far as the audit names the hosts.
func hostStatuses(a *Audit) map[flowHost]HostStatus {
	list := map[flowHost]HostStatus{}
	for i := range a.Expectations {
		x := &a.Expectations[i]
		for _, h := range x.Open {
			list[flowHost{x.Flow, h.Host}] = h
		}
		for _, h := range x.Observed {
			list[flowHost{x.Flow, h}] = HostStatus{Host: h, Status: observed.String()}
		}
	}
	return list
}

// unnamed counts the hosts of an expectation that the audit counts and does not name.
func (x *Expectation) unnamed() int { return max(0, x.Hosts-len(x.Open)-len(x.Observed)) }

// expectations compares the status of each flow for each host.
func (d *Diff) expectations(old, now *Audit) {
	before, after := hostStatuses(old), hostStatuses(now)
	rows := map[string]*Expectation{}
	for i := range now.Expectations {
		rows[now.Expectations[i].Flow] = &now.Expectations[i]
	}
	keys := map[flowHost]bool{}
	for k := range before {
		keys[k] = true
	}
	for k := range after {
		keys[k] = true
	}
	order := slices.SortedFunc(maps.Keys(keys), func(a, b flowHost) int {
		return strings.Compare(a.flow+"\x00"+a.host, b.flow+"\x00"+b.host)
	})
	ids := expectationIDs(old, now)
	for _, k := range order {
		d.expectation(k, before[k], after[k], rows[k.flow], ids)
	}
	for _, a := range []struct {
		name  string
		audit *Audit
	}{{"old", old}, {"new", now}} {
		hosts := 0
		for i := range a.audit.Expectations {
			hosts += a.audit.Expectations[i].unnamed()
		}
		if hosts > 0 {
			d.Limits = append(d.Limits, fmt.Sprintf("%s of expectations that the %s audit counts and does not name were not compared", plural(uint64(hosts), "host"), a.name))
		}
	}
}

// unmet is a status that says that something should have been and was not.
func unmet(s string) bool { return s == missing.String() || s == attempted.String() }

func (d *Diff) expectation(k flowHost, was, is HostStatus, row *Expectation, ids map[string]string) {
	e := Difference{Flow: k.flow, Host: k.host, Old: was.Status, New: is.Status, Decides: is.Decides, Reason: is.Reason, ID: ids[k.flow+"\x00"+is.Status]}
	if unmet(was.Status) && !unmet(is.Status) {
		e.ID = ids[k.flow+"\x00"+was.Status]
	}
	e.Severity = severities[low]
	if unmet(is.Status) {
		e.Severity = severities[statusSeverity(status(slices.Index(statusNames[:], is.Status)), is.Decides)]
	}
	service := ""
	if row != nil {
		service = row.Service + ", "
	}
	e.Summary = fmt.Sprintf("%s: %s%s", k.host, service, k.flow)
	untestable := notTestable.String()
	switch {
	case is.Status == "" && unmet(was.Status):
		e.Reason = "the new audit does not expect this of the host"
		d.Lost = append(d.Lost, e)
	case is.Status == "":
	case is.Status == untestable && was.Status != untestable && was.Status != "":
		d.Lost = append(d.Lost, e)
	case was.Status == untestable && is.Status != untestable:
		d.Testable = append(d.Testable, e)
	case unmet(is.Status) && (!unmet(was.Status) || is.Decides && !was.Decides):
		d.Added = append(d.Added, e)
	case unmet(is.Status):
		d.Unchanged = append(d.Unchanged, e)
	case unmet(was.Status):
		e.Decides = was.Decides
		d.Fixed = append(d.Fixed, e)
	}
}

// expectationIDs are the ids of findings by flow and status.
func expectationIDs(audits ...*Audit) map[string]string {
	ids := map[string]string{}
	for _, a := range audits {
		for i := range a.Findings {
			if f := &a.Findings[i]; f.Kind == kindExpectation {
				ids[f.Flow+"\x00"+f.Verdict] = f.ID
			}
		}
	}
	return ids
}

// changes lists what differs between the grounds of two audits.
func changes(old, now *Audit) []string {
	list := []string{}
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if old.Tool != now.Tool {
		add("tool: %s %s, was %s", now.Tool.Name, now.Tool.Version, old.Tool.Version)
	}
	before := map[string]PackRef{}
	for _, p := range old.Packs {
		before[p.Name] = p
	}
	for _, p := range now.Packs {
		o, known := before[p.Name]
		delete(before, p.Name)
		switch {
		case !known:
			add("pack %s: added", p.Name)
		case o.SHA256 != p.SHA256:
			text := fmt.Sprintf("pack %s: changed, sha256 %.12s, was %.12s", p.Name, p.SHA256, o.SHA256)
			if o.Version != p.Version {
				text += fmt.Sprintf("; for %s, was for %s", p.Version, o.Version)
			}
			add("%s", text)
		}
	}
	for _, p := range old.Packs {
		if _, left := before[p.Name]; left {
			add("pack %s: no longer used", p.Name)
		}
	}
	switch {
	case old.Site == nil && now.Site != nil:
		add("site: %s, was none", now.Site.Name)
	case old.Site != nil && now.Site == nil:
		add("site: none, was %s", old.Site.Name)
	case now.Site != nil && old.Site.SHA256 != now.Site.SHA256:
		add("site: changed, %s sha256 %.12s, was %s sha256 %.12s", now.Site.Name, now.Site.SHA256, old.Site.Name, old.Site.SHA256)
	case now.Site != nil && sameInventories(old.Site, now.Site) != "":
		add("site: the inventory %s that hosts are from is another", sameInventories(old.Site, now.Site))
	}
	if a, b := filterWords(old), filterWords(now); a != b {
		add("filter: %s, was %s", b, a)
	}
	if same := sharedInputs(old, now); len(same) > 0 {
		add("inputs: %s the same as before: %s", plural(uint64(len(same)), "capture"), strings.Join(first(same, 3), ", "))
	}
	return list
}

func filterWords(a *Audit) string {
	v := a.Invocation
	if v == nil && a.Coverage.Filter != "" {
		return a.Coverage.Filter
	}
	if v == nil {
		return "none"
	}
	words := slices.Concat(v.Nets, v.Hosts, v.Ports)
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " ")
}

// sharedInputs are the names of captures that both audits read, by hash.
func sharedInputs(old, now *Audit) []string {
	var list []string
	for _, in := range now.Inputs {
		if in.SHA256 != "" && slices.ContainsFunc(old.Inputs, func(o Input) bool { return o.SHA256 == in.SHA256 }) {
			list = append(list, in.Name)
		}
	}
	return list
}
