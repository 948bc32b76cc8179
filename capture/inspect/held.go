package inspect

// heldConversations finds conversations by the record of their connection. Record numbers are dense, so a lookup is one line of an array and one of the
// conversation: with a million connections a map took a third of the time of inspection.
type heldConversations struct {
	slots []uint32        // by record: position in all; 0 for none
	all   []*conversation // ever made; the first ones, 0 and decided, are nil
}

// decided stands for a connection of which inspection wants nothing any more.
const decided = 1

func (h *heldConversations) decided(rec uint32) bool {
	return int(rec) < len(h.slots) && h.slots[rec] == decided
}

// make gives a new conversation.
func (h *heldConversations) make(in *Inspector) *conversation {
	c := &conversation{in: in, slot: uint32(len(h.all))}
	h.all = append(h.all, c)
	return c
}

func (h *heldConversations) of(rec uint32) *conversation {
	if int(rec) >= len(h.slots) {
		return nil
	}
	return h.all[h.slots[rec]]
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
	for _, rec := range records {
		if c := h.of(rec); c != nil {
			in.touched += uint64(c.rec) + uint64(c.orig) + uint64(c.sides[0].next) + uint64(c.sides[1].next) + uint64(c.kept) + c.packet.num + uint64(c.turns)
		}
	}
	for _, rec := range records { // what the commonest short conversations remember: a sixth of the time of inspection
		c := h.of(rec)
		if c == nil {
			continue
		}
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
