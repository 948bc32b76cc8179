package capture

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
)

// modelDatagram says again, without limits, what becomes of fragments.
type modelDatagram struct {
	since   int64
	begun   bool
	ports   [2]uint16
	refused bool
	parts   []part // different ones
	waiting []int  // packets
}

func (m *modelDatagram) size() (size uint32) {
	for _, p := range m.parts {
		if p.last {
			size = p.to
		}
	}
	return size
}

func (m *modelDatagram) whole() bool {
	size := m.size()
	for at := range size {
		if !slices.ContainsFunc(m.parts, func(p part) bool { return p.from <= at && at < p.to }) {
			return false
		}
	}
	return size > 0
}

func (m *modelDatagram) contradicts(p part) bool {
	if slices.Contains(m.parts, p) {
		return false
	}
	size := m.size()
	return slices.ContainsFunc(m.parts, func(q part) bool {
		return q.from < p.to && p.from < q.to || p.last && q.to > p.to
	}) || size > 0 && (p.last || p.to > size)
}

// modelFragments decides packet after packet; what it said of earlier ones may change.
type modelFragments struct {
	known   map[string]*modelDatagram
	reasons []Reason
	ports   [][2]uint16 // of the decoded packets
	begun   int         // datagrams
}

func (m *modelFragments) add(key string, now int64, ports [2]uint16, needsPorts bool, p part) {
	packet := len(m.reasons)
	m.reasons, m.ports = append(m.reasons, reasonDecoded), append(m.ports, ports)
	d := m.known[key]
	if d != nil && now-d.since > fragmentLifetime {
		d = nil
	}
	copied := d != nil && slices.Contains(d.parts, p) && (p.from > 0 || d.ports == ports)
	if d == nil || d.whole() && !copied {
		d = &modelDatagram{since: now}
		m.known[key] = d
		m.begun++
	}
	before := d.refused
	d.refused = before || d.contradicts(p) || p.from == 0 && d.begun && d.ports != ports
	if d.refused {
		m.reasons[packet] = fragmentOverlap
		if before {
			m.reasons[packet] = fragmentRefused
		}
		for _, w := range d.waiting {
			m.reasons[w] = fragmentRefused
		}
		d.waiting = nil
		return
	}
	if !slices.Contains(d.parts, p) {
		d.parts = append(d.parts, p)
	}
	if p.from == 0 {
		d.begun, d.ports = true, ports
		for _, w := range d.waiting {
			m.reasons[w], m.ports[w] = reasonDecoded, ports
		}
		d.waiting = nil
	}
	m.ports[packet] = d.ports
	if !d.begun && needsPorts {
		m.reasons[packet] = reasonUnmatched
		d.waiting = append(d.waiting, packet)
	}
}

// Every fragment ends where the model has it, whatever comes in which order, with its connection's packets, bytes and times; every datagram
// is whole, refused or unfinished.
func FuzzFragments(f *testing.F) {
	f.Add([]byte{0, 7, 0, 1, 0x80 | 1, 7, 0, 1})
	f.Add([]byte{0x80 | 2, 7, 0, 1, 1, 7, 0, 1, 0, 7, 0, 1})                      // the last one first
	f.Add([]byte{0x80 | 2, 7, 0, 1, 0x80 | 3, 7, 0, 1, 0, 7, 0, 1})               // two ends
	f.Add([]byte{2, 15, 0, 1, 3, 7, 0, 1, 0, 7, 0, 1})                            // overlap before the first one
	f.Add([]byte{1, 7, 0, 1, 0, 15, 0, 1, 1, 7, 0, 1})                            // overlap of the first one
	f.Add([]byte{1, 7, 0, 1, 0, 7, 0, 31, 1, 7, 0, 1})                            // too late
	f.Add([]byte{0x80 | 1, 7, 0, 1, 0, 7, 0, 1, 0x80 | 1, 7, 0, 1, 0, 7, 3, 1})   // identification used again
	f.Add([]byte{1, 7, 0x80, 1, 0, 7, 0x80, 1, 0x80 | 1, 7, 1, 1, 0, 7, 1, 0xff}) // no ports, time runs backwards
	b := newBench()
	f.Fuzz(func(t *testing.T, steps []byte) {
		var emitted []*flow.Conn
		b.table = flow.NewTable(flow.Options{MaxConnections: 1 << 10, Emit: func(_ uint32, c *flow.Conn) { emitted = append(emitted, new(kept(c))) }})
		b.hasher, b.ledger = b.table.Hasher(), Ledger{}
		b.fragments.forget()
		m := modelFragments{known: map[string]*modelDatagram{}}
		now := int64(1e18)
		for n := 0; len(steps) >= 4 && n < maxPieces; n, steps = n+1, steps[4:] {
			now += int64(int8(steps[3])) * 1e9
			where := part{from: uint32(steps[0]&0x1f) * 8, last: steps[0]&0xa0 == 0x80 && steps[0]&0x1f != 0}
			where.to = where.from + 8 + uint32(steps[1]%32)
			proto, ports := flow.UDP, [2]uint16{1024 + uint16(steps[2]/3%2), 53}
			if steps[2]&0x80 != 0 {
				proto, ports = flow.OSPF, [2]uint16{}
			}
			m.add(fmt.Sprint(steps[2]%3, proto), now, ports, proto == flow.UDP, where)
			b.fragment(steps[2]%3, proto, ports, where, now, uint64(n+1))
		}
		b.table.Close()
		checkModel(t, b, &m, emitted)
	})
}

