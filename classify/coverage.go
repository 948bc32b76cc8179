package classify

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// openEnds replaces the open ends of a period.
func openEnds(from, until, first, last int64) (int64, int64) {
	if from == math.MinInt64 {
		from = first
	}
	if until == math.MaxInt64 {
		until = last
	}
	return from, until
}

func stampOpen(ns int64) string {
	if ns == math.MinInt64 || ns == math.MaxInt64 {
		return ""
	}
	return flow.Stamp(ns)
}

func stampSeconds(s int64) string {
	if s > math.MaxInt64/1_000_000_000 || s < math.MinInt64/1_000_000_000 {
		return ""
	}
	return flow.Stamp(s * 1e9)
}

func (a *Auditor) period(c *Capture) Period {
	p := Period{AskedFrom: stampOpen(a.from), AskedUntil: stampOpen(a.until), Gaps: []Gap{}}
	if a.live() {
		p.AskedFrom, p.AskedUntil = stampOpen(a.opts.Period.From), stampOpen(a.opts.Period.Until)
	}
	if c.First == 0 && c.Last == 0 {
		return p
	}
	if from, last := max(a.from, c.First), min(a.until, c.Last); from <= last {
		p.CoveredFrom, p.CoveredLast = flow.Stamp(from), flow.Stamp(last)
	}
	for _, g := range c.Gaps {
		p.Gaps = append(p.Gaps, Gap{flow.Stamp(g.From), flow.Stamp(g.Until)})
	}
	return p
}

// lossBound is the site's, else the built-in one.
func (a *Auditor) lossBound() float64 {
	if a.set.Site != nil && a.set.Site.Limits.LossPercent != nil {
		return *a.set.Site.Limits.LossPercent
	}
	return defaultLossBound
}

func (a *Auditor) coverage(c *Capture) Coverage {
	blind, more := blindTimes(c.Blind)
	return Coverage{Live: c.Live, Blind: blind, MoreBlind: more, Filter: filterText(a.opts.Filter, c.Filtered), Duplicates: c.Duplicates, Dropped: c.Dropped, LossPercent: c.lossPercent(), LossBound: a.lossBound(), Truncated: c.Truncated, Undecoded: c.Undecoded,
		TCPBoth: a.sums.tcpBoth, TCPOneSided: a.sums.tcpOne, Evicted: c.Evicted, TimeBackward: c.TimeBackward,
		HeadersCut: c.HeadersCut, CaptureFilters: c.filters(), Loss: a.losses.export(c.Unfollowed), Inspection: c.Inspection, CannotShow: a.cannotShow(c)}
}

