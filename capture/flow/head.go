package flow

import (
	"encoding/binary"
	"net/netip"
)

// Offer is a packet of a batch whose payload inspection may want, with what inspection has to know of its connection.
type Offer struct {
	Packet *Packet
	Addr6  *[2][16]byte // as in Batch; valid iff Packet.Bits has IPv6
	Conn   ConnID
	Record uint32
	Wire   uint32 // TCP: bytes of payload on the wire
	// Of TCP: the sequence numbers of the first payload bytes of the packet's side and of the other one, and the side that opened the
	// connection. Without a handshake the side is -1; then, and for a side whose SYN was not seen, the numbers are those of the packet:
	// of its own payload, and of what it acknowledges.
	Seq, Other uint32
	Orig       int8
}

// Wish is what inspection wants of a connection from now on.
type Wish struct {
	Conn   ConnID
	Record uint32
	All    bool // all payload, until a later wish; false: no more
}

// asked stands in records of UDP, which have no handshake: inspection was waited for, and nothing may have changed its mind since.
const asked = syn

// wanted says whether inspection may want the payload of p: of TCP all until it has decided, of UDP the first datagrams of each side, or all
// where it follows the conversation. Whether it does, and whether it has decided, may become known later than the packets that come meanwhile:
// what is offered is more than what it takes, never less.
func (t *Table) wanted(r *record, p *Packet) bool {
	if r.flags&undecided == 0 || p.PayloadLen == 0 || r.proto != TCP && r.proto != UDP {
		return false
	}
	if r.proto == TCP || r.flags&followed != 0 {
		return true
	}
	if r.state()&(heard<<(p.Bits&FromB)) == 0 || r.begins(0) || r.begins(1) {
		r.setState(r.state() &^ asked)
		return true
	}
	if r.state()&asked == 0 {
		if t.settle != nil {
			t.settle()
		}
		r.setState(r.state() | asked)
	}
	return r.flags&(undecided|followed) == undecided|followed
}

// firstDatagrams of a side are looked at, whether or not its conversation is followed.
const firstDatagrams = 256

// begins says whether a side has sent its first packet, and no more than the first few.
func (r *record) begins(side uint) bool { return r.sent(side)-1 < firstDatagrams }

// Wish heeds what inspection said of a connection that may have ended since.
func (t *Table) Wish(w *Wish) {
	r := &t.records.of[w.Record]
	switch {
	case r.flags&live == 0 || r.connID() != w.Conn:
	case w.All:
		r.flags |= followed
	default:
		r.flags &^= undecided
	}
}

// Offer fills o with packet i of the last batch, which has the bit Head, and of which the connection has not ended.
func (t *Table) Offer(o *Offer, b *Batch, i int) {
	p, rec := &b.Packets[i], b.Record[i]
	r := &t.records.of[rec]
	o.Packet, o.Addr6, o.Conn, o.Record = p, &b.Addr6[i], r.connID(), rec
	if r.proto != TCP {
		return
	}
	o.Wire = b.Payload[i]
	o.Seq, o.Other, o.Orig = p.Seq, p.Ack, -1
	if p.Flags&SYN != 0 {
		o.Seq++
	}
	if r.state().handshake() {
		side := uint(p.Bits & FromB)
		o.Seq, o.Other, o.Orig = r.firstByte(side, o.Seq), r.firstByte(side^1, o.Other), int8(r.orig())
	}
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
