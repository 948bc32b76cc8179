package flow

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
)

// model is the table in plain words: a map, a struct for each connection, everything looked at whenever it is asked for.
// It shares the clock with the table (which has its own test) and nothing else.
type model struct {
	limit, step   int
	key           Key
	timeouts      timeouts
	open          map[string]*modelConn
	peak          int
	clock         clock
	swept         int64
	packets, mark int
	emitted       []Conn
}

type modelConn struct {
	key     string
	conn    Conn // Orig and Resp: sender and receiver of the first packet, until it is emitted
	first   netip.AddrPort
	opener  netip.AddrPort // by handshake
	known   bool
	timed   bool
	late    bool
	isn     uint32
	respISN uint32
	ends    [2]netip.AddrPort
	packets map[netip.AddrPort]uint64
	bytes   map[netip.AddrPort]uint64
	saw     map[string]bool // "syn FROM" and the like
}

func newModel(limit int, key Key) *model {
	return &model{limit: limit, key: key, step: min(max(limit/16, 1), 256), timeouts: idleTimeouts, open: map[string]*modelConn{}}
}

func (m *model) run(packets []testPacket) []Conn {
	for i := range packets {
		if m.packets%m.step == 0 {
			m.makeRoom()
		}
		m.add(&packets[i])
		m.packets++
	}
	for _, c := range m.sorted(func(a, b *modelConn) int { return a.conn.ID.Compare(b.conn.ID) }) {
		m.end(c, EndInput)
	}
	return m.emitted
}

func (m *model) makeRoom() {
	byID := func(a, b *modelConn) int { return a.conn.ID.Compare(b.conn.ID) }
	full := len(m.open)+m.step > m.limit
	if m.clock.started && (m.clock.now-m.swept > 5e9 || m.clock.now < m.swept) && (full || 2*(m.packets-m.mark) >= m.peak) {
		m.swept, m.mark = m.clock.now, m.packets
		for _, c := range m.sorted(byID) {
			if !c.timed {
				c.timed, c.conn.First, c.conn.Last = true, m.clock.now, m.clock.now
			}
			if m.clock.now-c.conn.Last > m.timeout(c) {
				m.end(c, EndIdle)
			}
		}
	}
	if over := len(m.open) + max(m.step, m.limit/8) - m.limit; full && over > 0 {
		all := m.sorted(func(a, b *modelConn) int {
			return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.conn.Last, b.conn.Last), a.conn.ID.Compare(b.conn.ID))
		})
		all = all[:over]
		slices.SortFunc(all, byID)
		for _, c := range all {
			m.end(c, EndEvicted)
		}
	}
}

func (m *model) sorted(by func(a, b *modelConn) int) []*modelConn {
	var all []*modelConn
	for _, c := range m.open {
		all = append(all, c)
	}
	slices.SortFunc(all, by)
	return all
}

func (c *modelConn) did(what string, who netip.AddrPort) bool { return c.saw[what+who.String()] }
func (c *modelConn) any(what string) bool                     { return c.did(what, c.ends[0]) || c.did(what, c.ends[1]) }
func (c *modelConn) every(what string) bool                   { return c.did(what, c.ends[0]) && c.did(what, c.ends[1]) }
func (c *modelConn) see(what string, who netip.AddrPort)      { c.saw[what+who.String()] = true }
func (c *modelConn) closed() bool {
	return c.conn.Proto == TCP && (c.every("fin") || c.any("rst"))
}

func (c *modelConn) rank() int {
	switch {
	case c.closed():
		return 0
	case c.conn.Proto == TCP && c.known && !c.any("moved") && !c.any("synack"):
		return 1
	case c.conn.Proto == TCP && c.known && !c.any("moved"):
		return 2
	case len(c.packets) < 2:
		return 2
	}
	return 3
}

func (m *model) timeout(c *modelConn) int64 {
	switch {
	case c.closed():
		return int64(m.timeouts.TCPClosed)
	case c.conn.Proto == TCP && c.any("moved"):
		return int64(m.timeouts.TCPEstablished)
	case c.conn.Proto == TCP:
		return int64(m.timeouts.TCPAttempt)
	case c.conn.Proto == UDP && c.every("heard"):
		return int64(m.timeouts.UDPAnswered)
	case c.conn.Proto == UDP:
		return int64(m.timeouts.UDPOneWay)
	case c.conn.Proto == ICMP || c.conn.Proto == ICMPv6:
		return int64(m.timeouts.ICMP)
	}
	return int64(m.timeouts.Other)
}

func (m *model) add(p *testPacket) {
	dated := p.Bits&BadTime == 0
	if dated {
		if p.File > m.clock.file {
			m.clock.enter(p.File, p.Time)
		}
		m.clock.see(p.Time)
	}
	ends := [2]netip.AddrPort{p.src, p.dst}
	if p.dst.Compare(p.src) < 0 {
		ends = [2]netip.AddrPort{p.dst, p.src}
	}
	key := fmt.Sprint(p.Proto, ends)
	if m.key&KeyVLAN != 0 {
		key += fmt.Sprint(testContexts[p.Context].vlans)
	}
	if m.key&KeyInterface != 0 {
		key += testContexts[p.Context].iface
	}
	evidence := p.Bits&(Fragment|Broken) == 0 && !p.refused
	speaks := evidence || p.Bits&Broken == 0 && !p.refused && p.Proto != TCP && p.Proto != UDP && p.Proto != SCTP && p.Proto != ICMP && p.Proto != ICMPv6
	c := m.open[key]
	if c != nil && dated && m.clock.run > 0 && p.Time > m.clock.now+30*24*3600e9 {
		bad := *p
		bad.Bits |= BadTime
		p, dated = &bad, false
	}
	if c != nil && dated && c.timed && p.Time-c.conn.Last > m.timeout(c) {
		m.end(c, EndIdle)
		c = nil
	}
	if c != nil && evidence && p.Proto == TCP && c.another(p) {
		m.end(c, EndReused)
		c = nil
	}
	if c == nil {
		c = m.create(p, key, ends)
	}
	c.packets[p.src]++
	c.bytes[p.src] += uint64(p.IPLen)
	if dated {
		if !c.timed {
			c.timed, c.conn.First, c.conn.Last = true, p.Time, p.Time
		}
		c.conn.Last = max(c.conn.Last, p.Time)
	}
	if speaks {
		if !c.any("heard") {
			c.first = p.src
		}
		c.see("heard", p.src)
	}
	if evidence && p.Proto == TCP {
		c.tcp(p)
	}
}