func (f *fragments) forget() {
	f.arrived, f.buckets, f.queue.arrived, f.queue.live = 0, [maxFragmented]int16{}, 0, 0
}

// fragment decodes an IPv4 fragment and adds what comes of it to the table. Its length on the wire tells its number.
func (b *bench) fragment(id uint8, proto flow.Proto, ports [2]uint16, where part, now int64, num uint64) {
	data := make([]byte, 20+where.to-where.from)
	copy(data, []byte{0x45, 0, 0, byte(len(data)), 0, id, 0, 0, 64, byte(proto), 0, 0, 192, 0, 2, 1, 198, 51, 100, 2})
	offset := uint16(where.from / 8)
	if !where.last {
		offset |= 0x2000
	}
	binary.BigEndian.PutUint16(data[6:], offset)
	if where.from == 0 && proto == flow.UDP {
		binary.BigEndian.PutUint16(data[20:], ports[0])
		binary.BigEndian.PutUint16(data[22:], ports[1])
		data[25] = 8
	}
	rec := record{data: data, wire: uint32(len(data)), time: now, num: num}
	b.ledger.Read.add(rec.length())
	b.decode(linkRaw, rec)
	b.table.AddBatch(&b.out.Batch)
}

func checkModel(t *testing.T, b *bench, m *modelFragments, emitted []*flow.Conn) {
	t.Helper()
	if err := b.ledger.Balanced(); err != nil {
		t.Fatal(err)
	}
	var want [NumReasons]uint64
	packets := map[uint16]uint64{} // of connections, by their first port
	for i, r := range m.reasons {
		want[r]++
		if r == reasonDecoded {
			packets[m.ports[i][0]]++
		}
	}
	for r, n := range want {
		if got := b.ledger.Reasons[r].Packets; got != n {
			t.Fatalf("%d of reason %v, want %d", got, Reason(r), n)
		}
	}
	if l := &b.ledger; l.Fragmented != uint64(m.begun) || l.Reassembled+l.Refused > l.Fragmented {
		t.Fatalf("%d datagrams begun, %d by the model; %d whole, %d refused", l.Fragmented, m.begun, l.Reassembled, l.Refused)
	}
	for _, c := range emitted {
		packets[c.Orig.Port()] -= c.OrigPackets
		if c.RespPackets != 0 || c.OrigBytes < 28*c.OrigPackets {
			t.Fatalf("%+v", c)
		}
	}
	for port, n := range packets {
		if n != 0 {
			t.Fatalf("packets of port %d: %d more by the model", port, int64(n))
		}
	}
}

// A sender that begins with the last fragment, of more of them than are remembered one by one.
func TestFragmentsBackwards(t *testing.T) {
	for _, n := range []uint32{2, maxPieces, maxPieces + 1, 150} {
		var emitted []*flow.Conn
		b := newBench()
		b.table = flow.NewTable(flow.Options{Emit: func(_ uint32, c *flow.Conn) { emitted = append(emitted, new(kept(c))) }})
		b.decoder = newDecoder(b.table, &b.ledger)
		for i := range n {
			at := n - 1 - i
			b.fragment(1, flow.UDP, [2]uint16{1024, 53}, part{at * 8, at*8 + 8, i == 0}, int64(1e18)+int64(i), uint64(i+1))
		}
		b.table.Close()
		counted := uint64(min(n, maxPieces+1)) // as many wait, and the first one
		if l := &b.ledger; l.Reassembled != 1 || l.Refused != 0 || l.Reasons[reasonDecoded].Packets != counted || l.Reasons[reasonUnmatched].Packets != uint64(n)-counted {
			t.Errorf("%d fragments: %+v", n, l.Reasons)
		}
		if len(emitted) != 1 {
			t.Fatalf("%d connections", len(emitted))
		}
		if c := emitted[0]; c.ID.Packet != 1 || c.First != 1e18 || c.Last != 1e18+int64(n)-1 || c.OrigPackets != counted || c.OrigBytes != 28*counted {
			t.Errorf("%d fragments: %+v", n, c)
		}
	}
}

