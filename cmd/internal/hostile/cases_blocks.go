package main

import "fmt"

// kinds are the block types, with a body that is right and the outcome where the block is empty.
func kinds(f *ngFile) []struct {
	name  string
	kind  uint32
	body  []byte
	empty want // of a block of 12 bytes, behind one packet
} {
	n := uint32(len(witnessAnswers))
	section := f.e.AppendUint64(f.u16(f.u32(nil, 0x1a2b3c4d), 1, 0), ^uint64(0))
	return []struct {
		name  string
		kind  uint32
		body  []byte
		empty want
	}{
		{"section", blockSection, section, malformed(1)},
		{"interface", blockInterface, f.u32(f.u16(nil, linkEthernet, 0), snaplen), malformed(1)},
		{"packet", blockPacket, f.old(0, 0, 1600000001e6, n, n, padded(witnessAnswers)), malformed(1)},
		{"simple", blockSimple, append(f.u32(nil, n), padded(witnessAnswers)...), malformed(1)},
		{"names", blockNames, f.u32(nil, 0), clean(1)},
		{"statistics", blockStatistics, f.u32(nil, 0, 0, 0), malformed(1)},
		{"enhanced", blockEnhanced, f.enhanced(0, 1600000001e6, n, n, padded(witnessAnswers)), malformed(1)},
		{"secrets", blockSecrets, f.u32(nil, 0x544c534b, 0), clean(1)},
		{"custom", blockCustom, f.u32(nil, 32473), clean(1)},
		{"custom-nocopy", 0x40000000 | blockCustom, f.u32(nil, 32473), clean(1)},
		{"unknown", blockUnknown, f.u32(nil, 1, 2, 3), clean(1)},
		{"local", 0x80000001, f.u32(nil, 1, 2, 3), clean(1)},
	}
}

// blockLengths lets every kind of block lie about its length.
func blockLengths(s *suite) {
	for _, e := range orders {
		for _, k := range kinds(newNG(e)) {
			n := uint32(len(k.body) + 12)
			add := func(name string, w want, length uint32, body []byte, trailer uint32) {
				s.add(fmt.Sprintf("block-%s-length-%s-%s.pcapng", k.name, name, e.name), w, oneNG(e).raw(k.kind, length, body, trailer).b)
			}
			for _, length := range []uint32{0, 4, 8, 11, n + 1, n + 2, n - 1, 16<<20 + 4, 0x7ffffffc, 0x80000000, 0xfffffffc, 0xffffffff} {
				add(fmt.Sprintf("%#x", length), malformed(1), length, k.body, length)
			}
			add("past-end", cut(1), n+4, k.body, n+4)
			add("16-mib-past-end", cut(1), 16<<20, k.body, 16<<20)
			add("trailer-0", malformed(1), n, k.body, 0)
			add("trailer-differs", malformed(1), n, k.body, n+4)
			add("short", malformed(1), n-4, k.body, n)
			add("12", k.empty, 12, nil, 12)
			if k.name != "section" { // cut inside its first 12 bytes it has no byte order yet, but the same end
				whole := oneNG(e).raw(k.kind, n, k.body, n).b
				s.add(fmt.Sprintf("block-%s-cut-in-trailer-%s.pcapng", k.name, e.name), cut(1), whole[:len(whole)-2])
			}
			whole := oneNG(e).raw(k.kind, n, k.body, n).b
			s.add(fmt.Sprintf("block-%s-cut-in-header-%s.pcapng", k.name, e.name), cut(1), whole[:len(whole)-int(n)+6])
		}
		first := newNG(e).b
		for _, length := range []uint32{0, 4, 11, 12, 24, 29, 0xfffffffc} {
			f := &ngFile{e: e}
			f.raw(blockSection, length, first[8:24], length)
			s.add(fmt.Sprintf("first-section-length-%#x-%s.pcapng", length, e.name), malformed(0), f.b)
		}
	}
}

// sections are section headers that contradict each other, or their number.
func sections(s *suite) {
	for _, e := range orders {
		other := orders[1-indexOf(e)]
		for _, v := range [][2]uint16{{0, 0}, {1, 1}, {1, 0xffff}, {2, 0}, {0x0100, 0}} {
			f := (&ngFile{e: e}).section(v[0], v[1], ^uint64(0)).iface(linkEthernet, snaplen).packet(0, 0, witnessAsks)
			s.add(fmt.Sprintf("section-version-%d.%d-%s.pcapng", v[0], v[1], e.name), malformed(0), f.b)
		}
		f := (&ngFile{e: e}).section(1, 2, ^uint64(0)).iface(linkEthernet, snaplen).packet(0, 0, witnessAsks)
		s.add("section-version-1.2-"+e.name+".pcapng", clean(1), f.b)
		for _, length := range []uint64{0, 1, 7, 1 << 31, 1 << 63, ^uint64(0) - 1} {
			f := (&ngFile{e: e}).section(1, 0, length).iface(linkEthernet, snaplen).packet(0, 0, witnessAsks)
			s.add(fmt.Sprintf("section-says-length-%#x-%s.pcapng", length, e.name), clean(1).classed("decoded"), f.b)
		}
		bad := oneNG(e)
		bad.raw(blockSection, 28, raw("ff 2b 3c 4d 01 00 00 00 ff ff ff ff ff ff ff ff"), 28)
		s.add("section-without-magic-"+e.name+".pcapng", malformed(1), bad.b)
		s.add("section-of-other-order-"+e.name+".pcapng", clean(2).classed("decoded"), append(oneNG(e).b, oneNG(other).b...))
		s.add("section-order-changes-blocks-do-not-"+e.name+".pcapng", malformed(1),
			append(append(oneNG(e).b, newNG(other).b...), newNG(e).iface(linkEthernet, 0).b[28:]...))
		s.add("section-forgets-interfaces-"+e.name+".pcapng", malformed(1), append(oneNG(e).b, newNG(e).packet(0, 0, witnessAnswers).b...))
		s.add("section-alone-"+e.name+".pcapng", clean(0), newNG(e).b)
	}
	s.late("sections-100000.pcapng.gz", clean(0), func() []byte {
		var b []byte
		one := newNG(little).b
		for range 100000 {
			b = append(b, one...)
		}
		return gzipped(b)
	})
	s.late("sections-20000-with-packets.pcapng.zst", whatever, func() []byte {
		var b []byte
		for i := range 20000 {
			b = append(b, oneNG(orders[i%2]).b...)
		}
		return zstandard(b)
	})
}

