package classify

import (
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered for expectations.
const (
	maxTracked = 1 << 18 // flow and originating host, and as many ports and responders of them; beyond it traffic satisfies nothing, and the audit says so
	maxSamples = 3       // connections that an expectation names
	maxTried   = 2       // attempts of one host that the finding about them names
)

type expectKey struct {
	flow *rules.Flow
	orig party
}

// use counts connections by what they show of a flow's use.
type use struct {
	good     uint64 // they satisfy
	oneSided uint64 // only one direction was captured, and it moves on
	unsure   uint64 // whether they are the flow's could not be judged
	excepted uint64 // only an exception allows them
	refused  uint64
	halfOpen uint64
	silent   uint64 // unanswered or one-way
}

func (u *use) attempts() uint64 { return u.refused + u.halfOpen + u.silent }

func (u *use) add(c *flow.Conn, s showing) {
	switch {
	case s == showsUse:
		u.good++
	case s == showsOneSide:
		u.oneSided++
	case s == showsDoubt:
		u.unsure++
	case s == showsException:
		u.excepted++
	case c.Outcome == flow.Refused:
		u.refused++
	case c.Outcome == flow.HalfOpen:
		u.halfOpen++
	default:
		u.silent++
	}
}

func (u *use) merge(o *use) {
	u.good += o.good
	u.oneSided += o.oneSided
	u.unsure += o.unsure
	u.excepted += o.excepted
	u.refused += o.refused
	u.halfOpen += o.halfOpen
	u.silent += o.silent
}

// tracked is what one originating host did on one flow.
type tracked struct {
	use
	named      bool                     // of some connection this was the flow, not one shared with it
	proxied    bool                     // a good connection ran through a proxy: its port and responder behind it are not visible
	ports      map[rules.PortRange]*use // by entry of the flow's ports; only where the flow uses all of several
	responders map[party]*use           // only for satisfied_by: each
	tried      []seen                   // its first attempts
}

// expectations follows what documented flows were used by whom.
type expectations struct {
	rows    map[expectKey]*tracked
	parts   int // entries of ports and responders, all rows together
	samples map[*rules.Flow]*[]seen
	unkept  uint64
}

func newExpectations() expectations {
	return expectations{rows: map[expectKey]*tracked{}, samples: map[*rules.Flow]*[]seen{}}
}

// unsatisfying is what a connection may not break if it is to satisfy an expectation.
const unsatisfying = whyOriginator | whyCondition | whyUnannounced

// add credits a connection to the expectations of all flows that cover it.
func (e *expectations) add(a *Auditor, c *flow.Conn, j *judged) {
	if j.option == nil {
		return
	}
	v, as := j.view, showsUse
	switch {
	case j.verdict == indeterminate:
		as = showsDoubt
		if j.why&whyOriginator != 0 {
			v = j.view.turned()
		}
	case j.why&unsatisfying != 0:
		return
	case j.verdict == excepted:
		as = showsException
	}
	e.credit(a, c, j, j.option, &v, as, true)
	for i := range j.shared {
		e.credit(a, c, j, j.shared[i].option, &j.shared[i].view, as, false)
	}
}

// credit counts a connection for one flow: as its outcome shows, but no more than as.
func (e *expectations) credit(a *Auditor, c *flow.Conn, j *judged, o *option, v *view, as showing, named bool) {
	if o.Flow.Pack.Kind == rules.Baseline || v.from.Addr().IsUnspecified() || standsForMany(v.orig) {
		return
	}
	s := shown(c, o.Flow, v)
	switch {
	case as == showsUse:
	case s == showsAttempt:
		return
	default:
		s = as
	}
	from, to := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	if !o.Reversed {
		e.track(a, c, j, e.row(a, c, j, o, v, from, false), o, v, from, to, s, named)
	}
	if o.Reversed || o.Flow.Originator == "either" && holds(v.resp, o.fromRoles) {
		e.track(a, c, j, e.row(a, c, j, o, v, to, true), o, v, to, from, s, named)
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

// row is what the originating end of an expectation did on its flow, and the flow's samples; nil where there is no room.
func (e *expectations) row(a *Auditor, c *flow.Conn, j *judged, o *option, v *view, who party, byResp bool) memoRow {
	var place *memoRow
	if !v.flipped && v.from == c.Orig {
		place = j.memo.row(o, byResp)
	}
	if place != nil && place.tracked != nil {
		return *place
	}
	j.memo.loose = j.memo.loose || place == nil
	at := v.fromEnd
	if byResp {
		at = v.toEnd
	}
	u := &usage{}
	if e == &a.expect {
		u = a.usage(o, who, at)
	}
	r := memoRow{option: o, byResp: byResp, tracked: e.tracked(u, expectKey{o.Flow, who})}
	if r.tracked == nil {
		e.unkept++
		j.memo.loose = true
		return r
	}
	if place != nil {
		*place = r
	}
	return r
}

// tracked is that of a key, nil where there is no room; u remembers it.
func (e *expectations) tracked(u *usage, key expectKey) *tracked {
	if u.tracked != nil {
		return u.tracked
	}
	t := e.rows[key]
	if t == nil && len(e.rows) < maxTracked {
		t = &tracked{}
		e.rows[key] = t
	}
	u.tracked = t
	return t
}

// samplesAt is where connections that satisfied an option's flow are kept.
func (e *expectations) samplesAt(a *Auditor, o *option) *[]seen {
	k, f := &kept{}, o.Flow
	if e == &a.expect {
		k = a.kept(o)
	}
	if k.samples == nil {
		if k.samples = e.samples[f]; k.samples == nil {
			k.samples = new([]seen)
			e.samples[f] = k.samples
		}
	}
	return k.samples
}

// samplesOf are connections that satisfied a flow.
func (e *expectations) samplesOf(f *rules.Flow) []seen {
	if list := e.samples[f]; list != nil {
		return *list
	}
	return nil
}

// track counts a connection for an expectation of one end.
func (e *expectations) track(a *Auditor, c *flow.Conn, j *judged, r memoRow, o *option, v *view, from, to party, s showing, named bool) {
	t := r.tracked
	if t == nil {
		return
	}
	t.named = t.named || named
	t.add(c, s)
	if s == showsAttempt {
		t.tried = keepFirst(t.tried, maxTried, c, v)
	}
	if s == showsUse {
		t.proxied = t.proxied || o.Proxied
		a.schedules.use(a, expectKey{o.Flow, from}, c)
		samples := e.samplesAt(a, o)
		*samples = keepFirst(*samples, maxSamples, c, v)
	}
	if allPorts(o.Flow) {
		for _, r := range a.set.PortsOf(o.Flow, v.resp.Host) {
			if r.Contains(v.port) {
				j.memo.loose = !part(e, &t.ports, r, c, s) || j.memo.loose
			}
		}
	}
	if o.Flow.SatisfiedBy == "each" {
		j.memo.loose = !part(e, &t.responders, to, c, s) || j.memo.loose
	}
}

// part counts a connection for one port or one responder; false where there is no room.
func part[K comparable](e *expectations, parts *map[K]*use, key K, c *flow.Conn, s showing) bool {
	u := (*parts)[key]
	if u == nil {
		if e.parts >= maxTracked {
			e.unkept++
			return false
		}
		if *parts == nil {
			*parts = map[K]*use{}
		}
		u = &use{}
		(*parts)[key] = u
		e.parts++
	}
	u.add(c, s)
	return true
}

func allPorts(f *rules.Flow) bool { return f.PortsMode != "alternatives" && len(f.Ports) > 1 }

// showing is what a connection shows of its flow's use.
type showing uint8

const (
	showsUse showing = iota
	showsOneSide
	showsAttempt
	showsDoubt
	showsException
)

// shown reads the outcome: use needs packets of both ends after the handshake, or of the originator where the flow has no reply. An answer
// whose question was not captured is one side of something.
func shown(c *flow.Conn, f *rules.Flow, v *view) showing {
	sent, answered := c.OrigPackets > 0, c.RespPackets > 0
	if v.from != c.Orig {
		sent, answered = answered, sent
	}
	enough := sent && (answered || f.Reply == "none")
	switch c.Outcome {
	case flow.Established, flow.Answered:
		return showsUse
	case flow.Refused, flow.Unanswered:
		return showsAttempt
	case flow.HalfOpen:
		if sent {
			return showsAttempt
		}
	case flow.OneWay:
		if sent && f.Reply != "none" {
			return showsAttempt
		}
		if enough {
			return showsUse
		}
	case flow.Partial, flow.Midstream, flow.Seen:
		if enough {
			return showsUse
		}
	}
	return showsOneSide
}

// addresses of a party: its own, or those that its host names; a prefix stands with its first address. They are not to be changed.
func (a *Auditor) addresses(p party) []netip.Addr {
	if p.addr.IsValid() {
		return []netip.Addr{p.addr}
	}
	list, known := a.stated[p.host]
	if !known {
		for _, e := range p.host.Addresses {
			list = append(list, firstAddress(e.Address)...)
		}
		list = slices.Clip(list)
		a.stated[p.host] = list
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
