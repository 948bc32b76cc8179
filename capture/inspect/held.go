package inspect

import "pcapaudit/capture/flow"

// heldConversations finds conversations by the record of their connection. Record numbers are dense, so a lookup is one line of an array and one of the
// conversation: with a million connections a map took a third of the time of inspection.
type heldConversations struct {
	slots []uint32        // by record: position in all; 0 for none
	all   []*conversation // ever made; the first is nil
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

func (h *heldConversations) put(c *conversation) {
	if more := int(c.rec) + 1 - len(h.slots); more > 0 {
		h.slots = append(h.slots, make([]uint32, max(more, len(h.slots)))...)
	}
	h.slots[c.rec] = c.slot
}

func (h *heldConversations) drop(rec uint32) {
	if int(rec) < len(h.slots) {
		h.slots[rec] = 0
	}
}

// Touch loads what Packet will need of some packets of a batch, each stage for all of them: their cache misses overlap, in Packet they
// would follow one another.
func (in *Inspector) Touch(b *flow.Batch, from, to int) {
	h := &in.held
	for i := from; i < to; i++ {
		if b.Packets[i].Bits&flow.Head != 0 && int(b.Record[i]) < len(h.slots) {
			in.touched += uint64(h.slots[b.Record[i]])
		}
	}
	in.table.Touch(b, from, to)
	for i := from; i < to; i++ {
		if b.Packets[i].Bits&flow.Head == 0 {
			continue
		}
		if c := h.of(b.Record[i]); c != nil {
			in.touched += uint64(c.rec) + uint64(c.orig) + uint64(c.sides[0].next) + uint64(c.sides[1].next) + uint64(c.kept) + c.packet.num + uint64(c.turns)
		}
	}
}
