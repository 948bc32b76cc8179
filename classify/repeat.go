package classify

import (
	"slices"

	"pcapaudit/capture/flow"
)

// repeat is a documented connection of a route as the next ones may be again: what the verdict rests on beside the route, and the sums of those that were
// the same. They reach the tables when they settle: to count in one place is one miss of the cache, in ten it is ten. TestRepeatsEnd holds what ends it.
type repeat struct {
	uses     bool // the next one may be a use
	attempts bool // or an attempt without a connection
	unsure   bool // who opened them is a guess: all of them, or none
	turns    bool // it might be judged in the other orientation, too
	profiled bool // the source port is the originator's own choice
	namesake bool
	opens    open
	heeds    bool // a flow demands something of the payload
	told     encrypting
	sources  portSpan    // which all flows treat alike
	meant    uint64      // generation of meanings in names, of which the responder had none, nor the originator where that is a guess
	after    flow.ConnID // later ones are no evidence

	// Not settled yet
	sum             tally
	refused, silent uint32 // of them, attempts
	heard           uint32 // of them, those in which the responder sent something
	ports           portSpan
}

// repeats takes a connection that is judged as another of its route was; false where it must be judged by itself.
func (a *Auditor) repeats(c *flow.Conn, r *route) bool {
	m := &r.memo
	p := &m.repeat
	if a.opts.OnJudged != nil || !(p.uses && plain(c) || p.attempts && failed(c)) || c.KnownBy.Uncertain() != p.unsure || c.RespPackets > 0 && m.resp == nil {
		return false
	}
	switch port := c.Orig.Port(); {
	case port < p.sources.low || port > p.sources.high, p.profiled && port == 0, c.Proto == flow.UDP && a.dynamic.tftp, a.names.meant != p.meant && (a.meant(r) || p.turns && a.meantBack(r)),
		c.Last < a.from || c.First >= a.until || a.over(c), opaqueTunnel(c) != "", c.ID.Compare(p.after) < 0:
		return false
	}
	if p.turns && !a.turnsPlainly(c, r) {
		return false
	}
	p.meant = a.names.meant
	a.payload = payloadOf(c)
	if p.heeds && a.payload.encrypting() != p.told || a.claimsMeaning(c) {
		return false
	}
	j := &a.judgement
	*j = judged{verdict: documented, original: documented, opens: p.opens, flow: m.of.flow, option: m.of.option, memo: m,
		view: view{orig: m.of.orig, resp: m.of.resp, from: c.Orig, to: c.Resp, port: r.inner, sure: !p.unsure, fromEnd: r.from, toEnd: r.to}}
	a.sums.repeated(c, j, p)
	a.losses.add(a, c, j)
	a.encryptions.add(a, c, j, &a.payload)
	a.names.claimed(a, c, j)
	p.add(c)
	if p.profiled {
		p.ports.add(c.Orig.Port())
	}
	return true
}

// add has a connection wait.
func (p *repeat) add(c *flow.Conn) {
	p.sum.add(c)
	switch c.Outcome {
	case flow.Refused:
		p.refused++
	case flow.Unanswered:
		p.silent++
	}
	if c.RespPackets > 0 {
		p.heard++
	}
}

// plain is a connection of which nobody doubts that both sides used it.
func plain(c *flow.Conn) bool {
	return (c.Outcome == flow.Established || c.Outcome == flow.Answered) && c.KnownBy != flow.KnownByAnnounced &&
		c.OrigPackets > 0 && c.RespPackets > 0 && !c.OtherLeg
}

// failed is an attempt.
func failed(c *flow.Conn) bool {
	return (c.Outcome == flow.Refused || c.Outcome == flow.Unanswered) && c.KnownBy != flow.KnownByAnnounced && c.OrigPackets > 0 && !c.OtherLeg
}

// claimsMeaning says whether the originator claims a name that has a meaning: then the claim may decide what the responder is.
func (a *Auditor) claimsMeaning(c *flow.Conn) bool { return a.claimedMeaning(c) != nil }

// encrypting is all that verdicts rest on of a payload.
type encrypting struct {
	seen, clear bool
	by          cipher
}

func (p *payload) encrypting() encrypting {
	switch {
	case p.clear != nil:
		return encrypting{clear: true}
	case p.encrypted == nil:
		return encrypting{}
	}
	return encrypting{seen: true, by: cipherOf(p.encrypted)}
}

