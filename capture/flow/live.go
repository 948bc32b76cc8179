package flow

import (
	"encoding/binary"
	"math"
	"net/netip"
	"time"
)

// YoungAge is the age, in packet time, at which a connection is shown to Options.Young at the latest.
const YoungAge = int64(5 * time.Second)

const (
	// settleAge is the age from which on a connection is shown whose outcome is known and on which inspection has decided: a handshake over
	// a slow line is done by then, and most names are told.
	settleAge = int64(time.Second)
	// maxYoung bounds the connections that wait to be shown, at each of the two ages: 50,000 new ones a second fit.
	maxYoung = 1 << 18
)

// young is a connection that waits to be shown.
type young struct {
	victim
	born int64
}

// youth are the connections that Options.Young has not seen, oldest first: those younger than settleAge, and those that were not settled then.
type youth struct {
	show           Emit // nil: nobody waits
	fresh, waiting queue
	unpreviewed    uint64
}

// queue is first in, first out: a ring that grows as it fills.
type queue struct {
	ring  memory[young] // its length is 0 or a power of two
	first int           // position of the oldest
	n     int
}

const firstQueue = 1 << 10

func (q *queue) push(y young) bool {
	if q.n == maxYoung {
		return false
	}
	if q.n == len(q.ring.of) {
		grown := newMemory[young](max(2*q.n, firstQueue))
		copy(grown.of[copy(grown.of, q.ring.of[q.first:]):], q.ring.of[:q.first])
		q.ring.free()
		q.ring, q.first = grown, 0
	}
	*q.at(q.n) = y
	q.n++
	return true
}

// at is the ith oldest.
func (q *queue) at(i int) *young { return &q.ring.of[(q.first+i)&(len(q.ring.of)-1)] }

// older takes the first one if it was born at t or before.
func (q *queue) older(t int64) (y young, ok bool) {
	if q.n == 0 || q.at(0).born > t {
		return y, false
	}
	y = *q.at(0)
	q.first = (q.first + 1) & (len(q.ring.of) - 1)
	q.n--
	return y, true
}

// bear notes a new connection.
func (y *youth) bear(r *record, rec uint32, now int64) {
	if y.show != nil && !y.fresh.push(young{victim{r.id, rec}, now}) {
		y.unpreviewed++
	}
}

// Advance lets the packet clock go on where no packet comes, for captures that do not end: connections that have been silent for too long
// end, and new ones are shown to Options.Young. It may be called between two calls of AddBatch.
func (t *Table) Advance(now int64) {
	for _, rec := range t.dead {
		t.records.put(rec)
	}
	t.dead = t.dead[:0]
	if !t.clock.started {
		t.clock.now, t.clock.start, t.clock.started = now, now, true
	}
	if now > t.clock.now {
		t.clock.see(now)
	}
	if t.clock.now-t.swept > sweepInterval || t.clock.now < t.swept {
		t.sweep()
	}
	t.preview()
}

func (t *Table) preview() {
	y, now := &t.youth, t.clock.now
	if y.show == nil {
		return
	}
	for one, ok := y.fresh.older(now - settleAge); ok; one, ok = y.fresh.older(now - settleAge) {
		switch {
		case !t.stillOpen(one.victim):
		case t.settled(one.rec):
			y.show(one.rec, t.conn(one.rec, EndInput))
		case !y.waiting.push(one):
			y.unpreviewed++
		}
	}
	for one, ok := y.waiting.older(now - YoungAge); ok; one, ok = y.waiting.older(now - YoungAge) {
		if t.stillOpen(one.victim) {
			y.show(one.rec, t.conn(one.rec, EndInput))
		}
	}
}

// stillOpen says whether a connection is still open: its record may be that of another one by now.
func (t *Table) stillOpen(v victim) bool {
	r := &t.records.of[v.rec]
	return r.flags&live != 0 && r.id == v.id
}

// settled says whether more packets will hardly change what a connection is.
func (t *Table) settled(rec uint32) bool {
	r := &t.records.of[rec]
	switch o := r.outcome(); {
	case o == Refused:
		return true
	case o == Unanswered, o == HalfOpen, o == OneWay, o == OneSided:
		return false
	}
	return r.flags&undecided == 0
}

