package classify

import (
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered for expectations.
const (
	maxTracked = 1 << 18 // flow and originating host; beyond it traffic satisfies nothing, and the audit says so
	maxSamples = 3       // connections that an expectation names
)

type expectKey struct {
	flow *rules.Flow
	orig party
}

// tracked is what one originating host did on one flow.
type tracked struct {
	good      uint64 // connections that satisfy
	oneSided  uint64 // only one direction was captured, and it moves on
	refused   uint64
	silent    uint64             // unanswered, one-way or half-open
	named     bool               // of some connection this was the flow, not one shared with it
	ports     []rules.PortRange  // entries of the flow's ports that good connections used
	responder map[party]struct{} // with good connections; only for satisfied_by: each
}

// expectations follows what documented flows were used by whom.
type expectations struct {
	rows    map[expectKey]*tracked
	samples map[*rules.Flow][]seen
	unkept  uint64
}

func newExpectations() expectations {
	return expectations{rows: map[expectKey]*tracked{}, samples: map[*rules.Flow][]seen{}}
}

// add credits a connection to the expectations of the flows that it met. A broken originator, condition or announcement satisfies nothing, nor does an excepted connection.
func (e *expectations) add(a *Auditor, c *flow.Conn, j *judged) {
	if j.option == nil || j.verdict != documented && j.verdict != deviation || j.why&(whyOriginator|whyCondition|whyUnannounced) != 0 {
		return
	}
	e.credit(a, c, j.option, &j.view, true)
	for i := range j.shared {
		e.credit(a, c, j.shared[i].option, &j.shared[i].view, false)
	}
}

func (e *expectations) credit(a *Auditor, c *flow.Conn, o *option, v *view, named bool) {
	if o.Flow.Pack.Kind == rules.Baseline || v.from.Addr().IsUnspecified() || standsForMany(v.orig) {
		return
	}
	from, to := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	if !o.Reversed {
		e.track(a, c, o, v, from, to, named)
	}
	if o.Reversed || o.Flow.Originator == "either" && holds(v.resp, o.fromRoles) {
		e.track(a, c, o, v, to, from, named)
	}
}

// standsForMany is true for the outside address of a source translation: what it originates may be anybody's behind it.
func standsForMany(m *rules.Membership) bool {
	return m.Translation == "source-pat" || m.Translation == "lb-snat"
}

// holds says whether an end plays one of the roles.
func holds(m *rules.Membership, roles []string) bool {
	return slices.ContainsFunc(m.Roles, func(r rules.HeldRole) bool { return slices.Contains(roles, r.Role) })
}

func (e *expectations) track(a *Auditor, c *flow.Conn, o *option, v *view, from, to party, named bool) {
	key := expectKey{o.Flow, from}
	t := e.rows[key]
	if t == nil {
		if len(e.rows) >= maxTracked {
			e.unkept++
			return
		}
		t = &tracked{}
		e.rows[key] = t
	}
	t.named = t.named || named
	switch shown(c, o.Flow) {
	case showsUse:
		t.good++
		e.samples[o.Flow] = keepFirst(e.samples[o.Flow], maxSamples, c, v)
		t.usePort(a, o, v)
		if o.Flow.SatisfiedBy == "each" {
			if t.responder == nil {
				t.responder = map[party]struct{}{}
			}
			t.responder[to] = struct{}{}
		}
	case showsOneSide:
		t.oneSided++
	case showsAttempt:
		if c.Outcome == flow.Refused {
			t.refused++
		} else {
			t.silent++
		}
	}
}

// usePort notes which of several ports was used, where the flow uses all of them.
func (t *tracked) usePort(a *Auditor, o *option, v *view) {
	if !allPorts(o.Flow) {
		return
	}
	for _, r := range a.set.PortsOf(o.Flow, v.resp.Host) {
		if r.Contains(v.port) && !slices.Contains(t.ports, r) {
			t.ports = append(t.ports, r)
		}
	}
}

func allPorts(f *rules.Flow) bool { return f.PortsMode != "alternatives" && len(f.Ports) > 1 }

// showing is what a connection shows of its flow's use.
type showing uint8

const (
	showsUse showing = iota
	showsOneSide
	showsAttempt
)

// shown reads the outcome: use needs packets of both ends after the handshake, except where the flow has no reply.
func shown(c *flow.Conn, f *rules.Flow) showing {
	switch c.Outcome {
	case flow.Established, flow.Answered:
		return showsUse
	case flow.Refused, flow.Unanswered, flow.HalfOpen:
		return showsAttempt
	case flow.OneWay:
		if f.Reply == "none" {
			return showsUse
		}
		return showsAttempt
	case flow.Partial, flow.Midstream, flow.Seen:
		if c.Visibility == flow.BothSides || f.Reply == "none" {
			return showsUse
		}
	}
	return showsOneSide
}

// addresses of a party: its own, or those that its host names; a prefix stands with its first address.
func (a *Auditor) addresses(p party) []netip.Addr {
	if p.addr.IsValid() {
		return []netip.Addr{p.addr}
	}
	var list []netip.Addr
	for _, e := range p.host.Addresses {
		list = append(list, firstAddress(e.Address)...)
	}
	return list
}

// roleAddresses are the documented addresses of a qualified role.
func roleAddresses(p *rules.Pack, role string) []netip.Addr {
	var list []netip.Addr
	for _, r := range p.Roles {
		if p.Name+"/"+r.Name == role {
			for _, text := range r.Addresses {
				list = append(list, firstAddress(text)...)
			}
		}
	}
	return list
}

// firstAddress of an address, a prefix or a range; none where the text is no address.
func firstAddress(text string) []netip.Addr {
	if p, err := netip.ParsePrefix(text); err == nil {
		return []netip.Addr{p.Addr().Unmap()}
	}
	for i := range text {
		if text[i] == '-' {
			text = text[:i]
			break
		}
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return []netip.Addr{addr.Unmap()}
	}
	return nil
}
