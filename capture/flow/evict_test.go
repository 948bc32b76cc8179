package flow

import (
	"slices"
	"testing"
)

// leavers runs attempts through a table whose room is made little by little, and gives the connections in the order of emission and the most that
// ended for one batch of new ones. spoken repeats its SYN right after it was among the oldest that were chosen to leave.
func leavers(t *testing.T, size int, spoken uint32) (ids []ConnID, most int, kept bool) {
	t.Helper()
	const limit = 1 << 15 // whose eighth does not leave at once
	var table *Table
	atOnce := 0
	table = NewTable(Options{MaxConnections: limit, Emit: func(_ uint32, c *Conn) {
		ids = append(ids, c.ID)
		atOnce++
		if c.Orig.Port() == 4 && c.End == EndInput {
			kept = true
		}
	}})
	var b Batch
	num := uint64(0)
	send := func(src uint32, port uint16) {
		num++
		p := &b.Packets[b.N]
		*p = Packet{Time: epoch + int64(num)*1000, Num: num, Proto: TCP, PortA: port, PortB: 80, Flags: SYN, Seq: src, IPLen: 60}
		table.Hasher().SetEnds4(p, src, 1)
		if b.N++; b.N == size {
			atOnce = 0
			table.AddBatch(&b)
			most = max(most, atOnce)
			b.N = 0
		}
	}
	for n := range uint32(limit + 2*BatchSize) {
		port := uint16(3)
		if n == spoken {
			port = 4
		}
		send(100+n, port)
	}
	send(100+spoken, 4)
	for n := range uint32(limit / 16) {
		send(1<<20+n, 3)
	}
	table.AddBatch(&b)
	if c := table.Counters(); c.Peak > limit || c.Ends[EndEvicted] == 0 {
		t.Errorf("at most %d open of %d, %d evicted", c.Peak, limit, c.Ends[EndEvicted])
	}
	table.Close()
	return ids, most, kept
}

// Where room is made, connections end little by little, however packets come, and one that speaks before it is ended stays.
func TestEvictionGoesLittleByLittle(t *testing.T) {
	const spoken = 4000 // among the eighth that is chosen, and not among the first to leave
	ids, most, kept := leavers(t, BatchSize, spoken)
	if !kept {
		t.Error("a connection was evicted that had just spoken")
	}
	if want := leavingAtOnce * BatchSize; most > want {
		t.Errorf("%d connections ended for one batch, want %d at most", most, want)
	}
	if again, _, _ := leavers(t, 7, spoken); !slices.Equal(ids, again) {
		t.Error("other batches, another order")
	}
}
