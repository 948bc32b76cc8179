package inspect

// heldConversations finds conversations by the record of their connection. Record numbers are dense, so a lookup is one line of an array and one of the
// conversation: with a million connections a map took a third of the time of inspection.
type heldConversations struct {
	slots  []uint32                           // by record; 0 for none
	blocks []*[conversationBlock]conversation // ever made, by slot; the first ones, 0 and decided, are none
	made   uint32
}

const conversationBlock = 1 << 6

// decided stands for a connection of which inspection wants nothing any more.
const decided = 1

func (h *heldConversations) decided(rec uint32) bool {
	return int(rec) < len(h.slots) && h.slots[rec] == decided
}

// make gives a new conversation.
func (h *heldConversations) make(in *Inspector) *conversation {
	h.made = max(h.made, decided) + 1
	for int(h.made/conversationBlock) >= len(h.blocks) {
		h.blocks = append(h.blocks, new([conversationBlock]conversation))
	}
	c := h.at(h.made)
	c.in, c.slot = in, h.made
	return c
}

func (h *heldConversations) at(slot uint32) *conversation {
	return &h.blocks[slot/conversationBlock][slot%conversationBlock]
}

func (h *heldConversations) of(rec uint32) *conversation {
	if int(rec) >= len(h.slots) || h.slots[rec] <= decided {
		return nil
	}
	return h.at(h.slots[rec])
}

func (h *heldConversations) put(rec, slot uint32) {
	if more := int(rec) + 1 - len(h.slots); more > 0 {
		h.slots = append(h.slots, make([]uint32, max(more, len(h.slots)))...)
	}
	h.slots[rec] = slot
}

// forget is for the end of a connection.
func (h *heldConversations) forget(rec uint32) {
	if int(rec) < len(h.slots) {
		h.slots[rec] = 0
	}
}

// Touch loads what Packet and End will need of a list of records, each stage for all of them: their cache misses overlap, one call after the other
// each would wait for its own.
func (in *Inspector) Touch(records []uint32) {
	h := &in.held
	for _, rec := range records {
		if int(rec) < len(h.slots) {
			in.touched += uint64(h.slots[rec])
		}
		in.told.Touch(rec)
	}
	fresh, held := 0, in.touching[:0]
	for _, rec := range records {
		if c := h.of(rec); c != nil {
			in.touched += c.lines()
			held = append(held, c)
		} else if !h.decided(rec) {
			fresh++
		}
	}
	in.touching = held
	if in.followed+fresh > maxFollowed {
		in.touchOldest(&in.overUDP, fresh)
	}
	for _, c := range held { // what the commonest short conversations remember: a sixth of the time of inspection
		switch d := c.talk.(type) {
		case *ldap:
			in.touched += uint64(d.last)
		case *httpDialogue:
			in.touched += uint64(d.code)
		}
		if r, ok := c.state.(*resolution); ok {
			in.touched += uint64(len(r.queries))
		}
	}
}

// touchOldest loads what it takes to let n conversations go.
func (in *Inspector) touchOldest(q *queue, n int) {
	h := &in.held
	last := min(q.first+uint64(n), q.end)
	for at := q.first; at < last; at++ {
		if slot := q.ring[at&uint64(len(q.ring)-1)]; slot != 0 {
			c := h.at(slot)
			in.touched += c.lines() + uint64(c.kept) + c.place
		}
	}
	for at := q.first; at < last; at++ {
		if slot := q.ring[at&uint64(len(q.ring)-1)]; slot != 0 {
			c := h.at(slot)
			in.touched += uint64(h.slots[c.rec])
			if r, ok := c.state.(*resolution); ok {
				in.touched += uint64(len(r.queries))
			}
		}
	}
}

// lines loads the lines that each packet needs.
func (c *conversation) lines() uint64 {
	return uint64(c.rec) + uint64(c.sides[0].next) + c.packet.num
}
