package classify

import (
	"fmt"
	"reflect"
)

// LiveFormat is the Format of an input that is an interface: nobody keeps its packets, so that it has no hash and cannot be read again.
const LiveFormat = "live"

// Contradictions lists what an audit that was read says against itself: ledgers that do not balance, findings and expectations that its totals and its result do not know, or
// the other way round, and a result that does not follow from its facts. An audit that this version wrote has none; that one has none does not prove that it is true.
func (a *Audit) Contradictions() []string {
	var c contradictions
	c.ledgers(a)
	c.connections(a)
	c.expectations(a)
	c.list = append(c.list, a.Residuals...)
	want := a.Result.Basis.result()
	want.LookAt = lookAt(a.Findings)
	if a.Pseudonyms != nil { // the words have other names
		want.Reasons, want.LookAt = a.Result.Reasons, a.Result.LookAt
	}
	if !reflect.DeepEqual(want, a.Result) {
		c.list = append(c.list, fmt.Sprintf("the result is %s, and from the facts that it states follows %s, in words or for reasons that may be others", a.Result.Verdict, want.Verdict))
	}
	return c.list
}

type contradictions struct{ list []string }

func (c *contradictions) differ(what string, said, sum uint64) {
	if said != sum {
		c.list = append(c.list, fmt.Sprintf("%s: %d, and the sum is %d", what, said, sum))
	}
}

// within is differ, where not everything that adds up to what is said may be listed.
func (c *contradictions) within(what string, said, sum uint64, whole bool) {
	if sum > said || whole {
		c.differ(what, said, sum)
	}
}

func (c *contradictions) ledgers(a *Audit) {
	var classes, ends, verdicts, read uint64
	for _, n := range a.Packets.Classes {
		classes += n.Packets
	}
	for _, n := range a.Connections.Ends {
		ends += n.Packets
	}
	for _, t := range a.Totals {
		verdicts += t.Connections
	}
	for i := range a.Inputs {
		read += a.Inputs[i].Packets
	}
	l := &a.Connections
	c.differ("packets read, by class", a.Packets.Read, classes)
	c.differ("packets read, by input", a.Packets.Read, read)
	c.differ("connections created, by open and emitted", l.Created, l.Open+l.Emitted)
	if n := a.Result.Basis.Unsaved; n > l.Open {
		c.list = append(c.list, fmt.Sprintf("connections that were lost with the run that had them open: %d, and %d are open", n, l.Open))
	}
	c.differ("connections emitted, by verdict", l.Emitted, verdicts)
	if len(l.Ends) > 0 {
		c.differ("connections emitted, by their end", l.Emitted, ends)
	}
	if said, sum := a.Result.Basis.Blind, blindPercent(a.Coverage.Live); said != sum {
		c.list = append(c.list, fmt.Sprintf("percent of the time that nobody watched: %g, and by interface %g", said, sum))
	}
	for _, i := range a.Coverage.Live {
		c.differ("packets that the kernel counted on "+i.Name+", delivered and dropped", i.Kernel, i.Delivered+i.Dropped)
	}
}

// connections holds what the result counts, and the findings about connections, against the totals. Findings beyond their limit are in Overflow.
func (c *contradictions) connections(a *Audit) {
	totals, found := map[string]uint64{}, map[string]uint64{}
	var judged uint64
	coupled := 0
	for _, t := range a.Totals {
		totals[t.Verdict] += t.Connections
		if t.Verdict != outOfScope.String() {
			judged += t.Connections
		}
	}
	for i := range a.Findings {
		switch f := &a.Findings[i]; f.Kind {
		case kindConnection, kindQuestion:
			found[f.Verdict] += f.Connections
		case kindCoupled:
			coupled++
		}
	}
	b := &a.Result.Basis
	c.differ("connections judged, by verdict", b.Judged, judged)
	c.differ("deviations, by verdict", b.Deviations, totals[deviation.String()])
	c.differ("indeterminate connections, by verdict", b.Indeterminate, totals[indeterminate.String()])
	if n := totals[unexpected.String()]; b.Unexpected > n {
		c.list = append(c.list, fmt.Sprintf("unexpected connections beyond an attempt: %d, and %d are unexpected", b.Unexpected, n))
	}
	for _, v := range []verdict{deviation, unexpected, indeterminate, excepted} {
		c.within(fmt.Sprintf("connections that are %s, by finding", v), totals[v.String()], found[v.String()], a.Overflow == 0)
	}
	c.differ("responders with ports that do not belong together, by finding", uint64(b.Coupled), uint64(coupled))
}

// expectations holds what the result counts against the hosts that are listed.
func (c *contradictions) expectations(a *Audit) {
	decide := map[string]uint64{}
	whole := true
	for i := range a.Expectations {
		x := &a.Expectations[i]
		open := 0
		for _, n := range x.Statuses {
			if n.Status != observed.String() {
				open += n.Hosts
			}
		}
		whole = whole && open == len(x.Open)
		for _, h := range x.Open {
			if h.Decides {
				decide[h.Status]++
			}
		}
	}
	b := &a.Result.Basis
	c.within("required expectations missing, by host", uint64(b.Missing), decide[missing.String()], whole)
	c.within("required expectations attempted, by host", uint64(b.Attempted), decide[attempted.String()], whole)
	c.within("required expectations not testable, by host", uint64(b.Untestable), decide[notTestable.String()], whole)
}
