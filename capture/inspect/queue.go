package inspect

// queue is conversations that may be let go, oldest first, by their slots in a ring. Who leaves before its turn leaves its place empty: of a linked
// list both neighbours would change, which nothing else needs then.
type queue struct {
	ring       []uint32 // a power of two; 0 for an empty place
	first, end uint64   // places, which count on and on; all before first are empty
	n          int
}

const leastQueue = 1 << 6

// add appends a conversation, which may move others to other places.
func (q *queue) add(h *heldConversations, c *conversation) {
	if q.end-q.first == uint64(len(q.ring)) {
		q.pack(h)
	}
	q.put(c)
	q.n++
}

func (q *queue) put(c *conversation) {
	q.ring[q.end&uint64(len(q.ring)-1)] = c.slot
	q.end++
	c.place = q.end
}

// pack closes the gaps, in a ring of which at least half is free then.
func (q *queue) pack(h *heldConversations) {
	ring, at, end := q.ring, q.first, q.end
	if 2*q.n >= len(ring) {
		q.ring = make([]uint32, max(2*len(ring), leastQueue))
	}
	for q.end = at; at != end; at++ {
		if slot := ring[at&uint64(len(ring)-1)]; slot != 0 {
			q.put(h.at(slot))
		}
	}
}

// remove takes c out, if it is in.
func (q *queue) remove(c *conversation) {
	if c.place != 0 {
		q.ring[(c.place-1)&uint64(len(q.ring)-1)] = 0
		c.place = 0
		q.n--
	}
}

// oldest is the first of a queue that is not empty.
func (q *queue) oldest(h *heldConversations) *conversation {
	for {
		if slot := q.ring[q.first&uint64(len(q.ring)-1)]; slot != 0 {
			return h.at(slot)
		}
		q.first++
	}
}
