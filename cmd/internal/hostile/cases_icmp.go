package main

import (
	"fmt"
	"net/netip"
)

// icmpQuotes are ICMP messages, most of them errors that quote what was never sent.
func icmpQuotes(s *suite) {
	var four, six [][]byte
	for kind := range 256 {
		for _, code := range []uint8{0, 3, 255} {
			four = append(four, frame(ip(hostA, hostB, protoICMP, icmp(uint8(kind), code, noise(uint32(kind), 28)))))
			six = append(six, frame(ip(hostA6, hostB6, protoICMPv6, icmp(uint8(kind), code, noise(uint32(kind), 48)))))
		}
	}
	s.packets("icmp-every-type", clean(0).classed("decoded"), four...)
	s.packets("icmp6-every-type", clean(0).classed("decoded"), six...)

	quoted := ip(hostA, hostB, protoTCP, tcp(40000, 443, syn, 100, 0, nil))
	quoted6 := ip(hostA6, hostB6, protoTCP, tcp(40000, 443, syn, 100, 0, nil))
	error4 := func(quote []byte) []byte {
		return frame(ip(hostB, hostA, protoICMP, icmp(3, 3, append(make([]byte, 4), quote...))))
	}
	error6 := func(quote []byte) []byte {
		return frame(ip(hostB6, hostA6, protoICMPv6, icmp(1, 4, append(make([]byte, 4), quote...))))
	}
	for name, quote := range map[string][]byte{
		"nothing": nil, "1-byte": quoted[:1], "19-bytes": quoted[:19], "no-ports": quoted[:20], "half-a-port": quoted[:23], "noise": noise(1, 64), "zeros": make([]byte, 64),
		"header-length-15": with(quoted, 0, "4f"), "header-length-0": with(quoted, 0, "40"), "version-6": with(quoted, 0, "65"), "version-0": with(quoted, 0, "05"), "total-length-1": with(quoted, 2, "0001"),
		"later-fragment": with(quoted, 6, "00 ff"), "other-ends": ip(witnessB, witnessA, protoTCP, tcp(1, 2, syn, 1, 0, nil)), "zero-ends": ip(netip.IPv4Unspecified(), netip.IPv4Unspecified(), protoTCP, tcp(0, 0, 0, 0, 0, nil)),
		"of-other-version": quoted6, "unknown-protocol": ip(hostA, hostB, 255, noise(2, 8)), "udp-of-4-bytes": ip(hostA, hostB, protoUDP, raw("9c40 0035")), "multicast-source": ip(netip.MustParseAddr("224.0.0.1"), hostB, protoUDP, udp(1, 2, nil)),
	} {
		s.packets("icmp-quotes-"+name, clean(0).classed("decoded"), error4(quote), a(syn, 100, 0), error4(quote))
		s.packets("icmp6-quotes-"+name, clean(0).classed("decoded"), error6(quote))
	}
	nested := quoted
	for range 64 {
		nested = ip(hostB, hostA, protoICMP, icmp(3, 1, append(make([]byte, 4), nested...)))
	}
	s.packets("icmp-quotes-icmp-64-deep", clean(0).classed("decoded"), frame(nested))
	for n := range 40 {
		six = append(six[:n:n], error6(quoted6[:n]))
	}
	s.packets("icmp6-quote-short-at-every-byte", clean(0).classed("decoded"), six...)

	asks := witnessAsks[14:]
	from := func(router netip.Addr, code uint8) []byte {
		return frame(ip(router, witnessA, protoICMP, icmp(3, code, append(make([]byte, 4), asks...))))
	}
	s.packets("icmp-forged-for-a-good-conversation", clean(0).classed("decoded"), from(hostB, 3), from(witnessB, 13), from(hostA, 1))
	s.packets("icmp-redirect-and-source-quench", clean(0).classed("decoded"), frame(ip(hostB, witnessA, protoICMP, icmp(5, 1, append(hostA.AsSlice(), asks...)))), frame(ip(hostB, witnessA, protoICMP, icmp(4, 0, append(make([]byte, 4), asks...)))))
	s.packets("icmp-extension-lies", clean(0).classed("decoded"), frame(ip(hostB, hostA, protoICMP, icmp(3, 3, append(append(raw("00 ff 00 00"), quoted...), raw("20 00 00 00 ff ff 01 01")...)))))
	s.packets("icmp-from-multicast-to-broadcast", clean(0).classed("decoded"), frame(ip(netip.MustParseAddr("224.0.0.5"), netip.MustParseAddr("255.255.255.255"), protoICMP, icmp(8, 0, make([]byte, 4)))))
	var echoes [][]byte
	for i := range uint16(500) {
		echoes = append(echoes, frame(ip(hostA, hostB, protoICMP, icmp(8, 0, be16(nil, i*131, i)))))
	}
	s.packets("icmp-500-echo-ids", clean(0).classed("decoded"), echoes...)
	var discovery [][]byte
	for _, option := range []string{"0100", "01ff 0000 0000 0000", "0300 0000", "1901 0000 ffff ffff"} {
		for kind := uint8(133); kind <= 137; kind++ {
			discovery = append(discovery, frame(ip(hostA6, hostB6, protoICMPv6, icmp(kind, 0, append(make([]byte, 20), raw(option)...)))))
		}
	}
	s.packets("icmp6-neighbour-options-lie", clean(0).classed("decoded"), discovery...)
}

