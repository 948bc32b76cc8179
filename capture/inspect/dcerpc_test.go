package inspect

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// ndrText builds a stub or PDU in an order of bytes.
type ndrText struct {
	b     []byte
	order binary.AppendByteOrder
	wide  bool
}

func (w *ndrText) align(n int) *ndrText {
	for len(w.b)%n != 0 {
		w.b = append(w.b, 0xaa)
	}
	return w
}

func (w *ndrText) u16(list ...uint16) *ndrText {
	for _, n := range list {
		w.b = w.order.AppendUint16(w.align(2).b, n)
	}
	return w
}

func (w *ndrText) u32(list ...uint32) *ndrText {
	for _, n := range list {
		w.b = w.order.AppendUint32(w.align(4).b, n)
	}
	return w
}

// ptr adds pointers, or counts.
func (w *ndrText) ptr(list ...uint64) *ndrText {
	for _, n := range list {
		if w.wide {
			w.b = w.order.AppendUint64(w.align(8).b, n)
		} else {
			w.u32(uint32(n))
		}
	}
	return w
}

func (w *ndrText) raw(s ...string) *ndrText {
	w.b = append(w.b, strings.Join(s, "")...)
	return w
}

func (w *ndrText) id(u uuid) *ndrText {
	u = u.inOrder(w.order.(binary.ByteOrder))
	return w.raw(string(u[:]))
}

// rpcText makes the PDUs of a conversation.
type rpcText struct {
	order binary.AppendByteOrder
	wide  bool
	level byte // of protection
	auth  bool // calls have a trailer
}

func (x rpcText) pdu(kind, flags byte, call uint32, body string) string {
	w := ndrText{order: x.order}
	drep := "\x00"
	if x.order == binary.AppendByteOrder(binary.LittleEndian) {
		drep = "\x10"
	}
	trailer, auth := "", 0
	if x.auth && (kind == pduRequest || kind == pduResponse) {
		pad := -len(body) & 15
		trailer = zeros(pad) + string([]byte{10, x.level, byte(pad), 0}) + zeros(4) + random(16)
		auth = 16
	}
	return string(w.raw("\x05\x00", string([]byte{kind, flags}), drep, zeros(3)).u16(uint16(16+len(body)+len(trailer)), uint16(auth)).u32(call).raw(body, trailer).b)
}

var ndr32 = uuid{0x8a, 0x88, 0x5d, 0x04, 0x1c, 0xeb, 0x11, 0xc9, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60}

// bind offers the interface in NDR as context 0 and in NDR64 as context 1.
func (x rpcText) bind(kind byte, call uint32, name uuid) string {
	w := ndrText{order: x.order}
	w.u16(5840, 5840).u32(0).raw("\x02\x00\x00\x00")
	for i, syntax := range []uuid{ndr32, ndr64} {
		w.u16(uint16(i)).raw("\x01\x00").id(name).u32(3).id(syntax).u32(2)
	}
	return x.pdu(kind, 3, call, string(w.b))
}

// bound accepts one of the two.
func (x rpcText) bound(kind byte, call uint32) string {
	w := ndrText{order: x.order}
	w.u16(5840, 5840).u32(77).u16(4).raw("135\x00").align(4).raw("\x02\x00\x00\x00")
	for i, syntax := range []uuid{ndr32, ndr64} {
		if accepted := i == 1 == x.wide; accepted {
			w.u16(0, 0).id(syntax).u32(2)
		} else {
			w.u16(2, 2).raw(zeros(20))
		}
	}
	return x.pdu(kind, 3, call, string(w.b))
}

func (x rpcText) context() uint16 {
	if x.wide {
		return 1
	}
	return 0
}

func (x rpcText) request(call uint32, opnum uint16, stub string) string {
	w := ndrText{order: x.order}
	return x.pdu(pduRequest, 3, call, string(w.u32(0).u16(x.context(), opnum).raw(stub).b))
}

