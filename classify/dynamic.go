package classify

import (
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered for dynamic ports.
const (
	maxControls = 1 << 18 // pairs of hosts and control services; beyond it the oldest knowledge stays
	maxHeld     = 1 << 16 // connections that wait for an announcement; beyond it they are judged without one: indeterminate
)

// announcer is a service that tells the ports of connections to come.
type announcer uint8

const (
	byNothing announcer = iota
	byRPC               // MS-RPCE endpoint mapper: TCP 135
	byTFTP              // RFC 1350: the request to UDP 69; the answer comes from another port
	byFTP               // RFC 959: the control connection on TCP 21; either side may open the data connection
)

var announcers = map[string]announcer{"rpc-endpoint-mapper": byRPC, "tftp": byTFTP, "ftp": byFTP}

type controlKey struct {
	orig, resp party
	by         announcer
	port       uint16 // TFTP: the port that the request came from, to which the answer goes (RFC 1350, section 4)
}

// dynamics knows which pairs used a control service since when. Connections are emitted when they end, so a control
// connection may come later than the connection that it announced: such connections are held until Finish.
type dynamics struct {
	used     [byFTP + 1]bool // announcers that a flow of the packs names
	controls map[controlKey]int64
	held     []flow.Conn
	final    bool // every control connection is known
	full     bool // judging a connection for which held had no room
	overflow uint64
	unkept   uint64
}

func newDynamics(set *rules.Set) dynamics {
	d := dynamics{controls: map[controlKey]int64{}}
	for _, p := range set.Packs {
		for _, f := range p.Flows {
			if by := announcers[f.AnnouncedBy]; by != byNothing {
				d.used[by] = true
			}
		}
	}
	return d
}

// control remembers c if it is a control connection. A TCP one counts if it got beyond the handshake; a TFTP request is answered from another port.
func (d *dynamics) control(a *Auditor, c *flow.Conn) {
	if by := controlService(c.Proto, c.Resp.Port()); d.used[by] && by != byNothing && answered(c, by) {
		d.keep(a, a.viewOf(c), by, c.First)
	} else if by := controlService(c.Proto, c.Orig.Port()); c.KnownBy.Uncertain() && d.used[by] && by != byNothing && answered(c, by) {
		d.keep(a, a.flippedView(c), by, c.First)
	}
}

func controlService(p flow.Proto, port uint16) announcer {
	switch {
	case p == flow.TCP && port == 135:
		return byRPC
	case p == flow.UDP && port == 69:
		return byTFTP
	case p == flow.TCP && port == 21:
		return byFTP
	}
	return byNothing
}

func answered(c *flow.Conn, by announcer) bool {
	return by == byTFTP || c.Outcome != flow.Refused && c.Outcome != flow.Unanswered && c.Outcome != flow.HalfOpen
}

func (d *dynamics) keep(a *Auditor, v view, by announcer, first int64) {
	key := a.controlKey(v.orig, v.from, v.resp, v.to, by)
	if known, ok := d.controls[key]; ok {
		d.controls[key] = min(known, first)
	} else if len(d.controls) < maxControls {
		d.controls[key] = first
	} else {
		d.unkept++
	}
}

func (a *Auditor) controlKey(orig *rules.Membership, from netip.AddrPort, resp *rules.Membership, to netip.AddrPort, by announcer) controlKey {
	key := controlKey{orig: a.partyOf(orig, from.Addr()), resp: a.partyOf(resp, to.Addr()), by: by}
	if by == byTFTP {
		key.port = from.Port()
	}
	return key
}

// announcement says whether a control connection can have announced another.
type announcement uint8

const (
	announced announcement = iota
	unannounced
	pendingAnnouncement // not seen so far
	unseenAnnouncement  // the connection began before the capture, or was announced before it
)

// state looks for a control connection between the two ends before c. TFTP and FTP data may come from either end of it.
func (d *dynamics) state(a *Auditor, c *flow.Conn, v *view, f *rules.Flow) announcement {
	by := announcers[f.AnnouncedBy]
	switch {
	case d.before(a.controlKey(v.orig, v.from, v.resp, v.to, by), c.First),
		by != byRPC && d.before(a.controlKey(v.resp, v.to, v.orig, v.from, by), c.First):
		return announced
	case c.KnownBy.Uncertain() && by != byTFTP:
		return unseenAnnouncement
	case !d.final && !d.full:
		return pendingAnnouncement
	case c.KnownBy.Uncertain(), !a.showsControl(v, by):
		return unseenAnnouncement
	}
	return unannounced
}

// showsControl says whether the filter leaves in what announces a connection.
func (a *Auditor) showsControl(v *view, by announcer) bool {
	port := map[announcer]uint16{byRPC: 135, byTFTP: 69, byFTP: 21}[by]
	orig, resp := a.partyOf(v.orig, v.from.Addr()), a.partyOf(v.resp, v.to.Addr())
	return a.shows(a.exactAddresses(orig), a.exactAddresses(resp), []flow.PortRange{{First: port, Last: port}})
}

func (d *dynamics) before(key controlKey, first int64) bool {
	at, ok := d.controls[key]
	return ok && at <= first
}

// hold keeps a copy of c for Finish; false where there is no room.
func (d *dynamics) hold(c *flow.Conn) bool {
	if len(d.held) >= maxHeld {
		d.overflow++
		return false
	}
	kept := *c
	kept.Facts = slices.Clone(c.Facts)
	d.held = append(d.held, kept)
	return true
}

// withoutAnnouncement judges a connection that could not be held.
func (a *Auditor) withoutAnnouncement(c *flow.Conn) judged {
	a.dynamic.full = true
	j, _ := a.judge(c)
	a.dynamic.full = false
	return j
}

// release judges the held connections, in the order of their first packets, now that every control connection is known.
func (a *Auditor) release() {
	d := &a.dynamic
	d.final = true
	slices.SortFunc(d.held, func(x, y flow.Conn) int { return x.ID.Compare(y.ID) })
	for i := range d.held {
		j, _ := a.judge(&d.held[i])
		a.record(&d.held[i], j)
	}
	d.held = nil
}
