package flow

import "testing"

// Tuples that an attacker may choose, among them those that collide under another key, lie in the index as far from their places as any others.
func TestChosenTuplesDoNotCollide(t *testing.T) {
	const conns = 1 << 16
	secret, guessed := newHasher([2]uint64{7, 8}), newHasher([2]uint64{})
	type tuple struct {
		src, dst         uint32
		srcPort, dstPort uint16
	}
	hashOf := func(h *Hasher, x tuple) uint64 {
		p := Packet{Proto: TCP, PortA: x.srcPort, PortB: x.dstPort}
		h.SetEnds4(&p, x.src, x.dst)
		return p.Hash
	}
	// distance is how many entries are passed on the way to each, on average.
	distance := func(tuples func(i uint32) tuple) float64 {
		x := newIndex(firstIndex)
		for i := range uint32(conns) {
			x.add(hashOf(&secret, tuples(i)), i+1)
		}
		defer x.free()
		sum := 0
		for at, e := range x.of {
			if e != 0 {
				sum += int((uint32(at) - x.place(e)) & x.mask)
			}
		}
		return float64(sum) / conns
	}
	next := uint32(0)
	usual := distance(func(i uint32) tuple {
		n := fold(uint64(i)+1, 0x9e3779b97f4a7c15)
		return tuple{uint32(n), uint32(n >> 32), uint16(n >> 16), 443}
	})
	for name, tuples := range map[string]func(i uint32) tuple{
		"consecutive addresses": func(i uint32) tuple { return tuple{0x0a000000 + i, 0xc0000201, 40000, 443} },
		"consecutive ports":     func(i uint32) tuple { return tuple{0x0a000001, 0xc0000201, uint16(i), uint16(i >> 8)} },
		"equal sum of all":      func(i uint32) tuple { return tuple{0x0a000000 + i, 0xc0ffffff - i, 40000, 443} },
		"equal xor of all":      func(i uint32) tuple { return tuple{0x0a000000 ^ i, 0xc0000000 ^ i, uint16(i), uint16(i)} },
		"low bits are zero":     func(i uint32) tuple { return tuple{i << 16, 0xffff0000, 0, 0} },
		"chosen under another key": func(uint32) tuple {
			for { // of 64 places in a row, one is taken: under that key all are in a few heaps
				next++
				if x := (tuple{next, 0xc0000201, 40000, 443}); hashOf(&guessed, x)>>32&63 == 0 {
					return x
				}
			}
		},
	} {
		if got := distance(tuples); got > 2*usual {
			t.Errorf("%s: %.2f entries are passed on average, %.2f usually", name, got, usual)
		}
	}
}
