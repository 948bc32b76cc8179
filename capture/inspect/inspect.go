// Package inspect reads the heads of payloads and tells what they prove: the protocol, whether it is encrypted, the names that are
// asked for and claimed, and the ports that a control conversation announces.
//
// It recognises protocols by their bytes, on any port, follows a conversation for as long as it has something to tell, and lets go.
// Nothing it does with hostile bytes can panic or grow without a limit, and no payload byte leaves it: only what was recognised.
package inspect

import (
	"net/netip"

	"pcapaudit/capture/flow"
)

// Limits of what is held at once. What goes beyond is let go and counted in Counters.
const (
	maxWaiting  = 1 << 15  // conversations of which nothing is recognised yet; beyond it the oldest is let go
	maxFollowed = 1 << 16  // recognised conversations that have more to tell; beyond it the oldest one over UDP is let go, or else new ones are not followed
	maxHeld     = 64 << 20 // bytes of all conversations
	maxHead     = 16 << 10 // bytes of one side that its parser has not used up
	maxLater    = 16 << 10 // bytes of one side that wait for earlier ones
	maxPieces   = 16       // segments of one side that wait for earlier ones
	maxFirst    = 512      // bytes from which a side is recognised, or is not
	maxUnknown  = 4 << 10  // bytes of a side that nothing recognises before the whole conversation is unknown
	maxSpare    = 64       // buffers of sides that wait to be used again
)

// Learn takes what is told about connections to come, as it is seen. The pointers are valid during the call only; nil functions are not called.
type Learn struct {
	Name         func(*flow.Name)
	Announcement func(*flow.Announcement)
}

// Counters say what an Inspector did.
type Counters struct {
	Recognised uint64 // conversations
	Unknown    uint64 // conversations of which payload was read and nothing recognised
	Lost       uint64 // conversations in which the head had bytes missing or cut
	Crowded    uint64 // conversations that were let go, or not followed, because too much was held
}

// Inspector follows the conversations of one table. It is not safe for concurrent use.
type Inspector struct {
	told     *flow.Told
	learn    Learn
	wish     func(*flow.Wish)
	held     heldConversations
	waiting  queue // TCP, not recognised
	overUDP  queue // UDP, recognised and followed
	followed int
	bytes    int           // in sides and states
	free     *conversation // to be used again, linked by after
	spare    []*unread
	dns      *dnsMessage // that is being read
	now      int64       // the last usable packet time
	counters Counters
	touched  uint64          // keeps the loads that only warm the cache
	touching []*conversation // scratch of Touch

	// What is told to others, who have it during the call only: in memory that is used again and again.
	wished flow.Wish
	named  flow.Name
}

// packet is where something was told.
type packet struct {
	at   int64
	file uint16
	num  uint64
}

// New makes an Inspector that adds its facts to t. wish is called for each connection of which it will want all payload from now on, or no
// more, and must not call the Inspector; nil: what is offered needlessly is passed over.
func New(t *flow.Told, l Learn, wish func(*flow.Wish)) *Inspector {
	if wish == nil {
		wish = func(*flow.Wish) {}
	}
	return &Inspector{told: t, learn: l, wish: wish, dns: newDNSMessage()}
}

// Counters are the numbers so far.
func (in *Inspector) Counters() Counters { return in.counters }

// Packet reads a packet that the table offers. Of each connection they come in the order of the capture, and before its End. payload is
// what was captured of its payload, which is not kept.
func (in *Inspector) Packet(o *flow.Offer, payload []byte) {
	p, rec := o.Packet, o.Record
	if in.held.decided(rec) {
		return
	}
	c := in.held.of(rec)
	if c == nil {
		c = in.open(o)
	}
	c.packet = in.packet(p)
	from := int(p.Bits & flow.FromB)
	if p.Proto == flow.TCP {
		in.segment(c, p, from, payload, o.Wire > uint32(len(payload)))
		if in.held.of(rec) == c {
			c.follows()
		}
		return
	}
	in.datagram(c, from, payload, p.Bits&flow.Mutual != 0)
}

// End tells that the connection of a record has ended: what is known of it by now is all there will be. The record may be another one's afterwards.
func (in *Inspector) End(rec uint32) {
	if c := in.held.of(rec); c != nil {
		if len(c.sides[0].later())+len(c.sides[1].later()) > 0 {
			in.lost(c) // bytes before them never came
		} else {
			in.conclude(c)
		}
	}
	in.held.forget(rec)
}

// packet is where p tells something. Without a time of its own it has that of the packet before.
func (in *Inspector) packet(p *flow.Packet) packet {
	if p.Bits&flow.BadTime == 0 {
		in.now = p.Time
	}
	return packet{in.now, p.File, p.Num}
}

