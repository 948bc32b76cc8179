package classify

import (
	"math"
	"net/netip"
	"slices"

	"pcapaudit/capture/flow"
	"pcapaudit/rules"
)

// Limits of what is remembered of names.
const (
	maxNames      = 1 << 18 // all; beyond it the oldest is forgotten
	maxNamesOf    = 16      // of one address, as one host knows it, each as often as it was told anew; beyond it times of the same name become one, else the oldest is forgotten
	maxNameIssues = 1 << 12 // claims that contradict DNS, and names at other addresses than documented
	maxTogether   = 4       // documented names of one address of which none is told from the others
)

// nameKey is an address as one host knows it; a zero asker is everybody.
type nameKey struct {
	asker party
	addr  netip.Addr
}

// aliases are the names of an address as one host knows it.
type aliases struct {
	list []alias
	one  [1]alias // most have one
	gone bool     // all were forgotten: there may be others under the key
}

// alias is one name of an address.
type alias struct {
	name, chain string
	origin      flow.NameOrigin
	from, until int64          // packet time; until is the last valid one
	means       *rules.Meaning // nil: nothing in packs and site
	told        *answered      // of a name that DNS told: its last address; nil where that is not known
}

func (k *alias) valid(at int64) bool { return k.from <= at && at <= k.until }

// knownBy says what identifies a responder whose role has documented names.
type knownBy uint8

const (
	byNothing knownBy = iota // no name is documented
	byName
	byClaim
	byAddress
	numKnownBy = iota
)

var knownByNames = [numKnownBy]string{"", "name", "claim", "address"}

func (k knownBy) String() string { return knownByNames[k] }

// names is who knows which addresses by which names.
type names struct {
	known  map[nameKey]*aliases
	grown  uint64    // generation: how often known got another key
	meant  uint64    // generation: how often a name with a meaning was learned
	order  []nameKey // of the names in known, oldest first from next on
	next   int
	told   map[askedKey]*answered
	claims map[claimKey]*claim
	drifts map[driftKey]*drift
	unkept uint64 // valid names that were forgotten, and issues and answers without room
}

type askedKey struct {
	asker party
	name  string
	six   bool // an IPv4 answer says nothing against an IPv6 address
}

// answered is the last address that DNS told a host for a name that it asked for.
type answered struct {
	addr        netip.Addr
	from, until int64
}

type claimKey struct {
	orig, resp party
	name       string
}

// claim is connections whose originator names the responder otherwise than DNS did.
type claim struct {
	view     view
	verdict  verdict
	origin   flow.NameOrigin
	told     string // by DNS, in words
	sum      tally
	proto    flow.Proto
	port     int
	evidence []seen
}

type driftKey struct {
	name string
	addr netip.Addr
}

// drift is a documented name at another address than documented.
type drift struct {
	means  *rules.Meaning
	askers map[party]bool
	id     flow.ConnID // of the first answer
	at     int64
}

func newNames() names {
	return names{known: map[nameKey]*aliases{}, told: map[askedKey]*answered{}, claims: map[claimKey]*claim{}, drifts: map[driftKey]*drift{}}
}

// LearnName takes a name as it is seen, before connections that begin later are observed. It keeps nothing of n but its strings.
func (a *Auditor) LearnName(n *flow.Name) {
	key := nameKey{addr: n.Addr.Unmap().WithZone("")}
	k := alias{name: n.Name, chain: n.Chain, origin: n.Origin, from: n.At, until: n.Until, means: a.meaning(n)}
	if n.Asker.IsValid() {
		key.asker = a.partyAt(n.Asker, n.At)
	}
	if k.until == 0 {
		k.until = 1<<63 - 1
	}
	at := a.names.learn(key, k)
	if n.Origin == flow.NameDNS {
		if at.told == nil {
			at.told = a.names.asked(askedKey{key.asker, n.Name, key.addr.Is6()})
		}
		if at.told != nil {
			at.told.answer(answered{key.addr, k.from, k.until})
		}
	}
	if n.Origin == flow.NameDNS && k.means != nil && len(k.means.Stated()) > 0 && !k.means.Documents(key.addr) && n.At >= a.from && n.At < a.until {
		a.names.drift(n, key, k.means)
	}
}

