package rules

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
)

// addrRange is the addresses from first to last, both of one family and never IPv4 in IPv6.
type addrRange struct{ first, last netip.Addr }

// parseAddresses reads an address, a prefix or a range "FIRST-LAST". A mistake comes back as what is wrong and what to do.
func parseAddresses(text string) (r addrRange, what, do string) {
	switch {
	case strings.Contains(text, "%"):
		return r, fmt.Sprintf("%q has a zone", text), "leave the zone out; it means something on one machine only"
	case strings.Contains(text, "/"):
		p, what, do := parsePrefix(text)
		return prefixRange(p), what, do
	case strings.Contains(text, "-"):
		return parseAddrRange(text)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return r, fmt.Sprintf("%q is no address, prefix or range", text), "write 192.0.2.7, 192.0.2.0/24, 192.0.2.7-192.0.2.9 or an IPv6 one, without leading zeros"
	}
	a = a.Unmap()
	return addrRange{a, a}, "", ""
}

func parseAddrRange(text string) (r addrRange, what, do string) {
	from, to, _ := strings.Cut(text, "-")
	first, err1 := netip.ParseAddr(strings.TrimSpace(from))
	last, err2 := netip.ParseAddr(strings.TrimSpace(to))
	first, last = first.Unmap(), last.Unmap()
	switch {
	case err1 != nil || err2 != nil || first.Is4() != last.Is4():
		return r, fmt.Sprintf("%q is no range of addresses", text), "write FIRST-LAST with two addresses of one family"
	case last.Less(first):
		return r, fmt.Sprintf("the range %q is reversed", text), fmt.Sprintf("write %s-%s", last, first)
	}
	return addrRange{first, last}, "", ""
}

// parsePrefix reads a prefix whose host bits are zero. An IPv4-mapped one becomes its IPv4 prefix.
func parsePrefix(text string) (p netip.Prefix, what, do string) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Sprintf("%q is no prefix", text), "write an address, a slash and the number of network bits: at most 32 for IPv4 and 128 for IPv6"
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p.Masked() != p {
		return p, fmt.Sprintf("the prefix %s has host bits set", text), fmt.Sprintf("write %s for the network, or %s for the one address", p.Masked(), p.Addr())
	}
	return p, "", ""
}

func prefixRange(p netip.Prefix) addrRange {
	if !p.IsValid() {
		return addrRange{}
	}
	high, low := halves(p.Addr())
	hostBits := p.Addr().BitLen() - p.Bits()
	if hostBits > 64 {
		high |= 1<<(hostBits-64) - 1
		low = ^uint64(0)
	} else if hostBits == 64 {
		low = ^uint64(0)
	} else {
		low |= 1<<hostBits - 1
	}
	return addrRange{p.Addr(), joined(high, low, p.Addr().Is4())}
}

// halves gives an address as a number of 128 bits; the mapped form stands for IPv4.
func halves(a netip.Addr) (high, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}

func joined(high, low uint64, is4 bool) netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], high)
	binary.BigEndian.PutUint64(b[8:], low)
	if is4 {
		return netip.AddrFrom16(b).Unmap()
	}
	return netip.AddrFrom16(b)
}

func (r addrRange) single() bool { return r.first == r.last }

func (r addrRange) contains(a netip.Addr) bool {
	return a.Is4() == r.first.Is4() && !a.Less(r.first) && !r.last.Less(a)
}

func (r addrRange) overlaps(o addrRange) bool {
	return r.first.Is4() == o.first.Is4() && !r.last.Less(o.first) && !o.last.Less(r.first)
}

// less1 is the number of addresses less one.
func (r addrRange) less1() (high, low uint64) {
	h1, l1 := halves(r.first)
	h2, l2 := halves(r.last)
	low, borrow := bits.Sub64(l2, l1, 0)
	high, _ = bits.Sub64(h2, h1, borrow)
	return high, low
}

// spread is the binary logarithm of the number of addresses, rounded up: 0 for one address, 8 for an IPv4 /24.
func (r addrRange) spread() uint8 {
	high, low := r.less1()
	if high != 0 {
		return uint8(64 + bits.Len64(high))
	}
	return uint8(bits.Len64(low))
}

// compareSize orders ranges by the number of their addresses.
func (r addrRange) compareSize(o addrRange) int {
	h1, l1 := r.less1()
	h2, l2 := o.less1()
	switch {
	case h1 < h2 || h1 == h2 && l1 < l2:
		return -1
	case h1 == h2 && l1 == l2:
		return 0
	}
	return 1
}

// moved is the address as far from o's first as a is from r's.
func (r addrRange) moved(a netip.Addr, o addrRange) netip.Addr {
	h, l := addrRange{r.first, a}.less1()
	high, low := halves(o.first)
	low, carry := bits.Add64(low, l, 0)
	high, _ = bits.Add64(high, h, carry)
	return joined(high, low, o.first.Is4())
}

// prefixes are the fewest prefixes that make up the range: at most 62 for IPv4 and 254 for IPv6.
func (r addrRange) prefixes() []netip.Prefix {
	var list []netip.Prefix
	for a := r.first; ; {
		length := a.BitLen()
		p := netip.PrefixFrom(a, length)
		for length > 0 {
			wider, err := a.Prefix(length - 1)
			if err != nil || wider.Addr() != a || r.last.Less(prefixRange(wider).last) {
				break
			}
			p, length = wider, length-1
		}
		list = append(list, p)
		last := prefixRange(p).last
		if !last.Less(r.last) {
			return list
		}
		a = last.Next()
	}
}

func (r addrRange) String() string {
	if r.single() {
		return r.first.String()
	}
	if p := r.prefixes(); len(p) == 1 {
		return p[0].String()
	}
	return r.first.String() + "-" + r.last.String()
}