// cannotShow is what this audit cannot show, sentence by sentence; the first two always hold.
func (a *Auditor) cannotShow(c *Capture) []string {
	list := []string{
		"What did not pass the capture point: traffic inside a host, between hosts behind the same switch port, or on another path.",
		"What encrypted payloads hold, and others beyond their heads: protocols, encryption, names and announced ports are read where they can be recognised, and no further.",
	}
	oneSided, tcp := a.sums.tcpOne, a.sums.tcpOne+a.sums.tcpBoth
	share := 0.0
	if tcp > 0 {
		share = 100 * float64(oneSided) / float64(tcp)
	}
	open := a.unbound()
	uncovered := c.uncovered(a.judgedSpan(c))
	for _, r := range []rule{
		{a.set.Site == nil, "Which hosts play which roles: no site file was given, so only ports and source ports were judged."},
		{a.opts.Filter != nil, a.leftOut(c)},
		{c.Duplicates > 0, fmt.Sprintf("Whether %s were sent twice: they are identical copies of others and were counted once (--dedup).", plural(c.Duplicates, "packet"))},
		{oneSided > 0, fmt.Sprintf("The other direction of %d of %d TCP connections (%.0f %%), of which only one was captured.", oneSided, tcp, share)},
		{c.Dropped > 0, fmt.Sprintf("What was in %s (%.2f %%) that the captures say they lost.", plural(c.Dropped, "packet"), c.lossPercent())},
		{len(c.cut()) > 0, "What came after the point at which inputs end early: " + strings.Join(first(c.cut(), 5), ", ") + "."},
		{c.Interrupted, "What came after reading was interrupted."},
		{isBlind(c.Live) || len(c.Blind) > 0, blindWords(c.Live, len(c.Blind))},
		{c.Broke != nil, c.Broke.words()},
		{len(c.Gaps) > 0 && len(c.Blind) == 0, fmt.Sprintf("What happened in %s that no input covers.", plural(uint64(len(c.Gaps)), "gap"))},
		{uncovered > periodBound, fmt.Sprintf("%.0f %% of the period asked for, which the capture does not cover.", uncovered)},
		{c.Undecoded > 0, fmt.Sprintf("What is in %s (%.2f %%) that could not be decoded.", plural(c.Undecoded, "packet"), c.undecodedPercent())},
		{c.Truncated > 0, fmt.Sprintf("The rest of %s of which the capture kept only the head.", plural(c.Truncated, "packet"))},
		{c.Broken > 0, fmt.Sprintf("What %s with a wrong checksum did: receivers drop them, so they count as traffic and prove no handshake.", plural(c.Broken, "packet"))},
		{c.Unfinished > 0, fmt.Sprintf("The whole of %s of which fragments are missing.", plural(c.Unfinished, "fragmented datagram"))},
		{c.Evicted > 0, fmt.Sprintf("The whole of %s that ended early because the table was full; a larger --max-connections helps.", plural(c.Evicted, "connection"))},
		{c.TimeBackward > 0, fmt.Sprintf("The exact order of packets: time ran backward %s.", plural(c.TimeBackward, "time"))},
		{c.HeadersCut > 0, fmt.Sprintf("What %s belong to that the capture cut within their headers.", plural(c.HeadersCut, "packet"))},
		{c.Unopened > 0, fmt.Sprintf("What is inside %s that may be tunnels and were not opened.", plural(c.Unopened, "packet"))},
		{c.Refused > 0, fmt.Sprintf("What %s carry that overlap others, and were refused.", plural(c.Refused, "fragment"))},
		{c.Untold > 0, fmt.Sprintf("The true ends of all translated connections: %s the kernel told of more than was read, and sides of such connections may be judged as they were seen.", plural(c.Untold, "time"))},
		{c.Untranslated > 0, fmt.Sprintf("The true ends of %s that were translated, beyond the limit of memory; each side is judged as it was seen.", plural(c.Untranslated, "connection"))},
		{c.Aggregated > 0, fmt.Sprintf("The further packets in %s, of which only the first was read.", plural(c.Aggregated, "aggregated wireless frame"))},
		{c.Inspection.Broken > 0, fmt.Sprintf("All that the payloads of %s tell: bytes are missing or cut.", plural(c.Inspection.Broken, "connection"))},
		{c.Inspection.Crowded > 0, fmt.Sprintf("All that the payloads of %s tell: too many had to be read at once.", plural(c.Inspection.Crowded, "connection"))},
		{c.Inspection.FactsLost > 0, fmt.Sprintf("%s told by payloads beyond the limits of memory.", plural(c.Inspection.FactsLost, "fact"))},
		{len(c.filters()) > 0, "What the filter set at the capture left out: " + strings.Join(first(c.filters(), 5), "; ") + "."},
		{len(a.sight.tunnels) > 0, "What was said inside opaque tunnels (" + strings.Join(a.sight.tunnelNames(), ", ") + "), by their ends or by networks behind them."},
		{len(open.portless) > 0, "Flows of which the document states no port: " + strings.Join(first(open.portless, 5), ", ") + "."},
		{len(open.roles) > 0, "Flows of roles that no host of the site holds: " + strings.Join(first(open.roles, 5), ", ") + "."},
		{a.findings.overflow > 0, fmt.Sprintf("Findings of their own for %s beyond the limits of %d findings, %d of them of attempts without an answer; the result counts all connections.", plural(a.findings.overflow, "connection"), maxFindings, a.findings.room)},
		{a.sums.namesakes > 0, fmt.Sprintf("Which of several documented names %s mean: the responder has them all, and no name in the traffic tells.", plural(a.sums.namesakes, "connection"))},
		{a.sums.accepted > 0, fmt.Sprintf("Whether %s to dynamic ports are the documented ones: nothing announced them, and the site accepts the whole range.", plural(a.sums.accepted, "connection"))},
		{a.unkept() > 0, fmt.Sprintf("All details of %s beyond the limits of memory.", plural(a.unkept(), "observation"))},
	} {
		if r.holds {
			list = append(list, r.text)
		}
	}
	return append(list, a.losses.words(c.Unfollowed)...)
}

// unkept counts what had no room in bounded tables.
func (a *Auditor) unkept() uint64 {
	return a.dynamic.unkept + a.expect.unkept + a.coupled.unkept + a.sight.unkept + a.sums.unkept + a.losses.unkept + a.encryptions.unkept + a.names.unkept + a.matrix.unkept + a.schedules.unkept
}

// unbound is what of the documents this site does not let test.
type unbound struct{ portless, roles []string }

func (a *Auditor) unbound() unbound {
	var u unbound
	for _, p := range a.set.Packs {
		if p.Kind == rules.Baseline {
			continue
		}
		for _, f := range p.Flows {
			if !f.Reference && a.portless(f) {
				u.portless = append(u.portless, f.Ref())
			}
		}
		if a.set.Site == nil {
			continue
		}
		for _, r := range p.Roles {
			if name := p.Name + "/" + r.Name; !a.set.Bound(name) {
				u.roles = append(u.roles, name)
			}
		}
	}
	return u
}

// portless is a flow whose port neither the document nor the site states.
func (a *Auditor) portless(f *rules.Flow) bool {
	return len(f.Ports) > 0 && a.statedAt(f) == nil
}

// statedAt gives the ports of a flow at the first responder for which document or site state them; nil where they do for none.
func (a *Auditor) statedAt(f *rules.Flow) []rules.PortRange {
	hosts := []*rules.Host{nil}
	for _, role := range f.ToRoles() {
		hosts = append(hosts, a.set.HostsOf(role)...)
	}
	for _, h := range hosts {
		ports := a.set.PortsOf(f, h)
		if len(ports) > 0 && (f.Proto != "unstated" || a.set.Covers(f, h, flow.TCP, ports[0].First, 0) < rules.PortUnstated) {
			return ports
		}
	}
	return nil
}

// service is serviceWords, with the ports that the site supplies where the document states none.
func (a *Auditor) service(f *rules.Flow) string {
	if len(f.Ports) == 0 || f.Ports[0] != "unstated" || a.portless(f) {
		return serviceWords(f)
	}
	proto := f.Proto
	if proto == "unstated" {
		proto = "port"
	}
	return proto + "/" + strings.Join(rangeNames(a.statedAt(f)), ",")
}

// first cuts a list for a sentence.
func first(list []string, n int) []string {
	if len(list) <= n {
		return list
	}
	return append(slices.Clone(list[:n]), fmt.Sprintf("and %d more", len(list)-n))
}
