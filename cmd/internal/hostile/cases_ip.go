package main

import (
	"bytes"
	"fmt"
	"net/netip"
)

// ipv4Headers are IPv4 headers whose fields lie.
func ipv4Headers(s *suite) {
	good := ip(hostA, hostB, protoUDP, udp(40000, 53, []byte("payload")))
	for n := range 5 {
		s.packets(fmt.Sprintf("ipv4-header-length-%d", n), clean(0).classed("malformed"), ether(etherIPv4, with(good, 0, fmt.Sprintf("4%d", n))))
	}
	s.packets("ipv4-header-length-15-of-20-bytes", clean(0).classed("malformed"), ether(etherIPv4, with(good[:20], 0, "4f")), ether(etherIPv4, with(good, 0, "4f")))
	for _, total := range []uint16{1, 19, 20, 27, uint16(len(good) - 1)} {
		w := clean(0)
		if total < 28 {
			w = w.classed("malformed")
		}
		s.packets(fmt.Sprintf("ipv4-total-length-%d", total), w, ether(etherIPv4, with(good, 2, fmt.Sprintf("%04x", total))))
	}
	for _, total := range []uint16{0, uint16(len(good) + 1), 0x7fff, 0xffff} {
		s.packets(fmt.Sprintf("ipv4-total-length-%d", total), clean(0).classed("decoded"), ether(etherIPv4, with(good, 2, fmt.Sprintf("%04x", total))))
	}
	var versions, protocols, cuts [][]byte
	for v := range 16 {
		versions = append(versions, ether(etherIPv4, with(good, 0, fmt.Sprintf("%x5", v))), ether(etherIPv6, with(good, 0, fmt.Sprintf("%x0", v))))
	}
	for p := range 256 {
		protocols = append(protocols, ether(etherIPv4, ip(hostA, hostB, uint8(p), nil)), ether(etherIPv4, ip(hostA, hostB, uint8(p), bytes.Repeat([]byte{0xff}, 64))),
			frame(ip(hostA, hostB, uint8(p), noise(uint32(p), 48))), frame(ip(hostA6, hostB6, uint8(p), noise(uint32(p), 48))), frame(ip(hostA6, hostB6, uint8(p), nil)))
	}
	for n := range len(witnessAsks) {
		cuts = append(cuts, a(syn, 1, 0)[:n])
	}
	s.packets("ip-every-version", clean(0).classed("malformed"), versions...)
	s.packets("ip-every-protocol", clean(0).classed("malformed"), protocols...)
	s.packets("ipv4-short-at-every-byte", clean(0).classed("malformed"), cuts...)
	s.packets("ipv4-reserved-flag", clean(0).classed("decoded"), frame(ip4(hostA, hostB, protoUDP, 1, 0x8000, nil, udp(1, 53, nil))), frame(ip4(hostA, hostB, protoUDP, 1, 0xc000, nil, udp(1, 53, nil))))
	s.packets("ipv4-ttl-0", clean(0).classed("decoded"), frame(with(good, 8, "00")))
	s.packets("ipv4-bad-checksum", clean(0), frame(with(good, 10, "ff ff")), frame(with(good, 10, "00 00")))
	for name, option := range map[string]string{
		"length-0": "07 00 04 00", "length-1": "07 01 04 00", "past-end": "07 ff 04 00", "only-ends": "00 ff ff ff", "noops": "01 01 01 01", "half": "01 01 01 44",
		"route-pointer-0": "83 07 00 c0 00 02 09 00", "route-pointer-255": "83 07 ff c0 00 02 09 00", "route": "83 07 04 c0 00 02 09 00", "stamp-overflow": "44 08 ff ff 00 00 00 00", "all-ones": "ff ff ff ff",
	} {
		s.packets("ipv4-option-"+name, clean(0).classed("decoded"), frame(ip4(hostA, hostB, protoUDP, 1, 0, raw(option), udp(40000, 53, nil))))
	}
	s.packets("ipv4-option-40-bytes-of-noise", clean(0).classed("decoded"), frame(ip4(hostA, hostB, protoUDP, 1, 0, noise(5, 40), udp(40000, 53, nil))))
	s.packets("ipv4-trailer-of-frame", clean(0).classed("decoded"), append(frame(good), noise(6, 100)...))
	for _, n := range []int{1, 2, 15, 16, 17, 100} {
		w := clean(0)
		if n > 16 {
			w = w.classed("too-deep")
		}
		s.packets(fmt.Sprintf("ipv4-authentication-headers-%d", n), w, frame(ip(hostA, hostB, protoAH, chain(protoAH, n, protoUDP, udp(40000, 53, nil)))))
	}
}

