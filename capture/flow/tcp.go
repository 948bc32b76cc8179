package flow

// state is the evidence about one connection. The low bits come in pairs, A then B: shift them by the side.
//
// Outcomes are read from the evidence when the connection ends, not from a sequence of states: packets of a capture come in the
// order of the capturing host, not of the connection. Sequence numbers of both sides are checked at the handshake only, to 16 bits.
type state uint16

const (
	heard  state = 1 << (2 * iota) // a packet that speaks for its side; see Packet.speaks
	syn                            // TCP from here on: SYN without ACK
	synAck                         // SYN-ACK that answers the SYN of the other side
	moved                          // an ACK or data, without SYN and RST
	fin
	rst
	acked           // the SYN-ACK was acknowledged by the side that it answers
	otherSYN  state = acked << 1
	dataInSYN state = acked << 2 // TCP Fast Open (RFC 7413)
	refused   state = acked << 3 // RST in answer to the SYN
)

// both gives the bit for A and for B.
func both(s state) state { return s | s<<1 }

func (s state) of(bit state, side uint) bool { return s&(bit<<side) != 0 }

// handshake says whether a packet told the originator.
func (s state) handshake() bool { return s&(both(syn)|both(synAck)) != 0 }

// closed is a connection that has ended: FIN both ways, or a RST from a side that did not go on afterwards.
func (s state) closed() bool { return s&both(fin) == both(fin) || s&both(rst) != 0 }

// closing is a connection of which a new handshake may reuse the ends at once.
func (s state) closing() bool { return s&(both(fin)|both(rst)) != 0 }

// attempt is a handshake that got no further than SYN and SYN-ACK, or a stray packet without meaning.
func (s state) attempt() bool { return s&both(moved) == 0 }

const handshakeFlags = SYN | ACK | RST | FIN

const (
	// reordered is how long after its first packet a connection without handshake may still show it: merged captures of two
	// interfaces hold packets in the wrong order. Later it is the handshake of a new connection.
	reordered = 1e9
	// reuseSilence is how long a connection that was not seen to close must have been silent before a SYN with another initial
	// sequence number starts a new one. A live host answers such a SYN with a challenge ACK and goes on (RFC 5961, section 4), so a
	// forged SYN must not split a connection; ports are not reused within TIME-WAIT, 60 s on Linux.
	reuseSilence = 60e9
	// maxSYNData bounds what a SYN-ACK or RST may acknowledge beyond the SYN where that carried data: one segment of a jumbo frame.
	maxSYNData = 9000
)

// answersSYN checks the acknowledgement of a SYN-ACK or RST against the originator's initial sequence number.
func (r *record) answersSYN(p *Packet) bool {
	beyond := uint16(p.Ack) - r.isn() - 1
	return beyond == 0 || r.state()&dataInSYN != 0 && beyond <= maxSYNData
}

// reopens says whether a packet with SYN opens a new connection between the ends of r, which is not idle.
func (r *record) reopens(p *Packet) bool {
	s, side := r.state(), uint(p.Bits&FromB)
	dated := p.Bits&BadTime == 0 && r.flags&timed != 0
	silent := dated && p.Time-r.last > reuseSilence
	kind := p.Flags & handshakeFlags
	if kind != SYN && kind != SYN|ACK {
		return false
	}
	if !s.handshake() {
		return s.closing() || dated && p.Time-r.first > reordered
	}
	fromOrig := side == r.orig()
	if kind == SYN {
		switch {
		case fromOrig && uint16(p.Seq) == r.isn():
			return false
		case s.closing() || silent:
			return true
		case fromOrig:
			return s.attempt()
		}
		return false // simultaneous open, split handshake, or a challenge
	}
	switch {
	case !fromOrig && r.answersSYN(p), fromOrig && s.of(syn, side^1):
		return false
	case s.closing() || silent || s&otherSYN != 0:
		return true
	}
	return s&both(syn) == 0 && s.attempt()
}

// repeats is a quick look at the bulk of packets: those that say what their side has said before.
func (s state) repeats(p *Packet) bool {
	side := p.Bits & FromB
	return p.Flags&(SYN|FIN|RST) == 0 && s&((heard|moved|rst)<<side) == (heard|moved)<<side && (s&acked != 0 || s&both(synAck) == 0)
}

