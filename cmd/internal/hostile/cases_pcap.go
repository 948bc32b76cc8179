package main

import (
	"bytes"
	"fmt"
)

// foreignFiles are no captures, or too little of one to tell.
func foreignFiles(s *suite) {
	whole := append(newPcap(little, linkEthernet).b, oneNG(little).b...)
	for _, n := range []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 23} {
		s.add(fmt.Sprintf("pcap-header-%02d-bytes.pcap", n), refused, whole[:n])
	}
	section := newNG(little).b
	for n := 4; n < 12; n++ {
		s.add(fmt.Sprintf("pcapng-header-%02d-bytes.pcapng", n), refused, section[:n])
	}
	for n := 12; n < 28; n += 5 {
		s.add(fmt.Sprintf("pcapng-header-%02d-bytes.pcapng", n), cut(0), section[:n])
	}
	for name, data := range map[string][]byte{
		"text":        []byte("tcp 192.0.2.1:80 is not a capture\n"),
		"escapes":     []byte("\x1b[2J\x1b]0;owned\x07\xff\xfe"),
		"elf":         raw("7f 45 4c 46 02 01 01 00"),
		"snoop":       append([]byte("snoop\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04"), noise(1, 64)...),
		"netmon":      append([]byte("GMBU"), noise(2, 64)...),
		"bzip2":       []byte("BZh91AY&SY"),
		"zip":         []byte("PK\x03\x04 and so on"),
		"zeros":       make([]byte, 4096),
		"ones":        bytes.Repeat([]byte{0xff}, 4096),
		"noise":       noise(3, 4096),
		"magic-late":  append([]byte{0}, whole...),
		"magic-mixed": raw("a1 b2 d4 c3 00 02 00 04 00 00 00 00 00 00 00 00 00 04 00 00 00 00 00 01"),
	} {
		s.add("foreign-"+name+".pcap", refused, data)
	}
}

// pcapHeaders are file headers with values that make no sense.
func pcapHeaders(s *suite) {
	for _, e := range orders {
		for _, v := range [][2]uint16{{0, 0}, {1, 0}, {2, 5}, {2, 0x0400}, {3, 4}, {0xffff, 0xffff}, {0x0200, 0x0400}} {
			f := pcapWith(e, pcapMicro, v[0], v[1], snaplen, linkEthernet)
			f.record(1600000000, 0, witnessAsks)
			s.add(fmt.Sprintf("pcap-version-%d.%d-%s.pcap", v[0], v[1], e.name), refused, f.b)
		}
		for _, v := range [][2]uint16{{2, 0}, {2, 1}, {2, 2}, {2, 3}, {543, 0}} {
			f := pcapWith(e, pcapMicro, v[0], v[1], snaplen, linkEthernet)
			f.lying(1600000000, 0, 100, uint32(len(witnessAsks)), witnessAsks) // lengths the other way round
			s.add(fmt.Sprintf("pcap-version-%d.%d-lengths-swapped-%s.pcap", v[0], v[1], e.name), clean(1).classed("decoded"), f.b)
		}
		for _, snap := range []uint32{0, 1, 0x7fffffff, 0x80000000, 0xffffffff} {
			f := pcapWith(e, pcapMicro, 2, 4, snap, linkEthernet)
			f.record(1600000000, 0, witnessAsks)
			s.add(fmt.Sprintf("pcap-snaplen-%#x-%s.pcap", snap, e.name), clean(1).classed("decoded"), f.b)
		}
		for _, link := range []uint32{linkUser0, 0xfffe, 0x0fff0000 | linkUser0, 0xf4000000 | linkUser0} {
			f := newPcap(e, link)
			f.record(1600000000, 0, witnessAsks)
			s.add(fmt.Sprintf("pcap-link-%#x-%s.pcap", link, e.name), clean(1).classed("unsupported-link"), f.b)
		}
		f := newPcap(e, 0xf4000000|linkEthernet)
		f.record(1600000000, 0, witnessAsks)
		s.add("pcap-fcs-30-bytes-"+e.name+".pcap", clean(1), f.b)
		s.add("pcap-no-packets-"+e.name+".pcap", clean(0), newPcap(e, linkEthernet).b)
		f = newPcap(e, linkEthernet)
		f.e = orders[1-indexOf(e)]
		f.record(1600000000, 0, witnessAsks)
		s.add("pcap-records-of-other-order-"+e.name+".pcap", malformed(0), f.b)
		f = pcapWith(e, pcapPatched, 2, 4, snaplen, linkEthernet)
		f.record(1600000000, 0, witnessAsks)
		s.add("pcap-patched-magic-plain-records-"+e.name+".pcap", cut(0), f.b)
	}
}

