package main

import "encoding/binary"

// fate is how a conversation ends.
type fate uint8

const (
	refused fate = iota // TCP: a reset answers the SYN
	silent              // nobody answers
	reset               // TCP: a reset in place of the originator's FIN
	closed
)

// phase is what a TCP conversation does next.
type phase uint8

const (
	opening phase = iota
	accepting
	confirming
	talking
	closing
)

// conversation is one that is open.
type conversation struct {
	service      *service
	orig, resp   *host
	talk         []turn // what is still to be said; talk[0] is being said
	seq          [2]uint32
	next         uint32 // in the slot's list, or the list of unused ones
	at           int    // bytes of talk[0].head that are sent
	left, record int    // bytes of its body, and of the TLS record, that are not sent; record headers count for neither
	sport, dport uint16
	vlan, number uint16
	phase        phase
	fate         fate
	tries        uint8
	six, body    bool // body: left is set for talk[0]
}

// Waits in ticks, and the most segments that a side sends in a row.
const (
	burst       = 8
	retryTicks  = 1000 // first retry of a SYN (RFC 6298: one second), doubled each time
	most        = 3    // SYNs of a conversation that nobody answers
	retransmits = 150  // one segment in so many is sent twice
)

func (g *generator) route(c *conversation, side int) route {
	r := route{from: c.orig, to: c.resp, six: c.six, vlan: c.vlan}
	if side == 1 {
		r.from, r.to = c.resp, c.orig
	}
	return r
}

// stream sends what comes next in a TCP conversation: ticks to wait, and whether there is more.
func (g *generator) stream(c *conversation) (ticks int64, more bool) {
	switch c.phase {
	case opening:
		return g.knock(c)
	case accepting:
		if c.fate == refused {
			g.segment(c, 1, rst|ack, false)
			return 0, false
		}
		g.segment(c, 1, syn|ack, false)
		c.phase = confirming
		return 1, true
	case confirming:
		g.segment(c, 0, ack, false)
		c.phase = talking
		return g.spread(g.pace / 4), true
	case talking:
		if len(c.talk) > 0 {
			return g.talk(c)
		}
		c.phase = closing
		if c.fate == reset {
			g.segment(c, 0, rst|ack, false)
			return 0, false
		}
		g.segment(c, 0, fin|ack, false)
		return 1, true
	default:
		g.segment(c, 1, fin|ack, false)
		g.segment(c, 0, ack, false)
		return 0, false
	}
}

func (g *generator) knock(c *conversation) (ticks int64, more bool) {
	if c.tries > 0 {
		c.seq[0]-- // the same SYN again
	}
	g.segment(c, 0, syn, false)
	c.tries++
	if c.fate != silent {
		c.phase = accepting
		return 1, true
	}
	return retryTicks << (c.tries - 1), c.tries < most
}

// talk sends a burst of what is being said. The other side acknowledges every second segment, and the last by its answer.
func (g *generator) talk(c *conversation) (ticks int64, more bool) {
	side := 1
	if c.talk[0].orig {
		side = 0
	}
	for i := 1; i <= burst; i++ {
		g.segment(c, side, ack, true)
		if c.left == 0 && c.at == len(c.talk[0].head) {
			c.talk, c.at, c.body = c.talk[1:], 0, false
			if len(c.talk) == 0 || c.talk[0].orig == (side == 0) {
				g.segment(c, side^1, ack, false)
			}
			return g.spread(g.pace), true
		}
		if i%2 == 0 {
			g.segment(c, side^1, ack, false)
		}
	}
	return g.spread(3), true
}

// segment sends one, with what is being said where data is set.
func (g *generator) segment(c *conversation, side int, flags byte, data bool) {
	b, r := g.out.space(), g.route(c, side)
	t := b[r.transport():]
	head, size := 20, segment4
	if c.six {
		size = segment6
	}
	if flags&syn != 0 {
		head = 32
		copy(t[20:], segmentV4+otherOpts)
		if c.six {
			copy(t[20:], segmentV6)
		}
	}
	n := 0
	if data {
		n = g.say(c, t[head:head+size])
		if c.left == 0 && c.at == len(c.talk[0].head) {
			flags |= psh
		}
	}
	twice := n > 0 && g.random.IntN(retransmits) == 0
	if twice {
		copy(g.held[:], t[head:head+n])
	}
	g.tcp(c, side, flags, c.seq[side], b, head, n)
	if twice {
		b = g.out.space()
		copy(b[r.transport()+head:], g.held[:n])
		g.tcp(c, side, flags, c.seq[side], b, head, n)
	}
	c.seq[side] += uint32(n)
	if flags&(syn|fin) != 0 {
		c.seq[side]++
	}
}

