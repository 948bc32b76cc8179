package inspect

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pcapaudit/capture/flow"
)

// turn is what one side says: the originator (0) or the responder (1).
type turn struct {
	from int
	data string
}

func orig[T string | []byte](data ...T) turn { return turn{0, join(data)} }
func resp[T string | []byte](data ...T) turn { return turn{1, join(data)} }

func join[T string | []byte](data []T) string {
	var s strings.Builder
	for _, d := range data {
		s.WriteString(string(d))
	}
	return s.String()
}

// segment is one packet of a test: a TCP segment or a datagram.
type segment struct {
	from       int // 0: the originator
	orig, resp netip.AddrPort
	proto      flow.Proto
	flags      flow.TCPFlags
	seq, ack   uint32
	data       []byte
	cut        int // bytes behind data that the capture has not
}

const testISN = 0xffffff00 // sequence numbers wrap soon

var (
	testOrig = netip.MustParseAddr("192.0.2.9") // the higher address: the originator is end B
	testResp = netip.MustParseAddr("192.0.2.7")
)

// overTCP is a connection to a port, with handshake, in segments of at most 1460 bytes.
func overTCP(port uint16, turns ...turn) []segment {
	s := segment{orig: netip.AddrPortFrom(testOrig, 49152), resp: netip.AddrPortFrom(testResp, port), proto: flow.TCP}
	seq := [2]uint32{testISN, testISN / 2}
	add := func(from int, flags flow.TCPFlags, data []byte) segment {
		s := s
		s.from, s.flags, s.seq, s.ack, s.data = from, flags, seq[from], seq[from^1], data
		return s
	}
	segments := []segment{add(0, flow.SYN, nil)}
	segments[0].ack = 0
	seq[0]++
	segments = append(segments, add(1, flow.SYN|flow.ACK, nil))
	seq[1]++
	segments = append(segments, add(0, flow.ACK, nil))
	for _, t := range turns {
		for data := []byte(t.data); len(data) > 0; {
			n := min(len(data), 1460)
			segments = append(segments, add(t.from, flow.ACK|flow.PSH, data[:n]))
			seq[t.from] += uint32(n)
			data = data[n:]
		}
	}
	return segments
}

// overUDP is one datagram for each turn.
func overUDP(port uint16, turns ...turn) []segment {
	var segments []segment
	for _, t := range turns {
		segments = append(segments, segment{from: t.from, orig: netip.AddrPortFrom(testOrig, 49152), resp: netip.AddrPortFrom(testResp, port),
			proto: flow.UDP, data: []byte(t.data)})
	}
	return segments
}

// midstream leaves the handshake out.
func midstream(segments []segment) []segment {
	return slices.DeleteFunc(slices.Clone(segments), func(s segment) bool { return len(s.data) == 0 })
}

// cutAt cuts each side's stream at a byte (from 0), and at further ones.
func cutAt(segments []segment, at ...int) []segment {
	var out []segment
	var done [2]int
	for _, s := range segments {
		for _, a := range at {
			if n := a - done[s.from]; n > 0 && n < len(s.data) {
				first := s
				first.data, s.data = s.data[:n], s.data[n:]
				s.seq += uint32(n)
				done[s.from] += n
				out = append(out, first)
			}
		}
		done[s.from] += len(s.data)
		out = append(out, s)
	}
	return out
}

// pieces cuts all segments into ones of at most size bytes.
func pieces(segments []segment, size int) []segment {
	var out []segment
	for _, s := range segments {
		for ; len(s.data) > size; s.seq += uint32(size) {
			first := s
			first.data, s.data = s.data[:size], s.data[size:]
			out = append(out, first)
		}
		out = append(out, s)
	}
	return out
}

// disordered swaps segments of one side that follow each other, and sends some again, partly or whole.
func disordered(segments []segment, r *rand.Rand) []segment {
	var out []segment
	for _, s := range segments {
		out = append(out, s)
		if len(s.data) > 0 && r.IntN(4) == 0 {
			from := r.IntN(len(s.data))
			s.data, s.seq = s.data[from:], s.seq+uint32(from)
			out = append(out, s)
		}
	}
	for i := 1; i < len(out); i++ {
		if a, b := &out[i-1], &out[i]; a.from == b.from && len(a.data) > 0 && len(b.data) > 0 && r.IntN(2) == 0 {
			*a, *b = *b, *a
		}
	}
	return out
}

