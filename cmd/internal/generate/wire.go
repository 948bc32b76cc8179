package main

import (
	"encoding/binary"
	"math/bits"
)

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
)

// Protocol numbers (IANA); arp stands for packets without IP.
const (
	icmp = 1
	tcp  = 6
	udp  = 17
	arp  = 0
)

const (
	etherLen  = 14
	minFrame  = 60 // Ethernet's shortest frame without its checksum; shorter ones are padded
	segment4  = 1460
	segment6  = 1440
	segmentV4 = "\x02\x04\x05\xb4" // maximum segment size option
	segmentV6 = "\x02\x04\x05\xa0"
	otherOpts = "\x01\x03\x03\x08\x01\x01\x04\x02" // window scale 8, selective acknowledgements
)

// sum adds up 16-bit words in the order of this machine's bytes, which RFC 1071 section 2(B) allows; put stores its result in that order too.
func sum(s uint64, b []byte) uint64 {
	var c uint64
	for ; len(b) >= 32; b = b[32:] {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[8:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[16:]), c)
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b[24:]), c)
	}
	for ; len(b) >= 8; b = b[8:] {
		s, c = bits.Add64(s, binary.LittleEndian.Uint64(b), c)
	}
	var tail [8]byte
	copy(tail[:], b)
	s, c = bits.Add64(s, binary.LittleEndian.Uint64(tail[:]), c)
	s, c = bits.Add64(s, 0, c)
	return s + c
}

func put(at []byte, s uint64) {
	s = s>>32 + s&0xffffffff
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	binary.LittleEndian.PutUint16(at, ^uint16(s))
}

// route is what the headers of a packet from one host to another need.
type route struct {
	from, to *host
	six      bool
	vlan     uint16 // 0: no tag
}

// network is the offset of the IP header, transport that of what follows it.
func (r *route) network() int {
	if r.vlan != 0 {
		return etherLen + 4
	}
	return etherLen
}

func (r *route) transport() int {
	if r.six {
		return r.network() + 40
	}
	return r.network() + 20
}

// wrap writes the headers before a transport segment of n bytes that stands at transport, its checksum field, zero until now, at sumAt (from the
// segment's start), and pads the frame. It returns the frame's length.
func (r *route) wrap(b []byte, proto uint8, n, sumAt int, id uint16) int {
	copy(b, r.to.mac[:])
	copy(b[6:], r.from.mac[:])
	kind := b[12:]
	if r.vlan != 0 {
		binary.BigEndian.PutUint16(b[12:], 0x8100)
		binary.BigEndian.PutUint16(b[14:], r.vlan)
		kind = b[16:]
	}
	h, segment := b[r.network():], b[r.transport():r.transport()+n]
	pseudo := uint64(proto)<<8 + uint64(bits.ReverseBytes16(uint16(n)))
	if r.six {
		binary.BigEndian.PutUint16(kind, 0x86dd)
		binary.BigEndian.PutUint32(h, 0x60000000)
		binary.BigEndian.PutUint16(h[4:], uint16(n))
		if proto == icmp {
			proto = 58
			pseudo = 58<<8 + uint64(bits.ReverseBytes16(uint16(n)))
		}
		h[6], h[7] = proto, r.from.hops
		copy(h[8:], r.from.six[:])
		copy(h[24:], r.to.six[:])
		pseudo = sum(pseudo, h[8:40])
	} else {
		binary.BigEndian.PutUint16(kind, 0x0800)
		h[0], h[1] = 0x45, 0
		binary.BigEndian.PutUint16(h[2:], uint16(20+n))
		binary.BigEndian.PutUint16(h[4:], id)
		binary.BigEndian.PutUint16(h[6:], 0x4000) // do not fragment
		h[8], h[9], h[10], h[11] = r.from.hops, proto, 0, 0
		copy(h[12:], r.from.four[:])
		copy(h[16:], r.to.four[:])
		put(h[10:], sum(0, h[:20]))
		if proto == icmp {
			pseudo = 0
		} else {
			pseudo = sum(pseudo, h[12:20])
		}
	}
	put(segment[sumAt:], sum(pseudo, segment))
	if proto == udp && segment[sumAt] == 0 && segment[sumAt+1] == 0 {
		segment[sumAt], segment[sumAt+1] = 0xff, 0xff // RFC 768: zero would mean no checksum
	}
	return pad(b, r.transport()+n)
}

func pad(b []byte, n int) int {
	if n < minFrame {
		clear(b[n:minFrame])
		return minFrame
	}
	return n
}

// arpPacket asks for an address, or answers.
func (r *route) arpPacket(b []byte, answer bool) int {
	at := r.network()
	copy(b, r.to.mac[:])
	copy(b[6:], r.from.mac[:])
	if r.vlan != 0 {
		binary.BigEndian.PutUint16(b[12:], 0x8100)
		binary.BigEndian.PutUint16(b[14:], r.vlan)
	}
	binary.BigEndian.PutUint16(b[at-2:], 0x0806)
	p := b[at:]
	copy(p, "\x00\x01\x08\x00\x06\x04\x00\x01")
	copy(p[8:], r.from.mac[:])
	copy(p[14:], r.from.four[:])
	clear(p[18:24])
	if answer {
		p[7] = 2
		copy(p[18:], r.to.mac[:])
	} else {
		copy(b, "\xff\xff\xff\xff\xff\xff")
	}
	copy(p[24:], r.to.four[:])
	return pad(b, at+28)
}
