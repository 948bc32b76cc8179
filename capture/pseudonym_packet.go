package capture

import (
	"encoding/binary"
	"net/netip"

	"pcapaudit/capture/flow"
)

// rewriter replaces the addresses in packets. What it does not know to be free of them is blanked or cut off: it gives no byte that it has not
// read. Checksums of transport headers become 0: the payload that they cover is not written, and they would tell about the true addresses. That
// of an IPv4 header becomes right where it was.
type rewriter struct {
	names   *Pseudonyms
	scratch decoder // reads headers of links and tunnels; its ledger means nothing
	buf     []byte
	wire    int // of the packet
	keep    int // what is behind that is not written
	read    int // up to here buf holds no address that was not replaced
}

// packet gives up to keep bytes of a record with other addresses, valid until the next call. A link header of a type that is not rewritten
// is left out: wire and link type are then those of the IP packet. It is false where the link header cannot be read.
func (w *rewriter) packet(link uint16, rec *record, keep int) (data []byte, wire uint32, newLink uint16, ok bool) {
	w.buf = append(w.buf[:0], rec.data...)
	w.wire, w.keep, w.read = rec.length(), keep, 0
	d := &w.scratch
	d.depth, d.path, d.tagCount = 0, 0, 0
	off, version, r := d.link(link, w.buf, w.wire)
	if r != reasonDecoded || off > keep {
		return nil, 0, link, false
	}
	from := 0
	if !w.linkHeader(link) {
		from, link = off, linkRaw
	}
	w.layers(off, version)
	return w.buf[from:max(from, min(w.keep, w.read))], rec.wire - uint32(min(uint32(from), rec.wire)), link, true
}

// linkHeader is false where the header is of a type that is not rewritten.
func (w *rewriter) linkHeader(link uint16) bool {
	switch link {
	case linkEthernet:
		w.hardware(0)
		w.hardware(hardwareSize)
	case linkSLL:
		w.cooked(w.buf[2:4], uint8(min(binary.BigEndian.Uint16(w.buf[4:]), 255)), w.buf[6:14])
	case linkSLL2:
		w.cooked(w.buf[8:10], w.buf[11], w.buf[12:20])
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6, linkNull, linkLoop, linkPPP, linkPPPHDLC, linkCHDLC, linkPPPoE:
	default:
		return false
	}
	return true
}

// cooked replaces the address in a header of SLL, of a device of Ethernet or loopback; those of others, which are IP addresses of tunnels for some, are blanked.
func (w *rewriter) cooked(device []byte, size uint8, field []byte) {
	const ethernet, loopback = 1, 772
	t := binary.BigEndian.Uint16(device)
	if size != hardwareSize || t != ethernet && t != loopback {
		clear(field)
		return
	}
	w.names.replaceHardware(field)
	clear(field[hardwareSize:])
}

func (w *rewriter) hardware(at int) { w.names.replaceHardware(w.buf[at:]) }

// layers rewrites the IP header at off, and those inside it as far as they are written.
func (w *rewriter) layers(off int, version uint16) {
	d := &w.scratch
	for range maxTunnels + 1 {
		w.read = off
		var p flow.Packet
		end, ok := 0, false
		if version == etherIPv4 {
			end, ok = w.ipv4(off, &p)
		} else {
			p.Bits = flow.IPv6
			end, ok = w.ipv6(off, &p)
		}
		if !ok || w.read >= w.keep || !d.mayCarry(&p) {
			return
		}
		at := w.read
		h := w.buf[at:max(at, min(end, len(w.buf)))]
		c, need := d.carriage(&p, h)
		if need < 0 || need > len(h) {
			return
		}
		blankCarriage(&c, h)
		off, version = at+c.size, c.etherType
		if version == etherBridged {
			if len(w.buf) < off+14 {
				return
			}
			w.hardware(off)
			w.hardware(off + hardwareSize)
			off, version = off+14, binary.BigEndian.Uint16(w.buf[off+12:])
		}
		w.read = off
		var r Reason
		if off, version, r = d.etherType(version, w.buf, off, w.wire); r != reasonDecoded {
			return
		}
	}
}

