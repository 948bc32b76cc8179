package capture

import (
	"bytes"
	"math"
	"net/netip"

	"pcapaudit/capture/flow"
)

const (
	maxTranslations = 1 << 17         // known at once: about 40 MiB
	keptTranslation = 300_000_000_000 // ns after its end for which one is still known: longer than any idle timeout but that of established TCP connections, which the kernel keeps longer
	translationLag  = 2_000_000_000   // ns by which the kernel's word may come later than the packets that it is about
)

// Translations are the connections whose addresses or ports this host translates, as the kernel's connection tracking tells them. A gateway that is
// watched on both sides shows such a connection twice: before translation and after it. Its true ends are the one that opened it, as it was
// before, and the one that it went to, as it is after. OpenTranslations makes them; LiveConfig takes them.
type Translations struct {
	events, dumps int // sockets; see live_conntrack.go
	dump          dumping
	clear         int64 // all that the kernel had to tell up to then is known

	entries []translation // the first one is none
	free    []uint32
	byEnds  map[tuple]uint32 // the latest translation with a leg between these ends
	ended   []endedOne       // in the order of their ends
	head    int              // of those, the first one

	counters TranslationCounters
}

// dumping is the reading of all that is tracked.
type dumping struct {
	going, refused bool // refused: the right to ask is gone
	lost           bool // what was told too fast is to be asked for
	number         uint32
	since          int64 // of what it tells and was not known, the begin
	asked          int64 // when
	buf            []byte
}

// TranslationCounters are those of a part of the watching.
type TranslationCounters struct {
	Told     uint64 // translated connections that the kernel told of
	Restored uint64 // connections emitted with their true ends
	Joined   uint64 // connections emitted as the other leg of one that is judged
	Overflow uint64 // translated connections beyond the limit: their legs are judged as they were seen
	Overruns uint64 // times that the kernel had more to tell than was read: translations of that time may be unknown
}

func (c TranslationCounters) since(before TranslationCounters) TranslationCounters {
	return TranslationCounters{c.Told - before.Told, c.Restored - before.Restored, c.Joined - before.Joined, c.Overflow - before.Overflow, c.Overruns - before.Overruns}
}

// tuple is what tells connections apart: protocol and ends, in order, IPv4 as IPv4-in-IPv6. Without ports these are 0.
type tuple struct {
	a, b   [16]byte
	pa, pb uint16
	proto  flow.Proto
}

// tupleOf says also whether x is the second end.
func tupleOf(proto flow.Proto, x, y netip.AddrPort) (t tuple, turned bool) {
	t = tuple{x.Addr().As16(), y.Addr().As16(), x.Port(), y.Port(), proto}
	if c := bytes.Compare(t.a[:], t.b[:]); c > 0 || c == 0 && t.pa > t.pb {
		return tuple{t.b, t.a, t.pb, t.pa, proto}, true
	}
	return t, false
}

// ends gives the ends back, that of the originator's side first.
func (t *tuple) ends(turned bool) (from, to netip.AddrPort) {
	from, to = netip.AddrPortFrom(netip.AddrFrom16(t.a).Unmap(), t.pa), netip.AddrPortFrom(netip.AddrFrom16(t.b).Unmap(), t.pb)
	if turned {
		return to, from
	}
	return from, to
}

// tracked is a connection as the kernel tells it: the first packet, and one that answers it.
type tracked struct {
	proto        flow.Proto
	orig, target netip.AddrPort // source and destination of the packet that opened it, as it came
	resp, answer netip.AddrPort // source and destination of a packet that answers, as it comes
}

// translates says whether the answer is anything but the reverse.
func (k *tracked) translates() bool {
	return k.orig.IsValid() && k.resp.IsValid() && (k.orig != k.answer || k.target != k.resp)
}

// Legs of a translation.
const (
	legBefore = iota
	legAfter
)

// translation is one connection. The zero value is none.
type translation struct {
	legs        [2]tuple
	turned      [2]bool   // the originator's side of the leg is the tuple's second end
	older       [2]uint32 // the one before with a leg between the same ends
	from, until int64     // packet time; until is math.MaxInt64 while it goes on
	judged      bool      // its leg before translation was emitted
	dumped      uint32    // the last dump that told of it
}

type endedOne struct {
	entry uint32
	at    int64
}

func newTranslations() *Translations {
	return &Translations{entries: make([]translation, 1), byEnds: map[tuple]uint32{}, clear: math.MinInt64}
}

// translationOf has the legs of a connection; false where they are one.
func translationOf(k *tracked) (e translation, ok bool) {
	if !k.translates() {
		return e, false
	}
	e.legs[legBefore], e.turned[legBefore] = tupleOf(k.proto, k.orig, k.target)
	e.legs[legAfter], e.turned[legAfter] = tupleOf(k.proto, k.answer, k.resp)
	return e, e.legs[legBefore] != e.legs[legAfter]
}

// began notes a connection that was translated from then on.
func (t *Translations) began(k *tracked, from int64) {
	e, ok := translationOf(k)
	if !ok {
		return
	}
	if n := t.latest(&e); n != 0 && t.entries[n].until == math.MaxInt64 {
		t.entries[n].dumped = t.dump.number
		return
	}
	e.from, e.until, e.dumped = from, math.MaxInt64, t.dump.number
	t.counters.Told++
	n, ok := t.room()
	if !ok {
		t.counters.Overflow++
		return
	}
	for i, leg := range e.legs {
		e.older[i] = t.byEnds[leg]
		t.byEnds[leg] = n
	}
	t.entries[n] = e
}