// tcp writes the headers around n bytes of payload behind a TCP header of the given length, and sends the frame.
func (g *generator) tcp(c *conversation, side int, flags byte, seq uint32, b []byte, head, n int) {
	r := g.route(c, side)
	t, be := b[r.transport():], binary.BigEndian
	be.PutUint16(t, c.sport)
	be.PutUint16(t[2:], c.dport)
	if side == 1 {
		be.PutUint16(t, c.dport)
		be.PutUint16(t[2:], c.sport)
	}
	if flags&rst != 0 && c.fate == refused {
		seq = 0 // RFC 9293, section 3.10.7.1
	}
	be.PutUint32(t[4:], seq)
	be.PutUint32(t[8:], 0)
	if flags&ack != 0 {
		be.PutUint32(t[8:], c.seq[side^1])
	}
	t[12], t[13] = byte(head/4)<<4, flags
	window := uint16(64240)
	if flags&rst != 0 {
		window = 0
	}
	be.PutUint16(t[14:], window)
	be.PutUint32(t[16:], 0)
	g.send(r.wrap(b, tcp, head+n, 16, g.nextID()))
}

// say fills b with what is being said and returns how much it was. A TLS record's header is never split.
func (g *generator) say(c *conversation, b []byte) int {
	t := &c.talk[0]
	if !c.body {
		c.body, c.record = true, 0
		c.left = t.least
		if t.most > t.least {
			c.left += g.random.IntN(t.most - t.least)
		}
	}
	n := copy(b, t.head[c.at:])
	c.at += n
	for n < len(b) && c.left > 0 {
		size := c.left
		if t.records {
			if c.record == 0 {
				if len(b)-n < 6 {
					return n
				}
				c.record = min(c.left, 16384+17)
				copy(b[n:], "\x17\x03\x03")
				binary.BigEndian.PutUint16(b[n+3:], uint16(c.record))
				n += 5
			}
			size = c.record
		}
		size = min(size, len(b)-n)
		copy(b[n:n+size], g.noise[g.random.IntN(len(g.noise)-size):])
		n += size
		c.left -= size
		if t.records {
			c.record -= size
		}
	}
	return n
}

// datagram sends the next datagram, echo message or ARP packet.
func (g *generator) datagram(c *conversation) (ticks int64, more bool) {
	proto, b := c.service.proto, g.out.space()
	if proto == arp {
		r := g.route(c, int(c.tries))
		g.send(r.arpPacket(b, c.tries == 1))
		c.tries++
		return 1, c.tries < 2
	}
	said := c.talk[0]
	side := 1
	if said.orig {
		side = 0
	}
	r := g.route(c, side)
	t, head, sumAt := b[r.transport():], 8, 6
	if proto == icmp {
		head, sumAt = 0, 2
	}
	n := head + copy(t[head:], said.head)
	if c.service.numbered {
		binary.BigEndian.PutUint16(t[head:], c.number)
	}
	if proto == udp {
		ports := [2]uint16{c.sport, c.dport}
		binary.BigEndian.PutUint16(t, ports[side])
		binary.BigEndian.PutUint16(t[2:], ports[side^1])
		binary.BigEndian.PutUint16(t[4:], uint16(n))
		t[6], t[7] = 0, 0
	} else if c.six {
		t[0] = 128 + byte(side)
	}
	g.send(r.wrap(b, proto, n, sumAt, g.nextID()))
	c.talk = c.talk[1:]
	return g.spread(2), len(c.talk) > 0 && c.fate != silent
}

func (g *generator) nextID() uint16 {
	g.id++
	return g.id
}

// send hands the frame of n bytes in the output's space over, a few microseconds after the one before.
func (g *generator) send(n int) {
	g.clock += 1 + int64(n>>7)
	g.out.commit(n, g.clock)
}