// ipv6Headers are IPv6 headers whose fields lie.
func ipv6Headers(s *suite) {
	good := ip(hostA6, hostB6, protoUDP, udp(40000, 53, []byte("payload")))
	for _, n := range []uint16{0, 1, 7, 8, 16, 0x7fff, 0xffff} {
		w := clean(0)
		if n > 0 && n < 8 {
			w = w.classed("malformed")
		}
		s.packets(fmt.Sprintf("ipv6-payload-length-%d", n), w, frame(with(good, 4, fmt.Sprintf("%04x", n))))
	}
	var cuts [][]byte
	for n := range len(good) {
		cuts = append(cuts, frame(good)[:14+n])
	}
	s.packets("ipv6-short-at-every-byte", clean(0).classed("malformed"), cuts...)
	s.packets("ipv6-hop-limit-0", clean(0).classed("decoded"), frame(with(good, 7, "00")))
	s.packets("ipv6-no-next-header", clean(0), frame(ip(hostA6, hostB6, headerNone, nil)), frame(ip(hostA6, hostB6, headerNone, noise(1, 80))))
	s.packets("ipv6-next-header-255", clean(0), frame(ip(hostA6, hostB6, 255, noise(2, 80))))
	s.packets("ipv6-carries-icmp4", clean(0), frame(ip(hostA6, hostB6, protoICMP, icmp(8, 0, make([]byte, 8)))))
	s.packets("ipv4-carries-icmp6", clean(0), frame(ip(hostA, hostB, protoICMPv6, icmp(128, 0, make([]byte, 8)))))
	jumbo := func(length string, rest []byte) []byte {
		return frame(with(ip(hostA6, hostB6, headerHop, append(raw("11 00 c2 04 "+length), rest...)), 4, "00 00"))
	}
	for _, length := range []string{"00000000", "00000001", "00010000", "7fffffff", "ffffffff"} {
		s.packets("ipv6-jumbogram-"+length, clean(0), jumbo(length, udp(40000, 53, noise(3, 100))))
	}
	for name, option := range map[string]string{"length-past-end": "1100 05ff 0000 0000", "pad-all": "1100 0104 0000 0000", "zeros": "1100 0000 0000 0000", "unknown-discard": "1100 ff04 0000 0000", "alert-length-0": "1100 0500 0502 0000"} {
		s.packets("ipv6-hop-option-"+name, clean(0), frame(ip(hostA6, hostB6, headerHop, append(raw(option), udp(40000, 53, nil)...))))
	}
	for kind := range 6 {
		for _, left := range []int{0, 1, 2, 127, 255} {
			h := append([]byte{protoUDP, 2, byte(kind), byte(left), 0, 0, 0, 0}, hostA6.AsSlice()...)
			s.packets(fmt.Sprintf("ipv6-routing-type-%d-left-%d", kind, left), clean(0), frame(ip(hostA6, hostB6, headerRouting, append(h, udp(40000, 53, nil)...))))
		}
	}
	s.packets("ipv6-routing-without-address", clean(0), frame(ip(hostA6, hostB6, headerRouting, append(raw("11 00 00 01 00 00 00 00"), udp(40000, 53, nil)...))))
}

// chain is n extension headers of one kind and what they lead to.
func chain(kind uint8, n int, last uint8, payload []byte) []byte {
	var b []byte
	for i := range n {
		next := kind
		if i == n-1 {
			next = last
		}
		switch kind {
		case protoAH:
			b = append(b, append([]byte{next, 1}, make([]byte, 10)...)...)
		case headerFragment:
			b = append(b, next, 0, 0, 0, 0, 0, 0, byte(i))
		default:
			b = append(b, next, 0, 1, 4, 0, 0, 0, 0)
		}
	}
	return append(b, payload...)
}

