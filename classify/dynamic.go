package classify

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"pcapaudit/capture/flow"
)

// Limits of what is remembered for dynamic ports. What finds no room makes its control conversation one that could not be read whole.
const (
	maxControls  = 1 << 18 // pairs of hosts and control services
	maxAnnounced = 1 << 18 // announced ports
	maxWindows   = 8       // times in which one port was announced to one host; beyond it the last one grows
)

var announcers = map[string]flow.Announcer{"rpc-endpoint-mapper": flow.AnnouncedByRPC, "tftp": flow.AnnouncedByTFTP, "ftp": flow.AnnouncedByFTP}

// controlKey is a control service between two hosts.
type controlKey struct {
	orig, resp party
	by         flow.Announcer
}

// control is when a control service between two hosts was first read from its beginning, and since when something of it may have been missed.
type control struct {
	seen, lost int64
	doubts     int   // conversations of which something has not come yet
	since      int64 // when the first of these doubts began
}

// fresh is a control service of which nothing is known.
var fresh = control{seen: math.MaxInt64, lost: math.MaxInt64}

// portKey is a port that was announced to a host.
type portKey struct {
	peer, resp party
	port       uint16
	proto      flow.Proto
	by         flow.Announcer
}

// dynamics knows which ports were announced to whom, and whether all announcements between two hosts could be read. Announcements are
// learned as they are seen, before the connections that use them are judged.
type dynamics struct {
	controls map[controlKey]control
	ports    map[portKey][]Span
	tftp     bool // a TFTP request was seen
	crowded  bool // control services had no room: which of them were read is not known any more
	unkept   uint64
}

func newDynamics() dynamics {
	return dynamics{controls: map[controlKey]control{}, ports: map[portKey][]Span{}}
}

// LearnAnnouncement takes what a control conversation told, before connections that begin later are observed. It keeps nothing of n.
func (a *Auditor) LearnAnnouncement(n *flow.Announcement) {
	d := &a.dynamic
	key := controlKey{a.partyAt(n.Orig.Addr(), n.At), a.partyAt(n.Resp.Addr(), n.At), n.By}
	switch n.Event {
	case flow.ControlSeen:
		d.note(key, func(c *control) { c.seen = min(c.seen, n.At) })
	case flow.ControlLost:
		d.lose(key, n.Since)
	case flow.ControlDoubt:
		d.note(key, func(c *control) {
			if c.doubts++; c.doubts == 1 || n.Since < c.since {
				c.since = n.Since
			}
		})
	case flow.ControlWhole:
		d.note(key, func(c *control) { c.doubts = max(c.doubts-1, 0) })
	case flow.PortAnnounced:
		until := n.Until
		if until == 0 {
			until = math.MaxInt64
		}
		if !d.announce(a.announcedPort(n), Span{n.At, until}) {
			d.lose(key, n.At)
		}
	}
}

// announcedPort is who may connect where. A TFTP responder answers from any port to the one that asked (RFC 1350, section 4): it opens the connection.
func (a *Auditor) announcedPort(n *flow.Announcement) portKey {
	peer, resp := a.partyAt(n.Peer, n.At), a.partyAt(n.To.Addr(), n.At)
	if n.By == flow.AnnouncedByTFTP {
		a.dynamic.tftp = true
		return portKey{resp, peer, n.Orig.Port(), n.Proto, n.By}
	}
	return portKey{peer, resp, n.To.Port(), n.Proto, n.By}
}

// partyAt is whose an address is at a time.
func (a *Auditor) partyAt(addr netip.Addr, at int64) party { return a.end(addr, at).who }

func (d *dynamics) note(key controlKey, change func(*control)) {
	c, ok := d.controls[key]
	switch {
	case ok:
	case len(d.controls) < maxControls:
		c = fresh
	default:
		d.crowded = true
		d.unkept++
		return
	}
	change(&c)
	d.controls[key] = c
}

func (d *dynamics) lose(key controlKey, since int64) {
	d.note(key, func(c *control) { c.lost = min(c.lost, since) })
}

