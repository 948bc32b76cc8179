package flow

import (
	"encoding/binary"
	"math/bits"
)

// Hasher puts the ends of packets in order and hashes them under a secret key: without it nobody can choose tuples that collide
// in the table. Packets are completed with the Hasher of the table that takes them.
type Hasher struct {
	k0, k1, k2 uint64
	contexts   *contexts // nil: the context of a packet is not part of its key
}

func newHasher(seed [2]uint64) Hasher {
	const p0, p1, p2 = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb
	k0, k1 := fold(seed[0]^p0, p1), fold(seed[1]^p1, p2)
	return Hasher{k0: k0 ^ p2, k1: k1 ^ p0, k2: fold(k0^p1, k1^p2)}
}

// fold multiplies to 128 bits and xors the halves.
func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// hash of the key: equal for both directions. The index takes the high half; the low half is free to choose a shard by.
// The 8 lowest bits of the second word are the protocol, the 16 above them the part of the context that belongs to the key.
func (h *Hasher) hash(a, b uint32, pa, pb uint16, proto Proto, part uint64) uint64 {
	addrs := uint64(a)<<32 | uint64(b)
	return fold(fold(addrs^h.k0, uint64(pa)<<48|uint64(pb)<<32|part<<8|uint64(proto)^h.k1)^h.k2, h.k0|1)
}

// part is what of a context belongs to the key.
func (h *Hasher) part(context uint16) uint64 {
	if h.contexts == nil {
		return 0
	}
	return uint64(h.contexts.keyOf(context))
}

// mix6 shortens an IPv6 address, given as two halves, to the 32 bits in Packet.A and Packet.B.
func (h *Hasher) mix6(high, low uint64) uint32 { return uint32(fold(high^h.k1, low^h.k2) >> 16) }

// SetEnds4 completes an IPv4 packet: it fills the ends, FromB and Hash. Until then PortA is the port of the source, PortB that of
// the destination, FromB is not set. The lower (address, port) becomes A; src and dst are big-endian numbers.
func (h *Hasher) SetEnds4(p *Packet, src, dst uint32) {
	from, to := uint64(src)<<16|uint64(p.PortA), uint64(dst)<<16|uint64(p.PortB)
	_, above := bits.Sub64(to, from, 0) // no branch: who sends is a toss-up
	p.Bits |= Bits(above) * FromB
	change := (from ^ to) & -above
	from, to = from^change, to^change
	p.A, p.B = uint32(from>>16), uint32(to>>16)
	p.PortA, p.PortB = uint16(from), uint16(to)
	p.Hash = h.hash(p.A, p.B, p.PortA, p.PortB, p.Proto, h.part(p.Context))
}

// SetEnds6 is SetEnds4 for IPv6; it also sets the bit IPv6 and copies the addresses, in order, to exact (Batch.Addr6).
// The order is that of the addresses themselves: it does not depend on the key.
func (h *Hasher) SetEnds6(p *Packet, exact *[2][16]byte, src, dst *[16]byte) {
	srcHigh, srcLow := binary.BigEndian.Uint64(src[:8]), binary.BigEndian.Uint64(src[8:])
	dstHigh, dstLow := binary.BigEndian.Uint64(dst[:8]), binary.BigEndian.Uint64(dst[8:])
	p.Bits |= IPv6
	p.A, p.B = h.mix6(srcHigh, srcLow), h.mix6(dstHigh, dstLow)
	above := srcHigh > dstHigh
	if srcHigh == dstHigh {
		above = srcLow > dstLow || srcLow == dstLow && p.PortA > p.PortB
	}
	if above {
		src, dst = dst, src
		p.A, p.B = p.B, p.A
		p.PortA, p.PortB = p.PortB, p.PortA
		p.Bits |= FromB
	}
	exact[0], exact[1] = *src, *dst
	p.Hash = h.hash(p.A, p.B, p.PortA, p.PortB, p.Proto, h.part(p.Context))
}
