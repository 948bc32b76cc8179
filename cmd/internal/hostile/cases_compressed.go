package main

import "fmt"

// compressed are captures whose compressed form is cut, spoiled, doubled or followed by something else.
func compressed(s *suite) {
	const records = 60
	f := newPcap(little, linkEthernet)
	for i := range uint32(records) { // bytes that do not compress, so that cuts fall into packets
		f.record(1600000000, i, frame(ip(hostA, hostB, protoUDP, udp(uint16(i), 53, noise(i, 40)))))
	}
	capture := f.b
	for _, c := range codecs {
		add := func(name string, w want, data []byte) { s.add("compressed-"+name+".pcap."+c.name, w, data) }
		whole := c.pack(capture)
		for _, n := range []int{4, 6, 7, 12} {
			add(fmt.Sprintf("cut-to-%02d-bytes", n), refused, whole[:n])
		}
		for i, part := range []int{len(whole) / 2, len(whole) * 3 / 4, len(whole) - 9, len(whole) - 5, len(whole) - 1} {
			w := cut(-1)
			switch {
			case i > 1:
				w = whatever // only a checksum is missing: some readers never look for the last bytes
			case c.name == "zst" || c.name == "lz4":
				w = refused // one block holds all, and half a block gives nothing, not even the capture's header
			}
			add(fmt.Sprintf("cut-%d", i), w, whole[:part])
		}
		add("trailing-byte", whatever, append(whole[:len(whole):len(whole)], 'x'))
		add("trailing-text", whatever, append(whole[:len(whole):len(whole)], "and then some text"...))
		add("trailing-zeros", whatever, append(whole[:len(whole):len(whole)], make([]byte, 512)...))
		add("trailing-magic", whatever, append(whole[:len(whole):len(whole)], whole[:6]...))
		add("second-member-cut", whatever, append(whole[:len(whole):len(whole)], whole[:len(whole)/2]...))
		add("second-member-is-a-capture", whatever, append(whole[:len(whole):len(whole)], whole...)) // its header is read as a packet record
		add("two-members", clean(records), append(c.pack(capture[:3000]), c.pack(capture[3000:])...))
		add("empty-members", clean(records), append(append(c.pack(nil), whole...), c.pack(nil)...))
		add("empty", refused, c.pack(nil))
		add("nested", refused, c.pack(whole))
		add("nested-8-times", refused, nest(c, capture[:200], 8))
		add("header-spoiled", whatever, with(whole, 6, "ff ff ff ff ff ff"))
		add("middle-spoiled", whatever, with(whole, len(whole)/2, "ff ff ff ff 00 00 00 00 55 55 55 55"))
		add("last-spoiled", whatever, with(whole, len(whole)-4, "00 ff 00 ff"))
		add("checksum-spoiled", whatever, with(whole, len(whole)-8, "12 34 56 78"))
		add("magic-then-noise", refused, append(whole[:6:6], noise(9, 200)...))
		add("magic-then-zeros", refused, append(whole[:6:6], make([]byte, 200)...))
		add("text", refused, c.pack([]byte("this is no capture, and it is compressed")))
	}
	s.add("compressed-skippable-frame-only.zst", refused, raw("50 2a 4d 18 04 00 00 00 01 02 03 04"))
	s.add("compressed-skippable-frame-of-4-gib.zst", refused, raw("51 2a 4d 18 ff ff ff ff 01 02 03 04"))
	s.add("compressed-window-of-2-tib.zst", refused, raw("28 b5 2f fd 00 ff 01 00 00 00 00 00"))
	s.add("compressed-content-size-of-16-eib.zst", refused, raw("28 b5 2f fd e0 ff ff ff ff ff ff ff ff 01 00 00"))
	s.add("compressed-block-of-4-mib.lz4", refused, raw("04 22 4d 18 64 70 b9 ff ff ff 7f 00 00 00 00"))
	s.add("compressed-dictionary-of-4-gib.xz", refused, append(raw("fd 37 7a 58 5a 00 00 01 69 22 de 36"), append(checked(raw("02 00 21 01 28 00 00 00")), 0xe0, 0, 0, 0, 0, 0x5d)...))
	s.add("compressed-name-of-64-kib.gz", refused, append(raw("1f 8b 08 08 00 00 00 00 00 03"), noise(7, 1<<16)...))
}

func nest(c codec, b []byte, times int) []byte {
	for range times {
		b = c.pack(b)
	}
	return b
}

// bombs expand more than a thousand times, or as far as their format goes. They have the size of a bomb only when they are generated.
func bombs(s *suite) {
	const mib = 200
	for _, c := range codecs {
		w := limit(-1)
		if c.name == "gz" || c.name == "lz4" { // at 1 MiB a member their ratio ends near 980 and 250: no bomb by the ratio, just long
			w = whatever
		}
		s.late(fmt.Sprintf("bomb-zeros.pcap.%s", c.name), w, func() []byte { // every 16 zeros are an empty packet
			return append(c.pack(newPcap(little, linkEthernet).b), c.zeros(mib)...)
		})
		s.late(fmt.Sprintf("bomb-blocks.pcapng.%s", c.name), w, func() []byte { // one block after the other, of 15 MiB and no known kind
			const size = 15<<20 + 12
			f := newNG(little)
			out, zeros := c.pack(f.u32(f.b, blockUnknown, size)), c.zeros(15)
			for range mib / 15 {
				out = append(append(out, zeros...), c.pack(f.u32(nil, size, blockUnknown, size))...)
			}
			return out
		})
	}
	s.late("bomb-one-member.pcap.gz", limit(-1), func() []byte { return gzippedZeros(newPcap(little, linkEthernet).b, mib) })
	s.late("bomb-one-frame.pcap.zst", limit(-1), func() []byte { return zstandardZeros(newPcap(little, linkEthernet).b, mib) })
	s.late("bomb-in-bomb.gz", refused, func() []byte { return gzipped(gzippedZeros(nil, mib)) })
	s.late("bomb-before-the-header.gz", refused, func() []byte { return gzippedZeros(nil, mib) })
	s.late("bomb-empty-members.pcap.gz", whatever, func() []byte { // 20,000 members of nothing
		out := gzipped(newPcap(little, linkEthernet).b)
		for range 20000 {
			out = append(out, gzipped(nil)...)
		}
		return out
	})
}