// meaning is that of the name asked for, else that of the name which it stands for.
func (a *Auditor) meaning(n *flow.Name) *rules.Meaning {
	if m := a.set.ByName(n.Name); m != nil || n.Chain == "" {
		return m
	}
	return a.set.ByName(n.Chain)
}

// learn adds a name, or prolongs one that is known, and gives it, until another is learned.
func (n *names) learn(key nameKey, k alias) *alias {
	held := n.known[key]
	if held == nil {
		held = &aliases{}
		held.list = held.one[:0]
		n.known[key] = held
		n.grown++
	}
	list := held.list
	for i := range list {
		old := &list[i]
		if k.from <= old.until && old.from <= k.until && old.origin == k.origin && old.name == k.name && old.chain == k.chain {
			old.from, old.until = min(old.from, k.from), max(old.until, k.until)
			return old
		}
	}
	if k.means != nil {
		n.meant++
	}
	if len(list) >= maxNamesOf {
		for i := range list {
			if old := &list[i]; old.name == k.name && old.chain == k.chain && old.origin == k.origin && old.until < k.until {
				old.until = k.until // told before and told again: a long connection may have begun by the first answer
				return old
			}
		}
		i := oldest(list)
		n.forget(&list[i], k.from)
		list[i] = k
		return &list[i]
	}
	held.list = append(list, k)
	learned := &held.list[len(list)]
	n.order = append(n.order, key)
	if len(n.order)-n.next > maxNames {
		n.drop(n.order[n.next], k.from)
		n.next++
	}
	if n.next > maxNames {
		n.order, n.next = slices.Clone(n.order[n.next:]), 0
	}
	return learned
}

// asked is where the last answer to a host's question is kept, for good; nil where there is no room.
func (n *names) asked(k askedKey) *answered {
	t := n.told[k]
	if t == nil {
		if len(n.told) >= maxNames {
			n.unkept++
			return nil
		}
		t = &answered{from: math.MinInt64, until: math.MinInt64}
		n.told[k] = t
	}
	return t
}

func (t *answered) answer(given answered) {
	if t.addr == given.addr && given.from <= t.until {
		given.from = t.from
	}
	*t = given
}

// knownTo gives the names of an address as a host knows it; none where it knows none.
func (n *names) knownTo(key nameKey) []alias {
	if held := n.known[key]; held != nil {
		return held.list
	}
	return nil
}

// alongRoute is knownTo for the responder of a route and its originator.
func (n *names) alongRoute(r *route) []alias {
	if r.known != nil && !r.known.gone {
		return r.known.list
	}
	if r.asked == n.grown+1 {
		return nil
	}
	r.known, r.asked = n.known[nameKey{r.from.who, r.resp}], n.grown+1
	if r.known == nil {
		return nil
	}
	return r.known.list
}

// oldest is the name that was told least recently.
func oldest(list []alias) int {
	first := 0
	for i := range list {
		if list[i].until < list[first].until {
			first = i
		}
	}
	return first
}

func (n *names) forget(k *alias, now int64) {
	if k.until >= now {
		n.unkept++
	}
}

// drop forgets the oldest name of a key.
func (n *names) drop(key nameKey, now int64) {
	held := n.known[key]
	i := oldest(held.list)
	n.forget(&held.list[i], now)
	if held.list = slices.Delete(held.list, i, i+1); len(held.list) == 0 {
		held.gone = true
		delete(n.known, key)
	}
}

func (n *names) drift(name *flow.Name, key nameKey, m *rules.Meaning) {
	k := driftKey{name.Name, key.addr}
	d := n.drifts[k]
	if d == nil {
		if len(n.drifts) >= maxNameIssues {
			n.unkept++
			return
		}
		d = &drift{means: m, askers: map[party]bool{}, id: flow.ConnID{File: name.File, Packet: name.Packet}, at: name.At}
		n.drifts[k] = d
	}
	if len(d.askers) < maxOpenHosts {
		d.askers[key.asker] = true
	}
}

