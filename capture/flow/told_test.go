package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestToldAgainstSlices adds and drops the facts of a few connections at random, and holds what is packed against plain slices.
func TestToldAgainstSlices(t *testing.T) {
	const records = 40
	told, twin, lost := newTold(records), make([][]Fact, records), uint64(0)
	random := rand.New(rand.NewPCG(1, 2))
	for step := range 20_000 {
		rec := uint32(random.IntN(records))
		if random.IntN(maxFacts) == 0 {
			told.Drop(rec)
			twin[rec] = nil
			continue
		}
		f := Fact{Kind: FactKind(random.IntN(int(FactNote) + 1)), Origin: NameOrigin(random.IntN(int(NameDNS) + 1)), File: uint16(random.Uint32()),
			Packet: random.Uint64N(1 << 43), Value: fmt.Sprint("value ", random.IntN(3*maxKnown), strings.Repeat("x", random.IntN(2*maxKnownLen)))}
		told.Add(rec, &f)
		if len(twin[rec]) == maxFacts {
			lost++
		} else {
			twin[rec] = append(twin[rec], f)
		}
		if got := told.Of(rec); !slices.Equal(got, twin[rec]) {
			t.Fatalf("step %d: facts %v, want %v", step, got, twin[rec])
		}
	}
	for rec := range uint32(records) {
		if got := told.Of(rec); !slices.Equal(got, twin[rec]) {
			t.Fatalf("facts %v, want %v", got, twin[rec])
		}
		told.Drop(rec)
	}
	if told.bytes != 0 || told.lost != lost || len(told.unused()) != len(told.further)-1 {
		t.Errorf("%d bytes of no connection, %d lost, want %d; %d of %d lines are free", told.bytes, told.lost, lost, len(told.unused()), len(told.further)-1)
	}
	for place, value := range told.values.list[maxKnown:] {
		if value != "" {
			t.Errorf("place %d still holds %q", place, value)
		}
	}
}

// unused are the further lines that are not in use.
func (t *Told) unused() (list []uint32) {
	for at := t.free; at != 0; at = t.further[at].more {
		list = append(list, at)
	}
	return list
}

// TestFactsAllocateNothing holds that facts with known values take no memory of their own.
func TestFactsAllocateNothing(t *testing.T) {
	told := newTold(2)
	facts := [...]Fact{{Value: "tls"}, {Kind: FactEncrypted, Value: "TLS 1.3"}, {Kind: FactOffered, Value: "TLS 1.3"}, {Kind: FactALPN, Value: "h2"}}
	if n := testing.AllocsPerRun(100, func() {
		for i := range facts {
			told.Add(1, &facts[i])
		}
		told.Of(1)
		told.Drop(1)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