// response gives the stub in fragments of at most size bytes.
func (x rpcText) response(call uint32, stub string, size int) string {
	var s string
	for flags := byte(firstPart); ; flags = 0 {
		part := stub[:min(size, len(stub))]
		if stub = stub[len(part):]; stub == "" {
			flags |= lastPart
		}
		w := ndrText{order: x.order}
		s += x.pdu(pduResponse, flags, call, string(w.u32(99).u16(x.context(), 0).raw(part).b))
		if stub == "" {
			return s
		}
	}
}

var testInterface = uuid{0x12, 0x34, 0x56, 0x78, 0x12, 0x34, 0xab, 0xcd, 0xef, 0, 0x01, 0x23, 0x45, 0x67, 0xcf, 0xfb}

const testInterfaceText = "12345678-1234-abcd-ef00-01234567cffb"

// tower is that of testInterface over a protocol, with the right hands of the last floors.
func tower(protocol byte, last ...string) string {
	w := ndrText{order: binary.LittleEndian}
	half := func(s ...string) {
		text := strings.Join(s, "")
		w.b = append(binary.LittleEndian.AppendUint16(w.b, uint16(len(text))), text...)
	}
	w.u16(uint16(3 + len(last)))
	for _, id := range []uuid{testInterface, ndr32} {
		id = id.inOrder(binary.LittleEndian)
		half("\x0d", string(id[:]), "\x01\x00")
		half("\x00\x00")
	}
	half("\x0b")
	half("\x00\x00")
	for i, right := range last {
		half(string([]byte{[]byte{protocol, floorIP}[i]}))
		half(right)
	}
	return string(w.b)
}

var testTowers = []string{
	tower(floorTCP, "\xc3\x50", "\x00\x00\x00\x00"), tower(0x10, "\\pipe\\lsass\x00", "\x00\x00\x00\x00"), tower(floorTCP, "\xc3\x51", "\xc0\x00\x02\x07"),
	tower(floorUDP, "\xc3\x52", "\xc6\x33\x64\x05"), tower(0x0c, "LRPC-1\x00"), tower(floorTCP, "\xc3\x50", "\x00\x00\x00\x00"), tower(floorHTTP, "\xc3\x53", "\x7f\x00\x00\x01"),
}

var testAnnounced = []string{"seen", testInterfaceText + " 192.0.2.9 192.0.2.7:50000", testInterfaceText + " 192.0.2.9 192.0.2.7:50001",
	testInterfaceText + " 192.0.2.9 192.0.2.7:50002", testInterfaceText + " 192.0.2.9 198.51.100.5:50002", testInterfaceText + " 192.0.2.9 192.0.2.7:50003"}

// entries is the response of ept_map, or that of ept_lookup.
func (x rpcText) entries(lookup bool, towers []string) string {
	w := ndrText{order: x.order, wide: x.wide}
	n := uint64(len(towers))
	w.raw(zeros(20)).u32(uint32(n)).ptr(n+3, 0, n)
	for i := range towers {
		if lookup {
			note := strings.Repeat("n", i) + "\x00"
			w.align(w.word()).id(testInterface).ptr(0x20000+uint64(i), 0, uint64(len(note))).raw(note)
		} else {
			w.ptr(3 + uint64(i))
		}
	}
	for _, t := range towers {
		w.ptr(uint64(len(t))).u32(uint32(len(t))).raw(t)
	}
	return string(w.u32(0).b)
}

func (w *ndrText) word() int {
	if w.wide {
		return 8
	}
	return 4
}

func everyRPC(f func(x rpcText)) {
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		for _, wide := range []bool{false, true} {
			f(rpcText{order: order, wide: wide})
		}
	}
}

