package survey

import (
	"fmt"
	"net/netip"
)

// translations are comments as well: who stands behind an address no capture says.
func (b *writer) translations(d *decision) {
	first, routes := true, d.routes()
	for _, h := range d.hosts {
		sys := d.s.systemOf(h.addrs)
		if h.known != nil || h.fixed || !h.inside || !sys.several && !d.s.forwarded(h, routes) {
			continue
		}
		if first {
			b.comment("", "Addresses that may stand for others. Behind a translation the source port is the translator's, and is not judged:")
			b.comment("", "translations:")
			first = false
		}
		why := sys.doubt
		if !sys.several {
			why = "its SYNs passed a router, though its neighbours' did not"
		}
		b.put("#   - {kind: source-pat, inside: [], outside: [%s]}\n", addressList(h.addrs))
		b.comment("#    ", fmt.Sprintf("%s: %s", h.name, why))
	}
}

// routes counts the hosts of each network by how many routers their SYNs have passed.
func (d *decision) routes() map[netip.Prefix]map[uint8]int {
	by := map[netip.Prefix]map[uint8]int{}
	for _, h := range d.hosts {
		if k := d.s.stacksSay(h.addrs); k.words != "" {
			p := prefixOf(h.addrs[0], bits4, bits6)
			if by[p] == nil {
				by[p] = map[uint8]int{}
			}
			by[p][k.behind]++
		}
	}
	return by
}

// forwarded says whether a host's SYNs have passed more routers than those of most of its network.
func (s *Survey) forwarded(h *host, routes map[netip.Prefix]map[uint8]int) bool {
	k := s.stacksSay(h.addrs)
	near, far := 0, -1 // without the host itself
	for behind, n := range routes[prefixOf(h.addrs[0], bits4, bits6)] {
		if behind < k.behind {
			near += n
		} else {
			far += n
		}
	}
	return k.words != "" && near > far
}
