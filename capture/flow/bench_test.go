package flow

import "testing"

// tuple makes the packets of connection n of many: an established connection is not needed to measure the table.
func tuple(b *Batch, h *Hasher, n uint64, v6 bool) {
	i, num := b.N, n+1
	n = fold(n^0x1234567, 0x9e3779b97f4a7c15) // spread, as addresses and ports of real traffic are
	p := &b.Packets[i]
	*p = Packet{Proto: TCP, Flags: ACK, IPLen: 60, Num: num, PortA: uint16(n), PortB: 443}
	if v6 {
		var src, dst [16]byte
		src[0], src[1], dst[0] = 0x20, byte(n>>16), 0x20
		src[12], src[13], src[14], src[15] = byte(n>>24), byte(n>>32), byte(n>>40), byte(n>>48)
		h.SetEnds6(p, &b.Addr6[i], &src, &dst)
	} else {
		h.SetEnds4(p, uint32(n>>16), uint32(n>>48)|0xc0000000)
	}
	b.N++
}

// batches makes enough batches of packets of conns connections for every run to touch other ones.
func batches(h *Hasher, conns, packets int, v6 bool) []Batch {
	all := make([]Batch, packets/BatchSize)
	x := uint64(1)
	for i := range all {
		for range BatchSize {
			x = x*6364136223846793005 + 1442695040888963407
			tuple(&all[i], h, (x>>20)%uint64(conns), v6)
		}
	}
	return all
}

// fill opens all connections.
func fill(t *Table, conns int, v6 bool) {
	var b Batch
	for n := range conns {
		tuple(&b, t.Hasher(), uint64(n), v6)
		if b.N == BatchSize || n == conns-1 {
			t.AddBatch(&b)
			b.N = 0
		}
	}
}

var benchCases = []struct {
	name  string
	conns int
	v6    bool
}{{"hot-64", 64, false}, {"random-1M", 1 << 20, false}, {"random-2M", 1 << 21, false}, {"random-1M-v6", 1 << 20, true}}

func benchTable(b *testing.B, add func(t *Table, batch *Batch)) {
	for _, c := range benchCases {
		b.Run(c.name, func(b *testing.B) {
			table := NewTable(Options{MaxConnections: 2*c.conns + 1<<13, Seed: [2]uint64{1, 2}})
			defer table.Close()
			fill(table, c.conns, c.v6)
			all := batches(table.Hasher(), c.conns, 1<<20, c.v6)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += BatchSize {
				add(table, &all[i/BatchSize%len(all)])
			}
			b.StopTimer()
			b.ReportMetric(float64(table.open), "conns")
		})
	}
}

// BenchmarkTable reports ns for each packet of known connections.
func BenchmarkTable(b *testing.B) { benchTable(b, (*Table).AddBatch) }

// BenchmarkUnstaged is the same without the stages that warm the cache.
func BenchmarkUnstaged(b *testing.B) {
	benchTable(b, func(t *Table, batch *Batch) {
		for i := range batch.N {
			p := &batch.Packets[i]
			batch.Record[i] = t.update(batch, i, t.index.candidate(p.Hash, t.index.of[t.index.place(p.Hash)]))
		}
		t.packets += uint64(batch.N)
	})
}

type plainKey struct {
	a, b   [16]byte
	pa, pb uint16
	proto  Proto
}

// BenchmarkGoMap is the baseline: a Go map to pointers, and the same work for each packet.
func BenchmarkGoMap(b *testing.B) {
	for _, c := range benchCases[:3] {
		b.Run(c.name, func(b *testing.B) {
			h := newHasher([2]uint64{1, 2})
			table := map[plainKey]*record{}
			add := func(batch *Batch) {
				for i := range batch.N {
					p := &batch.Packets[i]
					k := plainKey{pa: p.PortA, pb: p.PortB, proto: p.Proto}
					k.a[0], k.a[1], k.a[2], k.a[3] = byte(p.A>>24), byte(p.A>>16), byte(p.A>>8), byte(p.A)
					k.b[0], k.b[1], k.b[2], k.b[3] = byte(p.B>>24), byte(p.B>>16), byte(p.B>>8), byte(p.B)
					r := table[k]
					if r == nil {
						r = &record{first: p.Time}
						table[k] = r
					}
					r.packets[p.Bits&FromB]++
					r.bytes[p.Bits&FromB] += uint64(p.IPLen)
					r.last = max(r.last, p.Time)
					r.setState(r.trackTCP(p, p.PayloadLen, r.state()))
				}
			}
			var first Batch
			for n := range c.conns {
				tuple(&first, &h, uint64(n), false)
				if first.N == BatchSize || n == c.conns-1 {
					add(&first)
					first.N = 0
				}
			}
			all := batches(&h, c.conns, 1<<20, false)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; i < b.N; i += BatchSize {
				add(&all[i/BatchSize%len(all)])
			}
		})
	}
}