func TestEndpointMapper(t *testing.T) {
	ept := controlInterfaces[0].name
	everyRPC(func(x rpcText) {
		for opnum, lookup := range map[uint16]bool{3: false, 2: true} {
			segments := overTCP(135, orig(x.bind(pduBind, 1, ept)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, opnum, random(120))), resp(x.response(2, x.entries(lookup, testTowers), 300)))
			everyWay(t, segments, "protocol dcerpc", "clear DCE/RPC call in clear")
			announces(t, segments, testAnnounced...)
			announces(t, midstream(segments), append([]string{"lost"}, testAnnounced...)...)
		}
	})
}

// TestEndpointMapperLate holds that a response waits for a request that the capture has behind it, and that lost bytes are told.
func TestEndpointMapperLate(t *testing.T) {
	ept := controlInterfaces[0].name
	x := rpcText{order: binary.LittleEndian}
	segments := overTCP(135, orig(x.bind(pduBind, 1, ept)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 3, "")), resp(x.response(2, x.entries(false, testTowers), 9000)))
	late := slices.Concat(segments[:3], []segment{segments[4], segments[6], segments[3], segments[5]})
	announces(t, late, testAnnounced...)
	segments[6].cut, segments[6].data = 10, segments[6].data[:len(segments[6].data)-10]
	announces(t, segments[:7], "seen", "lost")
	cut := overTCP(135, orig(x.bind(pduBind, 1, ept)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 3, "")), resp(x.response(2, x.entries(false, testTowers)[:400], 9000)))
	if _, _, list := run(t, cut...); !slices.Contains(told(list), "lost") {
		t.Errorf("a response that ends too early is not told: %v", told(list))
	}
	over := overTCP(593, resp(rpcGreeting), orig(x.bind(pduBind, 1, ept)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 3, "")), resp(x.response(2, x.entries(false, testTowers), 9000)))
	announces(t, over, testAnnounced...)
}

// dualString is an array of string bindings over TCP, with a security binding.
func dualString(order binary.AppendByteOrder, bindings ...string) (entries, security uint16, array string) {
	w := ndrText{order: order}
	for _, text := range bindings {
		w.u16(floorTCP)
		for _, c := range text {
			w.u16(uint16(c))
		}
		w.u16(0)
	}
	security = uint16(len(w.u16(0).b) / 2)
	return uint16(len(w.u16(10, 0xffff, 0, 0).b) / 2), security, string(w.b)
}

// activation is what an activation returns: an OBJREF with properties, of which the second one is the reply.
func activation(bindings ...string) string {
	le := binary.AppendByteOrder(binary.LittleEndian)
	entries, security, array := dualString(le, bindings...)
	headers := "\x01\x10\x08\x00\xcc\xcc\xcc\xcc" + zeros(8)
	reply := ndrText{order: le}
	reply.u32(0, 0x20000).raw(random(8)).u32(0x20004).raw(random(16)).u32(5).u16(5, 7).u32(uint32(entries)).u16(entries, security).raw(array).align(8)
	out := headers + zeros(24)
	header := ndrText{order: le}
	header.raw(headers).u32(0, 112, 0, 2, 2).raw(zeros(16)).u32(0x20000, 0x20004, 0)
	header.u32(2).raw(string(comID(0x339)), string(comID(0x1b6))).u32(2, uint32(len(out)), uint32(16+len(reply.b))).align(8)
	if len(header.b) != 112 {
		panic("the header is not where it should be")
	}
	return string(objrefPrefix) + zeros(4) + random(12) + string(header.b) + out + headers + string(reply.b)
}

