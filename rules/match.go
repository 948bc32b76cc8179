package rules

import (
	"cmp"
	"slices"

	"pcapaudit/capture/flow"
)

// maxRemembered bounds the pairs of classes and, apart, the services of which the candidates are remembered; beyond it the memory starts over.
const maxRemembered = 1 << 16

// service is what a responder offers: a port, an ICMP type, or neither.
type service struct {
	proto  flow.Proto
	number uint16
}

func serviceOf(proto flow.Proto, port uint16, icmpType uint8) service {
	switch {
	case proto.HasPorts():
		return service{proto, port}
	case proto.IsICMP():
		return service{proto, uint16(icmpType)}
	}
	return service{proto, 0}
}

// pair is what joins two classes of ends.
type pair struct {
	joined   []joint
	joining  []Candidate // nil until asked for
	services map[service][]Candidate
}

// joint is a flow that joins two ends, whatever the service.
type joint struct {
	*compiledFlow
	from, to held
	reversed bool
	proxy    []portSpec // ports of the proxy, nil for the flow's own
}

// Candidates are the flows that join an originator and a responder and cover the service, overrides and proxies considered, best first: an exact port before
// a range, a dynamic range, any port and an unstated one; then by the weaker of the two bindings, then the stronger (an address before a
// network, a longer prefix before a shorter, a named role before a reserved one); then packs in their order, then flow ids. Reference flows come
// last. port counts for protocols with ports, icmpType for ICMP.
func (s *Set) Candidates(orig, resp *Membership, proto flow.Proto, port uint16, icmpType uint8) []Candidate {
	p := s.pair(orig.asOrig, resp.asResp)
	port = s.PortClass(port)
	wanted := serviceOf(proto, port, icmpType)
	if list, ok := p.services[wanted]; ok {
		return list
	}
	var list []Candidate
	for _, j := range p.joined {
		match := PortOther
		if j.proxy == nil {
			match = s.covers(j.compiledFlow, resp.asResp.host, wanted)
		} else if j.protos[proto] {
			match = best(j.proxy, nil, port)
		}
		if match != PortOther {
			list = append(list, s.candidate(j, match))
		}
	}
	list = s.tidy(list)
	if s.remembered++; s.remembered > maxRemembered {
		s.forget()
		p = s.pair(orig.asOrig, resp.asResp)
	}
	p.services[wanted] = list
	return list
}

// Joining are the flows that join an originator and a responder whatever the service, ordered as candidates are. Port is PortUnstated or PortOther. Reference flows, and flows by way of a proxy, are left out.
func (s *Set) Joining(orig, resp *Membership) []Candidate {
	p := s.pair(orig.asOrig, resp.asResp)
	if p.joining != nil {
		return p.joining
	}
	p.joining = []Candidate{}
	for _, j := range p.joined {
		if j.Reference || j.proxy != nil {
			continue
		}
		match := PortOther
		if j.noProto && !j.overriddenAt(resp.asResp.host) || slices.ContainsFunc(j.portsAt(resp.asResp.host), func(p portSpec) bool { return p.match == PortUnstated }) {
			match = PortUnstated
		}
		p.joining = append(p.joining, s.candidate(j, match))
	}
	p.joining = s.tidy(p.joining)
	return p.joining
}

func (s *Set) candidate(j joint, match PortMatch) Candidate {
	return Candidate{Flow: j.Flow, From: s.heldRole(j.from), To: s.heldRole(j.to), Port: match, Reversed: j.reversed, Proxied: j.proxy != nil}
}

// tidy sorts candidates and keeps the best of each flow.
func (s *Set) tidy(list []Candidate) []Candidate {
	slices.SortFunc(list, s.compare)
	seen := map[*Flow]bool{}
	return slices.DeleteFunc(list, func(c Candidate) bool {
		again := seen[c.Flow]
		seen[c.Flow] = true
		return again
	})
}

func (s *Set) compare(a, b Candidate) int {
	return cmp.Or(
		cmp.Compare(bit(a.Flow.Reference), bit(b.Flow.Reference)),
		cmp.Compare(a.Port, b.Port),
		cmp.Compare(max(a.From.spread, a.To.spread), max(b.From.spread, b.To.spread)),
		cmp.Compare(min(a.From.spread, a.To.spread), min(b.From.spread, b.To.spread)),
		cmp.Compare(s.flows[a.Flow].rank, s.flows[b.Flow].rank),
		cmp.Compare(bit(a.Proxied), bit(b.Proxied)),
		cmp.Compare(bit(a.Reversed), bit(b.Reversed)))
}