// ipv4 rewrites a header and what follows it, of the first fragment; p gets protocol and ports. It is false where no header that is
// understood follows.
func (w *rewriter) ipv4(off int, p *flow.Packet) (end int, ok bool) {
	b := w.buf[off:]
	if len(b) < ipv4Header {
		return 0, false
	}
	size := int(b[0]&15) * 4
	if size < ipv4Header {
		return 0, false
	}
	size = min(size, len(b))
	w.header4(b[:size])
	end = off + int(binary.BigEndian.Uint16(b[2:]))
	if b[2]|b[3] == 0 {
		end = w.wire
	}
	w.read = off + size
	if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		return end, false
	}
	proto := b[9]
	for n := 0; flow.Proto(proto) == flow.AH; n++ {
		h := w.buf[w.read:]
		if n == maxExtensions || len(h) < 2 || len(h) < (int(h[1])+2)*4 {
			return end, false
		}
		proto, w.read = h[0], w.read+(int(h[1])+2)*4
	}
	return end, w.transport(proto, p)
}

// header4 blanks options: some record addresses.
func (w *rewriter) header4(h []byte) {
	right := fold16(sum16(h)) == 0xffff
	w.address4(h[12:])
	w.address4(h[16:])
	const noOperation = 1
	for i := ipv4Header; i < len(h); i++ {
		h[i] = noOperation
	}
	h[10], h[11] = 0, 0
	if right {
		binary.BigEndian.PutUint16(h[10:], ^fold16(sum16(h)))
	}
}

func (w *rewriter) address4(b []byte) {
	to := w.names.Address(netip.AddrFrom4([4]byte(b[:4]))).As4()
	copy(b, to[:])
}

func (w *rewriter) address6(b []byte) {
	to := w.names.Address(netip.AddrFrom16([16]byte(b[:16]))).As16()
	copy(b, to[:])
}

// ipv6 is ipv4 for IPv6 and its extension headers.
func (w *rewriter) ipv6(off int, p *flow.Packet) (end int, ok bool) {
	b := w.buf[off:]
	if len(b) < ipv6Header {
		return 0, false
	}
	w.address6(b[8:])
	w.address6(b[24:])
	end = off + ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
	if b[4]|b[5] == 0 {
		end = w.wire
	}
	w.read = off + ipv6Header
	next := b[6]
	for range maxExtensions {
		switch next {
		case extHopByHop, extDestination, extRouting, extFragment, uint8(flow.AH):
		default:
			return end, w.transport(next, p)
		}
		h := w.buf[w.read:]
		if len(h) < 8 || len(h) < extensionSize(next, h[1]) {
			return end, false
		}
		size := extensionSize(next, h[1])
		w.extension(next, h[:size])
		w.read += size
		if next == extFragment && binary.BigEndian.Uint16(h[2:])>>3 != 0 {
			return end, false
		}
		next = h[0]
	}
	return end, false
}

// extension replaces the addresses of routing headers, and blanks options: a home address may be among them. Zeros are padding there.
func (w *rewriter) extension(kind uint8, h []byte) {
	switch kind {
	case extHopByHop, extDestination:
		clear(h[2:])
	case extRouting:
		at := 8
		for ; at+16 <= len(h); at += 16 {
			w.address6(h[at:])
		}
		clear(h[at:])
		if h[2] == 3 { // compressed addresses (RFC 6554): what was replaced is none
			clear(h[4:])
		}
	}
}

// transport rewrites the header at w.read as far as it is there. It is false where w.read stays in front of a header that is not known.
func (w *rewriter) transport(proto uint8, p *flow.Packet) bool {
	p.Proto = flow.Proto(proto)
	at := w.read
	h := w.buf[at:]
	size, checksum := 0, 0
	switch p.Proto {
	case flow.TCP:
		size, checksum = 20, 16
		if len(h) >= size {
			size = max(size, int(h[12]>>4)*4)
			blankTCPOptions(h[20:max(20, min(size, len(h)))])
		}
	case flow.UDP, flow.UDPLite:
		size, checksum = 8, 6
	case flow.SCTP:
		size, checksum = 12, 8
		clear(h[min(10, len(h)):min(12, len(h))])
	case flow.ICMP, flow.ICMPv6:
		w.icmp(p.Proto, h)
		return true
	}
	clear(h[min(checksum, len(h)):min(checksum+2, size, len(h))])
	w.read = min(at+size, len(w.buf))
	if p.Proto.HasPorts() && len(h) >= 4 {
		p.PortA, p.PortB = binary.BigEndian.Uint16(h), binary.BigEndian.Uint16(h[2:])
	}
	return true
}

