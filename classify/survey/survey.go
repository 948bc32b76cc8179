// Package survey looks at a capture for what a site file would say of it: hosts and their names, the roles of rule packs that explain whom they talk to,
// operating systems, networks and conditions. What it proposes is a draft for a person who knows the site; every entry gives its evidence and how sure it is.
//
// A Survey takes connections, names, announcements and stacks as they are seen; Draft and Update then decide over all hosts at once.
// The same packets and rules give the same bytes.
package survey

import (
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what a survey remembers. What exceeds one of them is counted, and the draft says so.
const (
	maxAddresses = 1 << 13 // addresses that took part in an exchange
	maxExchanges = 1 << 16
	maxAnnounced = 1 << 16
	maxHosts     = 1 << 11 // that a draft proposes
	maxNamesOf   = 8       // of one address
	maxStacksOf  = 4       // of one address; the others are counted together
)

// Survey gathers. The zero value is not usable; New makes one. It is for one goroutine.
type Survey struct {
	set       *rules.Set
	ranges    [numSystems][]rules.PortRange
	addresses map[netip.Addr]*address // that took part in an exchange that was answered
	stacks    map[netip.Addr]*stacks
	exchanges map[exchangeKey]*exchange
	announced map[announcement]bool
	names     map[netip.Addr][]name
	bearers   map[string][]netip.Addr // by name in lower case; nil until asked for
	lost      struct{ addresses, stacks, exchanges, announced uint64 }
}

// address is the source ports of the connections that an address opened.
type address struct {
	ports [1 << numSystems]uint64 // connections by the systems in whose range their source port lies, as bits
	odd   uint16                  // the lowest source port that lies in none; 0: there is none
}

// stacks is what the SYNs and SYN-ACKs of one address looked like.
type stacks struct {
	kinds []stackCount
	more  uint64 // packets of kinds that there was no room for
	link  [6]byte
	links int // different ones seen, at most 2
}

type stackCount struct {
	flow.Stack
	packets uint64
}

// exchangeKey is who uses which service of whom.
type exchangeKey struct {
	orig, resp netip.Addr
	proto      flow.Proto
	port       uint16 // of the responder; 0 without ports
	icmpType   uint8
}

// exchange is the connections of one key.
type exchange struct {
	exchangeKey
	conns     uint64
	answered  uint64 // those that carried packets both ways or were accepted
	sure      uint64 // those whose originator is no guess
	source    uint16 // port of the originator in the first one
	clear     bool   // payload in clear was seen
	announced bool   // a control connection announced the port
	first     flow.ConnID
}

type announcement struct {
	peer  netip.Addr
	to    netip.AddrPort
	proto flow.Proto
}

type name struct {
	text   string
	origin flow.NameOrigin
	told   uint64
}

// New begins a survey by packs, and by the site that is to be updated; nil for a new one. The set is Survey's own from then on.
func New(set *rules.Set) *Survey {
	s := &Survey{set: set, addresses: map[netip.Addr]*address{}, stacks: map[netip.Addr]*stacks{}, exchanges: map[exchangeKey]*exchange{},
		announced: map[announcement]bool{}, names: map[netip.Addr][]name{}}
	for i, os := range systems {
		s.ranges[i] = s.rangesOf(os)
	}
	return s
}

// Observe takes a connection that ended. It keeps nothing of c.
func (s *Survey) Observe(c *flow.Conn) {
	orig, resp := c.Orig.Addr(), c.Resp.Addr()
	if c.OtherLeg || c.QuotesKnown || c.Proto == flow.TCP && !answered(c.Outcome) || !ordinary(orig) || !ordinary(resp) && !isGroup(resp) {
		return
	}
	e := s.exchange(c)
	if e == nil {
		return
	}
	e.conns++
	if answered(c.Outcome) {
		e.answered++
		s.sourcePort(c, s.address(orig))
		s.address(resp)
	}
	if !c.KnownBy.Uncertain() {
		e.sure++
	}
	e.announced = e.announced || s.isAnnounced(c)
	for i := range c.Facts {
		switch f := &c.Facts[i]; f.Kind {
		case flow.FactCleartext:
			e.clear = true
		case flow.FactName:
			s.addName(resp, f.Value, f.Origin)
		}
	}
}

// exchange finds or makes the one of a connection; nil where there is no room.
func (s *Survey) exchange(c *flow.Conn) *exchange {
	key := exchangeKey{orig: c.Orig.Addr(), resp: c.Resp.Addr(), proto: c.Proto}
	switch {
	case c.Proto.HasPorts():
		key.port = c.Resp.Port()
	case c.Proto.IsICMP():
		key.icmpType = c.ICMPType
	}
	e := s.exchanges[key]
	if e == nil && len(s.exchanges) >= maxExchanges {
		s.lost.exchanges++
	} else if e == nil {
		e = &exchange{exchangeKey: key, source: c.Orig.Port(), first: c.ID}
		s.exchanges[key] = e
	}
	return e
}

// answered says whether an outcome is evidence of both ends.
func answered(o flow.Outcome) bool {
	return o == flow.Established || o == flow.Partial || o == flow.Midstream || o == flow.Answered
}

// ordinary addresses are those that a host of a site may have.
func ordinary(a netip.Addr) bool {
	return !a.IsUnspecified() && !a.IsLoopback() && !a.IsLinkLocalUnicast() && !isGroup(a)
}

func isGroup(a netip.Addr) bool { return a.IsMulticast() || a == limitedBroadcast }

var limitedBroadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// address finds or makes the entry of an ordinary address; nil where there is no room.
func (s *Survey) address(a netip.Addr) *address {
	if !ordinary(a) {
		return nil
	}
	if old := s.addresses[a]; old != nil {
		return old
	}
	if len(s.addresses) >= maxAddresses {
		s.lost.addresses++
		return nil
	}
	s.addresses[a] = new(address)
	return s.addresses[a]
}

// LearnName takes a name as it is seen. It keeps nothing of n but its strings.
func (s *Survey) LearnName(n *flow.Name) {
	if a := n.Addr.Unmap().WithZone(""); ordinary(a) {
		s.addName(a, n.Name, n.Origin)
	}
}

func (s *Survey) addName(a netip.Addr, text string, origin flow.NameOrigin) {
	list := s.names[a]
	for i := range list {
		if list[i].text == text && list[i].origin == origin {
			list[i].told++
			return
		}
	}
	if len(list) < maxNamesOf && len(s.names) < maxAddresses && hostForm(text) {
		s.names[a] = append(list, name{text, origin, 1})
	}
}

// LearnAnnouncement takes what a control conversation announced.
func (s *Survey) LearnAnnouncement(a *flow.Announcement) {
	if a.Event != flow.PortAnnounced {
		return
	}
	if len(s.announced) >= maxAnnounced {
		s.lost.announced++
		return
	}
	s.announced[announcement{a.Peer, a.To, a.Proto}] = true
}

// isAnnounced says whether a connection, or one the other way round, was announced.
func (s *Survey) isAnnounced(c *flow.Conn) bool {
	return len(s.announced) > 0 && (s.announced[announcement{c.Orig.Addr(), c.Resp, c.Proto}] ||
		s.announced[announcement{c.Resp.Addr(), c.Orig, c.Proto}] ||
		s.announced[announcement{c.Orig.Addr(), netip.AddrPortFrom(c.Resp.Addr(), 0), c.Proto}] ||
		s.announced[announcement{c.Resp.Addr(), netip.AddrPortFrom(c.Orig.Addr(), 0), c.Proto}])
}

// LearnStack takes what a SYN or SYN-ACK shows of its sender.
func (s *Survey) LearnStack(st *flow.Stack) {
	a := s.stacks[st.Addr]
	switch {
	case a != nil:
	case !ordinary(st.Addr):
		return
	case len(s.stacks) >= maxAddresses:
		s.lost.stacks++
		return
	default:
		a = new(stacks)
		s.stacks[st.Addr] = a
	}
	if st.Link != ([6]byte{}) && st.Link != a.link && a.links < 2 {
		a.link = st.Link
		a.links++
	}
	a.add(*st)
}

func (a *stacks) add(k flow.Stack) {
	k.Link = [6]byte{}
	if k.Answer {
		k.Options, k.Count, k.MSS, k.Window = [flow.MaxStackOptions]uint8{}, 0, 0, 0
	}
	for i := range a.kinds {
		if a.kinds[i].Stack == k {
			a.kinds[i].packets++
			return
		}
	}
	if len(a.kinds) == maxStacksOf {
		a.more++
		return
	}
	a.kinds = append(a.kinds, stackCount{k, 1})
}