// repeatable prepares for connections like the one that was just recorded, if all that it added up can wait.
func (a *Auditor) repeatable(c *flow.Conn, r *route) {
	j := &a.judgement
	m := j.memo
	if r == nil || m != &r.memo || m.loose || j.verdict != documented || !plain(c) && !failed(c) || r.group || a.hours || a.schedules.any ||
		a.unlisted.on && (j.view.orig.Host == nil || j.view.resp.Host == nil) ||
		a.claimsMeaning(c) || opaqueTunnel(c) != "" || j.paired() || !r.plan.steady(j.option) || a.meant(r) {
		return
	}
	unsure := c.KnownBy.Uncertain()
	turns := unsure && !c.Proto.IsICMP()
	if turns && (a.meantBack(r) || !a.turnsPlainly(c, r) || len(a.planOf(c, &a.views[1]).options) > 0) {
		return
	}
	p := &m.repeat
	sources := p.sources
	if port := c.Orig.Port(); port < sources.low || port > sources.high {
		sources.low, sources.high = a.set.AlikePorts(port)
	}
	*p = repeat{uses: plain(c), attempts: true, unsure: unsure, turns: turns, opens: j.opens, heeds: r.plan.heeds(), told: a.payload.encrypting(), sources: sources, meant: a.names.meant, profiled: j.profiled(c), namesake: ambiguous(j)}
	for i := range m.rows {
		if row := &m.rows[i]; row.tracked != nil {
			p.attempts = p.attempts && p.full(row.tracked.tried, maxTried)
			p.uses = p.uses && p.full(*row.option.kept.samples, maxSamples)
		}
	}
}

// full says whether evidence has all its places taken; then only what comes before it can change it.
func (p *repeat) full(list []seen, limit int) bool {
	if len(list) < limit {
		return false
	}
	if last := list[len(list)-1].id; last.Compare(p.after) > 0 {
		p.after = last
	}
	return true
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

// meantBack is meant for the ends exchanged.
func (a *Auditor) meantBack(r *route) bool {
	return slices.ContainsFunc(a.names.knownTo(r.to.who, r.from.addr), func(k alias) bool { return k.means != nil })
}

// turnsPlainly fills the other view of a connection whose originator is a guess, without names, and says whether the site has nothing to say of its responder
// but who that is. Then, if no flow covers the source port there, the first view alone decides.
func (a *Auditor) turnsPlainly(c *flow.Conn, r *route) bool {
	v := &a.views[1]
	*v = view{orig: r.to.of, from: c.Resp, to: c.Orig, flipped: true, fromEnd: r.to, toEnd: r.from}
	v.resp, v.port = a.set.Responder(c.Orig, c.First)
	return v.resp == r.from.of && v.port == c.Orig.Port() && (a.set.Site == nil || a.background(c, v) == 0)
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

// heeds says whether an option demands something of the payload.
func (p *plan) heeds() bool {
	for i := range p.options {
		if p.options[i].demand != demandNothing {
			return true
		}
	}
	return false
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
	m := &r.memo
	if m.repeat.sum.connections == 0 {
		return
	}
	p := &m.repeat
	n := p.sum.connections
	k := a.kept(m.of.option)
	k.kinds[documented].merge(&p.sum)
	k.sum.merge(&p.sum)
	k.sum.by[m.of.option.identifiedBy(&view{resp: m.of.resp})] += n
	if m.cell != nil {
		m.cell.merge(&p.sum)
	}
	if p.profiled {
		r.from.profile.connections += n
		r.from.profile.ports.merge(p.ports)
	}
	if r.from.active != nil {
		r.from.active.connections += n
	}
	if m.resp != nil {
		m.resp.connections += uint64(p.heard)
	}
	for i := range m.rows {
		if row := &m.rows[i]; row.tracked != nil {
			a.settleRow(r, row, p.use())
		}
	}
	p.sum, p.ports, p.refused, p.silent, p.heard = tally{}, portSpan{}, 0, 0, 0
}

// use is what waits as expectations count it.
func (p *repeat) use() *use {
	return &use{good: p.sum.connections - uint64(p.refused) - uint64(p.silent), refused: uint64(p.refused), silent: uint64(p.silent)}
}

// settleRow adds connections to an expectation, its ports and responders.
func (a *Auditor) settleRow(r *route, row *memoRow, n *use) {
	t, f := row.tracked, row.option.Flow
	t.merge(n)
	if t.ports != nil {
		for _, ports := range a.set.PortsOf(f, r.memo.of.resp.Host) {
			if ports.Contains(r.inner) {
				t.ports[ports].merge(n)
			}
		}
	}
	if t.responders != nil {
		to := a.partyOf(r.memo.of.resp, r.to.addr)
		if row.byResp {
			to = r.from.who
		}
		t.responders[to].merge(n)
	}
}

// settleAll adds all that waits to the tables, and forgets the routes: an audit is about to need their room.
func (a *Auditor) settleAll() {
	for _, p := range a.routes.table {
		if p.of != nil {
			a.settle(p.of)
		}
	}
	off := a.routes.off
	a.routes, a.current = newRoutes(), nil
	a.routes.off = off
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