// harness drives a table and an Inspector as the packet loop does.
type harness struct {
	table         *flow.Table
	told          *flow.Told
	inspector     *Inspector
	batch         flow.Batch
	payloads      [][]byte // of the batch
	offered       int      // packets of the batch
	num           uint64
	conns         []flow.Conn
	names         []flow.Name
	announcements []flow.Announcement
	doubts        []flow.Announcement
}

func newHarness() *harness {
	h := new(harness)
	h.table = flow.NewTable(flow.Options{MaxConnections: 1 << 17, Emit: h.emit, Settle: h.offer})
	h.told = flow.NewTold(h.table)
	h.inspector = New(h.told, Learn{
		Name: func(n *flow.Name) { h.names = append(h.names, *n) },
		Announcement: func(a *flow.Announcement) {
			if a.Event == flow.ControlDoubt || a.Event == flow.ControlWhole {
				h.doubts = append(h.doubts, *a) // they depend on how a conversation is cut
				return
			}
			h.announcements = append(h.announcements, *a)
		},
	}, h.table.Wish)
	return h
}

// send gives one packet to both.
func (h *harness) send(s segment) { h.sendBatch([]segment{s}) }

// sendBatch gives packets to both, in one batch.
func (h *harness) sendBatch(segments []segment) {
	h.batch.N, h.payloads, h.offered = 0, nil, 0
	for _, s := range segments {
		h.put(s)
	}
	h.addBatch()
}

// addBatch takes what was put through the table and the Inspector.
func (h *harness) addBatch() {
	h.table.AddBatch(&h.batch)
	h.offer()
}

// offer gives the Inspector what the table has taken.
func (h *harness) offer() {
	for ; h.offered < min(h.table.Added(), h.batch.N); h.offered++ {
		if h.batch.Packets[h.offered].Bits&flow.Head == 0 {
			continue
		}
		var o flow.Offer
		h.table.Offer(&o, &h.batch, h.offered)
		data := slices.Clone(h.payloads[h.offered])
		h.inspector.Packet(&o, data)
		for i := range data { // the packet loop reuses them
			data[i] = 0xee
		}
	}
}

// emit is what the table calls.
func (h *harness) emit(rec uint32, c *flow.Conn) {
	h.offer()
	h.inspector.End(rec)
	c.Facts = h.told.Of(rec)
	h.conns = append(h.conns, kept(c))
	h.told.Drop(rec)
}

func (h *harness) put(s segment) {
	b := &h.batch
	i := b.N
	h.num++
	b.N++
	h.payloads = append(h.payloads[:i], s.data)
	p := &b.Packets[i]
	*p = flow.Packet{Time: 1_700_000_000e9 + int64(h.num)*1e6, Num: h.num, Proto: s.proto, Flags: s.flags, Seq: s.seq, Ack: s.ack,
		PayloadLen: uint32(len(s.data)), IPLen: uint32(40 + len(s.data) + s.cut)}
	src, dst := s.orig, s.resp
	if s.from == 1 {
		src, dst = dst, src
	}
	p.PortA, p.PortB = src.Port(), dst.Port()
	if src.Addr().Is4() {
		a, b := src.Addr().As4(), dst.Addr().As4()
		h.table.Hasher().SetEnds4(p, binary.BigEndian.Uint32(a[:]), binary.BigEndian.Uint32(b[:]))
	} else {
		from, to := src.Addr().As16(), dst.Addr().As16()
		h.table.Hasher().SetEnds6(p, &b.Addr6[i], &from, &to)
	}
	b.Payload[i] = 0
	if s.proto == flow.TCP {
		b.Payload[i] = uint32(len(s.data) + s.cut)
	}
}