// BenchmarkFlood opens a new connection with every packet in a table that is full.
func BenchmarkFlood(b *testing.B) {
	table := NewTable(Options{MaxConnections: 1 << 18})
	defer table.Close()
	var batch Batch
	b.ReportAllocs()
	for n := range b.N {
		tuple(&batch, table.Hasher(), uint64(n), false)
		batch.Packets[batch.N-1].Flags = SYN
		batch.Packets[batch.N-1].Time = int64(n)
		if batch.N == BatchSize {
			table.AddBatch(&batch)
			batch.N = 0
		}
	}
}

func BenchmarkHasher(b *testing.B) {
	h := newHasher([2]uint64{1, 2})
	var p Packet
	for n := range b.N {
		p.PortA, p.PortB = uint16(n), 443
		h.SetEnds4(&p, uint32(n)*2654435761, 77)
	}
}

func TestKnownConnectionsDoNotAllocate(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		table := NewTable(Options{})
		fill(table, 4096, v6)
		all := batches(table.Hasher(), 4096, 8192, v6)
		i := 0
		if n := testing.AllocsPerRun(1000, func() { table.AddBatch(&all[i%len(all)]); i++ }); n != 0 {
			t.Errorf("IPv6 %v: %v allocations a batch", v6, n)
		}
		table.Close()
	}
}

// TestFloodStaysBounded opens far more connections than the limit; half the records are wide, in bursts, so that pairs of lines are
// split and joined again.
func TestFloodStaysBounded(t *testing.T) {
	const limit = 1 << 16
	total := uint64(10_000_000)
	if testing.Short() {
		total = 1_000_000
	}
	var emitted uint64
	table := NewTable(Options{MaxConnections: limit, Emit: func(uint32, *Conn) { emitted++ }})
	var b Batch
	for n := range total {
		tuple(&b, table.Hasher(), n, n>>14&3 == 3)
		b.Packets[b.N-1].Flags, b.Packets[b.N-1].Num, b.Packets[b.N-1].Time = SYN, n+1, epoch+int64(n)*1000
		if b.N == BatchSize {
			table.AddBatch(&b)
			b.N = 0
		}
	}
	table.AddBatch(&b)
	if lines := int(table.records.used); lines > 2*(limit+BatchSize)+2 {
		t.Errorf("%d lines for %d connections", lines, limit)
	}
	if n := len(table.index.of); n > 4*limit {
		t.Errorf("index of %d entries for %d connections", n, limit)
	}
	c := table.Counters()
	if c.Peak > limit || c.Created != c.Open+c.Emitted || c.Emitted != emitted || c.Created < total-total/1000 || c.Ends[EndEvicted] == 0 {
		t.Errorf("%d packets: %+v", total, c)
	}
	table.Close()
	if c := table.Counters(); c.Created != c.Emitted || c.Emitted != emitted {
		t.Errorf("after Close: %+v", c)
	}
}

// BenchmarkEachOpen gives as many open connections as a checkpoint holds, of a table as full as those of live captures get: of a flood, and of sessions.
func BenchmarkEachOpen(b *testing.B) {
	const open, most = 1 << 19, 1 << 16
	for _, c := range []struct {
		name      string
		want      int
		bothSides bool
	}{{"flood", most / 8, false}, {"sessions", most, true}} {
		b.Run(c.name, func(b *testing.B) {
			t := NewTable(Options{MaxConnections: open})
			defer t.Close()
			fill(t, open, false)
			if c.bothSides {
				t.records.each(func(_ uint32, r *record) { r.packets = [2]uint32{1, 1} })
			}
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				t.EachOpen(most, func(uint32, *Conn) { n++ })
				if n != c.want {
					b.Fatal(n)
				}
			}
		})
	}
}
