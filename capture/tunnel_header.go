package capture

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// etherBridged says that an Ethernet frame follows (RFC 1701, "transparent Ethernet bridging").
const etherBridged = 0x6558

// EtherTypes of mirrored frames in GRE (draft-foschiano-erspan-03).
const (
	etherERSPAN  = 0x88be
	etherERSPAN3 = 0x22eb
)

// carriage is what the header of a tunnel says.
type carriage struct {
	kind      tunnelKind
	named     bool   // id is there
	id        uint32 // network, key, session or endpoint
	etherType uint16 // of what follows; etherBridged for a frame
	size      int    // of the header
}

// Protocol numbers of IP in IP.
const (
	protoIPv4    flow.Proto = 4
	protoIPv6    flow.Proto = 41
	protoEtherIP flow.Proto = 97
)

// noTunnel is the need of a header that is none.
const noTunnel = -1

// carriage reads the header of a tunnel from h, the captured payload of p. need is the bytes that reading it takes: where h is shorter the
// carriage is not known. It is noTunnel where the payload is no such header, or of one that is not opened.
func (d *decoder) carriage(p *flow.Packet, h []byte) (c carriage, need int) {
	switch p.Proto {
	case flow.GRE:
		return readGRE(tunnelGRE, h)
	case protoIPv4, protoIPv6:
		return bareIP(p, h)
	case protoEtherIP:
		return readEtherIP(h)
	}
	src, dst := sentPorts(p)
	if c, need = d.overUDP(dst, h); need == noTunnel && src != dst {
		return d.overUDP(src, h)
	}
	return c, need
}

func (d *decoder) overUDP(port uint16, h []byte) (c carriage, need int) {
	switch d.ports.kind(port) {
	case tunnelVXLAN:
		return readVXLAN(h)
	case tunnelGPE:
		return readGPE(h)
	case tunnelGENEVE:
		return readGENEVE(h)
	case tunnelGTPU:
		return readGTPU(h)
	case tunnelTeredo:
		return readTeredo(h)
	case tunnelGREUDP:
		return readGRE(tunnelGREUDP, h)
	}
	return c, noTunnel
}

// bareIP is IP right behind IP.
func bareIP(p *flow.Packet, h []byte) (c carriage, need int) {
	if len(h) == 0 {
		return c, 1
	}
	outer6 := p.Bits&flow.IPv6 != 0
	switch {
	case p.Proto == protoIPv4 && h[0]>>4 == 4 && !outer6:
		c = carriage{kind: tunnelIPIP, etherType: etherIPv4}
	case p.Proto == protoIPv4 && h[0]>>4 == 4:
		c = carriage{kind: tunnel4in6, etherType: etherIPv4}
	case p.Proto == protoIPv6 && h[0]>>4 == 6 && !outer6:
		c = carriage{kind: tunnel6in4, etherType: etherIPv6}
	case p.Proto == protoIPv6 && h[0]>>4 == 6:
		c = carriage{kind: tunnel6in6, etherType: etherIPv6}
	default:
		return c, noTunnel
	}
	return c, 0
}

// sentPorts are those of the source and the destination.
func sentPorts(p *flow.Packet) (src, dst uint16) {
	if p.Bits&flow.FromB != 0 {
		return p.PortB, p.PortA
	}
	return p.PortA, p.PortB
}

// unopened says which tunnel a payload that is none of those that are opened most likely is. A tunnel's port at a client of a service with a
// system port is chance, and messages of GTP-U that carry no user's packet are about the tunnel itself.
func (d *decoder) unopened(p *flow.Packet, h []byte) tunnelKind {
	switch p.Proto {
	case flow.GRE:
		if len(h) > 1 && h[1]&7 == 1 {
			return tunnelPPTP
		}
		return tunnelGRE
	case protoIPv4, protoIPv6:
		return tunnelIPIP
	case protoEtherIP:
		return tunnelEtherIP
	}
	src, dst := sentPorts(p)
	if src < systemPorts || dst < systemPorts {
		return tunnelNone
	}
	kind := d.ports.kind(dst)
	if kind == tunnelNone {
		kind = d.ports.kind(src)
	}
	if kind == tunnelGTPU && len(h) > 1 && h[0]>>4 == 3 && h[1] != gtpUserPacket {
		return tunnelNone
	}
	return kind
}

// systemPorts is the first port that is none (RFC 6335, section 6).
const systemPorts = 1024

// readEtherIP takes version 3, the only one.
func readEtherIP(h []byte) (c carriage, need int) {
	if len(h) < 2 {
		return c, 2
	}
	if h[0] != 0x30 || h[1] != 0 {
		return c, noTunnel
	}
	return carriage{kind: tunnelEtherIP, etherType: etherBridged, size: 2}, 2
}

// readGRE takes version 0 without source routes. Version 1 is PPTP's (RFC 2637): PPP, mostly encrypted.
func readGRE(kind tunnelKind, h []byte) (c carriage, need int) {
	const hasChecksum, hasRoute, hasKey, hasSequence = 0x8000, 0x4000, 0x2000, 0x1000
	if len(h) < 4 {
		return c, 4
	}
	flags := binary.BigEndian.Uint16(h)
	if flags&7 != 0 || flags&hasRoute != 0 {
		return c, noTunnel
	}
	c = carriage{kind: kind, etherType: binary.BigEndian.Uint16(h[2:]), size: 4}
	if flags&hasChecksum != 0 {
		c.size += 4
	}
	if flags&hasKey != 0 {
		if len(h) < c.size+4 {
			return c, c.size + 4
		}
		c.named, c.id = true, binary.BigEndian.Uint32(h[c.size:])
		c.size += 4
	}
	if flags&hasSequence != 0 {
		c.size += 4
	}
	switch {
	case c.etherType == etherERSPAN && flags&hasSequence == 0: // type I has no header
		return carriage{kind: tunnelERSPAN, etherType: etherBridged, size: c.size}, c.size
	case c.etherType == etherERSPAN:
		return readERSPAN(h, c.size, 1, 8)
	case c.etherType == etherERSPAN3:
		return readERSPAN(h, c.size, 2, 12)
	}
	return c, c.size
}

