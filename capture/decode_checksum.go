package capture

import (
	"encoding/binary"
	"math"

	"pcapaudit/capture/flow"
)

// maxChecked bounds the octets of ICMP whose checksum is computed; for TCP only SYN and RST, which prove a handshake or its refusal, are
// looked at. UDP is not: that made decoding of it a fifth slower or more.
const maxChecked = 1500

// Checksums counts the packets whose checksum was looked at.
type Checksums struct {
	Right   uint64
	Unset   uint64 // the field is 0: not used, or left to the network card
	Offload uint64 // it holds what the network card was to complete
	Doubted uint64 // wrong, from a sender of which no more were right: cards differ, and who makes addresses anonymous often keeps checksums as they were
	Broken  uint64 // wrong, from a sender of which more were right until then
}

// trust is what the checksums of one sender's packets were so far.
type trust struct{ right, wrong uint32 }

// trusts are found by address; a few senders may share one.
type trusts [1 << trustBits]trust

const trustBits = 12

// of spreads addresses by a fixed number: what is marked must not depend on a key.
func (t *trusts) of(address uint64) *trust { return &t[address*0x9e3779b97f4a7c15>>(64-trustBits)] }

func (d *decoder) right(sender uint64) {
	d.ledger.Checksums.Right++
	if t := d.trusts.of(sender); t.right < math.MaxUint32 {
		t.right++
	}
}

func (d *decoder) wrong(sender uint64, p *flow.Packet) {
	t := d.trusts.of(sender)
	if t.right <= t.wrong {
		d.ledger.Checksums.Doubted++
	} else {
		d.ledger.Checksums.Broken++
		p.Bits |= flow.Broken
	}
	if t.wrong < math.MaxUint32 {
		t.wrong++
	}
}

// proves says whether a packet is evidence of more than that its sender is there: then its checksum is worth the time.
func proves(p *flow.Packet) bool {
	return p.Flags&(flow.SYN|flow.RST) != 0 || p.Proto.IsICMP()
}

// checksum4 marks an IPv4 packet from off to end as Broken that its receiver drops: a checksum is wrong, and neither offload on the capturing
// host nor the sender's other packets explain it. The packet states its length; its payload is at at. Packets that are not wholly there are
// not judged.
func (d *decoder) checksum4(data []byte, off, end, at int, p *flow.Packet) {
	if end > len(data) {
		return
	}
	h := data[off:at]
	src, dst := uint64(binary.BigEndian.Uint32(h[12:])), uint64(binary.BigEndian.Uint32(h[16:]))
	if h[10]|h[11] != 0 && fold16(sum16(h)) != 0xffff {
		d.wrong(src, p)
		return
	}
	d.transportChecksum(data[d.transportAt:end], src, src+dst, p)
}

// checksum6 is checksum4 for IPv6, which has no checksum of its own.
func (d *decoder) checksum6(data []byte, end int, src, dst *[16]byte, p *flow.Packet) {
	if end > len(data) {
		return
	}
	sender := binary.BigEndian.Uint64(src[:]) ^ binary.BigEndian.Uint64(src[8:])
	d.transportChecksum(data[d.transportAt:end], sender, sum16(src[:])+sum16(dst[:]), p)
}

// transportChecksum judges what b, from the transport header to the end of the packet, states; addresses is the sum of both.
func (d *decoder) transportChecksum(b []byte, sender, addresses uint64, p *flow.Packet) {
	payload, sent := checked(b, p.Proto)
	switch {
	case payload == nil:
	case sent == 0:
		d.ledger.Checksums.Unset++
	default:
		d.checksum(payload, sent, sender, addresses, p)
	}
}

// checked gives what a checksum covers, and the checksum; nil where that is not judged. The transport header in b is whole.
func checked(b []byte, proto flow.Proto) (payload []byte, sent uint16) {
	field := 2
	if proto == flow.TCP {
		field = 16
	}
	if len(b) > maxChecked {
		return nil, 0
	}
	return b, binary.BigEndian.Uint16(b[field:])
}

// checksum judges a payload; addresses is the sum of both.
func (d *decoder) checksum(payload []byte, sent uint16, sender, addresses uint64, p *flow.Packet) {
	pseudo, segments := uint64(0), uint16(0)
	if p.Proto != flow.ICMP {
		pseudo = addresses + uint64(p.Proto)
		segments = fold16(pseudo) // without a length, as drivers leave it of a packet that the card is to cut
		pseudo += uint64(len(payload))
	}
	switch {
	case fold16(sum16(payload)+pseudo) == 0xffff:
		d.right(sender)
	case p.Proto != flow.ICMP && (sent == fold16(pseudo) || sent == segments):
		d.ledger.Checksums.Offload++
	default:
		d.wrong(sender, p)
	}
}

// sum16 is the sum of 16-bit words in network order, not folded; an odd octet stands for a word with 0 behind it (RFC 1071).
func sum16(b []byte) (sum uint64) {
	for ; len(b) >= 8; b = b[8:] {
		v := binary.BigEndian.Uint64(b)
		sum += v>>32 + v&0xffffffff
	}
	if len(b) >= 4 {
		sum += uint64(binary.BigEndian.Uint32(b))
		b = b[4:]
	}
	if len(b) >= 2 {
		sum += uint64(binary.BigEndian.Uint16(b))
		b = b[2:]
	}
	if len(b) == 1 {
		sum += uint64(b[0]) << 8
	}
	return sum
}

// fold16 folds the carries in.
func fold16(sum uint64) uint16 {
	sum = sum>>32 + sum&0xffffffff
	sum = sum>>16 + sum&0xffff
	sum = sum>>16 + sum&0xffff
	return uint16(sum>>16 + sum&0xffff)
}
