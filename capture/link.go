package capture

import "encoding/binary"

// Link types that are decoded, as files name them (https://www.tcpdump.org/linktypes.html). BSD systems write raw IP as 12 or 14.
const (
	linkNull     = 0
	linkEthernet = 1
	linkPPP      = 9
	linkRawBSD   = 12
	linkRawOpen  = 14
	linkPPPHDLC  = 50
	linkPPPoE    = 51
	linkRaw      = 101
	linkCHDLC    = 104
	linkLoop     = 108
	linkSLL      = 113
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
	link80211    = 105
	linkPrism    = 119
	linkRadiotap = 127
	linkAVS      = 163
	linkNFLOG    = 239
)

// EtherTypes (IEEE 802 Numbers at IANA). Below etherTypeMin the field is the length of an LLC frame (IEEE 802.3, 3.2.6).
const (
	etherTypeMin   = 0x0600
	etherIPv4      = 0x0800
	etherVLAN      = 0x8100
	etherIPv6      = 0x86dd
	etherMPLS      = 0x8847
	etherMPLSMulti = 0x8848
	etherPPPoE     = 0x8864
	etherProvider  = 0x88a8 // 802.1ad
	etherOldQinQ   = 0x9100
	etherVNTag     = 0x8926 // Cisco's VN-Tag, between an adapter and its fabric extender
	etherETag      = 0x893f // IEEE 802.1BR
)

const (
	maxVLANs  = 8  // tags on one packet; providers use two, three with a mistake
	maxLabels = 16 // MPLS labels on one packet
)

// link strips everything in front of the IP header. It returns where that starts and its version as EtherType (etherIPv4 or
// etherIPv6), or the reason why there is none. VLAN tags go to d.tags.
func (d *decoder) link(linkType uint16, data []byte, wire int) (off int, etherType uint16, r Reason) {
	switch linkType {
	case linkEthernet:
		if len(data) < 14 {
			return 0, 0, cut(14, wire, truncatedLink, malformedLink)
		}
		return d.etherType(binary.BigEndian.Uint16(data[12:]), data, 14, wire)
	case linkSLL:
		if len(data) < 16 {
			return 0, 0, cut(16, wire, truncatedLink, malformedLink)
		}
		return d.cooked(binary.BigEndian.Uint16(data[2:]), binary.BigEndian.Uint16(data[14:]), data, 16, wire)
	case linkSLL2:
		if len(data) < 20 {
			return 0, 0, cut(20, wire, truncatedLink, malformedLink)
		}
		return d.cooked(binary.BigEndian.Uint16(data[8:]), binary.BigEndian.Uint16(data), data, 20, wire)
	case linkRaw, linkRawBSD, linkRawOpen:
		return rawIP(data, 0, wire)
	case linkIPv4:
		return 0, etherIPv4, reasonDecoded
	case linkIPv6:
		return 0, etherIPv6, reasonDecoded
	case linkNull, linkLoop:
		return d.loopback(data, wire)
	case linkPPP:
		return d.framedPPP(data, wire)
	case linkPPPHDLC, linkCHDLC:
		return d.hdlc(linkType, data, wire)
	case linkPPPoE:
		return d.pppoe(data, 0, wire)
	case linkNFLOG:
		return d.nflog(data, wire)
	case link80211:
		return d.wireless(data, 0, wire, false)
	case linkRadiotap, linkPrism, linkAVS:
		return d.radio(linkType, data, wire)
	}
	if rare := rareLinks[linkType]; rare != nil {
		return d.rare(linkType, rare, data, wire)
	}
	d.ledger.Unsupported.add(Kind{byLinkType, linkType})
	return 0, 0, reasonUnsupported
}

// cut tells a header that the capture shortened from one that never was whole: need is where the header ends, end where the packet does.
func cut(need, end int, truncated, malformed Reason) Reason {
	if need > end {
		return malformed
	}
	return truncated
}

// nonIP counts the packet's kind.
func (d *decoder) nonIP(s space, number uint16) (int, uint16, Reason) {
	if d.depth > 0 {
		d.ledger.InnerNonIP.add(Kind{s, number})
		if (Kind{s, number}).hides() {
			d.ledger.Opaque.add(d.carrier)
		}
	} else {
		d.ledger.NonIP.add(Kind{s, number})
	}
	return 0, 0, reasonNonIP
}

// etherType follows tags, LLC, MPLS and PPPoE from off, right behind the type field. Tags that name a port and no VLAN are noted as VLAN 0.
func (d *decoder) etherType(t uint16, data []byte, off, wire int) (int, uint16, Reason) {
	for size := tagSize(t); size > 0; size = tagSize(t) {
		if len(data) < off+size {
			return 0, 0, cut(off+size, wire, truncatedLink, malformedLink)
		}
		if d.tagCount == maxVLANs {
			return 0, 0, deepLink
		}
		d.tags[d.tagCount] = 0
		if size == vlanTag {
			d.tags[d.tagCount] = binary.BigEndian.Uint16(data[off:]) & 0x0fff
		}
		d.tagCount++
		off += size
		t = binary.BigEndian.Uint16(data[off-2:])
	}
	switch {
	case t == etherIPv4 || t == etherIPv6:
		return off, t, reasonDecoded
	case t < etherTypeMin:
		return d.llc(data, off, wire)
	case t == etherMPLS || t == etherMPLSMulti:
		return d.mpls(t, data, off, wire)
	case t == etherPPPoE:
		return d.pppoe(data, off, wire)
	}
	return d.nonIP(byEtherType, t)
}

