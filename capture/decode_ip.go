package capture

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

const (
	ipv4Header    = 20
	ipv6Header    = 40
	maxExtensions = 16 // IPv6 extension headers, and AH of both versions, on one packet
)

// IPv6 extension headers (RFC 8200, section 4; AH RFC 4302).
const (
	extHopByHop    = 0
	extRouting     = 43
	extFragment    = 44
	extNone        = 59
	extDestination = 60
)

// ipv4 decodes the header at off (RFC 791) and what it carries. A total length of 0 is segmentation offload: the packet fills the frame.
// A total length beyond the frame is believed for the byte count, as the sender of the capture may have cut it without saying so.
func (d *decoder) ipv4(data []byte, off, wire int, out *flow.Batch) Reason {
	p := &out.Packets[out.N]
	if len(data) < off+ipv4Header {
		return cut(off+ipv4Header, wire, truncatedNetwork, malformedNetwork)
	}
	h := data[off : off+ipv4Header]
	if h[0]>>4 != 4 {
		return malformedVersion
	}
	headerLen := int(h[0]&15) * 4
	total := int(binary.BigEndian.Uint16(h[2:]))
	if total == 0 {
		total = wire - off
	}
	if headerLen < ipv4Header || total < headerLen {
		return malformedLength
	}
	p.IPLen = uint32(total)
	end := d.end(off+total, wire)
	proto, at := h[9], off+headerLen
	src, dst := binary.BigEndian.Uint32(h[12:]), binary.BigEndian.Uint32(h[16:])
	var r Reason
	if fragment := binary.BigEndian.Uint16(h[6:]) & 0x3fff; fragment == 0 {
		r = d.transport4(data, at, end, proto, p)
		if h[2]|h[3] != 0 && off+total <= len(data) {
			d.headers = headers{network: uint32(off), size: uint16(d.transportAt - off)}
		}
	} else {
		key := fragmentKey{id: uint32(binary.BigEndian.Uint16(h[4:])), proto: proto, version: 4, path: d.path, context: p.Context}
		copy(key.src[:], h[12:16])
		copy(key.dst[:], h[16:20])
		where := partOf(uint32(fragment&0x1fff), at, end, fragment&0x2000 == 0)
		if where.from != 0 {
			r = d.laterFragment(data, at, end, proto, &key, where, p)
		} else {
			r = d.firstFragment(d.transport4(data, at, end, proto, p), data, end, &key, where, p)
		}
	}
	if r == reasonDecoded {
		out.Payload[out.N] = d.payload
		d.hasher.SetEnds4(p, src, dst)
		if p.Proto == flow.ICMP && isError(p) {
			d.quote(data, out)
		}
	}
	return r
}

// transport4 skips authentication headers, which in IPv4 stand where the transport header is expected.
func (d *decoder) transport4(data []byte, at, end int, proto uint8, p *flow.Packet) Reason {
	for n := 0; flow.Proto(proto) == flow.AH; n++ {
		if n == maxExtensions {
			return deepExtensions
		}
		if at+12 > min(end, len(data)) {
			return cut(at+12, end, truncatedTransport, malformedTransport)
		}
		proto, at = data[at], at+(int(data[at+1])+2)*4
	}
	return d.transport(data, at, end, proto, p)
}

// end is where the IP packet ends in the frame.
func (d *decoder) end(claimed, wire int) int {
	if claimed > wire {
		d.overlong = true
		return wire
	}
	return claimed
}

// ipv6 decodes the header at off and walks its extension headers. A payload length of 0 is segmentation offload or a jumbogram
// (RFC 2675): the packet fills the frame. Addresses stay as they are, ::ffff:192.0.2.1 too: on the wire it is an IPv6 address.
func (d *decoder) ipv6(data []byte, off, wire int, out *flow.Batch) Reason {
	p := &out.Packets[out.N]
	if len(data) < off+ipv6Header {
		return cut(off+ipv6Header, wire, truncatedNetwork, malformedNetwork)
	}
	h := data[off : off+ipv6Header]
	if h[0]>>4 != 6 {
		return malformedVersion
	}
	payload := int(binary.BigEndian.Uint16(h[4:]))
	if payload == 0 && h[6] != extNone {
		payload = max(wire-off-ipv6Header, 0)
	}
	p.IPLen = uint32(ipv6Header + payload)
	end := d.end(off+ipv6Header+payload, wire)
	key := fragmentKey{version: 6, path: d.path, context: p.Context}
	copy(key.src[:], h[8:24])
	copy(key.dst[:], h[24:40])
	r := d.extensions(data, off+ipv6Header, end, h[6], &key, p)
	if r == reasonDecoded {
		if h[4]|h[5] != 0 && off+ipv6Header+payload <= len(data) && !d.firstPart && p.Bits&flow.Fragment == 0 {
			d.headers = headers{network: uint32(off), size: uint16(d.transportAt - off)}
		}
		out.Payload[out.N] = d.payload
		d.hasher.SetEnds6(p, &out.Addr6[out.N], &key.src, &key.dst)
		if p.Proto == flow.ICMPv6 && isError(p) {
			d.quote(data, out)
		}
	}
	return r
}

// extensions walks to the transport header. A routing header with segments left puts the final destination into key.dst: where the
// packet is going and where answers come from.
func (d *decoder) extensions(data []byte, at, end int, next uint8, key *fragmentKey, p *flow.Packet) Reason {
	limit, fragmented := min(end, len(data)), false
	var where part
	for range maxExtensions {
		switch next {
		case extHopByHop, extDestination, extRouting, extFragment, uint8(flow.AH):
		default:
			r := d.transport(data, at, end, next, p)
			if fragmented {
				r = d.firstFragment(r, data, end, key, where, p)
			}
			return r
		}
		if at+8 > limit {
			return cut(at+8, end, truncatedNetwork, malformedExtension)
		}
		h := data[at:limit]
		size := extensionSize(next, h[1])
		if size > len(h) {
			return cut(at+size, end, truncatedNetwork, malformedExtension)
		}
		switch next {
		case extRouting:
			finalDestination(h[:size], &key.dst)
		case extFragment: // offset 0 without more to come is a whole packet (RFC 6946)
			key.id = binary.BigEndian.Uint32(h[4:])
			offset := binary.BigEndian.Uint16(h[2:])
			where = partOf(uint32(offset>>3), at+size, end, offset&1 == 0)
			if where.from != 0 {
				return d.laterFragment(data, at+size, end, h[0], key, where, p)
			}
			fragmented = offset&1 != 0
		}
		next, at = h[0], at+size
	}
	return deepExtensions
}

// partOf is the place of a fragment whose data is from at to end; offset is in units of 8 octets.
func partOf(offset uint32, at, end int, last bool) part {
	return part{offset * 8, offset*8 + uint32(max(end-at, 0)), last}
}

// extensionSize is the length of an extension header whose second octet is n.
func extensionSize(header, n uint8) int {
	switch flow.Proto(header) {
	case extFragment:
		return 8
	case flow.AH:
		return (int(n) + 2) * 4
	}
	return (int(n) + 1) * 8
}

// finalDestination reads a routing header: types 0 (RFC 2460) and 2 (RFC 6275) end with the final address, type 4 (RFC 8754) begins with it.
func finalDestination(h []byte, dst *[16]byte) {
	const source, mobile, segment = 0, 2, 4
	if len(h) < 24 || h[3] == 0 {
		return
	}
	switch h[2] {
	case source, mobile:
		copy(dst[:], h[8+(len(h)-8)/16*16-16:])
	case segment:
		copy(dst[:], h[8:24])
	}
}
