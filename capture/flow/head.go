package flow

import (
	"encoding/binary"
	"net/netip"
)

// wanted says whether inspection gets the payload of p: of TCP all until it has decided, of UDP the first datagrams of each side, or all
// where it follows the conversation. Datagrams that come in one batch with the first one of a side are among its first, because only
// after the batch is it known whether the conversation is followed: what inspection sees must not depend on how batches are cut.
func (r *record) wanted(p *Packet) bool {
	if r.flags&undecided == 0 || p.PayloadLen == 0 {
		return false
	}
	return r.proto == TCP || r.proto == UDP && (r.flags&followed != 0 || r.state()&(heard<<(p.Bits&FromB)) == 0 || r.begins(0) || r.begins(1))
}

// begins says whether a side may have sent its first packet in this batch.
func (r *record) begins(side uint) bool { return r.sent(side)-1 < BatchSize }

// Follow tells the table that inspection has recognised the connection and wants all its payload until Decide.
func (t *Table) Follow(rec uint32) {
	if r := &t.records.of[rec]; r.flags&live != 0 {
		r.flags |= followed
	}
}

// Decide tells the table that inspection wants no more payload of this connection.
func (t *Table) Decide(rec uint32) {
	if r := &t.records.of[rec]; r.flags&live != 0 {
		r.flags &^= undecided
	}
}

// Wants says whether the connection of a record of the last batch goes on, and inspection has not decided on it: that of a packet with
// the bit Head may have ended, or been decided on, within the batch.
func (t *Table) Wants(rec uint32) bool {
	return t.records.of[rec].flags&(live|undecided) == live|undecided
}

// Start gives the sequence numbers of the first payload bytes of p's side of a TCP connection and of the other one, and the side that
// opened it. Without a handshake the side is -1; then, and for a side whose SYN was not seen, the numbers are those of p: of its own
// payload, and of what it acknowledges.
func (t *Table) Start(rec uint32, p *Packet) (seq, other uint32, orig int) {
	seq, other = p.Seq, p.Ack
	if p.Flags&SYN != 0 {
		seq++
	}
	r := &t.records.of[rec]
	if !r.state().handshake() {
		return seq, other, -1
	}
	side := uint(p.Bits & FromB)
	return r.firstByte(side, seq), r.firstByte(side^1, other), int(r.orig())
}

// firstByte moves a sequence number back to the first payload byte of its side, if that is less than half of what the record knows behind it.
func (r *record) firstByte(side uint, seq uint32) uint32 {
	isn := r.isn()
	if side != r.orig() {
		if r.state()&((syn|synAck)<<side) == 0 {
			return seq
		}
		isn = r.respISN()
	}
	if behind := uint16(seq) - isn - 1; behind < 1<<15 {
		seq -= uint32(behind)
	}
	return seq
}

// Addr4 is the IPv4 address of a Packet's end.
func Addr4(end uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], end)
	return netip.AddrFrom4(b)
}
