package main

import (
	"bytes"
	"fmt"
)

// linkHeaders are frames of every link type that are too short, all ones, or noise.
func linkHeaders(s *suite) {
	inner := ip(hostA, hostB, protoUDP, udp(40000, 53, []byte("inner")))
	for _, link := range []uint32{0, 1, 6, 7, 9, 10, 12, 14, 50, 51, 99, 101, 104, 105, 107, 108, 109, 113, 114, 117, 119, 122, 127, 138, 141, 163, 189, 192, 228, 229, 239, 249, 276} {
		var frames [][]byte
		for n := range 40 {
			frames = append(frames, inner[:min(n, len(inner))], bytes.Repeat([]byte{0xff}, n), make([]byte, n), noise(link, n*8))
		}
		s.capture(fmt.Sprintf("link-%d-short-and-noise", link), clean(0), link, frames...)
	}
	for _, link := range []uint32{0, 108} {
		var frames [][]byte
		for _, family := range []string{"00000000", "00000002", "02000000", "0000001e", "1e000000", "ffffffff", "00000006", "7fffffff"} {
			frames = append(frames, append(raw(family), inner...), raw(family))
		}
		s.capture(fmt.Sprintf("link-%d-families", link), clean(0).classed("non-ip"), link, frames...)
	}
	var ppp [][]byte
	for first := range 256 {
		ppp = append(ppp, append([]byte{byte(first)}, inner...), []byte{0xff, 3, byte(first)})
	}
	s.capture("link-ppp-every-first-octet", clean(0), 9, ppp...)
	var cooked [][]byte
	for device := range uint16(256) {
		h := be16(nil, device%5, device*4, 6)
		cooked = append(cooked, append(be16(append(h, raw("02 00 00 00 00 01 00 00")...), device*8), inner...))
	}
	s.capture("link-sll-devices-and-protocols", clean(0), 113, cooked...)
	s.packets("ether-runt-13-bytes", clean(0).exactly("malformed 1", "none"), witnessAsks[:13])
	s.packets("ether-empty", clean(0).exactly("malformed 1", "none"), nil)
	s.packets("ether-length-0-llc", clean(0).exactly("malformed 3", "none"), ether(0, nil), ether(0, raw("aa")), ether(3, raw("aa aa 03")))
	s.packets("ether-length-1501-to-1535", clean(0).exactly("non-ip 2", "none"), ether(1501, noise(1, 60)), ether(1535, noise(2, 60)))
	s.packets("ether-snap-cut", clean(0).exactly("malformed 1", "none"), ether(8, raw("aa aa 03 00 00 00 08")))
	s.packets("ether-snap-in-snap", clean(0).exactly("non-ip 1", "none"), ether(100, append(raw("aa aa 03 00 00 00 00 64 aa aa 03 00 00 00 08 00"), inner...)))
	s.packets("ether-snap-organisation", clean(0).exactly("non-ip 1", "none"), ether(100, append(raw("aa aa 03 00 00 0c 20 00"), inner...)))
	s.packets("ether-says-4-holds-6", clean(0).exactly("malformed 1", "none"), ether(etherIPv4, ip(hostA6, hostB6, protoUDP, udp(1, 2, nil))))
	s.packets("ether-says-6-holds-4", clean(0).exactly("malformed 1", "none"), ether(etherIPv6, append(inner, make([]byte, 40)...)))
	s.packets("ether-arp-lies", clean(0).exactly("non-ip 3", "none"), ether(etherARP, nil), ether(etherARP, raw("ff ff ff ff ff ff ff ff")), ether(etherARP, noise(3, 1000)))
	for _, kind := range []uint16{0x0600, 0x0842, 0x22f3, 0x6003, 0x8035, 0x8137, 0x876b, 0x8808, 0x8809, 0x88cc, 0x88e5, 0x88f7, 0x8906, 0x9000, 0xffff} {
		s.packets(fmt.Sprintf("ether-type-%#04x-noise", kind), clean(0).exactly("non-ip 2", "none"), ether(kind, nil), ether(kind, noise(uint32(kind), 200)))
	}
	var types [][]byte
	for i := range 1000 {
		types = append(types, ether(uint16(i*62+0x0600), nil))
	}
	s.packets("ether-1000-types", clean(0), types...)
	pppoe := func(h string, rest []byte) []byte { return ether(0x8864, append(raw(h), rest...)) }
	s.packets("pppoe-lies", clean(0), pppoe("11 00 00 01 ff ff 00 21", inner), pppoe("11 00 00 01 00 00 00 21", inner), pppoe("11 00 00 01 00", nil),
		pppoe("22 00 00 01 00 22 00 21", inner), pppoe("11 a7 00 01 00 22 00 21", inner), pppoe("11 00 00 01 00 01 21", inner), pppoe("11 00 00 01 00 02 00 57", inner), pppoe("11 00 00 01 00 00", nil))
}

