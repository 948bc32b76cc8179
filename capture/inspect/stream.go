package inspect

import (
	"slices"

	"pcapaudit/capture/flow"
)

// side is one direction of a TCP connection: its bytes in order, as far as nobody has used them up.
type side struct {
	next      uint32 // sequence number of the next byte wanted
	acked     uint32 // what the other side has acknowledged, where next is known
	at        int64  // when the last bytes in order came, or the conversation began to be read
	skip      int    // bytes to come that nobody wants
	unread    *unread
	started   bool // next is known
	refused   bool // nothing recognises its first bytes
	delivered bool // bytes were read
}

// unread is bytes of a side that wait. Most sides never have any, and no memory for them.
type unread struct {
	buf   []byte // before next, not used up
	later []piece
}

// piece is a segment that came before earlier ones.
type piece struct {
	seq  uint32
	data []byte
	cut  bool // bytes are missing behind it: the capture cut the packet
}

func (s *side) buf() []byte {
	if s.unread == nil {
		return nil
	}
	return s.unread.buf
}

func (s *side) later() []piece {
	if s.unread == nil {
		return nil
	}
	return s.unread.later
}

func (s *side) size() int {
	n := len(s.buf())
	for _, p := range s.later() {
		n += len(p.data)
	}
	return n
}

// start finds the first bytes of both sides: from the handshake, where there is one, else from the first packet.
func (c *conversation) start(o *flow.Offer) {
	from := int(o.Packet.Bits & flow.FromB)
	c.orig = int(o.Orig)
	c.sides[from].next, c.sides[from].started = o.Seq, true
	if o.Packet.Flags&flow.ACK != 0 {
		c.sides[from^1].next, c.sides[from^1].started = o.Other, true
	}
	for i := range c.sides {
		c.sides[i].at, c.sides[i].acked = c.packet.at, c.sides[i].next
	}
}

// lacks says whether bytes of a side are missing that others follow, or that the other side has: all but one, which stands for a FIN.
func (s *side) lacks() bool {
	return len(s.later()) > 0 || s.started && int32(s.acked-s.next) > 1
}

// segment puts a TCP payload in its place and reads what is in order then.
func (in *Inspector) segment(c *conversation, p *flow.Packet, from int, data []byte, cut bool) {
	seq := p.Seq
	if p.Flags&flow.SYN != 0 {
		seq++
	}
	s := &c.sides[from]
	if other := &c.sides[from^1]; p.Flags&flow.ACK != 0 && int32(p.Ack-other.acked) > 0 {
		other.acked = p.Ack
	}
	if !s.started || c.orig < 0 && !s.delivered && int32(seq-s.next) > 0 {
		s.next, s.started = seq, true
	}
	if seq == s.next && len(s.later()) == 0 && !cut {
		s.next += uint32(len(data))
		in.deliver(c, from, data)
		return
	}
	if !s.place(in, seq, data, cut) {
		in.lost(c)
		return
	}
	for len(s.later()) > 0 && int32(s.unread.later[0].seq-s.next) <= 0 {
		piece := s.unread.later[0]
		s.unread.later = slices.Delete(s.unread.later, 0, 1)
		in.bytes -= len(piece.data)
		old := int(s.next - piece.seq)
		s.next += uint32(max(len(piece.data)-old, 0))
		if !in.deliver(c, from, piece.data[min(old, len(piece.data)):]) {
			return
		}
		if piece.cut {
			in.lost(c)
			return
		}
	}
	in.tidy(s)
}

// place keeps a segment as a piece, in order of sequence numbers; false where too much waits already, or the segment is far from what is wanted.
func (s *side) place(in *Inspector, seq uint32, data []byte, cut bool) bool {
	ahead := int32(seq - s.next)
	if ahead <= 0 && int(-ahead) >= len(data) && !cut {
		return true // seen before
	}
	later, waiting := s.later(), 0
	for _, p := range later {
		waiting += len(p.data)
	}
	if ahead < -maxLater || ahead > maxLater+maxHead || ahead > 0 && (waiting+len(data) > maxLater || len(later) >= maxPieces) || in.bytes+len(data) > maxHeld {
		return false
	}
	i := len(later)
	for i > 0 && int32(later[i-1].seq-seq) > 0 {
		i--
	}
	if ahead > 0 {
		data = slices.Clone(data)
	}
	u := in.unread(s)
	u.later = slices.Insert(u.later, i, piece{seq, data, cut})
	in.bytes += len(data)
	return true
}

