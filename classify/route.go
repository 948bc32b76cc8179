package classify

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Most connections come again: the same two ends, the same service, the same verdict. What the first one found in tables is remembered by address and by
// route, so that the next one follows pointers where it would search eight maps with keys of many words: judging and adding up took 1.05 us a
// connection before, of which two thirds were such searches. The tables stay the truth. What is remembered here is bounded, points to entries that
// are never removed, and may be forgotten at any time: a full place is taken over. TestRememberingChangesNothing holds it against an auditor that remembers nothing.
const (
	endBits       = 13 // of the places for addresses
	leastRoutes   = 1 << 9
	mostRoutes    = 1 << 15
	seenBits      = 16 // of the places for hashes of routes that came once
	enough        = 2  // connections of a route, before what the next one finds is remembered: most routes of a capture have fewer
	rememberedRow = 3  // expectations that a route remembers
)

// endpoint is what is known of one address for a time.
type endpoint struct {
	addr        netip.Addr
	first, last int64 // packet time for which it is so
	of          *rules.Membership
	who         party
	network     netip.Prefix
}

// routeKey is two ends and a service, in the orientation in which connections were emitted.
type routeKey struct {
	orig, resp netip.Addr
	port       uint16
	proto      flow.Proto
	icmpType   uint8 // 0 for other protocols
}

// route is what is known of a routeKey for a time.
type route struct {
	routeKey
	groups      bool  // the originator is a group address, which opens nothing
	group       bool  // the responder is one
	again       uint8 // connections before this one, at most enough
	first, last int64

	from, to *endpoint
	respOf   *rules.Membership // through translations
	inner    uint16            // port there

	planned *rules.Membership // the responder of plan; nil: none yet
	plan    *plan
	means   *rules.Meaning // of the responder, with named
	named   *rules.Membership
	known   *aliases // names of the responder as the originator knows it
	asked   uint64   // generation of names in which there were none

	memo *memo // nil: none yet
}

// memo is where connections of a route are added up. Its pointers are nil where they are not known yet.
type memo struct {
	of       memoKey
	kind     *tally
	sum      *flowSum
	profile  *profile
	cell     *tally
	payloads *flowPayloads
	folded   *folded
	loss     *lossSum
	orig     *activity
	resp     *activity
	rows     [rememberedRow]memoRow
	hosts    bool // sum counts both ends
	both     bool // the networks of both ends are known to be seen
	stated   bool // vantage points see both directions; valid iff loss is not nil
	loose    bool // something was added up elsewhere
	repeat   repeat
}

// memoKey is what decides, beside the route, where a connection is added up.
type memoKey struct {
	orig, resp        *rules.Membership
	flow              *rules.Flow
	option            *option
	exception         *rules.Exception
	why               why
	verdict, original verdict
}

// memoRow is an expectation of one end on one flow.
type memoRow struct {
	option  *option
	byResp  bool // the end is the responder
	tracked *tracked
	samples *[]seen // of the flow
}

// routes remembers ends and routes.
type routes struct {
	off   bool // nothing is remembered: for tests
	ends  []*endpoint
	table []place
	used  int
	seen  []uint32 // parts of hashes
	once  route    // of the connection at hand, if it is the first of its route or the others are forgotten
	blank memo     // of connections without a memo
}

// place is where a route may stand. A look at one that holds another route costs no miss of the cache for that.
type place struct {
	hash uint64
	of   *route // nil: none
}

func newRoutes() routes {
	return routes{ends: make([]*endpoint, 1<<endBits), table: make([]place, leastRoutes), seen: make([]uint32, 1<<seenBits)}
}

// end is what is known of an address at a time. It is not to be changed.
func (a *Auditor) end(addr netip.Addr, at int64) *endpoint {
	place := &a.routes.ends[hashOf(addr)>>(64-endBits)]
	if e := *place; e != nil && e.addr == addr && e.first <= at && at <= e.last && !a.routes.off {
		return e
	}
	e := &endpoint{addr: addr, network: a.sight.network(addr)}
	e.of, e.first, e.last = a.set.LookupSpan(addr, at)
	e.who = a.partyOf(e.of, addr)
	*place = e
	return e
}