// announce notes the time in which a host may connect to a port; false where there is no room.
func (d *dynamics) announce(key portKey, w Span) bool {
	list, ok := d.ports[key]
	if !ok && len(d.ports) >= maxAnnounced {
		d.unkept++
		return false
	}
	for i := range list {
		if w.From <= list[i].Until && list[i].From <= w.Until {
			list[i] = Span{min(list[i].From, w.From), max(list[i].Until, w.Until)}
			return true
		}
	}
	if len(list) >= maxWindows {
		last := &list[len(list)-1]
		*last = Span{min(last.From, w.From), max(last.Until, w.Until)}
		return true
	}
	d.ports[key] = append(list, w)
	return true
}

// announcement says whether a control conversation announced a connection.
type announcement uint8

const (
	announced announcement = iota
	unannounced
	unreadAnnouncement   // it may lie before the capture, in what could not be read or was left out by the filter, or who opened the connection is not known
	acceptedAnnouncement // there is none, and the site does not ask for one
)

// state looks for the announcement of c. TFTP and FTP data may come from either end of the control conversation.
func (d *dynamics) state(a *Auditor, c *flow.Conn, v *view, o *option) announcement {
	by := announcers[o.Flow.AnnouncedBy]
	switch {
	case d.told(a, c, v, by):
		return announced
	case o.accepts(v.to.Port()):
		return acceptedAnnouncement
	case c.KnownBy.Uncertain(), !a.showsControl(v, by):
		return unreadAnnouncement
	}
	orig, resp := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	switch by {
	case flow.AnnouncedByTFTP:
		return unreadAnnouncement // that another request was seen says nothing: a datagram that the capture lost leaves no trace
	case flow.AnnouncedByRPC:
		return d.read(controlKey{orig, resp, by}, controlKey{}, c.First)
	}
	return d.read(controlKey{orig, resp, by}, controlKey{resp, orig, by}, c.First)
}

// told says whether the responder's port was announced to the originator.
func (d *dynamics) told(a *Auditor, c *flow.Conn, v *view, by flow.Announcer) bool {
	orig, resp := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	return d.open(portKey{orig, resp, v.to.Port(), c.Proto, by}, c.First) || v.port != v.to.Port() && d.open(portKey{orig, resp, v.port, c.Proto, by}, c.First)
}

// transfer is true for what a TFTP request announced where the capture shows the asking side's datagram first: the answering side opened it.
func (a *Auditor) transfer(c *flow.Conn) bool {
	if !a.dynamic.tftp || c.Proto != flow.UDP {
		return false
	}
	key := portKey{a.partyAt(c.Resp.Addr(), c.First), a.partyAt(c.Orig.Addr(), c.First), c.Orig.Port(), flow.UDP, flow.AnnouncedByTFTP}
	return slices.ContainsFunc(a.dynamic.ports[key], func(w Span) bool { return w.From < c.First && c.First <= w.Until }) // at From, it is the request itself
}

// read is unannounced where a control conversation of either key was read from its beginning before a time, and nothing of either was missed until then.
func (d *dynamics) read(there, back controlKey, at int64) announcement {
	seen := false
	if d.crowded {
		return unreadAnnouncement
	}
	for _, key := range [...]controlKey{there, back} {
		c, ok := d.controls[key]
		if ok && (c.lost <= at+disorder || c.doubts > 0 && c.since <= at+disorder) {
			return unreadAnnouncement
		}
		seen = seen || ok && c.seen <= at
	}
	if seen {
		return unannounced
	}
	return unreadAnnouncement
}

func (d *dynamics) open(key portKey, at int64) bool {
	for _, w := range d.ports[key] {
		if w.From <= at+disorder && at <= w.Until {
			return true
		}
	}
	return false
}

// disorder is how much earlier than what announces it a connection may seem to begin: packets of several queues, interfaces and capture
// points are not always stamped in order.
const disorder = int64(time.Second)

// accepts says whether the site accepts a port that nothing announced.
func (o *option) accepts(port uint16) bool {
	return o.accepted && (len(o.acceptedPorts) == 0 || inRanges(port, o.acceptedPorts))
}

// showsControl says whether the filter leaves in what announces a connection.
func (a *Auditor) showsControl(v *view, by flow.Announcer) bool {
	port := map[flow.Announcer]uint16{flow.AnnouncedByRPC: 135, flow.AnnouncedByTFTP: 69, flow.AnnouncedByFTP: 21}[by]
	orig, resp := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	return a.shows(a.exactAddresses(orig), a.exactAddresses(resp), []flow.PortRange{{First: port, Last: port}})
}