// readERSPAN reads types II (version 1) and III (version 2), whose header may have a part that depends on the platform.
func readERSPAN(h []byte, at int, version uint8, size int) (c carriage, need int) {
	if len(h) < at+size {
		return c, at + size
	}
	h = h[at:]
	if h[0]>>4 != version {
		return c, noTunnel
	}
	c = carriage{kind: tunnelERSPAN, named: true, id: uint32(binary.BigEndian.Uint16(h[2:]) & 0x3ff), etherType: etherBridged, size: at + size}
	if version == 2 {
		switch frameType := h[10] >> 2 & 31; {
		case frameType == 2: // IP, its version by the first nibble of what follows
			return c, noTunnel
		case h[11]&1 != 0:
			c.size += 8
		}
	}
	return c, c.size
}

// readVXLAN wants the network's flag. Reserved bits are 0 unless the group policy extension (draft-smith-vxlan-group-policy) uses them.
func readVXLAN(h []byte) (c carriage, need int) {
	const hasNetwork, hasPolicy = 0x08, 0x80
	if len(h) < 8 {
		return c, 8
	}
	reserved := h[1] | h[2] | h[3]
	if h[0]&^hasPolicy != hasNetwork || h[0]&hasPolicy == 0 && reserved != 0 || h[7] != 0 {
		return c, noTunnel
	}
	return carriage{kind: tunnelVXLAN, named: true, id: binary.BigEndian.Uint32(h[4:]) >> 8, etherType: etherBridged, size: 8}, 8
}

// readGPE reads the protocol that the last of the reserved octets has become.
func readGPE(h []byte) (c carriage, need int) {
	const hasNetwork, version = 0x08, 0x30
	if len(h) < 8 {
		return c, 8
	}
	if h[0]&(hasNetwork|version) != hasNetwork || h[1]|h[2] != 0 || h[7] != 0 {
		return c, noTunnel
	}
	c = carriage{kind: tunnelGPE, named: true, id: binary.BigEndian.Uint32(h[4:]) >> 8, size: 8}
	switch h[3] {
	case 1:
		c.etherType = etherIPv4
	case 2:
		c.etherType = etherIPv6
	case 3:
		c.etherType = etherBridged
	default:
		return c, noTunnel
	}
	return c, 8
}

// readGENEVE skips the options.
func readGENEVE(h []byte) (c carriage, need int) {
	if len(h) < 8 {
		return c, 8
	}
	if h[0]>>6 != 0 || h[7] != 0 {
		return c, noTunnel
	}
	size := 8 + int(h[0]&0x3f)*4
	return carriage{kind: tunnelGENEVE, named: true, id: binary.BigEndian.Uint32(h[4:]) >> 8, etherType: binary.BigEndian.Uint16(h[2:]), size: size}, size
}

const gtpUserPacket = 255

// readGTPU takes the user packets (message 255) of version 1, behind any extension headers. They are IP, unless the first nibble says
// otherwise: then it is one of the session types without IP.
func readGTPU(h []byte) (c carriage, need int) {
	if len(h) < 9 {
		return c, 9
	}
	if h[0]>>4 != 3 || h[1] != gtpUserPacket {
		return c, noTunnel
	}
	size := 8
	if h[0]&7 != 0 {
		if size = 12; len(h) < size {
			return c, size
		}
		next := h[11]
		for n := 0; next != 0 && h[0]&4 != 0; n++ {
			if len(h) <= size {
				return c, size + 1
			}
			length := int(h[size]) * 4
			if length == 0 || n == maxExtensions {
				return c, noTunnel
			}
			if size += length; len(h) < size {
				return c, size
			}
			next = h[size-1]
		}
	}
	if len(h) <= size {
		return c, size + 1
	}
	return ipBehind(h, carriage{kind: tunnelGTPU, named: true, id: binary.BigEndian.Uint32(h[4:]), size: size})
}

// ipBehind reads the version of the IP packet behind the header.
func ipBehind(h []byte, c carriage) (carriage, int) {
	switch h[c.size] >> 4 {
	case 4:
		c.etherType = etherIPv4
	case 6:
		c.etherType = etherIPv6
	default:
		return c, noTunnel
	}
	return c, c.size
}

// readTeredo skips the authentication and the origin (RFC 4380, section 5.1.1). What follows is IPv6, with an address of Teredo's or, while
// a host gets one, of the link.
func readTeredo(h []byte) (c carriage, need int) {
	size := 0
	if len(h) >= 4 && h[0] == 0 && h[1] == 1 {
		size = 4 + int(h[2]) + int(h[3]) + 9
	}
	if len(h) >= size+2 && h[size] == 0 && h[size+1] == 0 {
		size += 8
	}
	if len(h) < size+ipv6Header {
		return c, size + ipv6Header
	}
	const service, onLink = 0x20010000, 0xfe800000
	src, dst := binary.BigEndian.Uint32(h[size+8:]), binary.BigEndian.Uint32(h[size+24:])
	if h[size]>>4 != 6 || src != service && dst != service && src != onLink {
		return c, noTunnel
	}
	return carriage{kind: tunnelTeredo, etherType: etherIPv6, size: size}, size
}
