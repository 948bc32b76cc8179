package classify

import (
	"encoding/binary"
	"math/bits"
	"net/netip"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Most connections come again: the same two ends, the same service, the same verdict. What the first one found in tables is remembered by address and by
// route, so that the next one follows pointers where it would search eight maps with keys of many words: judging and adding up took 1.5 us a
// connection before. The tables stay the truth. What is remembered here is bounded, points to entries that
// are never removed, and may be forgotten at any time: a full place is taken over. TestRememberingChangesNothing holds it against an auditor that remembers nothing.
const (
	endBits       = 14 // of the places for addresses
	useBits       = 14 // of those for parties and flows
	pairBits      = 10 // of those for pairs of networks
	leastRoutes   = 1 << 9
	mostRoutes    = 1 << 17
	freshRoutes   = 1 << 7
	rememberedRow = 3 // expectations that a route remembers
)

// endpoint is what is known of one address for a time.
type endpoint struct {
	addr        netip.Addr
	first, last int64 // packet time for which it is so
	of          *rules.Membership
	who         party
	network     netip.Prefix
	hash        uint64
	netHash     uint64
	group       bool      // it is a group address
	role        string    // in the matrix; "" is not known yet
	active      *activity // of who; nil: not known yet
	profile     *profile  // the same
}

// routeKey is two ends and a service, in the orientation in which connections were emitted. An end that was forgotten meanwhile is another.
type routeKey struct {
	from, to *endpoint
	port     uint16
	proto    flow.Proto
	icmpType uint8 // 0 for other protocols
}

// route is what is known of a routeKey for a time. What another connection like the last one needs stands first: it is what the cache has to fetch.
type route struct {
	routeKey
	inner       uint16 // port of respOf
	group       bool   // the responder is a group address
	again       bool   // it came before: then what others than documented ones find is remembered, too
	first, last int64

	memo memo

	respOf  *rules.Membership // through translations
	planned *rules.Membership // the responder of plan; nil: none yet
	plan    *plan
	means   *rules.Meaning // of the responder, with named
	named   *rules.Membership
	known   *aliases // names of the responder as the originator knows it
	asked   uint64   // life of known; where that is nil the generation of names in which there were none
}

// memo is where the last connection of a route was added up. Its pointers are nil where they are not known.
type memo struct {
	repeat repeat
	loss   *lossSum
	resp   *activity
	of     memoKey
	stated bool // vantage points see both directions; valid iff loss is not nil
	loose  bool // something was added up elsewhere
	cell   *tally
	folded *folded
	rows   [rememberedRow]memoRow
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
}

// routes remembers ends and routes.
type routes struct {
	off   bool // nothing is remembered: for tests
	ends  []*endpoint
	uses  []usage
	pairs []between
	table []place
	used  int
	fresh []route
	once  route // of the connection at hand, where routes are not remembered
	blank memo  // of connections without a memo
}

// place is where a route may stand. A look at one that holds another route costs no miss of the cache for that.
type place struct {
	hash uint64
	of   *route // nil: none
}

func newRoutes() routes {
	return routes{ends: make([]*endpoint, 1<<endBits), uses: make([]usage, 1<<useBits), pairs: make([]between, 1<<pairBits), table: make([]place, leastRoutes)}
}

// end is what is known of an address at a time. It has two places, as routes have.
func (a *Auditor) end(addr netip.Addr, at int64) *endpoint {
	hash := hashOf(addr)
	i := hash >> (64 - endBits) &^ 1
	places := a.routes.ends[i : i+2 : i+2]
	switch first, second := places[0], places[1]; {
	case first.is(addr, at) && !a.routes.off:
		return first
	case second.is(addr, at) && !a.routes.off:
		places[0], places[1] = second, first
		return second
	}
	e := &endpoint{addr: addr, network: a.sight.network(addr), hash: hash}
	e.netHash = hashOf(e.network.Addr())
	e.of, e.first, e.last = a.set.LookupSpan(addr, at)
	e.who, e.group = a.partyOf(e.of, addr), isGroup(e.of, addr)
	places[0], places[1] = e, places[0]
	return e
}

// is says whether this is an address and valid at a time.
func (e *endpoint) is(addr netip.Addr, at int64) bool {
	return e != nil && e.addr == addr && e.first <= at && at <= e.last
}

// route is that of a connection as it was emitted. Each has two places, the first for the one that was used last.
func (a *Auditor) route(c *flow.Conn) *route {
	t := &a.routes
	key := routeKey{from: a.end(c.Orig.Addr(), c.First), to: a.end(c.Resp.Addr(), c.First), port: c.Resp.Port(), proto: c.Proto}
	if c.Proto.IsICMP() {
		key.icmpType = c.ICMPType
	}
	hash := key.hash()
	for {
		at := hash & uint64(len(t.table)-2)
		first, second := &t.table[at], &t.table[at+1]
		switch {
		case t.off:
			return a.resolve(&t.once, &key, c)
		case first.is(hash, &key, c.First):
			first.of.again = true
			return first.of
		case second.is(hash, &key, c.First):
			*first, *second = *second, *first
			first.of.again = true
			return first.of
		case second.of != nil:
			a.settle(second.of)
			*first, *second = place{hash, second.of}, *first
		case t.used < len(t.table)/2:
			t.used++
			*first, *second = place{hash, t.newRoute()}, *first
		case len(t.table) < mostRoutes:
			t.grow()
			continue
		case first.of != nil:
			a.settle(first.of)
			first.hash = hash
		default:
			return a.resolve(&t.once, &key, c)
		}
		return a.resolve(first.of, &key, c)
	}
}

// newRoute is a route of its own. They are made many at a time: that takes less time and room.
func (t *routes) newRoute() *route {
	if len(t.fresh) == 0 {
		t.fresh = make([]route, freshRoutes)
	}
	r := &t.fresh[0]
	t.fresh = t.fresh[1:]
	return r
}

// grow makes the table four times as large. What stood in two places finds two.
func (t *routes) grow() {
	old := t.table
	t.table = make([]place, 4*len(old))
	for _, p := range old {
		if p.of == nil {
			continue
		}
		at := p.hash & uint64(len(t.table)-2)
		if t.table[at].of != nil {
			at++
		}
		t.table[at] = p
	}
}

// resolve fills a route anew for a connection, and gives it.
func (a *Auditor) resolve(r *route, key *routeKey, c *flow.Conn) *route {
	*r = route{routeKey: *key}
	r.respOf, r.inner, r.first, r.last = a.set.ResponderSpan(c.Resp, c.First)
	r.first, r.last = max(r.first, r.from.first, r.to.first), min(r.last, r.from.last, r.to.last)
	if r.group = r.to.group; r.respOf != r.to.of {
		r.group = isGroup(r.respOf, r.to.addr)
	}
	return r
}

// is says whether a route with this hash and key stands here and is valid at a time.
func (p *place) is(hash uint64, key *routeKey, at int64) bool {
	return p.hash == hash && p.of != nil && p.of.routeKey == *key && p.of.first <= at && at <= p.of.last
}

func (k *routeKey) hash() uint64 {
	return mix(k.from.hash^bits.RotateLeft64(k.to.hash, 32), uint64(k.port)<<16|uint64(k.proto)<<8|uint64(k.icmpType))
}

// remembered is where a judged connection is added up: what the last connection of its route found, if all that matters is the same.
func (a *Auditor) remembered(j *judged) *memo {
	t := &a.routes
	r := a.current
	if r == nil || r == &t.once || !r.again && j.verdict != documented || j.view.flipped || t.off {
		t.blank = memo{}
		return &t.blank
	}
	a.settle(r)
	m := &r.memo
	if key := (memoKey{j.view.orig, j.view.resp, j.flow, j.option, j.exception, j.why, j.verdict, j.original}); m.of != key {
		*m = memo{of: key}
		return m
	}
	m.repeat, m.rows, m.resp, m.loose = repeat{sources: m.repeat.sources}, [rememberedRow]memoRow{}, nil, false
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
