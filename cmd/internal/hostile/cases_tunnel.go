package main

import "fmt"

// wrapper puts a packet into one more tunnel, and gives an IP packet again.
type wrapper struct {
	name string
	wrap func(packet []byte) []byte
	shut bool // a kind of tunnel that is not opened
}

// within is what depth tunnels in each other hold, of which 16 are opened.
func within(depth int) want {
	inside := fmt.Sprintf("decoded %d", min(depth, 16))
	if depth > 16 {
		inside += ", too-deep 1"
	}
	return clean(0).exactly("decoded 1", inside)
}

func inUDP(port uint16, header string, ethernet bool) func([]byte) []byte {
	return func(packet []byte) []byte {
		if ethernet {
			packet = frame(packet)
		}
		return ip(hostA, hostB, protoUDP, udp(40000, port, append(raw(header), packet...)))
	}
}

func inGRE(flags, kind uint16, more string, ethernet bool) func([]byte) []byte {
	return func(packet []byte) []byte {
		if ethernet {
			packet = frame(packet)
		}
		return ip(hostA, hostB, protoGRE, append(append(be16(nil, flags, kind), raw(more)...), packet...))
	}
}

var wrappers = []wrapper{
	{name: "ipip", wrap: func(p []byte) []byte { return ip(hostA, hostB, protoIPIP, p) }},
	{name: "gre", wrap: inGRE(0, etherIPv4, "", false)},
	{name: "gre-key-sequence-checksum", wrap: inGRE(0xb000, etherIPv4, "0000 0000 00000001 00000002", false)},
	{name: "gre-ethernet", wrap: inGRE(0, 0x6558, "", true)},
	{name: "nvgre", wrap: inGRE(0x2000, 0x6558, "00000100", true)},
	{name: "erspan-2", wrap: inGRE(0x1000, 0x88be, "00000001 10010000 00000000", true)},
	{name: "erspan-3", wrap: inGRE(0x1000, 0x22eb, "00000001 20010000 00000000 00000000", true)},
	{name: "vxlan", wrap: inUDP(4789, "08000000 00000100", true)},
	{name: "vxlan-gpe", wrap: inUDP(4790, "0c000001 00000100", false)},
	{name: "geneve", wrap: inUDP(6081, "00006558 00000100", true)},
	{name: "geneve-ip", wrap: inUDP(6081, "00000800 00000100", false)},
	{name: "gtp-u", wrap: func(p []byte) []byte {
		return ip(hostA, hostB, protoUDP, udp(2152, 2152, append(be32(be16(raw("30 ff"), uint16(len(p))), 1), p...)))
	}},
	{name: "mpls-in-gre", wrap: inGRE(0, etherMPLS, "00010140", false)},
	{name: "mpls-in-udp", wrap: inUDP(6635, "00010140", false), shut: true},
	{name: "fou", wrap: inUDP(5555, "", false), shut: true},
}

// tunnels are packets in packets, as deep as sixty-four. The outermost one belongs to a connection, whatever is inside.
func tunnels(s *suite) {
	inner := ip(hostA, hostB, protoUDP, udp(40001, 53, []byte("innermost")))
	for _, w := range wrappers {
		packet := inner
		for depth := 1; depth <= 64; depth++ {
			packet = w.wrap(packet)
			if depth == 2 || depth == 15 || depth == 16 || depth == 17 || depth == 64 {
				want := within(depth)
				if w.shut {
					want.inside = "none"
				}
				s.packets(fmt.Sprintf("tunnel-%s-depth-%d", w.name, depth), want, frame(packet))
			}
		}
		var cuts [][]byte
		two := frame(w.wrap(w.wrap(inner)))
		for n := 14; n < len(two); n += 3 {
			cuts = append(cuts, two[:n])
		}
		s.packets("tunnel-"+w.name+"-cut", clean(0), cuts...)
	}
	packet, six := inner, ip(hostA6, hostB6, protoUDP, udp(40001, 53, []byte("innermost")))
	for range 64 {
		packet = ip(hostA6, hostB6, protoIPIP, packet)
		packet = ip(hostA, hostB, protoIPv6, packet)
		six = ip(hostA6, hostB6, protoIPv6, six)
	}
	s.packets("tunnel-4in6in4-depth-128", within(128), frame(packet))
	s.packets("tunnel-6in6-depth-64", within(64), frame(six))
	mixed := inner
	for i := range 64 {
		mixed = wrappers[i%len(wrappers)].wrap(mixed)
	}
	s.packets("tunnel-mixed-depth-64", clean(0), frame(mixed))
	var deep [][]byte
	for i := range 200 {
		deep = append(deep, frame(wrappers[i%7].wrap(wrappers[i%5].wrap(ip(hostA, hostB, protoUDP, udp(uint16(i), 53, nil))))))
	}
	s.packets("tunnel-200-connections-inside", clean(0).classed("decoded"), deep...)
}

