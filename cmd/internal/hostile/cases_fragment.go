package main

import (
	"net/netip"
)

const more = 0x2000 // flag of IPv4 fragments that others follow

// piece is a fragment of a UDP datagram between the hostile ends, IPv4 or IPv6; offset counts octets.
func piece(six bool, id uint32, offset int, last bool, data []byte) []byte {
	if !six {
		flags := uint16(offset / 8)
		if !last {
			flags |= more
		}
		return frame(ip4(hostA, hostB, protoUDP, uint16(id), flags, nil, data))
	}
	at := uint16(offset)
	if !last {
		at |= 1
	}
	return frame(ip(hostA6, hostB6, headerFragment, append(be32(be16([]byte{protoUDP, 0}, at), id), data...)))
}

// fragments are datagrams in pieces that overlap, are too small, never end, or use a number twice.
func fragments(s *suite) {
	whole := udp(40000, 53, noise(1, 120)) // 128 octets
	other := udp(40000, 4444, noise(2, 120))
	for _, six := range []bool{false, true} {
		version := "ipv4"
		if six {
			version = "ipv6"
		}
		f := func(offset, end int, from []byte) []byte { return piece(six, 7, offset, end == 128, from[offset:end]) }
		add := func(name string, frames ...[]byte) { s.packets(version+"-fragments-"+name, clean(0), frames...) }
		add("overlap-new-begins-inside", f(0, 64, whole), f(32, 128, other))
		add("overlap-new-ends-inside", f(32, 96, whole), f(0, 64, other), f(96, 128, whole))
		add("overlap-new-covers-old", f(32, 64, whole), f(0, 128-8, other), f(120, 128, whole))
		add("overlap-new-inside-old", f(0, 96, whole), f(32, 64, other), f(96, 128, whole))
		add("overlap-first-twice-other-ports", f(0, 64, whole), f(0, 64, other), f(64, 128, whole))
		add("overlap-same-data", f(0, 64, whole), f(0, 64, whole), f(64, 128, whole), f(64, 128, whole))
		add("overlap-by-one-unit", f(0, 64, whole), f(56, 128, whole))
		add("backwards", f(64, 128, whole), f(0, 64, whole))
		add("last-only", f(120, 128, whole))
		add("hole", f(0, 32, whole), f(64, 128, whole))
		add("two-lasts", f(0, 64, whole), piece(six, 7, 64, true, whole[64:96]), piece(six, 7, 64, true, whole[64:128]))
		add("data-behind-the-last", f(0, 64, whole), piece(six, 7, 64, true, whole[64:96]), f(96, 120, whole))
		add("more-after-whole", piece(six, 7, 0, false, whole))
		add("empty", piece(six, 7, 0, false, nil), piece(six, 7, 8, false, nil), piece(six, 7, 8, true, nil))
		add("first-of-7-bytes", piece(six, 7, 0, false, whole[:7]), piece(six, 7, 8, true, whole[8:]))
		add("first-of-8-bytes", f(0, 8, whole), f(8, 128, whole))
		add("length-not-of-8", piece(six, 7, 0, false, whole[:61]), piece(six, 7, 64, true, whole[64:]))
		add("past-65535", f(0, 64, whole), piece(six, 7, 65528, true, noise(3, 1400)))
		add("past-65535-more", piece(six, 7, 65528, false, noise(3, 1400)))
		var never, same, pieces, ids [][]byte
		for i := range uint32(200) {
			never = append(never, piece(six, i, 0, false, whole[:16]))
			ids = append(ids, piece(six, i, 64, true, whole[64:72]))
			same = append(same, piece(six, 7, 0, false, udp(uint16(i), 53, nil)), piece(six, 7, 8, true, whole[8:16]))
		}
		for i := range 8192 {
			pieces = append(pieces, piece(six, 7, i*8, i == 8191, whole[:8]))
		}
		add("200-never-finished", never...)
		add("200-without-first", ids...)
		add("200-datagrams-of-one-id", same...)
		s.late(version+"-fragments-8192-of-one-datagram.pcap.gz", want{state: "clean", packets: 8192, class: "decoded"}, func() []byte {
			file := newPcap(little, linkEthernet)
			for i, p := range pieces {
				file.record(1600000000, uint32(i), p)
			}
			return gzipped(file.b)
		})
	}
	s.packets("ipv4-fragments-with-df", clean(0), frame(ip4(hostA, hostB, protoUDP, 7, more|0x4000, nil, whole[:64])), frame(ip4(hostA, hostB, protoUDP, 7, 0x4000|8, nil, whole[64:])))
	s.packets("ipv4-fragments-of-other-protocols", clean(0), frame(ip4(hostA, hostB, protoUDP, 7, more, nil, whole[:64])), frame(ip4(hostA, hostB, protoTCP, 7, 8, nil, whole[64:])))
	s.packets("ipv4-fragments-tcp-flags-rewritten", clean(0), frame(ip4(hostA, hostB, protoTCP, 7, more, nil, tcp(40000, 443, ack, 1, 1, nil)[:16])), frame(ip4(hostA, hostB, protoTCP, 7, 1, nil, tcp(40000, 443, syn, 1, 1, nil)[8:])))
	s.packets("ipv4-fragments-icmp-65610", clean(0), frame(ip4(hostA, hostB, protoICMP, 7, more, nil, icmp(8, 0, noise(4, 1476)))), frame(ip4(hostA, hostB, protoICMP, 7, 8189, nil, noise(5, 102))))
	s.packets("ipv4-fragments-of-tunnels", clean(0), frame(ip4(hostA, hostB, protoIPIP, 7, more, nil, whole[:24])), frame(ip4(hostA, hostB, protoGRE, 8, 8, nil, whole[64:])), frame(ip4(hostA, hostB, protoIPv6, 9, more, nil, whole[:40])))
	s.packets("ipv6-fragments-nested-headers", clean(0), frame(ip(hostA6, hostB6, headerFragment, append(raw("2c 00 00 01 00 00 00 01 11 00 00 09 00 00 00 02"), whole[:16]...))))
	s.packets("ipv6-fragments-atomic-and-not", clean(0).classed("decoded"), piece(true, 7, 0, true, whole), piece(true, 7, 0, false, whole[:64]), piece(true, 7, 0, true, other))
	s.packets("ipv6-fragments-header-without-transport", clean(0), frame(ip(hostA6, hostB6, headerFragment, raw("3c 00 00 01 00 00 00 01 11 ff 00 00 00 00 00 00"))), frame(ip(hostA6, hostB6, headerFragment, raw("3b 00 00 01 00 00 00 01"))))
	s.packets("ipv6-fragments-reserved-bits", clean(0), frame(ip(hostA6, hostB6, headerFragment, append(raw("11 ff 00 07 00 00 00 01"), whole[:64]...))))
}

