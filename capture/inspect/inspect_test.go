package inspect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

func TestUnknown(t *testing.T) {
	expect(t, overTCP(9, orig("\x01\x02hello, nobody knows this"), resp("\x03\x04nor that")), "protocol unknown", "printable 88")
	expect(t, overTCP(9))
}

// ask is a TCP connection of its own whose opener has said so much.
func ask(n int, data string) []segment {
	segments := overTCP(9, orig(data))
	for i := range segments {
		segments[i].orig = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}), uint16(1024+n>>16))
	}
	return segments
}

func TestLimitOfWaiting(t *testing.T) {
	const extra = 10
	h := newHarness()
	for n := range maxWaiting + extra {
		for _, s := range ask(n, "\x16\x03") {
			h.send(s)
		}
	}
	if c := h.inspector.Counters(); c.Crowded != extra || h.inspector.waiting.n != maxWaiting {
		t.Errorf("%d waiting, %+v", h.inspector.waiting.n, c)
	}
	h.close(t)
	if c := h.inspector.Counters(); c.Unknown != maxWaiting+extra {
		t.Errorf("%+v", c)
	}
}

func TestLimitOfFollowed(t *testing.T) {
	const extra = 5
	hello := string(testClientHello("a.example", 0))
	h := newHarness()
	for n := range maxFollowed + extra {
		for _, s := range ask(n, hello) {
			h.send(s)
		}
	}
	if c := h.inspector.Counters(); c.Crowded != extra || h.inspector.followed != maxFollowed || c.Recognised != maxFollowed+extra {
		t.Errorf("%d followed, %+v", h.inspector.followed, c)
	}
	h.close(t)
}

func TestLimitOfBytes(t *testing.T) {
	part := testClientHello("a.example", maxHead-1000)[:maxHead-1200] // never complete
	h := newHarness()
	most := 0
	for n := range maxHeld/len(part) + 20 {
		for _, s := range ask(n, string(part)) {
			h.send(s)
		}
		most = max(most, h.inspector.bytes)
	}
	if most > maxHeld || most < maxHeld-maxHead {
		t.Errorf("at most %d bytes held", most)
	}
	if c := h.inspector.Counters(); c.Lost == 0 {
		t.Errorf("%+v", c)
	}
	h.close(t)
}

// TestMemoryOfIdle holds that a followed conversation that waits for nothing holds no memory for it.
func TestMemoryOfIdle(t *testing.T) {
	h := newHarness()
	hello := string(testClientHello("a.example", 9000))
	for _, s := range pieces(ask(1, hello), 1000) {
		h.send(s)
	}
	if h.inspector.followed != 1 || len(h.inspector.spare) != 1 {
		t.Errorf("%d followed, %d buffers to spare", h.inspector.followed, len(h.inspector.spare))
	}
	for c := range h.inspector.held.each {
		if c.sides[0].unread != nil || c.sides[1].unread != nil {
			t.Errorf("memory for nothing: %+v", c.sides)
		}
	}
	h.close(t)
}

// TestCrowdedControl holds that a control conversation that is let go is told as lost, and so is one of which the beginning is missing.
func TestCrowdedControl(t *testing.T) {
	const extra = 3
	request := "\x00\x01file\x00octet\x00"
	h := newHarness()
	for n := range maxFollowed + extra {
		s := overUDP(69, orig(request))[0]
		s.orig = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}), uint16(1024+n>>16))
		h.batch.N, h.offered = 0, 0
		h.put(s)
		h.batch.Packets[0].Time = 1_700_000_000e9 // all at once: none is idle
		h.addBatch()
	}
	lost := 0
	for _, a := range h.announcements {
		if a.Event == flow.ControlLost {
			lost++
		}
	}
	if lost != extra {
		t.Errorf("%d lost", lost)
	}
	h.close(t)
	for _, port := range []uint16{21, 111, 135, 9} {
		_, _, announcements := run(t, slices.Delete(pieces(overTCP(port, orig(strings.Repeat("text ", 20))), 10), 3, 4)...)
		if got := len(announcements) == 1 && announcements[0].Event == flow.ControlLost && announcements[0].Orig.Addr() == testOrig; got != (port != 9) {
			t.Errorf("port %d: %v", port, announcements)
		}
	}
}

// TestTimeOfAnnouncement holds that what a packet without a usable time announces is valid from the time of the one before it.
func TestTimeOfAnnouncement(t *testing.T) {
	h := newHarness()
	good, bad := overUDP(69, orig("\x00\x01a\x00octet\x00"))[0], overUDP(69, orig("\x00\x01b\x00octet\x00"))[0]
	h.send(good)
	h.batch.N, h.offered = 0, 0
	h.put(bad)
	h.batch.Packets[0].Time, h.batch.Packets[0].Bits = 0, h.batch.Packets[0].Bits|flow.BadTime
	h.addBatch()
	if a, b := h.announcements[1], h.announcements[2]; b.At != a.At || b.Until != a.Until {
		t.Errorf("%+v then %+v", a, b)
	}
	h.close(t)
}

// TestPacketNumbers holds that what is told at the end names a packet of its own connection.
func TestPacketNumbers(t *testing.T) {
	segments := slices.Concat(ask(1, "\x01nothing"), ask(2, "\x02nothing"))
	h := newHarness()
	for _, s := range segments {
		h.send(s)
	}
	h.close(t)
	for i, c := range h.conns {
		for _, f := range c.Facts {
			if want := uint64(4 * (i + 1)); f.Packet != want {
				t.Errorf("connection %d: %v at packet %d, want %d", i, f.Value, f.Packet, want)
			}
		}
	}
}

// TestOneBatch sends a whole connection in one batch: what is decided in it is not asked again.
func TestOneBatch(t *testing.T) {
	segments := midstream(overTCP(9, orig("\x01nothing"), resp("\x02nothing"), orig("\x01more"), resp("\x02more")))
	h := newHarness()
	h.sendBatch(segments)
	h.close(t)
	if got := words(h.conns[0].Facts); len(got) != 2 || got[0] != "protocol unknown" {
		t.Error(got)
	}
	if c := h.inspector.Counters(); c.Unknown != 1 {
		t.Errorf("%+v", c)
	}
}

func BenchmarkUndecidedHead(b *testing.B) {
	hello := testClientHello("a.example", 1500)
	for _, size := range []int{len(hello), 100} {
		b.Run(fmt.Sprintf("segments=%d", size), func(b *testing.B) {
			h := newHarness()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				segments := pieces(ask(i&(1<<20-1), string(hello)), size)
				for _, s := range segments {
					h.send(s)
				}
				if len(h.conns) > 1<<12 {
					h.conns = h.conns[:0]
				}
			}
		})
	}
}

func BenchmarkDatagramUnknown(b *testing.B) {
	h := newHarness()
	s := overUDP(9, orig("\x01\x02\x03\x04nothing known"))[0]
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		s.orig = netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), uint16(i>>16))
		h.send(s)
		h.conns = h.conns[:0]
	}
}
