package classify

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"pcapaudit/capture/flow"
)

// icmpError is the last step before unexpected: ICMP errors, all about connections that are judged themselves.
func (a *Auditor) icmpError(c *flow.Conn, v, _ *view) (judged, bool) {
	if !c.QuotesKnown {
		return judged{}, false
	}
	return judged{verdict: outOfScope, why: whyICMPError, view: *v}, true
}

// failures are the ICMP errors about the connections of a finding. The zero value is none.
type failures struct {
	what        flow.ICMPError // with by: the least, so that the order of connections does not show
	by          netip.Addr
	connections uint64 // that have one
	mixed       bool   // they differ
}

func (f *failures) add(c *flow.Conn) {
	if !c.ICMPError.Failure() {
		return
	}
	order := cmp.Or(cmp.Compare(c.ICMPError, f.what), c.ICMPErrorBy.Compare(f.by))
	f.mixed = f.mixed || f.connections > 0 && order != 0
	if f.connections == 0 || order < 0 {
		f.what, f.by = c.ICMPError, c.ICMPErrorBy
	}
	f.connections++
}

// words gives ", port unreachable by 192.0.2.1"; empty where there is none.
func (f *failures) words(connections uint64) string {
	if f.connections == 0 {
		return ""
	}
	s := ", " + strings.ReplaceAll(f.what.String(), "-", " ") + " by " + f.by.String()
	if f.mixed {
		s += " among other errors"
	}
	if f.connections < connections {
		s += fmt.Sprintf(" (%d of %d)", f.connections, connections)
	}
	return s
}
