package inspect

import (
	"encoding/binary"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// FuzzTLS gives both sides bytes, and holds that how they are cut makes no difference.
func FuzzTLS(f *testing.F) {
	hello := testHello("a.example", 0)
	answer := testRecords(50, testServerHello(0x303, 5), testMessage(msgCertificate, 0, 0, 1, 2), testMessage(msgCertificateRequest), testMessage(msgServerHelloDone))
	f.Add(testRecords(3, hello), answer, []byte(testChange+testFinished), uint16(7))
	f.Add(testRecords(99, hello), []byte("\x15\x03\x03\x00\x02\x02\x28"), []byte("\x17\x03\x03\x00\x01x"), uint16(1))
	f.Add([]byte("\x80\x1f\x01\x03\x01\x00\x06\x00\x00\x00\x10\x00\x00\x2f\x00\x00\x35................"), answer, []byte{}, uint16(3))
	f.Add([]byte("\x80\x1c\x01\x00\x02\x00\x03\x00\x00\x00\x10\x01\x00\x80................"), []byte("\x80\x0d\x04\x00\x01\x00\x02\x00\x00\x00\x00\x00\x02.."), []byte("\x80\x02\x02\x00"), uint16(2))
	f.Add([]byte("\x01not TLS"), answer, []byte{}, uint16(3)) // the responder is recognised, what the originator said before is read first
	f.Fuzz(func(t *testing.T, a, b, more []byte, size uint16) {
		if len(a)+len(more) > 8000 || len(b)+len(more) > 8000 {
			return
		}
		segments := overTCP(443, orig(a), resp(b), orig(more), resp(more))
		whole := recognised(t, segments)
		if cut := recognised(t, pieces(segments, 1+int(size)%2000)); !slices.Equal(whole, cut) {
			t.Fatalf("whole: %v\nin pieces of %d: %v", whole, 1+int(size)%2000, cut)
		}
	})
}

// recognised are the facts but those of unknown payload, of which only as much as it takes is read.
func recognised(t *testing.T, segments []segment) []string {
	facts, _, _ := run(t, segments...)
	return words(slices.DeleteFunc(facts, func(f flow.Fact) bool { return f.Value == "unknown" || f.Kind == flow.FactPrintable }))
}

// FuzzQUIC gives datagrams to all protocols over UDP, alone and in one batch; where protect is set those of the client are frames in Initials.
func FuzzQUIC(f *testing.F) {
	hello := testHello("quic.example", 0)
	list := func(datagrams ...string) (b []byte) {
		for _, d := range datagrams {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(d))), d...)
		}
		return b
	}
	f.Add(list(string(testCrypto(0, hello)), testHandshakePacket(quicV1)), true)
	f.Add(list(string(testCrypto(30, hello[30:])), testHandshakePacket(quicV1), string(testCrypto(0, hello[:30]))), true)
	f.Add(list(testInitial(quicV2, "original", "original", 3, testCrypto(0, hello)), testHandshakePacket(quicV2)), false)
	f.Add(list(testFragments(0, testDTLSHello("x"), 100)...), false)
	f.Add(list(testSTUN(), testSTUN(testExtension(stunData, []byte(testFragments(0, testDTLSHello(""), 2000)[0])...)...)), false)
	f.Fuzz(func(t *testing.T, data []byte, protect bool) {
		var turns []turn
		for len(data) >= 2 && len(turns) < 100 {
			n := min(int(binary.BigEndian.Uint16(data)), len(data)-2)
			turn := turn{len(turns) & 1, string(data[2 : 2+n])}
			if protect && turn.from == 0 {
				turn.data = testInitial(quicV1, "original", "original", uint16(len(turns)), []byte(turn.data[:min(n, 1150)]))
			}
			turns, data = append(turns, turn), data[2+n:]
		}
		if len(turns) == 0 {
			return
		}
		segments := overUDP(443, turns...)
		facts, _, _ := run(t, segments...)
		h := newHarness()
		h.sendBatch(segments)
		h.close(t)
		if a, b := words(facts), words(h.conns[0].Facts); !slices.Equal(a, b) {
			t.Fatalf("alone: %v\nin one batch: %v", a, b)
		}
	})
}
