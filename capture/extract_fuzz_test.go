package capture

import (
	"bytes"
	"context"
	"testing"
)

// FuzzExtract takes two packets through both passes. Every packet of a connection is written, whole, as headers and under pseudonyms; none that is
// written is longer than it was captured, and headers begin the packet.
func FuzzExtract(f *testing.F) {
	for _, c := range decodeCases {
		f.Add(c.link, unhex(f, c.hex), unhex(f, c.hex))
	}
	for _, seed := range tunnelSeeds(f) {
		f.Add(uint16(linkRaw), seed, seed)
	}
	f.Fuzz(func(t *testing.T, link uint16, first, second []byte) {
		if len(first) > maxCaptured || len(second) > maxCaptured {
			return
		}
		path := writeFile(t, t.TempDir(), "in", pcapBytes(little, pcapMagicMicro, uint32(link), testPacket{ticks: 1e15, data: first}, testPacket{ticks: 1e15 + 1, data: second}))
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
