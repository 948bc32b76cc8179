package survey

import (
	"net/netip"
	"slices"
)

// Lengths of prefixes that networks are proposed with: what a LAN mostly has. Where there are more than maxNetworks of them, those in one wider prefix become it.
const (
	bits4, bits6 = 24, 64
	wide4, wide6 = 16, 48
	maxNetworks  = 16
)

// network is a prefix with the hosts seen in it.
type network struct {
	prefix netip.Prefix
	hosts  int
	public bool
}

// private says whether an address is of a private range (RFC 1918, RFC 4193).
func private(a netip.Addr) bool { return a.IsPrivate() }

func prefixOf(a netip.Addr, n4, n6 int) netip.Prefix {
	n := n4
	if a.Is6() {
		n = n6
	}
	p, _ := a.Prefix(n)
	return p
}

// locate decides which hosts are inside: private addresses that no pack documents, and public ones in a prefix of which two addresses talk to each other or
// one is another address of a host inside. With a site its networks decide, and private addresses beside them.
func (s *Survey) locate(list []*host, uses []*use) {
	if s.set.Site != nil {
		for _, h := range list {
			h.inside = slices.ContainsFunc(h.addrs, s.set.Inside) || private(h.addrs[0]) && h.known == nil && !h.fixed && len(h.documented) == 0
		}
		return
	}
	local := map[netip.Prefix]bool{}
	for _, h := range list {
		own := private(h.addrs[0]) && !h.fixed && (len(h.documented) == 0 || len(h.out) > 0)
		if own {
			for _, a := range h.addrs {
				local[prefixOf(a, bits4, bits6)] = true
			}
		}
	}
	for _, u := range uses {
		if u.resp != nil && !u.orig.fixed && !u.resp.fixed && u.answered > 0 {
			if p := prefixOf(u.exchange.orig, bits4, bits6); p.Contains(u.exchange.resp) {
				local[p] = true
			}
		}
	}
	for _, h := range list {
		h.inside = !h.fixed && slices.ContainsFunc(h.addrs, func(a netip.Addr) bool { return local[prefixOf(a, bits4, bits6)] })
	}
}

// networks are the prefixes of the hosts inside, sorted.
func (s *Survey) networks(list []*host) []network {
	found := collect(list, bits4, bits6)
	if len(found) > maxNetworks {
		found = collect(list, wide4, wide6)
	}
	return found
}

func collect(list []*host, n4, n6 int) []network {
	count := map[netip.Prefix]*network{}
	var order []netip.Prefix
	for _, h := range list {
		if !h.inside {
			continue
		}
		for _, a := range h.addrs {
			p := prefixOf(a, n4, n6)
			if count[p] == nil {
				count[p] = &network{prefix: p, public: !private(a)}
				order = append(order, p)
			}
			count[p].hosts++
		}
	}
	slices.SortFunc(order, func(a, b netip.Prefix) int { return a.Addr().Compare(b.Addr()) })
	out := make([]network, len(order))
	for i, p := range order {
		out[i] = *count[p]
	}
	return out
}