const vlanTag = 4 // size of a VLAN tag behind its EtherType, with the type that follows

// tagSize is the size of what stands between the EtherType of a tag and the header behind it; 0 for other types.
func tagSize(t uint16) int {
	switch t {
	case etherVLAN, etherProvider, etherOldQinQ:
		return vlanTag
	case etherVNTag:
		return 6
	case etherETag:
		return 8
	}
	return 0
}

// llc takes IP behind SNAP with the Ethernet or the bridge-tunnel organisation code (RFC 1042, IEEE 802.1H), or behind SAP 6.
func (d *decoder) llc(data []byte, off, wire int) (int, uint16, Reason) {
	if len(data) < off+3 {
		return 0, 0, cut(off+3, wire, truncatedLink, malformedLink)
	}
	h := data[off:]
	sap := binary.BigEndian.Uint16(h)
	switch {
	case sap == 0x0606 && h[2] == 3:
		return rawIP(data, off+3, wire)
	case sap != 0xaaaa || h[2] != 3:
		return d.nonIP(byLLC, sap)
	case len(h) < 8:
		return 0, 0, cut(off+8, wire, truncatedLink, malformedLink)
	}
	t := binary.BigEndian.Uint16(h[6:])
	organisation := uint32(h[3])<<16 | uint32(h[4])<<8 | uint32(h[5])
	if organisation != 0 && organisation != 0xf8 {
		return d.nonIP(byLLC, sap)
	}
	if t < etherTypeMin {
		return d.nonIP(byEtherType, t)
	}
	return d.etherType(t, data, off+8, wire)
}

// cooked reads the protocol of SLL and SLL2, which depends on the ARPHRD_ type of the device: netlink names a family,
// the radio and frame relay types no EtherType at all. 1 and 4 are Linux's own numbers for raw 802.3 and LLC.
func (d *decoder) cooked(device, protocol uint16, data []byte, off, wire int) (int, uint16, Reason) {
	const frameRelay, radio, radiotap, netlink, llcFrame = 770, 801, 803, 824, 4
	switch {
	case device == netlink || device == frameRelay || device >= radio && device <= radiotap:
		return d.nonIP(byEtherType, protocol)
	case protocol == llcFrame:
		return d.llc(data, off, wire)
	case protocol < etherTypeMin:
		return d.nonIP(byEtherType, protocol)
	}
	return d.etherType(protocol, data, off, wire)
}

// rawIP tells the version by the first nibble.
func rawIP(data []byte, off, wire int) (int, uint16, Reason) {
	if len(data) <= off {
		return 0, 0, cut(off+1, wire, truncatedNetwork, malformedNetwork)
	}
	switch data[off] >> 4 {
	case 4:
		return off, etherIPv4, reasonDecoded
	case 6:
		return off, etherIPv6, reasonDecoded
	}
	return 0, 0, malformedVersion
}

// loopback reads the address family of NULL (in the writer's byte order) and LOOP (network order): 2 everywhere for IPv4; for IPv6
// 10 Linux, 23 Windows, 24 NetBSD and OpenBSD, 28 FreeBSD, 30 macOS.
func (d *decoder) loopback(data []byte, wire int) (int, uint16, Reason) {
	if len(data) < 4 {
		return 0, 0, cut(4, wire, truncatedLink, malformedLink)
	}
	family := binary.LittleEndian.Uint32(data)
	if family > 0xffff {
		family = binary.BigEndian.Uint32(data)
	}
	switch family {
	case 2:
		return 4, etherIPv4, reasonDecoded
	case 10, 23, 24, 28, 30:
		return 4, etherIPv6, reasonDecoded
	}
	return d.nonIP(byFamily, uint16(min(family, 0xffff)))
}

// mpls pops the label stack (RFC 3032). What the labels carry is nowhere written: a first nibble of 4 or 6 is taken for IP (RFC 4928);
// pseudowires are not.
func (d *decoder) mpls(t uint16, data []byte, off, wire int) (int, uint16, Reason) {
	for range maxLabels {
		if len(data) < off+4 {
			return 0, 0, cut(off+4, wire, truncatedLink, malformedLink)
		}
		bottom := data[off+2]&1 != 0
		off += 4
		if !bottom {
			continue
		}
		if ip, version, r := rawIP(data, off, wire); r != malformedVersion {
			return ip, version, r
		}
		return d.nonIP(byEtherType, t)
	}
	return 0, 0, deepLink
}
