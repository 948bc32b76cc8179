package capture

import "encoding/binary"

// PPP protocols (IANA "PPP Numbers").
const (
	pppIPv4      = 0x0021
	pppIPv6      = 0x0057
	pppMPLS      = 0x0281
	pppMPLSMulti = 0x0283
)

// ppp reads the protocol field, of one octet where its lowest bit is set (RFC 1661, sections 2 and 6.5).
func (d *decoder) ppp(data []byte, off, wire int) (int, uint16, Reason) {
	if len(data) <= off {
		return 0, 0, cut(off+1, wire, truncatedLink, malformedLink)
	}
	protocol := uint16(data[off])
	if protocol&1 != 0 {
		off++
	} else {
		if len(data) < off+2 {
			return 0, 0, cut(off+2, wire, truncatedLink, malformedLink)
		}
		protocol = binary.BigEndian.Uint16(data[off:])
		off += 2
	}
	switch protocol {
	case pppIPv4:
		return off, etherIPv4, reasonDecoded
	case pppIPv6:
		return off, etherIPv6, reasonDecoded
	case pppMPLS, pppMPLSMulti:
		return d.mpls(etherMPLS, data, off, wire)
	}
	return d.nonIP(byPPP, protocol)
}

// framedPPP is PPP behind the address and control octets of HDLC-like framing, which may be compressed away (RFC 1662, section 3.1).
func (d *decoder) framedPPP(data []byte, wire int) (int, uint16, Reason) {
	if len(data) == 1 && data[0] == 0xff && wire > 1 {
		return 0, 0, truncatedLink
	}
	if len(data) >= 2 && data[0] == 0xff && data[1] == 3 {
		return d.ppp(data, 2, wire)
	}
	return d.ppp(data, 0, wire)
}

// hdlc is Cisco's framing (address 0x0f unicast, 0x8f multicast, control, EtherType), or PPP's where the address is not Cisco's.
func (d *decoder) hdlc(linkType uint16, data []byte, wire int) (int, uint16, Reason) {
	if len(data) < 4 {
		return 0, 0, cut(4, wire, truncatedLink, malformedLink)
	}
	if linkType == linkPPPHDLC && data[0] != 0x0f && data[0] != 0x8f {
		return d.framedPPP(data, wire)
	}
	t := binary.BigEndian.Uint16(data[2:])
	if t < etherTypeMin {
		return d.nonIP(byEtherType, t)
	}
	return d.etherType(t, data, 4, wire)
}

// pppoe reads a session packet (RFC 2516, section 4): version and type 0x11, code 0, session, length.
func (d *decoder) pppoe(data []byte, off, wire int) (int, uint16, Reason) {
	if len(data) < off+6 {
		return 0, 0, cut(off+6, wire, truncatedLink, malformedLink)
	}
	if data[off] != 0x11 || data[off+1] != 0 {
		return d.nonIP(byEtherType, etherPPPoE)
	}
	return d.ppp(data, off+6, wire)
}