// ipv6Chains are chains of extension headers: too long, in circles, past the end.
func ipv6Chains(s *suite) {
	for _, k := range []struct {
		name string
		kind uint8
	}{{"hop-by-hop", headerHop}, {"routing", headerRouting}, {"destination", headerOptions}, {"fragment", headerFragment}, {"authentication", protoAH}} {
		for _, n := range []int{1, 15, 16, 17, 100} {
			w := clean(0)
			if n > 16 {
				w = w.classed("too-deep")
			}
			s.packets(fmt.Sprintf("ipv6-%s-headers-%d", k.name, n), w, frame(ip(hostA6, hostB6, k.kind, chain(k.kind, n, protoUDP, udp(40000, 53, nil)))))
		}
		loop := chain(k.kind, 15, k.kind, nil)
		s.packets("ipv6-"+k.name+"-header-never-ends", clean(0).classed("malformed"), frame(ip(hostA6, hostB6, k.kind, loop)))
		if k.kind != headerFragment { // its length is fixed
			for _, n := range []byte{1, 2, 254, 255} {
				lie := append([]byte{protoUDP, n, 0, 0, 0, 0, 0, 0}, udp(40000, 53, nil)[:4]...)
				s.packets(fmt.Sprintf("ipv6-%s-header-length-%d", k.name, n), clean(0).classed("malformed"), frame(ip(hostA6, hostB6, k.kind, lie)))
			}
		}
		var cuts [][]byte
		for n := range 12 {
			cuts = append(cuts, frame(ip(hostA6, hostB6, k.kind, loop[:n])))
		}
		s.packets("ipv6-"+k.name+"-header-cut", clean(0).classed("malformed"), cuts...)
	}
	s.packets("ipv6-authentication-header-length-0", clean(0), frame(ip(hostA6, hostB6, protoAH, append(raw("11 00 00 00 00 00 00 00"), udp(40000, 53, nil)...))))
}

// addresses are ends that cannot be ends.
func addresses(s *suite) {
	for _, v := range [][2]string{
		{"0.0.0.0", "198.51.100.2"}, {"192.0.2.1", "0.0.0.0"}, {"0.0.0.0", "0.0.0.0"}, {"255.255.255.255", "198.51.100.2"}, {"255.255.255.255", "255.255.255.255"}, {"224.0.0.1", "198.51.100.2"},
		{"239.255.255.255", "239.255.255.255"}, {"127.0.0.1", "198.51.100.2"}, {"240.0.0.1", "198.51.100.2"}, {"192.0.2.1", "192.0.2.1"}, {"169.254.0.1", "255.255.255.255"},
		{"::", "2001:db8::2"}, {"2001:db8::1", "::"}, {"::", "::"}, {"::1", "2001:db8::2"}, {"ff02::1", "2001:db8::2"}, {"ff02::1", "ff02::1"}, {"::ffff:192.0.2.1", "::ffff:198.51.100.2"},
		{"::192.0.2.1", "2001:db8::2"}, {"2002:c000:201::1", "2002:c633:6402::1"}, {"fe80::1", "ff02::fb"}, {"2001:db8::1", "2001:db8::1"}, {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::1"},
	} {
		x, y := netip.MustParseAddr(v[0]), netip.MustParseAddr(v[1])
		s.packets("address-"+fileName(v[0])+"-to-"+fileName(v[1]), clean(0).classed("decoded"),
			frame(ip(x, y, protoTCP, tcp(0, 0, syn, 1, 0, nil))), frame(ip(y, x, protoTCP, tcp(0, 0, syn|ack, 9, 2, nil))), frame(ip(x, y, protoTCP, tcp(7, 7, syn, 1, 0, nil))),
			frame(ip(x, y, protoUDP, udp(0, 0, nil))), frame(ip(y, x, protoUDP, udp(0, 0, nil))), frame(ip(x, y, protoUDP, udp(0, 53, nil))), frame(ip(x, y, protoUDP, udp(53, 0, nil))),
			frame(ip(x, y, protoICMP, icmp(8, 0, make([]byte, 4)))), frame(ip(x, y, protoICMPv6, icmp(135, 0, make([]byte, 20)))))
	}
}

func fileName(address string) string {
	out := []byte(address)
	for i, c := range out {
		if c == ':' {
			out[i] = '-'
		}
	}
	return string(out)
}
