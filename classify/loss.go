package classify

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of the sums of losses. What has no room counts for the total only.
const (
	maxLossPairs   = 1 << 16
	maxLossMinutes = 1 << 17 // of all pairs
	shownLossPairs = 20
)

// lossSum is what connections between two networks show of the packets that the capture lost.
type lossSum struct {
	packets, missed uint64 // of TCP connections of which the capture should hold both directions
	tcp, oneSided   uint64 // connections; of the second, one direction was captured
	stated          bool   // the vantage points see both directions
	judged, outside bool   // a connection was in scope; an end was outside the site
	minutes         map[int64]uint64
	worst           int64 // minute since 1970; valid iff worstMissed > 0
	worstMissed     uint64
}

func (s *lossSum) percent() float64 { return percentMissed(s.missed, s.packets) }

func percentMissed(missed, packets uint64) float64 {
	if missed == 0 {
		return 0
	}
	return 100 * float64(missed) / (float64(packets) + float64(missed))
}

// losses sums the estimates of the connections by pair of networks.
type losses struct {
	pairs   map[networkPair]*lossSum
	total   lossSum
	minutes int
	unkept  uint64
	above   map[networkPair]*lossSum // set by Finish: those with more than the bound
}

func newLosses() losses { return losses{pairs: map[networkPair]*lossSum{}} }

// add sums one connection. Where one direction was captured alone, that is a loss only if the site says that both are seen here: else the
// other took another path.
func (l *losses) add(a *Auditor, c *flow.Conn, j *judged) {
	if c.Proto != flow.TCP || !c.Missed.Followed || j.why&whyOutsidePeriod != 0 {
		return
	}
	v, s, stated := &j.view, j.memo.loss, j.memo.stated
	if s == nil {
		b := a.between(v.fromEnd, v.toEnd)
		if s, stated = b.loss, a.set.Sees(v.from.Addr(), v.to.Addr()) == rules.Seen; s == nil {
			before := l.unkept
			if s = l.of(networkPair{b.from, b.to}.ordered()); l.unkept == before {
				b.loss = s
			}
		}
		if b.loss != nil {
			j.memo.loss, j.memo.stated = s, stated
		}
	}
	s.stated = s.stated || stated
	s.judged = s.judged || j.verdict != outOfScope
	s.outside = s.outside || a.set.Site != nil && !(v.orig.Inside && v.resp.Inside)
	for _, sum := range [...]*lossSum{s, &l.total} {
		sum.tcp++
		if c.Visibility != flow.BothSides {
			sum.oneSided++
		}
		if c.Visibility == flow.BothSides || stated {
			sum.packets += c.OrigPackets + c.RespPackets
			sum.missed += c.Missed.Packets
		}
	}
	if c.Visibility == flow.BothSides || stated {
		for _, m := range c.Missed.Minutes {
			l.minute(s, m)
		}
	}
}

// of gives the sum of a pair, one that nobody reads where there is no room.
func (l *losses) of(p networkPair) *lossSum {
	s := l.pairs[p]
	if s == nil {
		s = &lossSum{}
		if len(l.pairs) >= maxLossPairs {
			l.unkept++
			return s
		}
		l.pairs[p] = s
	}
	return s
}

func (l *losses) minute(s *lossSum, m flow.MissedMinute) {
	n, known := s.minutes[m.Minute]
	switch {
	case known:
	case l.minutes >= maxLossMinutes:
		l.unkept++
		return
	case s.minutes == nil:
		s.minutes = map[int64]uint64{}
		fallthrough
	default:
		l.minutes++
	}
	n += m.Packets
	s.minutes[m.Minute] = n
	if n > s.worstMissed || n == s.worstMissed && m.Minute < s.worst {
		s.worst, s.worstMissed = m.Minute, n
	}
}

// judge finds the pairs above the bound, in percent.
func (l *losses) judge(bound float64) {
	l.above = map[networkPair]*lossSum{}
	for p, s := range l.pairs {
		if s.percent() > bound {
			l.above[p] = s
		}
	}
}

// sorted are the pairs that have something to show, the greatest share of missed packets first.
func (l *losses) sorted(pairs map[networkPair]*lossSum) []networkPair {
	var list []networkPair
	for p, s := range pairs {
		if s.missed > 0 || s.oneSided > 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(p, q networkPair) int {
		x, y := pairs[p], pairs[q]
		return cmp.Or(cmp.Compare(y.percent(), x.percent()), cmp.Compare(y.missed, x.missed), cmp.Compare(y.oneSided, x.oneSided),
			comparePrefixes(p.a, q.a), comparePrefixes(p.b, q.b))
	})
	return list
}