// deliver reads bytes of a side that are in order, and what the other side's bytes waited for. It returns false where the conversation is concluded.
func (in *Inspector) deliver(c *conversation, from int, data []byte) bool {
	s := &c.sides[from]
	s.delivered, s.at = true, c.packet.at
	if s.skip >= len(data) {
		s.skip -= len(data)
		return true
	}
	data = data[s.skip:]
	s.skip = 0
	if len(s.buf()) > 0 {
		s.unread.buf = append(s.unread.buf, data...)
		in.bytes += len(data)
		data = s.unread.buf
	}
	for {
		turn := c.turns
		if !in.read(c, from, data) {
			return false
		}
		from ^= 1
		data = c.sides[from].buf()
		if c.turns == turn || len(data) == 0 {
			return true
		}
	}
}

// read gives the unread bytes of a side to the dialogue, after recognising it, until nothing more is used, and keeps the rest.
// It returns false where the conversation is concluded.
func (in *Inspector) read(c *conversation, from int, data []byte) bool {
	s := &c.sides[from]
	for len(data) > 0 {
		if c.talk == nil {
			if !in.recognise(c, from, data) {
				break
			}
			if !in.catchUp(c, from^1) {
				return false
			}
			continue
		}
		used, next := c.talk.read(c, from, data)
		if next == restart && used > 0 {
			c.talk = nil
			c.turns++
			c.sides[0].refused, c.sides[1].refused = false, false
		} else if next != goOn {
			in.conclude(c)
			return false
		}
		s.skip = max(used-len(data), 0)
		data = data[min(used, len(data)):]
		if used == 0 {
			break
		}
	}
	if in.held.of(c.rec) != c {
		return false
	}
	if len(data) > maxHead || in.bytes+len(data)-len(s.buf()) > maxHeld {
		in.lost(c)
		return false
	}
	in.hold(s, data)
	return true
}

// hold keeps the unread bytes of a side, which may be a part of those that it has kept.
func (in *Inspector) hold(s *side, data []byte) {
	if len(data) == 0 && s.unread == nil {
		return
	}
	u := in.unread(s)
	in.bytes += len(data) - len(u.buf)
	u.buf = append(u.buf[:0], data...)
	in.tidy(s)
}

// unread is what waits of a side, to which more will be added.
func (in *Inspector) unread(s *side) *unread {
	if n := len(in.spare); s.unread != nil {
		return s.unread
	} else if n > 0 {
		s.unread, in.spare = in.spare[n-1], in.spare[:n-1]
	} else {
		s.unread = new(unread)
	}
	return s.unread
}

// tidy takes the memory of a side of which nothing waits.
func (in *Inspector) tidy(s *side) {
	if u := s.unread; u != nil && len(u.buf)+len(u.later) == 0 {
		in.recycle(s)
	}
}

// recycle takes the memory of a side.
func (in *Inspector) recycle(s *side) {
	if u := s.unread; u != nil && cap(u.buf) <= 2*maxHead && len(in.spare) < maxSpare {
		clear(u.later)
		u.buf, u.later = u.buf[:0], u.later[:0]
		in.spare = append(in.spare, u)
	}
	s.unread = nil
}

// catchUp gives a dialogue that begins what the other side has said before, so that it reads in the order of the capture. It returns false
// where the conversation is concluded.
func (in *Inspector) catchUp(c *conversation, from int) bool {
	said := c.sides[from].buf()
	if c.catching || len(said) == 0 {
		return true
	}
	c.catching = true
	open := in.read(c, from, said)
	c.catching = false
	return open
}

// lost lets a conversation go whose bytes are not all there.
func (in *Inspector) lost(c *conversation) {
	in.counters.Lost++
	c.gap = true
	c.blind()
	in.conclude(c)
}
