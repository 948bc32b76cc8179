package flow

// carry holds what the counters of one record could not: of a connection with more than 2^24 packets or 2^48 bytes one way.
type carry struct{ packets, bytes [2]uint64 }

func (t *Table) count(rec uint32, p *Packet) {
	r, side := &t.records.of[rec], p.Bits&FromB
	if r.packets[side]++; r.packets[side]&packetMask == packetMask {
		const half = 1 << (packetBits - 1) // what stays is not 0
		r.packets[side] -= half
		t.carryOf(rec).packets[side] += half
	}
	bytes := r.bytes[side]&countMask + uint64(p.IPLen)
	if bytes > countMask {
		t.carryOf(rec).bytes[side] += 1 << countBits
	}
	r.bytes[side] = r.bytes[side]&^countMask | bytes&countMask
	switch {
	case p.Bits&BadTime != 0:
	case r.flags&timed == 0:
		r.first, r.last, r.flags = p.Time, p.Time, r.flags|timed
	default:
		r.last = max(r.last, p.Time)
	}
}

func (t *Table) carryOf(rec uint32) *carry {
	c := t.carried[rec]
	if c == nil {
		c = new(carry)
		t.carried[rec] = c
	}
	return c
}

// totals are packets and bytes from A and from B.
func (t *Table) totals(rec uint32) (packets, bytes [2]uint64) {
	r := &t.records.of[rec]
	if c := t.carried[rec]; c != nil {
		packets, bytes = c.packets, c.bytes
	}
	for side := range 2 {
		packets[side] += uint64(r.sent(uint(side)))
		bytes[side] += r.bytes[side] & countMask
	}
	return packets, bytes
}

// Counters tell what a table did. Created = Open + Emitted always; Emitted is the sum of Ends, also where nobody takes the connections.
type Counters struct {
	Packets  uint64
	Created  uint64
	Open     uint64
	Emitted  uint64
	Ends     [numEnds]uint64 // by End; [EndEvicted] are those that the limit cut short
	Peak     uint64          // most open at once
	Limit    uint64          // of open connections
	BadTime  uint64          // packets with an absurd time stamp
	Backward uint64          // packets earlier than the clock
	Steps    uint64          // times that the clock was moved by more than an hour, because many packets agreed
	Contexts uint64          // different VLAN stacks and tunnel paths
	Other    uint64          // connections whose context is "other", because there were too many
	Lost     uint64          // ICMP errors not kept with their connections
	// Doubted are the connections whose idle timeout was over at a packet more than an hour from the clock: they ended before a real gap
	// in the capture, or a wrong time stamp cut them in two.
	Doubted    uint64
	Unfollowed uint64 // TCP connections of which losses were not estimated, because too many were open
	// Unpreviewed are the new connections that Options.Young was not shown, because too many were new at once.
	Unpreviewed uint64
}

// Counters may be read at any time between two calls.
func (t *Table) Counters() Counters {
	c := Counters{Packets: t.packets, Created: t.created, Open: uint64(t.open), Ends: t.ends, Peak: uint64(t.peak),
		Limit: uint64(t.limit), BadTime: t.badTime, Backward: t.clock.backward, Steps: t.clock.steps,
		Contexts: uint64(t.contexts.n), Other: t.otherContexts, Doubted: t.doubted, Lost: t.lost, Unfollowed: t.losses.skipped, Unpreviewed: t.youth.unpreviewed}
	for _, n := range t.ends {
		c.Emitted += n
	}
	return c
}
