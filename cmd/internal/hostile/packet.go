package main

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
)

// Protocol numbers (IANA).
const (
	protoICMP   = 1
	protoIPIP   = 4
	protoTCP    = 6
	protoUDP    = 17
	protoDCCP   = 33
	protoIPv6   = 41
	protoGRE    = 47
	protoESP    = 50
	protoAH     = 51
	protoICMPv6 = 58
	protoSCTP   = 132
	protoLite   = 136

	headerHop      = 0
	headerRouting  = 43
	headerFragment = 44
	headerNone     = 59
	headerOptions  = 60
)

const (
	etherIPv4 = 0x0800
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherMPLS = 0x8847
)

// Ends of hostile packets, and of the good conversation (documentation addresses, RFC 5737 and 3849).
var (
	hostA, hostB   = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.2")
	hostA6, hostB6 = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")

	witnessA, witnessB = netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.53")
	witnessPort        = uint16(40007)
	witnessAsks        = frame(ip(witnessA, witnessB, protoUDP, udp(witnessPort, 53, []byte("question"))))
	witnessAnswers     = frame(ip(witnessB, witnessA, protoUDP, udp(53, witnessPort, []byte("answer"))))
)

// raw reads hexadecimal digits; spaces are for the reader.
func raw(digits string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
	if err != nil {
		panic(err) // a misprint in this program
	}
	return b
}

func be16(b []byte, list ...uint16) []byte {
	for _, v := range list {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func be32(b []byte, list ...uint32) []byte {
	for _, v := range list {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	return b
}

// with is a copy with the bytes at off overwritten.
func with(b []byte, off int, digits string) []byte {
	out := append([]byte(nil), b...)
	copy(out[off:], raw(digits))
	return out
}

func ether(kind uint16, payload []byte) []byte {
	return append(be16(raw("02 00 00 00 00 02 02 00 00 00 00 01"), kind), payload...)
}

// frame is Ethernet around an IP packet of either version.
func frame(packet []byte) []byte {
	if len(packet) > 0 && packet[0]>>4 == 6 {
		return ether(etherIPv6, packet)
	}
	return ether(etherIPv4, packet)
}

// ip is a header of the addresses' version with true lengths and checksum.
func ip(src, dst netip.Addr, proto uint8, payload []byte) []byte {
	if src.Is4() {
		return ip4(src, dst, proto, 0, 0, nil, payload)
	}
	h := be16(raw("60 00 00 00"), uint16(len(payload)))
	h = append(h, proto, 64)
	h = append(append(h, src.AsSlice()...), dst.AsSlice()...)
	return append(h, payload...)
}

// ip4 takes identification, flags with fragment offset, and options too.
func ip4(src, dst netip.Addr, proto uint8, id, flagsOffset uint16, options, payload []byte) []byte {
	options = padded(options)
	h := []byte{0x45 + byte(len(options)/4), 0}
	h = be16(h, uint16(20+len(options)+len(payload)), id, flagsOffset)
	h = append(h, 64, proto, 0, 0)
	h = append(append(append(h, src.AsSlice()...), dst.AsSlice()...), options...)
	binary.BigEndian.PutUint16(h[10:], ^fold(sum(0, h)))
	return append(h, payload...)
}

// sum adds up 16-bit words as the Internet checksum does (RFC 1071).
func sum(s uint32, b []byte) uint32 {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		s += uint32(b[0]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

func udp(src, dst uint16, payload []byte) []byte {
	return append(be16(nil, src, dst, uint16(8+len(payload)), 0), payload...)
}

// TCP flags.
const (
	fin = 1 << iota
	syn
	rst
	psh
	ack
	urg
)

func tcp(src, dst uint16, flags uint8, seq, acked uint32, payload []byte) []byte {
	h := be32(be16(nil, src, dst), seq, acked)
	h = append(h, 0x50, flags)
	return append(be16(h, 8192, 0, 0), payload...)
}

// summed fills in the checksum of a TCP (at 16), UDP (at 6) or ICMPv6 (at 2) segment between the ends.
func summed(src, dst netip.Addr, proto uint8, at int, segment []byte) []byte {
	s := sum(uint32(proto)+uint32(len(segment)), src.AsSlice())
	s = sum(sum(s, dst.AsSlice()), segment)
	binary.BigEndian.PutUint16(segment[at:], ^fold(s))
	return segment
}

// a and b are frames with a TCP segment from the one or the other hostile end, ports 40000 and 443, with a good checksum.
func a(flags uint8, seq, acked uint32, payload ...byte) []byte {
	return frame(ip(hostA, hostB, protoTCP, summed(hostA, hostB, protoTCP, 16, tcp(40000, 443, flags, seq, acked, payload))))
}

func b(flags uint8, seq, acked uint32, payload ...byte) []byte {
	return frame(ip(hostB, hostA, protoTCP, summed(hostB, hostA, protoTCP, 16, tcp(443, 40000, flags, seq, acked, payload))))
}

func icmp(kind, code uint8, rest []byte) []byte {
	m := append([]byte{kind, code, 0, 0}, rest...)
	binary.BigEndian.PutUint16(m[2:], ^fold(sum(0, m)))
	return m
}

// noise is n bytes without pattern, the same every time.
func noise(seed uint32, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		seed = seed*1664525 + 1013904223
		out[i] = byte(seed >> 24)
	}
	return out
}