// identify gives a responder the roles of its names: those that DNS told this originator before the connection, of several the one that the
// originator claims; else the one that it claims, unless DNS told it another. A host of the site keeps its own roles.
func (a *Auditor) identify(c *flow.Conn, v *view) {
	if !a.set.HasNames() || len(a.names.known) == 0 && len(c.Facts) == 0 || v.resp.Translation != "" {
		return
	}
	r := a.current
	if v != &a.views[0] {
		r = nil
	}
	var list []alias
	if r != nil {
		list = a.names.alongRoute(r)
	} else {
		list = a.names.knownTo(nameKey{a.partyOf(v.orig, v.from.Addr()), v.to.Addr()})
	}
	var means *rules.Meaning
	found, told := 0, false
	for i := range list {
		k := &list[i]
		if k.origin != flow.NameDNS || !k.valid(c.First) {
			continue
		}
		told = true
		switch {
		case k.means == nil || found >= maxTogether:
			continue
		case claims(c, k.name):
			means, found = k.means, maxTogether
		case means == nil:
			means, found = k.means, 1
		case means != k.means:
			means = a.set.Together(means, k.means)
			found++
		}
	}
	by := byName
	if means == nil && !told && !v.flipped && !a.payload.proxied && !a.set.IsProxy(v.resp.Host) {
		means, by = a.claimedMeaning(c), byClaim
		if means != nil && means.Documents(v.to.Addr()) {
			by = byAddress
		}
	}
	if means == nil {
		return
	}
	if named := a.namedBy(r, v.resp, means); named != v.resp || v.resp.Host == nil {
		v.resp, v.named = named, by
	}
}

// namedBy is what is known of a responder that goes by a name. That of its route is remembered there.
func (a *Auditor) namedBy(r *route, of *rules.Membership, means *rules.Meaning) *rules.Membership {
	if r == nil {
		return a.set.Named(of, means)
	}
	if r.means != means {
		r.means, r.named = means, a.set.Named(of, means)
	}
	return r.named
}

// claims says whether the originator uses a name for the responder.
func claims(c *flow.Conn, name string) bool {
	for i := range c.Facts {
		if f := &c.Facts[i]; f.Kind == flow.FactName && f.Value == name {
			return true
		}
	}
	return false
}

// claimedMeaning is that of the first name claimed that has one.
func (a *Auditor) claimedMeaning(c *flow.Conn) *rules.Meaning {
	for i := range c.Facts {
		if f := &c.Facts[i]; f.Kind == flow.FactName {
			if m := a.set.ByName(f.Value); m != nil {
				return m
			}
		}
	}
	return nil
}

// identifiedBy says by what a responder plays its role in an option, nil for none.
func (o *option) identifiedBy(v *view) knownBy {
	switch {
	case o == nil || o.Proxied:
		return byNothing
	case v.named != byNothing:
		return v.named
	case o.named && v.resp.Host == nil:
		return byAddress
	}
	return byNothing
}

// of lists the names of a responder as the originator knows it at the beginning of a connection, then those that anybody may know, then the originator's claims.
func (n *names) of(a *Auditor, c *flow.Conn, v *view) []string {
	list := []string{}
	add := func(name string) {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	if len(n.known) > 0 {
		for _, asker := range [...]party{a.partyOf(v.orig, v.from.Addr()), {}} {
			for _, k := range n.knownTo(nameKey{asker, v.to.Addr()}) {
				if k.valid(c.First) {
					add(k.name)
				}
			}
		}
	}
	for i := range c.Facts {
		if c.Facts[i].Kind == flow.FactName {
			add(c.Facts[i].Value)
		}
	}
	return list
}

// display is the best name of a responder: what DNS told the originator last, else its claim, else what anybody may know.
func (n *names) display(a *Auditor, c *flow.Conn, v *view) (string, flow.NameOrigin) {
	for _, asker := range [...]party{a.partyOf(v.orig, v.from.Addr()), {}} {
		list := n.knownTo(nameKey{asker, v.to.Addr()})
		for i := len(list) - 1; i >= 0; i-- {
			if list[i].valid(c.First) {
				return list[i].name, list[i].origin
			}
		}
		if asker == (party{}) || v.from != c.Orig {
			continue
		}
		for i := range c.Facts {
			if f := &c.Facts[i]; f.Kind == flow.FactName {
				return f.Value, f.Origin
			}
		}
	}
	return "", 0
}