func comparePrefixes(a, b netip.Prefix) int {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
}

// doubts are the sentences on judged pairs that lost more than the bound.
func (l *losses) doubts() []string {
	var list []string
	for _, p := range l.sorted(l.above) {
		if s := l.above[p]; s.judged {
			list = append(list, fmt.Sprintf("%.2f %% between %s", s.percent(), p))
		}
	}
	return list
}

func (p networkPair) String() string {
	if p.a == p.b {
		return "hosts of " + p.a.String()
	}
	return p.a.String() + " and " + p.b.String()
}

// hides says what the capture lost between a party and those that it should have talked to; "" where that is within the bound.
func (l *losses) hides(a *Auditor, x *expected, p party) string {
	if len(l.above) == 0 {
		return ""
	}
	to := slices.Clone(x.documented)
	for _, h := range x.hosts {
		to = append(to, a.addresses(party{host: h})...)
		for _, q := range a.people[h] {
			if q.addr.IsValid() {
				to = append(to, q.addr)
			}
		}
	}
	for _, f := range a.addresses(p) {
		n := a.sight.network(f)
		for _, t := range to {
			if pair := (networkPair{n, a.sight.network(t)}).ordered(); l.above[pair] != nil {
				return lossWords(pair, l.above[pair])
			}
		}
		for _, pair := range l.sorted(l.above) {
			if s := l.above[pair]; (pair.a == n || pair.b == n) && (slices.Contains(x.reserved, "any") || s.outside && slices.Contains(x.reserved, "internet")) {
				return lossWords(pair, s)
			}
		}
	}
	return ""
}

func lossWords(p networkPair, s *lossSum) string {
	return fmt.Sprintf("an estimated %.2f %% of the packets between %s are missing from the capture", s.percent(), p)
}

func (l *losses) export(unfollowed uint64) Loss {
	t := &l.total
	out := Loss{Packets: t.packets, Missed: t.missed, Percent: t.percent(), Connections: t.tcp, Unfollowed: unfollowed, Pairs: []PairLoss{}}
	for i, p := range l.sorted(l.pairs) {
		if i >= shownLossPairs {
			out.OtherPairs++
			continue
		}
		s := l.pairs[p]
		e := PairLoss{From: p.a.String(), To: p.b.String(), Packets: s.packets, Missed: s.missed, Percent: s.percent(), AboveBound: l.above[p] != nil,
			Connections: s.tcp, OneSided: s.oneSided, Vantage: s.stated, WorstMissed: s.worstMissed}
		if s.worstMissed > 0 {
			e.WorstMinute = stampSeconds(60 * s.worst)
		}
		out.Pairs = append(out.Pairs, e)
	}
	return out
}

// words are the sentences of the coverage: the estimate with the worst pairs, and pairs of which the site's vantage promises more.
func (l *losses) words(unfollowed uint64) []string {
	var list, pairs, halves []string
	for _, p := range l.sorted(l.pairs) {
		s := l.pairs[p]
		if s.missed > 0 {
			text := fmt.Sprintf("%.2f %% between %s", s.percent(), p)
			if s.worstMissed > 0 {
				text += fmt.Sprintf(", at worst %d in the minute of %s", s.worstMissed, strings.TrimSuffix(stampSeconds(60*s.worst), ":00.000000000Z"))
			}
			pairs = append(pairs, text)
		}
		if s.stated && s.oneSided > 0 {
			halves = append(halves, fmt.Sprintf("%d of %d between %s", s.oneSided, s.tcp, p))
		}
	}
	if t := &l.total; t.missed > 0 {
		list = append(list, fmt.Sprintf("What was in an estimated %s of TCP (%.2f %%) that answers show and the capture does not hold: %s.",
			plural(t.missed, "packet"), t.percent(), strings.Join(first(pairs, 3), "; ")))
	}
	if len(halves) > 0 {
		list = append(list, "The other direction of TCP connections of which the site's vantage points should show both: "+strings.Join(first(halves, 3), "; ")+".")
	}
	if unfollowed > 0 {
		list = append(list, fmt.Sprintf("The losses of %s, as too many were open to follow them all.", plural(unfollowed, "TCP connection")))
	}
	return list
}
