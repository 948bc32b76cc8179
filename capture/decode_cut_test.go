package capture

import (
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// told is what a packet says, without what depends on how much of it was captured.
type told struct {
	flow.Packet
	addresses [2][16]byte
	payload   uint32
}

// layers decodes a record and gives its packet and those in tunnels, with the reason of the outermost.
func (b *bench) layers(link uint16, rec record) (Reason, []told) {
	r := b.decode(link, rec)
	var list []told
	for i := range b.out.Packets[:b.out.N] {
		p := b.out.Packets[i]
		p.Hash, p.PayloadLen, p.PayloadOff, p.Time = 0, 0, 0, 0
		p.Bits &^= flow.Quoting
		p.Context = 0 // numbered in the order of coming
		t := told{Packet: p}
		if p.Bits&flow.IPv6 != 0 {
			t.addresses = b.out.Addr6[i]
			t.A, t.B = 0, 0
		}
		if p.Proto == flow.TCP && p.Bits&flow.Fragment == 0 {
			t.payload = b.out.Payload[i]
		}
		list = append(list, t)
	}
	return r, list
}

// checkCut holds a packet cut by snaplen against the whole one: it says the same, or less, or that it is truncated.
func (b *bench) checkCut(t *testing.T, link uint16, data []byte, kept int, time *int64) {
	t.Helper()
	decode := func(d []byte) (Reason, []told) {
		*time += 2 * fragmentLifetime // nothing is left of earlier fragments
		return b.layers(link, record{data: d, wire: uint32(len(data)), time: *time})
	}
	whole, all := decode(data)
	cut, some := decode(data[:kept:kept])
	switch {
	case cut.Class() == Truncated && len(some) == 0:
	case cut.Class() == Malformed && whole.Class() != Malformed:
		t.Fatalf("link %d, captured %d of %d bytes: %v, whole: %v", link, kept, len(data), cut, whole)
	case whole == reasonDecoded && cut != reasonDecoded:
		t.Fatalf("link %d, captured %d of %d bytes: %v, whole: %v", link, kept, len(data), cut, whole)
	case whole == reasonDecoded && (len(some) > len(all) || !slices.Equal(some, all[:len(some)])):
		t.Fatalf("link %d, captured %d of %d bytes: invented\n%+v\nwhole:\n%+v", link, kept, len(data), some, all)
	}
}

// Every packet of a mixed batch, cut at every byte.
func TestCutPackets(t *testing.T) {
	b, time := newBench(), int64(0)
	for _, rec := range mixedBatch(t).recs[:8] {
		for kept := range rec.data {
			b.checkCut(t, linkEthernet, rec.data, kept, &time)
		}
	}
}

func FuzzCuts(f *testing.F) {
	for i, rec := range mixedBatch(f).recs[:8] {
		f.Add(uint16(linkEthernet), rec.data, uint16(20+4*i))
	}
	f.Add(uint16(linkEthernet), error4(f, hostB, hostA, 3, 3, unhex(f, udp4)), uint16(60))
	f.Add(uint16(linkEthernet), error6(f, 1, 4, unhex(f, udp6)), uint16(90))
	f.Add(uint16(linkRaw), unhex(f, "60 00 00 00 00 3c 00 40"+v6ends+"3c 00 01 04 00 00 00 00 2b 00 01 04 00 00 00 00 33 00 00 00 00 00 00 00 2c 02 00 00 00 00 00 01 00 00 00 01 00 00 00 00 11 00 00 09 00 00 00 09"+udp), uint16(70))
	f.Add(uint16(linkRaw), unhex(f, "45 00 00 2c 00 01 00 00 40 33 00 00"+v4ends+"11 01 00 00 00 00 00 01 00 00 00 01"+udp), uint16(30))
	for _, data := range tunnelSeeds(f) {
		f.Add(uint16(linkRaw), data, uint16(50))
	}
	for _, c := range decodeCases {
		data := unhex(f, c.hex)
		f.Add(c.link, data, uint16(len(data)-1))
	}
	b, time := newBench(), int64(0)
	f.Fuzz(func(t *testing.T, link uint16, data []byte, kept uint16) {
		if time > 1<<61 {
			time = 0
		}
		b.checkCut(t, link, data, min(int(kept), len(data)), &time)
	})
}
