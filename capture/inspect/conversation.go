package inspect

import (
	"math"
	"net/netip"
	"strconv"

	"pcapaudit/capture/flow"
)

// conversation is one connection under inspection, with what parsers may ask and tell. Sides are numbered as the ends of its packets: 0 for A.
// It takes five lines of the cache; most packets need the first three.
type conversation struct {
	in       *Inspector
	talk     dialogue // TCP: once it is recognised
	orig     int      // TCP: the side that opened it, by its handshake; -1 where none was seen
	rec      uint32
	slot     uint32 // where it stands in heldConversations
	turns    uint32 // how often the dialogue changed
	ports    [2]uint16
	said     uint16 // kinds of facts, as bits
	proto    flow.Proto
	control  flow.Announcer
	known    bool // recognised
	followed bool
	catching bool // what the other side said before is being read
	gap      bool // bytes are missing
	doubt    bool // something is missing that may still come

	sides  [2]side
	packet packet        // the last one of it
	state  any           // of kind
	kind   *datagramKind // not TCP: once it is followed

	name  string // the last protocol
	id    flow.ConnID
	kept  int   // bytes in state
	asks  int   // the side that asks, where control is set
	since int64 // when doubt began

	place uint64        // behind its own in the queue of those that may be let go; 0: it is in none
	after *conversation // to be used again
	addrs [2]netip.Addr
}

// dialogue follows a TCP connection of a recognised protocol. It sees the bytes of each side in order, from the first one, whichever side comes first.
type dialogue interface {
	// read takes the unread bytes of one side. It returns how many of them it has used up: fewer than len(data) leaves the rest for the
	// next call (0: it waits for more), more than len(data) skips bytes to come. It is called again until it uses nothing. It must not keep data.
	read(c *conversation, from int, data []byte) (used int, next step)
}

// ender is a dialogue that has something to tell when its connection ends, is let go, or has bytes missing.
type ender interface{ end(c *conversation) }

// asker is a dialogue that controls others and knows whether an answer is to come that announces ports.
type asker interface{ asked() bool }

// step says how a conversation goes on after a read.
type step uint8

const (
	goOn    step = iota
	done         // nothing more to tell
	restart      // another protocol begins on both sides behind the bytes used: STARTTLS
)

// answer says whether bytes are of a protocol.
type answer uint8

const (
	no     answer = iota
	more          // streams: too few bytes to tell
	yes           // datagrams: recognised, and all is told
	follow        // datagrams: recognised, and later ones may tell more
)

// streamKind is a protocol over TCP.
type streamKind struct {
	name   string
	begins string                                              // the first bytes that a side may begin with; "": any
	first  func(c *conversation, from int, data []byte) answer // whether a side's first bytes, one to maxFirst, are of it: no, more or yes
	open   func() dialogue
}

// datagramKind is a protocol over datagrams. Its read tells what a datagram says and answers no, yes or follow.
type datagramKind struct {
	name   string
	begins string // the first bytes that the first datagram of a side may begin with; "": any
	read   func(c *conversation, from int, data []byte) answer
}

// wake has the other side's unread bytes read again: they waited for what this read gives.
func (c *conversation) wake() { c.turns++ }

// port is the port of a side.
func (c *conversation) port(side int) uint16 { return c.ports[side] }

func (c *conversation) end(side int) netip.AddrPort {
	return netip.AddrPortFrom(c.addrs[side], c.ports[side])
}

// onPort says whether either side has the port: a hint where bytes alone are not enough.
func (c *conversation) onPort(port uint16) bool { return c.port(0) == port || c.port(1) == port }

// protocol tells what was recognised; a further one runs inside the one before.
func (c *conversation) protocol(name string) {
	if c.name == name {
		return
	}
	if !c.known {
		c.known = true
		c.in.counters.Recognised++
	}
	c.name = name
	c.add(flow.FactProtocol, 0, name)
}

// tell adds a fact. Of every kind but notes only the first one counts.
func (c *conversation) tell(kind flow.FactKind, value string) {
	if kind != flow.FactNote {
		if c.has(kind) {
			return
		}
		c.said |= 1 << kind
	}
	c.add(kind, 0, value)
}

// has says whether a fact of a kind was told.
func (c *conversation) has(kind flow.FactKind) bool { return c.said&(1<<kind) != 0 }

// encrypted tells what encrypts the payload from this packet on.
func (c *conversation) encrypted(how string) { c.tell(flow.FactEncrypted, how) }

// clear tells what was seen in clear: content, not the negotiation of encryption.
func (c *conversation) clear(what string) { c.tell(flow.FactCleartext, what) }

// claim tells a name that the originator uses for the responder. What is no host name is left out; numeric addresses are no names.
func (c *conversation) claim(origin flow.NameOrigin, name []byte) {
	if host, ok := HostName(name); ok {
		c.add(flow.FactName, origin, host)
	}
}