func (in *Inspector) open(o *flow.Offer) *conversation {
	p := o.Packet
	c := in.take()
	c.rec, c.id, c.proto, c.ports, c.addrs = o.Record, o.Conn, p.Proto, [2]uint16{p.PortA, p.PortB}, addrs(o)
	if p.Proto != flow.TCP {
		return c
	}
	c.packet = in.packet(p)
	c.start(o)
	if c.orig < 0 {
		c.blind()
	}
	if in.waiting.n >= maxWaiting {
		in.crowd(in.waiting.oldest(&in.held))
	}
	in.held.put(c.rec, c.slot)
	in.waiting.add(&in.held, c)
	return c
}

func addrs(o *flow.Offer) [2]netip.Addr {
	if o.Packet.Bits&flow.IPv6 != 0 {
		return [2]netip.Addr{netip.AddrFrom16(o.Addr6[0]), netip.AddrFrom16(o.Addr6[1])}
	}
	return [2]netip.Addr{flow.Addr4(o.Packet.A), flow.Addr4(o.Packet.B)}
}

// decide ends what inspection wants of a connection.
func (in *Inspector) decide(c *conversation) {
	in.held.put(c.rec, decided)
	in.wished = flow.Wish{Conn: c.id, Record: c.rec}
	in.wish(&in.wished)
}

// datagram gives one datagram to the kinds; mutual: the other side has sent before. The table offers the first ones of each side, and all
// of a conversation that is followed.
func (in *Inspector) datagram(c *conversation, from int, payload []byte, mutual bool) {
	var kinds []*datagramKind
	if c.kind != nil {
		kinds = []*datagramKind{c.kind}
	} else if len(payload) > 0 {
		kinds = datagrams[payload[0]]
	}
	for _, k := range kinds {
		answer := k.read(c, from, payload)
		if answer == no {
			continue
		}
		if !c.known {
			c.protocol(k.name)
		}
		if answer == yes {
			in.conclude(c)
		} else if in.follow(c) {
			c.kind = k
		}
		return
	}
	if c.kind != nil {
		return
	}
	if mutual {
		c.unknown(payload)
		in.decide(c)
	}
	in.release(c)
}

// crowd lets a conversation go for which there is no room.
func (in *Inspector) crowd(c *conversation) {
	in.counters.Crowded++
	c.gap = true
	c.blind()
	in.conclude(c)
}

// follow keeps a recognised conversation; false where there is no room: it is concluded.
func (in *Inspector) follow(c *conversation) bool {
	if c.followed {
		return true
	}
	in.waiting.remove(c)
	if in.followed >= maxFollowed {
		if in.overUDP.n == 0 {
			in.crowd(c)
			return false
		}
		in.crowd(in.overUDP.oldest(&in.held))
	}
	in.followed++
	c.followed = true
	if c.proto != flow.TCP {
		in.overUDP.add(&in.held, c)
	}
	in.held.put(c.rec, c.slot)
	in.wished = flow.Wish{Conn: c.id, Record: c.rec, All: true}
	in.wish(&in.wished)
	return true
}

// conclude ends the inspection of a conversation.
func (in *Inspector) conclude(c *conversation) {
	if c.doubt {
		c.blind()
	}
	if e, ok := c.talk.(ender); ok {
		e.end(c)
	}
	if !c.known && c.proto == flow.TCP {
		c.unknown(c.sides[0].buf(), c.sides[1].buf())
	}
	if c.followed && c.proto != flow.TCP {
		in.overUDP.remove(c)
	} else {
		in.waiting.remove(c)
	}
	if c.followed {
		in.followed--
	}
	in.bytes -= c.kept
	for i := range c.sides {
		in.bytes -= c.sides[i].size()
	}
	in.decide(c)
	in.release(c)
}

// take gives an empty conversation.
func (in *Inspector) take() *conversation {
	c := in.free
	if c == nil {
		return in.held.make(in)
	}
	in.free = c.after
	slot := c.slot
	*c = conversation{} // and not a literal with fields, which is put together elsewhere and copied
	c.in, c.slot = in, slot
	return c
}

// release takes back a conversation that has ended. What it says stays readable until the next packet.
func (in *Inspector) release(c *conversation) {
	for i := range c.sides {
		in.recycle(&c.sides[i])
	}
	if r, ok := c.state.(*resolution); ok {
		in.dns.recycle(r)
	}
	c.talk, c.state = nil, nil
	c.after = in.free
	in.free = c
}
