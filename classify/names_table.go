package classify

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
)

// Names are found by short keys: who asked and which name have numbers, entries stand side by side, and an index of eight bytes a place leads to
// them. Two maps with keys of 56 bytes and an object for each entry took 1.8 us an answer, nearly all of it misses of the cache and garbage;
// TestNamesAreThoseOfMaps holds this against them.

// askers numbers those that know names, as long as a key needs their number.
type askers struct {
	numbers map[party]uint32
	list    []asker  // by number
	free    []uint32 // numbers to be used again
}

type asker struct {
	who  party
	uses int // keys with its number
}

// number is that of an asker. Before another one is numbered a key has to use it.
func (s *askers) number(who party) uint32 {
	number, ok := s.numbers[who]
	if ok {
		return number
	}
	if n := len(s.free); n > 0 {
		number, s.free = s.free[n-1], s.free[:n-1]
	} else {
		number = uint32(len(s.list))
		s.list = append(s.list, asker{})
	}
	s.list[number].who = who
	s.numbers[who] = number
	return number
}

func (s *askers) use(number uint32) { s.list[number].uses++ }

func (s *askers) release(number uint32) {
	a := &s.list[number]
	if a.uses--; a.uses == 0 {
		delete(s.numbers, a.who)
		*a = asker{}
		s.free = append(s.free, number)
	}
}

// slab is entries that stay where they are, numbered from 0.
type slab[T any] struct {
	blocks []*[slabBlock]T
	n      uint32
}

const slabBlock = 1 << 8

func (s *slab[T]) at(i uint32) *T { return &s.blocks[i/slabBlock][i%slabBlock] }

// add gives the number of a further entry, which is zero.
func (s *slab[T]) add() uint32 {
	if s.n%slabBlock == 0 {
		s.blocks = append(s.blocks, new([slabBlock]T))
	}
	s.n++
	return s.n - 1
}

// index finds the numbers of entries by the hashes of their keys. Entries hold the keys: half a hash may be that of several.
type index struct {
	places []uint64 // half the hash, and the number of the entry plus one; 0 for none. A power of two, at most half of them taken
	used   int
}

const leastPlaces = 1 << 10

func newIndex() index { return index{places: make([]uint64, leastPlaces)} }

// home is the place where looking for a half hash begins.
func (x *index) home(place uint64) int { return int(place >> 32 * uint64(len(x.places)) >> 32) }

// find gives the entry with a hash that is the wanted one; false where there is none.
func (x *index) find(hash uint64, is func(entry uint32) bool) (uint32, bool) {
	for at := x.home(hash); x.places[at] != 0; at = (at + 1) & (len(x.places) - 1) {
		if p := x.places[at]; p>>32 == hash>>32 && is(uint32(p)-1) {
			return uint32(p) - 1, true
		}
	}
	return 0, false
}

func (x *index) add(hash uint64, entry uint32) {
	if x.used++; 2*x.used > len(x.places) {
		old := x.places
		x.places = make([]uint64, 2*len(old))
		for _, p := range old {
			if p != 0 {
				x.put(p)
			}
		}
	}
	x.put(hash>>32<<32 | uint64(entry+1))
}

func (x *index) put(place uint64) {
	at := x.home(place)
	for x.places[at] != 0 {
		at = (at + 1) & (len(x.places) - 1)
	}
	x.places[at] = place
}

// remove takes an entry out that is in.
func (x *index) remove(hash uint64, entry uint32) {
	mask := len(x.places) - 1
	hole := x.home(hash)
	for x.places[hole] != hash>>32<<32|uint64(entry+1) {
		hole = (hole + 1) & mask
	}
	for at := (hole + 1) & mask; x.places[at] != 0; at = (at + 1) & mask { // those behind move up that looking for them passes the hole
		if (at-x.home(x.places[at]))&mask >= (at-hole)&mask {
			x.places[hole], hole = x.places[at], at
		}
	}
	x.places[hole] = 0
	x.used--
}

// seeds make hashes that nobody can foresee: what DNS told is hostile.
type seeds [2]uint64

func newSeeds() seeds {
	return seeds{maphash.String(maphash.MakeSeed(), ""), maphash.String(maphash.MakeSeed(), "")}
}

func (s *seeds) ofAddr(asker uint32, addr netip.Addr) uint64 {
	b := addr.As16()
	return mix(mix(binary.LittleEndian.Uint64(b[:8])^s[0], binary.LittleEndian.Uint64(b[8:])^s[1]), s[0]^uint64(asker))
}

func (s *seeds) ofName(asker, name uint32) uint64 {
	return mix(s[0]^uint64(asker), s[1]^uint64(name))
}
