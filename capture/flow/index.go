package flow

// index finds records by hash: open addressing over 8-byte entries, tag (high half of the hash) and record number, at most half full.
// The tag also gives the place, so growing and removing touch no record.
type index struct {
	memory[uint64]
	mask uint32
	n    int
}

const firstIndex = 1 << 10

func newIndex(entries int) index {
	return index{memory: newMemory[uint64](entries), mask: uint32(entries - 1)}
}

func entry(hash uint64, rec uint32) uint64 { return hash>>32<<32 | uint64(rec) }

// place is where an entry with this hash would like to be.
func (x *index) place(hash uint64) uint32 { return uint32(hash>>32) & x.mask }

// candidate gives the first record with this tag, given the entry at its place: most likely the right one.
func (x *index) candidate(hash, e uint64) uint32 {
	for at := x.place(hash); e != 0; e = x.of[at] {
		if e>>32 == hash>>32 {
			return uint32(e)
		}
		at = (at + 1) & x.mask
	}
	return 0
}

// find gives the record with this tag that match accepts, or 0.
func (x *index) find(hash uint64, match func(rec uint32) bool) uint32 {
	for at := x.place(hash); x.of[at] != 0; at = (at + 1) & x.mask {
		if e := x.of[at]; e>>32 == hash>>32 && match(uint32(e)) {
			return uint32(e)
		}
	}
	return 0
}

func (x *index) add(hash uint64, rec uint32) {
	if 2*(x.n+1) > len(x.of) {
		x.grow()
	}
	x.n++
	x.set(entry(hash, rec))
}

func (x *index) set(e uint64) {
	at := x.place(e)
	for x.of[at] != 0 {
		at = (at + 1) & x.mask
	}
	x.of[at] = e
}

func (x *index) grow() {
	old := x.memory
	*x = index{memory: newMemory[uint64](2 * len(old.of)), mask: 2*x.mask + 1, n: x.n}
	for _, e := range old.of {
		if e != 0 {
			x.set(e)
		}
	}
	old.free()
}

// remove takes out an entry and moves those behind it up, so that no probe ever passes a dead entry.
func (x *index) remove(hash uint64, rec uint32) {
	hole := x.place(hash)
	for e := entry(hash, rec); x.of[hole] != e; hole = (hole + 1) & x.mask {
		if x.of[hole] == 0 {
			panic("flow: packets must be completed with the Hasher of their table")
		}
	}
	x.n--
	for at := (hole + 1) & x.mask; x.of[at] != 0; at = (at + 1) & x.mask {
		if (at-x.place(x.of[at]))&x.mask >= (at-hole)&x.mask {
			x.of[hole] = x.of[at]
			hole = at
		}
	}
	x.of[hole] = 0
}
