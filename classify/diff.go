package classify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// diffSchema names the version of the JSON of a Diff.
const diffSchema = "pcapaudit.diff/1"

// Diff is what changed from one audit to another.
type Diff struct {
	Schema  string   `json:"schema"`
	Old     Version  `json:"old"`
	New     Version  `json:"new"`
	Changes []string `json:"changes"` // of tool, packs, site, inputs and flags: what else may be behind the differences
	Limits  []string `json:"limits"`  // what could not be compared

	Added      []Difference `json:"new_findings"`
	Fixed      []Difference `json:"fixed"` // not in the new audit, which could have shown it
	Lost       []Difference `json:"no_longer_testable"`
	Testable   []Difference `json:"newly_testable"`
	Excepted   []Difference `json:"newly_excepted"`
	Unchanged  []Difference `json:"unchanged"`
	AddedCount int          `json:"new_deciding"` // of Added and Testable, those that decide
}

// Version identifies one of the two audits.
type Version struct {
	File        string `json:"file"`
	SHA256      string `json:"sha256"`
	Verdict     string `json:"verdict"`
	CoveredFrom string `json:"covered_from"`
	CoveredLast string `json:"covered_last"`
	Findings    int    `json:"findings"`
}

// Difference is a finding, or the expectation of a flow for one host.
type Difference struct {
	ID       string `json:"id"`   // of the finding; "" for an expectation that is none
	Flow     string `json:"flow"` // of an expectation
	Host     string `json:"host"`
	Old      string `json:"old"` // verdict or status; "" where the audit has none
	New      string `json:"new"`
	Severity string `json:"severity"`
	Decides  bool   `json:"decides"`
	Summary  string `json:"summary"`
	Reason   string `json:"reason"`
}

// Compare finds what is new, fixed and unchanged from old to now. Findings are the same by id, and where an exception came or went by what they are about.
// Expectations are compared host by host. A finding that is gone counts as fixed only where the new audit could have shown it.
func Compare(old, now *Audit) *Diff {
	d := &Diff{Schema: diffSchema, Old: versionOf(old), New: versionOf(now), Changes: changes(old, now), Limits: []string{},
		Added: []Difference{}, Fixed: []Difference{}, Lost: []Difference{}, Testable: []Difference{}, Excepted: []Difference{}, Unchanged: []Difference{}}
	d.findings(old, now)
	d.expectations(old, now)
	if now.Overflow > 0 {
		d.Limits = append(d.Limits, fmt.Sprintf("%s of the new audit beyond its limit of findings were compared with nothing, and count as new", plural(now.Overflow, "connection")))
	}
	if old.Overflow > 0 {
		d.Limits = append(d.Limits, fmt.Sprintf("%s of the old audit beyond its limit of findings are not known", plural(old.Overflow, "connection")))
	}
	if then, ok := covers(&old.Period); ok {
		if since, ok := covers(&now.Period); ok && 2*(since.Until-since.From) < then.Until-then.From {
			d.Limits = append(d.Limits, "the new audit covers less than half as much time as the old one: what is not in it may only lie outside")
		}
	}
	for _, list := range []*[]Difference{&d.Added, &d.Fixed, &d.Lost, &d.Testable, &d.Excepted, &d.Unchanged} {
		sortDifferences(*list)
	}
	for _, list := range [][]Difference{d.Added, d.Testable} {
		for _, e := range list {
			if e.Decides {
				d.AddedCount++
			}
		}
	}
	if now.Overflow > 0 && now.Result.Code == codeDeviations {
		d.AddedCount++
	}
	return d
}

func versionOf(a *Audit) Version {
	return Version{Verdict: a.Result.Verdict, CoveredFrom: a.Period.CoveredFrom, CoveredLast: a.Period.CoveredLast, Findings: len(a.Findings)}
}

func sortDifferences(list []Difference) {
	slices.SortStableFunc(list, func(a, b Difference) int {
		return cmp.Or(boolCompare(b.Decides, a.Decides), cmp.Compare(severityRank(a.Severity), severityRank(b.Severity)),
			cmp.Compare(a.Flow, b.Flow), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Summary, b.Summary), cmp.Compare(a.ID, b.ID))
	})
}

// about is what a finding is about, whether an exception covers it or not.
func (f *Finding) about() string {
	verdict := f.Verdict
	if f.Original != "" {
		verdict = f.Original
	}
	return strings.Join([]string{f.Kind, verdict, strings.Join(f.Why, ","), f.Flow, f.Orig.name(), f.Resp.name(), f.Proto, f.Port}, "\x00")
}

// match pairs the findings of now with those of old: by id, then by what they are about. Expectations are left to their hosts.
func match(old, now *Audit) (pairs map[*Finding]*Finding, gone []*Finding) {
	byID, byAbout := map[string]*Finding{}, map[string]*Finding{}
	pairs = map[*Finding]*Finding{}
	for i := range old.Findings {
		byID[old.Findings[i].ID] = &old.Findings[i]
	}
	taken := map[*Finding]bool{}
	for i := range now.Findings {
		if f := &now.Findings[i]; byID[f.ID] != nil {
			pairs[f] = byID[f.ID]
			taken[byID[f.ID]] = true
		}
	}
	for i := range old.Findings {
		if f := &old.Findings[i]; !taken[f] && f.Kind == kindConnection {
			byAbout[f.about()] = f
		}
	}
	for i := range now.Findings {
		if f := &now.Findings[i]; pairs[f] == nil && f.Kind == kindConnection {
			if o := byAbout[f.about()]; o != nil && !taken[o] {
				pairs[f] = o
				taken[o] = true
			}
		}
	}
	for i := range old.Findings {
		if f := &old.Findings[i]; !taken[f] && byID[f.ID] == f {
			gone = append(gone, f)
		}
	}
	return pairs, gone
}