// latest finds the last one with these legs.
func (t *Translations) latest(e *translation) uint32 {
	n := t.byEnds[e.legs[legBefore]]
	for n != 0 && t.entries[n].legs != e.legs {
		n = t.entries[n].older[t.entries[n].legOf(e.legs[legBefore])]
	}
	return n
}

// room gives an entry: a free one, a new one, or that of the translation that ended first.
func (t *Translations) room() (uint32, bool) {
	if len(t.free) == 0 && len(t.entries) > maxTranslations {
		if t.head == len(t.ended) {
			return 0, false
		}
		t.forget()
	}
	if last := len(t.free) - 1; last >= 0 {
		n := t.free[last]
		t.free = t.free[:last]
		return n, true
	}
	t.entries = append(t.entries, translation{})
	return uint32(len(t.entries) - 1), true
}

// finished notes that a connection ended.
func (t *Translations) finished(k *tracked, now int64) {
	e, ok := translationOf(k)
	if !ok {
		return
	}
	if n := t.latest(&e); n != 0 && t.entries[n].until == math.MaxInt64 {
		t.end(n, now)
	}
}

func (t *Translations) end(n uint32, now int64) {
	t.entries[n].until = now
	t.ended = append(t.ended, endedOne{n, now})
}

// expire forgets those that ended long ago.
func (t *Translations) expire(now int64) {
	for t.head < len(t.ended) && now-t.ended[t.head].at > keptTranslation {
		t.forget()
	}
	if t.head == len(t.ended) {
		t.ended, t.head = t.ended[:0], 0
	} else if t.head > maxTranslations {
		t.ended = t.ended[:copy(t.ended, t.ended[t.head:])]
		t.head = 0
	}
}

// forget lets go of the one that ended first.
func (t *Translations) forget() {
	n := t.ended[t.head].entry
	t.head++
	e := &t.entries[n]
	for i, leg := range e.legs {
		t.unlink(leg, i, n)
	}
	*e = translation{}
	t.free = append(t.free, n)
}

// unlink takes entry n with its leg out of the chain of those between the same ends, in which others may be with their other leg.
func (t *Translations) unlink(leg tuple, i int, n uint32) {
	next := t.entries[n].older[i]
	at := t.byEnds[leg]
	if at == n {
		if next == 0 {
			delete(t.byEnds, leg)
		} else {
			t.byEnds[leg] = next
		}
		return
	}
	for at != 0 {
		older := &t.entries[at].older[t.entries[at].legOf(leg)]
		if *older == n {
			*older = next
			return
		}
		at = *older
	}
}

func (e *translation) legOf(leg tuple) int {
	if e.legs[legAfter] == leg {
		return legAfter
	}
	return legBefore
}

// step moves all times by that of a step of the packets' clock.
func (t *Translations) step(by int64) {
	for i := range t.entries {
		e := &t.entries[i]
		if e.from != math.MinInt64 {
			e.from += by
		}
		if e.until != math.MaxInt64 {
			e.until += by
		}
	}
	for i := range t.ended {
		t.ended[i].at += by
	}
	for _, at := range []*int64{&t.clear, &t.dump.since, &t.dump.asked} {
		if *at != math.MinInt64 {
			*at += by
		}
	}
}

// find gives the translation that c is a leg of, 0 for none. Of several between the same ends it is the one whose beginning is nearest to that of c.
func (t *Translations) find(c *flow.Conn) (n uint32, leg int, turned bool) {
	key, turned := tupleOf(c.Proto, c.Orig, c.Resp)
	best := uint64(math.MaxUint64)
	for at := t.byEnds[key]; at != 0; {
		e := &t.entries[at]
		i := e.legOf(key)
		if e.from-translationLag <= c.First || e.from == math.MinInt64 {
			if e.until == math.MaxInt64 || c.First-translationLag <= e.until {
				if d := distance(e.from, c.First); n == 0 || d < best {
					n, leg, best = at, i, d
				}
			}
		}
		at = e.older[i]
	}
	if n == 0 {
		return 0, 0, false
	}
	return n, leg, turned != t.entries[n].turned[leg]
}

func distance(a, b int64) uint64 {
	if a > b {
		a, b = b, a
	}
	return uint64(b) - uint64(a)
}

// apply gives a connection that is translated its true ends; or, where its leg before translation was emitted or is open in the table, marks it
// as the other leg of that. Without ports ends tell too little to say what is behind them. last is true when it is emitted.
func (t *Translations) apply(c *flow.Conn, table *flow.Table, last bool) {
	if c.Tunnel != "" {
		return
	}
	n, leg, turned := t.find(c)
	if n == 0 {
		return
	}
	e := &t.entries[n]
	orig, target := e.legs[legBefore].ends(e.turned[legBefore])
	_, resp := e.legs[legAfter].ends(e.turned[legAfter])
	if leg == legAfter && (e.judged || table.Tracks(c, orig, target)) {
		c.OtherLeg = true
		if last {
			t.counters.Joined++
		}
		return
	}
	if last {
		e.judged = e.judged || leg == legBefore
	}
	if leg == legAfter && !c.Proto.HasPorts() {
		return
	}
	wire := [2]netip.AddrPort{c.Orig, c.Resp}
	c.Orig, c.Resp = orig, resp
	if turned {
		c.Orig, c.Resp = resp, orig
	}
	if last && wire != [2]netip.AddrPort{c.Orig, c.Resp} {
		t.counters.Restored++
	}
}
