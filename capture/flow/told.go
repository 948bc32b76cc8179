package flow

import "unsafe"

const (
	// maxFacts is the number of facts that are kept of one connection.
	maxFacts = 16
	// maxFactBytes bounds the memory of the facts of all open connections together, beside the first line of each.
	maxFactBytes = 64 << 20
	// maxKnown and maxKnownLen bound the values that are kept for good.
	maxKnown, maxKnownLen = 1 << 10, 64
)

// Told are the facts of open connections, packed, in cache lines by record number: those of a million connections hold no pointer that a
// garbage collection would follow, and take a third of what slices of Fact took: 64 bytes for most connections whose payload told something.
type Told struct {
	first   memory[factLine] // by record number
	further []factLine       // behind those that are full; the first stays empty
	free    uint32           // of further, linked by more
	values  values
	bytes   int // of further lines in use, and of values that are not known
	lost    uint64
	touched uint32         // keeps the loads that only warm the cache
	out     [maxFacts]Fact // what Of gives
}

const (
	perLine   = 3
	lineBytes = int(unsafe.Sizeof(factLine{}))
)

// factLine is facts of one connection.
type factLine struct {
	facts [perLine]packedFact
	more  uint32 // position in further of the line behind; 0 for none
	n     uint32 // facts of the connection; in its first line only
	_     [8]byte
}

type packedFact struct {
	at     uint64 // file and packet, as in an id without depth
	value  uint32 // position in values
	kind   FactKind
	origin NameOrigin
}

// factPacketBits leaves room for the file; packet numbers are less than 2^43.
const factPacketBits = 48

// NewTold has no facts, of the connections of t. Close gives its memory back.
func NewTold(t *Table) *Told { return newTold(len(t.records.of)) }

func newTold(records int) *Told {
	return &Told{first: newMemory[factLine](records), further: make([]factLine, 1), values: values{list: make([]string, maxKnown), known: map[string]uint32{}}}
}

// Of are the facts of the connection that has a record, in the order in which they were told; valid until the next call.
func (t *Told) Of(rec uint32) []Fact {
	line := &t.first.of[rec]
	n := int(line.n)
	if n == 0 {
		return nil
	}
	for i := range n {
		if i > 0 && i%perLine == 0 {
			line = &t.further[line.more]
		}
		p := &line.facts[i%perLine]
		t.out[i] = Fact{p.kind, p.origin, uint16(p.at >> factPacketBits), p.at & (1<<factPacketBits - 1), t.values.list[p.value]}
	}
	return t.out[:n]
}

// Add adds a fact to the connection that has a record. Facts beyond maxFacts or maxFactBytes are counted as lost.
func (t *Told) Add(rec uint32, f *Fact) {
	line := &t.first.of[rec]
	i := line.n
	if i >= maxFacts || t.bytes >= maxFactBytes {
		t.lost++
		return
	}
	if t.free == 0 { // now: it moves the lines
		t.further = append(t.further, factLine{})
		t.free = uint32(len(t.further) - 1)
	}
	line.n++
	for range i / perLine {
		if line.more == 0 {
			line.more, t.free = t.free, t.further[t.free].more
			t.further[line.more].more = 0
			t.bytes += lineBytes
		}
		line = &t.further[line.more]
	}
	value, bytes := t.values.add(f)
	t.bytes += bytes
	line.facts[i%perLine] = packedFact{uint64(f.File)<<factPacketBits | f.Packet, value, f.Kind, f.Origin}
}

// Drop forgets the facts of a connection that has ended.
func (t *Told) Drop(rec uint32) {
	line := &t.first.of[rec]
	n := line.n
	if n == 0 {
		return
	}
	for i := range n {
		if i > 0 && i%perLine == 0 {
			line = &t.further[line.more]
		}
		t.bytes -= t.values.drop(line.facts[i%perLine].value)
	}
	for more := t.first.of[rec].more; more != 0; {
		next := t.further[more].more
		t.further[more].more, t.free = t.free, more
		t.bytes -= lineBytes
		more = next
	}
	t.first.of[rec] = factLine{}
}

// values are the strings of facts. Nearly all facts say one of a few dozen things: the first different ones are known from then on, and take
// nothing. Others, and names, are forgotten with their fact.
type values struct {
	list  []string // the known ones, in the first maxKnown places, and others
	known map[string]uint32
	free  []uint32 // places of others
}

// add gives the place of a value, and the bytes that it takes.
func (v *values) add(f *Fact) (place uint32, bytes int) {
	if f.Kind != FactName && len(f.Value) <= maxKnownLen {
		if at, ok := v.known[f.Value]; ok {
			return at, 0
		}
		if at := uint32(len(v.known)); at < maxKnown {
			v.known[f.Value] = at
			v.list[at] = f.Value
			return at, 0
		}
	}
	if n := len(v.free); n > 0 {
		place, v.free = v.free[n-1], v.free[:n-1]
		v.list[place] = f.Value
		return place, valueBytes(f.Value)
	}
	v.list = append(v.list, f.Value)
	return uint32(len(v.list) - 1), valueBytes(f.Value)
}

func valueBytes(s string) int { return len(s) + int(unsafe.Sizeof(s)) }

// drop forgets a value that is not known, and says how many bytes it took.
func (v *values) drop(place uint32) int {
	if place < maxKnown {
		return 0
	}
	bytes := valueBytes(v.list[place])
	v.list[place] = ""
	v.free = append(v.free, place)
	return bytes
}

// Lost is how many facts were not kept.
func (t *Told) Lost() uint64 { return t.lost }

// Touch loads what the other methods will need of a record.
func (t *Told) Touch(rec uint32) { t.touched += t.first.of[rec].n }

// Close gives the memory back. Only Lost may be called afterwards.
func (t *Told) Close() { t.first.free() }
