package capture

import "pcapaudit/capture/flow"

// maxWaiting bounds the fragments that wait for the first one of their datagram; the oldest makes room, and stays unmatched. Some senders
// begin with the last fragment, and packets that take several ways overtake each other.
const maxWaiting = 8192

// waiting is what a fragment adds to its connection, once that is known.
type waiting struct {
	time     int64
	num      uint64
	before   uint64 // number of the one of the same datagram that came before it; 0: none
	ipLen    uint32
	wire     uint32 // bytes that the ledger holds
	at       uint32 // where its data begins, in its captured bytes
	file     uint16
	context  uint16
	depth    uint8
	bits     flow.Bits
	cut      bool
	overlong bool
	gone     bool // its datagram does not want it any more
}

// queue is a ring of fragments that wait, numbered from 1 in the order of their arrival.
type queue struct {
	live    int // neither gone nor overwritten
	arrived uint64
	ring    [maxWaiting]waiting
}

// has says whether a fragment was not overwritten.
func (q *queue) has(number uint64) bool { return number > 0 && number+maxWaiting > q.arrived }

func (q *queue) at(number uint64) *waiting { return &q.ring[number%maxWaiting] }

// join puts a fragment behind the others of its datagram.
func (q *queue) join(e *fragmented, w waiting) {
	q.arrived++
	old := q.at(q.arrived)
	if q.arrived <= maxWaiting || old.gone {
		q.live++
	}
	w.before = e.waits
	*old = w
	e.waits = q.arrived
	e.queued++
}

// leave takes the fragments of a datagram out of the queue, and gives how many they are and their numbers, the latest first.
func (q *queue) leave(e *fragmented) (numbers [maxPieces]uint64, n int) {
	for i := e.waits; q.has(i); i = q.at(i).before {
		q.at(i).gone = true
		q.live--
		numbers[n] = i
		n++
	}
	e.waits, e.queued = 0, 0
	return numbers, n
}

// noteWaiting leaves to settle what becomes of the fragments that wait.
func (d *decoder) noteWaiting(e *fragmented) {
	if e.waits != 0 {
		d.datagram = e
	}
}

// settle is for a fragment, decoded with reason r, that made d.datagram change: it waits, or those that waited for it are waiting no
// longer. They move from the class of unmatched fragments to where they belong. Their class is final then, and at the latest when their
// datagram is forgotten, fragmentLifetime after the first of its fragments that came.
func (d *decoder) settle(r Reason, from, wire int, cut bool, out *decoded) {
	e := d.datagram
	d.datagram = nil
	switch {
	case e.refused:
		numbers, n := d.fragments.queue.leave(e)
		for _, number := range numbers[:n] {
			d.reclass(d.fragments.queue.at(number), fragmentRefused)
		}
	case e.begun:
		d.join(e, from, out)
	case r == reasonUnmatched && e.queued < maxPieces:
		p := &out.Packets[out.N]
		d.fragments.queue.join(e, waiting{time: p.Time, num: p.Num, ipLen: p.IPLen, wire: uint32(wire), at: p.PayloadOff, file: p.File, context: p.Context,
			depth: p.Depth, bits: p.Bits, cut: cut, overlong: d.overlong})
	}
}

// join puts the fragments that waited for packet out.N in front of it, in the order of their arrival: the connection begins with the first
// of them. Their offsets are those in their own records. There is room; see room.
func (d *decoder) join(e *fragmented, from int, out *decoded) {
	first, ends, payload, quote := out.Packets[out.N], out.Addr6[out.N], out.Payload[out.N], out.Quotes[out.N]
	numbers, n := d.fragments.queue.leave(e)
	for n--; n >= 0; n-- {
		w, p := d.fragments.queue.at(numbers[n]), &out.Packets[out.N]
		*p = flow.Packet{Hash: first.Hash, Time: w.time, Num: w.num, A: first.A, B: first.B, PortA: first.PortA, PortB: first.PortB, IPLen: w.ipLen,
			PayloadOff: w.at, File: w.file, Context: w.context, Proto: first.Proto, Bits: first.Bits&(flow.FromB|flow.IPv6) | flow.Fragment | w.bits, Depth: w.depth}
		out.Addr6[out.N], out.Payload[out.N] = ends, 0
		r := reasonDecoded
		if d.filter != nil {
			r = d.filtered(&out.Batch)
		}
		d.reclass(w, r)
		if r == reasonDecoded {
			out.record[out.N], out.headers[out.N] = uint16(from), headers{}
			out.N++
		}
	}
	out.Packets[out.N], out.Addr6[out.N], out.Payload[out.N], out.Quotes[out.N] = first, ends, payload, quote
}

// reclass moves a fragment out of the unmatched ones.
func (d *decoder) reclass(w *waiting, r Reason) {
	tallies := &d.ledger.Reasons
	if w.depth > 0 {
		tallies = &d.ledger.Inner
	}
	tallies[reasonUnmatched].remove(int(w.wire))
	tallies[r].add(int(w.wire))
	if r != reasonDecoded {
		return
	}
	if w.cut {
		d.ledger.Cut++
	}
	if w.overlong && w.depth == 0 {
		d.ledger.Overlong++
	}
}