// route is that of a connection as it was emitted. Each has two places, the first for the one that was used last. One that comes for the first time
// takes none: many never come again, and making room for them took as long as remembering the others spared.
func (a *Auditor) route(c *flow.Conn) *route {
	t := &a.routes
	key := routeKey{orig: c.Orig.Addr(), resp: c.Resp.Addr(), port: c.Resp.Port(), proto: c.Proto}
	if c.Proto.IsICMP() {
		key.icmpType = c.ICMPType
	}
	hash := key.hash()
	at := hash & uint64(len(t.table)-2)
	switch first, second := t.table[at], t.table[at+1]; {
	case first.is(hash, &key, c.First) && !t.off:
		first.of.again = min(first.of.again+1, enough)
		return first.of
	case second.is(hash, &key, c.First) && !t.off:
		t.table[at], t.table[at+1] = second, first
		second.of.again = min(second.of.again+1, enough)
		return second.of
	case t.seen[hash>>(64-seenBits)] != uint32(hash)|1 || t.off:
		t.seen[hash>>(64-seenBits)] = uint32(hash) | 1 // never 0, which is nothing
		t.once = route{}
		a.resolve(&t.once, &key, c)
		return &t.once
	case second.of != nil:
		a.settle(second.of)
		*second.of = route{}
		t.table[at], t.table[at+1] = place{hash, second.of}, first
	default:
		if t.used++; t.used > len(t.table)/2 && len(t.table) < mostRoutes {
			a.settleAll()
			t.table, t.used = make([]place, 4*len(t.table)), 1 // who comes again is remembered again
			at = hash & uint64(len(t.table)-2)
		}
		t.table[at], t.table[at+1] = place{hash, &route{}}, t.table[at]
	}
	r := t.table[at].of
	r.again = 1
	a.resolve(r, &key, c)
	return r
}

// resolve fills an empty route for a connection.
func (a *Auditor) resolve(r *route, key *routeKey, c *flow.Conn) {
	r.routeKey, r.from, r.to = *key, a.end(key.orig, c.First), a.end(key.resp, c.First)
	r.respOf, r.inner, r.first, r.last = a.set.ResponderSpan(c.Resp, c.First)
	r.first, r.last = max(r.first, r.from.first, r.to.first), min(r.last, r.from.last, r.to.last)
	r.groups, r.group = isGroup(r.from.of, key.orig), isGroup(r.respOf, key.resp)
}

// is says whether a route with this hash and key stands here and is valid at a time.
func (p *place) is(hash uint64, key *routeKey, at int64) bool {
	return p.hash == hash && p.of != nil && p.of.routeKey == *key && p.of.first <= at && at <= p.of.last
}

func (k *routeKey) hash() uint64 {
	return mix(hashOf(k.orig)^bits.RotateLeft64(hashOf(k.resp), 32), uint64(k.port)<<16|uint64(k.proto)<<8|uint64(k.icmpType))
}

// remembered is where a judged connection is added up: what the last connection of its route found, if all that matters is the same.
func (a *Auditor) remembered(j *judged) *memo {
	t := &a.routes
	r := a.current
	if r == nil || r.again < enough || j.view.flipped || t.off {
		t.blank = memo{}
		return &t.blank
	}
	m := r.memo
	if m == nil {
		m = &memo{}
		r.memo = m
	}
	if key := (memoKey{j.view.orig, j.view.resp, j.flow, j.option, j.exception, j.why, j.verdict, j.original}); m.of != key {
		a.settle(r)
		*m = memo{of: key}
	}
	return m
}

// row finds the place of an expectation, or one for it; nil where there is none.
func (m *memo) row(o *option, byResp bool) *memoRow {
	for i := range m.rows {
		switch r := &m.rows[i]; {
		case r.option == nil, r.option == o && r.byResp == byResp:
			return r
		}
	}
	return nil
}

func hashOf(addr netip.Addr) uint64 {
	b := addr.As16()
	return mix(binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:]))
}

// mix folds two words into one whose bits, high and low, depend on all of theirs.
func mix(x, y uint64) uint64 {
	high, low := bits.Mul64(x^0x9e3779b97f4a7c15, y^0xd1b54a32d192ed03)
	return high ^ low
}