// floods are many packets of ends that differ. They stay small; what memory does under millions is tested beside the table.
func floods(s *suite) {
	var syns, acks, resets, sweep, ports, datagrams, echoes [][]byte
	for i := range uint32(400) {
		source := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), byte(i * 7)})
		syns = append(syns, frame(ip(source, hostB, protoTCP, tcp(uint16(i*31), 443, syn, i, 0, nil))))
		acks = append(acks, frame(ip(hostB, source, protoTCP, tcp(443, uint16(i*31), syn|ack, i, i*77, nil))))
		resets = append(resets, frame(ip(source, hostB, protoTCP, tcp(uint16(i*31), 443, rst, i, 0, nil))))
		six := hostA6.As16()
		copy(six[8:], noise(i, 8))
		sweep = append(sweep, frame(ip(netip.AddrFrom16(six), hostB6, protoUDP, udp(uint16(i), uint16(i*13), nil))))
		ports = append(ports, frame(ip(hostA, hostB, protoTCP, tcp(40000, uint16(i*32), syn, i, 0, nil))))
		datagrams = append(datagrams, frame(ip(hostA, hostB, protoUDP, udp(uint16(i*97), uint16(i*61), nil))))
		echoes = append(echoes, frame(ip(hostA, hostB, protoICMP, icmp(8, 0, be16(nil, uint16(i*163), 1)))))
	}
	for name, frames := range map[string][][]byte{"syn": syns, "syn-ack": acks, "rst": resets, "ipv6-sources": sweep, "ports": ports, "udp-ports": datagrams, "icmp-identifiers": echoes} {
		s.packets("flood-"+name, clean(0).exactly("decoded 400", "none"), frames...)
	}
}
