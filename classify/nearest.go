package classify

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"pcapaudit/rules"
)

// nearest is one sentence naming the documented flow that is closest to an unexpected connection: one that has this service, with roles that
// these ends hold rather than others; else the one between these roles with the nearest port; else, and for other verdicts, "".
func (a *Auditor) nearest(f *folded) string {
	if f.key.original != unexpected {
		return ""
	}
	v := &f.view
	if s := a.nearestService(f); s != nil {
		return fmt.Sprintf("%s: %s documents it from %s to %s", a.serviceOf(f), s.Ref(), roleList(s.From), roleList(s.To))
	}
	if f.key.port < 0 || f.key.proto.IsICMP() {
		return ""
	}
	if best := a.nearestJoining(f, v.orig, v.resp); best != nil {
		return fmt.Sprintf("%s: %s between these roles", a.serviceOf(f), a.documents(best))
	}
	if best := a.nearestJoining(f, v.resp, v.orig); best != nil {
		return fmt.Sprintf("%s: %s in the other direction", a.serviceOf(f), a.documents(best))
	}
	return ""
}

// documents says which service a flow has, and whose word that is.
func (a *Auditor) documents(f *rules.Flow) string {
	switch {
	case len(f.Ports) == 0 || f.Ports[0] != "unstated":
		return f.Ref() + " documents " + serviceWords(f)
	case a.portless(f):
		return f.Ref() + " documents a flow without a port"
	}
	return "the site supplies " + a.service(f) + " for " + f.Ref()
}

func (a *Auditor) serviceOf(f *folded) string { return serviceName(f.key.proto, f.key.port) }

// nearestService picks among the flows that have this service the one of which most ends hold their roles, the first of several.
func (a *Auditor) nearestService(f *folded) *rules.Flow {
	var best *rules.Flow
	most := -1
	for _, s := range a.services(f.key.proto, uint8(max(0, f.key.port)&0xff), &f.view) {
		held := 0
		if holds(f.view.orig, s.FromRoles()) {
			held++
		}
		if holds(f.view.resp, s.ToRoles()) {
			held++
		}
		if !s.Reference && held > most {
			best, most = s, held
		}
	}
	return best
}

// nearestJoining picks among the flows between two ends: same protocol first, nearest port, named roles, then order of --rules and id.
func (a *Auditor) nearestJoining(f *folded, orig, resp *rules.Membership) *rules.Flow {
	if a.set.Site == nil {
		return nil
	}
	var best *option
	bestScore := 0
	for _, cand := range a.set.Joining(orig, resp) {
		o := option{Candidate: cand, rank: a.rank[cand.Flow.Pack]}
		if cand.Flow.Reference || o.reservedEnds() > 0 {
			continue
		}
		score := a.distance(f, cand.Flow, resp.Host)
		if best == nil || cmp.Or(cmp.Compare(score, bestScore), cmp.Compare(o.rank, best.rank), cmp.Compare(o.Flow.ID, best.Flow.ID)) < 0 {
			best, bestScore = &o, score
		}
	}
	if best == nil {
		return nil
	}
	return best.Flow
}

// distance is how far the responder port is from a flow's ports; another protocol is further than any port.
func (a *Auditor) distance(f *folded, fl *rules.Flow, resp *rules.Host) int {
	d := 1 << 16
	for _, r := range a.set.PortsOf(fl, resp) {
		d = min(d, max(int(r.First)-f.key.port, f.key.port-int(r.Last), 0))
	}
	if !strings.HasPrefix(f.key.proto.String(), fl.Proto) {
		d += 1 << 17
	}
	return d
}

// serviceWords gives the protocol and the responder ports of a documented flow: "tcp/9876", "udp/63000-64000", "tcp, port not stated".
func serviceWords(f *rules.Flow) string {
	if f.Proto == "icmp" {
		types := make([]string, len(f.ICMPTypes))
		for i, t := range f.ICMPTypes {
			types[i] = strconv.Itoa(int(t))
		}
		if len(types) == 0 {
			return "icmp"
		}
		return "icmp type " + strings.Join(types, ",")
	}
	if len(f.Ports) == 0 {
		return f.Proto
	}
	if f.Ports[0] == "unstated" {
		if f.Proto == "unstated" {
			return "protocol and port not stated"
		}
		return f.Proto + ", port not stated"
	}
	separator := ","
	if f.PortsMode == "alternatives" {
		separator = "|"
	}
	return f.Proto + "/" + strings.Join(f.Ports, separator)
}