// Step moves the times of everything open by the length of a step of the clock that the packets' times come from, so that no silence
// seems longer or shorter than it was.
func (t *Table) Step(by int64) {
	t.clock.now += by
	t.clock.start += by
	t.clock.run = 0
	t.clock.steps++
	t.swept += by
	t.records.each(func(rec uint32, r *record) {
		if r.flags&timed != 0 {
			r.first += by
			r.last += by
			t.records.quiet.of[rec] = math.MinInt64
		}
	})
	for _, q := range []*queue{&t.youth.fresh, &t.youth.waiting} {
		for i := range q.n {
			q.at(i).born += by
		}
	}
	for i := range t.leaving.list {
		t.leaving.list[i].last += by
	}
}

// marks are the packets that each side of an open connection had sent when a period began, by record number.
type marks struct {
	memory[[2]uint32]
}

// Mark begins a period: what EachActive tells counts from here.
func (t *Table) Mark() {
	if t.marks.of == nil {
		t.marks.memory = newMemory[[2]uint32](len(t.records.of))
	}
	t.records.each(func(rec uint32, r *record) { t.marks.of[rec] = [2]uint32{r.sent(0), r.sent(1)} })
}

// unmark is for a new connection.
func (m *marks) unmark(rec uint32) {
	if m.of != nil {
		m.of[rec] = [2]uint32{}
	}
}

// EachActive calls f for every open connection of which both sides have sent since the last Mark, or of one-way traffic any side, in the order of first packets. The
// connection stays open; f must not call the table.
func (t *Table) EachActive(f Emit) {
	t.victims = t.victims[:0]
	t.records.each(func(rec uint32, r *record) {
		if t.active(rec, r) {
			t.victims = append(t.victims, victim{r.id, rec})
		}
	})
	t.sortVictims()
	for _, v := range t.victims {
		f(v.rec, t.conn(v.rec, EndInput))
	}
}

// EachOpen calls f for at most that many open connections, those that were closed and linger among them: first those of which both sides sent, then the others, each in the order
// of first packets. Where not all of the others have room they are a flood, which is to cost little: an eighth of most is then enough of them. Which ones are left out does not
// depend on their age. Each has what it missed so far, as if it ended now. The connections stay open; f must not call the table.
func (t *Table) EachOpen(most int, f Emit) {
	few := most / 8
	for _, answered := range []bool{true, false} {
		t.victims = t.victims[:0]
		n := 0
		t.records.each(func(rec uint32, r *record) {
			if (r.sent(0) != 0 && r.sent(1) != 0) != answered {
				return
			}
			if n++; n <= most {
				t.victims = append(t.victims, victim{r.id, rec})
			}
		})
		if !answered && n > most {
			t.victims = t.victims[:min(len(t.victims), few)]
		}
		t.sortVictims()
		for _, v := range t.victims {
			c := t.conn(v.rec, EndInput)
			if c.Proto == TCP && t.records.of[v.rec].state().closed() {
				c.End = EndClosed
			}
			c.Missed = t.missed(v.rec, t.losses.soFar(v.rec))
			f(v.rec, c)
		}
		most -= len(t.victims)
	}
}

func (t *Table) active(rec uint32, r *record) bool {
	var sent [2]bool
	for side := range 2 {
		sent[side] = r.sent(uint(side)) != 0 && (t.marks.of == nil || r.sent(uint(side)) != t.marks.of[rec][side])
	}
	return sent[0] && sent[1] || r.proto != TCP && (sent[0] || sent[1])
}

// Tracks says whether a connection is open between these ends, in whatever context, of the protocol of c, and of ICMP the type. It may be
// called from the functions of Options.
func (t *Table) Tracks(c *Conn, x, y netip.AddrPort) bool {
	p := Packet{Proto: c.Proto, PortA: x.Port(), PortB: y.Port()}
	if c.Proto.IsICMP() {
		p.PortA, p.PortB = PackICMP(c.Proto, c.ICMPType, c.ICMPCode)
	}
	var exact [2][16]byte
	if x.Addr().Is4() && y.Addr().Is4() {
		src, dst := x.Addr().As4(), y.Addr().As4()
		t.hasher.SetEnds4(&p, binary.BigEndian.Uint32(src[:]), binary.BigEndian.Uint32(dst[:]))
	} else {
		src, dst := x.Addr().As16(), y.Addr().As16()
		t.hasher.SetEnds6(&p, &exact, &src, &dst)
	}
	open := func(rec uint32) bool {
		p.Context = t.records.of[rec].context
		return t.match(rec, &p, &exact)
	}
	if t.hasher.contexts == nil {
		return t.index.find(p.Hash, open) != 0
	}
	for part := range t.contexts.parts() {
		if t.index.find(t.hasher.hash(p.A, p.B, p.PortA, p.PortB, p.Proto, part), open) != 0 {
			return true
		}
	}
	return false
}