// byHost says whether a finding is compared host by host.
func byHost(f *Finding) bool { return f.Kind == kindExpectation }

func (d *Diff) findings(old, now *Audit) {
	pairs, gone := match(old, now)
	unseen := unseenBy(now)
	for i := range now.Findings {
		f := &now.Findings[i]
		if byHost(f) {
			continue
		}
		o := pairs[f]
		e := differenceOf(f)
		e.New = f.Verdict
		if o != nil {
			e.Old = o.Verdict
		}
		switch {
		case f.Verdict == "excepted" && (o == nil || o.Verdict != "excepted"):
			d.Excepted = append(d.Excepted, e)
		case o == nil || o.Verdict == "excepted" && f.Verdict != "excepted" || f.Decides && !o.Decides:
			d.Added = append(d.Added, e)
		default:
			d.Unchanged = append(d.Unchanged, e)
		}
	}
	for _, f := range gone {
		if byHost(f) {
			continue
		}
		e := differenceOf(f)
		e.Old = f.Verdict
		if e.Reason = cmp.Or(blindness(old, now), unseen[flowHost{"", f.Orig.Host}], unseen[flowHost{f.Flow, f.Orig.Host}]); e.Reason != "" {
			d.Lost = append(d.Lost, e)
			continue
		}
		e.Reason = "not seen in the new audit"
		d.Fixed = append(d.Fixed, e)
	}
}

func differenceOf(f *Finding) Difference {
	return Difference{ID: f.ID, Severity: f.Severity, Decides: f.Decides, Summary: f.Summary, Reason: f.Reason}
}

// blindness is why the absence of a finding in the new audit says nothing; "" if it does say something.
func blindness(old, now *Audit) string {
	b := &now.Result.Basis
	switch {
	case now.Coverage.Filter != "" && now.Coverage.Filter != old.Coverage.Filter && !sameFilter(old.Invocation, now.Invocation):
		return "the new audit has a filter that the old one had not"
	case old.Site != nil && now.Site == nil:
		return "the new audit has no site"
	case b.Judged == 0:
		return "the new audit judged no connection"
	case len(b.Cut) > 0 || b.Interrupted:
		return "the inputs of the new audit were not read to their end"
	case b.Loss > b.Bound || len(b.PairLoss) > 0:
		return "the new captures lost more packets than the bound"
	case b.Undecoded > b.Bound || b.Refused > 0:
		return "too many packets of the new captures could not be decoded"
	case b.Evicted > 0:
		return "the connection table of the new audit was full"
	}
	return ""
}

// unseenBy gives the reasons for which an audit cannot show what a host originates: on any flow, which is "", where the host was never seen, else on one.
func unseenBy(a *Audit) map[flowHost]string {
	why := map[flowHost]string{}
	for i := range a.Expectations {
		x := &a.Expectations[i]
		for _, h := range x.Open {
			switch {
			case h.Status != notTestable.String():
			case h.Cause == causeNames[causeSilent]:
				why[flowHost{"", h.Host}] = "the new audit never saw " + h.Host
			case h.Cause == causeNames[causeVantage], h.Cause == causeNames[causeBlind]:
				why[flowHost{x.Flow, h.Host}] = "the new audit: " + h.Reason
			}
		}
	}
	return why
}

// sameFilter says whether two runs left out the same, times apart.
func sameFilter(a, b *Invocation) bool {
	return a != nil && b != nil && slices.Equal(a.Nets, b.Nets) && slices.Equal(a.Hosts, b.Hosts) && slices.Equal(a.Ports, b.Ports)
}

// Mark says of every finding whether an older audit has it, too; nothing else changes. A finding that an exception covered there is not known.
// An expectation that is missing or attempted is known only where it was so for every host that it names.
func (a *Audit) Mark(old *Audit, file, sha256 string) {
	pairs, gone := match(old, a)
	before := hostStatuses(old)
	c := Compared{File: file, SHA256: sha256, Gone: len(gone)}
	for i := range a.Findings {
		f := &a.Findings[i]
		o := pairs[f]
		known := o != nil && !(o.Verdict == "excepted" && f.Verdict != "excepted") && (o.Decides || !f.Decides)
		if f.Kind == kindExpectation {
			known = known && !slices.ContainsFunc(f.Hosts, func(h string) bool { return before[flowHost{f.Flow, h}].Status != f.Verdict })
		}
		f.Standing = "new"
		c.New++
		if known {
			f.Standing = "known"
			c.New--
			c.Known++
		}
	}
	a.Compared = &c
}

// NewDeciding counts the findings that make a result deviations and that the audit it was marked against does not have, with what is beyond the limit of findings.
func (a *Audit) NewDeciding() uint64 {
	n := a.Overflow
	for i := range a.Findings {
		if f := &a.Findings[i]; f.Decides && f.Standing == "new" && f.Verdict != notTestable.String() {
			n++
		}
	}
	return n
}
