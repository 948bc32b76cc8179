package inspect

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// fuzzedPorts are those that a fuzzed input chooses from.
var fuzzedPorts = []uint16{135, 445, 139, 389, 88, 1433, 3389, 137, 138, 49700}

// packed is turns as one input: for each a length of two bytes whose first bit is the side.
func packed(turns ...turn) []byte {
	var b []byte
	for _, t := range turns {
		b = binary.BigEndian.AppendUint16(b, uint16(len(t.data))|uint16(t.from)<<15)
		b = append(b, t.data...)
	}
	return b
}

func unpacked(b []byte) (turns []turn) {
	for len(b) >= 2 && len(turns) < 64 {
		n := binary.BigEndian.Uint16(b)
		b = b[2:]
		size := min(int(n&0x7fff), len(b))
		turns = append(turns, turn{int(n >> 15), string(b[:size])})
		b = b[size:]
	}
	return turns
}

// proven is facts without the share of printable bytes, which is that of the bytes read until nothing recognises them.
func proven(facts []flow.Fact) []string {
	return slices.DeleteFunc(words(facts), func(w string) bool { return strings.HasPrefix(w, "printable ") })
}

// FuzzMicrosoft: the protocols of Windows tell the same facts, names and ports however the streams are cut into segments, also as datagrams, and
// every port that is announced is one that the control conversation's caller may connect to.
func FuzzMicrosoft(f *testing.F) {
	ept := controlInterfaces[0].name
	everyRPC(func(x rpcText) {
		x.auth, x.level = x.wide, 5
		f.Add(packed(orig(x.bind(pduBind, 1, ept)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 3, "")), resp(x.response(2, x.entries(false, testTowers), 300))), uint8(0), uint16(3), true)
		f.Add(packed(orig(x.bind(pduBind, 1, ept)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 2, "")), resp(x.response(2, x.entries(true, testTowers), 3000))), uint8(0), uint16(99), false)
		stub := ndrText{order: x.order, wide: x.wide}
		text := activation("A[50937]", "192.0.2.7[50937]")
		stub.u32(1).ptr(0, 2, uint64(len(text))).u32(uint32(len(text))).raw(text)
		f.Add(packed(orig(x.bind(pduBind, 1, controlInterfaces[1].name)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 4, "")), resp(x.response(2, string(stub.b), 3000))), uint8(0), uint16(99), true)
	})
	f.Add(packed(slices.Concat([]turn{smb2Hello, smb2Chosen(0x0311, 1, 0, 2)}, smb2Login, []turn{smb2Tree(5, 1, false), smb2Ask(smb2Create, 5, random(80)), orig(smb2Sealed)})...), uint8(1), uint16(70), true)
	f.Add(packed(orig("\x81\x00\x00\x44"+testNetbios("SERVER7", 0x20)+testNetbios("PC9", 0)), resp("\x82\x00\x00\x00"), orig(session(smbPlain1+zeros(40)))), uint8(2), uint16(5), true)
	f.Add(packed(orig(ldapText(7, ldapExtended, ber(0x80, startTLS))), resp(ldapResult(7, ldapExtendedAnswer, 0)), orig("\x16\x03\x01")), uint8(3), uint16(4), true)
	f.Add(packed(orig(ldapBindText(2, ber(0xa3))), resp(ldapResult(2, ldapBindAnswer, 0)), orig(saslBuffer("\x05\x04\x06\xff"+random(99)))), uint8(3), uint16(4), false)
	f.Add(packed(orig(saslBuffer(ber(0x6a, ber(0x30, ber(0xa1, "\x02\x01\x05"), ber(0xa2, "\x02\x01\x0a")))))), uint8(4), uint16(4), true)
	f.Add(packed(orig(tdsHello(tdsPrelogin, 0)), resp(tdsHello(tdsAnswer, 0)), orig(tdsText(tdsPrelogin, string(testRecords(100, testClientHello("a.example", 0)[5:])))), orig("\x17\x03\x03\x00\x02ab"), orig(tdsText(tdsBatch, "x"))), uint8(5), uint16(9), true)
	f.Add(packed(orig(x224(rdpRequest, "Cookie: a\r\n")), resp(x224(rdpConfirm, "")), resp(tpkt("McDn\x0c\x02\x0c\x0c\x00\x02\x00\x00\x00\x03\x00\x00\x00"))), uint8(6), uint16(9), true)
	f.Add(packed(orig("\x12\x34\x29\x10\x00\x01\x00\x00\x00\x00\x00\x01"+testNetbios("PC9", 0)+"\x00\x20\x00\x01\xc0\x0c\x00\x20\x00\x01\x00\x04\x93\xe0\x00\x06\x00\x00\xc0\x00\x02\x09")), uint8(7), uint16(0), true)
	f.Fuzz(func(t *testing.T, b []byte, choice uint8, cut uint16, handshake bool) {
		if len(b) > maxHead/2 {
			return
		}
		port, turns := fuzzedPorts[int(choice)%len(fuzzedPorts)], unpacked(b)
		run(t, overUDP(port, turns...)...)
		segments := overTCP(port, turns...)
		if !handshake {
			segments = midstream(segments)
		}
		facts, _, list := run(t, segments...)
		want, announced := proven(facts), told(list)
		for _, a := range list {
			if caller := a.Orig.Addr(); caller != testOrig && caller != testResp || a.To.Port() != 0 && (a.Peer != caller || a.Until-a.At != int64(rpcValid) || !a.To.Addr().IsValid()) {
				t.Fatalf("announced: %+v", a)
			}
		}
		for how, other := range map[string][]segment{"cut": cutAt(segments, int(cut)), "in pieces": pieces(segments, 1+int(cut%64))} {
			facts, _, list := run(t, other...)
			if got := proven(facts); !slices.Equal(got, want) {
				t.Fatalf("%s: facts %q, whole: %q", how, got, want)
			}
			if got := told(list); !slices.Equal(got, announced) {
				t.Fatalf("%s: announced %q, whole: %q", how, got, announced)
			}
		}
	})
}

// FuzzEndpoints: whatever a stub holds, what it announces is bounded and has a port, and reading it ends.
func FuzzEndpoints(f *testing.F) {
	everyRPC(func(x rpcText) {
		f.Add([]byte(x.entries(false, testTowers)), x.order.String() == "BigEndian", x.wide)
		f.Add([]byte(x.entries(true, testTowers)), x.order.String() == "BigEndian", x.wide)
	})
	f.Add([]byte(activation("A[50937]", "192.0.2.7[50937]")), false, false)
	f.Fuzz(func(t *testing.T, stub []byte, big, wide bool) {
		order := binary.ByteOrder(binary.LittleEndian)
		if big {
			order = binary.BigEndian
		}
		for _, control := range controlInterfaces {
			for _, read := range control.responses {
				var found endpoints
				r := ndr{data: stub, order: order, wide: wide}
				read(&found, &r)
				if r.at > len(stub) || len(found.list) > maxEndpoints || len(found.list) > len(stub)/8 {
					t.Fatalf("%d endpoints of %d bytes, at %d", len(found.list), len(stub), r.at)
				}
				for _, p := range found.list {
					if p.port == 0 || p.proto == 0 {
						t.Fatalf("%+v", p)
					}
				}
			}
		}
	})
}
