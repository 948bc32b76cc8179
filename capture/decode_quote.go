package capture

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

// isError is for packets of ICMP; errors have no reply, so type and code stand at one end.
func isError(p *flow.Packet) bool {
	told := p.PortA | p.PortB
	return p.Bits&flow.Fragment == 0 && flow.ICMPErrorOf(p.Proto, uint8(told>>8), uint8(told)) != flow.NoICMPError
}

// quote reads the head of the packet that ICMP error out.N carries (RFC 792: IP header and 8 octets; RFC 4443, section 3: as much as fits).
// It is not read where its ends are not there, or where the error does not go to its sender: routers and hosts answer the sender.
func (d *decoder) quote(data []byte, out *flow.Batch) {
	p, q := &out.Packets[out.N], &out.Quotes[out.N]
	p.Bits |= flow.Quoting
	q.Packet = flow.Packet{Context: p.Context}
	h := data[p.PayloadOff:][:p.PayloadLen]
	if p.Proto == flow.ICMP {
		q.Read = d.quoted4(h, q) && goesTo(p, &q.Packet)
		return
	}
	const unused = 4 // octets of the header, or MTU, or pointer
	q.Read = d.quoted6(h[min(unused, len(h)):], q) && goesTo(p, &q.Packet) && receiver6(p, &out.Addr6[out.N]) == sender6(q)
}

// goesTo says whether the error p goes to the sender of packet q.
func goesTo(p, q *flow.Packet) bool {
	receiver, sender := p.B, q.A
	if p.Bits&flow.FromB != 0 {
		receiver = p.A
	}
	if q.Bits&flow.FromB != 0 {
		sender = q.B
	}
	return receiver == sender
}

func receiver6(p *flow.Packet, ends *[2][16]byte) [16]byte {
	return ends[p.Bits&flow.FromB^flow.FromB]
}

func sender6(q *flow.Quote) [16]byte { return q.Addr6[q.Packet.Bits&flow.FromB] }

func (d *decoder) quoted4(h []byte, q *flow.Quote) bool {
	if len(h) < ipv4Header || h[0]>>4 != 4 || h[0]&15 < 5 || binary.BigEndian.Uint16(h[6:])&0x1fff != 0 {
		return false
	}
	src, dst := binary.BigEndian.Uint32(h[12:]), binary.BigEndian.Uint32(h[16:])
	if !quotedEnds(h[9], h[min(int(h[0]&15)*4, len(h)):], &q.Packet) {
		return false
	}
	d.hasher.SetEnds4(&q.Packet, src, dst)
	return true
}

// quoted6 reads quotes without extension headers, and of first fragments.
func (d *decoder) quoted6(h []byte, q *flow.Quote) bool {
	if len(h) < ipv6Header || h[0]>>4 != 6 {
		return false
	}
	next, rest := h[6], h[ipv6Header:]
	if next == extFragment && len(rest) >= 8 && binary.BigEndian.Uint16(rest[2:])>>3 == 0 {
		next, rest = rest[0], rest[8:]
	}
	if !quotedEnds(next, rest, &q.Packet) {
		return false
	}
	d.hasher.SetEnds6(&q.Packet, &q.Addr6, (*[16]byte)(h[8:]), (*[16]byte)(h[24:]))
	return true
}

// quotedEnds reads what stands for ports of a transport header.
func quotedEnds(proto uint8, h []byte, p *flow.Packet) bool {
	p.Proto = flow.Proto(proto)
	switch {
	case p.Proto.HasPorts() && len(h) >= 4:
		p.PortA, p.PortB = binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:])
	case p.Proto.IsICMP() && len(h) >= 2:
		p.PortA, p.PortB = flow.PackICMP(p.Proto, h[0], h[1])
	case p.Proto.HasPorts() || p.Proto.IsICMP() || leadsOn(proto, 6):
		return false
	}
	return true
}
