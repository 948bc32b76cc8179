package capture

import (
	"encoding/binary"
	"reflect"
	"slices"
	"testing"

	"pcapaudit/capture/flow"
	"pcapaudit/capture/inspect"
)

// TestSight follows what is told about one interface. A negative time sets the clock back by it.
func TestSight(t *testing.T) {
	type step struct {
		after int64
		cause string // "": it is seen from then on
		blind string // the time was blind
	}
	for _, c := range []struct {
		name             string
		steps            []step
		monitored, blind int64
		spans            []BlindSpan
	}{
		{"nothing happens", []step{{after: 50}}, 50, 0, nil},
		{"down and up", []step{{after: 10, cause: "down"}, {after: 5, cause: ""}, {after: 7}}, 17, 5, []BlindSpan{{110, 115, "down"}}},
		{"down, and then deleted at once", []step{{after: 10, cause: "down"}, {cause: "deleted"}, {after: 7, cause: "deleted"}}, 10, 7, []BlindSpan{{110, 117, "deleted"}}},
		{"down and up at once", []step{{after: 10, cause: "down"}, {}, {after: 5}}, 15, 0, []BlindSpan{{110, 110, "down"}}},
		{"deleted, then down", []step{{after: 1, cause: "deleted"}, {after: 2, cause: "down"}, {after: 3}}, 1, 5, []BlindSpan{{101, 103, "deleted"}, {103, 106, "down"}}},
		{"stalled", []step{{after: 10}, {after: 20, blind: "stalled"}, {after: 1}}, 11, 20, []BlindSpan{{110, 130, "stalled"}}},
		{"stalled while down", []step{{after: 10, cause: "down"}, {after: 20, blind: "stalled", cause: "down"}}, 10, 20, []BlindSpan{{110, 130, "down"}}},
		{"set back", []step{{after: 10}, {after: -50, blind: "clock step"}, {after: 5}}, 15, 0, []BlindSpan{{60, 60, "clock step"}}},
		{"set back while down", []step{{after: 10, cause: "down"}, {after: -50, blind: "clock step", cause: "down"}, {after: 5}}, 10, 5, []BlindSpan{{110, 110, "down"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sight
			now := int64(100)
			s.begin(now)
			for _, step := range c.steps {
				now += step.after
				if step.blind != "" {
					s.missed(now, step.blind)
				} else {
					s.account(now)
				}
				s.turn(step.cause)
			}
			if s.monitored != c.monitored || s.blind != c.blind || !slices.Equal(s.spans, c.spans) {
				t.Errorf("monitored %d, blind %d: %v; not %d, %d: %v", s.monitored, s.blind, s.spans, c.monitored, c.blind, c.spans)
			}
		})
	}
}

// TestSightBounded flaps more often than spans are kept: what is kept covers what is not.
func TestSightBounded(t *testing.T) {
	var s sight
	s.begin(0)
	for i := range int64(2 * maxBlindSpans) {
		s.account(10*i + 5)
		s.turn("down")
		s.account(10*i + 10)
		s.turn("")
	}
	last := s.spans[len(s.spans)-1]
	if len(s.spans) != maxBlindSpans || last != (BlindSpan{10*maxBlindSpans - 5, 20 * maxBlindSpans, "several"}) || s.blind != 10*maxBlindSpans {
		t.Errorf("%d spans, the last is %v; blind for %d", len(s.spans), last, s.blind)
	}
	s.turn("down")
	s.begin(1 << 20)
	if len(s.spans) != 1 || s.spans[0] != (BlindSpan{1 << 20, 1 << 20, "down"}) {
		t.Errorf("a new part begins with %v", s.spans)
	}
}

// TestCountersSince wants every counter of a part to begin anew, but for those that tell the state of the table.
func TestCountersSince(t *testing.T) {
	var before, after flow.Counters
	b, a := reflect.ValueOf(&before).Elem(), reflect.ValueOf(&after).Elem()
	for i := range b.NumField() {
		if f := b.Field(i); f.CanUint() {
			f.SetUint(uint64(10 + i))
			a.Field(i).SetUint(uint64(1000 + 3*i))
		}
	}
	before.Ends[flow.EndIdle], after.Ends[flow.EndIdle] = 5, 12
	got := reflect.ValueOf(connectionsSince(after, before))
	for i := range b.NumField() {
		name, want := b.Type().Field(i).Name, uint64(990+2*i)
		switch name {
		case "Ends":
			continue
		case "Created":
			want += before.Open
		case "Open", "Peak", "Limit", "Contexts":
			want = uint64(1000 + 3*i)
		}
		if n := got.Field(i).Uint(); n != want {
			t.Errorf("%s is %d, not %d", name, n, want)
		}
	}
	if n := connectionsSince(after, before).Ends[flow.EndIdle]; n != 7 {
		t.Errorf("%d ends, not 7", n)
	}

	var early, late inspect.Counters
	e, l := reflect.ValueOf(&early).Elem(), reflect.ValueOf(&late).Elem()
	for i := range e.NumField() {
		e.Field(i).SetUint(uint64(i + 1))
		l.Field(i).SetUint(uint64(100 + 2*i))
	}
	diff := reflect.ValueOf(inspectionSince(late, early))
	for i := range e.NumField() {
		if n := diff.Field(i).Uint(); n != uint64(99+i) {
			t.Errorf("%s is %d, not %d", e.Type().Field(i).Name, n, 99+i)
		}
	}
}

// TestForwards sends a packet on in several ways.
func TestForwards(t *testing.T) {
	v4 := append([]byte{0x45, 0, 0, 28, 1, 2, 0, 0, 64, 17, 0xaa, 0xbb}, make([]byte, 16)...)
	v6 := append([]byte{0x60, 0, 0, 0, 0, 8, 17, 64}, make([]byte, 40)...)
	changed := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 0x40
		return b
	}
	padded := func(b []byte) []byte { return append(slices.Clone(b), 0, 0, 0) }
	for _, c := range []struct {
		name    string
		in, out []byte
		after   int64
		want    bool
	}{
		{"the same", v4, v4, 1000, true},
		{"ttl", v4, changed(v4, 8), 1000, true},
		{"header checksum", v4, changed(v4, 10), 1000, true},
		{"identification", v4, changed(v4, 4), 1000, false},
		{"protocol", v4, changed(v4, 9), 1000, false},
		{"source", v4, changed(v4, 12), 1000, false},
		{"transport", v4, changed(v4, 27), 1000, false},
		{"padding", padded(v4), v4, 1000, true},
		{"too late", v4, v4, forwardTime + 1, false},
		{"a little before", v4, v4, -1000, true},
		{"hop limit", v6, changed(v6, 7), 1000, true},
		{"flow label", v6, changed(v6, 3), 1000, false},
		{"next header", v6, changed(v6, 6), 1000, false},
		{"address", v6, changed(v6, 8), 1000, false},
		{"no IP", []byte{1, 2, 3}, []byte{1, 2, 3}, 1000, false},
	} {
		f := newForwards()
		in := &record{data: append(make([]byte, 14), c.in...), time: 1e18}
		out := &record{data: append(make([]byte, 14), c.out...), time: 1e18 + c.after, outgoing: true}
		for range 2 {
			if f.repeated(in, 14) {
				t.Errorf("%s: what comes in is taken for a copy", c.name)
			}
		}
		if got := f.repeated(out, 14); got != c.want {
			t.Errorf("%s: a copy: %v", c.name, got)
		}
	}
	f := newForwards()
	out := &record{data: v4, time: 1e18, outgoing: true}
	for range 2 {
		if f.repeated(out, 0) {
			t.Error("what this host sends itself is taken for a copy")
		}
	}
}