// names are DNS messages that make a careless reader loop or overrun; whoever reads no names counts packets.
func names(s *suite) {
	head := func(questions, answers uint16) []byte { return be16(nil, 1, 0x8180, questions, answers, 0, 0) }
	labels := func(n int) (b []byte) {
		for range n {
			b = append(append(b, 63), noise(uint32(n), 63)...)
		}
		return b
	}
	for name, message := range map[string][]byte{
		"pointer-to-itself": append(head(1, 0), raw("c00c 0001 0001")...), "pointer-forward": append(head(1, 0), raw("c0ff 0001 0001")...), "pointers-in-a-ring": append(head(1, 0), raw("c00e c00c 0001 0001")...),
		"pointer-chain": append(head(1, 0), pointers(2000)...), "65535-answers": append(head(1, 0xffff), raw("00 0001 0001")...), "65535-questions": head(0xffff, 0), "name-of-1000-bytes": append(append(head(1, 0), labels(16)...), raw("00 0001 0001")...),
		"label-of-control-characters": append(append(head(1, 0), append([]byte{12}, "\x00\"<\x1b[2J\xff\xfe\x7f\n="...)...), raw("00 0001 0001")...), "label-past-end": append(head(1, 0), raw("3f 61 62")...), "reserved-label-type": append(head(1, 0), raw("80 00 40 00 0001 0001")...),
		"answer-length-65535": append(head(0, 1), raw("00 0001 0001 ffffffff ffff 7f000001")...), "header-only": head(0, 0), "11-bytes": head(0, 0)[:11], "nothing": nil,
	} {
		var frames [][]byte
		for _, port := range []uint16{53, 5353, 137, 5355} {
			frames = append(frames, frame(ip(hostB, hostA, protoUDP, udp(port, 40001, message))), frame(ip(hostA, hostB, protoUDP, udp(40001, port, message))))
		}
		frames = append(frames, frame(ip(hostB, hostA, protoTCP, tcp(53, 40002, psh|ack, 1, 1, append(be16(nil, 0xffff), message...)))))
		s.packets(fmt.Sprintf("dns-%s", name), clean(0).classed("decoded"), frames...)
	}
}

// pointers is a chain of n DNS compression pointers, each to the one before.
func pointers(n int) (b []byte) {
	b = []byte{0}
	for i := range n {
		b = be16(b, 0xc000|uint16(12+max(2*i-1, 0)))
	}
	return append(b, 0, 1, 0, 1)
}
