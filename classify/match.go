package classify

import (
	"cmp"
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// view is a connection in one orientation.
type view struct {
	orig, resp *rules.Membership
	from, to   netip.AddrPort
	port       uint16  // of the responder, inside port where the site declares a translation
	named      knownBy // what identifies the responder, beside its address
	flipped    bool    // the connection's ends are exchanged: its originator is a guess, and this is the other one
	sure       bool    // who opened the connection is known

	fromEnd, toEnd *endpoint // of the addresses
}

func (v *view) origEnd() rules.End { return rules.End{Addr: v.from.Addr(), Of: v.orig} }
func (v *view) respEnd() rules.End { return rules.End{Addr: v.to.Addr(), Of: v.resp} }

// viewOf is the connection as the capture layer saw it, turned where the other end opened it for certain: where a broadcast or multicast address, which opens
// nothing, would be its originator, and where a TFTP request announced it.
func (a *Auditor) viewOf(c *flow.Conn, r *route) view {
	if r.from.group || a.transfer(c) {
		a.current = nil
		v := a.flippedView(c)
		v.flipped, v.sure = false, true
		return v
	}
	a.current = r
	return view{from: c.Orig, to: c.Resp, orig: r.from.of, resp: r.respOf, port: r.inner, sure: r.group || !c.KnownBy.Uncertain(), fromEnd: r.from, toEnd: r.to}
}

// isGroup is true for multicast addresses and for the broadcast addresses of the site's networks.
func isGroup(m *rules.Membership, a netip.Addr) bool {
	return a.IsMulticast() || slices.ContainsFunc(m.Roles, func(r rules.HeldRole) bool { return r.Role == "broadcast" })
}

func (a *Auditor) flippedView(c *flow.Conn) view {
	v := view{from: c.Resp, to: c.Orig, flipped: true, fromEnd: a.end(c.Resp.Addr(), c.First), toEnd: a.end(c.Orig.Addr(), c.First)}
	v.orig = v.fromEnd.of
	v.resp, v.port = a.set.Responder(c.Orig, c.First)
	return v
}

// turned is the connection with its ends exchanged, at the same responder port.
func (v *view) turned() view {
	return view{orig: v.resp, resp: v.orig, from: v.to, to: v.from, port: v.port, sure: v.sure, fromEnd: v.toEnd, toEnd: v.fromEnd}
}

// translated is true where the originator's address stands for another: its source port is the translator's.
func (v *view) translated() bool { return v.orig.Translation != "" }

// maxPlans bounds the memory of lookups; a full memory is emptied and fills again.
const maxPlans = 1 << 15

type planKey struct {
	orig, resp uint64 // classes of the memberships
	proto      flow.Proto
	icmpType   uint8
	port       uint16 // its class
}

// plan is what the rules say of two memberships and a service.
type plan struct {
	options []option      // flows that cover protocol and port, best first
	silent  []*rules.Flow // flows that join the ends and state no port
}

// option is a flow that may cover a connection, with what judging needs of it.
type option struct {
	rules.Candidate
	order         int    // in its plan, best first
	rank          int    // order of --rules
	number        uint64 // of the flow
	fromRoles     []string
	sources       []rules.PortRange
	anySource     bool
	opens         open // what is not known of it without evidence
	demand        demand
	ciphers       cipher
	named         bool              // a pack gives names to the responder's role
	accepted      bool              // the site accepts ports without an announcement
	acceptedPorts []rules.PortRange // those that it accepts; empty is all
	state         rules.State       // of its condition, where steady
	steady        bool              // the condition is the same at all times
	alone         bool              // a product's, and in no pair of coupled flows
	paired        bool              // in one
	kept          kept
}

// plan is what the rules say of a connection in one orientation. That of its route is remembered there.
func (a *Auditor) plan(c *flow.Conn, v *view) *plan {
	r := a.current
	if v != &a.views[0] || r == nil {
		return a.planOf(c, v)
	}
	if r.planned != v.resp {
		r.planned, r.plan = v.resp, a.planOf(c, v)
	}
	return r.plan
}

func (a *Auditor) planOf(c *flow.Conn, v *view) *plan {
	key := planKey{proto: c.Proto, port: a.set.PortClass(v.port)}
	if a.set.Site != nil {
		key.orig, _ = v.orig.Classes()
		_, key.resp = v.resp.Classes()
	}
	if c.Proto.IsICMP() {
		key.icmpType = c.ICMPType
	}
	if p := a.plans[key]; p != nil {
		return p
	}
	if len(a.plans) >= maxPlans {
		clear(a.plans)
	}
	p := a.newPlan(key, v)
	a.plans[key] = p
	return p
}

func (a *Auditor) newPlan(k planKey, v *view) *plan {
	p := &plan{}
	if a.set.Site == nil {
		for _, f := range a.set.ByService(k.proto, k.port, k.icmpType) {
			if m := a.set.Covers(f, nil, k.proto, k.port, k.icmpType); !f.Reference && m < rules.PortAny {
				p.options = append(p.options, a.newOption(rules.Candidate{Flow: f, Port: m}, nil, k.proto, len(p.options)))
			}
		}
		return p
	}
	for _, cand := range a.set.Candidates(v.orig, v.resp, k.proto, k.port, k.icmpType) {
		switch {
		case cand.Flow.Reference:
		case cand.Port < rules.PortUnstated:
			p.options = append(p.options, a.newOption(cand, v.orig.Host, k.proto, len(p.options)))
		case cand.Port == rules.PortUnstated:
			p.silent = append(p.silent, cand.Flow)
		}
	}
	return p
}

func (a *Auditor) newOption(cand rules.Candidate, orig *rules.Host, proto flow.Proto, order int) option {
	o := option{Candidate: cand, order: order, rank: a.rank[cand.Flow.Pack], number: a.numbers[cand.Flow], anySource: true, fromRoles: cand.Flow.FromRoles()}
	if proto.HasPorts() {
		o.sources, o.anySource = a.set.SourcePorts(orig, cand.Flow)
	}
	o.named, o.alone, o.paired = a.set.NamedRole(cand.To.Role), a.coupled.alone(cand.Flow), len(a.coupled.pairs[cand.Flow]) > 0
	o.state, o.steady = a.set.SteadyCondition(cand.Flow)
	o.demand, o.ciphers = a.demand(cand.Flow), ciphersOf(cand.Flow)
	if (cand.Port == rules.PortDynamic || cand.Port == rules.PortRanged) && cand.Flow.AnnouncedBy != "" {
		o.opens |= openAnnouncement
		o.acceptedPorts, o.accepted = a.set.AcceptsDynamic(cand.Flow)
	}
	return o
}

// bySource is true where the fixed source port names the service and the responder's port says nothing: LLMNR answers from 5355 to any high port.
func (o *option) bySource() bool {
	return o.Port > rules.PortExact && o.Flow.SourcePorts != "ephemeral" && o.Flow.SourcePorts != "any"
}

// reservedEnds counts the ends that hold their role only because everybody does.
func (o *option) reservedEnds() int {
	n := 0
	for _, r := range []rules.HeldRole{o.From, o.To} {
		if r.Role == "any" || r.Role == "internet" {
			n++
		}
	}
	return n
}

// compareChecks orders flows that cover the same connection: as the rules do within one orientation (exact port before range before dynamic before any,
// named role before any and internet, narrow binding before wide, order of --rules, flow id); by the same criteria between the two, then the connection's own.
func compareChecks(a, b *checked) int {
	if a.view == b.view {
		return cmp.Compare(a.order, b.order)
	}
	return compareOptions(a.option, b.option)
}

func compareOptions(a, b *option) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.reservedEnds(), b.reservedEnds()), cmp.Compare(a.From.By+a.To.By, b.From.By+b.To.By),
		cmp.Compare(a.rank, b.rank), cmp.Compare(a.Flow.ID, b.Flow.ID))
}

