package main

import (
	"bytes"
	"fmt"
	"math"
	"strings"
)

// Option codes by block (draft-ietf-opsawg-pcapng, section 4).
const (
	optComment     = 1
	optName        = 2 // of interfaces; hardware of sections
	optDescription = 3
	optApplication = 4
	optResolution  = 9
	optFilter      = 11
	optFCS         = 13
	optOffset      = 14
)

// options are options of wrong lengths, in wrong places, with hostile text.
func options(s *suite) {
	for _, e := range orders {
		f := newNG(e)
		onPacket := func(name string, opts ...[]byte) {
			s.add("option-packet-"+name+"-"+e.name+".pcapng", clean(2).classed("decoded"), oneNG(e).packet(0, 1600000000e6, witnessAnswers, opts...).b)
		}
		for _, o := range []struct {
			name string
			code uint16
			size int
		}{{"flags-2", 2, 2}, {"flags-0", 2, 0}, {"hash-0", 3, 0}, {"dropcount-4", 4, 4}, {"dropcount-16", 4, 16}, {"id-7", 5, 7}, {"queue-3", 6, 3}, {"verdict-0", 7, 0}, {"unknown-0xffff", 0xffff, 5}} {
			onPacket(o.name, f.option(o.code, noise(1, o.size)), f.endOfOptions())
		}
		onPacket("no-end", f.option(optComment, []byte("no end follows")))
		onPacket("past-end", f.lyingOption(optComment, 0xffff, []byte("short")))
		onPacket("past-end-by-1", f.lyingOption(optComment, 9, []byte("12345678")))
		onPacket("header-half", raw("0001 0000")[:4], raw("0400 0000"))
		onPacket("end-with-length", f.lyingOption(0, 8, nil), f.option(4, noise(2, 8)))
		onPacket("dropcount-all-ones", f.option(4, bytes.Repeat([]byte{0xff}, 8)), f.option(4, bytes.Repeat([]byte{0xff}, 8)))
		var many [][]byte
		for range 1000 {
			many = append(many, f.option(optComment, nil))
		}
		onPacket("1000-comments", many...)

		onInterface := func(name string, opts ...[]byte) {
			s.add("option-interface-"+name+"-"+e.name+".pcapng", clean(1).classed("decoded"),
				newNG(e).iface(linkEthernet, snaplen, opts...).packet(0, 1600000000e6, witnessAsks).b)
		}
		for _, o := range []struct {
			name string
			code uint16
			size int
		}{{"resolution-0", optResolution, 0}, {"resolution-2", optResolution, 2}, {"offset-4", optOffset, 4}, {"offset-9", optOffset, 9}, {"fcs-0", optFCS, 0}, {"fcs-4", optFCS, 4}, {"filter-0", optFilter, 0}, {"name-0", optName, 0}, {"mac-5", 6, 5}, {"speed-7", 8, 7}} {
			onInterface(o.name, f.option(o.code, noise(3, o.size)), f.endOfOptions())
		}
		onInterface("resolution-twice", f.option(optResolution, []byte{6}), f.option(optResolution, []byte{9}))
		onInterface("fcs-255", f.option(optFCS, []byte{255}))
		onInterface("past-end", f.lyingOption(optName, 0xfffd, []byte("eth0")))
		s.add("option-statistics-lengths-"+e.name+".pcapng", clean(1), oneNG(e).statistics(0, f.option(4, noise(4, 4)), f.option(5, nil), f.option(7, noise(5, 16))).b)
		s.add("option-statistics-all-ones-"+e.name+".pcapng", clean(1), oneNG(e).statistics(0, f.option(4, bytes.Repeat([]byte{0xff}, 8)),
			f.option(5, bytes.Repeat([]byte{0xff}, 8)), f.option(7, bytes.Repeat([]byte{0xff}, 8))).b)
	}
	hostileText(s)
}

// hostileText puts strings that terminals, logs and documents take for more than text where a capture names things.
func hostileText(s *suite) {
	f := newNG(little)
	for name, text := range map[string]string{
		"escape":    "\x1b[2J\x1b]8;;http://192.0.2.1\x07eth0",
		"c1":        "\xc2\x9b31m\xc2\x9d0;x\xc2\x9c",
		"newline":   "eth0\r\nlevel=error msg=owned\u2028x",
		"bidi":      "\u202eknil\u2066\u200b\ufeff",
		"invalid":   "\xff\xfe\xc0\x80\xed\xa0\x80\xf5",
		"markup":    `<script>alert(1)</script>"'&{{.}}|` + "`[x](javascript:1)",
		"formula":   "=HYPERLINK(\"http://192.0.2.1\")",
		"nul":       "eth0\x00hidden",
		"combining": "e" + strings.Repeat("\u0301", 500),
		"long":      strings.Repeat("wide\uff21", 1000),
	} {
		value := f.option(optName, []byte(text))
		file := (&ngFile{e: little}).section(1, 0, ^uint64(0), f.option(2, []byte(text)), f.option(3, []byte(text)), f.option(optApplication, []byte(text)))
		file.iface(linkEthernet, snaplen, value, f.option(optDescription, []byte(text)), f.option(optFilter, []byte("\x00"+text)), f.option(12, []byte(text)))
		file.packet(0, 1600000000e6, witnessAsks, f.option(optComment, []byte(text)))
		names := append(f.u16(nil, 1, uint16(4+len(text)+1)), 192, 0, 2, 1)
		file.block(blockNames, append(padded(append(append(names, text...), 0)), f.u16(nil, 0, 0)...))
		s.add("text-"+name+".pcapng", clean(1).classed("decoded"), file.b)
	}
}

// blockTimes are resolutions and offsets at their edges, with stamps at theirs.
func blockTimes(s *suite) {
	for _, e := range orders {
		f := newNG(e)
		for _, resolution := range []byte{0, 1, 6, 9, 10, 18, 19, 20, 63, 0x7f, 0x80, 0x81, 0x8a, 0xa0, 0xbe, 0xbf, 0xc0, 0xff} {
			file := newNG(e).iface(linkEthernet, snaplen, f.option(optResolution, []byte{resolution}), f.endOfOptions())
			for i, stamp := range []uint64{0, 1, 1600000000e6, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
				file.packet(0, stamp, [][]byte{witnessAsks, witnessAnswers}[i%2])
			}
			s.add(fmt.Sprintf("time-resolution-%#02x-%s.pcapng", resolution, e.name), clean(6).classed("decoded"), file.b)
		}
		for _, offset := range []int64{1, -1, math.MaxInt64, math.MinInt64, math.MinInt64 + 1, math.MaxInt64 / 1_000_000_000, -1600000000} {
			value := e.AppendUint64(nil, uint64(offset))
			file := newNG(e).iface(linkEthernet, snaplen, f.option(optOffset, value), f.option(optResolution, []byte{9}))
			for i, stamp := range []uint64{0, 1600000000e9, math.MaxUint64} {
				file.packet(0, stamp, [][]byte{witnessAsks, witnessAnswers}[i%2])
			}
			s.add(fmt.Sprintf("time-offset-%d-%s.pcapng", offset, e.name), clean(3).classed("decoded"), file.b)
		}
	}
}