// The queue is bounded: who waits the longest stays unmatched, and the ledger holds.
func TestFragmentsWaitingBounded(t *testing.T) {
	b := newBench()
	add := func(id uint16, offset uint16) {
		data := unhex(t, fragment4(id, 17, offset, "04 00 00 35 00 64 00 00"))
		rec := record{data: data, wire: uint32(len(data)), num: 1}
		b.ledger.Read.add(rec.length())
		b.decode(linkRaw, rec)
	}
	const datagrams, each = 300, 32
	for id := range uint16(datagrams) {
		for n := range uint16(each) {
			add(id, 0x2001+n)
		}
	}
	if b.fragments.queue.live != maxWaiting {
		t.Errorf("%d wait", b.fragments.queue.live)
	}
	for id := range uint16(datagrams) {
		add(id, 0x2000)
	}
	if l := &b.ledger; b.fragments.queue.live != 0 || l.Reasons[reasonDecoded].Packets != maxWaiting+datagrams ||
		l.Reasons[reasonUnmatched].Packets != datagrams*each-maxWaiting || l.Balanced() != nil {
		t.Errorf("%d wait; %+v, %v", b.fragments.queue.live, l.Reasons, l.Balanced())
	}
	for id := range uint16(2 * maxFragmented) { // forgotten datagrams leave the queue
		add(id, 0x2001)
	}
	if b.fragments.queue.live != maxFragmented {
		t.Errorf("%d wait for %d datagrams", b.fragments.queue.live, maxFragmented)
	}
}

// Fragments that wait take no room from the records behind them, in batches of any fill, and nothing is allocated for them.
func TestFragmentsAcrossBatches(t *testing.T) {
	b := newBench()
	for i := range b.in.recs {
		id, offset := uint16(i/30), uint16(0x2000+(29-i%30))
		data := unhex(t, fragment4(id, 17, offset, "04 00 00 35 00 64 00 00"))
		b.in.recs[i] = record{data: data, wire: uint32(len(data)), num: uint64(i + 1)}
	}
	b.in.n = len(b.in.recs)
	var order []uint64
	batches := func(take bool) {
		for from := 0; from < b.in.n; {
			from = b.batch(&b.in, from, func(*record) uint16 { return linkRaw }, &b.out)
			for i := range b.out.Packets[:b.out.N] {
				if take {
					order = append(order, b.out.Packets[i].Num)
				}
			}
		}
	}
	batches(true)
	if want := b.in.n / 30 * 30; len(order) != want || !slices.IsSorted(order) || order[0] != 1 || order[want-1] != uint64(want) {
		t.Errorf("packets %v", order)
	}
	if n := testing.AllocsPerRun(10, func() { batches(false) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Tunnels in the first fragments of each other, with as many fragments waiting at each depth as can: a record that takes more than two batches.
func TestFragmentsNestedAcrossBatches(t *testing.T) {
	const depths = 12
	fragment := func(depth, offset int, payload []byte) []byte {
		data := around4(flow.UDP, payload)
		data[5], data[6], data[7] = byte(depth), byte(0x20|offset>>8), byte(offset)
		return data
	}
	inGRE := func(inner []byte) []byte {
		return append([]byte{0xc3, 0x50, 4754 >> 8, 4754 & 0xff, byte((len(inner) + 12) >> 8), byte(len(inner) + 12), 0, 0, 0, 0, 8, 0}, inner...)
	}
	var records [][]byte
	nested := unhex(t, udp)
	for depth := depths - 1; depth >= 0; depth-- {
		for n := range maxPieces {
			later := fragment(depth, 500+n, make([]byte, 8))
			for range depth {
				later = around4(flow.UDP, inGRE(later))
			}
			records = append(records, later)
		}
		if nested = fragment(depth, 0, nested); depth > 0 {
			nested = inGRE(nested)
		}
	}
	records = append(records, nested, unhex(t, udp4))
	b := newBench()
	for chunk := range slices.Chunk(records, flow.BatchSize) {
		for i, data := range chunk {
			b.in.recs[i] = record{data: data, wire: uint32(len(data)), num: uint64(i + 1)}
			b.ledger.Read.add(len(data))
		}
		b.in.n = len(chunk)
		for from := 0; from < b.in.n; {
			from = b.batch(&b.in, from, func(*record) uint16 { return linkRaw }, &b.out)
		}
	}
	l := &b.ledger
	if err := l.Balanced(); err != nil || l.Reasons[reasonDecoded].Packets != uint64(len(records)) || l.Inner[reasonDecoded].Packets != l.Opened {
		t.Errorf("%v; of %d records %+v, in %d tunnels %+v", err, len(records), l.Reasons, l.Opened, l.Inner)
	}
}

// The filter looks at fragments that waited, one by one.
func TestFragmentsWaitingFiltered(t *testing.T) {
	since := int64(10)
	filter := flow.Filter{Since: &since}
	filter.Compile()
	b := newBench()
	b.filter = &filter
	for i, at := range []int64{5, 12, 15} {
		b.fragment(1, flow.UDP, [2]uint16{1024, 53}, part{uint32(2-i) * 8, uint32(3-i) * 8, i == 0}, at, uint64(i+1))
	}
	if l := &b.ledger; l.Reasons[filteredTime].Packets != 1 || l.Reasons[reasonDecoded].Packets != 2 || l.Balanced() != nil {
		t.Errorf("%+v, %v", l.Reasons, l.Balanced())
	}
}