// match says how surely the ends of a documented flow are known.
func (a *Auditor) match(o *option) string {
	if a.set.Site == nil {
		return "port-only"
	}
	for _, r := range []rules.HeldRole{o.From, o.To} {
		if r.By == rules.ByNetwork || r.Role == "internet" || o.Proxied {
			return "network"
		}
	}
	return "identified"
}

func inRanges(port uint16, ranges []rules.PortRange) bool {
	return slices.ContainsFunc(ranges, func(r rules.PortRange) bool { return r.Contains(port) })
}

// checked is an option held against one connection.
type checked struct {
	*option
	view     *view
	broken   why
	opens    open
	unknown  bool // the flow's condition is neither on nor off
	unproven bool // the announcement that is missing may lie where the capture does not show it
	stray    bool // nothing but an announcement would make it this flow's, and there is none
}

// check finds what the connection breaks of a flow that its roles, protocol and port fit.
func (a *Auditor) check(c *flow.Conn, v *view, o *option) checked {
	k := checked{option: o, view: v, opens: o.opens}
	uncertain := !v.sure
	if uncertain && o.Flow.Originator != "either" {
		k.opens |= openOriginator
	}
	switch {
	case o.anySource:
	case v.translated():
		k.opens |= openSourcePort
	case !inRanges(v.from.Port(), o.sources):
		k.broken |= whySourcePort
	case uncertain:
		k.opens |= openSourcePort
	}
	if v.named == byClaim {
		k.opens |= openName
	}
	switch broken, open := o.encryption(&a.payload); {
	case broken:
		k.broken |= whyEncryption
	case open:
		k.opens |= openEncryption
	}
	if o.Flow.Condition != "" {
		switch a.condition(o, c.First) {
		case rules.Off:
			if a.set.Site == nil {
				k.unknown = true // a default of the pack is nobody's word
			} else {
				k.broken |= whyCondition
			}
		case rules.Unknown:
			k.unknown = true
		}
	}
	if a.hours && !a.set.AllowedAt(o.Flow, c.First) {
		k.broken |= whyHours
	}
	if c.KnownBy == flow.KnownByAnnounced {
		k.opens &^= openAnnouncement
	}
	if k.opens&openAnnouncement != 0 {
		k.announcement(a, c)
	}
	return k
}

// condition is the state of a flow's condition at a time.
func (a *Auditor) condition(o *option, at int64) rules.State {
	if o.steady {
		return o.state
	}
	return a.set.Condition(o.Flow, at)
}

// announcement checks whether a control conversation announced the port.
func (k *checked) announcement(a *Auditor, c *flow.Conn) {
	state := a.dynamic.state(a, c, k.view, k.option)
	switch {
	case state == announced:
		k.opens &^= openAnnouncement
	case state == acceptedAnnouncement:
	case k.Flow.AnnouncedBy == "tftp" && !a.ephemeral(k.view, k.Flow):
		k.stray = true
	case state == unannounced:
		k.broken |= whyUnannounced
		k.opens &^= openAnnouncement
	default:
		k.broken |= whyUnannounced
		k.unproven = true
	}
}

// ephemeral is true for a responder port in the range of the responder's OS. TFTP answers go to any port, but only a request makes them TFTP.
func (a *Auditor) ephemeral(v *view, f *rules.Flow) bool {
	ranges, any := a.set.SourcePorts(v.resp.Host, f)
	return any || inRanges(v.port, ranges)
}