func TestActivation(t *testing.T) {
	bindings := []string{"SERVER7[50937]", "192.0.2.7[50937]", "198.51.100.5[50937]", "fe80::1%4[50938]", "printer"}
	want := []string{"seen", "dcom 192.0.2.9 192.0.2.7:50937", "dcom 192.0.2.9 198.51.100.5:50937", "dcom 192.0.2.9 192.0.2.7:50938", "dcom 192.0.2.9 [fe80::1]:50938"}
	everyRPC(func(x rpcText) {
		entries, security, array := dualString(x.order, bindings...)
		exporter := func(w *ndrText) string {
			return string(w.ptr(0x20000, uint64(entries)).u16(entries, security).raw(array).align(4).raw(zeros(28)).b)
		}
		created := ndrText{order: x.order, wide: x.wide}
		text := activation(bindings...)
		created.u32(1).ptr(0, 0x20000, uint64(len(text))).u32(uint32(len(text))).raw(text).u32(0)
		for _, c := range []struct {
			name  int
			opnum uint16
			stub  string
		}{
			{1, 3, string(created.b)}, {1, 4, string(created.b)}, {2, 0, exporter(&ndrText{order: x.order, wide: x.wide})}, {2, 4, exporter(&ndrText{order: x.order, wide: x.wide})},
			{3, 0, exporter((&ndrText{order: x.order, wide: x.wide}).u32(1).ptr(0).align(8).raw(random(8)))},
		} {
			x.auth, x.level = true, 5
			turns := func(x rpcText) []segment {
				return overTCP(135, orig(x.bind(pduBind, 1, testInterface)), resp(x.bound(pduBindAck, 1)), orig(x.bind(pduAlter, 2, controlInterfaces[c.name].name)), resp(x.bound(pduAlterAnswer, 2)),
					orig(x.request(3, c.opnum, random(200))), resp(x.response(3, c.stub, 500)))
			}
			segments := turns(x)
			want := want
			if c.name > 0 {
				want = want[1:] // no bind to it: an alter_context tells no beginning
			}
			announces(t, segments, want...)
			expect(t, segments, "protocol dcerpc", "clear DCE/RPC call in clear")
			x.level = levelSealed
			announces(t, turns(x), "lost")
			expect(t, turns(x), "protocol dcerpc", "encrypted DCE/RPC packet privacy")
		}
	})
}

func TestOrdinaryRPC(t *testing.T) {
	x := rpcText{order: binary.LittleEndian, auth: true, level: levelSealed}
	segments := overTCP(49700, orig(x.bind(pduBind, 1, testInterface)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 5, random(900))), resp(x.response(2, random(9000), 5000)))
	everyWay(t, segments, "protocol dcerpc", "encrypted DCE/RPC packet privacy")
	announces(t, segments)
	expect(t, overTCP(49700, orig(x.bind(pduBind, 1, testInterface))), "protocol dcerpc")
	expect(t, overTCP(593, resp(rpcGreeting)), "protocol dcerpc")
	expect(t, overTCP(1080, orig("\x05\x01\x00"), resp("\x05\x00")), "protocol unknown", "printable 0")
}

func TestTowerEndpoint(t *testing.T) {
	whole := tower(floorTCP, "\xc3\x50", "\xc6\x33\x64\x05")
	if p, ok := towerEndpoint([]byte(whole)); !ok || p.port != 50000 || p.addr != netip.MustParseAddr("198.51.100.5") || p.what != testInterfaceText {
		t.Errorf("%+v %v", p, ok)
	}
	for n := range whole {
		if p, ok := towerEndpoint([]byte(whole[:n])); ok {
			t.Errorf("the first %d bytes give %+v", n, p)
		}
	}
}

func TestManyEndpoints(t *testing.T) {
	var towers []string
	for port := range uint16(maxEndpoints + 10) {
		towers = append(towers, tower(floorTCP, string(binary.BigEndian.AppendUint16(nil, 1024+port)), zeros(4)))
	}
	x := rpcText{order: binary.LittleEndian}
	_, _, list := run(t, overTCP(135, orig(x.bind(pduBind, 1, controlInterfaces[0].name)), resp(x.bound(pduBindAck, 1)), orig(x.request(2, 2, "")), resp(x.response(2, x.entries(true, towers), 5000)))...)
	got := told(list)
	slices.Sort(got)
	if len(got) != maxEndpoints+2 || !slices.Contains(got, "lost") {
		t.Errorf("%d announcements", len(got))
	}
}