// blankTCPOptions keeps those of which the contents are known to be numbers: maximum segment size, window scale, selective acknowledgement, and timestamps
// (RFC 9293, 7323, 2018). Addresses are in those of MPTCP (RFC 8684) and of accelerators.
func blankTCPOptions(b []byte) {
	const end, noOperation = 0, 1
	for i := 0; i < len(b); {
		if b[i] == end || b[i] == noOperation {
			i++
			continue
		}
		size := len(b) - i
		if i+1 < len(b) && b[i+1] >= 2 {
			size = min(size, int(b[i+1]))
		}
		switch b[i] {
		case 2, 3, 4, 5, 8:
			if wanted := [...]int{2: 4, 3: 3, 4: 2, 5: size, 8: 10}[b[i]]; size == wanted && size <= 34 {
				i += size
				continue
			}
		}
		for n := range size {
			b[i+n] = noOperation
		}
		i += size
	}
}

// icmp rewrites the header, of a redirect (RFC 792) with its address, and the packet that an error quotes.
func (w *rewriter) icmp(proto flow.Proto, h []byte) {
	const redirect = 5
	size := 8
	if proto == flow.ICMPv6 {
		size = 4
	}
	clear(h[min(2, len(h)):min(4, len(h))])
	w.read = min(w.read+size, len(w.buf))
	if len(h) < 8 {
		return
	}
	isError := flow.ICMPErrorOf(proto, h[0], h[1]) != flow.NoICMPError
	switch {
	case proto == flow.ICMP && h[0] == redirect:
		w.address4(h[4:])
	case proto == flow.ICMPv6 && isError:
		w.read += 4
	}
	if isError {
		w.quote(w.buf[w.read:])
	}
}

// quote rewrites the IP header that b begins with, and the first octets behind it.
func (w *rewriter) quote(b []byte) {
	size, next, ok := quotedHeader(b)
	if !ok {
		return
	}
	if b[0]>>4 == 4 {
		w.header4(b[:size])
	} else {
		w.address6(b[8:])
		w.address6(b[24:])
	}
	w.read += size
	h := b[size:min(size+quotedTransport, len(b))]
	switch proto := flow.Proto(next); {
	case proto == flow.UDP || proto == flow.UDPLite:
		clear(h[min(6, len(h)):])
	case proto.IsICMP():
		clear(h[min(2, len(h)):min(4, len(h))])
	case !proto.HasPorts():
		return
	}
	w.read += len(h)
}

// blankCarriage blanks what a tunnel's header may say beyond the numbers that are read of it. h is long enough for it.
func blankCarriage(c *carriage, h []byte) {
	const hasChecksum = 0x80
	switch c.kind {
	case tunnelGRE, tunnelGREUDP, tunnelERSPAN:
		if h[0]&hasChecksum != 0 {
			clear(h[4:6])
		}
	case tunnelGENEVE: // options: of class, type and length 0
		clear(h[8:c.size])
	case tunnelGTPU:
		blankGTPU(h[:c.size])
	case tunnelTeredo:
		blankTeredo(h[:c.size])
	}
}

// blankGTPU blanks the contents of extension headers: each begins with its length and ends with the type of the next one.
func blankGTPU(h []byte) {
	for at := 12; at < len(h); {
		size := int(h[at]) * 4
		clear(h[at+1 : at+size-1])
		at += size
	}
}

// blankTeredo blanks identifier and value of the authentication, and the address and port of the origin.
func blankTeredo(h []byte) {
	at := 0
	if len(h) >= 13 && h[0] == 0 && h[1] == 1 {
		at = 4 + int(h[2]) + int(h[3]) + 9
		clear(h[4:at])
	}
	clear(h[at:])
}