// trackTCP gives the evidence s and that of a packet which is neither broken nor a later fragment, with payload bytes on the wire: the capture may
// hold fewer.
func (r *record) trackTCP(p *Packet, payload uint32, s state) state {
	side := uint(p.Bits & FromB)
	switch flags := p.Flags & handshakeFlags; {
	case flags == SYN:
		s |= r.trackSYN(p, payload, s, side)
	case flags == SYN|ACK:
		s |= r.trackSYNACK(p, s, side)
	case flags&SYN != 0: // with FIN or RST: no stack sends it
	case flags&RST != 0:
		s |= r.trackRST(p, s, side)
	default:
		s &^= rst << side
		if flags&FIN != 0 {
			s |= fin << side
		}
		if flags&ACK != 0 || payload > 0 {
			s |= moved << side
			if s&acked == 0 && flags&ACK != 0 {
				s |= r.completes(p, s, side)
			}
		}
	}
	return s
}

// keepNumbers is for a packet that turns the evidence before into after: the first of a handshake tells the originator, and each side's opens
// with its initial sequence number.
func (r *record) keepNumbers(p *Packet, before, after state) {
	side := uint(p.Bits & FromB)
	switch {
	case before.handshake() || !after.handshake():
	case p.Flags&ACK == 0:
		r.originate(side, p.Seq)
	default:
		r.originate(side^1, p.Ack-1)
	}
	if resp := r.orig() ^ 1; (after&^before)&((syn|synAck)<<resp) != 0 {
		r.setRespISN(p.Seq)
	}
}

func (r *record) originate(side uint, isn uint32) {
	r.flags = r.flags&^origB | recordFlags(side)*origB
	r.setISN(isn)
}

func (r *record) trackSYN(p *Packet, payload uint32, s state, side uint) state {
	first := !s.handshake()
	switch {
	case first || side == r.orig() && uint16(p.Seq) == r.isn():
		if payload > 0 {
			return syn<<side | dataInSYN
		}
		return syn << side
	case side == r.orig():
		return otherSYN
	case s.of(syn, side): // its repetition
		return 0
	case !s.of(moved, side^1):
		// Simultaneous open (RFC 9293, section 3.5) or split handshake: the responder opens its own direction, some after an ACK or a SYN-ACK.
		return syn << side
	}
	return otherSYN
}

func (r *record) trackSYNACK(p *Packet, s state, side uint) state {
	switch {
	case !s.handshake(), side != r.orig() && r.answersSYN(p),
		side == r.orig() && s.of(syn, side^1) && uint16(p.Ack) == r.respISN()+1:
		return synAck << side
	}
	return 0
}

// trackRST leaves out a RST that pretends to answer a SYN.
func (r *record) trackRST(p *Packet, s state, side uint) state {
	answer := s.handshake() && side != r.orig() && s&both(synAck) == 0 && s.attempt()
	switch {
	case !answer:
		return rst << side
	case p.Flags&ACK != 0 && r.answersSYN(p):
		return rst<<side | refused
	}
	return 0
}

// completes gives acked where an ACK of this side acknowledges the SYN-ACK of the other. Until that side has moved on there is one number
// that it can have: a sender of forged addresses, who does not see the SYN-ACK, does not know it.
func (r *record) completes(p *Packet, s state, side uint) state {
	isn := r.isn()
	if side == r.orig() {
		isn = r.respISN()
	}
	if s.of(synAck, side^1) && (side == r.orig() || s.of(syn, side)) && (uint16(p.Ack) == isn+1 || s.of(moved, side^1)) {
		return acked
	}
	return 0
}

// heardAll says whether each side that packets came from was heard: not only by broken ones.
func (r *record) heardAll() bool {
	s := r.state()
	return (r.sent(0) == 0 || s.of(heard, 0)) && (r.sent(1) == 0 || s.of(heard, 1))
}

// outcomeTCP reads the outcome from the evidence.
func (r *record) outcomeTCP() Outcome {
	s, o := r.state(), r.orig()
	resp := o ^ 1
	answered := s&both(synAck) != 0
	switch {
	case s&both(heard) == 0:
		return Unanswered
	case !s.handshake() && r.heardAll():
		return Midstream
	case !s.handshake():
		return OneSided
	case s.of(syn, o) && s&acked != 0 && answered, s&both(syn) == both(syn) && s&both(synAck) == both(synAck):
		return Established
	case answered && s&acked == 0 && !s.of(moved, resp):
		return HalfOpen
	case s&refused != 0 && !answered:
		return Refused
	case s.of(moved, resp) || answered:
		if s&both(heard) != both(heard) {
			return OneSided
		}
		return Partial
	case s.of(moved, o):
		return OneSided
	}
	return Unanswered
}
