package flow

import (
	"net/netip"
)

// end takes a connection out of the table and emits it. Its record is put back with the next batch, so that no record number of a
// batch means two connections. A closed connection that was silent or had to make room ends as EndClosed.
func (t *Table) end(rec uint32, why End) {
	r := &t.records.of[rec]
	if why != EndReused && r.proto == TCP && r.state().closed() {
		why = EndClosed
	}
	t.ends[why]++
	missed := t.missed(rec, t.losses.end(rec))
	if t.emit != nil {
		c := t.conn(rec, why)
		c.Missed = missed
		t.emit(rec, c)
	}
	if !t.closing {
		t.index.remove(t.hasher.hash(r.a, r.b, r.pa, r.pb, r.proto, t.hasher.part(r.context)), rec)
	}
	delete(t.carried, rec)
	delete(t.failures, rec)
	r.end()
	t.open--
	t.dead = append(t.dead, rec)
}

// conn describes a connection. What it gives is valid until it is called again.
func (t *Table) conn(rec uint32, why End) *Conn {
	r := &t.records.of[rec]
	ctx := t.contexts.get(r.context)
	c := &t.out
	*c = Conn{}
	c.ID, c.Proto, c.End, c.First, c.Last = r.connID(), r.proto, why, r.first, r.last
	c.VLANs, c.Tunnel, c.Interface = ctx.vlans, ctx.tunnel, ctx.iface
	ends := t.addrs(rec)
	side, by := r.originator(ends)
	c.KnownBy = by
	if r.proto.HasPorts() {
		c.Orig, c.Resp = netip.AddrPortFrom(ends[0], r.pa), netip.AddrPortFrom(ends[1], r.pb)
	} else {
		c.Orig, c.Resp = netip.AddrPortFrom(ends[0], 0), netip.AddrPortFrom(ends[1], 0)
	}
	if r.proto.IsICMP() {
		c.ICMPType, c.ICMPCode, _ = unpackICMP(r.pa, r.pb)
	}
	packets, bytes := t.totals(rec)
	c.OrigPackets, c.RespPackets = packets[side], packets[side^1]
	c.OrigBytes, c.RespBytes = bytes[side], bytes[side^1]
	if side == 1 {
		c.Orig, c.Resp = c.Resp, c.Orig
	}
	switch {
	case c.RespPackets == 0:
		c.Visibility = OrigOnly
	case c.OrigPackets == 0:
		c.Visibility = RespOnly
	}
	c.Outcome = r.outcome()
	c.ICMPError, c.ICMPErrorBy = t.failures[rec].what, t.failures[rec].by
	c.QuotesKnown = r.quotesKnown()
	return c
}

func (t *Table) addrs(rec uint32) [2]netip.Addr {
	r := &t.records.of[rec]
	if r.flags&wide != 0 {
		exact := t.records.exact(rec)
		return [2]netip.Addr{netip.AddrFrom16(exact[0]), netip.AddrFrom16(exact[1])}
	}
	return [2]netip.Addr{Addr4(r.a), Addr4(r.b)}
}

func (r *record) outcome() Outcome {
	switch {
	case r.proto == TCP:
		return r.outcomeTCP()
	case r.proto != UDP && !r.proto.IsICMP() && r.heardAll():
		return Seen
	case r.state()&both(heard) == both(heard):
		return Answered
	}
	return OneWay
}

// originator decides which end opened the connection, and how sure that is.
//
//   - TCP: by the handshake. Without one the first packet says nothing, however late it comes: after a long silence either side may
//     speak first.
//   - ICMP: the type says who asked or sent (see PackICMP), so it is certain from the first second.
//   - a group address opens nothing and sends nothing: the other end is the originator for certain, from the first second. One that
//     does send is no group but an address made anonymous.
//   - all others: by the first packet that is not broken, unless the conversation may have begun before the capture.
func (r *record) originator(ends [2]netip.Addr) (side uint, by KnownBy) {
	first := uint(r.flags & firstB / firstB)
	switch {
	case r.proto == TCP && r.state().of(syn, r.orig()):
		return r.orig(), KnownByHandshake
	case r.proto == TCP && r.state().handshake():
		return r.orig(), KnownBySynAck
	case r.proto.IsICMP() && r.pa|r.pb != 0:
		_, _, fromB := unpackICMP(r.pa, r.pb)
		return bit(fromB), KnownByFirstPacket
	case isGroup(ends[1]) && r.sent(1) == 0:
		return 0, KnownByFirstPacket
	case isGroup(ends[0]) && r.sent(0) == 0:
		return 1, KnownByFirstPacket
	case r.proto != TCP && r.flags&late != 0 && r.state()&both(heard) != 0:
		return first, KnownByFirstPacket
	}
	if a, b := servicePort(r.proto, r.pa), servicePort(r.proto, r.pb); a != b {
		return bit(a), KnownByPort
	}
	return first, KnownByNothing
}

func bit(b bool) uint {
	if b {
		return 1
	}
	return 0
}

// isGroup says whether packets to an address go to many hosts on any network: limited broadcast (RFC 919, section 7) and multicast.
// The broadcast addresses of subnets are known to the site alone.
func isGroup(a netip.Addr) bool { return a.IsMulticast() || a == limitedBroadcast }

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// servicePort says whether a port is one that services listen on: a system port (RFC 6335: 0 to 1023), without those that nobody is assigned, or one of the registered
// ports that are common in server networks and seldom picked as source ports.
func servicePort(proto Proto, port uint16) bool {
	if !proto.HasPorts() {
		return false
	}
	if port < 600 {
		return port != 0 && !(proto == UDP && (port == 68 || port == 546)) // DHCP clients (RFC 2131, RFC 8415)
	}
	switch port { // below 1024 what is assigned: RPC programs call from the others
	case 601, 623, 631, 636, 646, 647, 749, 853, 860, 873, 902, 903, 989, 990, 992, 993, 994, 995,
		1433, 1434, 1521, 1645, 1646, 1812, 1813, 1883, 1900, 2049, 2055, 2427, 3128, 3260, 3268, 3269, 3306, 3389, 3478, 3544, 3702,
		4500, 4739, 4789, 5044, 5060, 5061, 5353, 5355, 5432, 5671, 5672, 5900, 5985, 5986, 6081, 6343, 6379, 6514, 8000, 8080,
		8443, 8530, 8531, 8883, 9090, 9100, 9200, 9443, 9876, 9995, 10050, 10051, 10123, 10161, 11211, 20048, 27017:
		return true
	}
	return false
}
