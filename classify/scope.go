package classify

import (
	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// scope is step 1 of the verdict: the reason why a connection is out of scope, 0 where it is judged. Platform services come
// later (platform), because they count only where nothing else matches.
func (a *Auditor) scope(c *flow.Conn, v, flipped *view) why {
	switch {
	case c.OtherLeg:
		return whyTranslatedLeg
	case c.Last < a.from || c.First >= a.until:
		return whyOutsidePeriod
	case linkControl(c.Proto, c.ICMPType):
		return whyLinkControl
	case a.set.Site == nil:
		return 0
	case a.background(c, v) != 0:
		return a.background(c, v)
	case flipped != v && a.background(c, flipped) != 0:
		return a.background(c, flipped)
	case !known(v.orig) && !known(v.resp):
		return whyOutside
	}
	return 0
}

// background is the reason that a background entry of the site gives, 0 where none fits.
func (a *Auditor) background(c *flow.Conn, v *view) why {
	switch b := a.set.Background(v.origEnd(), v.respEnd(), c.Proto, v.port); {
	case b == nil:
		return 0
	case b.Carrier:
		return whyCarrier
	}
	return whyBackground
}

// known is true for a host of the site, for every address inside its networks and for one that stands for its hosts.
func known(m *rules.Membership) bool { return m.Host != nil || m.Inside || len(m.Behind) > 0 }

// linkControl recognises what hosts and routers say about the link itself: IGMP (RFC 3376), router discovery (RFC 1256), MLD (RFC 2710, 3810),
// neighbour discovery and its relatives (RFC 4861, 3122, 3971, 4286).
func linkControl(p flow.Proto, icmpType uint8) bool {
	switch p {
	case flow.IGMP:
		return true
	case flow.ICMP:
		return icmpType == 9 || icmpType == 10
	case flow.ICMPv6:
		return icmpType >= 130 && icmpType <= 137 || icmpType >= 141 && icmpType <= 143 || icmpType >= 148 && icmpType <= 149 || icmpType >= 151 && icmpType <= 153
	}
	return false
}

// platform recognises what a document lists as traffic of the platform, in a table without roles, and what no flow between roles documents anywhere.
// A service that some flow documents is judged by that flow: it is then unexpected between these ends.
func (a *Auditor) platform(c *flow.Conn, v *view) bool {
	listed := false
	for _, f := range a.services(c.Proto, c.ICMPType, v) {
		if !f.Reference {
			return false
		}
		listed = true
	}
	return listed
}

// services are the flows that name the responder port, exactly or in a range.
func (a *Auditor) services(proto flow.Proto, icmpType uint8, v *view) []*rules.Flow {
	var named []*rules.Flow
	for _, f := range a.set.ByService(proto, v.port, icmpType) {
		if m := a.set.Covers(f, v.resp.Host, proto, v.port, icmpType); m == rules.PortExact || m == rules.PortRanged {
			named = append(named, f)
		}
	}
	return named
}
