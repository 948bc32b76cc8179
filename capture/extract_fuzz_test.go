package capture

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// FuzzExtract takes two packets through both passes. Every packet of a connection is written, whole, as headers and under pseudonyms; none that is
// written is longer than it was captured, and headers begin the packet. Options of any bytes, behind the second one, give comments that are bounded and
// fit to be shown, and none under pseudonyms.
func FuzzExtract(f *testing.F) {
	for _, c := range decodeCases {
		f.Add(c.link, unhex(f, c.hex), unhex(f, c.hex), []byte(nil))
	}
	for _, seed := range tunnelSeeds(f) {
		f.Add(uint16(linkRaw), seed, seed, []byte(nil))
	}
	for _, options := range []string{
		"\x01\x00\x03\x00one\x00\x02\x00\x04\x00\x00\x00\x00\x01\x01\x00\x03\x00two\x00\x00\x00\x00\x00",
		"\x01\x00\x05\x00\xff\xe2\x80\xae\n\x00\x00\x00\x01\x00\xff\xff",
		strings.Repeat("\x01\x00\x00\x00", maxOriginals+1),
		"\x01\x00\xfc\xff" + strings.Repeat("\x80", 0xfffc),
	} {
		f.Add(uint16(linkRaw), aroundUDP(53, nil), aroundUDP(53, nil), []byte(options))
	}
	f.Fuzz(func(t *testing.T, link uint16, first, second, options []byte) {
		if len(first) > maxCaptured || len(second) > maxCaptured || len(options) > maxBlock/2 {
			return
		}
		w := &ngBytes{order: little}
		w.section().iface(link, 0).enhanced(testPacket{ticks: 1e15, data: first})
		const stamp uint64 = 1e15 + 1
		body := append(w.u32s(0, uint32(stamp>>32), uint32(stamp&(1<<32-1)), uint32(len(second)), uint32(len(second))), second...)
		w.block(blockEnhanced, append(pad4(body), options...))
		path := writeFile(t, t.TempDir(), "in", w.Bytes())
		a := auditOf(t, Config{Inputs: []string{path}})
		var packets uint64
		for i, c := range []ExtractConfig{{Payload: true}, {}, {Pseudonyms: testPseudonyms}} {
			var out bytes.Buffer
			c.First, c.Read, c.Want, c.Out = a.config, a.result.Inputs, a.all(0), &out
			result, err := Extract(context.Background(), c)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				packets = result.Packets
			}
			if result.Packets != packets || result.Connections != len(a.conns) || result.Lost != 0 {
				t.Fatalf("%+v of %d packets and %d connections", result, packets, len(a.conns))
			}
			read, in := readBytes(t, out.Bytes())
			if uint64(len(read)) != packets || in.State != InputClean || in.BadOptions != 0 {
				t.Fatalf("%d packets read, %+v", len(read), in)
			}
			if checkOriginals(t, packetComments(t, out.Bytes()), result); c.Pseudonyms != nil && result.Comments != 0 {
				t.Fatalf("pseudonyms: %+v", result)
			}
			for _, r := range read {
				original := first
				if r.time != 1e18 {
					original = second
				}
				if len(r.data) > len(original) || i < 2 && !bytes.HasPrefix(original, []byte(r.data)) || i == 0 && len(r.data) != len(original) {
					t.Fatalf("% x was written as % x", original, r.data)
				}
			}
		}
	})
}
