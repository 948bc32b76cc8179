package classify

import (
	"fmt"
	"math"
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// asked is the period to judge: the site's, and where that leaves an end open the filter's.
func asked(set *rules.Set, f *flow.Filter) (from, until int64) {
	from, until = set.Period()
	if f != nil && f.Since != nil && from == math.MinInt64 {
		from = *f.Since
	}
	if f != nil && f.Until != nil && until == math.MaxInt64 {
		until = *f.Until
	}
	return from, until
}

// clip narrows what the capture covers to the time that the filter leaves.
func (c *Capture) clip(f *flow.Filter) {
	if f != nil && f.Since != nil {
		c.First = max(c.First, *f.Since)
	}
	if f != nil && f.Until != nil {
		c.Last = min(c.Last, *f.Until-1)
	}
	if c.First > c.Last {
		c.First, c.Last = 0, 0
	}
}

// shows says whether the filter leaves in every packet between the addresses of from and of to with one of the ports, so that its absence
// tells something. A side or ports without entries are not known.
func (a *Auditor) shows(from, to []netip.Addr, ports []flow.PortRange) bool {
	f := a.opts.Filter
	return f == nil || !f.ByTraffic() || f.Covers(from, to) && f.CoversPorts(ports)
}

// showsFlow is shows for the use of a flow by p.
func (a *Auditor) showsFlow(x *expected, p party) bool {
	if a.opts.Filter == nil {
		return true
	}
	var to []netip.Addr
	var ports []flow.PortRange
	responders, named := x.hosts, len(x.reserved)+len(x.documented) == 0
	for _, h := range x.hosts {
		own := a.exactAddresses(party{host: h})
		to, named = append(to, own...), named && own != nil
	}
	if !named {
		to, responders = nil, append(responders[:len(responders):len(responders)], nil)
	}
	for _, h := range responders {
		for _, r := range a.set.PortsOf(x.flow, h) {
			ports = append(ports, flow.PortRange{First: r.First, Last: r.Last})
		}
	}
	return a.shows(a.exactAddresses(p), to, ports)
}

// exactAddresses are all addresses of a party; nil where an entry of its host stands for more than one.
func (a *Auditor) exactAddresses(p party) []netip.Addr {
	if p.addr.IsValid() {
		return []netip.Addr{p.addr}
	}
	if p.host == nil || a.peopled[p.host] != nil {
		return nil
	}
	return a.addresses(p)
}

// leftOut is the sentence about the filter among what the audit cannot show.
func (a *Auditor) leftOut(c *Capture) string {
	return fmt.Sprintf("What the filter left out (%s): %s.", a.opts.Filter, plural(c.Filtered, "packet"))
}

// filterText states the filter as coverage.
func filterText(f *flow.Filter, left uint64) string {
	if f == nil {
		return ""
	}
	verb := "were"
	if left == 1 {
		verb = "was"
	}
	return fmt.Sprintf("filtered by %s: %s %s not judged", f, plural(left, "packet"), verb)
}