// tunnelHeaders are headers of tunnels that lie.
func tunnelHeaders(s *suite) {
	inner := ip(hostA, hostB, protoUDP, udp(40001, 53, []byte("inner")))
	on := func(name string, port uint16, headers ...string) {
		var frames [][]byte
		for _, h := range headers {
			frames = append(frames, frame(ip(hostA, hostB, protoUDP, udp(40000, port, append(raw(h), frame(inner)...)))), frame(ip(hostA, hostB, protoUDP, udp(40000, port, raw(h)))))
		}
		s.packets("tunnel-"+name, clean(0).classed("decoded"), frames...)
	}
	gre := func(name string, headers ...string) {
		var frames [][]byte
		for _, h := range headers {
			frames = append(frames, frame(ip(hostA, hostB, protoGRE, append(raw(h), inner...))), frame(ip(hostA, hostB, protoGRE, raw(h))), frame(ip(hostA6, hostB6, protoGRE, append(raw(h), inner...))))
		}
		s.packets("tunnel-"+name, clean(0), frames...)
	}
	gre("gre-versions", "00010800", "0002 0800", "00070800", "2001880b 0004 0001", "3081880b ffff 0001 00000001 00000001")
	gre("gre-flags", "ffff0800", "80000800", "f0000800", "40000800", "400008000000000000000000", "4000 0800 0000 0000 0800 00ff")
	gre("gre-routing-in-circles", "4000 0800 0000 0000 0001 0000 0001 0000 0001 0000")
	gre("gre-types", "0000 0000", "0000 ffff", "0000 0806", "0000 8100", "0000 880b", "0000 05dc")
	gre("gre-erspan-cut", "100088be 00000001", "100088be 00000001 1001", "100022eb 00000001 20010000 00000000", "100022eb 00000001 2001 0000 00000000 00000001")
	on("vxlan-flags", 4789, "00000000 00000000", "ffffffff ffffffff", "08000000", "88000000 000001ff")
	on("geneve-option-lengths", 6081, "3f006558 00000100", "01006558 00000100", "02006558 00000100 0000001f 00000000", "c0006558 00000100", "00000000 00000100", "0000ffff 00000100")
	on("gtp-extensions-in-circles", 2152, "34ff0010 00000001 00000085 00000000", "34ff0010 00000001 00000085 01000085 01000085 01000085", "34ffffff 00000001 000000ff ff000000", "30ff0000 00000001", "32ff0008 00000001", "f0ff0008 00000001", "30010000 00000001")
	on("teredo", 3544, "0001", "0001ffff", "0001 0404 00000000", "0000 0000 0000", "0000 1234 5678 9abc def0", "60000000 0000 3b 40")
	on("wireguard", 51820, "01000000", "02000000 00000000", "04000000 ffffffff ffffffff ffffffff", "ff000000")
	on("openvpn", 1194, "38", "ff", "0000", "ffff ffff")
	on("l2tp", 1701, "c802 ffff 0000 0000", "0002", "ffff ffff ffff ffff ffff ffff")
	on("capwap", 5247, "00ff ffff", "0010 0000 0000 0000", "01000000")
	six := ip(hostA6, hostB6, protoUDP, udp(40001, 53, nil))
	s.packets("tunnel-6in4-is-no-6", clean(0), frame(ip(hostA, hostB, protoIPv6, inner)), frame(ip(hostA, hostB, protoIPv6, nil)), frame(ip(hostA, hostB, protoIPv6, six[:39])))
	s.packets("tunnel-ipip-is-no-4", clean(0), frame(ip(hostA, hostB, protoIPIP, six)), frame(ip(hostA, hostB, protoIPIP, nil)), frame(ip(hostA, hostB, protoIPIP, inner[:19])), frame(ip(hostA6, hostB6, protoIPIP, six)))
}
