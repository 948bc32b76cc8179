package flow

import (
	"encoding/binary"
	"net/netip"
	"testing"
)

// TestTracks asks for connections that are open, in either orientation and whatever their context.
func TestTracks(t *testing.T) {
	for _, key := range []Key{0, KeyVLAN, KeyVLAN | KeyInterface} {
		var inside *bool
		var asked Conn
		var ends [2]netip.AddrPort
		var table *Table
		table = NewTable(Options{Key: key, Emit: func(uint32, *Conn) { // a connection is open until it was emitted
			if open := table.Tracks(&asked, ends[0], ends[1]); inside == nil {
				inside = &open
			}
		}})
		add := func(proto Proto, vlan uint16, x, y netip.AddrPort) {
			table.EnterInterface("eth0")
			var b Batch
			b.N = 1
			p := &b.Packets[0]
			*p = Packet{Proto: proto, PortA: x.Port(), PortB: y.Port(), Time: 1e18, Num: 1, Context: table.Context([]uint16{vlan}, "")}
			if proto.IsICMP() {
				p.PortA, p.PortB = PackICMP(proto, 8, 0)
			}
			if x.Addr().Is4() {
				src, dst := x.Addr().As4(), y.Addr().As4()
				table.Hasher().SetEnds4(p, binary.BigEndian.Uint32(src[:]), binary.BigEndian.Uint32(dst[:]))
			} else {
				src, dst := x.Addr().As16(), y.Addr().As16()
				table.Hasher().SetEnds6(p, &b.Addr6[0], &src, &dst)
			}
			table.AddBatch(&b)
		}
		a, b := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:443")
		a6, b6 := netip.MustParseAddrPort("[2001:db8::1]:40000"), netip.MustParseAddrPort("[2001:db8::2]:443")
		ping, pong := netip.AddrPortFrom(a.Addr(), 0), netip.AddrPortFrom(b.Addr(), 0)
		add(TCP, 7, a, b)
		add(UDP, 9, b6, a6)
		add(ICMP, 7, ping, pong)
		for _, c := range []struct {
			of   Conn
			x, y netip.AddrPort
			want bool
		}{
			{Conn{Proto: TCP}, a, b, true},
			{Conn{Proto: TCP}, b, a, true},
			{Conn{Proto: UDP}, a, b, false},
			{Conn{Proto: TCP}, a, a, false},
			{Conn{Proto: UDP}, a6, b6, true},
			{Conn{Proto: TCP}, a6, b6, false},
			{Conn{Proto: ICMP, ICMPType: 8}, ping, pong, true},
			{Conn{Proto: ICMP, ICMPType: 8}, pong, ping, false},
			{Conn{Proto: ICMP, ICMPType: 13}, ping, pong, false},
		} {
			if got := table.Tracks(&c.of, c.x, c.y); got != c.want {
				t.Errorf("key %d, %v %v %v: %v", key, c.of.Proto, c.x, c.y, got)
			}
		}
		asked, ends = Conn{Proto: TCP}, [2]netip.AddrPort{a, b}
		table.Close()
		if inside == nil || !*inside {
			t.Errorf("key %d: while it is emitted: %v", key, inside)
		}
	}
}
