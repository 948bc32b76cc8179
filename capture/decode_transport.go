package capture

import (
	"encoding/binary"

	"pcapaudit/capture/flow"
)

const (
	tcpHeader = 20
	udpHeader = 8
)

// transport reads the header at at. Until the ends are put in order PortA is the source port and PortB the destination's. end is where
// the IP packet ends; the capture may hold less.
func (d *decoder) transport(data []byte, at, end int, proto uint8, p *flow.Packet) Reason {
	p.Proto = flow.Proto(proto)
	header, kept := 0, 0 // of the header, whole and as far as it is read here
	switch p.Proto {
	case flow.TCP:
		header, kept = tcpHeader, 14
	case flow.UDP, flow.UDPLite:
		header, kept = udpHeader, 6
	case flow.SCTP:
		header, kept = 12, 4
	case flow.ICMP:
		header, kept = 8, 2
	case flow.ICMPv6:
		header, kept = 4, 2
	}
	d.transportAt = at
	p.PayloadOff = uint32(at) // of the header, until it is whole
	if at+header > end {
		return malformedTransport
	}
	if at+kept > len(data) {
		return truncatedTransport
	}
	h := data[min(at, len(data)):]
	if p.Proto.HasPorts() {
		p.PortA, p.PortB = binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:])
	}
	switch p.Proto {
	case flow.TCP:
		p.Seq, p.Ack = binary.BigEndian.Uint32(h[4:]), binary.BigEndian.Uint32(h[8:])
		p.Flags = flow.TCPFlags(h[13])
		header = int(h[12]>>4) * 4
		if header < tcpHeader || at+header > end {
			return malformedTCP
		}
		d.payload = uint32(end - at - header)
	case flow.UDP:
		length := int(binary.BigEndian.Uint16(h[4:]))
		if length != 0 && length < udpHeader { // 0: jumbogram (RFC 2675) or offload
			return malformedUDP
		}
		if length != 0 {
			end = min(end, at+length)
		}
	case flow.ICMP, flow.ICMPv6:
		p.PortA, p.PortB = flow.PackICMP(p.Proto, h[0], h[1])
	}
	setPayload(p, data, at+header, end)
	d.payloadEnd = end
	return reasonDecoded
}

// setPayload points to the captured bytes from at to end.
func setPayload(p *flow.Packet, data []byte, at, end int) {
	at = min(at, len(data))
	p.PayloadOff, p.PayloadLen = uint32(at), uint32(max(min(end, len(data))-at, 0))
}
