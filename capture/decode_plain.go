package capture

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// plain decodes a record into packet out.N if it is what nearly all are: Ethernet with at most one VLAN tag, IPv4 without options or IPv6 without extension
// headers, no fragment, TCP or UDP outside tunnels, and on the wire all that its length fields claim. Of all others it is false and changes nothing that counts:
// these are for decoder.packet, which has the same result for the plain ones and takes twice as long.
func (d *decoder) plain(rec *record, wire int, out *decoded) bool {
	data := rec.data
	if len(data) < 14+ipv4Header+udpHeader || rec.badTime {
		return false
	}
	off, etherType, context := 14, binary.BigEndian.Uint16(data[12:]), d.base
	if etherType == etherVLAN {
		off, etherType, context = 18, binary.BigEndian.Uint16(data[16:]), d.single[binary.BigEndian.Uint16(data[14:])%numVLANs]
		if context == 0 || d.base != 0 {
			return false
		}
	}
	h := data[off:]
	var proto flow.Proto
	var size, at int // of the IP packet and of its header
	switch {
	case etherType == etherIPv4 && len(h) >= ipv4Header+udpHeader:
		size, proto, at = int(binary.BigEndian.Uint16(h[2:])), flow.Proto(h[9]), ipv4Header
		if h[0] != 4<<4|ipv4Header/4 || binary.BigEndian.Uint16(h[6:])&0x3fff != 0 || size == 0 {
			return false
		}
	case etherType == etherIPv6 && len(h) >= ipv6Header+udpHeader:
		size, proto, at = int(binary.BigEndian.Uint16(h[4:]))+ipv6Header, flow.Proto(h[6]), ipv6Header
		if h[0]>>4 != 6 || size == ipv6Header {
			return false
		}
	default:
		return false
	}
	end := off + size
	if end > wire {
		return false
	}
	t := h[at:]
	ports := binary.BigEndian.Uint32(t)
	payload, payloadEnd := off+at+udpHeader, end
	var seq, ack uint32
	var flags flow.TCPFlags
	switch {
	case proto == flow.TCP && len(t) >= tcpHeader:
		header := int(t[12] >> 4 * 4)
		seq, ack, flags, payload = binary.BigEndian.Uint32(t[4:]), binary.BigEndian.Uint32(t[8:]), flow.TCPFlags(t[13]), off+at+header
		if header < tcpHeader {
			return false
		}
	case proto == flow.UDP:
		length := int(binary.BigEndian.Uint16(t[4:]))
		payloadEnd = min(end, off+at+length)
		if length < udpHeader || d.ports.has(uint16(ports>>16)) || d.ports.has(uint16(ports)) {
			return false
		}
	default:
		return false
	}
	if payload > end {
		return false
	}
	d.now = rec.time
	i := out.N & (flow.BatchSize - 1) // as it is; this spares the looks at the bounds
	p := &out.Packets[i]
	// One field after the other: a literal is put together elsewhere and copied in wider words, which waits for the narrow ones (a third of the time).
	p.Time, p.Num, p.File = rec.time, rec.num, rec.file
	p.PortA, p.PortB = uint16(ports>>16), uint16(ports)
	p.Seq, p.Ack, p.Flags = seq, ack, flags
	p.IPLen, p.Context, p.Proto, p.Bits, p.Depth = uint32(size), context, proto, 0, 0
	setPayload(p, data, payload, payloadEnd)
	out.Payload[i] = uint32(end - payload)
	if etherType == etherIPv4 {
		d.hasher.SetEnds4(p, binary.BigEndian.Uint32(h[12:]), binary.BigEndian.Uint32(h[16:]))
	} else {
		d.hasher.SetEnds6(p, &out.Addr6[i], (*[16]byte)(h[8:]), (*[16]byte)(h[24:]))
	}
	out.headers[i] = headers{}
	if end <= len(data) && !rec.unsummed {
		out.headers[i] = headers{network: uint32(off), size: uint16(at)}
	}
	return true
}
