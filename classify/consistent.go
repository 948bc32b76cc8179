package classify

import (
	"fmt"
	"reflect"
)

// LiveFormat is the Format of an input that is an interface: nobody keeps its packets, so that it has no hash and cannot be read again.
const LiveFormat = "live"

// Contradictions lists what an audit that was read says against itself: ledgers that do not balance, findings that its totals do not know, and a result that does not
// follow from its facts. An audit that this version wrote has none; that one has none does not prove that it is true.
func (a *Audit) Contradictions() []string {
	var list []string
	differ := func(what string, said, sum uint64) {
		if said != sum {
			list = append(list, fmt.Sprintf("%s: %d, and the sum is %d", what, said, sum))
		}
	}
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
	differ("packets read, by class", a.Packets.Read, classes)
	differ("packets read, by input", a.Packets.Read, read)
	differ("connections created, by open and emitted", l.Created, l.Open+l.Emitted)
	differ("connections emitted, by verdict", l.Emitted, verdicts)
	if len(l.Ends) > 0 {
		differ("connections emitted, by their end", l.Emitted, ends)
	}
	for _, i := range a.Coverage.Live {
		differ("packets that the kernel counted on "+i.Name+", delivered and dropped", i.Kernel, i.Delivered+i.Dropped)
	}
	list = append(list, a.Residuals...)
	want := a.Result.Basis.result()
	want.LookAt = lookAt(a.Findings)
	if a.Pseudonyms != nil { // the words have other names
		want.Reasons, want.LookAt = a.Result.Reasons, a.Result.LookAt
	}
	if !reflect.DeepEqual(want, a.Result) {
		list = append(list, fmt.Sprintf("the result is %s, and from the facts that it states follows %s, in words or for reasons that may be others", a.Result.Verdict, want.Verdict))
	}
	return list
}