func BenchmarkForwards(b *testing.B) {
	f := newForwards()
	packet := append([]byte{0x45, 0, 5, 220, 0, 0, 0, 0, 64, 6, 0, 0}, make([]byte, 1488)...)
	rec := &record{data: packet}
	b.ReportAllocs()
	for i := range b.N {
		binary.BigEndian.PutUint32(packet[24:], uint32(i/2))
		rec.outgoing = i%2 == 1
		f.repeated(rec, 0)
	}
}

// TestPartsOfFragments cuts a datagram in two: the ledgers of both parts hold, each with what it saw.
func TestPartsOfFragments(t *testing.T) {
	w := newWatched("test0")
	w.from(linkRaw, 0, "")
	l := &live{run: newTracker(&inputs{list: []*Input{w.input}}, &Config{MaxConnections: 16}, newRelay(&Config{}, false)), interfaces: []*watched{w}}
	defer l.table.Close()
	l.begin()
	fragment := func(offset, more byte) {
		b := []byte{0x45, 0, 0, 36, 1, 2, more, offset, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 1, 2, 3, 4, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
		l.wall += 1e6
		l.records.n = 1
		l.records.recs[0] = record{data: b, wire: uint32(len(b)), time: l.wall}
		w.note(&l.records.recs[0])
		l.track()
	}
	check := func(what string, want map[Class]uint64, fragmented uint64) {
		t.Helper()
		r := (&Pulse{l}).Cut()
		if err := r.Balanced(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		for c := range Class(NumClasses) {
			if got := r.Ledger.Class(c).Packets; got != want[c] {
				t.Errorf("%s: %d packets %s, not %d", what, got, c, want[c])
			}
		}
		if r.Ledger.Fragmented != fragmented || r.Ledger.Unfinished() > r.Ledger.Fragmented {
			t.Errorf("%s: %d datagrams, %d unfinished", what, r.Ledger.Fragmented, r.Ledger.Unfinished())
		}
	}
	fragment(2, 0)
	check("the later fragment", map[Class]uint64{FragmentUnmatched: 1}, 1)
	fragment(0, 0x20)
	check("the first one", map[Class]uint64{Decoded: 1}, 1)
	fragment(2, 0)
	fragment(0, 0x20)
	check("both", map[Class]uint64{Decoded: 2}, 1)
	check("nothing", nil, 0)
}
