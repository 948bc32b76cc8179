package classify

import (
	"cmp"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of sums.
const (
	maxFlowHosts = 1 << 18 // hosts counted for flows, all flows together; OrigHosts and RespHosts stop there
	maxProfiles  = 1 << 16 // hosts with a profile of source ports
)

// tally counts connections.
type tally struct{ connections, packets, bytes uint64 }

func (t *tally) add(c *flow.Conn) {
	t.connections++
	t.packets += c.OrigPackets + c.RespPackets
	t.bytes += c.OrigBytes + c.RespBytes
}

type flowSum struct {
	tally
	origs, resps map[party]struct{}
	unknown      bool // the flow's condition was neither on nor off
	by           [numKnownBy]uint64
}

// profile is the source ports of one host.
type profile struct {
	ports       portSpan
	connections uint64
	outside     uint64
	documented  []rules.PortRange
}

// sums are the numbers of the audit.
type sums struct {
	observed   uint64 // connections
	verdicts   [numVerdicts]tally
	kinds      map[rules.Kind]*[numVerdicts]tally
	whys       [numWhys]tally // of out-of-scope connections
	opens      [numOpens]tally
	flows      map[*rules.Flow]*flowSum
	hosts      int // in flows
	profiles   map[party]*profile
	exceptions map[*rules.Exception]*exceptionSum
	timeline   timeline
	tcpBoth    uint64
	tcpOne     uint64
	unkept     uint64 // hosts that had no room
	namesakes  uint64 // documented connections that may mean either of several documented names of their responder
	accepted   uint64 // documented connections to dynamic ports that nothing announced, by the site's word
	deciding   uint64 // unexpected connections that count for the result
}

type exceptionSum struct{ used, expired uint64 }

func newSums() sums {
	return sums{kinds: map[rules.Kind]*[numVerdicts]tally{rules.Vendor: {}, rules.Baseline: {}, rules.Local: {}}, flows: map[*rules.Flow]*flowSum{}, profiles: map[party]*profile{}, exceptions: map[*rules.Exception]*exceptionSum{}}
}

// observe counts what does not depend on the verdict.
func (s *sums) observe(c *flow.Conn) {
	s.observed++
	if c.Proto != flow.TCP {
		return
	}
	if c.Visibility == flow.BothSides {
		s.tcpBoth++
	} else if c.Outcome != flow.Unanswered {
		s.tcpOne++ // an unanswered SYN has one side anyway
	}
}

func (s *sums) judged(a *Auditor, c *flow.Conn, j *judged) {
	s.verdicts[j.verdict].add(c)
	s.timeline.add(c.First, j.verdict)
	if j.verdict == outOfScope {
		addBits(s.whys[:], uint32(j.why), c)
		return
	}
	if j.verdict == documented && j.opens != 0 {
		addBits(s.opens[:], uint32(j.opens), c)
		if j.opens&openAnnouncement != 0 && j.option.accepts(j.view.to.Port()) {
			s.accepted++
		}
	}
	if j.verdict == documented && ambiguous(j) {
		s.namesakes++
	}
	if j.verdict == unexpected && decides(unexpected, attempt(c.Outcome)) {
		s.deciding++
	}
	if j.exception != nil {
		s.exception(j)
	}
	if j.flow != nil {
		s.kind(a, j).add(c)
	}
	if j.option != nil && (j.verdict == documented || j.verdict == deviation) {
		s.flow(a, c, j)
		s.profile(a, c, j)
	}
}

// ambiguous is true where the responder plays another role with documented names as well, and nothing tells which of them is meant.
func ambiguous(j *judged) bool {
	return j.option.named && slices.ContainsFunc(j.shared, func(s shared) bool { return s.met && s.option.named && s.option.To.Role != j.option.To.Role })
}

func addBits(to []tally, bits uint32, c *flow.Conn) {
	for i := range to {
		if bits&(1<<i) != 0 {
			to[i].add(c)
		}
	}
}

func (s *sums) exception(j *judged) {
	e := s.exceptions[j.exception]
	if e == nil {
		e = &exceptionSum{}
		s.exceptions[j.exception] = e
	}
	switch j.validity {
	case rules.Active:
		e.used++
	case rules.Expired:
		e.expired++
	}
}

func (s *sums) flow(a *Auditor, c *flow.Conn, j *judged) {
	k := a.kept(j.option)
	if k.sum == nil {
		k.sum = s.flowSum(j.flow)
	}
	f, v := k.sum, &j.view
	f.add(c)
	f.unknown = f.unknown || j.unknown
	f.by[j.option.identifiedBy(&j.view)]++
	who := a.partyOf(v.orig, v.from.Addr())
	if u := a.usage(j.option, who, v.fromEnd); !u.orig {
		u.orig = s.host(f.origs, who)
		j.memo.loose = j.memo.loose || !u.orig
	}
	who = a.partyOf(v.resp, v.to.Addr())
	if u := a.usage(j.option, who, v.toEnd); !u.resp {
		u.resp = s.host(f.resps, who)
		j.memo.loose = j.memo.loose || !u.resp
	}
}

// kind is the sum of a kind of pack and a verdict.
func (s *sums) kind(a *Auditor, j *judged) *tally {
	if j.option == nil {
		return &s.kinds[j.flow.Pack.Kind][j.verdict]
	}
	k := a.kept(j.option)
	if k.kinds == nil {
		k.kinds = s.kinds[j.flow.Pack.Kind]
	}
	return &k.kinds[j.verdict]
}

func (s *sums) flowSum(of *rules.Flow) *flowSum {
	f := s.flows[of]
	if f == nil {
		f = &flowSum{origs: map[party]struct{}{}, resps: map[party]struct{}{}}
		s.flows[of] = f
	}
	return f
}

// host counts a host once; false where there is no room.
func (s *sums) host(set map[party]struct{}, p party) bool {
	if _, ok := set[p]; ok {
		return true
	}
	if s.hosts >= maxFlowHosts {
		s.unkept++
		return false
	}
	s.hosts++
	set[p] = struct{}{}
	return true
}

// profile notes the source port where it is the originator's own choice and the originator is certain.
func (s *sums) profile(a *Auditor, c *flow.Conn, j *judged) {
	if !j.profiled(c) {
		return
	}
	p := s.profileOf(a.partyOf(j.view.orig, j.view.from.Addr()), j.view.fromEnd)
	if p == nil {
		s.unkept++
		j.memo.loose = true
		return
	}
	for _, r := range j.option.sources {
		if !slices.Contains(p.documented, r) {
			p.documented = append(p.documented, r)
		}
	}
	p.ports.add(j.view.from.Port())
	p.connections++
	if j.why&whySourcePort != 0 {
		p.outside++
	}
}

// profiled says whether the source port is the originator's own choice.
func (j *judged) profiled(c *flow.Conn) bool {
	o := j.option
	return !o.anySource && (o.Flow.SourcePorts == "" || o.Flow.SourcePorts == "ephemeral") && j.view.sure && !j.view.translated() && (c.Proto == flow.TCP || c.Proto == flow.UDP)
}

// profileOf is that of a host at an address, nil where there is no room.
func (s *sums) profileOf(who party, at *endpoint) *profile {
	if at.profile != nil && at.who == who {
		return at.profile
	}
	p := s.profiles[who]
	if p == nil && len(s.profiles) < maxProfiles {
		p = &profile{}
		s.profiles[who] = p
	}
	if at.who == who {
		at.profile = p
	}
	return p
}

func (s *sums) totals() []Total {
	list := make([]Total, numVerdicts)
	for v, t := range s.verdicts {
		list[v] = Total{verdict(v).String(), t.connections, t.packets, t.bytes}
	}
	return list
}

func (s *sums) kindTotals() []KindTotal {
	list := []KindTotal{}
	for _, kind := range []rules.Kind{rules.Vendor, rules.Baseline, rules.Local} {
		for v, t := range s.kinds[kind] {
			if t.connections > 0 {
				list = append(list, KindTotal{string(kind), verdict(v).String(), t.connections, t.bytes})
			}
		}
	}
	return list
}

func reasonTotals(tallies []tally, names []string) []ReasonTotal {
	list := []ReasonTotal{}
	for i, t := range tallies {
		if t.connections > 0 {
			list = append(list, ReasonTotal{names[i], t.connections, t.bytes})
		}
	}
	slices.SortStableFunc(list, func(a, b ReasonTotal) int { return cmp.Compare(b.Connections, a.Connections) })
	return list
}

// flowTotals lists the flows with traffic in the order of packs and of their documents, baseline flows or the others.
func (s *sums) flowTotals(a *Auditor, baseline bool) []FlowTotal {
	list := []FlowTotal{}
	for _, p := range a.set.Packs {
		if (p.Kind == rules.Baseline) != baseline {
			continue
		}
		for _, f := range p.Flows {
			if t := s.flows[f]; t != nil {
				total := FlowTotal{Flow: f.Ref(), Title: f.Title, Service: a.service(f), Connections: t.connections, Bytes: t.bytes, OrigHosts: len(t.origs), RespHosts: len(t.resps),
					ByName: t.by[byName], ByClaim: t.by[byClaim], ByAddress: t.by[byAddress]}
				if t.unknown {
					total.Note = unknownCondition(f)
				}
				list = append(list, total)
			}
		}
	}
	return list
}

func (s *sums) portProfiles() []PortProfile {
	list := []PortProfile{}
	for who, p := range s.profiles {
		slices.SortFunc(p.documented, func(a, b rules.PortRange) int {
			return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
		})
		e := PortProfile{Host: who.name(), Documented: rangeNames(p.documented), Lowest: p.ports.low, Highest: p.ports.high, Connections: p.connections, Outside: p.outside}
		if who.host != nil {
			e.OS = who.host.OS
		}
		list = append(list, e)
	}
	slices.SortFunc(list, compareProfiles)
	return list
}

func compareProfiles(a, b PortProfile) int {
	return cmp.Or(cmp.Compare(b.Outside, a.Outside), cmp.Compare(a.Host, b.Host), cmp.Compare(a.OS, b.OS))
}

// exceptionUses says of every exception of the site what it did. One that fitted only connections after its end is expired.
func (s *sums) exceptionUses(site *rules.Site) []ExceptionUse {
	list := []ExceptionUse{}
	if site == nil {
		return list
	}
	for _, e := range site.Exceptions {
		use := ExceptionUse{ID: e.ID, Ticket: e.Ticket, Owner: e.Owner, Approver: e.Approver, Reason: e.Reason, Since: e.Since, Until: e.Until, State: "unused"}
		if sum := s.exceptions[e]; sum != nil {
			use.Connections, use.Expired = sum.used, sum.expired
			switch {
			case sum.used > 0:
				use.State = "used"
			case sum.expired > 0:
				use.State = "expired"
			}
		}
		list = append(list, use)
	}
	return list
}