func (m *model) create(p *testPacket, key string, ends [2]netip.AddrPort) *modelConn {
	c := &modelConn{key: key, ends: ends, first: p.src, saw: map[string]bool{}, packets: map[netip.AddrPort]uint64{},
		bytes: map[netip.AddrPort]uint64{}, timed: m.clock.started}
	where := testContexts[p.Context]
	c.conn = Conn{ID: ConnID{p.File, p.Num, p.Depth}, Proto: p.Proto, First: m.clock.now, Last: m.clock.now, VLANs: where.vlans, Tunnel: where.tunnel}
	if m.key&KeyInterface != 0 {
		c.conn.Interface = where.iface
	}
	if p.Bits&BadTime == 0 {
		c.conn.First, c.conn.Last = p.Time, p.Time
		wait := m.timeouts.Other
		if p.Proto == UDP {
			wait = m.timeouts.UDPAnswered
		}
		c.late = m.clock.run == 0 && p.Time-m.clock.start > int64(wait)
	}
	m.open[key] = c
	m.peak = max(m.peak, len(m.open))
	return c
}

// unheard counts the sides that sent nothing but what receivers drop.
func (c *modelConn) unheard() (n int) {
	for end := range c.packets {
		if !c.did("heard", end) {
			n++
		}
	}
	return n
}

func (c *modelConn) outcome(orig, resp netip.AddrPort) Outcome {
	if c.conn.Proto != TCP {
		switch {
		case c.conn.Proto != UDP && !c.conn.Proto.IsICMP() && c.unheard() == 0:
			return Seen
		case c.every("heard"):
			return Answered
		}
		return OneWay
	}
	switch {
	case !c.any("heard"):
		return Unanswered
	case !c.known && c.unheard() > 0:
		return OneSided
	case !c.known:
		return Midstream
	case c.did("syn", orig) && c.any("synack") && c.saw["acked"], c.every("syn") && c.every("synack"):
		return Established
	case c.any("synack") && !c.saw["acked"] && !c.did("moved", resp):
		return HalfOpen
	case c.saw["refused"] && !c.any("synack"):
		return Refused
	case c.any("synack") || c.did("moved", resp):
		if !c.every("heard") {
			return OneSided
		}
		return Partial
	case c.did("moved", orig):
		return OneSided
	}
	return Unanswered
}

func toMany(end netip.AddrPort) bool {
	for _, many := range []string{"224.0.0.0/4", "255.255.255.255/32", "ff00::/8"} {
		if netip.MustParsePrefix(many).Contains(end.Addr()) {
			return true
		}
	}
	return false
}

func (m *model) end(c *modelConn, why End) {
	delete(m.open, c.key)
	orig, by := c.first, KnownByNothing
	switch {
	case c.known && c.did("syn", c.opener):
		orig, by = c.opener, KnownByHandshake
	case c.known:
		orig, by = c.opener, KnownBySynAck
	case c.conn.Proto.IsICMP() && (c.ends[0].Port() != 0 || c.ends[1].Port() != 0):
		orig, by = c.ends[0], KnownByFirstPacket
		if c.ends[1].Port() != 0 {
			orig = c.ends[1]
		}
	case toMany(c.ends[1]) && c.packets[c.ends[1]] == 0:
		orig, by = c.ends[0], KnownByFirstPacket
	case toMany(c.ends[0]) && c.packets[c.ends[0]] == 0:
		orig, by = c.ends[1], KnownByFirstPacket
	case c.conn.Proto != TCP && c.late && c.any("heard"):
		by = KnownByFirstPacket
	default:
		a, b := servicePort(c.conn.Proto, c.ends[0].Port()), servicePort(c.conn.Proto, c.ends[1].Port())
		if a && !b {
			orig, by = c.ends[1], KnownByPort
		}
		if b && !a {
			orig, by = c.ends[0], KnownByPort
		}
	}
	resp := c.ends[0]
	if orig == resp {
		resp = c.ends[1]
	}
	out := c.conn
	out.KnownBy, out.Outcome, out.End = by, c.outcome(orig, resp), why
	if why != EndReused && c.closed() {
		out.End = EndClosed
	}
	out.OrigPackets, out.RespPackets, out.OrigBytes, out.RespBytes = c.packets[orig], c.packets[resp], c.bytes[orig], c.bytes[resp]
	if out.RespPackets == 0 {
		out.Visibility = OrigOnly
	} else if out.OrigPackets == 0 {
		out.Visibility = RespOnly
	}
	out.Orig, out.Resp = orig, resp
	if !c.conn.Proto.HasPorts() {
		out.Orig, out.Resp = netip.AddrPortFrom(orig.Addr(), 0), netip.AddrPortFrom(resp.Addr(), 0)
	}
	if c.conn.Proto.IsICMP() {
		out.ICMPType, out.ICMPCode, _ = unpackICMP(c.ends[0].Port(), c.ends[1].Port())
	}
	m.emitted = append(m.emitted, out)
}
