package classify

import (
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Options of an Auditor.
type Options struct {
	Tool       Tool
	Invocation *Invocation  // how the audit was asked for, for the audit
	Warnings   []string     // from rules and site, for the audit
	Filter     *flow.Filter // of the packets; nil: none were left out
	Attempts   int          // most findings that began as an attempt without an answer; 0 is 32768, which is the most

	// Of a live audit. Period is what the report is about; the zero value is the period of site and filter. Which connections are judged it does not narrow: each counts where
	// it is emitted. What it covers is then held against the time of the capture, not against the whole period, which may go on.
	Period    Span
	Since     int64          // since when everything was watched, in ns since 1970, also before this auditor: windows of schedules that began earlier are not judged; 0: since the capture's first packet
	Scheduled []ScheduledUse // what was seen of schedules before

	// OnJudged, if set, is called once for every connection, in the order of emission. The Conn is valid during the call only.
	OnJudged func(*flow.Conn, Judgement)
}

// Auditor judges connections as they are emitted and sums up what an Audit says. It is for one goroutine.
//
// Names and announcements are learned as they are seen; a connection is judged by those before its first packet, so they must be told
// before it is observed. Memory is bounded by the limits named in this package; what goes beyond is counted and said in the audit. Within
// the limits the audit depends on what it is told alone, not on the order in which connections are observed.
type Auditor struct {
	set  *rules.Set
	opts Options

	from, until int64 // the period
	rank        map[*rules.Pack]int
	numbers     map[*rules.Flow]uint64
	hours       bool                                // the site limits the hours of flows
	peopled     map[*rules.Host]map[netip.Addr]bool // hosts declared by prefix or range: the addresses that they name exactly
	people      map[*rules.Host][]party             // set by Finish: who was seen of each host entry
	stated      map[*rules.Host][]netip.Addr        // their addresses as parsed, of those that were asked for
	plans       map[planKey]*plan
	checks      []checked // scratch of judge
	shared      []shared  // scratch of judge
	views       [2]view   // scratch of judge: as emitted, and flipped
	payload     payload   // scratch of judge: of the connection being judged
	judgement   judged    // scratch of record
	current     *route    // of the connection being judged; nil where its view is another
	routes      routes

	dynamic  dynamics
	findings findings
	expect   expectations
	coupled  couplings
	sight    sight
	sums     sums
	losses   losses
	matrix   matrix

	unlisted    unlisted
	encryptions encryptions
	names       names
	schedules   schedules
	open        openSums
}

// New returns an Auditor for the compiled rules. set.Site may be nil: then ports are judged, roles are not.
func New(set *rules.Set, o Options) *Auditor {
	a := &Auditor{set: set, opts: o, rank: map[*rules.Pack]int{}, numbers: map[*rules.Flow]uint64{}, peopled: peopledHosts(set.Site), stated: map[*rules.Host][]netip.Addr{}, plans: map[planKey]*plan{}}
	a.from, a.until = asked(set, o.Filter)
	a.hours = set.Site != nil && len(set.Site.Hours) > 0
	for i, p := range set.Packs {
		a.rank[p] = i
		for _, f := range p.Flows {
			a.numbers[f] = uint64(len(a.numbers))
		}
	}
	a.dynamic = newDynamics()
	a.findings = newFindings(o.Attempts)
	a.expect = newExpectations()
	a.coupled = newCouplings(set)
	a.sight = newSight(set)
	a.unlisted = newUnlisted(set)
	a.sums = newSums()
	a.losses = newLosses()
	a.matrix = newMatrix(set)
	a.encryptions = newEncryptions()
	a.names = newNames()
	a.schedules = newSchedules(set, o.Scheduled)
	a.routes = newRoutes()
	return a
}

// Observe judges a connection that was emitted. It keeps nothing of c.
func (a *Auditor) Observe(c *flow.Conn) {
	a.sums.observe(c)
	if len(a.open.known) > 0 {
		delete(a.open.known, c.ID)
	}
	r := a.route(c)
	if a.repeats(c, r) {
		return
	}
	a.record(c, a.judgeAlong(c, r))
	a.repeatable(c, a.current)
}

// Findings is how many findings of connections there are so far. The cost of Finish grows with it.
func (a *Auditor) Findings() int { return len(a.findings.byKey) }

// record adds a judged connection to everything that the audit sums up.
func (a *Auditor) record(c *flow.Conn, verdict judged) {
	a.judgement = verdict
	j := &a.judgement
	a.sums.judged(a, c, j)
	a.losses.add(a, c, j)
	if a.over(c) {
		a.usesSchedules(c, j)
	} else {
		a.observes(c, j)
	}
	if j.verdict != outOfScope {
		a.matrix.add(a, c, j)
		a.findings.add(a, c, j)
		a.encryptions.add(a, c, j, &a.payload)
		a.names.claimed(a, c, j)
	}
	if a.opts.OnJudged != nil {
		e := j.export()
		e.Names = a.names.of(a, c, &j.view)
		a.opts.OnJudged(c, e)
	}
}

// party is who an end belongs to: a host of the site, for hosts declared by prefix or range together with the address, or an address alone.
type party struct {
	host *rules.Host
	addr netip.Addr // zero where the host says it all
}

// partyOf keys findings and expectations: on the host, not on the address.
func (a *Auditor) partyOf(m *rules.Membership, addr netip.Addr) party {
	if m.Host == nil {
		return party{addr: addr}
	}
	if len(a.peopled) > 0 {
		if exact, ok := a.peopled[m.Host]; ok && !exact[addr] {
			return party{m.Host, addr}
		}
	}
	return party{host: m.Host}
}

// name is the host's name, with the address where one entry stands for many hosts; the address where the site does not know it.
func (p party) name() string {
	switch {
	case p.host == nil && !p.addr.IsValid():
		return ""
	case p.host == nil:
		return p.addr.String()
	case p.addr.IsValid():
		return p.host.Name + " " + p.addr.String()
	}
	return p.host.Name
}

// peopledHosts finds the hosts of which an entry is a prefix or a range of more than one address.
func peopledHosts(site *rules.Site) map[*rules.Host]map[netip.Addr]bool {
	found := map[*rules.Host]map[netip.Addr]bool{}
	if site == nil {
		return found
	}
	for _, h := range site.Hosts {
		exact, networks := map[netip.Addr]bool{}, 0
		for _, e := range h.Addresses {
			if addr, ok := oneAddress(e.Address); ok {
				exact[addr] = true
			} else {
				networks++
			}
		}
		if networks > 0 {
			found[h] = exact
		}
	}
	return found
}

func oneAddress(s string) (netip.Addr, bool) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Addr().Unmap(), p.IsSingleIP()
	}
	addr, err := netip.ParseAddr(s)
	return addr.Unmap(), err == nil
}
