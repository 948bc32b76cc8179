package classify

import (
	"cmp"
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered about who was seen. Beyond them hosts count as never seen and pairs as not visible: absence then proves nothing.
const (
	maxSeenHosts = 1 << 18
	maxSeenPairs = 1 << 18
)

// networkPair is two networks in order. The zero Prefix stands for everything outside the site.
type networkPair struct{ a, b netip.Prefix }

// activity is what a party was seen to send.
type activity struct {
	connections uint64 // with at least one packet of the party
	direct      bool   // to some single address: what reaches everybody on a link says little about what the capture point sees
}

// sight knows which hosts were seen, and between which networks the capture showed traffic in both directions.
type sight struct {
	networks  []netip.Prefix
	hosts     map[party]*activity
	strangers activity // of those whom the site does not know
	pairs     map[networkPair]bool
	reached   map[netip.Prefix]bool // networks with two-way traffic to anywhere
	groups    map[netip.Prefix]bool // networks from which something to a broadcast or multicast address was seen
	hidden    map[hiddenPair]string // who talks through an opaque tunnel, and its name: ports cannot be seen
	crowded   bool                  // there was no room for more of them
	tunnels   map[string]bool       // their names, also between unknown ends
	unkept    uint64
}

func newSight(set *rules.Set) sight {
	s := sight{hosts: map[party]*activity{}, pairs: map[networkPair]bool{}, reached: map[netip.Prefix]bool{}, groups: map[netip.Prefix]bool{}, hidden: map[hiddenPair]string{}, tunnels: map[string]bool{}}
	if set.Site != nil {
		for _, p := range set.Networks() {
			if p.Bits() >= widestNetwork(p.Addr()) {
				s.networks = append(s.networks, p)
			}
		}
	}
	slices.SortFunc(s.networks, func(a, b netip.Prefix) int {
		return cmp.Or(cmp.Compare(b.Bits(), a.Bits()), a.Addr().Compare(b.Addr()))
	})
	return s
}

// A capture point sees pairs of subnets. A site's network counts as one subnet unless it is wider than a /16 (IPv6: /48): such a prefix
// is an address plan, and its hosts are then grouped by /24 (IPv6: /64), as are hosts outside the site's networks.
func widestNetwork(addr netip.Addr) int {
	if addr.Is4() {
		return 16
	}
	return 48
}

func (s *sight) network(addr netip.Addr) netip.Prefix {
	for _, p := range s.networks {
		if p.Contains(addr) {
			return p
		}
	}
	bits := 64
	if addr.Is4() {
		bits = 24
	}
	p, _ := addr.WithZone("").Prefix(bits)
	return p
}

// add notes who sent what in the period, whether or not it is judged.
func (s *sight) add(a *Auditor, c *flow.Conn, j *judged) {
	tunnel := opaqueTunnel(c)
	if a.set.Site == nil || j.why&(whyOutsidePeriod|whyOutside) != 0 {
		if tunnel != "" && j.why&whyOutsidePeriod == 0 {
			s.hide(tunnel, party{}, party{})
		}
		return
	}
	orig, resp, v := c.OrigPackets > 0, c.RespPackets > 0, &j.view
	if v.from != c.Orig {
		orig, resp = resp, orig
	}
	group := isGroup(v.resp, v.to.Addr())
	from, to := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	if orig && s.saw(v.fromEnd, from, !group && j.why != whyLinkControl) == nil {
		j.memo.loose = true
	}
	if resp {
		if j.memo.resp = s.saw(v.toEnd, to, j.why != whyLinkControl); j.memo.resp == nil {
			j.memo.loose = true
		}
	}
	if orig && group {
		s.note(s.groups, v.fromEnd.network)
	}
	if tunnel != "" {
		s.hide(tunnel, from, to)
	}
	if orig && resp {
		if b := a.between(v.fromEnd, v.toEnd); b.seen&v.sides() == 0 {
			before := s.unkept
			if s.both(v); s.unkept == before {
				b.seen |= v.sides()
			} else {
				j.memo.loose = true
			}
		}
	}
}

// saw notes that a party, at an address, sent something, and gives where; nil where there is no room.
func (s *sight) saw(at *endpoint, p party, direct bool) *activity {
	if p.host == nil {
		return &s.strangers
	}
	n := at.active
	if n == nil || at.who != p {
		n = s.hosts[p]
	}
	if n == nil {
		if len(s.hosts) >= maxSeenHosts {
			s.unkept++
			return nil
		}
		n = &activity{}
		s.hosts[p] = n
	}
	if at.who == p {
		at.active = n
	}
	n.connections++
	n.direct = n.direct || direct
	return n
}

// of is what a party was seen to send.
func (s *sight) of(p party) activity {
	if n := s.hosts[p]; n != nil {
		return *n
	}
	return activity{}
}

// note adds a network to a bounded set.
func (s *sight) note(set map[netip.Prefix]bool, n netip.Prefix) {
	switch {
	case set[n]:
	case len(set) < maxSeenPairs:
		set[n] = true
	default:
		s.unkept++
	}
}

func (s *sight) both(v *view) {
	from, to := v.fromEnd.network, v.toEnd.network
	s.pair(from, to)
	if !v.resp.Inside {
		s.pair(from, netip.Prefix{})
	}
	if !v.orig.Inside {
		s.pair(to, netip.Prefix{})
	}
	s.note(s.reached, from)
	s.note(s.reached, to)
}

func (s *sight) pair(a, b netip.Prefix) {
	p := networkPair{a, b}.ordered()
	if s.pairs[p] {
		return
	}
	if len(s.pairs) < maxSeenPairs {
		s.pairs[p] = true
	} else {
		s.unkept++
	}
}

func (p networkPair) ordered() networkPair {
	if cmp.Or(p.a.Addr().Compare(p.b.Addr()), cmp.Compare(p.a.Bits(), p.b.Bits())) > 0 {
		return networkPair{p.b, p.a}
	}
	return p
}

// people are the parties that were seen of one host entry.
func (s *sight) people() map[*rules.Host][]party {
	found := map[*rules.Host][]party{}
	for p := range s.hosts {
		found[p.host] = append(found[p.host], p)
	}
	for _, list := range found {
		slices.SortFunc(list, func(x, y party) int { return x.addr.Compare(y.addr) })
	}
	return found
}

// visible says whether the capture would show traffic from one of the addresses to one of the others: by the site's vantage points, else by
// two-way traffic seen between their networks.
func (a *Auditor) visible(from, to []netip.Addr) bool {
	for _, f := range from {
		for _, t := range to {
			switch a.set.Sees(f, t) {
			case rules.Seen:
				return true
			case rules.NotStated:
				if a.sight.pairs[networkPair{a.sight.network(f), a.sight.network(t)}.ordered()] {
					return true
				}
			}
		}
	}
	return false
}

// visibleReserved is visible for flows whose responder is internet, any or a group. What a network sends to groups is visible where the
// vantage points see the network itself, else where something that it sent to a group was seen.
func (a *Auditor) visibleReserved(from []netip.Addr, role string) bool {
	for _, f := range from {
		n := a.sight.network(f)
		switch {
		case role == "internet" && a.set.Sees(f, outsideAddress(f)) != rules.NotStated:
			if a.set.Sees(f, outsideAddress(f)) == rules.Seen {
				return true
			}
		case role == "internet" && a.sight.pairs[networkPair{n, netip.Prefix{}}.ordered()]:
			return true
		case role == "any" && a.sight.reached[n]:
			return true
		case role == "broadcast" || role == "multicast":
			if sees := a.set.Sees(f, f); sees == rules.Seen || sees == rules.NotStated && a.sight.groups[n] {
				return true
			}
		}
	}
	return false
}

// outsideAddress is an address that belongs to no site: the anycast address of 6to4 relays, withdrawn by RFC 7526.
func outsideAddress(like netip.Addr) netip.Addr {
	if like.Is4() {
		return netip.AddrFrom4([4]byte{192, 88, 99, 1})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x02, 192, 88, 99, 1})
}