// close ends all connections and checks that nothing is held any more.
func (h *harness) close(t testing.TB) {
	t.Helper()
	h.table.Close()
	in, open := h.inspector, 0
	for range in.held.each {
		open++
	}
	if open != 0 || in.waiting.n != 0 || in.followed != 0 || in.bytes != 0 {
		t.Fatalf("after the end: %d conversations, %d waiting, %d followed, %d bytes held", open, in.waiting.n, in.followed, in.bytes)
	}
	for _, c := range h.conns {
		checkFacts(t, c.Facts)
	}
}

// checkFacts holds what is true of all facts.
func checkFacts(t testing.TB, facts []flow.Fact) {
	t.Helper()
	if len(facts) > 16 {
		t.Fatalf("%d facts", len(facts))
	}
	for i, f := range facts {
		if len(f.Value) > flow.MaxFactValue || f.Value == "" {
			t.Fatalf("fact %v has a value of %d bytes", f.Kind, len(f.Value))
		}
		if i > 0 && f.Packet < facts[i-1].Packet {
			t.Fatalf("facts are not in packet order: %v", facts)
		}
		if f.Kind == flow.FactName {
			if name, ok := HostName([]byte(f.Value)); !ok || name != f.Value {
				t.Fatalf("name %q is no host name", f.Value)
			}
		}
	}
}

// run sends the packets of one or more connections through a table and an Inspector. The facts of all connections are in order of their ends.
func run(t testing.TB, segments ...segment) (facts []flow.Fact, names []flow.Name, announcements []flow.Announcement) {
	t.Helper()
	h := newHarness()
	for _, s := range segments {
		h.send(s)
	}
	h.close(t)
	for _, c := range h.conns {
		facts = append(facts, c.Facts...)
	}
	return facts, h.names, h.announcements
}

var factWords = [...]string{"protocol", "encrypted", "clear", "offered", "client-cert", "server-cert", "alpn", "name", "printable", "note"}

// words renders facts without packet numbers: "encrypted TLS 1.3", "name sni example.com".
func words(facts []flow.Fact) []string {
	list := make([]string, 0, len(facts))
	for _, f := range facts {
		w := factWords[f.Kind] + " "
		if f.Kind == flow.FactName {
			w += f.Origin.String() + " "
		}
		list = append(list, w+f.Value)
	}
	return list
}

// expect runs the segments and compares the facts, as words gives them.
func expect(t testing.TB, segments []segment, want ...string) {
	t.Helper()
	facts, _, _ := run(t, segments...)
	if got := words(facts); !slices.Equal(got, want) {
		t.Errorf("facts:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// everyWay runs a TCP connection cut at each byte, in tiny segments, disordered and sent again, and expects the same facts of all.
func everyWay(t testing.TB, segments []segment, want ...string) {
	t.Helper()
	check := func(how string, segments []segment) {
		t.Helper()
		facts, _, _ := run(t, segments...)
		if got := words(facts); !slices.Equal(got, want) {
			t.Fatalf("%s: facts:\n%s\nwant:\n%s", how, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	check("whole", segments)
	longest := [2]int{}
	for _, s := range segments {
		longest[s.from] += len(s.data)
	}
	step := max(1, max(longest[0], longest[1])/500)
	for at := 1; at < max(longest[0], longest[1]); at += step {
		check(fmt.Sprintf("cut at %d", at), cutAt(segments, at))
	}
	for _, size := range []int{1, 2, 7, 100} {
		check(fmt.Sprintf("in pieces of %d", size), pieces(segments, size))
	}
	for seed := range uint64(8) {
		check(fmt.Sprintf("disordered %d", seed), disordered(pieces(segments, 40+int(seed)*50), rand.New(rand.NewPCG(1, seed))))
	}
}

// kept is a connection that outlives its emission.
func kept(c *flow.Conn) flow.Conn {
	k := *c
	k.Facts = slices.Clone(c.Facts)
	return k
}

// each gives all conversations.
func (h *heldConversations) each(yield func(*conversation) bool) {
	for _, slot := range h.slots {
		if slot != 0 && !yield(h.at(slot)) {
			return
		}
	}
}
