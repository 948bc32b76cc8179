package capture

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"

	"pcapaudit/capture/flow"
)

// maxChecked bounds the octets whose checksum is computed. More than an Ethernet frame holds was most likely put together by the network card,
// or is yet to be cut by it, and then the checksum is not that of what was on the wire.
const maxChecked = 1500

// Checksums counts the packets whose checksum was looked at: those that would be evidence.
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

// trusted says whether a sender's checksums are known to mean something.
func (t *trust) trusted() bool { return t.right > t.wrong }

// learn counts a packet of a sender, and takes it into account for the next ones.
func (d *decoder) learn(sender uint64, c comparison) {
	t, count := d.trusts.of(sender), &d.ledger.Checksums
	switch c {
	case checksumRight:
		count.Right++
		t.right += min(1, math.MaxUint32-t.right)
	case checksumUnset:
		count.Unset++
	case checksumOffload:
		count.Offload++
	case checksumWrong:
		if t.trusted() {
			count.Broken++
		} else {
			count.Doubted++
		}
		t.wrong += min(1, math.MaxUint32-t.wrong)
	}
}

// headers is where those of a packet are in its record. In the zero value its checksums cannot be judged: not all of it is there, it is a fragment,
// or it does not state its length.
type headers struct {
	network uint32 // where that of IP begins
	size    uint16 // from there to the transport header
	verdict verdict
}

// of is h, unless the record's checksums are yet to be computed.
func (h headers) of(rec *record) headers {
	if rec.unsummed {
		return headers{}
	}
	return h
}

type verdict uint8

const (
	unjudged verdict = iota
	sound
	broken
)

// sound says whether the receiver of packet i, of the record with this data, takes it. It does not where a checksum is wrong and neither offload on
// the capturing host nor the sender's other packets explain that. Only of packets that are evidence it remembers what they tell about their sender:
// see flow.Options.Check.
func (d *decoder) sound(out *decoded, i int, data []byte, evidence bool) bool {
	h := &out.headers[i]
	if h.verdict != unjudged || h.size == 0 {
		return h.verdict != broken
	}
	sender, c := compareAll(&out.Packets[i], &out.Addr6[i], data[h.network:], int(h.size))
	taken := c != checksumWrong || !d.trusts.of(sender).trusted()
	if evidence {
		d.learn(sender, c)
		if h.verdict = sound; !taken {
			h.verdict = broken
		}
	}
	return taken
}

// compareAll is for the packet that data begins with and whose transport header is at at. sender stands for its source address.
func compareAll(p *flow.Packet, exact *[2][16]byte, data []byte, at int) (sender uint64, c comparison) {
	sender, addresses := uint64(p.A), uint64(p.A)+uint64(p.B)
	if p.Bits&flow.FromB != 0 {
		sender = uint64(p.B)
	}
	if p.Bits&flow.IPv6 != 0 {
		src := &exact[p.Bits&flow.FromB]
		sender = binary.BigEndian.Uint64(src[:]) ^ binary.BigEndian.Uint64(src[8:])
		addresses = sum128(&exact[0]) + sum128(&exact[1])
	} else if h := data[:int(data[0]&15)*4]; h[10]|h[11] != 0 && fold16(sumHeader(h)) != 0xffff {
		return sender, checksumWrong
	}
	return sender, compare(p.Proto, data[at:p.IPLen], addresses)
}

// comparison is of the checksum that a packet states with the true one.
type comparison uint8

const (
	notCompared comparison = iota
	checksumRight
	checksumUnset
	checksumOffload
	checksumWrong
)

// compare is for b, from the transport header, which is whole, to the end of the packet; addresses is the sum of both. That of UDP
// leaves out what is behind the length that the header states.
func compare(proto flow.Proto, b []byte, addresses uint64) comparison {
	field, pseudo := 2, addresses+uint64(proto)
	switch proto {
	case flow.TCP:
		field = 16
	case flow.UDP:
		field = 6
		length := int(binary.BigEndian.Uint16(b[4:]))
		if length < 8 || length > len(b) {
			return notCompared
		}
		b = b[:length]
	case flow.SCTP:
		return compareCRC(b)
	case flow.ICMP, flow.ICMPv6:
	default:
		return notCompared
	}
	if len(b) > maxChecked {
		return notCompared
	}
	covered := pseudo + uint64(len(b))
	if proto == flow.ICMP {
		covered = 0
	}
	sent := binary.BigEndian.Uint16(b[field:])
	switch {
	case sent == 0:
		return checksumUnset
	case fold16(sum16(b)+covered) == 0xffff:
		return checksumRight
	case proto != flow.ICMP && (sent == fold16(covered) || sent == fold16(pseudo)): // without a length drivers leave it of a packet that the card is to cut
		return checksumOffload
	}
	return checksumWrong
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	noCRC      [4]byte
)

// compareCRC is for SCTP (RFC 9260, appendix A). Who leaves it to the network card puts 0 there.
func compareCRC(b []byte) comparison {
	if len(b) > maxChecked {
		return notCompared
	}
	sent := binary.LittleEndian.Uint32(b[8:])
	crc := crc32.Update(0, castagnoli, b[:8])
	crc = crc32.Update(crc, castagnoli, noCRC[:])
	switch {
	case sent == 0:
		return checksumUnset
	case crc32.Update(crc, castagnoli, b[12:]) == sent:
		return checksumRight
	}
	return checksumWrong
}

// sum128 is sum16 of an address.
func sum128(b *[16]byte) uint64 {
	high, low := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return high>>32 + high&0xffffffff + low>>32 + low&0xffffffff
}

// sumHeader is sum16 of a header of IPv4, which hardly ever has options.
func sumHeader(h []byte) uint64 {
	if len(h) == ipv4Header {
		return sum128((*[16]byte)(h)) + uint64(binary.BigEndian.Uint32(h[16:]))
	}
	return sum16(h)
}

// sum16 is the sum of 16-bit words in network order, not folded; an odd octet stands for a word with 0 behind it (RFC 1071).
func sum16(b []byte) (sum uint64) {
	if len(b) >= 64 {
		// In the order of little-endian machines, which the last fold turns round, and in two sums with their carries, which count as 1: of 1460 bytes two fifths
		// of the time of one sum in network order.
		var s, t, n, c uint64
		for ; len(b) >= 64; b = b[64:] {
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), 0)
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
			s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
			n += c
			t, c = bits.Add64(t, binary.LittleEndian.Uint64(b[32:]), 0)
			t, c = bits.Add64(t, binary.LittleEndian.Uint64(b[40:]), c)
			t, c = bits.Add64(t, binary.LittleEndian.Uint64(b[48:]), c)
			t, c = bits.Add64(t, binary.LittleEndian.Uint64(b[56:]), c)
			n += c
		}
		sum = uint64(bits.ReverseBytes16(fold16(s>>32 + s&0xffffffff + t>>32 + t&0xffffffff + n)))
	}
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
