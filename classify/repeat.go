package classify

import "pcapaudit/capture/flow"

// repeat is a documented connection of a route as the next ones may be again: what the verdict rests on beside the route, and the sums of those that were
// the same. They reach the tables when they settle: to count in one place is one miss of the cache, in ten it is ten. TestRepeatsEnd holds what ends it.
type repeat struct {
	ready     bool
	profiled  bool // the source port is the originator's own choice
	namesake  bool
	opens     open
	clear     bool
	encrypted string
	sources   portSpan // which all flows treat alike
	meant     uint64   // generation of meanings in names, of which the responder had none
	sampled   flow.ConnID
	match     string

	sum   tally // not settled yet
	ports portSpan
}

// repeats takes a connection that is judged as another of its route was; false where it must be judged by itself.
func (a *Auditor) repeats(c *flow.Conn, r *route) bool {
	m := r.memo
	if m == nil || !m.repeat.ready || !plain(c) || a.opts.OnJudged != nil {
		return false
	}
	p := &m.repeat
	switch port := c.Orig.Port(); {
	case port < p.sources.low || port > p.sources.high, p.profiled && port == 0, c.Proto == flow.UDP && a.dynamic.tftp, a.names.meant != p.meant && a.meant(r),
		c.Last < a.from || c.First >= a.until || a.over(c), opaqueTunnel(c) != "", c.ID.Compare(p.sampled) < 0:
		return false
	}
	p.meant = a.names.meant
	a.payload = payloadOf(c)
	if (a.payload.clear != nil) != p.clear || a.payload.encryption() != p.encrypted || claimsAny(c) {
		return false
	}
	j := &a.judgement
	*j = judged{verdict: documented, original: documented, opens: p.opens, flow: m.of.flow, option: m.of.option, memo: m, match: p.match,
		view: view{orig: m.of.orig, resp: m.of.resp, from: c.Orig, to: c.Resp, port: r.inner, sure: true}}
	a.sums.repeated(c, j, p)
	a.losses.add(a, c, j)
	a.encryptions.add(a, c, j, &a.payload)
	p.sum.add(c)
	if p.profiled {
		p.ports.add(c.Orig.Port())
	}
	return true
}

// plain is a connection of which nobody doubts who opened it and that both sides used it.
func plain(c *flow.Conn) bool {
	return (c.Outcome == flow.Established || c.Outcome == flow.Answered) && !c.KnownBy.Uncertain() && c.KnownBy != flow.KnownByAnnounced &&
		c.OrigPackets > 0 && c.RespPackets > 0 && !c.OtherLeg
}

// claimsAny says whether the originator claims a name.
func claimsAny(c *flow.Conn) bool {
	for i := range c.Facts {
		if c.Facts[i].Kind == flow.FactName {
			return true
		}
	}
	return false
}

// encryption is what encrypts a payload, "" where nothing was seen to.
func (p *payload) encryption() string {
	if p.encrypted == nil {
		return ""
	}
	return p.encrypted.Value
}

// repeatable prepares for connections like the one that was just recorded, if all that it added up can wait.
func (a *Auditor) repeatable(c *flow.Conn, r *route) {
	j := &a.judgement
	m := j.memo
	if r == nil || m != r.memo || m.loose || j.verdict != documented || !plain(c) || r.group || a.hours || a.schedules.any ||
		claimsAny(c) || opaqueTunnel(c) != "" || j.paired() || !r.plan.steady(j.option) || a.meant(r) {
		return
	}
	a.settle(r)
	p := &m.repeat
	sources := p.sources
	if port := c.Orig.Port(); !p.ready || port < sources.low || port > sources.high {
		sources.low, sources.high = a.set.AlikePorts(port)
	}
	*p = repeat{ready: true, opens: j.opens, clear: a.payload.clear != nil, encrypted: a.payload.encryption(), sources: sources, meant: a.names.meant, match: j.match,
		profiled: m.profile != nil, namesake: ambiguous(j)}
	for i := range m.rows {
		if row := &m.rows[i]; row.tracked != nil {
			list := *row.samples
			if len(list) < maxSamples {
				p.ready = false
				return
			}
			if last := list[len(list)-1].id; last.Compare(p.sampled) > 0 {
				p.sampled = last
			}
		}
	}
}

// meant says whether the originator of a route ever knew its responder by a name that has a meaning.
func (a *Auditor) meant(r *route) bool {
	list := a.names.alongRoute(r)
	for i := range list {
		if list[i].means != nil {
			return true
		}
	}
	return false
}

// steady says whether an option is of the plan, not of an announcement, and all that the plan's flows state is the same at all times.
func (p *plan) steady(best *option) bool {
	found := false
	for i := range p.options {
		o := &p.options[i]
		if !o.steady || o.opens&openAnnouncement != 0 {
			return false
		}
		found = found || o == best
	}
	return found
}

// repeated is judged for a repeat: what cannot wait.
func (s *sums) repeated(c *flow.Conn, j *judged, p *repeat) {
	s.verdicts[documented].add(c)
	s.timeline.add(c.First, documented)
	if j.opens != 0 {
		addBits(s.opens[:], uint32(j.opens), c)
	}
	if p.namesake {
		s.namesakes++
	}
}

// settle adds to the tables what waits at a route.
func (a *Auditor) settle(r *route) {
	m := r.memo
	if m == nil || m.repeat.sum.connections == 0 {
		return
	}
	p := &m.repeat
	n := p.sum.connections
	m.kind.merge(&p.sum)
	m.sum.merge(&p.sum)
	m.sum.by[m.of.option.identifiedBy(&view{resp: m.of.resp})] += n
	if m.cell != nil {
		m.cell.merge(&p.sum)
	}
	if p.profiled {
		m.profile.connections += n
		m.profile.ports.merge(p.ports)
	}
	if m.orig != nil {
		m.orig.connections += n
	}
	if m.resp != nil {
		m.resp.connections += n
	}
	for i := range m.rows {
		if row := &m.rows[i]; row.tracked != nil {
			a.settleRow(r, row, n)
		}
	}
	p.sum, p.ports = tally{}, portSpan{}
}

// settleRow adds good connections to an expectation, its ports and responders.
func (a *Auditor) settleRow(r *route, row *memoRow, n uint64) {
	t, f := row.tracked, row.option.Flow
	t.good += n
	if t.ports != nil {
		for _, ports := range a.set.PortsOf(f, r.memo.of.resp.Host) {
			if ports.Contains(r.inner) {
				t.ports[ports].good += n
			}
		}
	}
	if t.responders != nil {
		to := a.partyOf(r.memo.of.resp, r.resp)
		if row.byResp {
			to = r.from.who
		}
		t.responders[to].good += n
	}
}

// settleAll adds all that waits to the tables.
func (a *Auditor) settleAll() {
	for _, p := range a.routes.table {
		if p.of != nil {
			a.settle(p.of)
		}
	}
}

func (t *tally) merge(o *tally) {
	t.connections += o.connections
	t.packets += o.packets
	t.bytes += o.bytes
}

func (s *portSpan) merge(o portSpan) {
	s.add(o.low)
	s.add(o.high)
}
