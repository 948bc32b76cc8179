package flow

import (
	"cmp"
	"slices"
)

// rank orders connections by what is lost with them, least first.
type rank uint8

const (
	rankClosed  rank = iota // nothing: it has ended and only lingers
	rankAttempt             // a TCP attempt without an answer
	rankOneWay              // heard from one side only, or a handshake not completed
	rankReplied
	ranks
)

func (r *record) rank() rank {
	s := r.state()
	switch {
	case r.proto == TCP && s.closed():
		return rankClosed
	case r.proto == TCP && s.handshake() && s.attempt():
		if s&both(synAck) == 0 {
			return rankAttempt
		}
		return rankOneWay
	case r.sent(0) == 0 || r.sent(1) == 0:
		return rankOneWay
	}
	return rankReplied
}

// evictedShare is the part of a full table that is chosen to be made free: the cost of that, a sweep and three looks at every record, is
// shared by as many new connections.
const evictedShare = 8

// leavingAtOnce is how many of the chosen end for each new connection that there may be: all at once would keep the packets that come
// meanwhile waiting for longer than the ring of a live capture holds.
const leavingAtOnce = 4

// leaving are connections that were chosen to make room, in the order of their first packets. They end little by little; one that speaks
// meanwhile stays.
type leaving struct {
	list []aged
	head int
}

func (l *leaving) done() bool { return l.head == len(l.list) }

// leave ends the next n of the chosen that are open and have been silent since.
func (t *Table) leave(n int) {
	l := &t.leaving
	for ; n > 0 && !l.done(); l.head++ {
		if c := &l.list[l.head]; t.stillOpen(c.victim) && t.records.of[c.rec].last == c.last {
			t.end(c.rec, EndEvicted)
			n--
		}
	}
}

// choose finds n connections to end: the least ranks, in the last of them those that have been silent the longest.
func (t *Table) choose(n int) {
	var count [ranks]int
	var oldest, newest [ranks]int64
	t.records.each(func(_ uint32, r *record) {
		k := r.rank()
		if count[k] == 0 {
			oldest[k], newest[k] = r.last, r.last
		}
		oldest[k], newest[k] = min(oldest[k], r.last), max(newest[k], r.last)
		count[k]++
	})
	last := rank(0) // the rank that is ended in part
	for n > count[last] {
		n -= count[last]
		last++
	}
	cut := t.slice(last, oldest[last], newest[last], n)
	chosen := slices.Grow(t.leaving.list[:0], n)
	var edge []aged
	t.records.each(func(rec uint32, r *record) {
		k := r.rank()
		switch {
		case k < last || k == last && cut.slice(r.last) < cut.edge:
			chosen = append(chosen, aged{victim{r.id, rec}, r.last})
		case k == last && cut.slice(r.last) == cut.edge:
			edge = append(edge, aged{victim{r.id, rec}, r.last})
		}
	})
	slices.SortFunc(edge, func(a, b aged) int { return cmp.Or(cmp.Compare(a.last, b.last), t.compare(a.victim, b.victim)) })
	chosen = append(chosen, edge[:cut.within]...)
	slices.SortFunc(chosen, func(a, b aged) int { return t.compare(a.victim, b.victim) })
	t.leaving = leaving{list: chosen}
}

type aged struct {
	victim
	last int64
}

// maxSlices bounds the memory of the choice; a smaller table has no more slices than connections.
const maxSlices = 1 << 16

// cut divides the times of one rank into slices of equal length: all before edge are ended, and within of those in it.
type cut struct {
	oldest int64
	width  uint64
	edge   uint64
	within int
}

func (c *cut) slice(last int64) uint64 { return uint64(last-c.oldest) / c.width }

// slice finds the cut that leaves out the n oldest records of rank k.
func (t *Table) slice(k rank, oldest, newest int64, n int) cut {
	if t.histogram == nil {
		t.histogram = make([]uint32, min(t.limit, maxSlices))
	}
	clear(t.histogram)
	c := cut{oldest: oldest, width: uint64(newest-oldest)/uint64(len(t.histogram)) + 1, within: n}
	t.records.each(func(_ uint32, r *record) {
		if r.rank() == k {
			t.histogram[c.slice(r.last)]++
		}
	})
	for c.within > int(t.histogram[c.edge]) {
		c.within -= int(t.histogram[c.edge])
		c.edge++
	}
	return c
}