// packetBlocks are packet blocks whose fields contradict the block or the section.
func packetBlocks(s *suite) {
	n := uint32(len(witnessAnswers))
	for _, e := range orders {
		f := newNG(e)
		add := func(name string, w want, kind uint32, body []byte) {
			s.add("packet-"+name+"-"+e.name+".pcapng", w, oneNG(e).block(kind, body).b)
		}
		for _, id := range []uint32{1, 0xffff, 0x10000, 0x7fffffff, 0xffffffff} {
			add(fmt.Sprintf("interface-%#x", id), malformed(1), blockEnhanced, f.enhanced(id, 0, n, n, witnessAnswers))
		}
		add("old-interface-0xffff", malformed(1), blockPacket, f.old(0xffff, 0, 0, n, n, witnessAnswers))
		add("old-drops-0xfffe", clean(2), blockPacket, f.old(0, 0xfffe, 1600000000e6, n, n, witnessAnswers))
		for _, captured := range []uint32{n + 4, 1000, snaplen, snaplen + 1, 0x80000000, 0xfffffffc, 0xfffffffd, 0xffffffff} {
			add(fmt.Sprintf("captured-%#x", captured), malformed(1), blockEnhanced, f.enhanced(0, 0, captured, captured, witnessAnswers))
			add(fmt.Sprintf("old-captured-%#x", captured), malformed(1), blockPacket, f.old(0, 0, 0, captured, captured, witnessAnswers))
		}
		add("captured-0", clean(2), blockEnhanced, f.enhanced(0, 0, 0, 0, nil))
		add("captured-over-wire", clean(2), blockEnhanced, f.enhanced(0, 0, n, 1, witnessAnswers))
		add("wire-0xffffffff", clean(2), blockEnhanced, f.enhanced(0, 0, n, 0xffffffff, witnessAnswers))
		add("stamp-0xffffffffffffffff", clean(2), blockEnhanced, f.enhanced(0, ^uint64(0), n, n, witnessAnswers))
		add("padding-missing", clean(2), blockEnhanced, f.enhanced(0, 0, n-1, n, witnessAnswers[:n-1]))
		for _, wire := range []uint32{n + 4, snaplen, 0x7fffffff, 0xffffffff} {
			add(fmt.Sprintf("simple-wire-%#x", wire), malformed(1), blockSimple, append(f.u32(nil, wire), witnessAnswers...))
		}
		add("simple-wire-0", clean(2), blockSimple, f.u32(nil, 0))
		cutTo := newNG(e).iface(linkEthernet, 14).block(blockSimple, append(f.u32(nil, 1500), witnessAnswers[:14]...))
		s.add("packet-simple-of-snaplen-14-"+e.name+".pcapng", clean(1).classed("truncated"), cutTo.b)
		s.add("packet-simple-without-interface-"+e.name+".pcapng", malformed(0), newNG(e).block(blockSimple, append(f.u32(nil, n), witnessAnswers...)).b)
		s.add("packet-before-interface-"+e.name+".pcapng", malformed(0), newNG(e).packet(0, 0, witnessAsks).iface(linkEthernet, snaplen).b)
		add("statistics-of-interface-9", clean(1), blockStatistics, f.u32(nil, 9, 0, 0))
		add("statistics-of-interface-0xffffffff", clean(1), blockStatistics, f.u32(nil, 0xffffffff, 0, 0))
	}
}

// interfaces are many, or of links that do not fit together.
func interfaces(s *suite) {
	for _, n := range []int{4096, 4097, 5000} {
		f := newNG(little)
		for range n {
			f.iface(linkEthernet, snaplen)
		}
		f.packet(uint32(n-1), 1600000000e6, witnessAsks)
		w := clean(1)
		if n > 4096 {
			w = limit(0)
		}
		s.add(fmt.Sprintf("interfaces-%d.pcapng", n), w, f.b)
	}
	for _, e := range orders {
		f := newNG(e).iface(linkEthernet, snaplen).iface(linkUser0, 0).iface(linkRaw, 1).iface(0xffff, 0xffffffff)
		for id := range uint32(4) {
			f.packet(id, 1600000000e6, witnessAsks)
		}
		s.add("interfaces-of-4-links-"+e.name+".pcapng", clean(4).classed("unsupported-link"), f.b)
		all := newNG(e)
		for link := range uint16(300) {
			all.iface(link, 0).packet(uint32(link), 1600000000e6, noise(uint32(link), 60))
		}
		s.add("interfaces-of-300-links-"+e.name+".pcapng", clean(300).classed("unsupported-link"), all.b)
	}
}