func indexOf(e endian) int {
	if e.name == little.name {
		return 0
	}
	return 1
}

// pcapRecords are record headers that lie, behind a good packet.
func pcapRecords(s *suite) {
	n := uint32(len(witnessAsks))
	for _, e := range orders {
		add := func(name string, w want, captured, wire uint32, data []byte) {
			f := newPcap(e, linkEthernet)
			f.record(1600000000, 0, witnessAsks)
			f.lying(1600000000, 1, captured, wire, data)
			s.add("pcap-record-"+name+"-"+e.name+".pcap", w, f.b)
		}
		for _, captured := range []uint32{snaplen + 1, 1 << 24, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff} {
			add(fmt.Sprintf("captured-%#x", captured), malformed(1), captured, captured, witnessAnswers)
		}
		for _, captured := range []uint32{n + 1, 1000, 65535, snaplen} {
			add(fmt.Sprintf("captured-%d-past-end", captured), cut(1), captured, captured, witnessAsks)
		}
		add("captured-0", clean(2), 0, 0, nil)
		add("captured-0-wire-60", clean(2).classed("truncated"), 0, 60, nil)
		add("captured-over-wire", clean(2), n, n-10, witnessAsks)
		add("wire-0", clean(2), n, 0, witnessAsks)
		add("wire-0xffffffff", clean(2), n, 0xffffffff, witnessAsks)
		add("captured-one-less", cut(2), n-1, n, witnessAsks) // the byte left over is no header
		for _, left := range []int{1, 4, 8, 15} {
			f := newPcap(e, linkEthernet)
			f.record(1600000000, 0, witnessAsks)
			f.record(1600000000, 1, witnessAnswers)
			end := 24 + 16 + int(n)
			s.add(fmt.Sprintf("pcap-cut-in-record-header-%02d-%s.pcap", left, e.name), cut(1), f.b[:end+left])
			s.add(fmt.Sprintf("pcap-cut-in-body-%02d-%s.pcap", left, e.name), cut(1), f.b[:end+16+left])
			s.add(fmt.Sprintf("pcap-trailing-%02d-zeros-%s.pcap", left, e.name), cut(2), append(f.b, make([]byte, left)...))
		}
	}
	f := newPcap(little, linkEthernet)
	for i := range uint32(2000) {
		f.record(1600000000, i, nil)
	}
	s.add("pcap-2000-empty-records.pcap", clean(2000), f.b)
}

// pcapTimes are times that are absurd, or run as time does not.
func pcapTimes(s *suite) {
	add := func(name string, magic uint32, times ...[2]uint32) {
		f := pcapWith(little, magic, 2, 4, snaplen, linkEthernet)
		for i, t := range times {
			f.record(t[0], t[1], [][]byte{witnessAsks, witnessAnswers}[i%2])
		}
		s.add("time-"+name+".pcap", clean(len(times)).classed("decoded"), f.b)
	}
	for _, sec := range []uint32{0, 1, 0x7fffffff, 0x80000000, 0xffffffff} {
		add(fmt.Sprintf("second-%d", sec), pcapMicro, [2]uint32{sec, 0}, [2]uint32{sec, 999999})
	}
	for _, frac := range []uint32{1e6, 0x7fffffff, 0xffffffff} {
		add(fmt.Sprintf("micro-%d", frac), pcapMicro, [2]uint32{1600000000, frac}, [2]uint32{1600000000, 1})
	}
	for _, frac := range []uint32{1e9, 0xffffffff} {
		add(fmt.Sprintf("nano-%d", frac), pcapNano, [2]uint32{0xffffffff, frac}, [2]uint32{0xffffffff, 999999999})
	}
	const now = 1600000000
	add("back-1-second", pcapMicro, [2]uint32{now, 0}, [2]uint32{now - 1, 0})
	add("back-1-day", pcapMicro, [2]uint32{now, 0}, [2]uint32{now - 86400, 0}, [2]uint32{now, 1})
	add("back-to-0", pcapMicro, [2]uint32{now, 0}, [2]uint32{0, 0}, [2]uint32{now, 1})
	add("forward-86-years", pcapMicro, [2]uint32{now, 0}, [2]uint32{0xffffffff, 0}, [2]uint32{now, 1}, [2]uint32{now, 2})
	var alternating, standing [][2]uint32
	for i := range uint32(500) {
		alternating = append(alternating, [2]uint32{now + i%2*86400, i})
		standing = append(standing, [2]uint32{now, 0})
	}
	add("alternates-by-a-day", pcapMicro, alternating...)
	add("stands-still", pcapMicro, standing...)
}