func (c *conversation) add(kind flow.FactKind, origin flow.NameOrigin, value string) {
	c.in.told.Add(c.rec, &flow.Fact{Kind: kind, Origin: origin, File: c.packet.file, Packet: c.packet.num, Value: value[:min(len(value), flow.MaxFactValue)]})
}

// keep counts n more bytes that state holds until the end of the conversation; false where too much is held already. A kind that has kept
// bytes must not answer no to a side's first datagram.
func (c *conversation) keep(n int) bool {
	if c.in.bytes+n > maxHeld {
		return false
	}
	c.kept += n
	c.in.bytes += n
	return true
}

// learned tells a name for connections to come; At, File and Packet are filled in.
func (c *conversation) learned(n flow.Name) {
	if c.in.learn.Name != nil {
		n.At, n.File, n.Packet = c.packet.at, c.packet.file, c.packet.num
		c.in.named = n
		c.in.learn.Name(&c.in.named)
	}
}

// controls tells that this is a control conversation whose orig asks, read from its first byte. Lost bytes are told from now on.
func (c *conversation) controls(by flow.Announcer, orig int) {
	if c.control == by {
		return
	}
	c.control, c.asks = by, orig
	c.announcement(orig, flow.Announcement{Event: flow.ControlSeen})
}

// announce tells that a port will be opened; the ends of the control conversation and the packet are filled in, and By where controls was told.
func (c *conversation) announce(orig int, a flow.Announcement) {
	a.Event = flow.PortAnnounced
	c.announcement(orig, a)
}

// blind tells that a control conversation may announce more than is told: it began before the capture, bytes are missing, it is encrypted
// from here on, or it is too much. What was not recognised by then may be one if it has the port of one.
func (c *conversation) blind() {
	since := c.packet.at
	switch {
	case c.proto == flow.TCP && c.orig < 0:
		since = math.MinInt64
	case c.doubt:
		since = c.since
	}
	c.doubt = false
	c.doubtful(flow.ControlLost, since)
}

// doubtful tells that a control conversation, or what has the port of one, is not known whole.
func (c *conversation) doubtful(event flow.ControlEvent, since int64) {
	if c.control != flow.AnnouncedByNobody {
		c.announcement(c.asks, flow.Announcement{Event: event, Since: since})
		return
	}
	for side := range c.ports {
		if by := controlPort(c.proto, c.port(side)); by != flow.AnnouncedByNobody {
			c.announcement(side^1, flow.Announcement{By: by, Event: event, Since: since})
		}
	}
}

// follows tells after each segment whether all is there that a control conversation has said: what is missing may have announced a port
// that is used before its loss is certain.
func (c *conversation) follows() {
	if c.orig < 0 || c.control == flow.AnnouncedByNobody && controlPort(c.proto, c.port(0)) == flow.AnnouncedByNobody && controlPort(c.proto, c.port(1)) == flow.AnnouncedByNobody {
		return
	}
	missing, since := false, c.packet.at
	for i := range c.sides {
		if s := &c.sides[i]; s.lacks() {
			missing, since = true, min(since, s.at)
		}
	}
	if a, ok := c.talk.(asker); ok && a.asked() {
		missing = true
	}
	switch {
	case missing && !c.doubt:
		c.doubt, c.since = true, since
		c.doubtful(flow.ControlDoubt, since)
	case !missing && c.doubt:
		c.doubt = false
		c.doubtful(flow.ControlWhole, 0)
	}
}

// controlPort is the service over TCP that a port stands for, of those whose announcements packs rely on.
func controlPort(proto flow.Proto, port uint16) flow.Announcer {
	switch {
	case proto != flow.TCP:
	case port == 21:
		return flow.AnnouncedByFTP
	case port == 111:
		return flow.AnnouncedByPortmap
	case port == 135:
		return flow.AnnouncedByRPC
	}
	return flow.AnnouncedByNobody
}

func (c *conversation) announcement(orig int, a flow.Announcement) {
	if c.in.learn.Announcement == nil {
		return
	}
	a.At, a.File, a.Packet = c.packet.at, c.packet.file, c.packet.num
	if a.By == flow.AnnouncedByNobody {
		a.By = c.control
	}
	a.Orig, a.Resp = c.end(orig), c.end(orig^1)
	c.in.learn.Announcement(&a)
}

// unknown tells that payload was read and nothing recognised, and how much of it is printable.
func (c *conversation) unknown(heads ...[]byte) {
	all, printable := 0, 0
	for _, head := range heads {
		head = head[:min(len(head), maxFirst)]
		all += len(head)
		for _, b := range head {
			if b >= ' ' && b <= '~' || b == '\t' || b == '\r' || b == '\n' {
				printable++
			}
		}
	}
	if all == 0 {
		return
	}
	c.in.counters.Unknown++
	c.add(flow.FactProtocol, 0, "unknown")
	c.add(flow.FactPrintable, 0, strconv.Itoa(100*printable/all))
}
