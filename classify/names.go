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
)

// aliases are the names of an address as one host knows it: two lines of the cache, where it knows one.
type aliases struct {
	addr  netip.Addr
	asker uint32 // its number
	life  uint32 // how often all were forgotten: then there may be others under the key, and another key here
	list  []alias
	one   [1]alias // most have one
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

// names is who knows which addresses by which names.
type names struct {
	seeds   seeds
	askers  askers
	known   index // of entries
	entries slab[aliases]
	free    []uint32 // entries without names
	grown   uint64   // generation: how often known got another key
	meant   uint64   // generation: how often a name with a meaning was learned
	order   []uint32 // entries of the names in known, oldest first from next on
	next    int
	told    index // of answers
	answers slab[answered]
	numbers map[string]uint32 // of names in answers
	claims  map[claimKey]*claim
	drifts  map[driftKey]*drift
	unkept  uint64 // valid names that were forgotten, and issues and answers without room
}

// answered is the last address that DNS told a host for a name that it asked for. An IPv4 answer says nothing against an IPv6 address: each has its own.
type answered struct {
	addr        netip.Addr
	from, until int64
	asker, name uint32 // their numbers
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
	return names{seeds: newSeeds(), askers: askers{numbers: map[party]uint32{}}, known: newIndex(), told: newIndex(), numbers: map[string]uint32{}, claims: map[claimKey]*claim{}, drifts: map[driftKey]*drift{}}
}

// LearnName takes a name as it is seen, before connections that begin later are observed. It keeps nothing of n but its strings.
func (a *Auditor) LearnName(n *flow.Name) {
	addr := n.Addr.Unmap().WithZone("")
	k := alias{name: n.Name, chain: n.Chain, origin: n.Origin, from: n.At, until: n.Until, means: a.meaning(n)}
	var who party // everybody
	if n.Asker.IsValid() {
		who = a.partyAt(n.Asker, n.At)
	}
	if k.until == 0 {
		k.until = 1<<63 - 1
	}
	asker := a.names.askers.number(who)
	at := a.names.learn(asker, addr, &k)
	if n.Origin == flow.NameDNS {
		if at.told == nil {
			at.told = a.names.asked(asker, n.Name, addr)
		}
		if at.told != nil {
			at.told.answer(addr, k.from, k.until)
		}
	}
	if n.Origin == flow.NameDNS && k.means != nil && len(k.means.Stated()) > 0 && !k.means.Documents(addr) && n.At >= a.from && n.At < a.until {
		a.names.drift(n, who, addr, k.means)
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
func (n *names) learn(asker uint32, addr netip.Addr, k *alias) *alias {
	hash := n.seeds.ofAddr(asker, addr)
	entry, ok := n.find(hash, asker, addr)
	if !ok {
		entry = n.enter(hash, asker, addr)
	}
	held := n.entries.at(entry)
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
		list[i] = *k
		return &list[i]
	}
	held.list = append(list, *k)
	learned := &held.list[len(list)]
	n.order = append(n.order, entry)
	if len(n.order)-n.next > maxNames {
		n.drop(n.order[n.next], k.from)
		n.next++
	}
	if n.next > maxNames {
		n.order, n.next = slices.Clone(n.order[n.next:]), 0
	}
	return learned
}

// find gives the entry of an address as an asker knows it.
func (n *names) find(hash uint64, asker uint32, addr netip.Addr) (uint32, bool) {
	return n.known.find(hash, func(entry uint32) bool {
		held := n.entries.at(entry)
		return held.asker == asker && held.addr == addr
	})
}

// enter makes an entry without names.
func (n *names) enter(hash uint64, asker uint32, addr netip.Addr) (entry uint32) {
	if last := len(n.free) - 1; last >= 0 {
		entry, n.free = n.free[last], n.free[:last]
	} else {
		entry = n.entries.add()
	}
	held := n.entries.at(entry)
	held.asker, held.addr, held.list = asker, addr, held.one[:0]
	n.askers.use(asker)
	n.known.add(hash, entry)
	n.grown++
	return entry
}

// asked is where the last answer to a host's question is kept, for good; nil where there is no room.
func (n *names) asked(asker uint32, name string, addr netip.Addr) *answered {
	number, met := n.numbers[name]
	if t := n.answer(asker, number, addr.Is6()); met && t != nil {
		return t
	}
	if n.told.used >= maxNames {
		n.unkept++
		return nil
	}
	if !met {
		number = uint32(len(n.numbers))
		n.numbers[name] = number
	}
	entry := n.answers.add()
	t := n.answers.at(entry)
	*t = answered{addr: addr, from: math.MinInt64, until: math.MinInt64, asker: asker, name: number}
	n.askers.use(asker)
	n.told.add(n.seeds.ofName(asker, number), entry)
	return t
}

// answer finds the last answer to a host's question, by numbers; nil where there is none.
func (n *names) answer(asker, name uint32, six bool) *answered {
	entry, ok := n.told.find(n.seeds.ofName(asker, name), func(entry uint32) bool {
		t := n.answers.at(entry)
		return t.asker == asker && t.name == name && t.addr.Is6() == six
	})
	if !ok {
		return nil
	}
	return n.answers.at(entry)
}

func (t *answered) answer(addr netip.Addr, from, until int64) {
	if t.addr == addr && from <= t.until {
		from = t.from
	}
	t.addr, t.from, t.until = addr, from, until
}

// knownTo gives the names of an address as a host knows it; none where it knows none.
func (n *names) knownTo(who party, addr netip.Addr) []alias {
	if held := n.heldBy(who, addr); held != nil {
		return held.list
	}
	return nil
}

func (n *names) heldBy(who party, addr netip.Addr) *aliases {
	if asker, ok := n.askers.numbers[who]; ok {
		if entry, ok := n.find(n.seeds.ofAddr(asker, addr), asker, addr); ok {
			return n.entries.at(entry)
		}
	}
	return nil
}

// alongRoute is knownTo for the responder of a route and its originator.
func (n *names) alongRoute(r *route) []alias {
	switch {
	case r.known != nil && r.asked == uint64(r.known.life):
		return r.known.list
	case r.known == nil && r.asked == n.grown+1:
		return nil
	}
	r.known = n.heldBy(r.from.who, r.to.addr)
	if r.known == nil {
		r.asked = n.grown + 1
		return nil
	}
	r.asked = uint64(r.known.life)
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

// drop forgets the oldest name of an entry.
func (n *names) drop(entry uint32, now int64) {
	held := n.entries.at(entry)
	i := oldest(held.list)
	n.forget(&held.list[i], now)
	if held.list = slices.Delete(held.list, i, i+1); len(held.list) == 0 {
		n.known.remove(n.seeds.ofAddr(held.asker, held.addr), entry)
		n.askers.release(held.asker)
		*held = aliases{life: held.life + 1}
		n.free = append(n.free, entry)
	}
}

func (n *names) drift(name *flow.Name, who party, addr netip.Addr, m *rules.Meaning) {
	k := driftKey{name.Name, addr}
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
		d.askers[who] = true
	}
}