// pair finds or makes what joins two classes. Its cost is that of the flows of the originator's roles, not of all flows.
func (s *Set) pair(orig, resp *class) *pair {
	key := orig.id<<32 | resp.id
	if p := s.pairs[key]; p != nil {
		return p
	}
	if len(s.pairs) >= maxRemembered {
		s.forget()
	}
	p := &pair{services: map[service][]Candidate{}}
	var flows []*compiledFlow
	for _, role := range orig.roles {
		flows = append(flows, s.byEnd[role]...)
	}
	slices.SortFunc(flows, func(a, b *compiledFlow) int { return a.rank - b.rank })
	for _, f := range slices.Compact(flows) {
		p.joined = append(p.joined, f.join(orig, resp)...)
	}
	if resp.host != nil {
		for _, f := range s.proxied[resp.host] {
			if from, ok := orig.tightest(f.from); ok && len(f.to) > 0 {
				p.joined = append(p.joined, joint{f, from, held{f.to[0], reservedSpread}, false, f.proxies[resp.host]})
			}
		}
	}
	s.pairs[key] = p
	return p
}

func (s *Set) forget() {
	clear(s.pairs)
	s.remembered = 0
}

// join gives the ways in which a flow joins two ends: as documented, and the other way round if either side may originate.
func (f *compiledFlow) join(orig, resp *class) []joint {
	var ways []joint
	if from, ok := orig.tightest(f.from); ok {
		if to, ok := resp.tightest(f.to); ok && f.reaches(resp) {
			ways = append(ways, joint{f, from, to, false, nil})
		}
	}
	if f.Originator == "either" {
		if from, ok := orig.tightest(f.to); ok {
			if to, ok := resp.tightest(f.from); ok && f.reaches(orig) {
				ways = append(ways, joint{f, from, to, true, nil})
			}
		}
	}
	return ways
}

// tightest is the role among those named that the end holds most tightly; the first named of several.
func (c *class) tightest(roles []int32) (h held, ok bool) {
	h.spread = notHeld
	for _, role := range roles {
		if c.spread[role] < h.spread {
			h = held{role, c.spread[role]}
		}
	}
	return h, h.spread != notHeld
}

// reaches says whether the end that plays the To side lies where the flow's scope has it.
func (f *compiledFlow) reaches(to *class) bool {
	return f.Scope == "" || (f.Scope == "lan") == to.local
}

// Covers says how a flow's ports at a responding host (nil: any) cover a service.
func (s *Set) Covers(f *Flow, resp *Host, proto flow.Proto, port uint16, icmpType uint8) PortMatch {
	return s.covers(s.flows[f], resp, serviceOf(proto, port, icmpType))
}

func (s *Set) covers(f *compiledFlow, resp *Host, wanted service) PortMatch {
	if !f.anyProto && !f.noProto && !f.protos[wanted.proto] {
		return PortOther
	}
	ports := f.portsAt(resp)
	match := PortOther
	switch {
	case wanted.proto.HasPorts():
		match = best(ports, func() []PortRange { return s.DynamicPorts(f.Flow, resp) }, wanted.number)
	case f.anyProto || f.noProto: // a protocol without ports: only words can mean it
		match = best(slices.DeleteFunc(slices.Clone(ports), func(p portSpec) bool { return p.match < PortAny }), nil, 1)
	case !wanted.proto.IsICMP():
		match = PortExact
	default:
		match = f.coversICMP(wanted)
	}
	if f.noProto && match != PortOther && !f.overriddenAt(resp) {
		return PortUnstated
	}
	return match
}

func (f *compiledFlow) coversICMP(wanted service) PortMatch {
	types := f.icmp4
	if wanted.proto == flow.ICMPv6 {
		types = f.icmp6
	}
	switch {
	case types == nil:
		return PortAny
	case types[wanted.number&0xff]:
		return PortExact
	}
	return PortOther
}

// best is the best match of a port among port entries.
func best(specs []portSpec, ephemeral func() []PortRange, port uint16) PortMatch {
	match := PortOther
	for _, spec := range specs {
		covered := spec.Contains(port)
		switch spec.match {
		case PortDynamic:
			covered = ephemeral != nil && inRanges(ephemeral(), port)
		case PortUnstated:
			covered = true
		}
		if covered {
			match = min(match, spec.match)
		}
	}
	return match
}

// ByService are the flows anywhere that cover a service at a responder of unknown OS, whatever their roles, ordered as candidates are without bindings. Flows that state no port or protocol are left out.
func (s *Set) ByService(proto flow.Proto, port uint16, icmpType uint8) []*Flow {
	wanted := serviceOf(proto, s.PortClass(port), icmpType)
	if list, ok := s.services[wanted]; ok {
		return list
	}
	var found []Candidate
	for _, f := range s.ordered {
		if match := s.covers(f, nil, wanted); match < PortUnstated {
			found = append(found, Candidate{Flow: f.Flow, Port: match})
		}
	}
	slices.SortStableFunc(found, s.compare)
	list := make([]*Flow, len(found))
	for i, c := range found {
		list[i] = c.Flow
	}
	if len(s.services) >= maxRemembered {
		clear(s.services)
	}
	s.services[wanted] = list
	return list
}