// tagStacks are VLAN tags and MPLS labels, more than anybody needs.
func tagStacks(s *suite) {
	inner := ip(hostA, hostB, protoUDP, udp(40000, 53, []byte("inner")))
	for _, kind := range []uint16{etherVLAN, etherQinQ, 0x9100} {
		for _, depth := range []int{2, 8, 9, 16, 64, 300} {
			w := clean(0).exactly("decoded 1", "none")
			if depth > 8 {
				w.classes = "too-deep 1"
			}
			s.packets(fmt.Sprintf("vlan-%#04x-depth-%d", kind, depth), w, tagged(kind, depth, etherIPv4, inner))
		}
		s.packets(fmt.Sprintf("vlan-%#04x-cut", kind), clean(0).exactly("malformed 4", "none"), ether(kind, nil), ether(kind, raw("00 01 08")), ether(kind, raw("00 01 81 00")), ether(kind, raw("00 01 81 00 00 02")))
		s.packets(fmt.Sprintf("vlan-%#04x-reserved", kind), clean(0).exactly("decoded 2, non-ip 1", "none"), ether(kind, append(raw("ff ff 08 00"), inner...)), ether(kind, append(raw("00 00 08 00"), inner...)), ether(kind, append(raw("10 01 00 05"), inner...)))
	}
	var many [][]byte
	for i := range 1000 {
		many = append(many, tagged(etherVLAN, 1+i%3, etherIPv4, ip(hostA, hostB, protoUDP, udp(uint16(i), 53, nil))))
		copy(many[i][14:], be16(nil, uint16(i)))
	}
	s.packets("vlan-1000-tags", clean(0).exactly("decoded 1000", "none"), many...)
	for _, depth := range []int{1, 15, 16, 17, 64, 300} {
		w := clean(0).exactly("decoded 1", "none")
		if depth > 16 {
			w.classes = "too-deep 1"
		}
		s.packets(fmt.Sprintf("mpls-depth-%d", depth), w, ether(etherMPLS, labels(depth, true, inner)))
	}
	s.packets("mpls-no-bottom", clean(0).exactly("malformed 3", "none"), ether(etherMPLS, labels(10, false, nil)), ether(etherMPLS, nil), ether(etherMPLS, raw("00 01 01")))
	s.packets("mpls-bottom-and-nothing", clean(0).exactly("malformed 1", "none"), ether(etherMPLS, labels(1, true, nil)))
	s.packets("mpls-pseudowire", clean(0).exactly("non-ip 2", "none"), ether(etherMPLS, labels(2, true, append(raw("00 00 00 00"), frame(inner)...))), ether(etherMPLS, labels(2, true, frame(inner))))
	s.packets("mpls-explicit-null-and-router-alert", clean(0).exactly("decoded 2", "none"), ether(etherMPLS, append(raw("00 00 01 40"), inner...)), ether(etherMPLS, append(raw("00 00 10 40 00 00 31 40"), inner...)))
}

// tagged is a frame with a stack of tags, numbered from 1.
func tagged(kind uint16, depth int, inner uint16, payload []byte) []byte {
	var tags []byte
	for i := range depth {
		next := kind
		if i == depth-1 {
			next = inner
		}
		tags = be16(tags, uint16(i+1)&0xfff, next)
	}
	return ether(kind, append(tags, payload...))
}

func labels(depth int, bottom bool, payload []byte) []byte {
	var b []byte
	for i := range depth {
		label := uint32(i+16)<<12 | 64
		if bottom && i == depth-1 {
			label |= 1 << 8
		}
		b = be32(b, label)
	}
	return append(b, payload...)
}
