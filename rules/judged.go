package rules

import (
	"cmp"
	"net/netip"
	"slices"
)

// Judged are the addresses of which a connection has one at least if it is judged, as far as a site says who they are: those inside its networks, of
// its hosts at any time, and outside ones that stand for them. They are sorted, and none lies in another.
func (s *Set) Judged() []netip.Prefix {
	list := slices.Collect(s.inside.All())
	for p := range s.outside.All() {
		list = append(list, p)
	}
	if s.Site != nil {
		for _, h := range s.Site.Hosts {
			for i := range h.Addresses {
				list = append(list, h.Addresses[i].span.prefixes()...)
			}
		}
	}
	slices.SortFunc(list, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	judged := list[:0]
	for _, p := range list {
		if n := len(judged); n == 0 || !judged[n-1].Overlaps(p) {
			judged = append(judged, p)
		}
	}
	return judged
}
