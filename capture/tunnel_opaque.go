package capture

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

	"pcapaudit/capture/flow"
)

// maxOpaques bounds the pairs of hosts that Opaques tells apart.
const maxOpaques = 1 << 14

// Opaque is a pair of hosts that exchanged packets in which others may be hidden: a tunnel that was not opened.
type Opaque struct {
	A, B   netip.Addr // in order
	Tunnel string     // its sort, as in the tunnels of a flow.Conn; "pptp"
}

// Opaques are different ones, whatever their time. The zero value is empty.
type Opaques struct {
	More  uint64 // packets of pairs beyond the limit
	known map[carrier]struct{}
	last  carrier
}

// carrier is two hosts with a tunnel between them: the ends of a packet, without ports.
type carrier struct {
	a, b    [16]byte // IPv4 in the first four
	version uint8
	kind    tunnelKind
}

// carrierOf is that of packet out.N.
func carrierOf(out *flow.Batch, kind tunnelKind) carrier {
	p := &out.Packets[out.N]
	if p.Bits&flow.IPv6 != 0 {
		return carrier{out.Addr6[out.N][0], out.Addr6[out.N][1], 6, kind}
	}
	c := carrier{version: 4, kind: kind}
	binary.BigEndian.PutUint32(c.a[:], p.A)
	binary.BigEndian.PutUint32(c.b[:], p.B)
	return c
}

func (o *Opaques) add(c carrier) {
	if c == o.last {
		return
	}
	if _, ok := o.known[c]; !ok {
		if len(o.known) >= maxOpaques {
			o.More++
			return
		}
		if o.known == nil {
			o.known = map[carrier]struct{}{}
		}
		o.known[c] = struct{}{}
	}
	o.last = c
}

// Sorted lists the pairs, by address.
func (o *Opaques) Sorted() []Opaque {
	var list []Opaque
	for c := range o.known {
		list = append(list, Opaque{c.address(c.a), c.address(c.b), tunnelNames[c.kind]})
	}
	slices.SortFunc(list, func(x, y Opaque) int {
		if c := x.A.Compare(y.A); c != 0 {
			return c
		}
		if c := x.B.Compare(y.B); c != 0 {
			return c
		}
		return strings.Compare(x.Tunnel, y.Tunnel)
	})
	return list
}

func (c *carrier) address(b [16]byte) netip.Addr {
	if c.version == 4 {
		return netip.AddrFrom4([4]byte(b[:4]))
	}
	return netip.AddrFrom16(b)
}
