package flow

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestSortVictims compares the order of many with that of slices.SortFunc, ids that are alike among them.
func TestSortVictims(t *testing.T) {
	table := NewTable(Options{MaxConnections: 1 << 10})
	defer table.Close()
	random := rand.New(rand.NewPCG(3, 4))
	for _, different := range []uint64{1, 300, 1 << 20, 1 << 62} {
		table.victims = table.victims[:0]
		for i := range 10_000 {
			table.victims = append(table.victims, victim{random.Uint64N(different), uint32(2 + i%500)})
		}
		for rec := range uint32(502) {
			table.records.of[rec] = record{a: random.Uint32(), flags: live}
		}
		want := slices.Clone(table.victims)
		slices.SortStableFunc(want, table.compare)
		if table.sortVictims(); !slices.Equal(table.victims, want) {
			t.Errorf("%d different ids: not the order of compare", different)
		}
	}
	table.open = 0
	clear(table.records.of[:502])
}

func BenchmarkSortVictims(b *testing.B) {
	table := NewTable(Options{MaxConnections: 1 << 10})
	defer table.Close()
	random := rand.New(rand.NewPCG(3, 4))
	list := make([]victim, 1<<20)
	for i, id := range random.Perm(len(list)) {
		list[i] = victim{uint64(id) << depthBits, uint32(i)}
	}
	b.Run("digits", func(b *testing.B) {
		for b.Loop() {
			table.victims = append(table.victims[:0], list...)
			table.sortVictims()
		}
	})
	b.Run("naive", func(b *testing.B) {
		for b.Loop() {
			table.victims = append(table.victims[:0], list...)
			slices.SortFunc(table.victims, table.compare)
		}
	})
}
