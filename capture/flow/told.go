package flow

import "unsafe"

const (
	// maxFacts is the number of facts that are kept of one connection.
	maxFacts = 16
	// maxFactBytes bounds the memory of the facts of all open connections together.
	maxFactBytes = 64 << 20
)

// told are the facts of open connections. A connection without any costs one look at a dense array when it ends, not three misses in a map.
type told struct {
	slots memory[uint32] // by record number: position in lists, 0 for none
	lists [][]Fact
	free  []uint32 // positions not in use
	bytes int
	lost  uint64
}

func newTold(records int) told {
	return told{slots: newMemory[uint32](records), lists: make([][]Fact, 1)}
}

// of are the facts of a connection, in the order in which they were told.
func (t *told) of(rec uint32) []Fact { return t.lists[t.slots.of[rec]] }

// factBytes is the memory of facts, as if nobody else had their values.
func factBytes(facts []Fact) int {
	n := cap(facts) * int(unsafe.Sizeof(Fact{}))
	for i := range facts {
		n += len(facts[i].Value)
	}
	return n
}

func (t *told) add(rec uint32, f Fact) {
	slot := t.slots.of[rec]
	facts, before := t.lists[slot], 0
	if slot == 0 {
		slot = t.slot()
		facts = t.lists[slot]
	} else {
		before = factBytes(facts)
	}
	if len(facts) >= maxFacts || t.bytes >= maxFactBytes {
		t.lost++
		if t.slots.of[rec] == 0 {
			t.free = append(t.free, slot)
		}
		return
	}
	facts = append(facts, f)
	t.slots.of[rec], t.lists[slot] = slot, facts
	t.bytes += factBytes(facts) - before
}

// slot gives a position with an empty list.
func (t *told) slot() uint32 {
	if n := len(t.free); n > 0 {
		slot := t.free[n-1]
		t.free = t.free[:n-1]
		return slot
	}
	t.lists = append(t.lists, make([]Fact, 0, 6)) // as many as a TLS connection tells
	return uint32(len(t.lists) - 1)
}

// drop forgets the facts of a connection that ended; its list is used again.
func (t *told) drop(rec uint32) {
	slot := t.slots.of[rec]
	if slot == 0 {
		return
	}
	facts := t.lists[slot]
	t.bytes -= factBytes(facts)
	clear(facts)
	t.lists[slot] = facts[:0]
	t.slots.of[rec] = 0
	t.free = append(t.free, slot)
}

// AddFact adds a fact to a connection of the last batch. Facts beyond maxFacts or maxFactBytes, and those of a connection that has
// ended, are counted as lost.
func (t *Table) AddFact(rec uint32, f Fact) {
	if t.records.of[rec].flags&live == 0 {
		t.told.lost++
		return
	}
	t.told.add(rec, f)
}

// Touch loads what AddFact will need of the packets of a batch that have the bit Head, from from until before to.
func (t *Table) Touch(b *Batch, from, to int) {
	for i := from; i < to; i++ {
		if b.Packets[i].Bits&Head != 0 {
			t.touched += t.told.slots.of[b.Record[i]]
		}
	}
	for i := from; i < to; i++ {
		if b.Packets[i].Bits&Head == 0 {
			continue
		}
		if facts := t.told.lists[t.told.slots.of[b.Record[i]]]; len(facts) > 0 {
			t.touched += uint32(facts[len(facts)-1].Packet)
		}
	}
}
